//! The raw transaction's bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// Decodes a call of an entry function, all of whose names are identifiers.
pub(super) fn decode(bytes: &[u8]) -> Result<RawTransaction, DecodeError> {
    if bytes.len() > MAX_LEN {
        let (what, unit) = ("the transaction".into(), "bytes");
        return Err(DecodeError::TooLong { what, unit, len: bytes.len(), max: MAX_LEN });
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

/// Displays as AIP-40 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address(pub(super) [u8; 32]);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [zeros @ .., last] if zeros == [0; 31] && last < 16 => write!(f, "{last:#x}"),
            bytes => write!(f, "0x{}", hex::encode(bytes)),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identifier(String);

impl Identifier {
    /// Of letters, digits and underscores, so that `::` is in no name.
    fn check(&self, field: &'static str) -> Result<(), DecodeError> {
        let name = self.0.as_bytes();
        let starts_well = name.first().is_some_and(|first| !first.is_ascii_digit());
        if starts_well && name.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'_') {
            Ok(())
        } else {
            Err(DecodeError::invalid(field, "a Move identifier", &self.0))
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In the order of the variants' numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum TypeTag {
    Bool,
    U8,
    U64,
    U128,
    Address,
    Signer,
    Vector(Box<TypeTag>),
    Struct { address: Address, module: Identifier, name: Identifier, type_arguments: Vec<TypeTag> },
    U16,
    U32,
    U256,
}

impl TypeTag {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Vector(item) => item.check(),
            Self::Struct { module, name, type_arguments, .. } => {
                module.check("the module's name of a type")?;
                name.check("the name of a type")?;
                type_arguments.iter().try_for_each(Self::check)
            }
            _ => Ok(()),
        }
    }
}

/// As Move writes types.
impl fmt::Display for TypeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::U16 => f.write_str("u16"),
            Self::U32 => f.write_str("u32"),
            Self::U64 => f.write_str("u64"),
            Self::U128 => f.write_str("u128"),
            Self::U256 => f.write_str("u256"),
            Self::Address => f.write_str("address"),
            Self::Signer => f.write_str("signer"),
            Self::Vector(item) => write!(f, "vector<{item}>"),
            Self::Struct { address, module, name, type_arguments } => {
                write!(f, "{address}::{module}::{name}{}", generics(type_arguments))
            }
        }
    }
}

/// Type arguments in angle brackets, if there are any.
pub(super) fn generics(types: &[TypeTag]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let types: Vec<_> = types.iter().map(ToString::to_string).collect();
    format!("<{}>", types.join(", "))
}

const FORMAT: &str = "a raw Aptos transaction";
/// After the sender and the sequence number.
const PAYLOAD_OFFSET: usize = 32 + 8;
/// The chain's own limit, which the authenticator counts against as well.
const MAX_LEN: usize = 64 * 1024;
/// Of containers in one another. The chain takes types of at most eight levels, which are two containers each at most.
const MAX_DEPTH: usize = 24;
