//! Why a command of `kms` failed.

use kms_enclave_client::{BuildError, Error as KmsError, InvalidEndpoint, ServiceError};
use nsm_attest::{ClockError, NsmError};
use thiserror::Error;

use crate::attestation::variant_name;
use crate::failure::{MALFORMED, REFUSED, UNREADABLE, USAGE, with_sources};

/// Why a command of `kms` failed. None of these repeats a plaintext or a credential.
#[derive(Debug, Error)]
pub(crate) enum KmsFailure {
    /// KMS did not do what was asked, or its reply cannot be believed.
    #[error("{}", with_sources(.0))]
    Call(Box<KmsError>),
    /// Arguments that do not fit together.
    #[error("{}", with_sources(.0))]
    Client(#[from] BuildError),
    /// The module's time is unknown.
    #[error("no time from the NSM: {}", with_sources(.0))]
    Clock(#[from] ClockError),
    /// A name of the encryption context that was given twice.
    #[error("--encryption-context names {name:?} twice")]
    ContextTwice { name: String },
    /// An endpoint that cannot be.
    #[error("{0}")]
    Endpoint(#[from] InvalidEndpoint),
    /// Credentials in the environment that cannot be any.
    #[error("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or AWS_CREDENTIAL_EXPIRATION: {detail}")]
    Environment { detail: String },
    /// There are no credentials.
    #[error(
        "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or give --credentials FILE"
    )]
    NoCredentials,
    /// A command without key needs to be told the region.
    #[error("this command needs --region")]
    NoRegion,
    /// The module cannot be used.
    #[error("{0}")]
    Nsm(#[from] NsmError),
    /// An envelope that is not for this key, or damaged. It is not known which.
    #[error("the enveloped data cannot be opened with this key")]
    WillNotOpen,
}

impl KmsFailure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Call(error) => call_exit_code(error),
            Self::Client(BuildError::Tls(_)) | Self::Clock(_) | Self::Nsm(_) => UNREADABLE,
            Self::Client(_) | Self::ContextTwice { .. } | Self::Endpoint(_) => USAGE,
            Self::Environment { .. } => MALFORMED,
            Self::NoCredentials | Self::NoRegion => USAGE,
            Self::WillNotOpen => REFUSED,
        }
    }

    /// Whether it was not KMS that said no, but this program to what KMS said.
    pub(crate) fn is_rejection(&self) -> bool {
        matches!(self, Self::Call(error) if !matches!(**error, KmsError::Service(_)))
    }

    /// The exception of KMS, or the check of kms-enclave-client that failed, by its name there.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Call(error) => Some(match &**error {
                KmsError::Service(service) if !service.code().as_str().is_empty() => service.code().as_str().to_owned(),
                other => variant_name(other),
            }),
            Self::Client(error) => Some(variant_name(error)),
            _ => None,
        }
    }

    /// What AWS's support asks for.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Call(error) => match &**error {
                KmsError::Service(service) => service.request_id(),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<KmsError> for KmsFailure {
    fn from(error: KmsError) -> Self {
        Self::Call(Box::new(error))
    }
}

/// A considered "no", of KMS or to its reply, is a refusal; what may work a little later is out of reach.
fn call_exit_code(error: &KmsError) -> u8 {
    match error {
        KmsError::CredentialsExpired { .. } | KmsError::Request(_) => MALFORMED,
        KmsError::Service(service) => service_exit_code(service),
        KmsError::Decrypt(_)
        | KmsError::KeyIdMismatch { .. }
        | KmsError::KeyNotPermitted { .. }
        | KmsError::MalformedCiphertext(_)
        | KmsError::MalformedReply(_)
        | KmsError::MissingCiphertextForRecipient
        | KmsError::PlaintextInReply
        | KmsError::ReplayedReply
        | KmsError::ReplyKeyNotPermitted { .. }
        | KmsError::ReplyTooLong { .. } => REFUSED,
        _ => UNREADABLE,
    }
}

fn service_exit_code(error: &ServiceError) -> u8 {
    if error.is_transient() || error.status() >= 500 { UNREADABLE } else { REFUSED }
}
