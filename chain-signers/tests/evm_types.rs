//! The typed transactions of `eip155` chains against published ones: EIP-2930.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Amount, Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, RecoveryId, Signature, SigningKey, Transaction,
    evm::{self, Evm},
};

/// `packages/tx/test/json/eip2930txs.json` of ethereumjs-monorepo: the transaction, its r and s. The key beside it there is
/// another one: the signature is by the test key of go-ethereum (`defaultTestKey` of `core/types/transaction_test.go`).
mod ethereumjs_2930 {
    pub(crate) const SECRET: &str = "45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8";
    pub(crate) const SENDER: &str = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b";
    pub(crate) const JSON: &str = r#"{"type":"0x1","chainId":"0x1","nonce":"0x0","gasPrice":"0x1","gas":"0x2625a00",
        "to":"0xcccccccccccccccccccccccccccccccccccccccc","value":"0x186a0",
        "data":"0x1a8451e600000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "accessList":[{"address":"0x0000000000000000000000000000000000000101","storageKeys":[
            "0x0000000000000000000000000000000000000000000000000000000000000000",
            "0x00000000000000000000000000000000000000000000000000000000000060a7"]}]}"#;
    pub(crate) const R_AND_S: &str = "afb6e247b1c490e284053c87ab5f6b59e219d51f743f7a4d83e400782bc7e4b9\
                                      479a268e0e0acd4de3f1e28e4fac2a6b32a4195e8dfa9d19147abe8807aa6f64";
}

/// `core/types/transaction_test.go` of go-ethereum, `signedEip2718Tx`: sighash, signature, signed transaction.
mod geth_2930 {
    pub(crate) const SIGHASH: &str = "49b486f0ec0a60dfbbca2d30cb07c9e8ffb2a2ff41f29a1ab6737475f6ff69f3";
    pub(crate) const R_AND_S: &str = "c9519f4f2b30335884581971573fadf60c6204f59a911df35ee8a540456b2660\
                                      32f1e8e2c5dd761f9e4f88f41c8310aeaba26a8bfcdacfedfa12ec3862d37521";
    pub(crate) const SIGNED: &str = "01f8630103018261a894b94f5374fce5edbc8e2a8697c15331677e6ebf0b0a825544c001a0c9519f4f\
        2b30335884581971573fadf60c6204f59a911df35ee8a540456b2660a032f1e8e2c5dd761f9e4f88f41c8310aeaba26a8bfcdacfedfa12\
        ec3862d37521";
}

#[test]
fn signs_the_eip_2930_transaction_of_ethereumjs() {
    let signer = signer(ethereumjs_2930::SECRET);
    assert_eq!(signer.address().to_lowercase(), ethereumjs_2930::SENDER);
    let transaction = decode_json(ethereumjs_2930::JSON).unwrap();
    let sighash = sighash(transaction.as_ref());
    let published = assemble(transaction.as_ref(), &sighash, ethereumjs_2930::R_AND_S, 1);
    assert_eq!(signer.sign(transaction.as_ref()).unwrap().bytes, published);
    assert_eq!(evm::recover_sender(&published).unwrap(), signer.address());
    let text = &transaction.summary().text;
    assert!(text.contains("(EIP-2930, nonce 0)") && text.contains("access list of 1 addresses and 2 keys"), "{text}");
    assert_eq!(transaction.summary().fee_ceiling, Some(Amount::from(40_000_000_u64)));
    assert_eq!(decode_binary(&transaction.to_bytes()).unwrap().summary(), transaction.summary());
}

#[test]
fn assembles_the_eip_2930_transaction_of_go_ethereum() {
    for json in [
        r#"{"type":1,"chainId":1,"nonce":3,"gasPrice":1,"gas":25000,"value":0.00000000000000001,"data":"0x5544",
            "to":"0xb94f5374fce5edbc8e2a8697c15331677e6ebf0b"}"#,
        r#"{"chainId":"0x1","nonce":"0x3","gasPrice":"0x1","gas":"0x61a8","value":"0xa","input":"0x5544",
            "to":"0xb94f5374fce5edbc8e2a8697c15331677e6ebf0b","accessList":[]}"#,
    ] {
        let transaction = decode_json(json).unwrap();
        let signed = assemble(transaction.as_ref(), geth_2930::SIGHASH, geth_2930::R_AND_S, 1);
        assert_eq!(hex::encode(signed), geth_2930::SIGNED);
    }
}

