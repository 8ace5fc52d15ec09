//! Stellar against the transactions of Trust Wallet Core's tests, some of which were sent, and what is refused.
#![cfg(feature = "stellar")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, SigningKey,
    Transaction, stellar::Stellar,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};

/// Of `tests/chains/Stellar/TransactionTests.cpp` and `TWAnySignerTests.cpp` there, for the public network: the secret;
/// source, fee, sequence number and what follows, in the old form; the signature.
struct Sent {
    secret: &'static str,
    transaction: &'static str,
    signature: &'static str,
    /// The hash under which it was sent, if the test says so.
    id: Option<&'static str>,
}

const FIRST: &str = "59a313f46ef1c23a9e4f71cea10fc0c56a2a6bb8a4b9ea3d5348823e5a478722";
const FIRST_ADDRESS: &str = "GAE2SZV4VLGBAPRYRFV2VY7YYLYGYIP5I7OU7BSP6DJT7GAZ35OKFDYI";
const SECOND: &str = "3c0635f8638605aed6e461cf3fa2d508dd895df1a1655ff92c79bfbeaf88d4b9";
const SECOND_ADDRESS: &str = "GDFEKJIFKUZP26SESUHZONAUJZMBSODVN2XBYN4KAGNHB7LX2OIXLPUL";
const RECEIVER: &str = "GDCYBNRRPIHLHG7X7TKPUPAZ7WVUXCN3VO7WCCK64RIFV5XM5V5K4A52";

const PAYMENT: Sent = Sent {
    secret: FIRST,
    transaction: "0000000009a966bcaacc103e38896baae3f8c2f06c21fd47dd4f864ff0d33f9819df5ca2000003e800000000000000020000000000\
        00000000000001000000000000000100000000c580b6317a0eb39bf7fcd4fa3c19fdab4b89bbabbf61095ee4505af6eced7aae00000000000000\
        000098968000000000",
    signature: "a1c419c139d5bc631096974669c5af81e9f137992ef1807cca1106ac37c4578f320ea723e9069e3c08ad0e3fcdda0c5f603f50da927e\
        66991032c6591b800202",
    id: None,
};

const MEMO_TEXT: Sent = Sent {
    secret: FIRST,
    transaction: "0000000009a966bcaacc103e38896baae3f8c2f06c21fd47dd4f864ff0d33f9819df5ca2000003e800000000000000020000000000\
        0000010000000d48656c6c6f2c20776f726c642100000000000001000000000000000100000000c580b6317a0eb39bf7fcd4fa3c19fdab4b89bb\
        abbf61095ee4505af6eced7aae00000000000000000098968000000000",
    signature: "5042574491827aaccbce1e2964c05098caba06194beb35e595aabfec9f788516a833f755f18144f4a2eedb3123d180f44e7c16037d00\
        857c5c5b7033ebac2c01",
    id: None,
};

const MEMO_HASH: Sent = Sent {
    secret: FIRST,
    transaction: "0000000009a966bcaacc103e38896baae3f8c2f06c21fd47dd4f864ff0d33f9819df5ca2000003e800000000000000020000000000\
        000003315f5bdb76d078c43b8ac0064e4a0164612b1fce77c869345bfc94c75894edd300000001000000000000000100000000c580b6317a0eb3\
        9bf7fcd4fa3c19fdab4b89bbabbf61095ee4505af6eced7aae00000000000000000098968000000000",
    signature: "88ca1d411be8444795be7601c329ee3d5fa5446115888da8cce147eadc3506ff2c3b5efd4c305e1e6b1dd4d13462ed0c23d9f8a8fc34\
        43dfefcb8edbe2a76303",
    id: None,
};

const MEMO_RETURN: Sent = Sent {
    secret: FIRST,
    transaction: "0000000009a966bcaacc103e38896baae3f8c2f06c21fd47dd4f864ff0d33f9819df5ca2000003e800000000000000020000000000\
        000004315f5bdb76d078c43b8ac0064e4a0164612b1fce77c869345bfc94c75894edd300000001000000000000000100000000c580b6317a0eb3\
        9bf7fcd4fa3c19fdab4b89bbabbf61095ee4505af6eced7aae00000000000000000098968000000000",
    signature: "5defb8ae8b4e2aba86a858c7de24ed3a9d17e7dd9f5ba6d6c08fb3a5e388f702953c73d749c158496d0ecb6b898a808918be21211b1d\
        c022e94560292891bf0c",
    id: None,
};

