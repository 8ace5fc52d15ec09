//! CBOR in and out: the only module that calls `serde_cbor`.
//!
//! `serde_cbor` is unmaintained, so nothing reaches it unseen: [`decode`] first walks the bytes, without recursion
//! and without allocating, and refuses what is too deep, malformed, tagged, or followed by anything.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::method::MAX_METHOD_NAME_LEN;
use crate::remote_error::bounded;
use crate::spare;

/// Decodes exactly one item.
///
/// The caller has bounded the length of `bytes` already: they are a frame's payload.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CborError> {
    let rest = Walker { rest: bytes, total: bytes.len() }.skip_item()?;
    if !rest.is_empty() {
        return Err(CborError::TrailingBytes { len: rest.len() });
    }
    serde_cbor::from_slice(bytes).map_err(|error| mismatch(&error))
}

/// Encodes into at most `max_len` bytes.
pub(crate) fn encode<T: Serialize>(value: &T, max_len: usize) -> Result<Vec<u8>, CborError> {
    let mut out = BoundedWriter { bytes: spare::buffer(0), max_len };
    out.serialize(value)?;
    // It may wait long for its peer. What a short one has to spare is not worth a move.
    if out.bytes.capacity() - out.bytes.len() > spare::MAX_CAPACITY {
        out.bytes.shrink_to_fit();
    }
    Ok(out.bytes)
}

/// Encodes a Request's payload; the name of a method is a short text.
pub(crate) fn encode_request<T: Serialize>(
    method: &str,
    body: &T,
    max_len: usize,
) -> Result<EncodedRequest, CborError> {
    let mut out = BoundedWriter { bytes: spare::buffer(0), max_len };
    out.push(&[ARRAY_OF_3])?;
    out.push_short_text(method)?;
    let deadline_at = out.bytes.len() + 1;
    out.push(&[UNSIGNED_64, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.serialize(body)?;
    Ok(EncodedRequest { payload: out.bytes, deadline_at })
}

/// A Request's payload whose deadline is filled in last, when it is sent.
#[derive(Clone, Debug)]
pub(crate) struct EncodedRequest {
    payload: Vec<u8>,
    deadline_at: usize,
}

impl EncodedRequest {
    pub(crate) fn set_deadline_ms(&mut self, deadline_ms: u64) {
        self.payload[self.deadline_at..][..8].copy_from_slice(&deadline_ms.to_be_bytes());
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(crate) fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

/// A Request's payload, taken apart; the body is not looked at yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestParts<'a> {
    pub(crate) method: &'a str,
    pub(crate) deadline_ms: u64,
    pub(crate) body: &'a [u8],
}

/// Splits a Request's payload: an array of exactly three, a text and an unsigned number before the body.
pub(crate) fn split_request(payload: &[u8]) -> Result<RequestParts<'_>, CborError> {
    let mut walker = Walker { rest: payload, total: payload.len() };
    if walker.head()? != (Head { major: MAJOR_ARRAY, value: Some(3) }) {
        return Err(CborError::NotARequest { expected: "an array of three" });
    }
    let method = match walker.head()? {
        Head { major: MAJOR_TEXT, value: Some(len) } if len <= MAX_METHOD_NAME_LEN as u64 => walker.take(len)?,
        _ => return Err(CborError::NotARequest { expected: "a method name of at most 64 bytes" }),
    };
    let method = std::str::from_utf8(method).map_err(|_| CborError::Malformed { offset: walker.offset() })?;
    let Head { major: MAJOR_UNSIGNED, value: Some(deadline_ms) } = walker.head()? else {
        return Err(CborError::NotARequest { expected: "a deadline in milliseconds" });
    };
    Ok(RequestParts { method, deadline_ms, body: walker.rest })
}

/// Why bytes are not the CBOR expected, or a value did not become CBOR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborError {
    /// The bytes are not well-formed CBOR.
    #[error("malformed CBOR at byte {offset}")]
    Malformed {
        /// Where.
        offset: usize,
    },
    /// The bytes are CBOR but not the type expected, or the value has no CBOR form; the text says how.
    #[error("{0}")]
    Mismatch(String),
    /// A Request's payload does not have its form.
    #[error("a request's payload holds {expected} here")]
    NotARequest {
        /// What was expected.
        expected: &'static str,
    },
    /// Tags have no meaning in this protocol.
    #[error("a CBOR tag at byte {offset}")]
    Tagged {
        /// Where.
        offset: usize,
    },
    /// Arrays and maps are nested too deeply.
    #[error("CBOR nested deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The encoding does not fit.
    #[error("the encoding has more than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// More bytes follow the item.
    #[error("{len} bytes follow the CBOR item")]
    TrailingBytes {
        /// How many.
        len: usize,
    },
}

/// The text may quote the peer.
fn mismatch(error: &serde_cbor::Error) -> CborError {
    CborError::Mismatch(bounded(error.to_string().into(), MAX_MISMATCH_LEN).into_owned())
}

/// Reads heads of items from the front of a slice.
struct Walker<'a> {
    rest: &'a [u8],
    total: usize,
}