#[test]
fn a_key_of_another_type_is_refused() {
    let fields = r#""to":"0xb94f5374fce5edbc8e2a8697c15331677e6ebf0b","chainId":1,"nonce":3,"gas":25000"#;
    for (more, key) in [
        (r#""type":0,"gasPrice":1,"accessList":[]"#, "accessList"),
        (r#""type":1,"gasPrice":1,"maxFeePerGas":1"#, "maxFeePerGas"),
        (r#""type":1,"maxFeePerGas":1,"maxPriorityFeePerGas":1"#, "maxFeePerGas"),
        (r#""type":2,"gasPrice":1"#, "gasPrice"),
        (r#""accessList":[],"gasPrice":1,"maxPriorityFeePerGas":1"#, "gasPrice"),
    ] {
        let error = decode_json(&format!("{{{fields},{more}}}")).unwrap_err();
        assert_eq!(field(&error), key, "{more}: {error}");
    }
    let error = decode_json(&format!("{{{fields},\"accessList\":[]}}")).unwrap_err();
    assert_eq!(field(&error), "gasPrice or maxFeePerGas");
}

#[test]
fn access_lists_in_json_are_exact_and_bounded() {
    let with = |list: &str| {
        format!(
            r#"{{"to":"0xb94f5374fce5edbc8e2a8697c15331677e6ebf0b","chainId":1,"nonce":3,"gas":25000,"maxFeePerGas":1,
                "maxPriorityFeePerGas":1,"accessList":{list}}}"#
        )
    };
    let address = r#""address":"0xb94f5374fce5edbc8e2a8697c15331677e6ebf0b""#;
    let key = format!("\"0x{}\"", "0a".repeat(32));
    let item = |keys: usize| format!("{{{address},\"storageKeys\":[{}]}}", vec![key.as_str(); keys].join(","));
    let most = decode_json(&with(&format!("[{}]", vec![item(16); 256].join(", ")))).unwrap();
    assert!(most.summary().text.contains("access list of 256 addresses and 4096 keys"));
    decode_binary(&most.to_bytes()).unwrap();
    for (list, unit) in [
        (format!("[{}]", vec![item(0); 257].join(",")), "addresses"),
        (format!("[{}]", item(4097)), "keys"),
        (format!("[{},{}]", item(4096), item(1)), "keys"),
    ] {
        let error = decode_json(&with(&list)).unwrap_err();
        assert!(matches!(error, DecodeError::TooLong { unit: found, .. } if found == unit), "{error}");
    }
    for (list, name) in [
        ("null".to_owned(), "accessList"),
        ("{}".to_owned(), "accessList"),
        ("[1]".to_owned(), "accessList[0]"),
        (format!("[{},{{{address}}}]", item(1)), "accessList[1].storageKeys"),
        ("[{\"storageKeys\":[]}]".to_owned(), "accessList[0].address"),
        (format!("[{}]", item(0).replace("bf0b", "bf0B")), "accessList[0].address"),
        (format!("[{}]", item(1).replace("0x0a", "0x")), "accessList[0].storageKeys"),
        (format!("[{}]", item(1).replace("0x0a", "0a")), "accessList[0].storageKeys"),
        (format!("[{}]", item(1).replace(&key, "10")), "accessList[0].storageKeys"),
    ] {
        let error = decode_json(&with(&list)).unwrap_err();
        assert_eq!(field(&error), name, "{list}: {error}");
    }
    let twice = decode_json(&with(&format!("[{{{address},{address},\"storageKeys\":[]}}]"))).unwrap_err();
    assert_eq!(twice, DecodeError::DuplicateKey { key: "accessList[0].address".to_owned() });
    let unknown = decode_json(&with(&format!("[{{{address},\"storageKeys\":[],\"keys\":[]}}]"))).unwrap_err();
    assert_eq!(unknown, DecodeError::UnknownKey { key: "accessList[0].keys".to_owned() });
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

/// Checks the sighash and joins the transaction with a published signature, whose key is not known.
fn assemble(transaction: &dyn Transaction, sighash: &str, r_and_s: &str, parity: u8) -> Vec<u8> {
    assert_eq!(self::sighash(transaction), sighash);
    let any_key = signer(&"01".repeat(32));
    let (scalars, id) = (hex::decode(r_and_s).unwrap(), RecoveryId::from_byte(parity));
    let signature = Signature::from_bytes(Curve::Secp256k1, &scalars, id).unwrap();
    transaction.assemble(any_key.verifying_key(), &[signature]).unwrap().bytes
}

fn sighash(transaction: &dyn Transaction) -> String {
    let any_key = signer(&"01".repeat(32));
    let payloads = transaction.signing_payloads(any_key.verifying_key()).unwrap();
    payloads[0].sighash().unwrap().to_string()
}

/// The field that an error is about.
fn field(error: &DecodeError) -> &str {
    match error {
        DecodeError::Invalid { field, .. } | DecodeError::Missing { field } => field,
        other => panic!("{other}"),
    }
}
