//! The bytes of legacy and version 0 messages.

use std::collections::BTreeSet;

use solana_hash::Hash;
use solana_message::{
    Message, MessageHeader, VersionedMessage,
    compiled_instruction::CompiledInstruction,
    v0::{self, MessageAddressTableLookup},
};
use solana_pubkey::Pubkey;

use crate::{DecodeError, error::too_long};

/// Decodes a message that may be signed alone. Afterwards every index into its accounts is in range, and programs are
/// accounts of the message itself.
pub(super) fn decode(bytes: &[u8]) -> Result<VersionedMessage, DecodeError> {
    if bytes.len() > MAX_MESSAGE_LEN {
        return Err(too_long("the message", "bytes", bytes.len(), MAX_MESSAGE_LEN));
    }
    let mut reader = Reader { rest: bytes };
    let message = match bytes.first() {
        Some(&VERSION_0) => {
            reader.take(1)?;
            reader.version_0().map(VersionedMessage::V0)?
        }
        Some(first @ VERSION_BIT..) => {
            let found = format!("a version {} message", first & !VERSION_BIT).into();
            return Err(DecodeError::UnsupportedType { found });
        }
        _ => reader.legacy().map(VersionedMessage::Legacy)?,
    };
    if !reader.rest.is_empty() {
        return Err(malformed("bytes are left over"));
    }
    check(&message)?;
    // The reader above is ours, this serializer is Solana's: they must agree on every byte.
    if message.serialize() == bytes { Ok(message) } else { Err(DecodeError::NotCanonical { format: FORMAT.into() }) }
}

fn check(message: &VersionedMessage) -> Result<(), DecodeError> {
    let keys = message.static_account_keys();
    check_header(message.header(), keys.len())?;
    let mut sorted: Vec<_> = keys.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(DecodeError::invalid("account_keys", "every account once", "a duplicate"));
    }
    if message.instructions().is_empty() {
        return Err(DecodeError::Missing { field: "instructions".into() });
    }
    let looked_up = check_lookups(message.address_table_lookups().unwrap_or_default())?;
    let accounts = keys.len() + looked_up;
    if accounts > MAX_ACCOUNTS {
        return Err(too_long("the message", "accounts", accounts, MAX_ACCOUNTS));
    }
    message.instructions().iter().try_for_each(|instruction| check_instruction(instruction, keys.len(), accounts))
}

fn check_header(header: &MessageHeader, keys: usize) -> Result<(), DecodeError> {
    let MessageHeader { num_required_signatures, num_readonly_signed_accounts, num_readonly_unsigned_accounts } =
        *header;
    if num_required_signatures != 1 {
        return Err(DecodeError::invalid("num_required_signatures", "1", num_required_signatures));
    }
    if num_readonly_signed_accounts != 0 {
        let expected = "0, since the fee payer is written to";
        return Err(DecodeError::invalid("num_readonly_signed_accounts", expected, num_readonly_signed_accounts));
    }
    if usize::from(num_readonly_unsigned_accounts) >= keys {
        let expected = "fewer than there are accounts";
        return Err(DecodeError::invalid("num_readonly_unsigned_accounts", expected, num_readonly_unsigned_accounts));
    }
    Ok(())
}

/// How many accounts the lookup tables give.
fn check_lookups(lookups: &[MessageAddressTableLookup]) -> Result<usize, DecodeError> {
    let mut seen = BTreeSet::new();
    for lookup in lookups {
        if lookup.writable_indexes.is_empty() && lookup.readonly_indexes.is_empty() {
            let expected = "tables that something is looked up in";
            return Err(DecodeError::invalid("address_table_lookups", expected, "a table without indexes"));
        }
        for index in lookup.writable_indexes.iter().chain(&lookup.readonly_indexes) {
            if !seen.insert((lookup.account_key, *index)) {
                return Err(DecodeError::invalid("address_table_lookups", "every account once", "a duplicate"));
            }
        }
    }
    Ok(seen.len())
}

