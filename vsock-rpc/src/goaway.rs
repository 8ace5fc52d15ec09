//! Why connections end: the reasons that a GoAway carries.

use crate::cbor;
use crate::frame::{FrameError, MAX_CONTROL_PAYLOAD_LEN};
use crate::remote_error::RemoteError;

/// The payload of a GoAway; it has the form of an Error's, and the same bounds.
pub(crate) fn payload(reason: &'static str, message: String) -> bytes::Bytes {
    encode_error(&RemoteError::new(reason, message))
}

/// The payload of an Error or GoAway.
pub(crate) fn encode_error(error: &RemoteError) -> bytes::Bytes {
    cbor::encode(error, MAX_CONTROL_PAYLOAD_LEN).expect("a code and a message are bounded below the limit")
}

/// The reason for a broken rule; `None` if the stream itself failed, where nothing can be sent.
pub(crate) fn reason_of(error: &FrameError) -> Option<&'static str> {
    match error {
        FrameError::Io { .. } | FrameError::Truncated { .. } => None,
        FrameError::PayloadTooLong { .. } => Some(PAYLOAD_TOO_LONG),
        FrameError::UnsupportedVersion { .. } => Some(UNSUPPORTED_VERSION),
        _ => Some(PROTOCOL_ERROR),
    }
}

pub(crate) const IDLE: &str = "idle";
pub(crate) const PAYLOAD_TOO_LONG: &str = "payload_too_long";
pub(crate) const PROTOCOL_ERROR: &str = "protocol_error";
pub(crate) const SHUTTING_DOWN: &str = "shutting_down";
pub(crate) const TOO_MANY_CONNECTIONS: &str = "too_many_connections";
pub(crate) const TOO_SLOW: &str = "too_slow";
pub(crate) const UNSUPPORTED_VERSION: &str = "unsupported_version";
