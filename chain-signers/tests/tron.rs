//! TRON transactions against wallet-core's fixtures, and what is refused.
#![cfg(feature = "tron")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;
mod protobuf;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, KeyError, Payload, RecoveryId,
    SignError, Signature, SigningKey, Transaction, hazmat, policy::Policy, tron::Tron,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};
use protobuf::{bytes, number, text};
use serde_json::json;
use sha2::{Digest, Sha256};

/// trustwallet/wallet-core, `tests/chains/Tron`: `raw_data_hex` and transaction ids from `DeserializationTests.cpp`,
/// signatures from `SerializationTests.cpp` and `SignerTests.cpp`, addresses from `AddressTests.cpp`.
mod wallet_core {
    pub(crate) const SECRET: &str = "2d8f68944bdbfbc0769542fba8fc2d2a3de67393334471624364c7006da2aa54";
    pub(crate) const OWNER: &str = "TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC";
    pub(crate) const OTHER: &str = "THTR75o8xXAgCTQqpiot2AFRAjvW1tSbVV";
    pub(crate) const TOKEN_RECEIVER: &str = "TW1dU4L3eNm7Lw8WvieLKEHpXWAussRG9Z";

    #[derive(Debug)]
    pub(crate) struct Fixture {
        pub(crate) raw_data: &'static str,
        pub(crate) id: &'static str,
        pub(crate) signature: &'static str,
    }

    pub(crate) const TRANSFER: Fixture = Fixture {
        raw_data: "0a027b3b2208b21ace8d6ac20e7e40d8abb9bae62c5a67080112630a2d747970652e676f6f676c65617069732e636f6d2f70\
            726f746f636f6c2e5472616e73666572436f6e747261637412320a15415cd0fb0ab3ce40f3051414c604b27756e69e43db12\
            1541521ea197907927725ef36d70f25f850d1659c7c71880897a70d889a4a9e62c",
        id: "dc6f6d9325ee44ab3c00528472be16e1572ab076aa161ccd12515029869d0451",
        signature: "ede769f6df28aefe6a846be169958c155e23e7e5c9621d2e8dce1719b4d952b63e8a8bf9f00e41204ac1bf69b1a663dacdf7\
            64367e48e4a5afcd6b055a747fb200",
    };
    pub(crate) const TRANSFER_ASSET: Fixture = Fixture {
        raw_data: "0a02b80122080e2bc08d550f5f5840a0b5d58ff02c5a730802126f0a32747970652e676f6f676c65617069732e636f6d2f70\
            726f746f636f6c2e5472616e736665724173736574436f6e747261637412390a07313030303935391215415cd0fb0ab3ce40\
            f3051414c604b27756e69e43db1a1541521ea197907927725ef36d70f25f850d1659c7c7200470d889a4a9e62c",
        id: "546a3d07164c624809cf4e564a083a7a7974bb3c4eff6bb3e278b0ca21083fcb",
        signature: "77f5eabde31e739d34a66914540f1756981dc7d782c9656f5e14e53b59a15371603a183aa12124adeee7991bf55acc8e488a\
            6ca04fb393b1a8ac16610eeafdfc00",
    };
    pub(crate) const VOTE_WITNESS: Fixture = Fixture {
        raw_data: "0a027b3b2208b21ace8d6ac20e7e40d8abb9bae62c5a6c080412680a30747970652e676f6f676c65617069732e636f6d2f70\
            726f746f636f6c2e566f74655769746e657373436f6e747261637412340a15415cd0fb0ab3ce40f3051414c604b27756e69e\
            43db12190a1541521ea197907927725ef36d70f25f850d1659c7c71003180170d889a4a9e62c",
        id: "3f923e9dd9571a66624fafeda27baa3e00aba1709d3fdc5c97c77b81fda18c1f",
        signature: "79ec1073ae1319ef9303a2f5a515876cfd67f8f0e155bdbde1115d391c05358a3c32f148bfafacf07e1619aaed728d9ffbc2\
            c7e4a5046003c7b74feb86fc68e400",
    };
    pub(crate) const TRIGGER: Fixture = Fixture {
        raw_data: "0a027b3b2208b21ace8d6ac20e7e40d8abb9bae62c5a77081f12730a31747970652e676f6f676c65617069732e636f6d2f70\
            726f746f636f6c2e54726967676572536d617274436f6e7472616374123e0a15415cd0fb0ab3ce40f3051414c604b27756e6\
            9e43db121541521ea197907927725ef36d70f25f850d1659c7c72209736f6d65206461746128904e300170d889a4a9e62c",
        id: "9927d3daae10ad001b25ef3c1bb03073c928cc0e0823f6f3ce404c2b03ce3570",
        signature: "21a99aafeabdddfdfae86538df048d120a83eb36bbcf5656595919ba6afddacd0a07d0ba051ae80337613174b109f36cb583\
            b6e46ee5aecf6ffe3392fdbb8a2a01",
    };
    pub(crate) const TRC20: Fixture = Fixture {
        raw_data: "0a027b3b2208b21ace8d6ac20e7e40d8abb9bae62c5aae01081f12a9010a31747970652e676f6f676c65617069732e636f6d\
            2f70726f746f636f6c2e54726967676572536d617274436f6e747261637412740a15415cd0fb0ab3ce40f3051414c604b277\
            56e69e43db121541521ea197907927725ef36d70f25f850d1659c7c72244a9059cbb000000000000000000000041dbd7c537\
            29b3310e1843083000fa84abad99696100000000000000000000000000000000000000000000000000000000000003e870d8\
            89a4a9e62c",
        id: "0d644290e3cf554f6219c7747f5287589b6e7e30e1b02793b48ba362da6a5058",
        signature: "bec790877b3a008640781e3948b070740b1f6023c29ecb3f7b5835433c13fc5835e5cad3bd44360ff2ddad5ed7dc9d7dee68\
            78f90e86a40355b7697f5954b88c01",
    };
    pub(crate) const TRC20_LARGE: Fixture = Fixture {
        raw_data: "0a027b3b2208b21ace8d6ac20e7e40d8abb9bae62c5aae01081f12a9010a31747970652e676f6f676c65617069732e636f6d\
            2f70726f746f636f6c2e54726967676572536d617274436f6e747261637412740a15415cd0fb0ab3ce40f3051414c604b277\
            56e69e43db121541521ea197907927725ef36d70f25f850d1659c7c72244a9059cbb000000000000000000000041dbd7c537\
            29b3310e1843083000fa84abad99696100000000000000000000000000000000000000000000021e19e0c9bab240000070d8\
            89a4a9e62c",
        id: "774422d8d205760876496f22b7d4395cfceda03f139b8362a3693f1f405f0c36",
        signature: "8207cbae6aff799cfefa1ab4d8a0c52b6a59be43491bd25b4f03754f0e8115b006b5f1393a3934ec3489f5d3c272a7af4265\
            8bdc165dc632b36114bd3180da2e00",
    };
    pub(crate) const ALL: [Fixture; 6] = [TRANSFER, TRANSFER_ASSET, VOTE_WITNESS, TRIGGER, TRC20, TRC20_LARGE];
}

