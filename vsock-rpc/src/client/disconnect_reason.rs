//! [`DisconnectReason`]: how a connection ended.

use std::io;
use std::sync::Arc;

use crate::remote_error::RemoteError;

/// How a connection ended that had calls in flight.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server left a cancelled request unanswered for three liveness intervals.
    #[error("the server does not answer cancelled requests")]
    CancelUnanswered,
    /// The server closed the stream between two frames, without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server said that it goes away: one of [`reason`](crate::reason)'s codes, or another, and a message.
    #[error("the server said {0}")]
    GoAway(RemoteError),
    /// The stream failed.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// The last clone of the client was dropped.
    #[error("the client was dropped")]
    Left,
    /// The runtime that drove the connection ended.
    #[error("the client's runtime ended")]
    RuntimeEnded,
    /// The server did not answer a Ping.
    #[error("the server shows no sign of life")]
    Silent,
    /// The server sent or took a frame too slowly.
    #[error("the server sends or takes a frame too slowly")]
    TooSlow,
    /// The server closed the stream inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// The server broke a rule: one of [`reason`](crate::reason)'s codes, and which rule.
    #[error("{0}")]
    Violation(RemoteError),
}
