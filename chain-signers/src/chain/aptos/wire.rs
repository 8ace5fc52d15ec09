//! The raw transaction's bytes.

use serde::{Deserialize, Serialize};

use crate::{
    DecodeError,
    error::too_long,
    move_types::{Address, Identifier, TypeTag},
};

/// Decodes a call of an entry function, all of whose names are identifiers.
pub(super) fn decode(bytes: &[u8]) -> Result<RawTransaction, DecodeError> {
    if bytes.len() > MAX_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_LEN));
    }
    match bytes.get(PAYLOAD_OFFSET).ok_or_else(|| DecodeError::malformed(FORMAT, "it ends early"))? {
        2 => {}
        0 => return Err(DecodeError::UnsupportedType { found: "a script".into() }),
        1 => return Err(DecodeError::UnsupportedType { found: "a bundle of modules".into() }),
        3 => return Err(DecodeError::UnsupportedType { found: "a multisignature payload".into() }),
        4 => return Err(DecodeError::UnsupportedType { found: "an orderless payload".into() }),
        other => return Err(DecodeError::invalid("the payload's kind", "2, an entry function", other)),
    }
    let transaction: RawTransaction =
        bcs::from_bytes_with_limit(bytes, MAX_DEPTH).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    transaction.check()?;
    let again = bcs::to_bytes(&transaction).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    if again == bytes { Ok(transaction) } else { Err(DecodeError::NotCanonical { format: FORMAT.into() }) }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RawTransaction {
    pub(super) sender: Address,
    pub(super) sequence_number: u64,
    /// An enumeration's variant, which below 128 is a byte.
    payload_kind: u8,
    pub(super) call: EntryFunction,
    pub(super) max_gas_amount: u64,
    pub(super) gas_unit_price: u64,
    pub(super) expiration_timestamp_secs: u64,
    pub(super) chain_id: u8,
}

impl RawTransaction {
    fn check(&self) -> Result<(), DecodeError> {
        if self.chain_id == 0 {
            return Err(DecodeError::invalid("chain_id", "a chain id from 1 to 255", 0));
        }
        self.call.module.check("the module's name")?;
        self.call.function.check("the function's name")?;
        self.call.type_arguments.iter().try_for_each(TypeTag::check)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryFunction {
    pub(super) address: Address,
    pub(super) module: Identifier,
    pub(super) function: Identifier,
    pub(super) type_arguments: Vec<TypeTag>,
    /// Each in BCS.
    pub(super) arguments: Vec<Vec<u8>>,
}

const FORMAT: &str = "a raw Aptos transaction";
/// After the sender and the sequence number.
const PAYLOAD_OFFSET: usize = 32 + 8;
/// The chain's own limit, which the authenticator counts against as well.
const MAX_LEN: usize = 64 * 1024;
/// Of containers in one another. The chain takes types of at most eight levels, which are two containers each at most.
const MAX_DEPTH: usize = 24;
