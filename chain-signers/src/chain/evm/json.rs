//! The two JSON styles, told apart by whether quantities are numbers or strings.

mod fields;
mod lists;
mod number;

use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::U256;

use super::{
    Decoded,
    envelope::Kind,
    rules::{MAX_ACCESS_LIST_ADDRESSES, MAX_ACCESS_LIST_KEYS, MAX_AUTHORIZATIONS, MAX_BLOBS, MAX_DATA_LEN, too_long},
    unsigned::Unsigned,
};
use crate::DecodeError;
use fields::Fields;

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    if bytes.len() > MAX_JSON_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_JSON_LEN));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::malformed("JSON", error))?;
    let fields = Fields::read(text, &KEYS, &QUANTITIES)?;
    if fields.has("address") {
        return authorization(&fields).map(Decoded::Authorization);
    }
    transaction(&fields).map(Decoded::Transaction)
}

fn transaction(fields: &Fields<'_>) -> Result<Unsigned, DecodeError> {
    Ok(match kind(fields)? {
        Kind::Legacy => Unsigned::Legacy(legacy(fields)?),
        Kind::Eip2930 => Unsigned::Eip2930(eip2930(fields)?),
        Kind::Eip1559 => Unsigned::Eip1559(eip1559(fields)?),
        Kind::Eip4844 => Unsigned::Eip4844(eip4844(fields)?),
        Kind::Eip7702 => Unsigned::Eip7702(eip7702(fields)?),
    })
}

/// What `type` says, or else what the other keys tell; either way without keys of another type.
fn kind(fields: &Fields<'_>) -> Result<Kind, DecodeError> {
    let kind = match fields.get("type") {
        Some(raw) => {
            let number = fields.number("type", u64::MAX.into())?;
            let number = u8::try_from(number).map_err(|_| fields.invalid("type", "from 0 to 4", raw))?;
            Kind::from_number(number)?
        }
        None => inferred(fields)?,
    };
    let (expected, own_keys) = own_keys(kind);
    refuse_others(fields, &TYPE_KEYS, own_keys, expected)?;
    Ok(kind)
}

fn inferred(fields: &Fields<'_>) -> Result<Kind, DecodeError> {
    let has_any = |keys: &[&str]| keys.iter().any(|key| fields.has(key));
    if has_any(&["maxFeePerBlobGas", "blobVersionedHashes"]) {
        Ok(Kind::Eip4844)
    } else if fields.has("authorizationList") {
        Ok(Kind::Eip7702)
    } else if has_any(&["maxFeePerGas", "maxPriorityFeePerGas"]) {
        Ok(Kind::Eip1559)
    } else if !fields.has("gasPrice") {
        Err(DecodeError::Missing { field: "gasPrice or maxFeePerGas".into() })
    } else if fields.has("accessList") {
        Ok(Kind::Eip2930)
    } else {
        Ok(Kind::Legacy)
    }
}

/// Which of [`TYPE_KEYS`] a type has, and what an error about another one says.
fn own_keys(kind: Kind) -> (&'static str, &'static [&'static str]) {
    match kind {
        Kind::Legacy => ("no such key in a legacy transaction", &["gasPrice"]),
        Kind::Eip2930 => ("no such key in an EIP-2930 transaction", &["gasPrice", "accessList"]),
        Kind::Eip1559 => {
            ("no such key in an EIP-1559 transaction", &["maxFeePerGas", "maxPriorityFeePerGas", "accessList"])
        }
        Kind::Eip4844 => (
            "no such key in an EIP-4844 transaction",
            &["maxFeePerGas", "maxPriorityFeePerGas", "accessList", "maxFeePerBlobGas", "blobVersionedHashes"],
        ),
        Kind::Eip7702 => (
            "no such key in an EIP-7702 transaction",
            &["maxFeePerGas", "maxPriorityFeePerGas", "accessList", "authorizationList"],
        ),
    }
}

/// Refuses those of `keys` that are not `own`.
fn refuse_others(fields: &Fields<'_>, keys: &[&str], own: &[&str], expected: &'static str) -> Result<(), DecodeError> {
    let mut others = keys.iter().filter(|key| !own.contains(key));
    match others.find_map(|key| Some((key, fields.get(key)?))) {
        Some((key, raw)) => Err(fields.invalid(key, expected, raw)),
        None => Ok(()),
    }
}

fn authorization(fields: &Fields<'_>) -> Result<Authorization, DecodeError> {
    refuse_others(fields, &KEYS, &["chainId", "address", "nonce"], "no such key in an authorization")?;
    Ok(Authorization {
        chain_id: U256::from(fields.u64("chainId")?),
        address: fields.address("address")?,
        nonce: fields.u64("nonce")?,
    })
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

fn eip4844(fields: &Fields<'_>) -> Result<TxEip4844, DecodeError> {
    Ok(TxEip4844 {
        chain_id: fields.u64("chainId")?,
        nonce: fields.u64("nonce")?,
        gas_limit: fields.u64("gas")?,
        max_fee_per_gas: fields.u128("maxFeePerGas")?,
        max_priority_fee_per_gas: fields.u128("maxPriorityFeePerGas")?,
        to: fields.address("to")?,
        value: fields.value()?,
        access_list: lists::access_list(fields)?,
        blob_versioned_hashes: lists::blob_hashes(fields)?,
        max_fee_per_blob_gas: fields.u128("maxFeePerBlobGas")?,
        input: fields.input()?,
    })
}

fn eip7702(fields: &Fields<'_>) -> Result<TxEip7702, DecodeError> {
    Ok(TxEip7702 {
        chain_id: fields.u64("chainId")?,
        nonce: fields.u64("nonce")?,
        gas_limit: fields.u64("gas")?,
        max_fee_per_gas: fields.u128("maxFeePerGas")?,
        max_priority_fee_per_gas: fields.u128("maxPriorityFeePerGas")?,
        to: fields.address("to")?,
        value: fields.value()?,
        access_list: lists::access_list(fields)?,
        authorization_list: lists::authorizations(fields)?,
        input: fields.input()?,
    })
}

const KEYS: [&str; 16] = [
    "value",
    "nonce",
    "type",
    "chainId",
    "gas",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "gasPrice",
    "accessList",
    "maxFeePerBlobGas",
    "blobVersionedHashes",
    "authorizationList",
    "address",
    "to",
    "data",
    "input",
];
const QUANTITIES: [&str; 9] = [
    "value",
    "nonce",
    "type",
    "chainId",
    "gas",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "gasPrice",
    "maxFeePerBlobGas",
];
/// The keys that some types have and others have not.
const TYPE_KEYS: [&str; 7] = [
    "gasPrice",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "accessList",
    "maxFeePerBlobGas",
    "blobVersionedHashes",
    "authorizationList",
];
/// Two hex digits a byte of data, the largest lists, and the other keys, with room for white space.
const MAX_JSON_LEN: usize = 2 * MAX_DATA_LEN
    + MAX_ACCESS_LIST_KEYS * 80
    + MAX_ACCESS_LIST_ADDRESSES * 128
    + MAX_BLOBS * 80
    + MAX_AUTHORIZATIONS * 512
    + 8 * 1024;
