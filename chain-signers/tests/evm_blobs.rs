//! The blob transactions of `eip155` chains (EIP-4844) against published ones, and what is refused.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, RecoveryId, Signature, SigningKey,
    Transaction,
    evm::{self, Evm},
};

/// Transaction 0x9a22ccb0… of the Sepolia network, as alloy-consensus's tests have it (`transaction/envelope.rs`,
/// `test_decode_live_4844_tx`).
mod sepolia {
    pub(crate) const UNSIGNED: &str = "03f8da83aa36a7820fa28477359400852e90edd0008252089411e9ca82a3a762b4b5bd264d4173a242\
        e7a770648080c08504a817c800f8a5a0012ec3d6f66766bedb002a190126b3549fce0047de0d4c25cffce0dc1c57921aa00152d8e24762\
        ff22b1cfd9f8c0683786a7ca63ba49973818b3d1e9512cd2cec4a0013b98c6c83e066d5b14af2b85199e3d4fc7d1e778dd53130d180f50\
        77e2d1c7a001148b495d6e859114e670ca54fb6e2657f0cbae5b08063605093a4b3dc9f8f1a0011ac212f13c5dff2b2c6b600a79635103\
        d6f580a4221079951181b25c7e6549";
    pub(crate) const R_AND_S: &str = "c8de4cced43169f9aa3d36506363b2d2c44f6c49fc1fd91ea114c86f3757077e\
                                      1e11fdd0d1934eda0492606ee0bb80a7bf8f35cc5f86ec60fe5031ba48bfd544";
    pub(crate) const SIGNED_HEAD: &str = "03f9011d83aa36a7820fa2";
    pub(crate) const ID: &str = "0x9a22ccb0029bc8b0ddd073be1a1d923b7ae2b2ea52100bae0db4424f9107e9c0";
    pub(crate) const SENDER: &str = "0xA83C816D4f9b2783761a22BA6FADB0eB0606D7B2";
}

/// A transaction of an early test network, as attestantio's go-execution-client has it (`spec/type3transaction_test.go`),
/// without what only a transaction in a block has.
mod attestantio {
    pub(crate) const JSON: &str = r#"{"accessList":[],"blobVersionedHashes":[
        "0x010a8b6ba3ab54a1119c273b22a15c700be68aba00cc989903f0a53459d6daad"],"chainId":"0x1a1f0ff42","gas":"0x5208",
        "input":"0x","maxFeePerBlobGas":"0x3e8","maxFeePerGas":"0xee6b281c","maxPriorityFeePerGas":"0xee6b281c",
        "nonce":"0x1","to":"0x000000000000000000000000000000000000f1c1","type":"0x3","value":"0x0"}"#;
    pub(crate) const R_AND_S: &str = "8a8eb78331b968788c11b9c418f6979cc6dec32f4f4ad3ba398fec5b9058f0fa\
                                      50225cb61b29987a032d6187ae3d4af7fadd6107e17f1adb9ad7f136417d3548";
    pub(crate) const ID: &str = "0xa93f6ce94cd78c3344d2f639620e36f327f59bb8d583a65f4d851ce11e36e2d2";
    pub(crate) const SENDER: &str = "0x7e454a14b8e7528465eef86f0dc1da4f235d9d79";
}

/// `BLOB_TX` of the tests of Linea's Besu (block parameters of its acceptance tests), signed by the first development
/// account of Besu.
mod besu {
    pub(crate) const SECRET: &str = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";
    pub(crate) const SIGNED: &str = "03f8908205398084f461090084f46109008389544094627306090abab3a6e1400e9345bc60c78a8bef57\
        8080c001e1a0018ef96865998238a5e1783b6cafbc1253235d636f15d318f1fb50ef6a5b8f6a80a0576a95756f32ab705a22b591ab464d\
        5affc8c1c7fcd14d777bac24d83bc44821a01f93b26f4f9989c3fe764f4a58d264bcd71b9deab72d6852f5dcdf19d55494f1";
}

