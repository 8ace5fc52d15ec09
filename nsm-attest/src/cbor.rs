//! The one place where this crate reads CBOR (RFC 8949) of documents and user data, which may be anybody's. (Elsewhere
//! `sim::Authority` reads what it stored itself, and AWS's driver the device's answers.)
//!
//! [`Reader::skip_item`] walks the bytes without allocating and refuses whatever exceeds the limits; only then does
//! `serde_cbor` see them, so that swapping that library changes no limit. [`Item`] keeps duplicate keys, which maps
//! would hide.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::Malformed;

/// Decodes the one item that `bytes` consist of.
pub(crate) fn decode(bytes: &[u8]) -> Result<Item, Malformed> {
    let mut reader = Reader::new(bytes);
    reader.skip_item()?;
    reader.finish()?;
    serde_cbor::from_slice(bytes).map_err(|error| Malformed::NotCbor { offset: to_usize(error.offset()) })
}

/// A CBOR item, as far as documents use CBOR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Unsigned(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    /// In the order of the encoding, duplicates included.
    Map(Vec<(Item, Item)>),
    Null,
    /// A negative number or a Boolean: well-formed, but nothing a document has.
    Other,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CBOR item")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Item, E> {
        Ok(Item::Unsigned(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Null)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Item, E> {
        Ok(Item::Bytes(bytes.to_vec()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(text.to_owned()))
    }

    // A definite number of elements is a true one: the walk before has met them all.
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Item, A::Error> {
        let mut items = Vec::with_capacity(access.size_hint().unwrap_or(0).min(MAX_ITEMS));
        while let Some(item) = access.next_element()? {
            items.push(item);
            if items.len() > MAX_ITEMS {
                return Err(A::Error::custom("too many items"));
            }
        }
        Ok(Item::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Item, A::Error> {
        let mut entries = Vec::with_capacity(access.size_hint().unwrap_or(0).min(MAX_ITEMS));
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
            if entries.len() > MAX_ITEMS {
                return Err(A::Error::custom("too many items"));
            }
        }
        Ok(Item::Map(entries))
    }
}

/// Walks over CBOR without allocating and without trusting any length in it.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    items: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, items: 0 }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    /// The next item's head.
    pub(crate) fn head(&mut self) -> Result<Head, Malformed> {
        let start = self.offset;
        let initial = self.take(1, start)?[0];
        let (major, short) = (initial >> 5, initial & 0x1f);
        let argument = match short {
            0..=23 => Argument::Value { value: short.into(), minimal: true },
            24..=27 => {
                let width = 1 << (short - 24);
                let value = self.take(width, start)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
                // What fits into half the width, or into the head itself, has a shorter form.
                let minimal = if width == 1 { value > 23 } else { value >> (width * 4) != 0 };
                Argument::Value { value, minimal }
            }
            31 => Argument::Indefinite,
            _ => return Err(Malformed::NotCbor { offset: start }),
        };
        Ok(Head { offset: start, major, argument })
    }

    /// A string's bytes, given the length in its head.
    pub(crate) fn string(&mut self, head: &Head, len: u64) -> Result<&'a [u8], Malformed> {
        self.take(to_usize(len), head.offset)
    }

    /// Steps over one item within the limits on depth and number.
    pub(crate) fn skip_item(&mut self) -> Result<(), Malformed> {
        self.skip_nested(0)
    }

    /// Ends the walk.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            count => Err(Malformed::TrailingBytes { count }),
        }
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), Malformed> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(Malformed::TooManyItems { max: MAX_ITEMS });
        }
        let head = self.head()?;
        match (head.major, head.argument) {
            (UNSIGNED | NEGATIVE, Argument::Value { .. }) => Ok(()),
            (BYTES | TEXT, Argument::Value { value, .. }) => self.string(&head, value).map(drop),
            (BYTES | TEXT, Argument::Indefinite) => self.skip_chunks(head.major),
            (ARRAY, argument) => self.skip_elements(argument, 1, depth),
            (MAP, argument) => self.skip_elements(argument, 2, depth),
            (TAG, Argument::Value { value, .. }) => Err(Malformed::UnexpectedTag { tag: value }),
            // False, true and null, in their one-byte form.
            (SIMPLE, Argument::Value { value: 20..=22, minimal: true }) if self.offset == head.offset + 1 => Ok(()),
            _ => Err(Malformed::NotCbor { offset: head.offset }),
        }
    }

    fn skip_elements(&mut self, count: Argument, width: u64, depth: usize) -> Result<(), Malformed> {
        if depth == MAX_DEPTH {
            return Err(Malformed::TooDeep { max: MAX_DEPTH });
        }
        match count {
            Argument::Value { value, .. } => {
                // An absurd count ends at the first limit or at the end of the bytes, whichever comes first.
                for _ in 0..value.saturating_mul(width) {
                    self.skip_nested(depth + 1)?;
                }
            }
            Argument::Indefinite => {
                while !self.take_break() {
                    for _ in 0..width {
                        self.skip_nested(depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The chunks of a string of indefinite length: definite strings of the same type.
    fn skip_chunks(&mut self, major: u8) -> Result<(), Malformed> {
        while !self.take_break() {
            let chunk = self.head()?;
            match chunk.argument {
                Argument::Value { value, .. } if chunk.major == major => {
                    let bytes = self.string(&chunk, value)?;
                    // Each chunk is a text of its own (RFC 8949 §3.2.3), so none ends within a character.
                    if major == TEXT && str::from_utf8(bytes).is_err() {
                        return Err(Malformed::NotCbor { offset: chunk.offset });
                    }
                }
                _ => return Err(Malformed::NotCbor { offset: chunk.offset }),
            }
        }
        Ok(())
    }

    fn take_break(&mut self) -> bool {
        let is_break = self.bytes.get(self.offset) == Some(&BREAK);
        self.offset += usize::from(is_break);
        is_break
    }

    /// The next `len` bytes; if there are not so many, the item that began at `start` is cut off.
    fn take(&mut self, len: usize, start: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.bytes[self.offset..].get(..len).ok_or(Malformed::Truncated { offset: start })?;
        self.offset += len;
        Ok(taken)
    }
}

/// What an item begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) offset: usize,
    pub(crate) major: u8,
    pub(crate) argument: Argument,
}

/// The number in a head: a value, a length or a count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Value { value: u64, minimal: bool },
    Indefinite,
}

/// Saturating: where `usize` is narrower, no slice is as long as the true value either.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const TAG: u8 = 6;
pub(crate) const SIMPLE: u8 = 7;

const BREAK: u8 = 0xff;
/// A document nests two: its map, and in it the registers or the certificates.
pub(crate) const MAX_DEPTH: usize = 3;
/// A document has at most nine fields, 32 registers and a few certificates.
pub(crate) const MAX_ITEMS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definite_and_indefinite_forms_mean_the_same() {
        let definite = decode(b"\xa1\x61a\x82\x01\x42xy").unwrap();
        let indefinite = decode(b"\xbf\x7f\x61a\xff\x9f\x01\x5f\x41x\x41y\xff\xff\xff").unwrap();
        assert_eq!(definite, indefinite);
    }

    #[test]
    fn duplicates_are_kept() {
        let entry = (Item::Unsigned(1), Item::Null);
        assert_eq!(decode(b"\xa2\x01\xf6\x01\xf6"), Ok(Item::Map(vec![entry.clone(), entry])));
    }

    #[test]
    fn claimed_lengths_reserve_nothing() {
        for bytes in [
            &b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"\x7a\xff\xff\xff\xffabc",
            b"\x19\x01",
            b"",
            b"\x9f",
        ] {
            assert!(matches!(decode(bytes), Err(Malformed::Truncated { .. })), "{bytes:02x?}");
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(decode(&[0x81; 100]), Err(Malformed::TooDeep { max: MAX_DEPTH }));
        assert_eq!(decode(&[0x9f; 100_000]), Err(Malformed::TooDeep { max: MAX_DEPTH }));
        let long = [&[0x99, 0x03, 0xe8][..], &[0; 1000]].concat();
        assert_eq!(decode(&long), Err(Malformed::TooManyItems { max: MAX_ITEMS }));
        assert_eq!(decode(b"\x00\x00"), Err(Malformed::TrailingBytes { count: 1 }));
    }

    #[test]
    fn what_documents_do_not_use_is_refused() {
        for bytes in [
            &b"\x1c"[..],                // reserved additional information
            b"\x1f",                     // indefinite integer
            b"\x5f\x61a\xff",            // text chunk in a byte string
            b"\x5f\x5f\xff\xff",         // nested chunks
            b"\x61\xff",                 // text that is not UTF-8
            b"\x7f\x61\xc3\x61\xa9\xff", // chunks that part a character
            b"\xa1\x01\xff",             // break inside a definite map
            b"\xbf\x01\xff",             // key without value
            b"\xf7",                     // undefined
            b"\xf8\x14",                 // false in two bytes
            b"\xf9\x00\x00",             // half-precision float
            b"\xfb\0\0\0\0\0\0\0\0",     // double-precision float
            b"\xff",                     // stray break
        ] {
            assert!(matches!(decode(bytes), Err(Malformed::NotCbor { .. })), "{bytes:02x?} {:?}", decode(bytes));
        }
        assert_eq!(decode(b"\xc0\x00"), Err(Malformed::UnexpectedTag { tag: 0 }));
    }

    #[test]
    fn minimal_forms_are_recognised() {
        let minimal = |bytes: &[u8]| match Reader::new(bytes).head().unwrap().argument {
            Argument::Value { minimal, .. } => minimal,
            Argument::Indefinite => unreachable!("not tested here"),
        };
        assert!(minimal(b"\x17") && minimal(b"\x18\x18") && minimal(b"\x19\x01\x00"));
        assert!(minimal(b"\x1a\x00\x01\x00\x00") && minimal(b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00"));
        assert!(!minimal(b"\x18\x17") && !minimal(b"\x19\x00\xff") && !minimal(b"\x1a\x00\x00\xff\xff"));
        assert!(!minimal(b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff"));
    }
}
