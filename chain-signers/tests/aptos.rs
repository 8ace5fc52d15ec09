//! Aptos against transactions that Trust Wallet Core's tests record, most of which were sent, and what is refused.
#![cfg(feature = "aptos")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, SigningKey,
    Transaction, aptos::Aptos,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};

/// Of `rust/chains/tw_aptos/tests/signer.rs` there: secret, raw transaction, signature, and the hash under which the
/// transaction was sent.
struct Sent {
    secret: &'static str,
    raw: &'static str,
    signature: &'static str,
    id: &'static str,
}

const SECRET: &str = "5d996aa76b3212142792d9130796cd2e11e3c445a93118c08414df4f66bc60ec";
const SENDER: &str = "0x07968dab936c1bad187c60ce4082f307d030d780e91e694ae03aef16aba73f30";

const TRANSFER: Sent = Sent {
    secret: SECRET,
    raw: "07968dab936c1bad187c60ce4082f307d030d780e91e694ae03aef16aba73f3063000000000000000200000000000000000000000000000000\
        000000000000000000000000000000010d6170746f735f6163636f756e74087472616e7366657200022007968dab936c1bad187c60ce4082f307\
        d030d780e91e694ae03aef16aba73f3008e803000000000000fe4d3200000000006400000000000000c2276ada0000000021",
    signature: "5707246db31e2335edc4316a7a656a11691d1d1647f6e864d1ab12f43428aaaf806cf02120d0b608cdd89c5c904af7b137432aac\
        dd60cc53f9fad7bd33578e01",
    id: "0xb4d62afd3862116e060dd6ad9848ccb50c2bc177799819f1d29c059ae2042467",
};

const CREATE_ACCOUNT: Sent = Sent {
    secret: SECRET,
    raw: "07968dab936c1bad187c60ce4082f307d030d780e91e694ae03aef16aba73f3000000000000000000200000000000000000000000000000000\
        000000000000000000000000000000010d6170746f735f6163636f756e740e6372656174655f6163636f756e740001203aa1672641a4e17b3d91\
        3b4c0301e805755a80b12756fc729c5878f12344d30efe4d3200000000006400000000000000c2276ada0000000021",
    signature: "fcba3dfbec76721454ef414955f09f159660a13886b4edd8c579e3c779c29073afe7b25efa3fef9b21c2efb1cf16b4247fc0e5c8\
        f63fdcd1c8d87f5d59f44501",
    id: "0x477141736de6b0936a6c3734e4d6fd018c7d21f1f28f99028ef0bc6881168602",
};

const COIN_TRANSFER: Sent = Sent {
    secret: SECRET,
    raw: "07968dab936c1bad187c60ce4082f307d030d780e91e694ae03aef16aba73f3018000000000000000200000000000000000000000000000000\
        0000000000000000000000000000000104636f696e087472616e73666572010743417434fd869edee76cca2a4d2301e528a1551b1d719b75c350\
        c3c97d15b8b905636f696e730342544300022007968dab936c1bad187c60ce4082f307d030d780e91e694ae03aef16aba73f3008a08601000000\
        0000fe4d3200000000006400000000000000c2276ada0000000020",
    signature: "7643ec8aae6198bd13ca6ea2962265859cba5a228e7d181131f6c022700dd02a7a04dc0345ad99a0289e5ab80b130b3864e64040\
        79980bc226f1a13aee7d280a",
    id: "0xb5b383a5c7f99b2edb3bed9533f8169a89051b149d65876a82f4c0b9bf78a15b",
};

const TRANSFER_COINS: Sent = Sent {
    secret: "e7f56c77189e03699a75d8ec5c090e41f3d9d4783bc49c33df8a93d915e10de8",
    raw: "1869b853768f0ba935d67f837a66b172dd39a60ca2315f8d4e0e669bbd35cf2502000000000000000200000000000000000000000000000000\
        000000000000000000000000000000010d6170746f735f6163636f756e740e7472616e736665725f636f696e730107e9c192ff55cffab3963c69\
        5cff6dbf9dad6aff2bb5ac19a6415cad26a81860d9086d65655f636f696e074d6565436f696e000220b7c7d12080209e9dc14498c80200706e76\
        0363fb31782247e82cf57d1d6e5d6c081027000000000000d0070000000000006400000000000000c2276ada0000000001",
    signature: "30ebd7e95cb464677f411868e2cbfcb22bc01cc63cded36c459dff45e6d2f1354ae4e090e7dfbb509851c0368b343e0e5ecaf6b0\
        8e7c1b94c186530b0f7dee0d",
    id: "0x197d40ea12e2bfc65a0a913b9f4ca3b0b0208fe0c1514d3d55cef3d5bcf25211",
};