#[test]
fn assembles_a_transaction_of_the_sepolia_network() {
    let unsigned = hex::decode(sepolia::UNSIGNED).unwrap();
    let transaction = decode_binary(&unsigned).unwrap();
    assert_eq!(transaction.to_bytes(), unsigned);
    let signed = assemble(transaction.as_ref(), sepolia::R_AND_S, 1);
    assert!(hex::encode(&signed.bytes).starts_with(sepolia::SIGNED_HEAD));
    assert_eq!(signed.id, sepolia::ID);
    assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), sepolia::SENDER);
    let summary = transaction.summary();
    let to = "0x11E9CA82A3a762b4B5bd264d4173a242e7a77064".to_owned();
    assert_eq!(
        summary.actions,
        [Action::ContractCall { to, selector: None, amount: Amount::ZERO, data_len: 0 }],
        "a call although it has no data: the blobs are for the contract"
    );
    let fee = 21_000 * 200_000_000_000_u64 + 5 * 131_072 * 20_000_000_000;
    assert_eq!(summary.fee_ceiling, Some(Amount::from(fee)));
    let words = "call no selector at 0x11E9CA82A3a762b4B5bd264d4173a242e7a77064 with 0 bytes of data and 0 on \
                 eip155:11155111 (EIP-4844, nonce 4002); fee at most 0.0173072 (21000 gas at 200000000000 wei, 5 blobs \
                 at 20000000000 wei per blob gas); sighash ";
    assert!(summary.text.starts_with(words), "{}", summary.text);
}

#[test]
fn assembles_a_transaction_of_go_execution_client() {
    let transaction = decode_json(attestantio::JSON).unwrap();
    let signed = assemble(transaction.as_ref(), attestantio::R_AND_S, 0);
    assert_eq!(signed.id, attestantio::ID);
    assert_eq!(evm::recover_sender(&signed.bytes).unwrap().to_lowercase(), attestantio::SENDER);
    let without_type = attestantio::JSON.replace(r#""type":"0x3","#, "");
    assert_eq!(decode_json(&without_type).unwrap().summary(), transaction.summary());
    assert_eq!(decode_binary(&transaction.to_bytes()).unwrap().summary(), transaction.summary());
}

#[test]
fn signs_a_transaction_of_besu() {
    let signer = signer(besu::SECRET);
    let json = r#"{"chainId": 1337, "nonce": 0, "gas": 9000000, "maxFeePerGas": 4100000000,
        "maxPriorityFeePerGas": 4100000000, "maxFeePerBlobGas": 1, "to": "0x627306090abaB3A6e1400e9345bC60c78a8BEf57",
        "blobVersionedHashes": ["0x018ef96865998238a5e1783b6cafbc1253235d636f15d318f1fb50ef6a5b8f6a"]}"#;
    let transaction = decode_json(json).unwrap();
    let signed = signer.sign(transaction.as_ref()).unwrap();
    assert_eq!(hex::encode(&signed.bytes), besu::SIGNED);
    assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), signer.address());
}

#[test]
fn blobs_are_counted_and_of_version_1() {
    let with = |hashes: &str| {
        decode_json(
            &attestantio::JSON
                .replace("\"0x010a8b6ba3ab54a1119c273b22a15c700be68aba00cc989903f0a53459d6daad\"", hashes),
        )
    };
    let hash = format!("\"0x01{}\"", "22".repeat(31));
    let six = with(&[hash.as_str(); 6].join(",")).unwrap();
    assert_eq!(six.summary().fee_ceiling, Some(Amount::from(21_000 * 0xee6b_281c_u64 + 6 * 131_072 * 1000)));
    decode_binary(&six.to_bytes()).unwrap();
    let seven = with(&[hash.as_str(); 7].join(",")).unwrap_err();
    assert!(matches!(seven, DecodeError::TooLong { unit: "blobs", len: 7, max: 6, .. }), "{seven}");
    assert!(matches!(with("").unwrap_err(), DecodeError::Missing { .. }));
    for (hashes, name) in [
        (format!("{hash},{}", hash.replace("0x01", "0x00")), "blob_versioned_hashes[1]"),
        (hash.replace("0x01", "0x02"), "blob_versioned_hashes[0]"),
        (hash.replace("0x01", "0x"), "blobVersionedHashes"),
        ("1".to_owned(), "blobVersionedHashes"),
    ] {
        let error = with(&hashes).unwrap_err();
        assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == name), "{hashes}: {error}");
    }
}