const CREATE_ACCOUNT: Sent = Sent {
    secret: FIRST,
    transaction: "0000000009a966bcaacc103e38896baae3f8c2f06c21fd47dd4f864ff0d33f9819df5ca2000003e800000000000000020000000000\
        00000200000000499602d200000001000000000000000000000000c580b6317a0eb39bf7fcd4fa3c19fdab4b89bbabbf61095ee4505af6eced7a\
        ae000000000098968000000000",
    signature: "d82a343a9b7b45fad20c87fb5c5fd93bf64677458899b27dbaef563b137e3640551ad2db313d84796a3d02a966418a10591aefed4494\
        e4befe6ff52439dab908",
    id: None,
};

const SENT_PAYMENT: Sent = Sent {
    secret: SECOND,
    transaction: "00000000ca4525055532fd7a44950f9734144e581938756eae1c378a019a70fd77d39175000003e801fff0c8000000010000000000\
        0000000000000100000000000000010000000036891b0826b333ee8051141a9c2f5524bdae7ca43c2e8a867e90ce979efbb5ef00000000000000\
        00000f424000000000",
    signature: "33d361cebf2258acea9c7927af1495a1ae1bdaacdb4f3832136f965b183a5c71f9d318857e6bed44a561ce9d0983c3df85ab4e6fa28d\
        85e291584c383afa840f",
    id: Some("66b5bca4b4293bdd85a6a559b08918482774b76bcc170b4533411f1d6422ce24"),
};

const SENT_ASSET: Sent = Sent {
    secret: SECOND,
    transaction: "00000000ca4525055532fd7a44950f9734144e581938756eae1c378a019a70fd77d39175000003e801fff0c8000000050000000000\
        0000000000000100000000000000010000000036891b0826b333ee8051141a9c2f5524bdae7ca43c2e8a867e90ce979efbb5ef000000014d4f42\
        49000000003c71302b9e65dae301102710c73b0e52c0168356305f00fe6544c359911b65640000000000b71b0000000000",
    signature: "4b96659bca66e17a48cb92188c9f2eac79b27e4ee79f8a778f3db8fe20f63647e1413bcd9e0c134fbbe08d0153c603b183a69b171fa7\
        fbddc1377e9f7a06090c",
    id: Some("ea50884cd1288d2d5420065995d13d750d812258e0e79280c4033a434e625c99"),
};

const SENT_CHANGE_TRUST: Sent = Sent {
    secret: SECOND,
    transaction: "00000000ca4525055532fd7a44950f9734144e581938756eae1c378a019a70fd77d391750000271001fff0c8000000030000000100\
        00000000000000000000006029900000000000000000010000000000000006000000014d4f4249000000003c71302b9e65dae301102710c73b0e\
        52c0168356305f00fe6544c359911b65647fffffffffffffff00000000",
    signature: "277f25f268d417e41ab700441504869877e70b89bfb2dac358ec317f358552139d5d67ab30186125cf4f7839bb0f79f99599e46b906b\
        1273f7c5e699ad87ec09",
    id: Some("ad9cd0f3d636096b6502ccae07adbcf2cd3c0da5393fc2b07813dbe90ecc0d7b"),
};

const SENT_CLAIM: Sent = Sent {
    secret: SECOND,
    transaction: "00000000ca4525055532fd7a44950f9734144e581938756eae1c378a019a70fd77d391750000271001fff0c8000000210000000000\
        00000000000001000000000000000f000000009c7b794b7b150f3e4c6dcfa260672bbe0c248b360129112e927e0f7ee2f9faf800000000",
    signature: "58bedd2a447526e3d91856c34d10e01811d6fef2cf3163519007b0fb03df1a20a7661a492437325f5f7b1030d932c27bba780f53285c\
        cd169e40ec192b1e030d",
    id: Some("c1fb3cf348aeb72bb2e1030c1d7f7f9c6c6d1bbab071b3e7c7c1cadafa795e8e"),
};

