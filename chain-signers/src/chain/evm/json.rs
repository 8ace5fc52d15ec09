//! The two JSON styles, told apart by whether quantities are numbers or strings.

mod fields;
mod lists;
mod number;

use alloy_consensus::{TxEip1559, TxEip2930, TxLegacy};

use super::{
    rules::{MAX_ACCESS_LIST_ADDRESSES, MAX_ACCESS_LIST_KEYS, MAX_DATA_LEN, too_long},
    unsigned::{Unsigned, unsupported_type},
};
use crate::DecodeError;
use fields::Fields;

pub(super) fn decode(bytes: &[u8]) -> Result<Unsigned, DecodeError> {
    if bytes.len() > MAX_JSON_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_JSON_LEN));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::malformed("JSON", error))?;
    let fields = Fields::read(text, &KEYS, &QUANTITIES)?;
    match Type::of(&fields)? {
        Type::Eip1559 => eip1559(&fields).map(Unsigned::Eip1559),
        Type::Eip2930 => eip2930(&fields).map(Unsigned::Eip2930),
        Type::Legacy => legacy(&fields).map(Unsigned::Legacy),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Eip1559,
    Eip2930,
    Legacy,
}

impl Type {
    /// What `type` says, or else what the other keys tell; either way without keys of another type.
    fn of(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let this = match fields.get("type") {
            Some(raw) => Self::from_number(fields.number("type", u64::MAX.into())?, raw)?,
            None => Self::inferred(fields)?,
        };
        let (expected, own_keys) = this.own_keys();
        let foreign =
            TYPE_KEYS.iter().filter(|key| !own_keys.contains(key)).find_map(|key| Some((*key, fields.get(key)?)));
        match foreign {
            Some((key, raw)) => Err(fields.invalid(key, expected, raw)),
            None => Ok(this),
        }
    }

    fn from_number(number: u128, raw: &str) -> Result<Self, DecodeError> {
        match number {
            0 => Ok(Self::Legacy),
            1 => Ok(Self::Eip2930),
            2 => Ok(Self::Eip1559),
            _ => {
                Err(u8::try_from(number)
                    .map_or_else(|_| DecodeError::invalid("type", "0, 1 or 2", raw), unsupported_type))
            }
        }
    }

    fn inferred(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let has_any = |keys: &[&str]| keys.iter().any(|key| fields.has(key));
        if has_any(&["maxFeePerGas", "maxPriorityFeePerGas"]) {
            Ok(Self::Eip1559)
        } else if !fields.has("gasPrice") {
            Err(DecodeError::Missing { field: "gasPrice or maxFeePerGas".into() })
        } else if fields.has("accessList") {
            Ok(Self::Eip2930)
        } else {
            Ok(Self::Legacy)
        }
    }

    /// Which of [`TYPE_KEYS`] it has, and what an error about another one says.
    fn own_keys(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Eip1559 => {
                ("no such key in an EIP-1559 transaction", &["maxFeePerGas", "maxPriorityFeePerGas", "accessList"])
            }
            Self::Eip2930 => ("no such key in an EIP-2930 transaction", &["gasPrice", "accessList"]),
            Self::Legacy => ("no such key in a legacy transaction", &["gasPrice"]),
        }
    }
}

fn eip1559(fields: &Fields<'_>) -> Result<TxEip1559, DecodeError> {
    Ok(TxEip1559 {
        chain_id: fields.u64("chainId")?,
        nonce: fields.u64("nonce")?,
        gas_limit: fields.u64("gas")?,
        max_fee_per_gas: fields.u128("maxFeePerGas")?,
        max_priority_fee_per_gas: fields.u128("maxPriorityFeePerGas")?,
        to: fields.to()?,
        value: fields.value()?,
        access_list: lists::access_list(fields)?,
        input: fields.input()?,
    })
}

fn eip2930(fields: &Fields<'_>) -> Result<TxEip2930, DecodeError> {
    Ok(TxEip2930 {
        chain_id: fields.u64("chainId")?,
        nonce: fields.u64("nonce")?,
        gas_price: fields.u128("gasPrice")?,
        gas_limit: fields.u64("gas")?,
        to: fields.to()?,
        value: fields.value()?,
        access_list: lists::access_list(fields)?,
        input: fields.input()?,
    })
}

fn legacy(fields: &Fields<'_>) -> Result<TxLegacy, DecodeError> {
    Ok(TxLegacy {
        chain_id: Some(fields.u64("chainId")?),
        nonce: fields.u64("nonce")?,
        gas_price: fields.u128("gasPrice")?,
        gas_limit: fields.u64("gas")?,
        to: fields.to()?,
        value: fields.value()?,
        input: fields.input()?,
    })
}

const KEYS: [&str; 12] = [
    "value",
    "nonce",
    "type",
    "chainId",
    "gas",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "gasPrice",
    "accessList",
    "to",
    "data",
    "input",
];
const QUANTITIES: [&str; 8] =
    ["value", "nonce", "type", "chainId", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "gasPrice"];
/// The keys that some types have and others have not.
const TYPE_KEYS: [&str; 4] = ["gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "accessList"];
/// Two hex digits a byte of data, the largest access list, and the other keys, with room for white space.
const MAX_JSON_LEN: usize = 2 * MAX_DATA_LEN + MAX_ACCESS_LIST_KEYS * 80 + MAX_ACCESS_LIST_ADDRESSES * 128 + 8 * 1024;