/// The main network, by <https://namespaces.chainagnostic.org/tron/caip2>.
const CHAIN: &str = "tron:728126428";

#[test]
fn signs_the_fixtures_of_wallet_core() {
    for fixture in wallet_core::ALL {
        let raw = hex::decode(fixture.raw_data).unwrap();
        let signed = signer().sign(decode(&raw).unwrap().as_ref()).unwrap();
        assert_eq!(signed.id, fixture.id);
        let signature = hex::decode(fixture.signature).unwrap();
        assert_eq!(hex::encode(signed.bytes), hex::encode([bytes(1, &raw), bytes(2, &signature)].concat()));
    }
}

#[test]
fn addresses_are_those_of_wallet_core() {
    for (secret, address) in [
        (wallet_core::SECRET, wallet_core::OWNER),
        ("be88df1d0bf30a923cb39c3bb953178baaf3726e8d3ce81e7c8462e046e0d835", "THRF3GuPnvvPzKoaT8pJex5XHmo8NNbCb3"),
    ] {
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap()).unwrap();
        assert_eq!(Tron.address(&key.verifying_key()).unwrap(), address);
    }
    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap().verifying_key();
    assert!(matches!(Tron.address(&ed25519), Err(KeyError::CurveMismatch { .. })));
}

#[test]
fn says_what_a_transfer_does() {
    let transaction = decode(&hex::decode(wallet_core::TRANSFER.raw_data).unwrap()).unwrap();
    let summary = transaction.summary();
    assert_eq!(
        summary.actions,
        [Action::Transfer { to: wallet_core::OTHER.to_owned(), amount: Amount::from(2_000_000_u64) }]
    );
    assert_eq!(summary.fee_ceiling, Some(Amount::ZERO));
    assert_eq!(
        summary.text,
        format!(
            "transfer 2 to {} on {CHAIN}; {} signs; fee limit 0, bandwidth and other fixed fees apart; made at \
             1539295479000 ms, expires at 1539331479000 ms; reference block 7b3b b21ace8d6ac20e7e; sighash {}",
            wallet_core::OTHER,
            wallet_core::OWNER,
            wallet_core::TRANSFER.id
        )
    );
}