/// A program is one of the `keys` of the message itself; its accounts may be looked up.
fn check_instruction(instruction: &CompiledInstruction, keys: usize, accounts: usize) -> Result<(), DecodeError> {
    let program = usize::from(instruction.program_id_index);
    if program == 0 || program >= keys {
        let expected = "an account key of the message other than the fee payer";
        return Err(DecodeError::invalid("program_id_index", expected, program));
    }
    match instruction.accounts.iter().find(|index| usize::from(**index) >= accounts) {
        Some(index) => Err(DecodeError::invalid("instruction accounts", "indices of the message's accounts", index)),
        None => Ok(()),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn legacy(&mut self) -> Result<Message, DecodeError> {
        let [num_required_signatures, num_readonly_signed_accounts, num_readonly_unsigned_accounts] = self.array()?;
        let header =
            MessageHeader { num_required_signatures, num_readonly_signed_accounts, num_readonly_unsigned_accounts };
        let account_keys = self.list(KEY_LEN, |reader| reader.array().map(Pubkey::new_from_array))?;
        let recent_blockhash = Hash::new_from_array(self.array()?);
        let instructions = self.list(MIN_INSTRUCTION_LEN, Self::instruction)?;
        Ok(Message { header, account_keys, recent_blockhash, instructions })
    }

    /// After the version: a legacy message, and lookups.
    fn version_0(&mut self) -> Result<v0::Message, DecodeError> {
        let Message { header, account_keys, recent_blockhash, instructions } = self.legacy()?;
        let address_table_lookups = self.list(MIN_LOOKUP_LEN, Self::lookup)?;
        Ok(v0::Message { header, account_keys, recent_blockhash, instructions, address_table_lookups })
    }

    fn lookup(&mut self) -> Result<MessageAddressTableLookup, DecodeError> {
        let account_key = Pubkey::new_from_array(self.array()?);
        let (writable_indexes, readonly_indexes) = (self.byte_list()?, self.byte_list()?);
        Ok(MessageAddressTableLookup { account_key, writable_indexes, readonly_indexes })
    }

    fn instruction(&mut self) -> Result<CompiledInstruction, DecodeError> {
        let [program_id_index] = self.array()?;
        Ok(CompiledInstruction { program_id_index, accounts: self.byte_list()?, data: self.byte_list()? })
    }

    fn byte_list(&mut self) -> Result<Vec<u8>, DecodeError> {
        let len = self.count(1)?;
        self.take(len).map(<[u8]>::to_vec)
    }

    fn list<T>(
        &mut self,
        min_item_len: usize,
        item: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(min_item_len)?;
        (0..count).map(|_| item(self)).collect()
    }

    /// A count of items that the remaining bytes can hold, so that nothing is reserved for more.
    fn count(&mut self, min_item_len: usize) -> Result<usize, DecodeError> {
        let count = self.compact_u16()?;
        if count <= self.rest.len() / min_item_len { Ok(count) } else { Err(malformed("it ends early")) }
    }

    /// Seven bits a byte, least significant first, at most 16 bits, in the fewest bytes.
    fn compact_u16(&mut self) -> Result<usize, DecodeError> {
        let mut value = 0_usize;
        for shift in [0, 7, 14] {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            let padded = byte == 0 && shift != 0;
            if padded || value > usize::from(u16::MAX) {
                break;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a length is not a canonical compact-u16"))
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
}

fn malformed(reason: &'static str) -> DecodeError {
    DecodeError::malformed(FORMAT, reason)
}

const FORMAT: &str = "a Solana message";
/// Set in the first byte of a versioned message, where a legacy one counts signatures.
const VERSION_BIT: u8 = 0x80;
const VERSION_0: u8 = VERSION_BIT;
/// Instructions write an account's index in a byte.
const MAX_ACCOUNTS: usize = 256;
const KEY_LEN: usize = 32;
/// A program index and two empty lists.
const MIN_INSTRUCTION_LEN: usize = 3;
/// A table and two empty lists.
const MIN_LOOKUP_LEN: usize = KEY_LEN + 2;
/// A packet of 1232 bytes, less the count of signatures and one signature.
const MAX_MESSAGE_LEN: usize = 1232 - 1 - 64;