const ALL: [Sent; 9] = [
    PAYMENT,
    MEMO_TEXT,
    MEMO_HASH,
    MEMO_RETURN,
    CREATE_ACCOUNT,
    SENT_PAYMENT,
    SENT_ASSET,
    SENT_CHANGE_TRUST,
    SENT_CLAIM,
];

/// In the old form the account's type is missing, and the envelope's type has its place; both sign the same.
#[test]
fn signs_the_same_in_both_forms() {
    for sent in ALL {
        let signer = signer(sent.secret);
        let hint = hex::encode(&signer.verifying_key().to_bytes()[28..]);
        for form in ["", "00000002"] {
            let bytes = hex::decode(format!("{form}{}00000000", sent.transaction)).unwrap();
            let transaction = decode(&bytes).unwrap();
            assert_eq!(transaction.to_bytes(), bytes);
            let signed = signer.sign(transaction.as_ref()).unwrap();
            let expected = format!("{form}{}00000001{hint}00000040{}", sent.transaction, sent.signature);
            assert_eq!(hex::encode(&signed.bytes), expected);
            assert!(sent.id.is_none_or(|id| signed.id == id), "{}", signed.id);
            let payload = &transaction.signing_payloads(signer.verifying_key()).unwrap()[0];
            assert_eq!(hex::encode(payload.as_bytes()), signed.id);
            assert_eq!(signer.sign(transaction.as_ref()).unwrap(), signed, "deterministic");
        }
    }
    assert_eq!(signer(FIRST).address(), FIRST_ADDRESS);
    assert_eq!(signer(SECOND).address(), SECOND_ADDRESS);
}

#[test]
fn says_what_was_sent() {
    let summary = |sent: Sent| decode(&unsigned(&sent)).unwrap().summary().clone();
    let payment = summary(PAYMENT);
    let transfer = || Action::Transfer { to: RECEIVER.into(), amount: Amount::from(10_000_000_u64) };
    assert_eq!(payment.actions, [transfer()]);
    assert_eq!(payment.fee_ceiling, Some(Amount::from(1000_u64)));
    let expected = format!(
        "transfer 1 to {RECEIVER} on stellar:pubnet; account {FIRST_ADDRESS}, sequence number 2, fee at most 0.0001, \
         never expires; hash 69e0d2f0ecd2507196b58ebb3987fe7d82fa7939de311bf909aa5a5b538249e7"
    );
    assert_eq!(payment.text, expected);
    let memo = || Action::Exception { name: "memo".into() };
    let hash = "315f5bdb76d078c43b8ac0064e4a0164612b1fce77c869345bfc94c75894edd3";
    for (sent, text) in [
        (MEMO_TEXT, "add the memo \"Hello, world!\"".to_owned()),
        (MEMO_HASH, format!("add the memo hash {hash}")),
        (MEMO_RETURN, format!("add the memo return of {hash}")),
    ] {
        let summary = summary(sent);
        assert_eq!(summary.actions, [transfer(), memo()]);
        assert!(summary.text.starts_with(&format!("transfer 1 to {RECEIVER}, then {text} on ")), "{}", summary.text);
    }
    let created = summary(CREATE_ACCOUNT);
    assert_eq!(created.actions, [transfer(), memo()]);
    let expected = format!("create an account by a transfer of 1 to {RECEIVER}, then add the memo 1234567890 on ");
    assert!(created.text.starts_with(&expected), "{}", created.text);
    let token = "MOBI:GA6HCMBLTZS5VYYBCATRBRZ3BZJMAFUDKYYF6AH6MVCMGWMRDNSWJPIH".to_owned();
    let to = "GA3ISGYIE2ZTH3UAKEKBVHBPKUSL3LT4UQ6C5CUGP2IM5F467O267KI7".to_owned();
    let asset = Action::TokenTransfer { token, to, amount: Amount::from(12_000_000_u64), selector: None };
    assert_eq!(summary(SENT_ASSET).actions, [asset]);
    let issuer = "GA6HCMBLTZS5VYYBCATRBRZ3BZJMAFUDKYYF6AH6MVCMGWMRDNSWJPIH".to_owned();
    let trust = summary(SENT_CHANGE_TRUST);
    let expected = format!("change_trust (MOBI:{issuer}, 9223372036854775807) on ");
    assert!(trust.text.starts_with(&expected), "{}", trust.text);
    assert!(trust.text.contains(", valid from 0 to 1613336576 s of Unix time; hash "), "{}", trust.text);
    let call = Action::ProgramCall { program: "change_trust".into(), accounts: vec![issuer], data_len: 52 };
    assert_eq!(trust.actions, [call]);
    let call = Action::ProgramCall { program: "claim_claimable_balance".into(), accounts: vec![], data_len: 36 };
    assert_eq!(summary(SENT_CLAIM).actions, [call]);
}

