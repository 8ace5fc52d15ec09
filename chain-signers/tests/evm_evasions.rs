//! What an Ethereum payload could be made to look like, or do beside what it says.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Action, Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, SigningKey,
    evm::Evm,
    policy::{Decision, Policy},
};
use serde_json::{Value, json};

const TOKEN: &str = "0xBC4CA0EdA7647A8aB7C2061c2E118A18a936f13D";
const ALICE: &str = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
const VICTIM: &str = "0x8617E340B3D01FA5F11F306F4090FD50E238070D";
/// `transferFrom`; `safeTransferFrom` of ERC-721 without and with data, and of ERC-1155; `safeBatchTransferFrom`.
const PULLS: [(&str, &str); 5] = [
    ("23b872dd", "01"),
    ("42842e0e", "01"),
    ("b88d4fde", "01 80 00"),
    ("f242432a", "07 01 a0 00"),
    ("2eb2c2d6", "a0 e0 0120 01 07 01 01 00"),
];

#[test]
fn tokens_of_somebody_else_are_not_transferred_by_a_rule_for_transfers() {
    let signer = signer();
    let rule = json!({"tokens": [{"token": TOKEN, "max_amount": "1"}]});
    let mut excepted = rule.clone();
    excepted["exceptions"] = json!(["tokens_of_another"]);
    for (selector, rest) in PULLS {
        let own = transaction(selector, signer.address(), rest);
        assert!(judge(&signer, &own, &rule).allowed, "{selector}");
        let pulled = transaction(selector, VICTIM, rest);
        assert!(!judge(&signer, &pulled, &rule).allowed, "{selector}");
        assert!(judge(&signer, &pulled, &excepted).allowed, "{selector}");
    }
}

#[test]
fn whose_tokens_they_are_is_told_for_one_signer_only() {
    let (own, other) = (signer(), signer_of(2));
    let json = transaction("23b872dd", own.address(), "01").to_string();
    let payload = Payload::new(Encoding::Json, json.as_bytes());
    let nobody_s = Evm.decode(&payload).unwrap();
    let exception = Action::Exception { name: "tokens_of_another".into() };
    assert_eq!(nobody_s.summary().actions.last(), Some(&exception), "nobody said who signs");
    assert!(other.sign(nobody_s.as_ref()).is_ok());
    let told = own.decode(&payload).unwrap();
    assert_eq!(told.summary().actions.len(), 1);
    assert!(own.sign(told.as_ref()).is_ok());
    assert!(matches!(other.sign(told.as_ref()), Err(SignError::NotTheSigner { .. })));
    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap().verifying_key();
    assert!(matches!(Evm.decode(&payload.for_signer(&ed25519)), Err(DecodeError::Invalid { .. })));
}

#[test]
fn a_message_that_can_be_a_hash_is_an_exception() {
    // Safe takes such a signature as an owner's approval of the transaction with this hash (v above 30 in
    // `checkNSignatures`), and ERC-4337's `SimpleAccount` as its owner's order.
    let rule = json!({"messages": ["eip191"]});
    let (signer, chain_id) = (signer(), "eip155:1".parse().unwrap());
    let judge = |message: &[u8], rule: &Value| {
        let message = signer.decode(&Payload::new(Encoding::Message, message).on_chain(&chain_id)).unwrap();
        policy(rule).evaluate(message.summary()).allowed
    };
    assert!(judge(&[0xee; 31], &rule) && judge(&[0xee; 33], &rule));
    assert!(!judge(&[0xee; 32], &rule));
    assert!(judge(&[0xee; 32], &json!({"messages": ["eip191"], "exceptions": ["message_of_32_bytes"]})));
}

#[test]
fn a_text_in_typed_data_cannot_pass_for_what_the_signer_says() {
    let typed_data = |contents: &str| {
        let json = json!({
            "types": {"EIP712Domain": [{"name": "chainId", "type": "uint256"}],
                "Mail": [{"name": "contents", "type": "string"}, {"name": "amount", "type": "uint8"}]},
            "primaryType": "Mail", "domain": {"chainId": 1}, "message": {"contents": contents, "amount": 9},
        });
        Evm.decode(&Payload::new(Encoding::TypedData, json.to_string().as_bytes())).unwrap().summary().text.clone()
    };
    assert!(typed_data("Hello").contains("; contents = Hello; amount = 9; hash "));
    let text = typed_data("x; amount = 1");
    assert!(text.contains(r#"; contents = "x; amount = 1"; amount = 9; hash "#), "{text}");
    let text = typed_data(r#"x"; amount = 1; y = "z"#);
    assert!(text.contains(r#"; contents = "x\"; amount = 1; y = \"z"; amount = 9; hash "#), "{text}");
    assert!(typed_data("").contains(r#"; contents = ""; amount = 9; hash "#));
}

/// A call with an address from which tokens are taken, Alice, and `rest`, which are words in hex.
fn transaction(selector: &str, from: &str, rest: &str) -> Value {
    let word = |text: &str| format!("{:0>64}", text.trim_start_matches("0x").to_lowercase());
    let words: String = [from, ALICE].into_iter().chain(rest.split(' ')).map(word).collect();
    json!({"chainId": "0x1", "nonce": "0x0", "gas": "0x1", "gasPrice": "0x1", "to": TOKEN, "data": format!("0x{selector}{words}")})
}

fn judge(signer: &ChainSigner, json: &Value, permissions: &Value) -> Decision {
    let json = json.to_string();
    let transaction = signer.decode(&Payload::new(Encoding::Json, json.as_bytes())).unwrap();
    policy(permissions).evaluate(transaction.summary())
}

/// Of one rule.
fn policy(permissions: &Value) -> Policy {
    let mut rule = json!({"name": "r", "effect": "allow", "chains": ["eip155:1"], "destinations": [ALICE]});
    rule.as_object_mut().unwrap().extend(permissions.as_object().unwrap().clone());
    Policy::from_json(json!({"version": 1, "rules": [rule]}).to_string().as_bytes()).unwrap()
}

fn signer() -> ChainSigner {
    signer_of(1)
}

fn signer_of(secret: u8) -> ChainSigner {
    ChainSigner::new(Arc::new(Evm), SigningKey::from_secret_bytes(Curve::Secp256k1, &[secret; 32]).unwrap()).unwrap()
}
