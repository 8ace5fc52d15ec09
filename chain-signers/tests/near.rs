//! NEAR against the transactions of Trust Wallet Core's tests, and what is refused.
#![cfg(feature = "near")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, SigningKey,
    Transaction, near::Near,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};

const SECRET: &str = "8737b99bf16fba78e1e753e23ba00c4b5423ac9c45d9b9caae9a519434786568";
/// `FromPrivateKey` of `tests/chains/NEAR/AddressTests.cpp` there.
const ADDRESS: &str = "917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d";

/// What the transactions of `tests/chains/NEAR/SerializationTests.cpp` there begin with: of `test.near`, by that key, to
/// `whatever.near`.
const HEAD: &str = "09000000746573742e6e65617200917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d010000000000\
    00000d00000077686174657665722e6e6561720fa473fd26901df296be6adc4cc4df34d040efa2435224b6986910e630c2fef601000000";
/// The actions there, in the order of the tests.
const TRANSFER: &str = "0301000000000000000000000000000000";
const FUNCTION_CALL: &str = "020300000071717103000000010203e80300000000000001000000000000000000000000000000";
const STAKE: &str =
    "040100000000000000000000000000000000917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d";
const ADD_FUNCTION_CALL_KEY: &str = "0500917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d000000000000000000\
    00030000007a7a7a0100000003000000777777";
const ADD_FULL_ACCESS_KEY: &str =
    "0500917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d000000000000000001";
const DELETE_KEY: &str = "0600917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d";
const CREATE_ACCOUNT: &str = "00";
const DELETE_ACCOUNT: &str = "0703000000313233";
const ALL: [&str; 8] = [
    TRANSFER,
    FUNCTION_CALL,
    STAKE,
    ADD_FUNCTION_CALL_KEY,
    ADD_FULL_ACCESS_KEY,
    DELETE_KEY,
    CREATE_ACCOUNT,
    DELETE_ACCOUNT,
];

/// `SignTransfer` of `tests/chains/NEAR/TWAnySignerTests.cpp` there.
#[test]
fn signs_the_same_transfer() {
    let transaction = decode(&with(TRANSFER)).unwrap();
    let signer = signer(SECRET);
    assert_eq!(signer.address(), ADDRESS);
    let signed = signer.sign(transaction.as_ref()).unwrap();
    let signature = "969a83332186ee9755e4839325525806e189a3d2d2bb4b4760e94443e97e1c4f22deeef0059a8e9713100eda6e19144da7e8a0\
        ef7e539b20708ba1d8d021bd01";
    assert_eq!(hex::encode(&signed.bytes), format!("{HEAD}{TRANSFER}00{signature}"));
    let hash = hex::decode("eea6e680f3ea51a7f667e9a801d0bfadf66e03d41ed54975b3c6006351461b32").unwrap();
    assert_eq!(signed.id, bs58::encode(&hash).into_string());
    assert_eq!(transaction.signing_payloads(signer.verifying_key()).unwrap()[0].as_bytes(), hash);
    assert_eq!(signer.sign(transaction.as_ref()).unwrap(), signed, "deterministic");
}

/// `SignStake` beside it.
#[test]
fn signs_the_same_stake() {
    let unsigned = "0b0000007664782e746573746e657400a3cb23dbb9810abd4a6804328eec47a17236383b5c234cae903b064e9dc426dac5863d28\
        b35400000b0000007664782e746573746e6574a2fbdae8a769c636d109952e4fe760b03688e629933cbf693aedfd97a470c7a501000000040000\
        00fa4f3f757902ae0b080000000000a3cb23dbb9810abd4a6804328eec47a17236383b5c234cae903b064e9dc426da";
    let signature = "11fdbc234d4ce470ec7f2ac5e4d3d8f8fe1525f83e9a2425e7000aea52f7260ff4f5191beaa1a5ac29256e68c6acd368ada0d0\
        6ed033e9a204ee119f5ef1b104";
    let transaction = decode(&hex::decode(unsigned).unwrap()).unwrap();
    let signer = signer("d22149327ceb8e86f70962be0c7293f8308d85d0cbea2cc24e47c3033da7440f");
    let signed = signer.sign(transaction.as_ref()).unwrap();
    assert_eq!(hex::encode(&signed.bytes), format!("{unsigned}00{signature}"));
    let hash = hex::decode("c8aedbf75fcaa9b663a3959d27f1deae809e1923460791471e5219eafecc4ba8").unwrap();
    assert_eq!(signed.id, bs58::encode(hash).into_string());
    let text = &transaction.summary().text;
    assert!(
        text.starts_with("stake 2490 as vdx.testnet by validator key ed25519:C2P7YcEmBv31vtCHLBcESteN4Yi4"),
        "{text}"
    );
}

