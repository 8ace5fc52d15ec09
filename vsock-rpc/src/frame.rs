//! Frames: what travels on a connection.
//!
//! Both directions carry frames, one after the other, nothing between them. All numbers are big-endian.
//!
//! ```text
//!  byte  0        1        2        3        4        5        6        7
//!       +--------+--------+--------+--------+--------+--------+--------+--------+
//!     0 |            payload length         |version |  kind  |      flags      |
//!       +--------+--------+--------+--------+--------+--------+--------+--------+
//!     8 |                              request id                               |
//!       +--------+--------+--------+--------+--------+--------+--------+--------+
//!    16 |  payload (payload length bytes; the header is not counted) ...
//!       +--------+--------+----
//! ```
//!
//! | kind | | sent by | request id | payload |
//! |---|---|---|---|---|
//! | 1 | Request | client | above every earlier one of the connection, not 0 | CBOR array of method (text), deadline in ms (unsigned), body |
//! | 2 | Response | server | the request's | CBOR, the method's response |
//! | 3 | Error | server | the request's | CBOR array of code (text) and message (text) |
//! | 4 | Cancel | client | the request's | none |
//! | 5 | Ping | client | any, echoed | none |
//! | 6 | Pong | server | the Ping's | none |
//! | 7 | GoAway | either | the last request that was or will be served | CBOR array of reason (text) and message (text), at most 1 KiB |
//!
//! - The version is 1 and the flags are 0.
//! - Each Request is answered by exactly one Response or Error, also after a Cancel, in any order.
//! - A deadline is how long the caller still waits, not a time: the two clocks need not agree.
//! - After a GoAway its sender serves nothing with a higher id. After one for `idle` or `shutting_down`, what it had
//!   accepted is still answered; after any other reason it is dropped. A client makes no request after its own GoAway; if
//!   it does, the request is ignored.
//! - Whoever breaks these rules is sent a GoAway that says which, and the stream is closed.
//!
//! # Versions
//! Nothing is agreed on before the first frame, which would cost a round trip: each frame says its version, and a client
//! begins with the newest that it speaks. A server that does not speak it looks at nothing else, answers with a GoAway for
//! the reason `unsupported_version`, and closes; nothing of that frame has run. A GoAway keeps this layout in every
//! version, so that a client of any version can read why.

use std::io;

use bytes::{BufMut, Bytes};

use crate::planted;

/// The 16 bytes before each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub kind: FrameKind,
    /// How many bytes of payload follow.
    pub payload_len: u32,
    /// Which request the frame belongs to.
    pub request_id: u64,
}

impl FrameHeader {
    /// The length of an encoded header.
    pub const LEN: usize = 16;
    /// The version of the protocol that this crate speaks.
    pub const VERSION: u8 = 1;

    /// Parses a header and checks everything that the header alone can break.
    ///
    /// The version is looked at first: in another version the other fields may mean something else. A GoAway is
    /// the exception, being alike in all versions.
    ///
    /// # Errors
    /// Any [`FrameError`] but [`Truncated`](FrameError::Truncated) and [`Io`](FrameError::Io).
    pub fn from_bytes(bytes: &[u8; Self::LEN], max_payload_len: usize) -> Result<Self, FrameError> {
        let [l0, l1, l2, l3, version, kind, f0, f1, id @ ..] = *bytes;
        if version != Self::VERSION && kind != FrameKind::GoAway as u8 {
            return Err(FrameError::UnsupportedVersion { version });
        }
        let flags = u16::from_be_bytes([f0, f1]);
        if flags != 0 {
            return Err(FrameError::NonZeroFlags { flags });
        }
        let kind = FrameKind::from_byte(kind)?;
        let header =
            Self { kind, payload_len: u32::from_be_bytes([l0, l1, l2, l3]), request_id: u64::from_be_bytes(id) };
        header.check(max_payload_len)?;
        Ok(header)
    }

