//! Sui against the transactions of Trust Wallet Core's tests, and what is refused.
#![cfg(feature = "sui")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, SigningKey,
    Transaction, sui::Sui,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};

/// `transfer_d4ay9tdb` of `rust/tw_tests/tests/chains/sui/test_cases.rs` there, sent to the main network: two amounts are
/// split off the gas coin and transferred.
mod transfer {
    pub(crate) const SECRET: &str = "7e6682f7bf479ef0f627823cffd4e1a940a7af33e5fb39d9e0f631d2ecc5daff";
    pub(crate) const SENDER: &str = "0x54e80d76d790c277f5a44f3ce92f53d26f5894892bf395dee6375988876be6b2";
    pub(crate) const BYTES: &str = "0000040008e803000000000000000850c30000000000000020a7175abdd5ed92ebe3ad390db366c6a706478cdf51\
        7cde6cf98630065cda377a002054e80d76d790c277f5a44f3ce92f53d26f5894892bf395dee6375988876be6b203020002010000010100010103\
        000000000102000101030000010001030054e80d76d790c277f5a44f3ce92f53d26f5894892bf395dee6375988876be6b201636020b3a7dc7b11\
        c3aa6f419b17f8a9c12e7f79a31d1bdd2de670b4edd6300578711a050000000020186b8d9f1aeabaca2c8233f7810de30639e16a918d065714d3\
        24daba95e96b4054e80d76d790c277f5a44f3ce92f53d26f5894892bf395dee6375988876be6b2ee02000000000000c0c62d000000000000";
    pub(crate) const SIGNATURE: &str = "004878e01ee2180ac41c5d7038b01024c2cd8069da2309f780a3c2f76bed0c9a884c311300ce73f6995a\
        c62a35c689adebf71945e439159690b0c0ba97b134070985ebd1441fe4f954fbe5dc6077bf008e119a5e269297c6f7083d001d2ac876fe";
    pub(crate) const SIGNED_HASH: &str = "4c171457873befef70077461909ae40ac67bdad476b832b9c09b589cd698578f";
    pub(crate) const ID: &str = "D4Ay9TdBJjXkGmrZSstZakpEWskEQHaWURP6xWPRXbAm";
}

/// `aftermath_tx_1_serialized.json` of `rust/chains/tw_sui/tests/fixtures` there, and the hash that is signed, of
/// `test_sui_compile_raw_json`.
const SWAP: &str = include_str!("vectors/sui_swap.hex");
const SWAP_SIGNED_HASH: &str = "75fe8ed844ab7e84c18051e808693b22c63a7e291d66b2e3a9336cc20730ac0e";

#[test]
fn signs_what_was_sent() {
    let bytes = hex::decode(transfer::BYTES).unwrap();
    let transaction = decode(&bytes).unwrap();
    assert_eq!(transaction.to_bytes(), bytes);
    let signer = signer(transfer::SECRET);
    assert_eq!(signer.address(), transfer::SENDER);
    let payload = &transaction.signing_payloads(signer.verifying_key()).unwrap()[0];
    assert_eq!(hex::encode(payload.as_bytes()), transfer::SIGNED_HASH);
    let signed = signer.sign(transaction.as_ref()).unwrap();
    assert_eq!(hex::encode(&signed.bytes), format!("01000000{}0161{}", transfer::BYTES, transfer::SIGNATURE));
    assert_eq!(signed.id, transfer::ID);
    assert_eq!(signer.sign(transaction.as_ref()).unwrap(), signed, "deterministic");
}

#[test]
fn what_is_split_off_the_gas_coin_and_transferred_is_a_transfer() {
    let transaction = decode(&hex::decode(transfer::BYTES).unwrap()).unwrap();
    let summary = transaction.summary();
    let to = "0xa7175abdd5ed92ebe3ad390db366c6a706478cdf517cde6cf98630065cda377a".to_owned();
    let expected = format!(
        "transfer 0.000001 to {to}, then transfer 0.00005 to {sender} on sui:mainnet; sender {sender}, fee at most 0.003 at \
         a gas price of 750, never expires; intent message BLAKE2b-256 {}",
        transfer::SIGNED_HASH,
        sender = transfer::SENDER,
    );
    assert_eq!(summary.text, expected);
    let back = Action::Transfer { to: transfer::SENDER.into(), amount: Amount::from(50_000_u64) };
    assert_eq!(summary.actions, [Action::Transfer { to, amount: Amount::from(1000_u64) }, back]);
    assert_eq!(summary.fee_ceiling, Some(Amount::from(3_000_000_u64)));
}