#[test]
fn says_what_tokens_and_contracts_do() {
    let actions = |fixture: &wallet_core::Fixture| {
        decode(&hex::decode(fixture.raw_data).unwrap()).unwrap().summary().actions.clone()
    };
    let other = wallet_core::OTHER;
    assert_eq!(actions(&wallet_core::TRANSFER_ASSET), [token_transfer("1000959", other, "4", None)]);
    let transfer = |amount| token_transfer(other, wallet_core::TOKEN_RECEIVER, amount, Some("0xa9059cbb"));
    assert_eq!(actions(&wallet_core::TRC20), [transfer("1000")]);
    assert_eq!(actions(&wallet_core::TRC20_LARGE), [transfer("10000000000000000000000")]);
    let call = Action::ContractCall {
        to: other.to_owned(),
        selector: Some("0x736f6d65".to_owned()),
        amount: Amount::ZERO,
        data_len: 9,
    };
    assert_eq!(actions(&wallet_core::TRIGGER), [call, token_transfer("1", other, "10000", None)]);
    let vote = Action::ProgramCall { program: "VoteWitnessContract".to_owned(), accounts: Vec::new(), data_len: 52 };
    assert_eq!(actions(&wallet_core::VOTE_WITNESS), [vote]);
}

#[test]
fn token_functions_are_understood_only_in_their_canonical_form() {
    let word = |hex: &str| format!("{hex:0>64}");
    let (a, b) = (word(&"11".repeat(20)), word(&"22".repeat(20)));
    let with = |data: &str, value: u64| trigger(&hex::decode(data).unwrap(), value).decode();
    let one = |data: &str, value| match &with(data, value).unwrap().summary().actions[..] {
        [action] => action.clone(),
        other => panic!("{other:?}"),
    };
    let (approve, transfer) = (format!("095ea7b3{a}{}", word("5")), format!("a9059cbb{a}{}", word("5")));
    let from = format!("23b872dd{a}{b}{}", word("5"));
    assert!(matches!(one(&approve, 0), Action::TokenApproval { selector: Some(it), .. } if it == "0x095ea7b3"));
    assert!(matches!(one(&transfer, 0), Action::TokenTransfer { .. }));
    let from_owner = from.replacen(&a, &word(&hex::encode(&owner()[1..])), 1);
    let prefixed = from_owner.replacen("002222", "412222", 1);
    assert_eq!(one(&prefixed, 0), one(&from_owner, 0), "the prefix makes no other address");
    assert_eq!(with(&from, 0).unwrap().summary().actions[0], one(&from_owner, 0));
    let paid = with(&transfer, 1).unwrap();
    let [Action::ContractCall { amount, .. }, moved] = &paid.summary().actions[..] else { panic!("{paid:?}") };
    assert_eq!((amount, moved), (&Amount::from(1_u64), &one(&transfer, 0)));
    assert!(matches!(one("", 1), Action::ContractCall { selector: None, .. }));
    for bad in [
        format!("{transfer}00"),
        transfer[..transfer.len() - 2].to_owned(),
        "a9059cbb".to_owned(),
        format!("a9059cbb{}{}", a.replacen("001111", "421111", 1), word("5")),
        format!("a9059cbb{}{}", a.replacen("00", "01", 1), word("5")),
        format!("095ea7b3{}{}", a.replacen("00", "41", 1), word("5")),
        format!("23b872dd{a}{}", word("5")),
    ] {
        let refused = with(&bad, 0);
        assert!(matches!(refused, Err(DecodeError::Invalid { .. })), "{bad}: {refused:?}");
    }
}

/// A rule for the owner's tokens says nothing of those that others let the owner take.
#[test]
fn tokens_that_somebody_else_approved_are_an_exception() {
    let transfer_from = |from: &[u8]| {
        let data = format!("23b872dd{:0>64}{:0>64}{:0>64}", hex::encode(from), "22".repeat(20), "5");
        trigger(&hex::decode(data).unwrap(), 0).decode().unwrap().summary().actions.clone()
    };
    let [own] = &transfer_from(&owner()[1..])[..] else { panic!("one transfer") };
    let exception = Action::Exception { name: "tokens_of_another".into() };
    assert_eq!(transfer_from(&[0x11; 20]), [own.clone(), exception]);
}

