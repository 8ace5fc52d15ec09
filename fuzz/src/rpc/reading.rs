//! A reading of frames that shares nothing with the crate's.

/// A frame as it lies in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrame<'a> {
    pub version: u8,
    pub kind: u8,
    pub id: u64,
    pub payload: &'a [u8],
}

/// What bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A rule is broken, which a GoAway with this reason tells.
    Broken(&'static str),
    Frame(RawFrame<'a>, usize),
    /// More is needed.
    Partial,
}

/// Reads the first frame, of at most `max` bytes of payload if it is a Request or a Response.
#[must_use]
pub fn next_frame(bytes: &[u8], max: usize) -> Next<'_> {
    let Some(header) = bytes.get(..16) else { return Next::Partial };
    let (version, kind) = (header[4], header[5]);
    if version != 1 && kind != GOAWAY {
        return Next::Broken("unsupported_version");
    }
    if header[6] != 0 || header[7] != 0 || kind == 0 || kind > GOAWAY {
        return Next::Broken("protocol_error");
    }
    let len = header[..4].iter().fold(0_usize, |len, byte| len * 256 + usize::from(*byte));
    let most = [max, max, 1024, 0, 0, 0, 1024][usize::from(kind) - 1];
    if len > most {
        return Next::Broken("payload_too_long");
    }
    let id = header[8..].iter().fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    if id == 0 && [REQUEST, RESPONSE, ERROR, CANCEL].contains(&kind) {
        return Next::Broken("protocol_error");
    }
    match bytes.get(16..16 + len) {
        Some(payload) => Next::Frame(RawFrame { version, kind, id, payload }, 16 + len),
        None => Next::Partial,
    }
}

/// A frame's bytes, whatever they mean.
pub(super) fn frame(kind: u8, id: u64, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a short payload");
    [&len.to_be_bytes()[..], &[1, kind, 0, 0], &id.to_be_bytes(), payload].concat()
}

/// The code of an Error's or GoAway's payload, which must be whole and right.
pub(super) fn code_of(payload: &[u8]) -> String {
    let (code, _message): (String, String) = ciborium::from_reader(payload).expect("an array of two texts");
    code
}

/// An Error's or GoAway's payload.
pub(super) fn error_payload(code: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    ciborium::into_writer(&(code, "says the fuzzer"), &mut payload).expect("a vector takes it");
    payload
}

pub(super) const REQUEST: u8 = 1;
pub(super) const RESPONSE: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const CANCEL: u8 = 4;
pub(super) const PING: u8 = 5;
pub(super) const PONG: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
