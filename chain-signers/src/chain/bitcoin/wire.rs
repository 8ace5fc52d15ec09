//! The bytes of PSBTs and transactions, read before anything is reserved for them: lengths, counts, keys.

use std::collections::BTreeSet;

use crate::{DecodeError, error::too_long};

/// Which fields a PSBT may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// What a signer is given.
    Unsigned,
    /// What a finalizer leaves.
    Final,
}

/// Walks a PSBT from end to end: afterwards every length is within the bytes, every count within its limit, and every key
/// of a known type, of that type's length, and there once.
pub(super) fn scan_psbt(bytes: &[u8], stage: Stage) -> Result<(), DecodeError> {
    within("the PSBT", "bytes", bytes.len(), MAX_PSBT_LEN)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("it does not start with psbt and 0xff"))?;
    let mut reader = Reader { rest };
    let mut counts = None;
    reader.map("the global map", |kind, key, value| match (kind, key.len()) {
        (0x00, 0) => {
            counts = Some(Reader { rest: value }.unsigned_transaction()?);
            Ok(())
        }
        (0x01, XPUB_LEN) => Ok(()),
        (0xfb, 0) => Err(unsupported("a PSBT version other than 0, or 0 said outright", "the global map", kind)),
        _ => Err(unsupported("an unknown or malformed field", "the global map", kind)),
    })?;
    let (inputs, outputs) = counts.ok_or_else(|| DecodeError::Missing { field: "the unsigned transaction".into() })?;
    for index in 0..inputs {
        let place = format!("input {index}");
        reader.map(&place, |kind, key, value| input_field(stage, &place, kind, key, value))?;
    }
    for index in 0..outputs {
        let place = format!("output {index}");
        reader.map(&place, |kind, key, _| output_field(&place, kind, key))?;
    }
    reader.end()
}

/// Walks a transaction in the network's encoding.
pub(super) fn scan_transaction(bytes: &[u8]) -> Result<(), DecodeError> {
    Reader { rest: bytes }.transaction()
}

fn input_field(stage: Stage, place: &str, kind: u8, key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    match (kind, key.len(), stage) {
        (0x00, 0, _) => Reader { rest: value }.transaction(),
        (0x01, 0, _) => Reader { rest: value }.lone_output(),
        (0x03 | 0x04 | 0x17, 0, Stage::Unsigned) | (0x06, 33, Stage::Unsigned) | (0x16, 32, Stage::Unsigned) => Ok(()),
        (0x07, 0, Stage::Final) => Ok(()),
        (0x08, 0, Stage::Final) => Reader { rest: value }.lone_witness(),
        (0x02 | 0x13 | 0x14, ..) => Err(unsupported("a signature that is there already", place, kind)),
        (0x07 | 0x08, 0, _) => Err(unsupported("an input that is final already", place, kind)),
        (0x05, ..) => Err(unsupported("a witness script", place, kind)),
        (0x15 | 0x18, ..) => Err(unsupported("a script tree", place, kind)),
        _ => Err(unsupported("an unknown or malformed field", place, kind)),
    }
}

