//! The delegations of `eip155` chains (EIP-7702): transactions that carry authorizations, and authorizations to be signed.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, U256};
use alloy_rlp::Decodable;
use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, SigningKey,
    Transaction,
    evm::{self, Evm},
};

/// `cmd/evm/testdata/33` of go-ethereum: two delegations, sent by the first authority to itself. INFURA's go-ethlibs has the
/// same transaction under another key (`eth/transaction_signing_test.go`, `TestTransaction_Sign_EIP7702`).
mod geth {
    pub(crate) const SECRET: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
    pub(crate) const SENDER: &str = "0x71562b71999873DB5b286dF957af199Ec94617F7";
    pub(crate) const OTHER: &str = "0x703c4b2bD70c169f5717101CaeE543299Fc946C7";
    pub(crate) const JSON: &str = r#"{"type":"0x4","chainId":"0x1","nonce":"0x0",
        "to":"0x71562b71999873db5b286df957af199ec94617f7","gas":"0x7a120","maxPriorityFeePerGas":"0x2",
        "maxFeePerGas":"0x12a05f200","value":"0x0","input":"0x","accessList":[],"authorizationList":[
        {"chainId":"0x1","address":"0x000000000000000000000000000000000000aaaa","nonce":"0x1","yParity":"0x1",
            "r":"0xf7e3e597fc097e71ed6c26b14b25e5395bc8510d58b9136af439e12715f2d721",
            "s":"0x6cf7c3d7939bfdb784373effc0ebb0bd7549691a513f395e3cdabf8602724987"},
        {"chainId":"0x0","address":"0x000000000000000000000000000000000000bbbb","nonce":"0x0","yParity":"0x1",
            "r":"0x5011890f198f0356a887b0779bde5afa1ed04e6acb1e3f37f8f18c7b6f521b98",
            "s":"0x56c3fa3456b103f3ef4a0acb4b647b9cab9ec4bc68fbcdf1e10b49fb2bcbcf61"}]}"#;
    pub(crate) const ETHLIBS_SECRET: &str = "fad9c8855b740a0b7ed4c221dbad0f33a83a49cad6b3fe8d5817ac83d38b6a19";
    pub(crate) const ETHLIBS_SENDER: &str = "0x96216849c49358b10257cb55b28ea603c874b05e";
    pub(crate) const ETHLIBS_ID: &str = "0xb81ac1a9321c1a57605c9beef606967b8866eb53fb63650678b8ba586e5c1ad9";
    pub(crate) const ETHLIBS_SIGNED: &str = "04f9012201800285012a05f2008307a1209471562b71999873db5b286df957af199ec94617\
        f78080c0f8b8f85a0194000000000000000000000000000000000000aaaa0101a0f7e3e597fc097e71ed6c26b14b25e5395bc8510d58b9\
        136af439e12715f2d721a06cf7c3d7939bfdb784373effc0ebb0bd7549691a513f395e3cdabf8602724987f85a80940000000000000000\
        00000000000000000000bbbb8001a05011890f198f0356a887b0779bde5afa1ed04e6acb1e3f37f8f18c7b6f521b98a056c3fa3456b103\
        f3ef4a0acb4b647b9cab9ec4bc68fbcdf1e10b49fb2bcbcf6180a0e4ad40ffd468299b18a775ab3b743687a47087569a2d798b51ed02ae\
        0920703ba06b55c02a6000a3a344ba290c185321057a7994cd2537deeb3c254091a680d248";
}

/// `src/sign-eip7702-authorization.test.ts` of MetaMask's eth-sig-util: key, hash, and r, s and v of the signature.
mod metamask {
    pub(crate) const SECRET: &str = "4af1bceebf7f3634ec3cff8a2c38e51178d5d4ce585c52d6043e5e2cc3418bb0";
    pub(crate) const JSON: &str =
        r#"{"chainId": 8545, "address": "0x1234567890123456789012345678901234567890", "nonce": 1}"#;
    pub(crate) const HASH: &str = "b847dee5b33802280f3279d57574e1eb6bf5d628d7f63049e3cb20bad211056c";
    pub(crate) const R: &str = "ebea1ac12f17a56a514dfecbcbc8bbee7b089fa3fcee31680d1e2c1588f623df";
    pub(crate) const S: &str = "7973cab74e12536678995377da38c96c65c52897750b73462c6760ef2737dba4";
    pub(crate) const V: u8 = 0x1b;
}

