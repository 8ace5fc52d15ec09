//! EIP-191 messages against published signatures, and what is refused.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SigningKey, Transaction,
    evm::{self, Evm},
};
use proptest::{collection::vec, prelude::*};

/// Message, secret key, signature. The first is the example of `web3.eth.accounts.sign` in the documentation of web3.js,
/// <https://web3js.readthedocs.io/en/v1.10.0/web3-eth-accounts.html#sign>; the others are those of
/// `src/personal-sign.test.ts` in MetaMask's eth-sig-util, two of them made with go-ethereum. The third and fourth
/// messages are 32 bytes.
const PUBLISHED: [(&[u8], &str, &str); 5] = [
    (
        b"Some data",
        "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
        "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
         6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c",
    ),
    (
        b"Hello, world!",
        "4af1bceebf7f3634ec3cff8a2c38e51178d5d4ce585c52d6043e5e2cc3418bb0",
        "90a938f7457df6e8f741264c32697fc52f9a8f867c52dd70713d9d2d472f2e41\
         5d9c94148991bbe1f4a1818d1dff09165782749c877f5cf1eff4ef126e55714d1c",
    ),
    (
        b"hello world",
        "6969696969696969696969696969696969696969696969696969696969696969",
        "ce909e8ea6851bc36c007a0072d0524b07a3ff8d4e623aca4c71ca8e57250c4d\
         0a3fc38fa8fbaaa81ead4b9f6bd03356b6f8bf18bccad167d78891636e1d69561b",
    ),
    (
        b"\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61\x92\xeb\x5f\xfe\xe6\xae\x2f\xec\x3a\xd7\x1c\
          \x77\x75\x31\x57\x8f",
        "6969696969696969696969696969696969696969696969696969696969696969",
        "9ff8350cc7354b80740a3580d0e0fd4f1f02062040bc06b893d70906f8728bb5\
         163837fd376bf77ce03b55e9bd092b32af60e86abce48f7b8d3539988ee5a9be1c",
    ),
    (
        b"\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61\x92\xeb\x5f\xfe\xe6\xae\x2f\xec\x3a\xd7\x1c\
          \x77\x75\x31\x57\x8f",
        "4545454545454545454545454545454545454545454545454545454545454545",
        "a2870db1d0c26ef93c7b72d2a0830fa6b841e0593f7186bc6c7cc317af8cf3a4\
         2fda03bd589a49949aa05db83300cdb553116274518dbe9d90c65d0213f4af491b",
    ),
];

/// The unsigned transaction of EIP-155's example, <https://eips.ethereum.org/EIPS/eip-155>, and the same one signed.
const TRANSACTION: &str = "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
const SIGNED: &str = "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340b\
     d939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b\
     6d83";

#[test]
fn signs_as_published() {
    for (message, secret, expected) in PUBLISHED {
        let signer = signer(&hex::decode(secret).unwrap());
        let signed = signer.sign(decode(message).unwrap().as_ref()).unwrap();
        assert_eq!(hex::encode(&signed.bytes), expected);
        assert_eq!(evm::recover_message_signer(message, &signed.bytes).unwrap(), signer.address());
    }
    let id = signer(&[1; 32]).sign(decode(b"Some data").unwrap().as_ref()).unwrap().id;
    assert_eq!(id, "0x1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"); // `messageHash` there
}

#[test]
fn says_what_is_signed() {
    let message = decode(b"Log in to \"example\"\nnonce \xe2\x80\xae7").unwrap();
    let summary = message.summary();
    assert_eq!(summary.chain_id.as_str(), "eip155:10");
    assert_eq!(summary.actions, [Action::Message { framing: "eip191".into(), len: 30 }]);
    assert_eq!(summary.fee_ceiling, Some(Amount::ZERO));
    let words =
        r#"sign the message "Log in to \"example\"\nnonce \u{202e}7" of 30 bytes for eip155:10 (EIP-191); hash "#;
    assert!(summary.text.starts_with(words), "{}", summary.text);
    let digest = decode(&[0xee; 32]).unwrap();
    let words = format!("sign the message 0x{} of 32 bytes", "ee".repeat(32));
    assert!(digest.summary().text.starts_with(&words), "{}", digest.summary().text);
}

#[test]
fn requires_a_chain_of_ethereum() {
    let required = Evm.decode(&Payload::new(Encoding::Message, b"hello")).unwrap_err();
    assert!(matches!(required, DecodeError::ChainIdRequired { .. }));
    let solana: ChainId = "solana:mainnet".parse().unwrap();
    let other = Evm.decode(&Payload::new(Encoding::Message, b"hello").on_chain(&solana)).unwrap_err();
    assert!(other.to_string().contains("eip155"), "{other}");
}

