//! BIP-322's vectors for single keys, and what is no message.
#![cfg(feature = "bitcoin")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bitcoin::{
    OutPoint, PrivateKey, Psbt, ScriptBuf, Sequence, TxIn, TxOut, Witness, absolute::LockTime,
    consensus::encode::deserialize, transaction::Version,
};
use chain_signers::{
    Action, Amount, Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, RecoveryId, SignError, Signature,
    SigningKey, Transaction, VerifyingKey,
    bitcoin::{AddressType, Bitcoin},
    policy::Policy,
};
use sha2::{Digest, Sha256};

const MAIN: &str = "bip122:000000000019d6689c085ae165831e93";

struct Vector {
    message: &'static str,
    secret: &'static str,
    address_type: AddressType,
    address: &'static str,
    /// Any of them will do for ECDSA, which not every signer makes the same way.
    signatures: &'static [&'static str],
}

/// `simple` of basic-test-vectors.json and generated-test-vectors.json of
/// <https://github.com/bitcoin/bips/tree/master/bip-0322>, without the prefix `smp` that some have.
const VECTORS: [Vector; 5] = [
    Vector {
        message: "",
        secret: "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k",
        address_type: AddressType::P2wpkh,
        address: "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l",
        signatures: &[
            "AkcwRAIgM2gBAQqvZX15ZiysmKmQpDrG83avLIT492QBzLnQIxYCIBaTpOaD20qRlEylyxFSeEA2ba9YOixpX8z46TSDtS40ASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
            "AkgwRQIhAPkJ1Q4oYS0htvyuSFHLxRQpFAY56b70UvE7Dxazen0ZAiAtZfFz1S6T6I23MWI2lK/pcNTWncuyL8UL+oMdydVgzAEhAsfxIAMZZEKUPYWI4BruhAQjzFT8FSFSajuFwrDL1Yhy",
        ],
    },
    Vector {
        message: "Hello World",
        secret: "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k",
        address_type: AddressType::P2wpkh,
        address: "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l",
        signatures: &[
            "AkcwRAIgZRfIY3p7/DoVTty6YZbWS71bc5Vct9p9Fia83eRmw2QCICK/ENGfwLtptFluMGs2KsqoNSk89pO7F29zJLUx9a/sASECx/EgAxlkQpQ9hYjgGu6EBCPMVPwVIVJqO4XCsMvViHI=",
            "AkgwRQIhAOzyynlqt93lOKJr+wmmxIens//zPzl9tqIOua93wO6MAiBi5n5EyAcPScOjf1lAqIUIQtr3zKNeavYabHyR8eGhowEhAsfxIAMZZEKUPYWI4BruhAQjzFT8FSFSajuFwrDL1Yhy",
        ],
    },
    Vector {
        message: "ESHJI7MWUL64AXHBI42L3UR4QA",
        secret: "L1W6mc2yYRcDCkhwhFASvvacvp6Pm4u29dxK9RJHVorXqLciTdq4",
        address_type: AddressType::P2wpkh,
        address: "bc1qkntwc3c4dzxh9xh6875l03fn3vkk023jgak3u7",
        signatures: &[
            "AkcwRAIgCYHF/vn67iZX5WBimh84kqD6pTME6eNCMGhfFnnwCNECIAF3nMCk/RfLit+uv8a8FgfQIw0f0ASE21GSz7rX17PsASEDTA2vM8bOtUFgvenSDUmvkq7aWNwoTB0CMiM6carHY1s=",
        ],
    },
    Vector {
        message: "No prefix fallback",
        secret: "KyrSGCFPhqZMjCe5fNTYddiLMp4tMj4gLKuJ26TsB2rvr1VJGPbt",
        address_type: AddressType::P2tr,
        address: "bc1pss0zhytly75awhm6x2hhvd5lnzv3vssgrf9axfheq8ldyzn88ges79fler",
        signatures: &["AUCJYOwOjxYAvatTAGYaVlNXBVyFuc4MwNQkOuK2tl8xhfKDONd0NjfYyNSYcRqeCp8hsAnCEPHAVEkO9h6vbQ/R"],
    },
    Vector {
        message: "TPIZPITUIHEUHO5ACOL6W6MBVD",
        secret: "L1rPtXzPkeCuXArPk5QKfaU4PCx16S2zCXnYtFSMGHiDkQyWw5fv",
        address_type: AddressType::P2tr,
        address: "bc1p9cyuceaazr8cz46mvgkzl94wy397mwpqsrk84su37t72jvkg6wzqv52nfp",
        signatures: &["AUBay6NwR4LEYedkTG+vE9F7C0RTOCB5NH6ZAqf+3hudjHIkOzSZk1jW/5Kt0wRKX3llJ25os+0qktdou4/Y8516"],
    },
];