/// SEP-23's valid test cases: a key, and the same with the numbers 0 and 2^63.
#[test]
fn multiplexed_accounts_are_spelled_as_such() {
    let key = "3f0c34bf93ad0d9971d04ccc90f705511c838aad9734a4a2fb0d7a03fc7fe89a";
    for (account, name) in [
        (format!("00000000{key}"), "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"),
        (
            format!("000001000000000000000000{key}"),
            "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUAAAAAAAAAAAACJUQ",
        ),
        (
            format!("000001008000000000000000{key}"),
            "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVAAAAAAAAAAAAAJLK",
        ),
    ] {
        let transaction = decode(&with(&format!("00000001{account}000000000000000000000007"))).unwrap();
        let expected = Action::Transfer { to: name.to_owned(), amount: Amount::from(7_u64) };
        assert_eq!(transaction.summary().actions, [expected]);
    }
}

#[test]
fn other_operations_are_called_by_their_names_with_all_their_accounts() {
    let (key, asset) =
        (format!("00000000{}", "11".repeat(32)), format!("0000000155534400{}{}", "00000000", "22".repeat(32)));
    let long = format!("000000024c4f4e47455200000000000000000000{}", "33".repeat(32));
    let (number, word) = ("0000000000000005", "00000003");
    let [account, issuer, other] = ["11", "22", "33"].map(address);
    for (operation, program, accounts, words) in [
        (
            format!("00000002{asset}{number}{key}00000000{number}00000001{long}"),
            "path_payment_strict_receive",
            vec![&issuer, &account, &other],
            format!("(USD:{issuer}, 5, {account}, lumens, 5, [LONGER:{other}])"),
        ),
        (
            format!("00000003{asset}00000000{number}{word}{word}{number}"),
            "manage_sell_offer",
            vec![&issuer],
            format!("(USD:{issuer}, lumens, 5, 3/3, 5)"),
        ),
        (
            format!("00000005{}0000000100000000{}{word}", "00000000".repeat(8), "33".repeat(32)),
            "set_options",
            vec![&other],
            format!("(none, none, none, none, none, none, none, none, signer {other} of weight 3)"),
        ),
        (
            format!("0000000500000001{key}00000001{word}{}0000000100000003612e620000000000", "00000000".repeat(5)),
            "set_options",
            vec![&account],
            format!("({account}, 3, none, none, none, none, none, \"a.b\", none)"),
        ),
        (format!("00000007{key}0000000155534400{word}"), "allow_trust", vec![&account], format!("({account}, USD, 3)")),
        (format!("00000008{key}"), "account_merge", vec![&account], format!("({account})")),
        ("00000009".to_owned(), "inflation", vec![], "()".to_owned()),
        (
            "0000000a0000000161000000000000010000000162000000".to_owned(),
            "manage_data",
            vec![],
            "(\"a\", 62)".to_owned(),
        ),
        (format!("0000000b{number}"), "bump_sequence", vec![], "(5)".to_owned()),
        (format!("00000010{key}"), "begin_sponsoring_future_reserves", vec![&account], format!("({account})")),
        (
            format!("00000013{asset}{key}{number}"),
            "clawback",
            vec![&issuer, &account],
            format!("(USD:{issuer}, {account}, 5)"),
        ),
        (
            format!("00000015{key}{asset}{word}{word}"),
            "set_trust_line_flags",
            vec![&account, &issuer],
            format!("({account}, USD:{issuer}, 3, 3)"),
        ),
        (
            format!("00000017{}{number}{number}{number}", "44".repeat(32)),
            "liquidity_pool_withdraw",
            vec![],
            format!("({}, 5, 5, 5)", "44".repeat(32)),
        ),
    ] {
        let bytes = with(&operation);
        let transaction = decode(&bytes).map_err(|error| format!("{program}: {error}")).unwrap();
        assert_eq!(transaction.to_bytes(), bytes);
        let accounts = accounts.into_iter().cloned().collect();
        let call = Action::ProgramCall { program: program.to_owned(), accounts, data_len: operation.len() / 2 - 4 };
        assert_eq!(transaction.summary().actions, [call]);
        let text = &transaction.summary().text;
        assert!(text.starts_with(&format!("{program} {words} on stellar:pubnet; ")), "{text}");
    }
}