    /// The header's 16 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.payload_len.to_be_bytes());
        bytes[4] = Self::VERSION;
        bytes[5] = self.kind as u8;
        bytes[8..].copy_from_slice(&self.request_id.to_be_bytes());
        bytes
    }

    /// How many bytes the whole frame has.
    pub(crate) fn frame_len(&self) -> usize {
        // Limits on payloads are far below what a usize holds.
        Self::LEN + self.payload_len as usize
    }

    /// Appends the whole frame: the header, and the payload that it announces.
    pub(crate) fn put(&self, payload: &[u8], output: &mut impl BufMut) {
        output.put_slice(&self.to_bytes());
        output.put_slice(payload);
    }

    fn check(&self, max_payload_len: usize) -> Result<(), FrameError> {
        let max = self.kind.max_payload_len(max_payload_len);
        let most = max + usize::from(planted::LENGTH_OFF_BY_ONE);
        if usize::try_from(self.payload_len).map_or(true, |len| len > most) {
            return Err(FrameError::PayloadTooLong { kind: self.kind, len: u64::from(self.payload_len), max });
        }
        if self.request_id == 0 && self.kind.names_a_request() {
            return Err(FrameError::ZeroRequestId { kind: self.kind });
        }
        Ok(())
    }
}

/// What a frame is; the number is its byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum FrameKind {
    /// Asks for a method.
    Request = 1,
    /// Answers a request.
    Response = 2,
    /// Answers a request that failed.
    Error = 3,
    /// Tells that nobody waits for the answer any more.
    Cancel = 4,
    /// Asks for a Pong.
    Ping = 5,
    /// Answers a Ping.
    Pong = 6,
    /// Announces the end of the connection, and why.
    GoAway = 7,
}

impl FrameKind {
    fn from_byte(kind: u8) -> Result<Self, FrameError> {
        Ok(match kind {
            1 => Self::Request,
            2 => Self::Response,
            3 => Self::Error,
            4 => Self::Cancel,
            5 => Self::Ping,
            6 => Self::Pong,
            7 => Self::GoAway,
            _ => return Err(FrameError::UnknownKind { kind }),
        })
    }

    fn max_payload_len(self, configured: usize) -> usize {
        match self {
            Self::Request | Self::Response => configured,
            // Errors and GoAways are small whatever the listener takes, and must get through a tiny limit too.
            Self::Error | Self::GoAway => MAX_CONTROL_PAYLOAD_LEN,
            Self::Cancel | Self::Ping | Self::Pong => 0,
        }
    }

    fn names_a_request(self) -> bool {
        matches!(self, Self::Request | Self::Response | Self::Error | Self::Cancel)
    }
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Which request it belongs to.
    pub request_id: u64,
    /// What follows the header.
    pub payload: Bytes,
}

impl Frame {
    /// A frame of these parts; [`FrameCodec`](crate::codec::FrameCodec) checks them when it encodes.
    #[must_use]
    pub fn new(kind: FrameKind, request_id: u64, payload: impl Into<Bytes>) -> Self {
        Self { kind, request_id, payload: payload.into() }
    }

    /// The header that announces this frame.
    ///
    /// # Errors
    /// What [`FrameHeader::from_bytes`] would report for it.
    pub fn header(&self, max_payload_len: usize) -> Result<FrameHeader, FrameError> {
        let len = self.payload.len();
        let payload_len = u32::try_from(len).map_err(|_| FrameError::PayloadTooLong {
            kind: self.kind,
            len: len as u64,
            max: max_payload_len,
        })?;
        let header = FrameHeader { kind: self.kind, payload_len, request_id: self.request_id };
        header.check(max_payload_len)?;
        Ok(header)
    }
}

