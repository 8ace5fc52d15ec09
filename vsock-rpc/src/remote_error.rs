//! [`RemoteError`]: the error that a handler, or the server before it, answers with.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::frame::MAX_CONTROL_PAYLOAD_LEN;

/// An error that crosses the wire: a code for programs and a message for people, both bounded.
///
/// Handlers choose their own codes; [`code`] lists those that the server itself answers with. It is for refusals: an error that
/// carries data is part of the response, say `type Response = Result<Receipt, Denial>`.
///
/// The constructor cuts a code to 64 bytes and a message to what an Error frame then has room for (954 bytes),
/// and replaces control characters, so that neither side can fill or garble the other's logs.
///
/// ```
/// use vsock_rpc::RemoteError;
///
/// let error = RemoteError::new("policy_denied", "no rule allows chain eip155:1");
/// assert_eq!(error.code(), "policy_denied");
/// assert_eq!(error.to_string(), "policy_denied: no rule allows chain eip155:1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire<'static>", into = "Wire<'static>")]
pub struct RemoteError {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl RemoteError {
    /// An error with a short code (`snake_case`) and a message.
    #[must_use]
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: bounded(code.into(), MAX_CODE_LEN), message: bounded(message.into(), MAX_MESSAGE_LEN) }
    }

    /// [`code::INTERNAL`] with a message that says no more than that.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(code::INTERNAL, "the handler failed")
    }

    /// The code, for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the handler may have started: `false` only for the codes with which the server refuses a request
    /// before any handler sees it. A handler or a layer that answers with one of them says that nothing was done.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        ![code::MALFORMED_REQUEST, code::OVERLOADED, code::UNKNOWN_METHOD].contains(&self.code())
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for RemoteError {}

/// The codes that the server itself answers with. Handlers should choose others, unless they mean just this: whoever
/// gets [`MALFORMED_REQUEST`](code::MALFORMED_REQUEST), [`OVERLOADED`](code::OVERLOADED) or
/// [`UNKNOWN_METHOD`](code::UNKNOWN_METHOD) may repeat the call blindly.
pub mod code {
    /// The caller cancelled the request.
    pub const CANCELLED: &str = "cancelled";
    /// The deadline passed while the handler ran, or before it started.
    pub const DEADLINE_EXCEEDED: &str = "deadline_exceeded";
    /// The handler or a layer failed or panicked, or the answer cannot be encoded.
    pub const INTERNAL: &str = "internal";
    /// The request, its method's name or its body is malformed. No handler ran.
    pub const MALFORMED_REQUEST: &str = "malformed_request";
    /// Too many requests are in flight, or too many bytes of them. No handler ran.
    pub const OVERLOADED: &str = "overloaded";
    /// The handler's answer does not fit the payload limit.
    pub const RESPONSE_TOO_LONG: &str = "response_too_long";
    /// The server has no such method on this listener. No handler ran.
    pub const UNKNOWN_METHOD: &str = "unknown_method";
}

/// The CBOR form: an array of code and message.
#[derive(Serialize, Deserialize)]
struct Wire<'a>(Cow<'a, str>, Cow<'a, str>);

impl From<Wire<'static>> for RemoteError {
    fn from(Wire(code, message): Wire<'static>) -> Self {
        Self::new(code, message)
    }
}

impl From<RemoteError> for Wire<'static> {
    fn from(error: RemoteError) -> Self {
        Self(error.code, error.message)
    }
}

/// Cuts at a character and replaces control characters; borrows where nothing changes.
pub(crate) fn bounded(text: Cow<'static, str>, max: usize) -> Cow<'static, str> {
    if text.len() <= max && !text.contains(char::is_control) {
        return text;
    }
    let end = text.floor_char_boundary(max);
    text[..end].replace(char::is_control, " ").into()
}

pub(crate) const MAX_CODE_LEN: usize = 64;
/// What an Error or GoAway frame has room for beside the longest code.
const MAX_MESSAGE_LEN: usize = MAX_CONTROL_PAYLOAD_LEN - MAX_CODE_LEN - WIRE_OVERHEAD;
/// The most that CBOR adds to code and message: the heads of the array, of a text below 256 bytes, and of a text
/// below 64 KiB.
pub(crate) const WIRE_OVERHEAD: usize = 1 + 2 + 3;
const _: () = assert!(MAX_CODE_LEN < 1 << 8 && MAX_MESSAGE_LEN < 1 << 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_long_text_at_a_character_and_replaces_control_characters() {
        let error = RemoteError::new("c".repeat(100), format!("{}é", "m".repeat(MAX_MESSAGE_LEN - 1)));
        assert_eq!(error.code().len(), MAX_CODE_LEN);
        assert_eq!(error.message().len(), MAX_MESSAGE_LEN - 1);
        assert_eq!(RemoteError::new("a\nb", "x\u{1b}[2Jy").to_string(), "a b: x [2Jy");
    }

    #[test]
    fn is_bounded_again_when_it_arrives() {
        let hostile = serde_cbor::to_vec(&("c".repeat(1000), "line\nline")).unwrap();
        let error: RemoteError = serde_cbor::from_slice(&hostile).unwrap();
        assert_eq!(error.code().len(), MAX_CODE_LEN);
        assert_eq!(error.message(), "line line");
        let again: RemoteError = serde_cbor::from_slice(&serde_cbor::to_vec(&error).unwrap()).unwrap();
        assert_eq!(again, error);
    }
}
