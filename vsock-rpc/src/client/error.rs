//! [`CallError`]: why a call has no answer, and whether it may have run all the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::DisconnectReason;
use crate::cbor::CborError;
use crate::remote_error::RemoteError;

/// Why a call has no answer.
///
/// The field `may_have_run`, where there is one, has one meaning everywhere: whether the handler may have started. `false`
/// is certain; `true` is what is left if nothing is known. [`may_have_run`](Self::may_have_run) tells it of every error.
///
/// ```
/// use vsock_rpc::{CallError, RemoteError, code};
///
/// let refused = CallError::Remote(RemoteError::new(code::OVERLOADED, "64 requests are in flight"));
/// assert!(!refused.may_have_run()); // safe to repeat
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The caller's timeout passed. (Where the server's own limit is shorter, the call ends with a
    /// [`RemoteError`] of the code [`DEADLINE_EXCEEDED`](crate::code::DEADLINE_EXCEEDED).)
    #[error("no answer within the deadline ({})", ran_text(*.may_have_run))]
    DeadlineExceeded {
        /// Whether the request had been handed to a connection.
        may_have_run: bool,
    },
    /// The connection ended before the answer came.
    #[error("the connection ended ({}): {reason}", ran_text(*.may_have_run))]
    Disconnected {
        /// Whether any byte of the request had been written, and the server had not disowned it.
        may_have_run: bool,
        /// How the connection ended.
        reason: DisconnectReason,
    },
    /// A layer around the client failed with an error of its own; or it repeated the call, and the last attempt did
    /// not run, but another one may have.
    #[error("a layer around the client failed ({}): {error}", ran_text(*.may_have_run))]
    Layer {
        /// Whether any attempt, also one that a layer gave up, may have run.
        may_have_run: bool,
        /// What the layer said, or the [`CallError`] of the last attempt.
        #[source]
        error: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The response is not what the method returns.
    #[error("malformed response: {0}")]
    MalformedResponse(CborError),
    /// The handler answered with an error, or the server refused the request.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// No connection could be made.
    #[error("cannot connect to {target}: {reason}")]
    Unreachable {
        /// Where to.
        target: Arc<str>,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// What went wrong.
        reason: Arc<str>,
        /// How long the client waits before it tries again.
        retry_after: Duration,
        /// The failure itself, if the connector reported one.
        source: Option<Arc<io::Error>>,
    },
    /// The request cannot be encoded within the payload limit.
    #[error("the request cannot be sent: {0}")]
    UnsendableRequest(CborError),
}

impl CallError {
    /// Whether the handler may have started. If `false`, repeating the call cannot run it twice.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::DeadlineExceeded { may_have_run }
            | Self::Disconnected { may_have_run, .. }
            | Self::Layer { may_have_run, .. } => *may_have_run,
            Self::MalformedResponse(_) => true,
            Self::Remote(error) => error.may_have_run(),
            Self::Unreachable { .. } | Self::UnsendableRequest(_) => false,
        }
    }

    /// The error that the server or its handler answered with, if it did.
    #[must_use]
    pub fn as_remote(&self) -> Option<&RemoteError> {
        match self {
            Self::Remote(error) => Some(error),
            _ => None,
        }
    }
}

fn ran_text(may_have_run: bool) -> &'static str {
    if may_have_run { "it may have run" } else { "it did not run" }
}