/// The major type of an item and its number: a value, a length, a count, or `None` for an indefinite length.
#[derive(PartialEq, Eq)]
struct Head {
    major: u8,
    value: Option<u64>,
}

/// How many items an open array or map still has.
#[derive(Clone, Copy)]
enum Open {
    Items(u64),
    Array,
    /// An indefinite map, and whether its next item is a value.
    Map {
        at_value: bool,
    },
}

impl<'a> Walker<'a> {
    /// Walks over one item and returns what follows it.
    fn skip_item(mut self) -> Result<&'a [u8], CborError> {
        match self.skip_head(None)? {
            Step::Opened(level) => self.skip_levels(level),
            Step::Closed | Step::Skipped => Ok(self.rest),
        }
    }

    /// Walks out of an array or map that was just opened.
    fn skip_levels(mut self, outermost: Open) -> Result<&'a [u8], CborError> {
        let mut open = [outermost; MAX_DEPTH];
        let mut depth = 1_usize;
        loop {
            // Levels that are full close without a byte of their own.
            while depth > 0 && matches!(open[depth - 1], Open::Items(0)) {
                depth -= 1;
            }
            if depth == 0 {
                return Ok(self.rest);
            }
            match self.skip_head(Some(&mut open[depth - 1]))? {
                Step::Opened(level) => {
                    *open.get_mut(depth).ok_or(CborError::TooDeep { max: MAX_DEPTH })? = level;
                    depth += 1;
                }
                Step::Skipped => {}
                Step::Closed => depth -= 1,
            }
        }
    }

    /// Walks over a scalar, or into an array or map; `parent` is the level it belongs to.
    fn skip_head(&mut self, parent: Option<&mut Open>) -> Result<Step, CborError> {
        let offset = self.offset();
        if self.rest.first() == Some(&BREAK) {
            self.rest = &self.rest[1..];
            return match parent {
                Some(Open::Array | Open::Map { at_value: false }) => Ok(Step::Closed),
                _ => Err(CborError::Malformed { offset }),
            };
        }
        match parent {
            Some(Open::Items(left)) => *left -= 1,
            Some(Open::Map { at_value }) => *at_value = !*at_value,
            Some(Open::Array) | None => {}
        }
        let head = self.head()?;
        Ok(match (head.major, head.value) {
            (MAJOR_UNSIGNED | MAJOR_NEGATIVE | MAJOR_SIMPLE, Some(_)) => Step::Skipped,
            (MAJOR_BYTES | MAJOR_TEXT, Some(len)) => {
                self.take(len)?;
                Step::Skipped
            }
            (major @ (MAJOR_BYTES | MAJOR_TEXT), None) => {
                self.skip_chunks(major)?;
                Step::Skipped
            }
            (MAJOR_ARRAY, Some(count)) => Step::Opened(Open::Items(self.plausible(count, offset)?)),
            (MAJOR_ARRAY, None) => Step::Opened(Open::Array),
            (MAJOR_MAP, Some(count)) => Step::Opened(Open::Items(self.plausible(count, offset)? * 2)),
            (MAJOR_MAP, None) => Step::Opened(Open::Map { at_value: false }),
            (MAJOR_TAG, _) => return Err(CborError::Tagged { offset }),
            _ => return Err(CborError::Malformed { offset }),
        })
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let offset = self.offset();
        let (&first, rest) = self.rest.split_first().ok_or(CborError::Malformed { offset })?;
        self.rest = rest;
        let (major, info) = (first >> 5, first & 0x1f);
        let value = match info {
            0..=23 => Some(u64::from(info)),
            24 => Some(self.number::<1>()?),
            25 => Some(self.number::<2>()?),
            26 => Some(self.number::<4>()?),
            27 => Some(self.number::<8>()?),
            31 => None,
            _ => return Err(CborError::Malformed { offset }),
        };
        Ok(Head { major, value })
    }

    fn number<const N: usize>(&mut self) -> Result<u64, CborError> {
        let bytes = self.take(N as u64)?;
        let mut number = [0; 8];
        number[8 - N..].copy_from_slice(bytes);
        Ok(u64::from_be_bytes(number))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], CborError> {
        let offset = self.offset();
        let len = usize::try_from(len).map_err(|_| CborError::Malformed { offset })?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CborError::Malformed { offset })?;
        self.rest = rest;
        Ok(taken)
    }

    /// An indefinite string: definite chunks of the same type, then a break.
    fn skip_chunks(&mut self, major: u8) -> Result<(), CborError> {
        while self.rest.first() != Some(&BREAK) {
            let offset = self.offset();
            match self.head()? {
                Head { major: chunk, value: Some(len) } if chunk == major => self.take(len)?,
                _ => return Err(CborError::Malformed { offset }),
            };
        }
        self.rest = &self.rest[1..];
        Ok(())
    }

    /// A count that the remaining bytes can hold: each item has at least one.
    fn plausible(&self, count: u64, offset: usize) -> Result<u64, CborError> {
        if count <= self.rest.len() as u64 { Ok(count) } else { Err(CborError::Malformed { offset }) }
    }

    fn offset(&self) -> usize {
        self.total - self.rest.len()
    }
}