#[test]
fn the_binary_rules_are_those_of_json() {
    let good = decode_json(attestantio::JSON).unwrap().to_bytes();
    let at = good.len() - 32;
    assert_eq!(good[at], 1);
    let mut version_2 = good.clone();
    version_2[at] = 2;
    let error = decode_binary(&version_2).unwrap_err();
    assert!(matches!(error, DecodeError::Invalid { ref field, .. } if field == "blob_versioned_hashes[0]"), "{error}");
    let fields = [&good[3..good.len() - 34], &[0xc0]].concat();
    let none = [&[3, 0xc0 + u8::try_from(fields.len()).unwrap()], &fields[..]].concat();
    assert!(matches!(decode_binary(&none).unwrap_err(), DecodeError::Missing { .. }));
    assert!(evm::recover_sender(&good).is_err(), "not signed");
}

#[test]
fn a_blob_transaction_creates_no_contract_and_comes_without_sidecar() {
    let to = "\"0x000000000000000000000000000000000000f1c1\"";
    let creation = attestantio::JSON.replace(to, "null").replace("\"0x\"", "\"0x6000\"");
    let error = decode_json(&creation).unwrap_err();
    assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == "to"), "{error}");
    let signed = hex::decode(besu::SIGNED).unwrap();
    // The form with a sidecar has the signed transaction's list as its first item.
    let fields = &signed[1..];
    let network = [&[3, 0xf8, u8::try_from(fields.len() + 3).unwrap()], fields, &[0xc0; 3]].concat();
    let error = evm::recover_sender(&network).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    assert!(matches!(decode_binary(&network), Err(DecodeError::Malformed { .. })));
}

#[test]
fn keys_of_blobs_belong_to_blob_transactions() {
    for (from, to, name) in [
        (r#""type":"0x3""#, r#""type":"0x2""#, "maxFeePerBlobGas"),
        (r#""accessList":[]"#, r#""accessList":[],"authorizationList":[]"#, "authorizationList"),
        (r#""accessList":[]"#, r#""accessList":[],"gasPrice":"0x1""#, "gasPrice"),
        (r#","maxFeePerBlobGas":"0x3e8""#, "", "maxFeePerBlobGas"),
        (r#","maxFeePerBlobGas":"0x3e8""#, r#","maxFeePerBlobGas":1000"#, "mixed"),
        (r#""value":"0x0""#, r#""value":"0x0","address":"0x000000000000000000000000000000000000f1c1""#, "value"),
    ] {
        let json = attestantio::JSON.replace(from, to);
        assert_ne!(json, attestantio::JSON, "{from}");
        let error = decode_json(&json).unwrap_err();
        let found = match &error {
            DecodeError::Invalid { field, .. } | DecodeError::Missing { field } => field,
            DecodeError::MixedStyles { .. } => "mixed",
            other => panic!("{other}"),
        };
        assert_eq!(found, name, "{to}: {error}");
    }
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

/// Joins the transaction with a published signature, whose key is not known.
fn assemble(transaction: &dyn Transaction, r_and_s: &str, parity: u8) -> chain_signers::SignedTransaction {
    let any_key = signer(&"01".repeat(32));
    let (scalars, id) = (hex::decode(r_and_s).unwrap(), RecoveryId::from_byte(parity));
    let signature = Signature::from_bytes(Curve::Secp256k1, &scalars, id).unwrap();
    transaction.assemble(any_key.verifying_key(), &[signature]).unwrap()
}