#[test]
fn signs_as_bip_322_says() {
    for vector in VECTORS {
        let bitcoin = Bitcoin::with_address_type(vector.address_type);
        let key = key(vector.secret);
        let verifying_key = key.verifying_key();
        assert_eq!(bitcoin.address(&verifying_key).as_deref(), Ok(vector.address));
        let message = decode(bitcoin, vector.message.as_bytes(), &verifying_key).unwrap();
        let payload = &message.signing_payloads(&verifying_key).unwrap()[0];
        for signature in vector.signatures {
            let witness: Witness = deserialize(&STANDARD.decode(signature).unwrap()).unwrap();
            let signature = signature_of(&witness);
            assert_eq!(verifying_key.verify(payload, &signature), Ok(()), "{}", vector.message);
        }
        let signed = ChainSigner::new(Arc::new(bitcoin), key).unwrap().sign(message.as_ref()).unwrap();
        if vector.address_type == AddressType::P2wpkh {
            let text = STANDARD.encode(&signed.bytes);
            assert!(vector.signatures.contains(&text.as_str()), "{text}");
        } else {
            let witness: Witness = deserialize(&signed.bytes).unwrap();
            assert_eq!(verifying_key.verify(payload, &signature_of(&witness)), Ok(()), "other auxiliary data");
        }
    }
}

/// `tx_hashes` of the same files.
#[test]
fn the_transactions_that_stand_for_a_message_are_bip_322s() {
    let key = key(VECTORS[0].secret);
    for (message, id) in [
        ("", "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6"),
        ("Hello World", "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf"),
        (
            "UTF-8 support: öäüéàè 测试文本 \u{1f604}",
            "8f488e06b89eafd019ec528109eafaf7f1d1811fd617aa1eeb9658f1c1be6586",
        ),
    ] {
        let verifying_key = key.verifying_key();
        let transaction = decode(Bitcoin::default(), message.as_bytes(), &verifying_key).unwrap();
        let signature = Signature::from_bytes(Curve::Secp256k1, &[1; 64], RecoveryId::from_byte(0)).unwrap();
        assert_eq!(transaction.assemble(&verifying_key, &[signature]).unwrap().id, id);
    }
}

#[test]
fn a_message_is_said_word_for_word() {
    let key = key(VECTORS[0].secret).verifying_key();
    let message = decode(Bitcoin::default(), "Grüße\n\u{1b}[0m".as_bytes(), &key).unwrap();
    let summary = message.summary();
    assert_eq!(summary.actions, [Action::Message { framing: "bip322".into(), len: 12 }]);
    assert_eq!((summary.fee_ceiling, summary.chain_id.as_str()), (Some(Amount::ZERO), MAIN));
    let start = r#"sign the message "Grüße\n\u{1b}[0m" as bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l on bip122:"#;
    assert!(summary.text.starts_with(start), "{}", summary.text);
    let bytes = decode(Bitcoin::default(), &[0xff, 0], &key).unwrap();
    assert!(bytes.summary().text.contains("of bytes ff00"), "{}", bytes.summary().text);
    assert_eq!(bytes.to_bytes(), [0xff, 0]);
}

#[test]
fn what_is_a_transaction_is_no_message() {
    let key = key(VECTORS[0].secret).verifying_key();
    let transaction = "0100000001db6b1b20aa0fd7b23880be2ecbd4a98130974cf4748fb66092ac4d3ceb1a54770100000000feffffff\
        02b8b4eb0b000000001976a914a457b684d7f0d539a46a45bbc043f35b59d0d96388ac\
        0008af2f000000001976a914fd270b1ee6abcaea97fea7ad0402e8bd8ad6d77c88ac92040000"; // BIP-143's
    let binary = hex::decode(transaction).unwrap();
    for message in [&b"psbt\xff\x01"[..], b"cHNidP8BAHUCAAAA", b"70736274ff01", transaction.as_bytes(), &binary] {
        let error = decode(Bitcoin::default(), message, &key).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedType { .. }), "{error}");
    }
    let cut = &binary[..binary.len() - 1];
    assert!(decode(Bitcoin::default(), cut, &key).is_ok(), "nothing that a network would take");
}

