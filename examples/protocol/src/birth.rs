//! What a client checks of a new key when it does not trust the parent that carried the answer.
//!
//! The parent sees the request, so it can ask the enclave for something else: a key under a policy that pays the
//! parent, or one for which the parent itself is a caller. The enclave's answer is then genuine, only not to the question that was asked. So a client compares the
//! record with what it asked for, and takes key and address from the record, never from the text beside it.

use nsm_attest::{PolicyBuilder, Purpose, TrustAnchor, UnixTime, UnverifiedDocument, UserData};
use thiserror::Error;

use crate::record::{MalformedRecord, Record, RecordDigest, RecordHeader, SpkiDigest};

/// What a client asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Chain family: a CAIP-2 namespace.
    pub family: &'a str,
    /// The policy as it was sent. White space around it does not count.
    pub policy: &'a [u8],
    /// The session callers that alone may sign, in the order in which they were sent.
    pub callers: &'a [SpkiDigest],
}

/// A key that an attested enclave made as it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BornKey {
    /// Everything that was sealed with the key. Its address follows from family and public key.
    pub header: RecordHeader,
    /// What requests name the record by.
    pub record_digest: RecordDigest,
}

/// Verifies that an enclave admitted by `pcrs` made `record` in answer to `asked`.
///
/// `pcrs` are the reference values of the image: `nsm_attest::Policy::builder().pcr(PcrIndex::IMAGE, [pcr0])`. The
/// document is fresh for its `max_age` only: verify it when the key is made, and keep what this returns.
///
/// # Errors
/// [`BirthError`]: do not use the key.
pub fn verify_birth(
    record: &[u8],
    birth_document: &[u8],
    asked: &Asked<'_>,
    anchor: &TrustAnchor,
    pcrs: PolicyBuilder,
    now: UnixTime,
) -> Result<BornKey, BirthError> {
    let record = Record::from_bytes(record)?;
    let user_data = UserData { purpose: Purpose::Birth, digest: *record.digest().as_bytes() };
    let document = UnverifiedDocument::from_bytes(birth_document).map_err(nsm_attest::Error::from)?;
    document.verify(anchor, &pcrs.user_data(user_data).build(), now)?;
    compare(&record, asked)
}

/// Compares `record` with what was asked for.
///
/// # Security
/// This says nothing of who made the record: [`verify_birth`] does. It stands alone for those who have other evidence of
/// the enclave, as a simulation has.
///
/// # Errors
/// [`BirthError::Callers`], [`BirthError::Family`] or [`BirthError::Policy`].
pub fn compare(record: &Record, asked: &Asked<'_>) -> Result<BornKey, BirthError> {
    let header = record.header();
    if header.callers != asked.callers {
        return Err(BirthError::Callers { expected: asked.callers.to_vec(), actual: header.callers.clone() });
    }
    if header.family != asked.family {
        return Err(BirthError::Family { expected: asked.family.to_owned(), actual: header.family.clone() });
    }
    if header.policy.trim_ascii() != asked.policy.trim_ascii() {
        return Err(BirthError::Policy);
    }
    Ok(BornKey { header: header.clone(), record_digest: record.digest() })
}

/// Why a new key is not to be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BirthError {
    /// The key is for other callers than was asked for.
    #[error("the key is for other callers than was asked for: {} where {} were named", .actual.len(), .expected.len())]
    Callers {
        /// What was asked for.
        expected: Vec<SpkiDigest>,
        /// What was made.
        actual: Vec<SpkiDigest>,
    },
    /// The document does not verify, is of another image, or is about another record.
    #[error("birth document: {0}")]
    Document(#[from] nsm_attest::Error),
    /// The key is of another chain family than was asked for.
    #[error("the key is of family {actual}, not {expected}")]
    Family {
        /// What was asked for.
        expected: String,
        /// What was made.
        actual: String,
    },
    /// The record cannot be read.
    #[error(transparent)]
    MalformedRecord(#[from] MalformedRecord),
    /// The key is held by another policy than was asked for.
    #[error("the key is sealed under another policy than was asked for")]
    Policy,
}
