//! Addresses, names and types of the Move language in BCS, as Aptos and Sui have them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// Displays as AIP-40 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address(pub(crate) [u8; 32]);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [zeros @ .., last] if zeros == [0; 31] && last < 16 => write!(f, "{last:#x}"),
            bytes => write!(f, "0x{}", hex::encode(bytes)),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Identifier(String);

impl Identifier {
    /// Of letters, digits and underscores, so that `::` is in no name.
    pub(crate) fn check(&self, field: &'static str) -> Result<(), DecodeError> {
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
pub(crate) enum TypeTag {
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
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
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
pub(crate) fn generics(types: &[TypeTag]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let types: Vec<_> = types.iter().map(ToString::to_string).collect();
    format!("<{}>", types.join(", "))
}