fn output_field(place: &str, kind: u8, key: &[u8]) -> Result<(), DecodeError> {
    match (kind, key.len()) {
        (0x00 | 0x01 | 0x05, 0) | (0x02, 33) | (0x07, 32) => Ok(()),
        (0x06, _) => Err(unsupported("a script tree", place, kind)),
        _ => Err(unsupported("an unknown or malformed field", place, kind)),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Calls `field` with the type, the rest of the key, and the value of each entry.
    fn map(
        &mut self,
        place: &str,
        mut field: impl FnMut(u8, &'a [u8], &'a [u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut keys = BTreeSet::new();
        loop {
            let key = self.bytes()?;
            let Some((kind, key_data)) = key.split_first() else { return Ok(()) };
            if !keys.insert(key) {
                return Err(DecodeError::DuplicateKey { key: format!("0x{kind:02x} of {place}") });
            }
            field(*kind, key_data, self.bytes()?)?;
        }
    }

    /// Without witnesses, as in a PSBT. Returns how many inputs and outputs there are.
    fn unsigned_transaction(mut self) -> Result<(usize, usize), DecodeError> {
        within("the transaction", "bytes", self.rest.len(), MAX_TRANSACTION_LEN)?;
        self.take(VERSION_LEN)?;
        let inputs = self.inputs()?;
        let outputs = self.outputs()?;
        within("the transaction", "inputs", inputs, MAX_INPUTS)?;
        within("the transaction", "outputs", outputs, MAX_OUTPUTS)?;
        self.take(LOCK_TIME_LEN)?;
        self.end().map(|()| (inputs, outputs))
    }

    fn transaction(mut self) -> Result<(), DecodeError> {
        self.take(VERSION_LEN)?;
        let has_witnesses = self.rest.starts_with(&SEGWIT_MARKER_AND_FLAG);
        if has_witnesses {
            self.take(SEGWIT_MARKER_AND_FLAG.len())?;
        }
        let inputs = self.inputs()?;
        self.outputs()?;
        for _ in 0..if has_witnesses { inputs } else { 0 } {
            self.witness()?;
        }
        self.take(LOCK_TIME_LEN)?;
        self.end()
    }

    fn inputs(&mut self) -> Result<usize, DecodeError> {
        let count = self.count(MIN_INPUT_LEN)?;
        if count == 0 {
            return Err(malformed("a transaction has no inputs"));
        }
        for _ in 0..count {
            self.take(OUTPOINT_LEN)?;
            self.bytes()?;
            self.take(SEQUENCE_LEN)?;
        }
        Ok(count)
    }

    fn outputs(&mut self) -> Result<usize, DecodeError> {
        let count = self.count(MIN_OUTPUT_LEN)?;
        if count == 0 {
            return Err(malformed("a transaction has no outputs"));
        }
        for _ in 0..count {
            self.output()?;
        }
        Ok(count)
    }

    fn output(&mut self) -> Result<(), DecodeError> {
        self.take(VALUE_LEN)?;
        self.bytes().map(drop)
    }

    fn witness(&mut self) -> Result<(), DecodeError> {
        for _ in 0..self.count(1)? {
            self.bytes()?;
        }
        Ok(())
    }

    fn lone_output(mut self) -> Result<(), DecodeError> {
        self.output()?;
        self.end()
    }

    fn lone_witness(mut self) -> Result<(), DecodeError> {
        self.witness()?;
        self.end()
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.count(1)?;
        self.take(len)
    }

    /// A count of items that the remaining bytes can hold, so that nothing is reserved for more.
    fn count(&mut self, min_item_len: usize) -> Result<usize, DecodeError> {
        let count = self.compact_size()?;
        if count <= self.rest.len() / min_item_len { Ok(count) } else { Err(malformed("it ends early")) }
    }

    /// In the fewest bytes; the longest form is for numbers beyond every limit here.
    fn compact_size(&mut self) -> Result<usize, DecodeError> {
        let (value, least) = match self.array()? {
            [0xff] => return Err(malformed("it ends early")),
            [0xfe] => (usize::try_from(u32::from_le_bytes(self.array()?)).unwrap_or(usize::MAX), 0x1_0000),
            [0xfd] => (usize::from(u16::from_le_bytes(self.array()?)), 0xfd),
            [byte] => (usize::from(byte), 0),
        };
        if value >= least { Ok(value) } else { Err(malformed("a length is not in its shortest form")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| malformed("it ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed("bytes are left over")) }
    }
}

pub(super) fn within(what: &'static str, unit: &'static str, len: usize, max: usize) -> Result<(), DecodeError> {
    if len <= max { Ok(()) } else { Err(too_long(what, unit, len, max)) }
}

fn unsupported(what: &str, place: &str, kind: u8) -> DecodeError {
    DecodeError::UnsupportedType { found: format!("{what} (key type 0x{kind:02x} of {place})").into() }
}

pub(super) fn malformed(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::malformed(FORMAT, reason)
}

pub(super) const FORMAT: &str = "a version 0 PSBT";
/// What every PSBT begins with.
pub(super) const MAGIC: &[u8] = b"psbt\xff";
/// In bytes: 256 inputs with the transactions that they spend from, of up to 4 KiB each.
const MAX_PSBT_LEN: usize = 1 << 20;
/// In bytes, unsigned. Nodes relay none whose weight is above 400 000, four for each of these bytes.
const MAX_TRANSACTION_LEN: usize = 100_000;
const MAX_INPUTS: usize = 256;
const MAX_OUTPUTS: usize = 256;
const SEGWIT_MARKER_AND_FLAG: [u8; 2] = [0, 1];
const VERSION_LEN: usize = 4;
const OUTPOINT_LEN: usize = 36;
const SEQUENCE_LEN: usize = 4;
const VALUE_LEN: usize = 8;
const LOCK_TIME_LEN: usize = 4;
const MIN_INPUT_LEN: usize = OUTPOINT_LEN + 1 + SEQUENCE_LEN;
const MIN_OUTPUT_LEN: usize = VALUE_LEN + 1;
/// Of a key's data: the extended public key of BIP-32.
const XPUB_LEN: usize = 78;
