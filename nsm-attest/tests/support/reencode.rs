//! One CBOR item in any of its encodings (RFC 8949 §3): heads of every width, definite and indefinite, strings in chunks.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests")]

use ciborium::Value;

/// Encodes `value`, asking `choices` for a number wherever there is a choice. Zeros choose the preferred encoding.
pub fn reencode(value: &Value, choices: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer { choices, bytes: &mut bytes }.item(value);
    bytes
}

struct Writer<'a, I> {
    choices: &'a mut I,
    bytes: &'a mut Vec<u8>,
}

impl<I: Iterator<Item = u8>> Writer<'_, I> {
    fn item(&mut self, value: &Value) {
        match value {
            Value::Integer(number) => match u64::try_from(*number) {
                Ok(number) => self.head(UNSIGNED, number),
                Err(_) => self.head(NEGATIVE, u64::try_from(-1 - i128::from(*number)).unwrap()),
            },
            Value::Bytes(bytes) => self.string(BYTES, bytes, |_| true),
            Value::Text(text) => self.string(TEXT, text.as_bytes(), |at| text.is_char_boundary(at)),
            Value::Array(items) => {
                self.container(ARRAY, items.len(), |writer| items.iter().for_each(|item| writer.item(item)))
            }
            Value::Map(entries) => self.container(MAP, entries.len(), |writer| {
                for (key, value) in entries {
                    writer.item(key);
                    writer.item(value);
                }
            }),
            Value::Tag(tag, value) => {
                self.head(TAG, *tag);
                self.item(value);
            }
            other => ciborium::into_writer(other, &mut *self.bytes).unwrap(),
        }
    }

    fn container(&mut self, major: u8, len: usize, content: impl FnOnce(&mut Self)) {
        let indefinite = self.choose(2) == 1;
        if indefinite {
            self.bytes.push(major << 5 | INDEFINITE);
        } else {
            self.head(major, len as u64);
        }
        content(self);
        if indefinite {
            self.bytes.push(BREAK);
        }
    }

    /// In one piece, or in up to three chunks, which may be empty.
    fn string(&mut self, major: u8, bytes: &[u8], may_split: impl Fn(usize) -> bool) {
        let chunks = match self.choose(4) {
            0 | 1 => {
                self.head(major, bytes.len() as u64);
                self.bytes.extend(bytes);
                return;
            }
            more => more,
        };
        self.bytes.push(major << 5 | INDEFINITE);
        let mut from = 0;
        for chunk in 0..=chunks {
            let wanted = from + usize::from(self.choose(40));
            let to = if chunk == chunks { bytes.len() } else { wanted.min(bytes.len()) };
            let to = (from..=to).rev().find(|at| may_split(*at)).unwrap();
            self.head(major, (to - from) as u64);
            self.bytes.extend(&bytes[from..to]);
            from = to;
        }
        self.bytes.push(BREAK);
    }

    /// With an argument of 0 (within the head), 1, 2, 4 or 8 bytes, if it fits.
    fn head(&mut self, major: u8, argument: u64) {
        let narrowest = match argument {
            0..=23 => 0,
            24..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 3,
            _ => 4,
        };
        let width = narrowest + self.choose(5 - narrowest);
        let all = argument.to_be_bytes();
        match width {
            0 => self.bytes.push(major << 5 | all[7]),
            _ => {
                self.bytes.push(major << 5 | (23 + width));
                self.bytes.extend(&all[8 - (1 << (width - 1))..]);
            }
        }
    }

    fn choose(&mut self, options: u8) -> u8 {
        self.choices.next().unwrap_or(0) % options
    }
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;