const OFFER: Sent = Sent {
    secret: "7bebb6d543d17f6fe4e685cfab239fa37896edd594ff859f1df32f244fb707e2",
    raw: "783135e8b00430253a22ba041d860c373d7a1501ccf7ac2d1ad37a8ed2775aee01000000000000000200000000000000000000000000000000\
        000000000000000000000000000000030f746f6b656e5f7472616e73666572730c6f666665725f73637269707400062007968dab936c1bad187c\
        60ce4082f307d030d780e91e694ae03aef16aba73f30209125e4054d884fdc7296b66e12c0d63a7baa0d88c77e8e784987c0a967c670ac0f0e54\
        6f70617a2054726f6f706572731514546f70617a2054726f6f70657220233230303638080000000000000000080100000000000000fe4d320000\
        0000006400000000000000c2276ada0000000002",
    signature: "af5c7357a83c69e3f425beb23eaf232f8bb36dea3b7cad4a7ab8d735cee999c8ec5285005adf69dc85a6c34b042dd0308fe92b76\
        dad5d6ac88c7b9259902c10f",
    id: "0x514e473618bd3cb89a2b110b7c473db9a2e10532f98eb42d02d86fb31c00525d",
};

#[test]
fn signs_what_was_sent() {
    for sent in [TRANSFER, CREATE_ACCOUNT, COIN_TRANSFER, TRANSFER_COINS, OFFER] {
        let raw = hex::decode(sent.raw).unwrap();
        let transaction = decode(&raw).unwrap();
        assert_eq!(transaction.to_bytes(), raw);
        let signer = signer(sent.secret);
        let signed = signer.sign(transaction.as_ref()).unwrap();
        let key = hex::encode(signer.verifying_key().to_bytes());
        assert_eq!(hex::encode(&signed.bytes), format!("{}0020{key}40{}", sent.raw, sent.signature));
        assert_eq!(signed.id, sent.id);
        assert_eq!(signer.address(), format!("0x{}", &sent.raw[..64]));
        assert_eq!(signer.sign(transaction.as_ref()).unwrap(), signed, "deterministic");
    }
}

/// `DATA_TO_SIGN` of `rust/tw_tests/tests/chains/aptos/test_cases.rs` there.
#[test]
fn the_domain_is_hashed_and_comes_first() {
    let payloads = decode(&hex::decode(TRANSFER.raw).unwrap()).unwrap();
    let payloads = payloads.signing_payloads(signer(SECRET).verifying_key()).unwrap();
    let domain = "b5e97db07fa0bd0e5598aa3643a9bc6f6693bddc1a9fec9e674a461eaa00b193";
    assert_eq!(hex::encode(payloads[0].as_bytes()), format!("{domain}{}", TRANSFER.raw));
    assert_eq!(payloads[0].sighash(), None);
}

#[test]
fn says_what_was_sent() {
    let summary = |sent: Sent| decode(&hex::decode(sent.raw).unwrap()).unwrap().summary().clone();
    let transfer = summary(TRANSFER);
    assert_eq!(transfer.chain_id.as_str(), "aptos:33");
    assert_eq!(transfer.actions, [Action::Transfer { to: SENDER.into(), amount: Amount::from(1000_u64) }]);
    assert_eq!(transfer.fee_ceiling, Some(Amount::from(329_676_600_u64)));
    let expected = format!(
        "transfer 0.00001 to {SENDER} on aptos:33; sender {SENDER}, sequence number 99, fee at most 3.296766, \
         expires at 3664390082 s of Unix time; signing message SHA3-256 "
    );
    assert!(transfer.text.starts_with(&expected), "{}", transfer.text);
    let token = "0x43417434fd869edee76cca2a4d2301e528a1551b1d719b75c350c3c97d15b8b9::coins::BTC".to_owned();
    let amount = Amount::from(100_000_u64);
    let expected = [Action::TokenTransfer { token, to: SENDER.into(), amount, selector: None }];
    assert_eq!(summary(COIN_TRANSFER).actions, expected);
    let token = "0xe9c192ff55cffab3963c695cff6dbf9dad6aff2bb5ac19a6415cad26a81860d9::mee_coin::MeeCoin".to_owned();
    let to = "0xb7c7d12080209e9dc14498c80200706e760363fb31782247e82cf57d1d6e5d6c".to_owned();
    let expected = [Action::TokenTransfer { token, to, amount: Amount::from(10_000_u64), selector: None }];
    assert_eq!(summary(TRANSFER_COINS).actions, expected);
    let program = "0x3::token_transfers::offer_script".to_owned();
    let creator = "9125e4054d884fdc7296b66e12c0d63a7baa0d88c77e8e784987c0a967c670ac";
    let accounts = vec![SENDER.to_owned(), format!("0x{creator}")];
    assert_eq!(summary(OFFER).actions, [Action::ProgramCall { program, accounts, data_len: 64 + 15 + 21 + 16 }]);
    assert!(summary(OFFER).text.starts_with("call 0x3::token_transfers::offer_script with arguments [07968d"));
}

