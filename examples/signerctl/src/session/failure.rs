//! Why a command of `session` failed, sorted by whose fault it is.

use signer_protocol::code;
use vsock_rpc::session::SessionError;
use vsock_rpc::{CallError, RemoteError};

use super::SessionCallError;
use crate::attestation::variant_name;
use crate::failure::{MALFORMED, REFUSED, UNREADABLE};

/// What [`SessionCallError`] means to somebody at a command line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct SessionFailure(#[from] SessionCallError);

impl SessionFailure {
    pub(crate) fn exit_code(&self) -> u8 {
        match &self.0 {
            SessionCallError::Call(CallError::Remote(error)) => remote_exit_code(error),
            SessionCallError::MalformedRecord(_) => MALFORMED,
            SessionCallError::KeyMismatch
            | SessionCallError::OtherDescription { .. }
            | SessionCallError::OtherSigner { .. } => REFUSED,
            error => match error.as_session() {
                Some(SessionError::ClientKeyNotAllowed { .. } | SessionError::EvidenceRejected(_)) => REFUSED,
                _ => UNREADABLE,
            },
        }
    }

    /// Whether it was not the enclave that said no, but this program to what claims to be one.
    pub(crate) fn is_rejection(&self) -> bool {
        match &self.0 {
            SessionCallError::OtherDescription { .. } | SessionCallError::OtherSigner { .. } => true,
            error => matches!(error.as_session(), Some(SessionError::EvidenceRejected(_))),
        }
    }

    /// The enclave's code; or the check of nsm-attest or vsock-rpc that failed, by its name there.
    pub(crate) fn reason(&self) -> Option<String> {
        if let SessionCallError::Call(CallError::Remote(error)) = &self.0 {
            return Some(error.code().to_owned());
        }
        Some(match self.0.as_session()? {
            SessionError::EvidenceRejected(reason) => match reason.downcast_ref() {
                Some(nsm_attest::Error::Malformed(malformed)) => variant_name(malformed),
                Some(nsm_attest::Error::Misuse(misuse)) => variant_name(misuse),
                Some(nsm_attest::Error::Rejected(rejection)) => variant_name(rejection),
                _ => "EvidenceRejected".to_owned(),
            },
            // Nothing was looked at.
            SessionError::Closed | SessionError::Io(_) | SessionError::TimedOut { .. } => return None,
            other => variant_name(other),
        })
    }
}

fn remote_exit_code(error: &RemoteError) -> u8 {
    match error.code() {
        code::KEY_MISMATCH | code::KMS_REFUSED | code::NOT_PERMITTED | code::POLICY_DENIED | code::SIGNING_FAILED => {
            REFUSED
        }
        code::MALFORMED_FIELD
        | code::MALFORMED_POLICY
        | code::MALFORMED_TRANSACTION
        | code::RECORD_REJECTED
        | code::UNKNOWN_CHAIN => MALFORMED,
        _ => UNREADABLE,
    }
}