/// A contract need not refuse coins that go with such a call: older compilers wrote no check for TRC-10 tokens.
#[test]
fn coins_with_a_tokens_function_do_not_hide_from_a_deny_rule_who_receives_the_tokens() {
    let transfer = |to: u8| hex::decode(format!("a9059cbb{:0>64}{:0>64}", hex::encode([to; 20]), "5")).unwrap();
    let receivers = [0x11, 0x22].map(|to| match &trigger(&transfer(to), 0).decode().unwrap().summary().actions[..] {
        [Action::TokenTransfer { token, to, .. }] => (token.clone(), to.clone()),
        other => panic!("{other:?}"),
    });
    let [(token, _), (_, denied)] = &receivers;
    let allow = json!({"name": "allow", "effect": "allow", "chains": [CHAIN], "destinations": [token],
        "calls": true, "selectors": ["0xa9059cbb"], "tokens": [{"token": "1000959"}]});
    let deny = json!({"name": "deny", "effect": "deny", "chains": [CHAIN], "destinations": [denied]});
    let policy = Policy::from_json(json!({"version": 1, "rules": [allow, deny]}).to_string().as_bytes()).unwrap();
    let trc10 = [number(5, 1), number(6, 1_000_959)].concat();
    for (what, sun, trc10) in [("nothing", 0, &[][..]), ("a sun", 1, &[]), ("a TRC-10 token", 0, &trc10)] {
        let decide = |to| policy.evaluate(trigger_with(&transfer(to), sun, trc10).decode().unwrap().summary());
        assert!(decide(0x11).allowed, "{what}: {}", decide(0x11).reason);
        assert!(!decide(0x22).allowed, "{what}: {}", decide(0x22).reason);
    }
}