/// `swift/Tests/Eip7702Tests.swift` of Trust Wallet Core, which was compared with viem: the hash of an authorization.
mod trust_wallet {
    pub(crate) const JSON: &str =
        r#"{"chainId": "0x1", "address": "0xB91aaa96B138A1B1D94c9df4628187132c5F2bf1", "nonce": "0x1"}"#;
    pub(crate) const HASH: &str = "3ae543b2fa103a39a6985d964a67caed05f6b9bb2430ad6d498cda743fe911d9";
}

#[test]
fn signs_the_delegations_of_go_ethereum() {
    let transaction = decode_json(geth::JSON).unwrap();
    let ethlibs = signer(geth::ETHLIBS_SECRET);
    let signed = ethlibs.sign(transaction.as_ref()).unwrap();
    assert_eq!(hex::encode(&signed.bytes), geth::ETHLIBS_SIGNED);
    assert_eq!(signed.id, geth::ETHLIBS_ID);
    assert_eq!(evm::recover_sender(&signed.bytes).unwrap().to_lowercase(), geth::ETHLIBS_SENDER);
    let signed = signer(geth::SECRET).sign(transaction.as_ref()).unwrap();
    assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), geth::SENDER);
    assert_eq!(decode_binary(&transaction.to_bytes()).unwrap().summary(), transaction.summary());
}

#[test]
fn tells_whose_accounts_are_delegated_to_whom_and_where() {
    let transaction = decode_json(geth::JSON).unwrap();
    let (one, two) = (address("aaaa"), address("bbbb"));
    assert_eq!(
        transaction.summary().actions,
        [
            delegation(&one, Some(geth::SENDER), false),
            delegation(&two, Some(geth::OTHER), true),
            Action::ContractCall { to: geth::SENDER.to_owned(), selector: None, amount: Amount::ZERO, data_len: 0 },
        ],
        "the receiver has code by then"
    );
    let words = format!(
        "call no selector at {} with 0 bytes of data and 0 on eip155:1 (EIP-7702, nonce 0); delegate {} to {one} at its \
         nonce 1; delegate {} to {two} at its nonce 0, on every chain; fee at most 0.0025 (500000 gas at 5000000000 \
         wei); sighash ",
        geth::SENDER,
        geth::SENDER,
        geth::OTHER
    );
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
}

#[test]
fn a_transaction_to_somebody_else_is_a_transfer_beside_the_delegations() {
    let json =
        geth::JSON.replace("0x71562b71999873db5b286df957af199ec94617f7", "0x000000000000000000000000000000000000f1c1");
    let transaction = decode_json(&json).unwrap();
    let [_, _, Action::Transfer { to, .. }] = &transaction.summary().actions[..] else { panic!("{transaction:?}") };
    assert_eq!(*to, address("f1c1"));
    let call = "0xa9059cbb".to_owned() + &"0".repeat(128);
    let token = decode_json(&json.replace("\"0x\"", &format!("\"{call}\""))).unwrap();
    assert!(matches!(token.summary().actions[2], Action::TokenTransfer { .. }));
    let own = decode_json(&geth::JSON.replace("\"0x\"", &format!("\"{call}\""))).unwrap();
    assert!(matches!(own.summary().actions[2], Action::ContractCall { .. }), "an account is no token");
}