#[test]
fn the_chains_own_coin_is_a_transfer_by_whatever_function() {
    let (to, amount) = (vec![9; 32], 7_u64.to_le_bytes().to_vec());
    let coin = [&[7][..], &address(1), b"\x0aaptos_coin\x09AptosCoin\0"].concat();
    let metadata = [&[7][..], &address(1), b"\x0efungible_asset\x08Metadata\0"].concat();
    let asset = |last| vec![address(last), to.clone(), amount.clone()];
    let own = |types: &[&Vec<u8>], module, function, arguments: &[Vec<u8>]| {
        let types: Vec<_> = types.iter().copied().cloned().collect();
        decode(&raw(1, module, function, &types, arguments)).unwrap().summary().actions.clone()
    };
    let to_and_amount = [to.clone(), amount.clone()];
    let transfer = [Action::Transfer { to: format!("0x{}", "09".repeat(32)), amount: Amount::from(7_u64) }];
    assert_eq!(own(&[&coin], "coin", "transfer", &to_and_amount), transfer);
    assert_eq!(own(&[&coin], "aptos_account", "transfer_coins", &to_and_amount), transfer);
    assert_eq!(own(&[], "aptos_account", "transfer", &to_and_amount), transfer);
    assert_eq!(own(&[&metadata], "primary_fungible_store", "transfer", &asset(10)), transfer);
    let other = own(&[&metadata], "primary_fungible_store", "transfer", &asset(11));
    assert!(matches!(&other[..], [Action::TokenTransfer { token, .. }] if token == "0xb"), "{other:?}");
    for actions in [
        own(&[], "coin", "transfer", &to_and_amount),
        own(&[&coin], "aptos_account", "transfer", &to_and_amount),
        own(&[&coin], "primary_fungible_store", "transfer", &asset(10)),
        own(&[], "aptos_account", "transfer", &[to.clone(), vec![7]]),
        own(&[], "aptos_account", "transfer", &[vec![9; 31], amount.clone()]),
        own(&[], "aptos_account", "transfer", &[to.clone(), amount.clone(), vec![]]),
        own(&[], "aptos_account", "transfers", &to_and_amount),
    ] {
        assert!(matches!(actions[..], [Action::ProgramCall { .. }]), "{actions:?}");
    }
    let elsewhere = decode(&raw(2, "aptos_account", "transfer", &[], &to_and_amount)).unwrap();
    let actions = &elsewhere.summary().actions;
    assert!(matches!(&actions[..], [Action::ProgramCall { program, .. }] if program == "0x2::aptos_account::transfer"));
}

#[test]
fn types_are_written_as_move_writes_them() {
    let inner = [&[7][..], &address(16), b"\x01a\x01B\x02\x00\x06\x01"].concat();
    let transaction = decode(&raw(4, "m", "f", &[inner, vec![10], vec![6, 6, 4]], &[])).unwrap();
    let expected =
        format!("call 0x4::m::f<0x{}10::a::B<bool, vector<u8>>, u256, vector<vector<address>>> ", "0".repeat(62));
    assert!(transaction.summary().text.starts_with(&expected), "{}", transaction.summary().text);
}

#[test]
fn refuses_what_breaks_the_rules() {
    let good = raw(1, "aptos_account", "transfer", &[], &[vec![9; 32], vec![0; 8]]);
    decode(&good).unwrap();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        bytes
    };
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a trailing byte", edited(&|b| b.push(0))),
        ("cut short", edited(&|b| b.truncate(b.len() - 1))),
        ("chain id 0", edited(&|b| *b.last_mut().unwrap() = 0)),
        ("an unknown payload", edited(&|b| b[40] = 5)),
        ("a padded variant", edited(&|b| drop(b.splice(40..41, [0x82, 0])))),
        ("a padded length", edited(&|b| drop(b.splice(73..74, [0x8d, 0])))),
        ("an unknown type", raw(1, "m", "f", &[vec![11]], &[])),
        ("a deep type", raw(1, "m", "f", &[[vec![6; 100], vec![1]].concat()], &[])),
        ("no module name", raw(1, "", "f", &[], &[])),
        ("a name with a colon", raw(1, "m", "f::g", &[], &[])),
        ("a name that starts with a digit", raw(1, "1m", "f", &[], &[])),
        ("a type's name that is none", raw(1, "m", "f", &[[&[7][..], &address(1), b"\x01a\x02<>\0"].concat()], &[])),
        ("too long", raw(1, "m", "f", &[], &[vec![0; 65_536]])),
    ] {
        assert!(decode(&bytes).is_err(), "{what}");
    }
    for (kind, name) in [(0, "a script"), (1, "a bundle"), (3, "a multisignature"), (4, "an orderless")] {
        let error = decode(&edited(&|b| b[40] = kind)).unwrap_err();
        assert!(matches!(&error, DecodeError::UnsupportedType { found } if found.starts_with(name)), "{error}");
    }
}

