//! The record's bytes: exact decoding with limits.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    KeyWrap, MAX_CALLERS, MAX_POLICY_LEN, MAX_RECORD_LEN, MAX_WRAPS, MalformedRecord, NONCE_LEN, Record, RecordHeader,
    check_callers,
};

/// The outer map, in the order its fields are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    version: u64,
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(with = "serde_bytes")]
    wraps: Vec<u8>,
    #[serde(with = "serde_bytes")]
    nonce: Vec<u8>,
    #[serde(with = "serde_bytes")]
    ciphertext: Vec<u8>,
}

pub(super) fn decode_record(bytes: &[u8]) -> Result<Record, MalformedRecord> {
    within("record", bytes.len(), 1, MAX_RECORD_LEN)?;
    let outer: Outer = exact("record", bytes)?;
    if outer.version != VERSION {
        return Err(MalformedRecord::Version { actual: outer.version });
    }
    let header: RecordHeader = exact("header", &outer.header)?;
    check_header(&header)?;
    let wraps: Vec<KeyWrap> = exact("wraps", &outer.wraps)?;
    check_wraps(&wraps)?;
    within("ciphertext", outer.ciphertext.len(), SECRET_LEN + TAG_LEN, SECRET_LEN + TAG_LEN)?;
    let nonce = outer.nonce.try_into().map_err(|nonce: Vec<u8>| MalformedRecord::Length {
        field: "nonce",
        min: NONCE_LEN,
        max: NONCE_LEN,
        actual: nonce.len(),
    })?;
    Ok(Record {
        header,
        header_bytes: outer.header,
        wraps,
        wraps_bytes: outer.wraps,
        nonce,
        ciphertext: outer.ciphertext,
    })
}

pub(super) fn encode_record(record: &Record) -> Vec<u8> {
    encode(&Outer {
        version: VERSION,
        header: record.header_bytes.clone(),
        wraps: record.wraps_bytes.clone(),
        nonce: record.nonce.to_vec(),
        ciphertext: record.ciphertext.clone(),
    })
}

/// CBOR of one of this format's types.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_cbor::to_vec(value).expect("plain structs of this crate always encode, and a Vec takes any length")
}

/// Limits of a header that is about to be sealed, or was just decoded.
pub(super) fn check_header(header: &RecordHeader) -> Result<(), MalformedRecord> {
    within("family", header.family.len(), 3, 8)?;
    within("public_key", header.public_key.len(), 32, 33)?;
    within("policy", header.policy.len(), 1, MAX_POLICY_LEN)?;
    check_callers(&header.callers)?;
    within("administrators", header.administrators.len(), 0, MAX_CALLERS)
}

pub(super) fn check_wraps(wraps: &[KeyWrap]) -> Result<(), MalformedRecord> {
    within("wraps", wraps.len(), 1, MAX_WRAPS)?;
    wraps.iter().try_for_each(|wrap| {
        within("key_arn", wrap.key_arn.len(), 20, 2048)?;
        within("data_key", wrap.data_key.len(), 1, MAX_DATA_KEY_LEN)?;
        within("sealed_content_key", wrap.sealed_content_key.len(), SECRET_LEN + TAG_LEN, SECRET_LEN + TAG_LEN)
    })
}

/// Decodes CBOR that must be exactly what this crate writes: no other order, length form, tag, duplicate or trailer.
///
/// The nesting of these types is at most three, and serde_cbor stops at 128 by itself.
fn exact<T: DeserializeOwned + Serialize>(part: &'static str, bytes: &[u8]) -> Result<T, MalformedRecord> {
    let value: T = serde_cbor::from_slice(bytes).map_err(|_| MalformedRecord::Encoding { part })?;
    if encode(&value) != bytes {
        return Err(MalformedRecord::Encoding { part });
    }
    Ok(value)
}

pub(super) fn within(field: &'static str, actual: usize, min: usize, max: usize) -> Result<(), MalformedRecord> {
    if (min..=max).contains(&actual) { Ok(()) } else { Err(MalformedRecord::Length { field, min, max, actual }) }
}

const VERSION: u64 = 1;

/// Longest `CiphertextBlob` of KMS.
const MAX_DATA_KEY_LEN: usize = 6144;

/// Secrets and content keys are 32 bytes.
pub(super) const SECRET_LEN: usize = 32;

/// Length of an AES-GCM tag.
pub(super) const TAG_LEN: usize = 16;
