//! Why a request over a session has no usable answer.

use signer_protocol::record::MalformedRecord;
use thiserror::Error;
use vsock_rpc::CallError;
use vsock_rpc::session::SessionError;

/// A request over a session without the answer that was asked for.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SessionCallError {
    /// The session was not opened, the enclave refused, or there was no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The record is not that of the expected key. Nothing was sent.
    #[error("the record is not that of the expected key")]
    KeyMismatch,
    /// The record cannot be read. Nothing was sent.
    #[error(transparent)]
    MalformedRecord(#[from] MalformedRecord),
    /// The enclave describes the record's key otherwise than the record does.
    #[error("the enclave's {field} is not that of the record")]
    OtherDescription {
        /// What differs.
        field: &'static str,
    },
    /// What came back is not signed by the key.
    #[error("the signature is of {}, the key is {expected}", .actual.as_deref().unwrap_or("nobody"))]
    OtherSigner {
        /// The key's address.
        expected: String,
        /// Whose signature it is, if it is anybody's.
        actual: Option<String>,
    },
}

impl SessionCallError {
    /// Why there is no session, if that is why.
    #[must_use]
    pub fn as_session(&self) -> Option<&SessionError> {
        match self {
            Self::Call(error) => SessionError::find(error),
            _ => None,
        }
    }
}
