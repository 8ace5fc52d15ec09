//! Whatever comes in, what is said about it stays short: errors and reasons travel in replies and logs.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::borrow::Cow;

use chain_signers::{
    Action, Amount, ChainId, DecodeError, Encoding, RegistryError, SignError, Summary, policy::Policy,
    policy::PolicyError,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

const MAX_LEN: usize = 700;
const LONGEST_CHAIN: &str = "longname:01234567890123456789012345678901";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_decode_error_is_short_whoever_made_it(a in hostile(), b in hostile(), c in hostile(), n: usize, m: usize) {
        for error in decode_errors([&a, &b, &c], [n, m]) {
            let text = error.to_string();
            prop_assert!(text.len() <= MAX_LEN, "{} bytes: {text}", text.len());
            prop_assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn other_errors_are_short(a in hostile(), b in hostile(), c in hostile(), len: usize, max: usize) {
        let (place, actual, expected) = (a.clone(), b.clone(), Cow::Owned(c.clone()));
        let errors: [Box<dyn std::error::Error>; 9] = [
            Box::new(SignError::NamespaceMismatch { expected: a.clone(), actual: LONGEST_CHAIN.parse().unwrap() }),
            Box::new(SignError::NotTheSigner { expected: a.clone(), actual: b.clone() }),
            Box::new(RegistryError::InvalidNamespace { namespace: a.clone() }),
            Box::new(RegistryError::NamespaceTaken { namespace: a.clone() }),
            Box::new(PolicyError::DuplicateRuleName { name: a.clone() }),
            Box::new(PolicyError::Invalid { place: place.clone(), field: "destinations", expected, actual }),
            Box::new(PolicyError::Malformed { place: place.clone(), reason: b.clone() }),
            Box::new(PolicyError::OtherNamespace { rule: a.clone(), expected: b.clone(), actual: c.clone() }),
            Box::new(PolicyError::TooLong { place, what: "destinations", len, max }),
        ];
        for error in errors {
            let text = error.to_string();
            prop_assert!(text.len() <= MAX_LEN, "{} bytes: {text}", text.len());
            prop_assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn a_refused_policy_is_described_in_short(text in hostile(), key in select(vec![
        "name", "effect", "chains", "destinations", "calls", "contract_creation", "other",
    ]), in_list: bool) {
        let mut rule = json!({"name": "n".repeat(64), "effect": "allow", "chains": ["eip155:4"], "destinations": ["*"]});
        rule[key] = if in_list { json!([text]) } else { json!(text) };
        let mut odd_key = json!({"version": 1, "rules": []});
        odd_key[&text] = 1.into();
        let documents = [
            json!({"version": 1, "rules": [rule]}),
            json!({"version": text, "rules": []}),
            json!({"version": 1, "rules": text}),
            odd_key,
            json!(text),
        ];
        for document in documents.iter().map(ToString::to_string).chain([text.clone()]) {
            if let Err(error) = Policy::from_json(document.as_bytes()) {
                let text = error.to_string();
                prop_assert!(text.len() <= MAX_LEN, "{} bytes: {text}", text.len());
                prop_assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }

    #[test]
    fn a_reason_is_short_whatever_the_transaction_does(actions in vec(action(), 0..40), effect in select(vec![
        None, Some("allow"), Some("deny"),
    ])) {
        let name = "n".repeat(64);
        let rules: Vec<_> = effect.iter().map(|effect| {
            json!({"name": name, "effect": effect, "chains": [LONGEST_CHAIN], "destinations": ["*"]})
        }).collect();
        let policy = Policy::from_json(json!({"version": 1, "rules": rules}).to_string().as_bytes()).unwrap();
        let chain_id = LONGEST_CHAIN.parse().unwrap();
        let decision = policy.evaluate(&Summary { chain_id, actions, fee_ceiling: None, text: String::new() });
        prop_assert!(decision.reason.len() <= MAX_LEN, "{} bytes: {}", decision.reason.len(), decision.reason);
        prop_assert!(!decision.reason.contains(char::is_control), "{:?}", decision.reason);
    }

    #[cfg(feature = "evm")]
    #[test]
    fn the_evm_chain_refuses_in_short(text in hostile(), key in select(vec![
        "type", "chainId", "nonce", "gas", "gasPrice", "maxFeePerGas", "to", "value", "data", "other",
    ]), bytes in vec(any::<u8>(), 0..300), as_key: bool) {
        use chain_signers::{Chain, Payload, evm::Evm};
        let mut transaction = json!({"type": 2, "chainId": 4, "nonce": 0, "gas": 21000, "maxFeePerGas": 2,
            "maxPriorityFeePerGas": 1, "to": "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", "value": 1});
        if as_key { transaction[&text] = json!(key) } else { transaction[key] = json!(text) }
        let json = transaction.to_string();
        let chain: ChainId = "eip155:5".parse().unwrap();
        for (encoding, bytes) in
            [(Encoding::Json, json.as_bytes()), (Encoding::Json, text.as_bytes()), (Encoding::Binary, &bytes)]
        {
            let error = Evm.decode(&Payload::new(encoding, bytes).on_chain(&chain)).unwrap_err().to_string();
            prop_assert!(error.len() <= MAX_LEN, "{} bytes: {error}", error.len());
        }
    }

    #[cfg(feature = "solana")]
    #[test]
    fn the_solana_chain_refuses_in_short(bytes in vec(any::<u8>(), 0..1500), head in select(vec![&[][..], &[1, 0, 1]])) {
        use chain_signers::{Chain, Payload, solana::Solana};
        let bytes = [head, &bytes].concat();
        for chain in [LONGEST_CHAIN, "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"] {
            let chain: ChainId = chain.parse().unwrap();
            if let Err(error) = Solana.decode(&Payload::new(Encoding::Binary, &bytes).on_chain(&chain)) {
                prop_assert!(error.to_string().len() <= MAX_LEN, "{error}");
            }
        }
    }
}

fn decode_errors([a, b, c]: [&String; 3], [len, max]: [usize; 2]) -> Vec<DecodeError> {
    let own = |text: &String| Cow::<'static, str>::Owned(text.clone());
    let chain: ChainId = LONGEST_CHAIN.parse().unwrap();
    vec![
        DecodeError::ChainIdMismatch { expected: chain.clone(), actual: chain },
        DecodeError::ChainIdRequired { namespace: own(a) },
        DecodeError::DuplicateKey { key: a.clone() },
        DecodeError::invalid(own(a), own(b), c),
        DecodeError::Invalid { field: own(a), expected: own(b), actual: c.clone() },
        DecodeError::malformed(own(a), b),
        DecodeError::Malformed { format: own(a), reason: b.clone() },
        DecodeError::Missing { field: own(a) },
        DecodeError::MixedStyles { number: a.clone(), text: b.clone() },
        DecodeError::NotCanonical { format: own(a) },
        DecodeError::TooLong { what: own(a), unit: "bytes", len, max },
        DecodeError::UnknownKey { key: a.clone() },
        DecodeError::UnsupportedEncoding { namespace: own(a), encoding: Encoding::Json },
        DecodeError::UnsupportedType { found: own(a) },
    ]
}

/// Long texts, most of which grow when they are escaped.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec!["\0", "\u{202e}", "\u{10ffff}", "\n", "\"", "\\", "\u{301}", "中", "a"]).prop_map(str::to_owned),
        any::<String>(),
    ];
    (piece, 1_usize..400).prop_map(|(piece, times)| piece.repeat(times))
}

fn action() -> impl Strategy<Value = Action> {
    let amount = any::<[u8; 32]>().prop_map(Amount::from_be_bytes);
    prop_oneof![
        4 => (hostile(), amount).prop_map(|(to, amount)| Action::Transfer { to, amount }),
        1 => (hostile(), hostile()).prop_map(|(to, selector)| {
            Action::ContractCall { to, selector: Some(selector), amount: Amount::ZERO, data_len: 4 }
        }),
        1 => Just(Action::ContractCreation { amount: Amount::ZERO, init_code_len: usize::MAX }),
        1 => hostile().prop_map(|program| Action::ProgramCall { program, accounts: vec![], data_len: 0 }),
        1 => hostile().prop_map(|description| Action::Unknown { description }),
    ]
}
