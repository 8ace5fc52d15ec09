//! Why a request was refused, and the code it is answered with.

use chain_signers::policy::PolicyError;
use chain_signers::{ChainIdError, DecodeError, SignError};
use kms_enclave_client::{CredentialsError, Error as KmsError};
use nsm_attest::NsmError;
use signer_protocol::code;
use signer_protocol::record::{MalformedRecord, RandomnessFailed, SealError};
use thiserror::Error;
use vsock_rpc::RemoteError;

use crate::caller::Caller;

/// Why the service refused a request. Nothing in it is secret: it travels to the parent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Work was cut off by the runtime's end.
    #[error("the enclave is stopping")]
    Interrupted,
    /// The record is not the key that the caller expected.
    #[error("the record does not hold the expected key")]
    KeyMismatch,
    /// KMS did not do what it was asked.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// The callers of a new key are outside their limits.
    #[error(transparent)]
    MalformedCallers(MalformedRecord),
    /// The credentials are not such as AWS issues.
    #[error("credentials: {0}")]
    MalformedCredentials(#[from] CredentialsError),
    /// The chain id is not CAIP-2.
    #[error("chain_id: {0}")]
    MalformedChainId(ChainIdError),
    /// A field outside its limits.
    #[error("{field} has length {actual}, outside {min}..={max}")]
    MalformedField {
        /// The field.
        field: &'static str,
        /// Least length.
        min: usize,
        /// Greatest length.
        max: usize,
        /// Length found.
        actual: usize,
    },
    /// The policy of a new key cannot be read.
    #[error(transparent)]
    MalformedPolicy(PolicyError),
    /// Not a record v1.
    #[error(transparent)]
    MalformedRecord(#[from] MalformedRecord),
    /// The transaction cannot be decoded exactly.
    #[error("transaction: {0}")]
    MalformedTransaction(DecodeError),
    /// The record names other callers than the one who asks, or none: then it is the parent's.
    #[error("{}", not_caller(*caller, *callers))]
    NotCaller {
        /// Who asks.
        caller: Caller,
        /// How many the record names.
        callers: usize,
    },
    /// The NSM failed.
    #[error("NSM: {0}")]
    Nsm(#[from] NsmError),
    /// Sessions wait for as many records to be opened as they may. Nothing was done.
    #[error("sessions have too many records opened at a time")]
    Overloaded,
    /// The policy does not allow the transaction.
    #[error("policy: {reason}")]
    PolicyDenied {
        /// The rule that denied it, or why no rule allows it.
        reason: String,
    },
    /// No randomness.
    #[error("the NSM gave no randomness")]
    Randomness,
    /// The record did not open, or does not hold what its header says. One answer, on purpose.
    #[error("the record does not open: it was altered, or sealed for something else")]
    RecordRejected,
    /// The signature was not released.
    #[error(transparent)]
    Signing(#[from] SignError),
    /// The image signs for no such chain.
    #[error("this image signs for no such chain family")]
    UnknownChain,
}

impl From<RandomnessFailed> for ServiceError {
    fn from(_: RandomnessFailed) -> Self {
        Self::Randomness
    }
}

impl From<SealError> for ServiceError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Malformed(malformed) => Self::MalformedRecord(malformed),
            _ => Self::Randomness,
        }
    }
}

impl From<ServiceError> for RemoteError {
    fn from(error: ServiceError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl ServiceError {
    /// The code this error travels under.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyMismatch => code::KEY_MISMATCH,
            Self::Kms(error) => kms_code(error),
            Self::MalformedCallers(_)
            | Self::MalformedChainId(_)
            | Self::MalformedCredentials(_)
            | Self::MalformedField { .. } => code::MALFORMED_FIELD,
            Self::MalformedPolicy(_) => code::MALFORMED_POLICY,
            Self::MalformedTransaction(_) => code::MALFORMED_TRANSACTION,
            Self::NotCaller { .. } => code::NOT_PERMITTED,
            Self::Interrupted | Self::Nsm(_) | Self::Randomness => code::NSM_UNAVAILABLE,
            Self::Overloaded => vsock_rpc::code::OVERLOADED,
            Self::PolicyDenied { .. } => code::POLICY_DENIED,
            Self::MalformedRecord(_) | Self::RecordRejected => code::RECORD_REJECTED,
            Self::Signing(_) => code::SIGNING_FAILED,
            Self::UnknownChain => code::UNKNOWN_CHAIN,
        }
    }
}

fn not_caller(caller: Caller, callers: usize) -> String {
    match callers {
        0 => "this key's record names no callers: it is the parent's".to_owned(),
        _ => format!("{caller} is not among the {callers} callers that this key's record names"),
    }
}

/// Sorts what KMS, or whoever answered in its place, did: a refusal stays one when repeated, an outage does not.
fn kms_code(error: &KmsError) -> &'static str {
    match error {
        KmsError::Attestation(_) | KmsError::Local(_) => code::NSM_UNAVAILABLE,
        KmsError::CredentialsExpired { .. } | KmsError::CredentialsMissing | KmsError::CredentialsUnavailable(_) => {
            code::CREDENTIALS_MISSING
        }
        KmsError::AttemptTimedOut { .. }
        | KmsError::Connect(_)
        | KmsError::DeadlineExceeded { .. }
        | KmsError::Http(_)
        | KmsError::Tls { .. } => code::KMS_UNAVAILABLE,
        KmsError::Service(answer) if answer.is_transient() => code::KMS_UNAVAILABLE,
        _ => code::KMS_REFUSED,
    }
}
