//! The envelope's bytes.

use super::{
    operation::{self, Operation},
    xdr::{FORMAT, Reader, Writer, malformed},
};
use crate::{DecodeError, error::too_long};

/// Decodes an unsigned envelope: the transaction, and the part of the bytes that is signed.
pub(super) fn decode(bytes: &[u8]) -> Result<(Transaction, &[u8]), DecodeError> {
    if bytes.len() > MAX_LEN {
        return Err(too_long("the envelope", "bytes", bytes.len(), MAX_LEN));
    }
    let form = Reader { rest: bytes }.u32()?;
    let start = match form {
        // The old form has a bare key, which after the envelope's type reads as an account of the type with that number.
        ENVELOPE_V0 => 0,
        ENVELOPE => 4,
        FEE_BUMP => return Err(DecodeError::UnsupportedType { found: "a fee bump".into() }),
        other => return Err(DecodeError::invalid("the envelope's type", "0 or 2", other)),
    };
    let unsigned = bytes.strip_suffix(&NO_SIGNATURES).ok_or_else(|| malformed("it is not without signatures"))?;
    let signed = &unsigned[start..];
    let mut reader = Reader { rest: signed };
    let transaction = Transaction::read(&mut reader)?;
    if !reader.rest.is_empty() {
        return Err(malformed("bytes are left over, or signatures"));
    }
    let mut writer = Writer::default();
    transaction.write(&mut writer);
    if writer.0 == signed {
        Ok((transaction, signed))
    } else {
        Err(DecodeError::NotCanonical { format: FORMAT.into() })
    }
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) source: Account,
    /// Of all operations together, at most.
    pub(super) fee: u32,
    pub(super) sequence: i64,
    /// Not before and not after, in seconds of Unix time; 0 is no bound.
    pub(super) time_bounds: Option<(u64, u64)>,
    pub(super) memo: Memo,
    pub(super) operations: Vec<Operation>,
}

impl Transaction {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let source = Account::read(reader)?;
        let (fee, sequence) = (reader.u32()?, reader.i64()?);
        let time_bounds = match reader.u32()? {
            0 => None,
            1 => Some((reader.u64()?, reader.u64()?)),
            2 => return Err(DecodeError::UnsupportedType { found: "preconditions of version 2".into() }),
            other => return Err(DecodeError::invalid("preconditions", "0 or 1", other)),
        };
        let memo = Memo::read(reader)?;
        let operations = reader.list(MAX_OPERATIONS, |reader| operation::read(reader, &source))?;
        if operations.is_empty() {
            return Err(DecodeError::Missing { field: "operations".into() });
        }
        match reader.u32()? {
            0 => Ok(Self { source, fee, sequence, time_bounds, memo, operations }),
            1 => Err(DecodeError::UnsupportedType { found: "a smart contract's transaction".into() }),
            other => Err(DecodeError::invalid("the transaction's extension", "0", other)),
        }
    }

    fn write(&self, writer: &mut Writer) {
        self.source.write(writer);
        writer.u32(self.fee);
        writer.i64(self.sequence);
        match self.time_bounds {
            None => writer.u32(0),
            Some((from, to)) => {
                writer.u32(1);
                writer.u64(from);
                writer.u64(to);
            }
        }
        self.memo.write(writer);
        writer.len(self.operations.len());
        self.operations.iter().for_each(|operation| operation.write(writer));
        writer.u32(0);
    }
}

/// A `MuxedAccount`: a key, and perhaps a number that tells its users apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) key: [u8; 32],
    pub(super) id: Option<u64>,
}

impl Account {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = match reader.u32()? {
            KEY_ED25519 => None,
            KEY_MULTIPLEXED => Some(reader.u64()?),
            _ => return Err(malformed("an account is of no known type")),
        };
        Ok(Self { key: reader.array()?, id })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self.id {
            None => writer.u32(KEY_ED25519),
            Some(id) => {
                writer.u32(KEY_MULTIPLEXED);
                writer.u64(id);
            }
        }
        writer.raw(&self.key);
    }
}

#[derive(Debug)]
pub(super) enum Memo {
    None,
    Text(Vec<u8>),
    Id(u64),
    Hash([u8; 32]),
    Return([u8; 32]),
}

impl Memo {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u32()? {
            0 => Ok(Self::None),
            1 => reader.bytes(MAX_MEMO_LEN).map(Self::Text),
            2 => reader.u64().map(Self::Id),
            3 => reader.array().map(Self::Hash),
            4 => reader.array().map(Self::Return),
            other => Err(DecodeError::invalid("the memo's type", "0 to 4", other)),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::None => writer.u32(0),
            Self::Text(text) => {
                writer.u32(1);
                writer.bytes(text);
            }
            Self::Id(id) => {
                writer.u32(2);
                writer.u64(*id);
            }
            Self::Hash(hash) => {
                writer.u32(3);
                writer.raw(hash);
            }
            Self::Return(hash) => {
                writer.u32(4);
                writer.raw(hash);
            }
        }
    }
}

/// How an unsigned envelope ends.
pub(super) const NO_SIGNATURES: [u8; 4] = [0; 4];
const ENVELOPE_V0: u32 = 0;
const ENVELOPE: u32 = 2;
const FEE_BUMP: u32 = 5;
const KEY_ED25519: u32 = 0;
const KEY_MULTIPLEXED: u32 = 0x100;
/// The protocol's limits.
const MAX_OPERATIONS: usize = 100;
const MAX_MEMO_LEN: usize = 28;
/// More than a hundred operations that are read here can have.
const MAX_LEN: usize = 64 * 1024;