#[test]
fn a_swap_is_its_calls_by_name() {
    let bytes = hex::decode(SWAP.replace('\n', "")).unwrap();
    let transaction = decode(&bytes).unwrap();
    assert_eq!(transaction.to_bytes(), bytes);
    assert!(transaction.summary().text.ends_with(SWAP_SIGNED_HASH), "{}", transaction.summary().text);
    let programs: Vec<_> = transaction
        .summary()
        .actions
        .iter()
        .map(|action| match action {
            Action::ProgramCall { program, .. } => program.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    let router = "0xa2f06318d797e3a2ba734069165e164870677f705d95d8a18b6d9aabbd588709::router";
    let swaps = "0x2f354e93e638ca66cecba769cd0827b89c84cfe08a0c76a9dd3910b00a55a8bc::router";
    let expected = [
        "split_coins".to_owned(),
        format!("{router}::begin_router_tx_and_collect_fees"),
        format!("{router}::initiate_path_by_percent"),
        format!("{swaps}::swap_b_a"),
        format!("{swaps}::swap_b_a"),
        format!("{swaps}::swap_a_b"),
        format!("{router}::end_router_tx"),
        "transfer_objects".to_owned(),
    ];
    assert_eq!(programs, expected);
    let receiver = "0xfc3af6dd6dc614cc6ee17974033d76116843536f9b3e0524b4d48c54bfb9472d".to_owned();
    let Some(Action::ProgramCall { accounts, data_len, .. }) = transaction.summary().actions.last() else { panic!() };
    assert_eq!((&accounts[..], *data_len), (&[receiver][..], 32));
    let text = &transaction.summary().text;
    let expected = "call split_coins with (the gas coin, 00ca9a3b00000000), then call 0xa2f06318";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("::router::swap_b_a<0x2::sui::SUI, 0x5d1f47ea69bb0de31c31"), "{text}");
}

#[test]
fn what_is_not_split_off_the_gas_coin_is_a_call() {
    let (amount, to, object) = (pure(&7_u64.to_le_bytes()), pure(&[9; 32]), object(0x77));
    let receiver = format!("0x{}", "09".repeat(32));
    let id = format!("0x{}", "77".repeat(32));
    let actions = |commands: &[Vec<u8>]| {
        decode(&transaction(&[amount.clone(), to.clone(), object.clone()], commands)).unwrap().summary().actions.clone()
    };
    let split = |coin: &[u8]| [&[2][..], coin, &[1], &input(0)].concat();
    let give = |what: &[u8]| [&[1, 1][..], what, &input(1)].concat();
    let (gas, result, nested) = ([0], [2, 0, 0], [3, 0, 0, 0, 0]);
    let transfer = || Action::Transfer { to: receiver.clone(), amount: Amount::from(7_u64) };
    assert_eq!(actions(&[split(&gas), give(&result)]), [transfer()]);
    assert_eq!(actions(&[split(&gas), give(&nested)]), [transfer()]);
    let call = |program: &str, accounts: &[&String], data_len| Action::ProgramCall {
        program: program.to_owned(),
        accounts: accounts.iter().map(|it| (*it).clone()).collect(),
        data_len,
    };
    let beyond = actions(&[split(&gas), give(&[3, 0, 0, 1, 0])]);
    assert_eq!(beyond, [call("transfer_objects", &[&receiver], 0)], "there is no second result");
    assert_eq!(actions(&[give(&gas)]), [call("transfer_objects", &[&receiver], 0)], "all that is left");
    assert_eq!(actions(&[give(&input(2))]), [call("transfer_objects", &[&id, &receiver], 0)]);
    let foreign = [call("split_coins", &[&id], 8), call("transfer_objects", &[&receiver], 32)];
    assert_eq!(actions(&[split(&input(2)), give(&result)]), foreign, "of whatever token");
    let merged = [&[3][..], &result, &[1], &input(2)].concat();
    let expected =
        [call("split_coins", &[], 8), call("merge_coins", &[&id], 0), call("transfer_objects", &[&receiver], 32)];
    assert_eq!(actions(&[split(&gas), merged, give(&result)]), expected, "the coin is worth more than was split off");
    let to_an_object = [&[1, 1][..], &gas, &input(2)].concat();
    assert_eq!(actions(&[to_an_object]), [call("transfer_objects", &[&id], 0)]);
    let (module, package) = ([&[1, 1, 3][..], &[1, 2, 3], &[1], &[5; 32]].concat(), format!("0x{}", "06".repeat(32)));
    assert_eq!(actions(&[[&[4][..], &module[1..]].concat()]), [call("publish", &[], 3)]);
    let upgrade = [&[6][..], &module[1..], &[6; 32], &input(2)].concat();
    assert_eq!(actions(&[upgrade]), [call("upgrade", &[&id, &package], 3)]);
    let vector = [&[5, 1, 2, 2][..], &input(0), &input(0)].concat();
    assert_eq!(actions(&[vector]), [call("make_move_vec", &[], 16)]);
}

#[test]
fn refuses_what_breaks_the_rules() {
    let good = hex::decode(transfer::BYTES).unwrap();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        bytes
    };
    let gas = |command: &[u8]| transaction(&[pure(&[9; 32])], &[command.to_vec()]);
    decode(&gas(&[&[1, 1, 0][..], &input(0)].concat())).unwrap();
    let call = |module: &str, function: &str, types: &[u8]| {
        let text = |name: &str| [&[u8::try_from(name.len()).unwrap()][..], name.as_bytes()].concat();
        gas(&[&[0][..], &[2; 32], &text(module), &text(function), types, &[0]].concat())
    };
    decode(&call("coin", "zero", &[0])).unwrap();
    let mut long_digest = object(1);
    long_digest[42] = 33;
    long_digest.push(0);
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a trailing byte", edited(&|b| b.push(0))),
        ("cut short", edited(&|b| b.truncate(b.len() - 1))),
        ("another's gas", edited(&|b| *b.iter_mut().rev().nth(20).unwrap() ^= 1)),
        ("an unknown expiration", edited(&|b| *b.last_mut().unwrap() = 2)),
        ("a padded length", edited(&|b| drop(b.splice(2..3, [0x84, 0])))),
        ("no commands", transaction(&[], &[])),
        ("too many commands", transaction(&[], &vec![vec![3, 0, 0]; 1025])),
        ("an unknown command", gas(&[7])),
        ("an unknown argument", gas(&[&[1, 1, 4][..], &input(0)].concat())),
        ("an input that is not there", gas(&[&[1, 1, 0][..], &input(1)].concat())),
        ("its own result", gas(&[&[1, 1, 2, 0, 0][..], &input(0)].concat())),
        ("a later result", gas(&[&[1, 1, 3, 1, 0, 0, 0][..], &input(0)].concat())),
        ("a withdrawal of funds", transaction(&[vec![2]], &[vec![3, 0, 0]])),
        ("an object of no known kind", transaction(&[vec![1, 3]], &[vec![3, 0, 0]])),
        ("a long digest", transaction(&[long_digest], &[vec![3, 0, 0]])),
        ("a module with a colon", call("coin::a", "zero", &[0])),
        ("no function", call("coin", "", &[0])),
        ("an unknown type", call("coin", "zero", &[1, 11])),
        ("a deep type", call("coin", "zero", &[&[1][..], &[6; 100], &[1]].concat())),
        ("too long", transaction(&[], &[[&[4, 1, 0x80, 0x80, 8][..], &[0; 131_072], &[0]].concat()])),
    ] {
        assert!(decode(&bytes).is_err(), "{what}");
    }
    for (at, name) in [(0, "a transaction of version 2"), (1, "a transaction of kind 1")] {
        let error = decode(&edited(&|b| b[at] = 1)).unwrap_err();
        assert_eq!(error, DecodeError::UnsupportedType { found: name.into() });
    }
}