#[test]
fn the_fee_limit_is_the_ceiling_of_what_is_understood() {
    let parts = Parts { fee_limit: 100_000_000, memo: b"a \"memo\"".to_vec(), ..Parts::default() };
    let transaction = parts.decode().unwrap();
    assert_eq!(transaction.summary().fee_ceiling, Some(Amount::from(100_000_000_u64)));
    assert!(transaction.summary().text.contains(r#"fee limit 100, "#), "{}", transaction.summary().text);
    assert!(transaction.summary().text.contains(r#"; memo "a \"memo\"";"#), "{}", transaction.summary().text);
    assert_eq!(transaction.summary().actions.last(), Some(&Action::Exception { name: "memo".into() }));
    let binary = Parts { memo: vec![0xff], ..Parts::default() }.decode().unwrap();
    assert!(binary.summary().text.contains("; memo 0xff;"));
    let vote = decode(&hex::decode(wallet_core::VOTE_WITNESS.raw_data).unwrap()).unwrap();
    assert_eq!(vote.summary().fee_ceiling, None, "some types have a fixed price");
}

#[test]
fn refuses_what_is_unknown_or_does_not_add_up() {
    let good = Parts::default();
    assert!(good.decode().is_ok());
    let raw = good.raw();
    let transfer =
        |value: Vec<u8>| Parts { contract: contract(1, "TransferContract", &value), ..Parts::default() }.raw();
    let (owner, to) = (owner(), account(0x52));
    let minus_one = u64::MAX;
    for (bad, name) in [
        (Vec::new(), "nothing"),
        (vec![0; 128 * 1024 + 1], "a long one"),
        ([&raw[..], &number(20, 1)].concat(), "an unknown field"),
        ([&raw[..], &number(14, 1)].concat(), "a field twice"),
        ([number(3, 1), raw.clone()].concat(), "ref_block_num"),
        ([&raw[..], &[0x90, 0x01, 0]].concat(), "a zero written out"),
        (Parts { contract: good.contract.repeat(2), ..good.clone() }.raw(), "two contracts"),
        (Parts { contract: Vec::new(), ..good.clone() }.raw(), "no contract"),
        (Parts { contract: bytes(11, &number(1, 1)), ..good.clone() }.raw(), "no parameter"),
        (Parts { contract: contract(2, "TransferContract", &[]), ..good.clone() }.raw(), "another type"),
        (Parts { contract: contract(1, "TransferAssetContract", &[]), ..good.clone() }.raw(), "another message"),
        (Parts { contract: contract(51, "ShieldedTransferContract", &[]), ..good.clone() }.raw(), "a shielded one"),
        (Parts { contract: contract(4, "VoteWitnessContract", &[]), ..good.clone() }.raw(), "no owner"),
        (Parts { fee_limit: minus_one, ..good.clone() }.raw(), "a negative fee limit"),
        (Parts { memo: vec![b'a'; 513], ..good.clone() }.raw(), "a long memo"),
        (transfer([bytes(1, &owner), bytes(2, &to)].concat()), "no amount"),
        (transfer([bytes(1, &owner), bytes(2, &to), number(3, minus_one)].concat()), "a negative amount"),
        (transfer([bytes(1, &owner), number(3, 1)].concat()), "no receiver"),
        (transfer([bytes(1, &owner), bytes(2, &to[1..]), number(3, 1)].concat()), "an address of 20 bytes"),
        (transfer([bytes(1, &owner), bytes(2, &[0xa0; 21]), number(3, 1)].concat()), "an address of another kind"),
        (transfer([bytes(1, &owner), bytes(2, &to), number(3, 1), number(4, 1)].concat()), "an unknown field inside"),
    ] {
        assert!(decode(&bad).is_err(), "{name}");
    }
    let permission = [&good.contract[2..], &number(5, 2)].concat();
    let refused = Parts { contract: bytes(11, &permission), ..good }.decode();
    assert!(matches!(refused, Err(DecodeError::Invalid { field, .. }) if field == "contract.Permission_id"));
}

#[test]
fn only_the_owner_signs() {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x11; 32]).unwrap();
    let other = ChainSigner::new(Arc::new(Tron), key).unwrap();
    for fixture in wallet_core::ALL {
        let transaction = decode(&hex::decode(fixture.raw_data).unwrap()).unwrap();
        assert!(matches!(other.sign(transaction.as_ref()), Err(SignError::NotTheSigner { .. })));
    }
    // In this one, the owner comes second.
    let update = [bytes(1, b"name"), bytes(2, &owner())].concat();
    let update = Parts { contract: contract(10, "AccountUpdateContract", &update), ..Parts::default() };
    assert!(signer().sign(update.decode().unwrap().as_ref()).is_ok());
    assert!(matches!(other.sign(update.decode().unwrap().as_ref()), Err(SignError::NotTheSigner { .. })));
}

#[test]
fn the_chain_must_be_named_in_the_one_way() {
    let raw = Parts::default().raw();
    let refused = Tron.decode(&Payload::new(Encoding::Binary, &raw));
    assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
    for bad in ["eip155:728126428", "tron:0x2b6653dc", "tron:0728126428", "tron:4294967296", "tron:mainnet"] {
        let chain_id: ChainId = bad.parse().unwrap();
        let refused = Tron.decode(&Payload::new(Encoding::Binary, &raw).on_chain(&chain_id));
        assert!(matches!(refused, Err(DecodeError::Invalid { .. })), "{bad}");
    }
    let chain_id = CHAIN.parse().unwrap();
    for encoding in [Encoding::Json, Encoding::Message, Encoding::TypedData] {
        let refused = Tron.decode(&Payload::new(encoding, &raw).on_chain(&chain_id));
        assert!(matches!(refused, Err(DecodeError::UnsupportedEncoding { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_signer_is_recovered_and_signing_is_deterministic(parts: Parts) {
        let transaction = parts.decode().unwrap();
        prop_assert_eq!(transaction.to_bytes(), parts.raw());
        let signed = signer().sign(transaction.as_ref()).unwrap();
        prop_assert_eq!(signer().sign(transaction.as_ref()).unwrap(), signed.clone());
        let [(1, raw), (2, signature)] = &protobuf::fields(&signed.bytes)[..] else { panic!("not a transaction") };
        prop_assert_eq!(&signed.id, &hex::encode(Sha256::digest(raw)));
        let recovery_id = RecoveryId::from_byte(signature[64]);
        // Reading it refuses a high S.
        let signature = Signature::from_bytes(Curve::Secp256k1, &signature[..64], recovery_id).unwrap();
        let key = hazmat::recover(&Sha256::digest(raw).into(), &signature).unwrap();
        prop_assert_eq!(Tron.address(&key).unwrap(), wallet_core::OWNER);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Twenty a case: ten thousand.
    #[test]
    fn a_mutated_transaction_is_refused_or_is_another(parts: Parts, all in vec(mutations(), 20)) {
        let good = parts.raw();
        let original = decode(&good).unwrap();
        for mutations in all {
            let bytes = mutated(&good, &mutations);
            let Ok(transaction) = decode(&bytes) else { continue };
            prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
            prop_assert_eq!(transaction.summary().text == original.summary().text, bytes == good);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(transaction) = decode(&bytes) {
            prop_assert!(!transaction.summary().text.is_empty());
        }
    }
}

/// A `raw_data` in parts that tests replace.
#[derive(Clone, Debug)]
struct Parts {
    contract: Vec<u8>,
    fee_limit: u64,
    memo: Vec<u8>,
}

impl Default for Parts {
    fn default() -> Self {
        let transfer = [bytes(1, &owner()), bytes(2, &account(0x52)), number(3, 7)].concat();
        Self { contract: contract(1, "TransferContract", &transfer), fee_limit: 0, memo: Vec::new() }
    }
}

impl Parts {
    fn raw(&self) -> Vec<u8> {
        let memo = if self.memo.is_empty() { Vec::new() } else { bytes(10, &self.memo) };
        let start = [bytes(1, &[0x7b, 0x3b]), bytes(4, &[0xb2; 8]), number(8, 1_539_331_479_000)].concat();
        [start, memo, self.contract.clone(), number(14, 1_539_295_479_000), number(18, self.fee_limit)].concat()
    }

    fn decode(&self) -> Result<Box<dyn Transaction>, DecodeError> {
        decode(&self.raw())
    }
}

impl Arbitrary for Parts {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let amount = 1..i64::MAX.unsigned_abs();
        let data = prop_oneof![
            vec(any::<u8>(), 0..3),
            (any::<[u8; 20]>(), any::<[u8; 32]>()).prop_map(|(to, amount)| [
                &[0xa9, 0x05, 0x9c, 0xbb][..],
                &[0; 12],
                &to,
                &amount
            ]
            .concat()),
        ];
        let contract = (0..4_u8, any::<u8>(), amount.clone(), data).prop_map(|(kind, to, amount, data)| match kind {
            0 => trigger(&data, 0).contract,
            1 => trigger(&data, amount).contract,
            2 => contract(54, "FreezeBalanceV2Contract", &[bytes(1, &owner()), number(2, amount)].concat()),
            _ => {
                let transfer = [bytes(1, &owner()), bytes(2, &account(to)), number(3, amount)].concat();
                contract(1, "TransferContract", &transfer)
            }
        });
        (contract, 0..i64::MAX.unsigned_abs(), vec(any::<u8>(), 0..20))
            .prop_map(|(contract, fee_limit, memo)| Self { contract, fee_limit, memo })
            .boxed()
    }
}

fn trigger(data: &[u8], value: u64) -> Parts {
    trigger_with(data, value, &[])
}

/// `token` is what goes with it, as it is encoded.
fn trigger_with(data: &[u8], value: u64, token: &[u8]) -> Parts {
    let data = if data.is_empty() { Vec::new() } else { bytes(4, data) };
    let trigger = [&bytes(1, &owner()), &bytes(2, &account(0x52)), &number(3, value), &data, token].concat();
    Parts { contract: contract(31, "TriggerSmartContract", &trigger), ..Parts::default() }
}

fn contract(number: u64, name: &str, value: &[u8]) -> Vec<u8> {
    let any = [text(1, &format!("type.googleapis.com/protocol.{name}")), bytes(2, value)].concat();
    bytes(11, &[self::number(1, number), bytes(2, &any)].concat())
}

fn owner() -> Vec<u8> {
    hex::decode("415cd0fb0ab3ce40f3051414c604b27756e69e43db").unwrap()
}

fn account(byte: u8) -> Vec<u8> {
    [&[0x41][..], &[byte; 20]].concat()
}

fn token_transfer(token: &str, to: &str, amount: &str, selector: Option<&str>) -> Action {
    let (token, to, amount) = (token.to_owned(), to.to_owned(), amount.parse().unwrap());
    Action::TokenTransfer { token, to, amount, selector: selector.map(str::to_owned) }
}

fn signer() -> ChainSigner {
    let secret = hex::decode(wallet_core::SECRET).unwrap();
    ChainSigner::new(Arc::new(Tron), SigningKey::from_secret_bytes(Curve::Secp256k1, &secret).unwrap()).unwrap()
}

fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Tron.decode(&Payload::new(Encoding::Binary, bytes).on_chain(&CHAIN.parse().unwrap()))
}