#[test]
fn refuses_what_breaks_the_rules() {
    let good = unsigned(&SENT_ASSET);
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        bytes
    };
    let payment =
        |amount: &str| with(&format!("00000001{}00000000{amount}", format_args!("00000000{}", "11".repeat(32))));
    decode(&payment("0000000000000000")).unwrap();
    let code = |code: &str| with(&format!("00000006{code}00000000{}0000000000000001", "22".repeat(32)));
    decode(&code("0000000155534400")).unwrap();
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a trailing word", edited(&|b| b.extend([0; 4]))),
        ("a trailing byte", edited(&|b| b.push(0))),
        ("cut short", edited(&|b| b.truncate(b.len() - 4))),
        ("an unknown envelope", edited(&|b| b[3] = 1)),
        ("a signed one", [&good[..good.len() - 4], &[0, 0, 0, 1], &[0; 4], &[0, 0, 0, 64], &[0; 64]].concat()),
        ("a negative amount", payment("ffffffffffffffff")),
        ("a lower length than its code's type has", code("000000025553440000000000000000000000000000")),
        ("an empty code", code("0000000100000000")),
        ("a code with a gap", code("0000000155004400")),
        ("a code with a colon", code("00000001553a4400")),
        ("an asset of no known type", code("00000004")),
        ("padding that is not zero", with("0000000a0000000161000001000000010000000162000000")),
        ("an optional value of value 2", with("0000000a0000000161000000000000020000000162000000")),
        ("a name beyond its limit", with(&format!("0000000a00000044{}00000000", "61".repeat(68)))),
        ("an unknown operation", with("0000001b")),
        (
            "a multiplexed account where there is none",
            with(&format!("00000010000001000000000000000000{}", "11".repeat(32))),
        ),
        ("another account's operation", {
            let operation = format!("0000000100000000{}00000009", "11".repeat(32));
            enveloped(&format!("00000000{}", "55".repeat(32)), &operation)
        }),
    ] {
        assert!(decode(&bytes).is_err(), "{what}");
    }
    let own = format!("0000000100000000{}00000009", "55".repeat(32));
    assert!(decode(&enveloped(&format!("00000000{}", "55".repeat(32)), &own)).is_ok(), "its own account may be named");
    for (bytes, name) in [
        (edited(&|b| b[3] = 5), "a fee bump"),
        (with("0000000e"), "the operation create_claimable_balance"),
        (with("00000012"), "the operation revoke_sponsorship"),
        (with("00000018"), "the operation invoke_host_function"),
    ] {
        assert_eq!(decode(&bytes).unwrap_err(), DecodeError::UnsupportedType { found: name.into() });
    }
}