#[test]
fn says_what_every_action_does() {
    let key = "ed25519:Anu7LYDfpLtkP7E16LT9imXF694BdQaa9ufVkQiwTQxC";
    let transfer = || Action::Transfer { to: "whatever.near".into(), amount: Amount::from(1_u64) };
    let exception = |name: &'static str| vec![Action::Exception { name: name.into() }];
    let call = Action::ProgramCall { program: "whatever.near#qqq".into(), accounts: vec![], data_len: 3 };
    let one = "transfer 0.000000000000000000000001 to whatever.near";
    for (action, actions, text) in [
        (TRANSFER, vec![transfer()], one.to_owned()),
        (
            FUNCTION_CALL,
            vec![transfer(), call],
            format!("{one}, and call whatever.near#qqq with 1000 gas and arguments \"\\u{{1}}\\u{{2}}\\u{{3}}\""),
        ),
        (
            STAKE,
            exception("stake"),
            format!("stake 0.000000000000000000000001 as whatever.near by validator key {key}"),
        ),
        (
            ADD_FUNCTION_CALL_KEY,
            exception("add_function_call_key"),
            format!("let key {key} act for whatever.near: in calls of methods www of zzz, for any amount of gas"),
        ),
        (
            ADD_FULL_ACCESS_KEY,
            exception("add_full_access_key"),
            format!("let key {key} act for whatever.near: in everything"),
        ),
        (DELETE_KEY, exception("delete_key"), format!("take key {key} from whatever.near")),
        (CREATE_ACCOUNT, exception("create_account"), "create account whatever.near".to_owned()),
        (
            DELETE_ACCOUNT,
            exception("delete_account"),
            "delete account whatever.near and give what it has to 123".to_owned(),
        ),
    ] {
        let transaction = decode(&with(action)).unwrap();
        let summary = transaction.summary();
        assert_eq!(summary.actions, actions);
        let expected = format!(
            "{text} on near:mainnet; account test.near pays for gas at the chain's price, by key {key}, nonce 1; \
             block hash 244ZQ9cgj3CQ6bWBdytfrJMuMQ1jdXLFGnr4HhvtCTnM; SHA-256 "
        );
        assert!(summary.text.starts_with(&expected), "{}", summary.text);
        assert_eq!(summary.fee_ceiling, None);
        assert_eq!(summary.chain_id.as_str(), "near:mainnet");
    }
}

#[test]
fn a_call_without_deposit_and_the_code_of_a_contract() {
    let call = decode(&with(&FUNCTION_CALL.replace("01000000000000000000000000000000", &"0".repeat(32)))).unwrap();
    assert!(matches!(call.summary().actions[..], [Action::ProgramCall { .. }]), "{:?}", call.summary());
    let deploy = decode(&with("0103000000616263")).unwrap();
    assert_eq!(deploy.summary().actions, [Action::Exception { name: "deploy_contract".into() }]);
    let expected =
        "deploy 3 bytes of code, SHA-256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, at ";
    assert!(deploy.summary().text.starts_with(expected), "{}", deploy.summary().text);
}

#[test]
fn refuses_what_breaks_the_rules() {
    let good = with(TRANSFER);
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        bytes
    };
    let count = HEAD.len() / 2 - 4;
    let many = |count: usize| {
        let mut bytes = hex::decode(HEAD).unwrap();
        bytes.truncate(bytes.len() - 4);
        bytes.extend(u32::try_from(count).unwrap().to_le_bytes());
        bytes.extend(hex::decode(TRANSFER).unwrap().repeat(count));
        bytes
    };
    decode(&many(100)).unwrap();
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a trailing byte", edited(&|b| b.push(0))),
        ("cut short", edited(&|b| b.truncate(b.len() - 1))),
        ("no actions", many(0)),
        ("too many actions", many(101)),
        ("a huge count", edited(&|b| b[count..count + 4].fill(0xff))),
        ("an unknown action", with("08")),
        ("an unknown permission", with(&ADD_FULL_ACCESS_KEY.replace("000001", "000002"))),
        ("an account in capitals", edited(&|b| b[4] = b'T')),
        ("an account with two dots", edited(&|b| b[7] = b'.')),
        ("a receiver that is none", edited(&|b| b[58] = b'#')),
        ("a method that is none", with(&FUNCTION_CALL.replace("717171", "712071"))),
        ("a beneficiary that is none", with("0703000000312333")),
        ("too long", with(&format!("0100000100{}", "00".repeat(65_536)))),
    ] {
        assert!(decode(&bytes).is_err(), "{what}");
    }
    let secp256k1 = edited(&|b| {
        b[13] = 1;
        b.splice(46..46, [0; 32]);
    });
    for (bytes, name) in
        [(edited(&|b| drop(b.splice(..0, [1]))), "a version 1 transaction"), (secp256k1, "a secp256k1 key")]
    {
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, DecodeError::UnsupportedType { found: name.into() });
    }
}