/// BIP-322's full form may have version 2, as a transaction in a PSBT may. Rules for transactions permit no messages.
#[test]
fn a_message_dressed_up_as_a_psbt_is_nothing_that_a_rule_permits() {
    let key = key(VECTORS[0].secret).verifying_key();
    let simple = decode(Bitcoin::default(), b"Hello World", &key).unwrap();
    let payload = simple.signing_payloads(&key).unwrap()[0].as_bytes().to_vec(); // BIP-143's: the outpoint is at 68
    let previous_output: OutPoint = deserialize(&payload[68..104]).unwrap();
    let to_spend = to_spend(b"Hello World", &key);
    assert_eq!(previous_output, OutPoint { txid: to_spend.compute_txid(), vout: 0 });
    let output = TxOut { value: bitcoin::Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0x6a]) };
    let input = TxIn { previous_output, ..TxIn::default() };
    let mut psbt = Psbt::from_unsigned_tx(bitcoin::Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    })
    .unwrap();
    psbt.inputs[0].non_witness_utxo = Some(to_spend);
    let (bytes, main) = (psbt.serialize(), MAIN.parse().unwrap());
    let payload = Payload::new(Encoding::Binary, &bytes).on_chain(&main).for_signer(&key);
    let full = Bitcoin::default().decode(&payload).unwrap();
    let permissive = br#"{"version": 1, "rules": [{"name": "all", "effect": "allow", "destinations": ["*"],
        "chains": ["bip122:000000000019d6689c085ae165831e93"], "exceptions": ["op_return"]}]}"#;
    let decision = Policy::from_json(permissive).unwrap().evaluate(full.summary());
    assert!(!decision.allowed, "{}", decision.reason);
}

#[test]
fn refuses_long_messages_other_address_types_and_other_signers() {
    let key = key(VECTORS[0].secret).verifying_key();
    assert!(decode(Bitcoin::default(), &[b'a'; 16 << 10], &key).is_ok());
    let error = decode(Bitcoin::default(), &[b'a'; (16 << 10) + 1], &key).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong { .. }), "{error}");
    for address_type in [AddressType::P2pkh, AddressType::P2shP2wpkh] {
        let error = decode(Bitcoin::with_address_type(address_type), b"a", &key).unwrap_err();
        assert!(matches!(error, DecodeError::UnsupportedType { .. }), "{error}");
    }
    let message = decode(Bitcoin::default(), b"a", &key).unwrap();
    let other = self::key(VECTORS[2].secret).verifying_key();
    let error = message.signing_payloads(&other).unwrap_err();
    let (expected, actual) = (VECTORS[0].address.to_owned(), VECTORS[2].address.to_owned());
    assert_eq!(error, SignError::NotTheSigner { expected, actual });
    assert_eq!(message.assemble(&key, &[]), Err(SignError::SignatureCount { expected: 1, actual: 0 }));
}

fn decode(bitcoin: Bitcoin, message: &[u8], key: &VerifyingKey) -> Result<Box<dyn Transaction>, DecodeError> {
    bitcoin.decode(&Payload::new(Encoding::Message, message).on_chain(&MAIN.parse().unwrap()).for_signer(key))
}

/// The first of the two transactions that stand for a message, as BIP-322 says.
fn to_spend(message: &[u8], key: &VerifyingKey) -> bitcoin::Transaction {
    let tag = Sha256::digest("BIP0322-signed-message");
    let hash = Sha256::new().chain_update(tag).chain_update(tag).chain_update(message).finalize();
    let script_sig = ScriptBuf::from_bytes([&[0, 32][..], &hash].concat());
    let address: bitcoin::Address<_> = Bitcoin::default().address(key).unwrap().parse().unwrap();
    let script_pubkey = address.assume_checked().script_pubkey();
    bitcoin::Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn { script_sig, sequence: Sequence::ZERO, ..TxIn::default() }],
        output: vec![TxOut { value: bitcoin::Amount::ZERO, script_pubkey }],
    }
}

fn key(secret: &str) -> SigningKey {
    let secret = PrivateKey::from_wif(secret).unwrap().to_bytes();
    SigningKey::from_secret_bytes(Curve::Secp256k1, &secret).unwrap()
}

fn signature_of(witness: &Witness) -> Signature {
    match (witness.len(), &witness[0]) {
        (1, schnorr) => Signature::from_schnorr_bytes(schnorr).unwrap(),
        (_, ecdsa) => {
            let der = bitcoin::ecdsa::Signature::from_slice(ecdsa).unwrap();
            Signature::from_bytes(Curve::Secp256k1, &der.signature.serialize_compact(), None).unwrap()
        }
    }
}