#[test]
fn only_its_own_chain_and_signer_will_do() {
    let bytes = hex::decode(TRANSFER.raw).unwrap();
    let (own, other): (ChainId, ChainId) = ("aptos:33".parse().unwrap(), "aptos:1".parse().unwrap());
    let payload = Payload::new(Encoding::Binary, &bytes);
    assert!(Aptos.decode(&payload.on_chain(&own)).is_ok());
    assert!(matches!(Aptos.decode(&payload.on_chain(&other)), Err(DecodeError::ChainIdMismatch { .. })));
    for encoding in [Encoding::Json, Encoding::Message, Encoding::TypedData] {
        let error = Aptos.decode(&Payload::new(encoding, &bytes)).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedEncoding { .. }));
    }
    let transaction = decode(&bytes).unwrap();
    let stranger = signer(TRANSFER_COINS.secret);
    let refused = stranger.sign(transaction.as_ref()).unwrap_err();
    assert!(matches!(refused, SignError::NotTheSigner { expected, .. } if expected == SENDER));
    let none = transaction.assemble(signer(SECRET).verifying_key(), &[]).unwrap_err();
    assert_eq!(none, SignError::SignatureCount { expected: 1, actual: 0 });
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes(
        at in 0..20_u8, module in "[a-z_][a-z0-9_]{0,140}", function in "[a-zA-Z_]{1,20}",
        arguments in prop_oneof![vec(vec(any::<u8>(), 0..200), 0..10), vec(vec(any::<u8>(), 0..2), 0..200)],
    ) {
        let bytes = raw(at, &module, &function, &[], &arguments);
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), &bytes[..]);
        let address = if at < 16 { format!("{at:x}") } else { format!("{at:064x}") };
        let expected = format!("0x{address}::{module}::{function}");
        let [Action::ProgramCall { program, accounts, data_len }] = &transaction.summary().actions[..] else {
            panic!("{:?}", transaction.summary())
        };
        prop_assert_eq!(program, &expected);
        prop_assert_eq!(*data_len, arguments.iter().map(Vec::len).sum::<usize>());
        prop_assert_eq!(accounts.len(), arguments.iter().filter(|it| it.len() == 32).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_transaction_is_refused_or_another_one(
        which in 0..5_usize, mutations in mutations(),
    ) {
        let good = hex::decode([TRANSFER, CREATE_ACCOUNT, COIN_TRANSFER, TRANSFER_COINS, OFFER][which].raw).unwrap();
        let bytes = mutated(&good, &mutations);
        let Ok(transaction) = decode(&bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        prop_assert_eq!(transaction.summary().text == decode(&good).unwrap().summary().text, bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300), head: bool) {
        let bytes = if head { [&[0; 40][..], &[2], &bytes].concat() } else { bytes };
        let _ = decode(&bytes);
    }
}

fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Aptos.decode(&Payload::new(Encoding::Binary, bytes))
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Aptos), key).unwrap()
}

fn address(last: u8) -> Vec<u8> {
    [&[0; 31][..], &[last]].concat()
}

/// A call of a function at an address below 256.
fn raw(at: u8, module: &str, function: &str, types: &[Vec<u8>], arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = [&[5; 32][..], &[0; 8], &[2], &address(at)].concat();
    for name in [module, function] {
        bytes.extend(length(name.len()));
        bytes.extend(name.as_bytes());
    }
    bytes.extend(length(types.len()));
    bytes.extend(types.concat());
    bytes.extend(length(arguments.len()));
    for argument in arguments {
        bytes.extend(length(argument.len()));
        bytes.extend(argument);
    }
    [&bytes[..], &[1, 0, 0, 0, 0, 0, 0, 0].repeat(3), &[1]].concat()
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