enum Step {
    Closed,
    Opened(Open),
    Skipped,
}

/// Fails instead of growing past its limit.
struct BoundedWriter {
    bytes: Vec<u8>,
    max_len: usize,
}

impl BoundedWriter {
    fn serialize<T: Serialize>(&mut self, value: &T) -> Result<(), CborError> {
        let max = self.max_len;
        serde_cbor::to_writer(self, value)
            .map_err(|error| if error.is_io() { CborError::TooLong { max } } else { mismatch(&error) })
    }

    /// A text of fewer than 256 bytes.
    #[inline]
    fn push_short_text(&mut self, text: &str) -> Result<(), CborError> {
        match u8::try_from(text.len()) {
            Ok(len @ 0..=23) => self.push(&[MAJOR_TEXT << 5 | len])?,
            Ok(len) => self.push(&[MAJOR_TEXT << 5 | 24, len])?,
            Err(_) => return Err(CborError::TooLong { max: usize::from(u8::MAX) }),
        }
        self.push(text.as_bytes())
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) -> Result<(), CborError> {
        if bytes.len() > self.max_len - self.bytes.len() {
            return Err(CborError::TooLong { max: self.max_len });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl io::Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes).map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MAJOR_UNSIGNED: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_BYTES: u8 = 2;
const MAJOR_TEXT: u8 = 3;
const MAJOR_ARRAY: u8 = 4;
const MAJOR_MAP: u8 = 5;
const MAJOR_TAG: u8 = 6;
const MAJOR_SIMPLE: u8 = 7;
const ARRAY_OF_3: u8 = 0x83;
const UNSIGNED_64: u8 = 0x1b;
const BREAK: u8 = 0xff;
/// Well below `serde_cbor`'s own limit of 128, which bounds its recursion.
const MAX_DEPTH: usize = 32;
const MAX_MISMATCH_LEN: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_cbor::Value;

    use super::*;

    fn skip(bytes: &[u8]) -> Result<usize, CborError> {
        Walker { rest: bytes, total: bytes.len() }.skip_item().map(<[u8]>::len)
    }

    #[test]
    fn walks_over_every_kind_of_item() {
        for item in [
            &b"\x00"[..],
            b"\x18\xff",
            b"\x1b\0\0\0\0\0\0\0\x01",
            b"\x20",
            b"\x43abc",
            b"\x63abc",
            b"\x5f\x41a\x42bc\xff",
            b"\x7f\x61a\xff",
            b"\x5f\xff",
            b"\x80",
            b"\x82\x01\x82\x02\x03",
            b"\x9f\x01\x9f\xff\xff",
            b"\xa0",
            b"\xa1\x01\x81\x02",
            b"\xbf\x01\x02\xff",
            b"\xf5",
            b"\xf6",
            b"\xfb\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(skip(item), Ok(0), "{item:02x?}");
            let mut followed = item.to_vec();
            followed.push(0);
            assert_eq!(skip(&followed), Ok(1), "{item:02x?}");
            for end in 0..item.len() {
                assert!(matches!(skip(&item[..end]), Err(CborError::Malformed { .. })), "{item:02x?} cut at {end}");
            }
        }
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        for item in [
            &b"\xff"[..],
            b"\x1c",
            b"\x1f",
            b"\x3f",
            b"\x81\xff",
            b"\xa1\x01\xff",
            b"\xbf\x01\xff",
            b"\x5f\x61a\xff",
            b"\x5f\x5f\xff\xff",
            b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbb\x80\0\0\0\0\0\0\0",
            b"\x9a\xff\xff\xff\xff\0\0\0",
        ] {
            assert!(matches!(skip(item), Err(CborError::Malformed { .. })), "{item:02x?}");
        }
        assert_eq!(skip(b"\x81\xc0\x01"), Err(CborError::Tagged { offset: 1 }));
    }

    #[test]
    fn depth_is_limited_and_long_is_not_deep() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert_eq!(skip(&nested(MAX_DEPTH)), Ok(0));
        assert_eq!(skip(&nested(MAX_DEPTH + 1)), Err(CborError::TooDeep { max: MAX_DEPTH }));
        assert_eq!(skip(&vec![0x9f; 1 << 20]), Err(CborError::TooDeep { max: MAX_DEPTH }));
        let long = [vec![0x9f], vec![0x80; 1 << 16], vec![0xff]].concat();
        assert_eq!(skip(&long), Ok(0));
    }

