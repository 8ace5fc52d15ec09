//! Record v1: a key, its policy and its header, sealed as one unit.
//!
//! ```text
//! Record (CBOR map, at most 64 KiB)
//! ├─ version     1
//! ├─ header      byte string: CBOR of RecordHeader     ─┐ the digest covers these two
//! ├─ wraps       byte string: CBOR array of KeyWrap    ─┘
//! ├─ nonce       12 bytes
//! └─ ciphertext  AES-256-GCM of the secret under the content key,
//!                additional data: tag ‖ len(header) ‖ header ‖ len(wraps) ‖ wraps
//!
//! KeyWrap: one way to the content key (primary Region, replica, recovery account)
//! ├─ key_arn, data_key   the KMS key, and GenerateDataKey's CiphertextBlob
//! ├─ nonce               12 bytes
//! └─ sealed_content_key  AES-256-GCM of the content key under that data key,
//!                        additional data: tag ‖ len(header) ‖ header
//! ```
//!
//! The header travels as the exact bytes that were sealed and must re-encode to them, so nothing in it can be changed,
//! reordered or added. The KMS encryption context of a wrap is not stored: it follows from the header
//! ([`RecordHeader::encryption_context`]), so a data key made for one record opens no other.
//!
//! AES-256-GCM is that of NIST SP 800-38D with 96-bit random nonces; every content key and every data key seals
//! exactly once, so a nonce never repeats under a key.

pub(crate) mod callers;
mod codec;
mod header;
mod seal;

use std::fmt;

pub use header::{Creator, KeyId, NotHex, Origin, RecordDigest, RecordHeader, SpkiDigest};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::callers::check_callers;
pub use self::seal::{ContentKey, DataKey, SealError, UnsealedSecret};

/// Longest encoded record, in bytes.
pub const MAX_RECORD_LEN: usize = 64 * 1024;

/// Longest policy in a record, in bytes.
pub const MAX_POLICY_LEN: usize = 16 * 1024;

/// Most callers in a record; as many administrators.
pub const MAX_CALLERS: usize = 64;

/// Most wraps in a record.
pub const MAX_WRAPS: usize = 8;

/// A sealed key. Opaque to everyone but the enclave that its KMS wraps admit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    header: RecordHeader,
    /// The header as it was sealed.
    header_bytes: Vec<u8>,
    wraps: Vec<KeyWrap>,
    wraps_bytes: Vec<u8>,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl Record {
    /// Decodes a record. What it says is not yet trusted: only opening it shows that it was not altered.
    ///
    /// # Errors
    /// [`MalformedRecord`] names the field that is outside the format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedRecord> {
        codec::decode_record(bytes)
    }

    /// The record's encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode_record(self)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &RecordHeader {
        &self.header
    }

    /// The ways to the content key; at least one.
    #[must_use]
    pub fn wraps(&self) -> &[KeyWrap] {
        &self.wraps
    }

    /// SHA-256 over header and wraps: what a birth document attests and a request names.
    #[must_use]
    pub fn digest(&self) -> RecordDigest {
        seal::digest(&self.header_bytes, &self.wraps_bytes)
    }
}

/// One way to a record's content key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyWrap {
    /// ARN of the KMS key, 20 to 2,048 characters.
    pub key_arn: String,
    /// GenerateDataKey's `CiphertextBlob`, 1 to 6,144 bytes.
    #[serde(with = "serde_bytes")]
    pub data_key: Vec<u8>,
    #[serde(with = "serde_bytes")]
    nonce: [u8; NONCE_LEN],
    #[serde(with = "serde_bytes")]
    sealed_content_key: Vec<u8>,
}

impl fmt::Debug for KeyWrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWrap").field("key_arn", &self.key_arn).finish_non_exhaustive()
    }
}

/// Bytes that are not a record v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MalformedRecord {
    /// Bytes that do not encode to themselves again, or are not the CBOR that was expected.
    #[error("record: {part} is not the CBOR this format defines")]
    Encoding {
        /// Which part: `record`, `header` or `wraps`.
        part: &'static str,
    },
    /// A field outside its limits.
    #[error("record: {field} has length {actual}, outside {min}..={max}")]
    Length {
        /// The field.
        field: &'static str,
        /// Least length.
        min: usize,
        /// Greatest length.
        max: usize,
        /// Length found.
        actual: usize,
    },
    /// A caller that is listed twice.
    #[error("record: callers holds {caller} twice")]
    RepeatedCaller {
        /// The caller.
        caller: SpkiDigest,
    },
    /// A version this code does not know.
    #[error("record: version {actual} is not 1")]
    Version {
        /// Version found.
        actual: u64,
    },
}

/// The record did not open: wrong key, altered bytes or a header that does not match. One error, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record does not open: it was altered, or sealed under another key")]
pub struct OpenError;

/// Randomness failed while a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no randomness for the record")]
pub struct RandomnessFailed;

/// Length of an AES-GCM nonce, in bytes.
const NONCE_LEN: usize = 12;
