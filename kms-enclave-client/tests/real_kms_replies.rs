//! `CiphertextForRecipient` blobs that the real KMS made, read from the folder that `NITRO_VECTORS` names.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, OctetString};
use der::{Encode, Sequence};
use kms_enclave_client::RecipientKeyPair;
use kms_enclave_client::cms::{DecryptError, EnvelopedData, MalformedCms};
use serde_json::Value;

/// Every vector, or `None` with a word why when the folder is not named.
fn vectors() -> Option<Vec<(String, Value)>> {
    let Some(folder) = std::env::var_os("NITRO_VECTORS") else {
        println!("skipped: NITRO_VECTORS is not set");
        return None;
    };
    let folder = PathBuf::from(folder).join("kms");
    let mut vectors = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            vectors.push((vector["name"].as_str().unwrap().to_owned(), vector));
        }
    }
    assert!(vectors.len() >= 6, "{} holds the real blobs", folder.display());
    Some(vectors)
}

fn blob(vector: &Value) -> Vec<u8> {
    STANDARD.decode(vector["cms_base64"].as_str().unwrap()).unwrap()
}

fn hex_field(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn is_sha1(name: &str) -> bool {
    name.contains("oaep-sha1")
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
    let Some(vectors) = vectors() else { return };
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
    let Some(vectors) = vectors() else { return };
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
    let Some(vectors) = vectors() else { return };
    let (_, vector) = vectors.iter().find(|(name, _)| is_sha1(name)).expect("one vector uses the SHA-1 defaults");
    assert_eq!(EnvelopedData::from_bytes(&blob(vector)), Err(MalformedCms::KeyEncryption));
}

#[test]
fn a_real_blob_opens_for_its_recipient_only() {
    let Some(vectors) = vectors() else { return };
    let with_key: Vec<_> = vectors.iter().filter_map(|(_, vector)| Some((blob(vector), key(vector)?))).collect();
    for (index, (blob, _)) in with_key.iter().enumerate() {
        let data = EnvelopedData::from_bytes(blob).unwrap();
        for (other, (_, key)) in with_key.iter().enumerate().filter(|(other, _)| *other != index) {
            assert_eq!(data.open(key), Err(DecryptError), "{index} {other}");
        }
    }
}

/// The part of a real blob that does not depend on keys or content, against the simulator's.
#[cfg(feature = "sim")]
#[test]
fn the_simulator_envelops_byte_for_byte_like_the_real_kms() {
    let Some(vectors) = vectors() else { return };
    let recipient = RecipientKeyPair::generate().unwrap();
    for (name, vector) in vectors.iter().filter(|(name, _)| !is_sha1(name) && !name.contains("primitive")) {
        let real = blob(vector);
        let data = EnvelopedData::from_bytes(&real).unwrap();
        // Any plaintext that pads to the same number of blocks.
        let plaintext = vec![0; data.encrypted_content().len() - 1];
        let ours = kms_enclave_client::sim::envelop(&plaintext, recipient.public_key_der()).unwrap();
        let mask = |bytes: &[u8]| {
            let data = EnvelopedData::from_bytes(bytes).unwrap();
            let mut masked = bytes.to_vec();
            let variable =
                [data.subject_key_identifier().unwrap(), data.encrypted_key(), data.iv(), data.encrypted_content()];
            for part in variable {
                let start = masked.windows(part.len()).position(|window| window == part).unwrap();
                masked[start..start + part.len()].fill(0xee);
            }
            masked
        };
        assert_eq!(hex::encode(mask(&real)), hex::encode(mask(&ours)), "{name}");
        if data.encrypted_content().len() == 48 {
            assert_eq!(ours.len(), 493, "{name}");
        }
    }
}
