//! Why connections end: the reasons that a GoAway carries.

use crate::cbor;
use crate::frame::{FrameError, MAX_CONTROL_PAYLOAD_LEN};
use crate::remote_error::{MAX_CODE_LEN, RemoteError, WIRE_OVERHEAD};

/// The reasons that a GoAway carries. A peer of another make may have more.
pub mod reason {
    /// Nothing was in flight for the idle timeout; not a fault.
    pub const IDLE: &str = "idle";
    /// A header announced more than the limit; no room was made for it.
    pub const PAYLOAD_TOO_LONG: &str = "payload_too_long";
    /// A rule of the protocol was broken that has no reason of its own.
    pub const PROTOCOL_ERROR: &str = "protocol_error";
    /// The server drains; not a fault.
    pub const SHUTTING_DOWN: &str = "shutting_down";
    /// The server's bound is reached.
    pub const TOO_MANY_CONNECTIONS: &str = "too_many_connections";
    /// A frame did not end, or answers were not taken, in time.
    pub const TOO_SLOW: &str = "too_slow";
    /// The version is not the one that the sender speaks.
    pub const UNSUPPORTED_VERSION: &str = "unsupported_version";
}

/// The payload of a GoAway; it has the form of an Error's, and the same bounds.
pub(crate) fn payload(reason: &'static str, message: String) -> Vec<u8> {
    encode_error(&RemoteError::new(reason, message))
}

/// The payload of an Error or GoAway.
pub(crate) fn encode_error(error: &RemoteError) -> Vec<u8> {
    encode_texts(error.code(), error.message())
}

/// Cuts what does not fit. This runs on a connection's own task, where a panic would end everybody's calls, so that
/// it does not rely on the bounds of [`RemoteError`].
fn encode_texts(code: &str, message: &str) -> Vec<u8> {
    let code = cut(code, MAX_CODE_LEN);
    let message = cut(message, MAX_CONTROL_PAYLOAD_LEN.saturating_sub(code.len() + WIRE_OVERHEAD));
    // Cut like this they fit; should they ever not, an error that says nothing is still an answer.
    cbor::encode(&(code, message), MAX_CONTROL_PAYLOAD_LEN).unwrap_or_else(|_| TWO_EMPTY_TEXTS.to_vec())
}

fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// The reason for a broken rule; `None` if the stream itself failed, where nothing can be sent.
pub(crate) fn reason_of(error: &FrameError) -> Option<&'static str> {
    match error {
        FrameError::Io { .. } | FrameError::Truncated { .. } => None,
        FrameError::PayloadTooLong { .. } => Some(reason::PAYLOAD_TOO_LONG),
        FrameError::UnsupportedVersion { .. } => Some(reason::UNSUPPORTED_VERSION),
        _ => Some(reason::PROTOCOL_ERROR),
    }
}

const TWO_EMPTY_TEXTS: &[u8] = &[0x82, 0x60, 0x60];

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(payload: &[u8]) -> RemoteError {
        cbor::decode(payload).unwrap()
    }

    #[test]
    fn the_longest_error_fills_its_frame_exactly() {
        let longest = RemoteError::new("c".repeat(1000), "m".repeat(5000));
        let payload = encode_error(&longest);
        assert_eq!(payload.len(), MAX_CONTROL_PAYLOAD_LEN);
        assert_eq!(decode(&payload), longest);
        let shorter = RemoteError::new("c".repeat(MAX_CODE_LEN), longest.message()[1..].to_owned());
        assert_eq!(encode_error(&shorter).len(), MAX_CONTROL_PAYLOAD_LEN - 1);
    }

    #[test]
    fn texts_of_any_length_are_cut_at_a_character() {
        for code_len in [0, 1, 23, 24, 63, 64, 65, 300, 5000] {
            for message_len in (0..30).chain(240..270).chain(930..1040).chain([70_000]) {
                for character in ["m", "\u{e9}", "\u{20ac}", "\u{1f600}"] {
                    let (code, message) = (character.repeat(code_len), character.repeat(message_len));
                    let payload = encode_texts(&code, &message);
                    assert!(payload.len() <= MAX_CONTROL_PAYLOAD_LEN);
                    let error = decode(&payload);
                    assert!(code.starts_with(error.code()));
                    assert!(message.starts_with(error.message()));
                }
            }
        }
    }

    #[test]
    fn the_last_resort_is_an_error_too() {
        assert_eq!(decode(TWO_EMPTY_TEXTS), RemoteError::new("", ""));
    }
}