    #[test]
    fn trailing_bytes_and_other_types_are_refused() {
        assert_eq!(decode::<u8>(b"\x01\x02"), Err(CborError::TrailingBytes { len: 1 }));
        assert!(matches!(decode::<u8>(b"\x61a"), Err(CborError::Mismatch(_))));
        assert!(matches!(decode::<u8>(b"\x19\x01\x00"), Err(CborError::Mismatch(_))));
    }

    #[test]
    fn an_error_that_quotes_the_peer_is_short_and_harmless() {
        #[derive(Debug, serde::Deserialize)]
        enum Empty {}
        let hostile = serde_cbor::to_vec(&"\u{1b}[2J\n".repeat(10_000)).unwrap();
        let Err(CborError::Mismatch(text)) = decode::<Empty>(&hostile) else { panic!("no variant fits") };
        assert!(text.len() <= MAX_MISMATCH_LEN && !text.contains(char::is_control), "{text:?}");
    }

    #[test]
    fn encoding_stops_at_the_limit() {
        assert_eq!(encode(&"abc", 4).unwrap(), &b"\x63abc"[..]);
        assert_eq!(encode(&"abcd", 4), Err(CborError::TooLong { max: 4 }));
        assert_eq!(encode_request("m", &(), 11).unwrap_err(), CborError::TooLong { max: 11 });
    }

    #[test]
    fn a_request_comes_apart_as_it_was_put_together() {
        let mut request = encode_request("sign", &7_u8, 100).unwrap();
        request.set_deadline_ms(250);
        let parts = RequestParts { method: "sign", deadline_ms: 250, body: &[7] };
        assert_eq!(split_request(request.payload()).unwrap(), parts);
        assert_eq!(decode::<(String, u64, u8)>(request.payload()).unwrap(), ("sign".to_owned(), 250, 7));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|n| Value::Integer(n.into())),
            any::<u32>().prop_map(|n| Value::Float(n.into())),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            ".{0,20}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((any::<i64>(), inner), 0..6).prop_map(|entries| {
                    let entries = entries.into_iter().map(|(key, value)| (Value::Integer(key.into()), value));
                    Value::Map(entries.collect::<BTreeMap<_, _>>())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_alike_and_no_prefix_does(value in any_value(), cut in any::<prop::sample::Index>()) {
            let bytes = encode(&value, 1 << 20).unwrap();
            prop_assert_eq!(decode::<Value>(&bytes).unwrap(), value);
            prop_assert!(decode::<Value>(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn no_bytes_panic_and_serde_cbor_agrees_on_what_is_well_formed(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = split_request(&bytes);
            if skip(&bytes) == Err(CborError::Malformed { offset: bytes.len() }) {
                prop_assert!(serde_cbor::from_slice::<Value>(&bytes).is_err());
            }
            let _ = decode::<Value>(&bytes);
        }
    }
}