/// How a stream of frames broke the rules, or broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The transport failed.
    #[error("the transport failed: {kind}")]
    Io {
        /// What the operating system reported.
        kind: io::ErrorKind,
    },
    /// Flags are reserved.
    #[error("the flags are {flags:#06x}, but must be 0")]
    NonZeroFlags {
        /// The flags found.
        flags: u16,
    },
    /// The payload announced is above the limit; no room was made for it.
    #[error("a {kind:?} of {len} bytes was announced, the limit is {max}")]
    PayloadTooLong {
        /// The kind announced.
        kind: FrameKind,
        /// The length announced.
        len: u64,
        /// The limit.
        max: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame, after {len} of its bytes")]
    Truncated {
        /// How much of the frame had arrived.
        len: usize,
    },
    /// No such kind.
    #[error("the frame kind {kind} is unknown")]
    UnknownKind {
        /// The kind found.
        kind: u8,
    },
    /// Another version of the protocol.
    #[error("protocol version {version} is not supported, this is version {expected}", expected = FrameHeader::VERSION)]
    UnsupportedVersion {
        /// The version found.
        version: u8,
    },
    /// The kind belongs to a request, and 0 is none.
    #[error("a {kind:?} has request id 0")]
    ZeroRequestId {
        /// The kind found.
        kind: FrameKind,
    },
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io { kind: error.kind() }
    }
}

/// The most payload of an Error or a GoAway, whatever the listener's limit: 1 KiB.
pub const MAX_CONTROL_PAYLOAD_LEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 64 * 1024;

    fn parse(hex: &str) -> Result<FrameHeader, FrameError> {
        let bytes: Vec<u8> = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        FrameHeader::from_bytes(bytes.as_slice().try_into().unwrap(), MAX)
    }

    #[test]
    fn reads_the_drawn_layout() {
        let header = parse("00 01 00 00 01 02 00 00 01 02 03 04 05 06 07 08").unwrap();
        let expected =
            FrameHeader { kind: FrameKind::Response, payload_len: 0x1_0000, request_id: 0x0102_0304_0506_0708 };
        assert_eq!(header, expected);
        assert_eq!(FrameHeader::from_bytes(&header.to_bytes(), MAX).unwrap(), header);
    }

    #[test]
    fn names_each_rule_that_is_broken() {
        use FrameError::{NonZeroFlags, PayloadTooLong, UnknownKind, UnsupportedVersion, ZeroRequestId};
        let too_long = |kind, len, max| PayloadTooLong { kind, len, max };
        for (hex, expected) in [
            ("00 00 00 00 02 01 00 00 00 00 00 00 00 00 00 01", UnsupportedVersion { version: 2 }),
            ("00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 01", UnsupportedVersion { version: 0 }),
            // Another version may give its other fields another meaning: nothing else is judged.
            ("ff ff ff ff 02 99 ff ff 00 00 00 00 00 00 00 00", UnsupportedVersion { version: 2 }),
            ("00 00 00 00 01 01 00 01 00 00 00 00 00 00 00 01", NonZeroFlags { flags: 1 }),
            ("00 00 00 00 01 01 80 00 00 00 00 00 00 00 00 01", NonZeroFlags { flags: 0x8000 }),
            ("00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 01", UnknownKind { kind: 0 }),
            ("00 00 00 00 01 08 00 00 00 00 00 00 00 00 00 01", UnknownKind { kind: 8 }),
            ("00 00 00 00 01 01 00 00 00 00 00 00 00 00 00 00", ZeroRequestId { kind: FrameKind::Request }),
            ("00 01 00 01 01 01 00 00 00 00 00 00 00 00 00 01", too_long(FrameKind::Request, 0x1_0001, MAX)),
            ("ff ff ff ff 01 02 00 00 00 00 00 00 00 00 00 01", too_long(FrameKind::Response, 0xffff_ffff, MAX)),
            ("00 00 04 01 01 03 00 00 00 00 00 00 00 00 00 01", too_long(FrameKind::Error, 0x401, 0x400)),
            ("00 00 00 01 01 04 00 00 00 00 00 00 00 00 00 01", too_long(FrameKind::Cancel, 1, 0)),
            ("00 00 00 01 01 05 00 00 00 00 00 00 00 00 00 00", too_long(FrameKind::Ping, 1, 0)),
        ] {
            assert_eq!(parse(hex), Err(expected), "{hex}");
        }
    }

    #[test]
    fn reads_a_goaway_of_another_version() {
        for version in ["00", "02", "ff"] {
            let header = parse(&format!("00 00 00 10 {version} 07 00 00 00 00 00 00 00 00 00 00")).unwrap();
            assert_eq!(header.kind, FrameKind::GoAway);
        }
    }
}
