//! Payloads written down with names in place of what is different each time: certificates, registers, a nonce.
//!
//! A template is CBOR, and a byte string in it that reads as one of the names stands for that name's bytes. A name may
//! be followed by a zero and by edits of three bytes each: a position in big-endian, modulo the length, and what is
//! XORed to the byte there.

use std::collections::BTreeMap;

use ciborium::Value;

/// What the names stand for.
pub type Names = BTreeMap<&'static str, Vec<u8>>;

/// Puts the real bytes in place of the names.
pub fn substitute(value: &mut Value, names: &Names) {
    match value {
        Value::Bytes(bytes) => {
            if let Some(real) = lookup(bytes, names) {
                *bytes = real;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| substitute(item, names)),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            substitute(key, names);
            substitute(value, names);
        }),
        Value::Tag(_, inner) => substitute(inner, names),
        _ => {}
    }
}

fn lookup(bytes: &[u8], names: &Names) -> Option<Vec<u8>> {
    let (name, edits) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    let mut real = names.get(std::str::from_utf8(name).ok()?)?.clone();
    for edit in edits.as_chunks::<3>().0 {
        let position = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % real.len();
        real[position] ^= edit[2];
    }
    Some(real)
}

/// One of the spellings that CBOR has for the same items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Definite lengths, shortest heads.
    Plain,
    /// The outermost map of indefinite length, as in real documents since 2025.
    OpenMap,
    /// Everything of indefinite length that can be.
    Open,
    /// Every head in its longest form.
    Wide,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::OpenMap, Self::Open, Self::Wide];

    /// Encodes an item.
    #[must_use]
    pub fn encode(self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        self.item(value, true, &mut out);
        out
    }

    fn item(self, value: &Value, is_outermost: bool, out: &mut Vec<u8>) {
        let is_open = self == Self::Open || (self == Self::OpenMap && is_outermost);
        match value {
            Value::Map(entries) => self.container(MAP, entries.len(), is_open, out, |out| {
                for (key, value) in entries {
                    self.item(key, false, out);
                    self.item(value, false, out);
                }
            }),
            Value::Array(items) => self.container(ARRAY, items.len(), is_open, out, |out| {
                items.iter().for_each(|item| self.item(item, false, out));
            }),
            Value::Bytes(bytes) => self.string(BYTES, bytes.split_at(bytes.len() / 2), is_open, out),
            Value::Text(text) => {
                let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                let (left, right) = text.split_at(middle);
                self.string(TEXT, (left.as_bytes(), right.as_bytes()), is_open, out);
            }
            Value::Tag(tag, inner) => {
                self.head(TAG, *tag, out);
                self.item(inner, false, out);
            }
            Value::Integer(integer) if u64::try_from(*integer).is_ok() => {
                self.head(UNSIGNED, u64::try_from(*integer).unwrap_or(0), out);
            }
            other => ciborium::into_writer(other, out).expect("writing to memory does not fail"),
        }
    }

    fn container(self, major: u8, len: usize, is_open: bool, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
        if is_open {
            out.push(major << 5 | INDEFINITE);
            content(out);
            out.push(BREAK);
        } else {
            self.head(major, len as u64, out);
            content(out);
        }
    }

    fn string(self, major: u8, (left, right): (&[u8], &[u8]), is_open: bool, out: &mut Vec<u8>) {
        if is_open {
            self.container(major, 2, true, out, |out| {
                self.string(major, (left, &[]), false, out);
                self.string(major, (right, &[]), false, out);
            });
        } else {
            self.head(major, (left.len() + right.len()) as u64, out);
            out.extend([left, right].concat());
        }
    }

    fn head(self, major: u8, argument: u64, out: &mut Vec<u8>) {
        let bytes = argument.to_be_bytes();
        let (short, width) = match argument {
            _ if self == Self::Wide => (27, 8),
            0..24 => return out.push(major << 5 | bytes[7]),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        out.push(major << 5 | short);
        out.extend(&bytes[8 - width..]);
    }
}

/// Applies edits of four bytes each: what to do, where (in big-endian, modulo the length), with which byte.
pub fn edit(bytes: &mut Vec<u8>, edits: &[u8]) {
    for edit in edits.as_chunks::<4>().0.iter().take(MAX_EDITS) {
        let position = usize::from(u16::from_be_bytes([edit[1], edit[2]])) % bytes.len().max(1);
        match (edit[0] % 4, bytes.get_mut(position)) {
            (0, Some(byte)) => *byte ^= edit[3],
            (1, Some(byte)) => *byte = edit[3],
            (2, Some(_)) => drop(bytes.remove(position)),
            _ => bytes.insert(position, edit[3]),
        }
    }
}

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;
const MAX_EDITS: usize = 16;
