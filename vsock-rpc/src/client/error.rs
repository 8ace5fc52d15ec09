//! [`CallError`]: why a call has no answer, and whether it may have run all the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::cbor::CborError;
use crate::remote_error::RemoteError;

/// Why a call has no answer.
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
    #[error("no answer within the deadline ({})", sent_text(*.sent))]
    DeadlineExceeded {
        /// Whether the request had been handed to the connection.
        sent: bool,
    },
    /// The connection ended before the answer came.
    #[error("the connection ended ({}): {reason}", sent_text(*.sent))]
    Disconnected {
        /// Whether any byte of the request had been written, and the server had not disowned it.
        sent: bool,
        /// Why the connection ended.
        reason: Arc<str>,
    },
    /// A layer around the client failed, with an error of its own.
    #[error("a layer around the client failed ({}): {error}", sent_text(*.sent))]
    Layer {
        /// Whether the request may have been handed to a connection.
        sent: bool,
        /// What the layer said.
        #[source]
        error: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The response is not what the method returns.
    #[error("malformed response: {0}")]
    MalformedResponse(CborError),
    /// The request cannot be encoded within the payload limit.
    #[error("the request cannot be sent: {0}")]
    MalformedRequest(CborError),
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
}

impl CallError {
    /// Whether the handler may have started. If `false`, repeating the call cannot run it twice.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::DeadlineExceeded { sent } | Self::Disconnected { sent, .. } | Self::Layer { sent, .. } => *sent,
            Self::MalformedResponse(_) => true,
            Self::MalformedRequest(_) | Self::Unreachable { .. } => false,
            Self::Remote(error) => error.may_have_run(),
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

fn sent_text(sent: bool) -> &'static str {
    if sent { "it may have run" } else { "it did not run" }
}
