//! `CiphertextForRecipient`: what parses, parses to the same again from a DER encoding made here, and never opens: no
//! fuzzer finds a content key encrypted to a key that it has not seen.
#![no_main]

use std::sync::LazyLock;

use kms_enclave_client::RecipientKeyPair;
use kms_enclave_client::cms::EnvelopedData;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(first) = EnvelopedData::from_bytes(data) else { return };
    if let Some(identifier) = first.subject_key_identifier() {
        let again = EnvelopedData::from_bytes(&der(identifier, &first)).expect("the same in DER parses");
        assert_eq!(first, again);
    }
    assert!(first.open(&RECIPIENT).is_err());
});

static RECIPIENT: LazyLock<RecipientKeyPair> = LazyLock::new(|| RecipientKeyPair::generate().expect("an RSA pair"));

fn der(identifier: &[u8], data: &EnvelopedData) -> Vec<u8> {
    let version = element(0x02, &[&[2]]);
    let recipient =
        element(0x30, &[&version, &element(0x80, &[identifier]), OAEP_SHA256, &element(0x04, &[data.encrypted_key()])]);
    let content = element(
        0x30,
        &[
            DATA,
            &element(0x30, &[AES_256_CBC, &element(0x04, &[data.iv()])]),
            &element(0x80, &[data.encrypted_content()]),
        ],
    );
    let enveloped = element(0x30, &[&version, &element(0x31, &[&recipient]), &content]);
    element(0x30, &[ENVELOPED_DATA, &element(0xa0, &[&enveloped])])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut bytes = vec![tag];
    match u16::try_from(content.len()).expect("at most what was parsed, and a little").to_be_bytes() {
        [0, len] if len < 0x80 => bytes.push(len),
        [0, len] => bytes.extend([0x81, len]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend(content);
    bytes
}

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
/// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
const OAEP_SHA256: &[u8] = b"\x30\x3c\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07\x30\x2f\
    \xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\
    \xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\
    \x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";