#[test]
fn the_caller_names_the_network_and_the_key_signs() {
    let bytes = with(TRANSFER);
    let payload = Payload::new(Encoding::Binary, &bytes);
    assert_eq!(Near.decode(&payload).unwrap_err(), DecodeError::ChainIdRequired { namespace: "near".into() });
    for other in ["near:localnet", "aptos:1"] {
        let other: ChainId = other.parse().unwrap();
        assert!(matches!(Near.decode(&payload.on_chain(&other)), Err(DecodeError::Invalid { .. })));
    }
    let testnet: ChainId = "near:testnet".parse().unwrap();
    assert_eq!(Near.decode(&payload.on_chain(&testnet)).unwrap().summary().chain_id, testnet);
    for encoding in [Encoding::Json, Encoding::Message, Encoding::TypedData] {
        let error = Near.decode(&Payload::new(encoding, &bytes).on_chain(&testnet)).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedEncoding { .. }));
    }
    let transaction = decode(&bytes).unwrap();
    let other = signer("d22149327ceb8e86f70962be0c7293f8308d85d0cbea2cc24e47c3033da7440f");
    let refused = other.sign(transaction.as_ref()).unwrap_err();
    assert!(matches!(refused, SignError::NotTheSigner { expected, .. } if expected == ADDRESS));
    let none = transaction.assemble(signer(SECRET).verifying_key(), &[]).unwrap_err();
    assert_eq!(none, SignError::SignatureCount { expected: 1, actual: 0 });
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes(
        signer in "[a-z0-9]{1,20}([-_.][a-z0-9]{1,10}){1,3}", receiver in "[a-f0-9]{64}", nonce: u64,
        calls in vec(("[a-z_]{1,20}", vec(any::<u8>(), 0..50), any::<u64>(), any::<u128>()), 1..10),
    ) {
        let text = |text: &str| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat();
        let mut bytes = [&text(&signer)[..], &[0; 33], &nonce.to_le_bytes(), &text(&receiver), &[7; 32]].concat();
        bytes.extend(u32::try_from(calls.len()).unwrap().to_le_bytes());
        for (method, args, gas, deposit) in &calls {
            bytes.push(2);
            bytes.extend(text(method));
            bytes.extend(u32::try_from(args.len()).unwrap().to_le_bytes());
            bytes.extend([&args[..], &gas.to_le_bytes(), &deposit.to_le_bytes()].concat());
        }
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), bytes);
        let mut actions = transaction.summary().actions.iter();
        for (method, args, _, deposit) in calls {
            if deposit > 0 {
                let expected = Action::Transfer { to: receiver.clone(), amount: Amount::from(deposit) };
                prop_assert_eq!(actions.next(), Some(&expected));
            }
            let program = format!("{receiver}#{method}");
            let expected = Action::ProgramCall { program, accounts: vec![], data_len: args.len() };
            prop_assert_eq!(actions.next(), Some(&expected));
        }
        prop_assert_eq!(actions.next(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_transaction_is_refused_or_another_one(
        which in 0..ALL.len(), mutations in mutations(),
    ) {
        let good = with(ALL[which]);
        let bytes = mutated(&good, &mutations);
        let Ok(transaction) = decode(&bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        prop_assert_eq!(transaction.summary().text == decode(&good).unwrap().summary().text, bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300), head: bool) {
        let bytes = if head { [&hex::decode(HEAD).unwrap()[..], &bytes].concat() } else { bytes };
        let _ = decode(&bytes);
    }
}

fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    let mainnet = "near:mainnet".parse().unwrap();
    Near.decode(&Payload::new(Encoding::Binary, bytes).on_chain(&mainnet))
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Near), key).unwrap()
}

fn with(action: &str) -> Vec<u8> {
    hex::decode(format!("{HEAD}{action}")).unwrap()
}
