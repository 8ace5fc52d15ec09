//! `CiphertextForRecipient` blobs that the real KMS made, read from the folder that `NITRO_VECTORS` names.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/vectors.rs"]
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, OctetString};
use der::{Encode, Sequence};
use kms_enclave_client::RecipientKeyPair;
use kms_enclave_client::cms::{DecryptError, EnvelopedData, MalformedCms};
use serde_json::Value;
use vectors::{blob, is_sha1, vectors};

fn hex_field(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The vector's private key, whichever of the two encodings it is in.
fn key(vector: &Value) -> Option<RecipientKeyPair> {
    let der = STANDARD.decode(vector["key_der_base64"].as_str()?).unwrap();
    let pkcs8 = if vector["key_format"] == "pkcs1" { pkcs8(&der) } else { der };
    Some(RecipientKeyPair::from_pkcs8_der(&pkcs8).unwrap())
}

/// `PrivateKeyInfo` around an `RSAPrivateKey`.
fn pkcs8(pkcs1: &[u8]) -> Vec<u8> {
    #[derive(Sequence)]
    struct PrivateKeyInfo<'a> {
        version: u8,
        algorithm: spki::AlgorithmIdentifierRef<'a>,
        private_key: OctetString,
    }
    let algorithm = spki::AlgorithmIdentifierRef {
        oid: spki::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
        parameters: Some(AnyRef::NULL),
    };
    PrivateKeyInfo { version: 0, algorithm, private_key: OctetString::new(pkcs1).unwrap() }.to_der().unwrap()
}

#[test]
fn every_real_blob_with_a_key_opens_to_its_plaintext() {
    let Some(vectors) = vectors(every_real_blob_with_a_key_opens_to_its_plaintext) else { return };
    let mut opened = 0;
    for (name, vector) in &vectors {
        let Some(key) = key(vector) else { continue };
        let data = EnvelopedData::from_bytes(&blob(vector)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(data.subject_key_identifier(), Some(&key.identifier()[..]), "{name}");
        assert_eq!(data.open(&key).unwrap().as_bytes(), hex_field(&vector["plaintext_hex"]), "{name}");
        opened += 1;
    }
    assert!(opened >= 3, "three of the vectors have keys, {opened} were found");
}

#[test]
fn every_real_blob_reads_as_its_published_fields() {
    let Some(vectors) = vectors(every_real_blob_reads_as_its_published_fields) else { return };
    for (name, vector) in vectors.iter().filter(|(name, _)| !is_sha1(name)) {
        let data = EnvelopedData::from_bytes(&blob(vector)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(data.subject_key_identifier(), Some(hex_field(&vector["rid_value"]).as_slice()), "{name}");
        let fields = &vector["expected_fields"];
        if fields.is_object() {
            assert_eq!(data.encrypted_key(), hex_field(&fields["encrypted_key"]), "{name}");
            assert_eq!(data.iv().as_slice(), hex_field(&fields["iv"]), "{name}");
            assert_eq!(data.encrypted_content(), hex_field(&fields["ciphertext"]), "{name}");
        }
    }
}

#[test]
fn the_real_blob_with_sha_1_is_refused() {
    let Some(vectors) = vectors(the_real_blob_with_sha_1_is_refused) else { return };
    let (_, vector) = vectors.iter().find(|(name, _)| is_sha1(name)).expect("one vector uses the SHA-1 defaults");
    assert_eq!(EnvelopedData::from_bytes(&blob(vector)), Err(MalformedCms::KeyEncryption));
}

#[test]
fn a_real_blob_opens_for_its_recipient_only() {
    let Some(vectors) = vectors(a_real_blob_opens_for_its_recipient_only) else { return };
    let with_key: Vec<_> = vectors.iter().filter_map(|(_, vector)| Some((blob(vector), key(vector)?))).collect();
    for (index, (blob, _)) in with_key.iter().enumerate() {
        let data = EnvelopedData::from_bytes(blob).unwrap();
        for (other, (_, key)) in with_key.iter().enumerate().filter(|(other, _)| *other != index) {
            assert_eq!(data.open(key), Err(DecryptError), "{index} {other}");
        }
    }
}