#[test]
fn the_caller_names_the_network_and_the_sender_signs() {
    let bytes = hex::decode(transfer::BYTES).unwrap();
    let payload = Payload::new(Encoding::Binary, &bytes);
    assert_eq!(Sui.decode(&payload).unwrap_err(), DecodeError::ChainIdRequired { namespace: "sui".into() });
    for other in ["sui:localnet", "aptos:1"] {
        let other: ChainId = other.parse().unwrap();
        assert!(matches!(Sui.decode(&payload.on_chain(&other)), Err(DecodeError::Invalid { .. })));
    }
    let testnet: ChainId = "sui:testnet".parse().unwrap();
    assert_eq!(Sui.decode(&payload.on_chain(&testnet)).unwrap().summary().chain_id, testnet);
    for encoding in [Encoding::Json, Encoding::Message, Encoding::TypedData] {
        let error = Sui.decode(&Payload::new(encoding, &bytes).on_chain(&testnet)).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedEncoding { .. }));
    }
    let transaction = decode(&bytes).unwrap();
    let other = signer(&"07".repeat(32));
    let refused = other.sign(transaction.as_ref()).unwrap_err();
    assert!(matches!(refused, SignError::NotTheSigner { expected, .. } if expected == transfer::SENDER));
    let none = transaction.assemble(signer(transfer::SECRET).verifying_key(), &[]).unwrap_err();
    assert_eq!(none, SignError::SignatureCount { expected: 1, actual: 0 });
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes(payments in vec((any::<[u8; 32]>(), any::<u64>()), 1..60), nested: bool) {
        let inputs: Vec<_> =
            payments.iter().flat_map(|(to, amount)| [pure(&amount.to_le_bytes()), pure(to)]).collect();
        let count = u8::try_from(payments.len()).unwrap();
        let split = |of: u8| [&[2, 0, of][..], &(0..of).flat_map(|n| input(2 * n)).collect::<Vec<_>>()].concat();
        let give = |what: &[u8], n: u8| [&[1, 1][..], what, &input(2 * n + 1)].concat();
        let commands: Vec<_> = if nested {
            [split(count)].into_iter().chain((0..count).map(|n| give(&[3, 0, 0, n, 0], n))).collect()
        } else {
            (0..count).flat_map(|n| {
                [[&[2, 0, 1][..], &input(2 * n)].concat(), give(&[2, 2 * n, 0], n)]
            }).collect()
        };
        let bytes = transaction(&inputs, &commands);
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), bytes);
        for (action, (to, amount)) in transaction.summary().actions.iter().zip(&payments) {
            let Action::Transfer { to: actual, amount: sent } = action else { panic!("{action:?}") };
            prop_assert_eq!(actual, &format!("0x{}", hex::encode(to)));
            prop_assert_eq!(*sent, Amount::from(*amount));
        }
        prop_assert_eq!(transaction.summary().actions.len(), payments.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_transaction_is_refused_or_another_one(
        swap in prop::bool::weighted(0.2), mutations in mutations(),
    ) {
        let good = hex::decode(if swap { SWAP.replace('\n', "") } else { transfer::BYTES.to_owned() }).unwrap();
        let bytes = mutated(&good, &mutations);
        let Ok(transaction) = decode(&bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        prop_assert_eq!(transaction.summary().text == decode(&good).unwrap().summary().text, bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300), head: bool) {
        let bytes = if head { [&[0, 0][..], &bytes].concat() } else { bytes };
        let _ = decode(&bytes);
    }
}

fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    let mainnet = "sui:mainnet".parse().unwrap();
    Sui.decode(&Payload::new(Encoding::Binary, bytes).on_chain(&mainnet))
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Sui), key).unwrap()
}

/// An input of fewer than 128 bytes.
fn pure(bytes: &[u8]) -> Vec<u8> {
    [&[0, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

/// An input that is an owned object.
fn object(byte: u8) -> Vec<u8> {
    [&[1, 0][..], &[byte; 32], &[1, 0, 0, 0, 0, 0, 0, 0], &[32], &[3; 32]].concat()
}

/// An argument.
fn input(at: u8) -> [u8; 3] {
    [1, at, 0]
}

fn transaction(inputs: &[Vec<u8>], commands: &[Vec<u8>]) -> Vec<u8> {
    let (sender, gas) = ([5; 32], [7, 0, 0, 0, 0, 0, 0, 0]);
    let list = |items: &[Vec<u8>]| [length(items.len()), items.concat()].concat();
    [&[0, 0][..], &list(inputs), &list(commands), &sender, &[0], &sender, &gas, &gas, &[0]].concat()
}

/// ULEB128.
fn length(mut len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while len >= 0x80 {
        bytes.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    bytes.push(u8::try_from(len).unwrap());
    bytes
}