#[test]
fn the_network_is_hashed_and_the_source_signs() {
    let bytes = unsigned(&PAYMENT);
    let payload = Payload::new(Encoding::Binary, &bytes);
    assert_eq!(Stellar.decode(&payload).unwrap_err(), DecodeError::ChainIdRequired { namespace: "stellar".into() });
    for other in ["stellar:futurenet", "aptos:1"] {
        let other: ChainId = other.parse().unwrap();
        assert!(matches!(Stellar.decode(&payload.on_chain(&other)), Err(DecodeError::Invalid { .. })));
    }
    let testnet: ChainId = "stellar:testnet".parse().unwrap();
    let elsewhere = Stellar.decode(&payload.on_chain(&testnet)).unwrap();
    let owner = signer(FIRST);
    let [here, there] = [decode(&bytes).unwrap(), elsewhere].map(|it| owner.sign(it.as_ref()).unwrap().id);
    assert_ne!(here, there);
    for encoding in [Encoding::Json, Encoding::Message, Encoding::TypedData] {
        let error = Stellar.decode(&Payload::new(encoding, &bytes).on_chain(&testnet)).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedEncoding { .. }));
    }
    let transaction = decode(&bytes).unwrap();
    let refused = signer(SECOND).sign(transaction.as_ref()).unwrap_err();
    let (expected, actual) = (FIRST_ADDRESS.to_owned(), SECOND_ADDRESS.to_owned());
    assert_eq!(refused, SignError::NotTheSigner { expected, actual });
    let none = transaction.assemble(owner.verifying_key(), &[]).unwrap_err();
    assert_eq!(none, SignError::SignatureCount { expected: 1, actual: 0 });
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes(
        payments in vec((any::<[u8; 32]>(), prop::option::of(any::<u64>()), 0..i64::MAX), 1..12), code in "[A-Z]{1,12}",
    ) {
        let asset = match code.len() {
            ..=4 => format!("00000001{:0<8}", hex::encode(&code)),
            _ => format!("00000002{:0<24}", hex::encode(&code)),
        };
        let asset = format!("{asset}00000000{}", "22".repeat(32));
        let operations: Vec<_> = payments.iter().map(|(key, id, amount)| {
            let kind = id.map_or_else(|| "00000000".to_owned(), |id| format!("00000100{id:016x}"));
            format!("0000000000000001{kind}{}{asset}{amount:016x}", hex::encode(key))
        }).collect();
        let count = format!("{:08x}", operations.len());
        let bytes = hex::decode(format!(
            "00000002{}0000000100000000000000010000000000000000{count}{}0000000000000000",
            format_args!("00000000{}", "55".repeat(32)), operations.concat()
        )).unwrap();
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), bytes);
        for (action, (_, id, amount)) in transaction.summary().actions.iter().zip(payments) {
            let Action::TokenTransfer { token, to, amount: actual, .. } = action else { panic!("{action:?}") };
            prop_assert_eq!(token, &format!("{code}:{}", address("22")));
            prop_assert_eq!(to.starts_with('M'), id.is_some());
            prop_assert_eq!(*actual, Amount::from(u64::try_from(amount).unwrap()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_transaction_is_refused_or_another_one(
        which in 0..ALL.len(), mutations in mutations(),
    ) {
        let good = unsigned(&ALL[which]);
        let bytes = mutated(&good, &mutations);
        let Ok(transaction) = decode(&bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        prop_assert_eq!(transaction.summary().text == decode(&good).unwrap().summary().text, bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300), kind in 0..28_u8, head: bool) {
        let bytes = if head { with(&format!("{kind:08x}{}", hex::encode(bytes))) } else { bytes };
        let _ = decode(&bytes);
    }
}

fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    let pubnet = "stellar:pubnet".parse().unwrap();
    Stellar.decode(&Payload::new(Encoding::Binary, bytes).on_chain(&pubnet))
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Stellar), key).unwrap()
}

fn unsigned(sent: &Sent) -> Vec<u8> {
    hex::decode(format!("00000002{}00000000", sent.transaction)).unwrap()
}

/// An envelope around one operation, without a source of its own.
fn with(operation: &str) -> Vec<u8> {
    enveloped(&format!("00000000{}", "55".repeat(32)), &format!("00000000{operation}"))
}

fn enveloped(source: &str, operation: &str) -> Vec<u8> {
    let head = format!("00000002{source}0000000100000000000000010000000000000000");
    hex::decode(format!("{head}00000001{operation}0000000000000000")).unwrap()
}

/// As decoding spells the account whose key is this byte 32 times.
fn address(byte: &str) -> String {
    let transaction = decode(&with(&format!("0000000800000000{}", byte.repeat(32)))).unwrap();
    let Action::ProgramCall { accounts, .. } = &transaction.summary().actions[0] else { panic!("no call") };
    accounts[0].clone()
}