#[test]
fn the_zero_address_ends_a_delegation_and_is_a_delegate_by_name() {
    let authority = signer(geth::SECRET);
    let json = format!(r#"{{"chainId":1,"address":"{:?}","nonce":1}}"#, Address::ZERO);
    let authorization = decode_json(&json).unwrap();
    let zero = address("0000");
    assert_eq!(authorization.summary().actions, [delegation(&zero, None, false)]);
    assert!(
        authorization
            .summary()
            .text
            .starts_with("end the delegation of the signer's account at its nonce 1 on eip155:1")
    );
    let signed = authority.sign(authorization.as_ref()).unwrap();
    let transaction = decode_json(&with_authorizations(&[item(&signed.bytes)])).unwrap();
    assert_eq!(transaction.summary().actions[0], delegation(&zero, Some(geth::SENDER), false));
    let words = format!("; end the delegation of {} at its nonce 1; ", geth::SENDER);
    assert!(transaction.summary().text.contains(&words), "{}", transaction.summary().text);
}

#[test]
fn refuses_authorizations_that_no_key_has_made_or_that_are_for_another_chain() {
    let first = &authorizations()[0];
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let s = "0x6cf7c3d7939bfdb784373effc0ebb0bd7549691a513f395e3cdabf8602724987";
    let high = U256::from_str_radix(order, 16).unwrap() - U256::from_str_radix(&s[2..], 16).unwrap();
    let r = "0xf7e3e597fc097e71ed6c26b14b25e5395bc8510d58b9136af439e12715f2d721";
    for (from, to, name) in [
        (r#""yParity":"0x1""#, r#""yParity":"0x2""#.to_owned(), "yParity"),
        (r#""yParity":"0x1""#, r#""yParity":"0x1b""#.to_owned(), "yParity"),
        (s, format!("{high:#x}"), "s"),
        (s, "0x0".to_owned(), "r"),
        (r, "0x0".to_owned(), "r"),
        (r, format!("0x{order}"), "r"),
        (r, "0x5".to_owned(), "r"), // no point of the curve has this x
        (r#""chainId":"0x1""#, r#""chainId":"0x2""#.to_owned(), "chain_id"),
        (r#""chainId":"0x1""#, r#""chainId":"0x8000000000000000""#.to_owned(), "chain_id"),
        (r#""nonce":"0x1""#, r#""nonce":"0xffffffffffffffff""#.to_owned(), "nonce"),
    ] {
        let json = with_authorizations(&[first.replace(from, &to)]);
        let error = decode_json(&json).unwrap_err();
        let DecodeError::Invalid { field, .. } = &error else { panic!("{error}") };
        assert!(field.starts_with("authorization") && field.ends_with(&format!("].{name}")), "{to}: {error}");
    }
    let other = with_authorizations(&[first.replace(r#""nonce":"0x1""#, r#""nonce":"0x2""#)]);
    let others = decode_json(&other).unwrap();
    let Action::Delegation { authority, .. } = &others.summary().actions[0] else { panic!("{others:?}") };
    assert_ne!(authority.as_deref(), Some(geth::SENDER), "some key's, but not this one's");
}

#[test]
fn the_binary_form_refuses_a_parity_above_1() {
    let good = decode_json(&with_authorizations(&authorizations()[..1])).unwrap().to_bytes();
    let at = good.len() - 67; // before r and s with their lengths
    assert_eq!(good[at], 1);
    for (parity, expected) in [(0, true), (2, false), (27, false)] {
        let mut bytes = good.clone();
        bytes[at] = if parity == 0 { 0x80 } else { parity };
        match decode_binary(&bytes) {
            Ok(_) => assert!(expected),
            Err(error) => {
                assert!(!expected && error.to_string().starts_with("authorization_list[0].y_parity"), "{error}")
            }
        }
    }
}

#[test]
fn authorizations_are_counted() {
    let first = authorizations().remove(0);
    let most = decode_json(&with_authorizations(&vec![first.clone(); 64])).unwrap();
    assert_eq!(most.summary().actions.len(), 65);
    decode_binary(&most.to_bytes()).unwrap();
    let more = decode_json(&with_authorizations(&vec![first; 65])).unwrap_err();
    assert!(matches!(more, DecodeError::TooLong { unit: "authorizations", len: 65, max: 64, .. }), "{more}");
    let none = decode_json(&with_authorizations(&[])).unwrap_err();
    assert!(matches!(none, DecodeError::Missing { .. }), "{none}");
    let bytes = [&decode_json(&with_authorizations(&authorizations()[..1])).unwrap().to_bytes()[..]].concat();
    let fields = [&bytes[3..bytes.len() - 94], &[0xc0]].concat();
    let none = [&[4, 0xc0 + u8::try_from(fields.len()).unwrap()], &fields[..]].concat();
    assert!(matches!(decode_binary(&none).unwrap_err(), DecodeError::Missing { .. }));
}

#[test]
fn a_delegation_transaction_creates_no_contract() {
    let json =
        geth::JSON.replace("\"0x71562b71999873db5b286df957af199ec94617f7\"", "null").replace("\"0x\"", "\"0x60\"");
    let error = decode_json(&json).unwrap_err();
    assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == "to"), "{error}");
}

#[test]
fn authorizations_in_json_are_exact_in_both_styles() {
    let first = authorizations().remove(0);
    let reference = |item: &str| {
        format!(
            r#"{{"chainId":1,"nonce":0,"to":"{}","gas":500000,"maxPriorityFeePerGas":2,"maxFeePerGas":5000000000,
                "authorizationList":[{item}]}}"#,
            geth::SENDER
        )
    };
    let transaction = decode_json(&reference(&first)).unwrap();
    assert_eq!(
        transaction.to_bytes(),
        decode_json(&with_authorizations(std::slice::from_ref(&first))).unwrap().to_bytes()
    );
    for (from, to, name) in [
        (r#""chainId":"0x1""#, r#""chainId":1"#, "authorizationList[0].chainId"),
        (r#""nonce":"0x1""#, r#""nonce":"0x01""#, "authorizationList[0].nonce"),
        (r#""r":"0xf7"#, r#""r":"0x00f7"#, "authorizationList[0].r"),
        (r#""r":"0xf7"#, r#""r":"f7"#, "authorizationList[0].r"),
        (r#""r":"0xf7"#, r#""r":"0xg7"#, "authorizationList[0].r"),
        (r#""address":"0x"#, r#""address":"0X"#, "authorizationList[0].address"),
    ] {
        let error = decode_json(&reference(&first.replace(from, to))).unwrap_err();
        assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == name), "{to}: {error}");
    }
    let twice = first.replace(r#""nonce":"0x1""#, r#""nonce":"0x1","nonce":"0x1""#);
    let key = "authorizationList[0].nonce".to_owned();
    assert_eq!(decode_json(&reference(&twice)).unwrap_err(), DecodeError::DuplicateKey { key });
    let v = first.replace("yParity", "v");
    let key = "authorizationList[0].v".to_owned();
    assert_eq!(decode_json(&reference(&v)).unwrap_err(), DecodeError::UnknownKey { key });
}

#[test]
fn a_scalar_may_have_all_its_digits_or_no_leading_zero() {
    let signer = signer(geth::SECRET);
    // One signature in 256 begins with a zero byte.
    let signed = (0..4096)
        .map(|nonce| sign(&signer, &format!(r#"{{"chainId":0,"address":"{}","nonce":{nonce}}}"#, geth::OTHER)))
        .find(|signed| SignedAuthorization::decode(&mut &signed[..]).unwrap().r().leading_zeros() >= 8)
        .unwrap();
    let short = item(&signed);
    let r = SignedAuthorization::decode(&mut &signed[..]).unwrap().r();
    let long = short.replace(&format!("{r:#x}"), &format!("{r:#066x}"));
    assert_ne!(short, long);
    let [short, long] = [short, long].map(|item| decode_json(&with_authorizations(&[item])).unwrap().to_bytes());
    assert_eq!(short, long);
}

#[test]
fn signs_the_authorization_of_eth_sig_util() {
    let signer = signer(metamask::SECRET);
    let authorization = decode_json(metamask::JSON).unwrap();
    let binary = hex::decode("05d982216194123456789012345678901234567890123456789001").unwrap();
    assert_eq!(authorization.to_bytes(), binary);
    assert_eq!(decode_binary(&binary).unwrap().summary(), authorization.summary());
    let payloads = authorization.signing_payloads(signer.verifying_key()).unwrap();
    assert_eq!(payloads[0].sighash().unwrap().to_string(), metamask::HASH);
    let signed = signer.sign(authorization.as_ref()).unwrap();
    let expected = format!("f85c{}{:02x}a0{}a0{}", &hex::encode(&binary[2..]), 0x80, metamask::R, metamask::S);
    assert_eq!(metamask::V - 27, 0, "an even y, which RLP writes as 80");
    assert_eq!(hex::encode(&signed.bytes), expected);
    assert_eq!(signed.id, format!("0x{}", metamask::HASH));
    assert_eq!(evm::recover_authority(&signed.bytes).unwrap(), signer.address());
    let delegate = "0x1234567890123456789012345678901234567890";
    assert_eq!(authorization.summary().actions, [delegation(delegate, None, false)]);
    assert_eq!(authorization.summary().fee_ceiling, Some(Amount::ZERO));
    let words = format!(
        "delegate the signer's account to {delegate} at its nonce 1 on eip155:8545 (EIP-7702 authorization); sighash {}",
        metamask::HASH
    );
    assert_eq!(authorization.summary().text, words);
}

#[test]
fn hashes_the_authorization_of_trust_wallet() {
    let authorization = decode_json(trust_wallet::JSON).unwrap();
    let payloads = authorization.signing_payloads(signer(metamask::SECRET).verifying_key()).unwrap();
    assert_eq!(payloads[0].sighash().unwrap().to_string(), trust_wallet::HASH);
}

#[test]
fn an_authorization_for_a_signer_names_the_account_and_is_signed_by_no_other() {
    let (own, other) = (signer(metamask::SECRET), signer(geth::SECRET));
    let payload = Payload::new(Encoding::Json, metamask::JSON.as_bytes());
    let authorization = Evm.decode(&payload.for_signer(own.verifying_key())).unwrap();
    let delegate = "0x1234567890123456789012345678901234567890";
    assert_eq!(authorization.summary().actions, [delegation(delegate, Some(own.address()), false)]);
    own.sign(authorization.as_ref()).unwrap();
    let error = other.sign(authorization.as_ref()).unwrap_err();
    let (expected, actual) = (own.address().to_owned(), other.address().to_owned());
    assert_eq!(error, SignError::NotTheSigner { expected, actual });
    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap().verifying_key();
    assert!(matches!(Evm.decode(&payload.for_signer(&ed25519)), Err(DecodeError::Invalid { .. })));
}

#[test]
fn an_authorization_for_every_chain_needs_a_chain_to_be_judged_for() {
    let json = metamask::JSON.replace("8545", "0");
    let payload = Payload::new(Encoding::Json, json.as_bytes());
    let error = Evm.decode(&payload).unwrap_err();
    assert_eq!(error, DecodeError::ChainIdRequired { namespace: "eip155".into() });
    let (main, cosmos): (ChainId, ChainId) = ("eip155:1".parse().unwrap(), "cosmos:hub".parse().unwrap());
    let authorization = Evm.decode(&payload.on_chain(&main)).unwrap();
    assert_eq!(authorization.summary().chain_id, main);
    let delegate = "0x1234567890123456789012345678901234567890";
    assert_eq!(authorization.summary().actions, [delegation(delegate, None, true)]);
    assert!(authorization.summary().text.contains("at its nonce 1, on every chain"));
    assert!(matches!(Evm.decode(&payload.on_chain(&cosmos)), Err(DecodeError::Invalid { .. })));
    let one = Payload::new(Encoding::Json, metamask::JSON.as_bytes());
    let error = Evm.decode(&one.on_chain(&main)).unwrap_err();
    assert_eq!(error, DecodeError::ChainIdMismatch { expected: main, actual: "eip155:8545".parse().unwrap() });
}

#[test]
fn refuses_authorizations_that_are_not_exact() {
    let good = hex::decode("05d982216194123456789012345678901234567890123456789001").unwrap();
    decode_binary(&good).unwrap();
    let long = [&[5, 0xf8, 0x19], &good[2..]].concat();
    let string = [&[5, 0x99], &good[2..]].concat();
    for bytes in [vec![5], [&good[..], &[0]].concat(), good[..26].to_vec(), long, string, vec![5; 100]] {
        assert!(decode_binary(&bytes).is_err(), "{}", hex::encode(bytes));
    }
    for (from, to) in [
        ("}", r#", "gas": 1}"#),
        ("}", r#", "type": 4}"#),
        ("}", r#", "nonce": 1}"#),
        ("}", r#", "r": 1}"#),
        (r#", "nonce": 1"#, ""),
        (r#""nonce": 1"#, r#""nonce": "0x1""#),
        (r#""nonce": 1"#, r#""nonce": 18446744073709551615"#),
        ("8545", "9223372036854775808"),
        ("0x1234", "1234"),
    ] {
        let json = metamask::JSON.replace(from, to);
        assert_ne!(json, metamask::JSON);
        assert!(decode_json(&json).is_err(), "{json}");
    }
}

#[test]
fn recovering_an_authority_refuses_what_is_not_canonically_signed() {
    let good = sign(&signer(metamask::SECRET), metamask::JSON);
    evm::recover_authority(&good).unwrap();
    let at = good.len() - 67;
    let mut parity_2 = good.clone();
    parity_2[at] = 2;
    let high = alloy_eips::eip7702::constants::SECP256K1N_HALF + U256::from(1);
    let high_s = [&good[..good.len() - 32], &high.to_be_bytes::<32>()[..]].concat();
    for bytes in [&[][..], &good[..good.len() - 1], &[&good[..], &[0]].concat(), &parity_2, &high_s, &[0; 200]] {
        assert!(evm::recover_authority(bytes).is_err(), "{}", hex::encode(bytes));
    }
    let mut other = good;
    other[at] = 1;
    assert_ne!(evm::recover_authority(&other).unwrap(), signer(metamask::SECRET).address());
}

fn decode_binary(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Evm.decode(&Payload::new(Encoding::Binary, bytes))
}

fn decode_json(json: &str) -> Result<Box<dyn Transaction>, DecodeError> {
    Evm.decode(&Payload::new(Encoding::Json, json.as_bytes()))
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Evm), key).unwrap()
}

/// A signed authorization.
fn sign(signer: &ChainSigner, json: &str) -> Vec<u8> {
    let main: ChainId = "eip155:1".parse().unwrap();
    let payload = Payload::new(Encoding::Json, json.as_bytes());
    let authorization = Evm.decode(&payload).or_else(|_| Evm.decode(&payload.on_chain(&main))).unwrap();
    signer.sign(authorization.as_ref()).unwrap().bytes
}

/// The two items of go-ethereum's list.
fn authorizations() -> Vec<String> {
    let (_, list) = geth::JSON.split_once("authorizationList\":[").unwrap();
    let (one, two) = list.trim_end_matches("]}").split_once("},").unwrap();
    vec![format!("{one}}}"), two.to_owned()]
}

/// go-ethereum's transaction with other authorizations.
fn with_authorizations(items: &[String]) -> String {
    let (head, _) = geth::JSON.split_once("authorizationList\":[").unwrap();
    format!("{head}authorizationList\":[{}]}}", items.join(","))
}

/// A signed authorization as an item of a list in JSON.
fn item(signed: &[u8]) -> String {
    let it = SignedAuthorization::decode(&mut &signed[..]).unwrap();
    format!(
        r#"{{"chainId":"{:#x}","address":"{:#x}","nonce":"{:#x}","yParity":"{:#x}","r":"{:#x}","s":"{:#x}"}}"#,
        it.chain_id,
        it.address,
        it.nonce,
        it.y_parity(),
        it.r(),
        it.s()
    )
}

/// The address with these last four digits, after zeros.
fn address(digits: &str) -> String {
    let address: Address = format!("0x{}{digits}", "0".repeat(36)).parse().unwrap();
    address.to_checksum(None)
}

fn delegation(delegate: &str, authority: Option<&str>, on_every_chain: bool) -> Action {
    Action::Delegation { delegate: delegate.to_owned(), authority: authority.map(str::to_owned), on_every_chain }
}