#[test]
fn refuses_a_transaction_in_any_spelling() {
    let binary = hex::decode(TRANSACTION).unwrap();
    let signed = hex::decode(SIGNED).unwrap();
    let json = br#" {"to": "0x3535353535353535353535353535353535353535", "value": 1, "nonce": 9, "chainId": 1,
        "gas": 21000, "gasPrice": 20000000000}"#;
    let chainless = &binary[..binary.len() - 3];
    let chainless = [&[0xe9][..], &chainless[1..]].concat(); // EIP-155's example before EIP-155: six fields
    for message in [
        binary.clone(),
        TRANSACTION.as_bytes().to_vec(),
        format!("0x{TRANSACTION}").into_bytes(),
        format!("\n0x{} ", TRANSACTION.to_uppercase()).into_bytes(),
        signed.clone(),
        format!("0x{SIGNED}").into_bytes(),
        json.to_vec(),
        chainless,
    ] {
        let error = decode(&message).unwrap_err();
        assert!(error.to_string().starts_with("the message: expected nothing that has another meaning"), "{error}");
    }
    let almost = &binary[..binary.len() - 1];
    assert!(decode(almost).is_ok(), "no transaction");
}

#[test]
fn refuses_what_typed_data_signs() {
    let payload = [&[0x19, 0x01][..], &[7; 64]].concat();
    let error = decode(&payload).unwrap_err();
    assert!(error.to_string().contains("typed data"), "{error}");
    assert!(decode(&[&[0x19][..], &[7; 65]].concat()).is_ok());
}

#[test]
fn has_a_limit() {
    assert!(decode(&[b'a'; 64 * 1024]).is_ok());
    let error = decode(&[b'a'; 64 * 1024 + 1]).unwrap_err();
    assert_eq!(error, DecodeError::TooLong { what: "the message".into(), unit: "bytes", len: 65_537, max: 65_536 });
    assert!(decode(b"").is_ok());
}

#[test]
fn a_signature_has_one_spelling() {
    let signature = hex::decode(PUBLISHED[0].2).unwrap();
    for v in [0, 1, 26, 29, 37] {
        let other = [&signature[..64], &[v]].concat();
        assert!(evm::recover_message_signer(b"Some data", &other).is_err(), "v = {v}");
    }
    for len in [0, 64] {
        assert!(evm::recover_message_signer(b"Some data", &signature[..len]).is_err());
    }
    // The same signature with n - S instead of S, and the other v.
    let high = "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
                9ff818b327d1fc847ffe79bdd03d25e83e3a5df6696bcfb160a55d8bd755a1181b";
    assert!(evm::recover_message_signer(b"Some data", &hex::decode(high).unwrap()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_other_message_is_signed_as_it_is(message in vec(any::<u8>(), 0..200), text in "\\PC{0,80}", is_text: bool) {
        let message = if is_text { text.into_bytes() } else { message };
        let Ok(decoded) = decode(&message) else { return Ok(()) };
        prop_assert_eq!(decoded.to_bytes(), &message[..]);
        prop_assert!(!decoded.summary().text.contains(char::is_control));
        let again = decode(&decoded.to_bytes()).unwrap();
        prop_assert_eq!(again.summary(), decoded.summary());
    }

    #[test]
    fn another_message_has_another_text(one in vec(any::<u8>(), 0..40), two in vec(any::<u8>(), 0..40)) {
        let (Ok(a), Ok(b)) = (decode(&one), decode(&two)) else { return Ok(()) };
        prop_assert_eq!(a.summary() == b.summary(), one == two);
    }
}

proptest! {
    #[test]
    fn the_signer_is_recovered(message in vec(any::<u8>(), 0..100), secret: [u8; 32]) {
        let Ok(key) = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret) else { return Ok(()) };
        let Ok(decoded) = decode(&message) else { return Ok(()) };
        let signer = ChainSigner::new(Arc::new(Evm), key).unwrap();
        let signed = signer.sign(decoded.as_ref()).unwrap();
        prop_assert_eq!(evm::recover_message_signer(&message, &signed.bytes).unwrap(), signer.address());
        prop_assert_eq!(signer.sign(decoded.as_ref()).unwrap(), signed, "deterministic");
    }
}

fn decode(message: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    let chain_id = "eip155:10".parse().unwrap();
    Evm.decode(&Payload::new(Encoding::Message, message).on_chain(&chain_id))
}

fn signer(secret: &[u8]) -> ChainSigner {
    ChainSigner::new(Arc::new(Evm), SigningKey::from_secret_bytes(Curve::Secp256k1, secret).unwrap()).unwrap()
}
