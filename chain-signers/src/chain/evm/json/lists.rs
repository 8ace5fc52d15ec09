//! The lists that a transaction may have.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{B256, U256};
use serde_json::value::RawValue;

use super::{
    super::rules::{MAX_ACCESS_LIST_ADDRESSES, MAX_ACCESS_LIST_KEYS, MAX_AUTHORIZATIONS, MAX_BLOBS, too_long},
    fields::Fields,
};
use crate::{DecodeError, strict_json::List};

/// As in JSON-RPC; none if it is absent.
pub(super) fn access_list(fields: &Fields<'_>) -> Result<AccessList, DecodeError> {
    let Some(raw) = fields.get("accessList") else { return Ok(AccessList::default()) };
    let items: List<&RawValue, MAX_ACCESS_LIST_ADDRESSES> = list("accessList", raw)?;
    if items.len > MAX_ACCESS_LIST_ADDRESSES {
        return Err(too_long("the access list", "addresses", items.len, MAX_ACCESS_LIST_ADDRESSES));
    }
    let items = items.items.iter().enumerate();
    items.map(|(i, item)| access_list_item(fields, i, item.get())).collect::<Result<Vec<_>, _>>().map(AccessList)
}

fn access_list_item(fields: &Fields<'_>, index: usize, raw: &str) -> Result<AccessListItem, DecodeError> {
    let item = fields.inside(&format!("accessList[{index}]"), raw, &["address", "storageKeys"])?;
    let address = item.address("address")?;
    let name = item.name("storageKeys");
    let keys: List<&RawValue, MAX_ACCESS_LIST_KEYS> = list(&name, item.required("storageKeys")?)?;
    if keys.len > MAX_ACCESS_LIST_KEYS {
        return Err(too_long("the access list", "keys", keys.len, MAX_ACCESS_LIST_KEYS));
    }
    let storage_keys = keys.items.iter().map(|key| bytes32(&name, key.get())).collect::<Result<_, _>>()?;
    Ok(AccessListItem { address, storage_keys })
}

pub(super) fn blob_hashes(fields: &Fields<'_>) -> Result<Vec<B256>, DecodeError> {
    let name = "blobVersionedHashes";
    let hashes: List<&RawValue, MAX_BLOBS> = list(name, fields.required(name)?)?;
    if hashes.len > MAX_BLOBS {
        return Err(too_long("the transaction", "blobs", hashes.len, MAX_BLOBS));
    }
    hashes.items.iter().map(|hash| bytes32(name, hash.get())).collect()
}

/// As in JSON-RPC, with hex quantities in both styles.
pub(super) fn authorizations(fields: &Fields<'_>) -> Result<Vec<SignedAuthorization>, DecodeError> {
    let name = "authorizationList";
    let list: List<&RawValue, MAX_AUTHORIZATIONS> = list(name, fields.required(name)?)?;
    if list.len > MAX_AUTHORIZATIONS {
        return Err(too_long("the authorization list", "authorizations", list.len, MAX_AUTHORIZATIONS));
    }
    list.items.iter().enumerate().map(|(i, item)| authorization(fields, i, item.get())).collect()
}

fn authorization(fields: &Fields<'_>, index: usize, raw: &str) -> Result<SignedAuthorization, DecodeError> {
    let keys = ["chainId", "address", "nonce", "yParity", "r", "s"];
    let item = fields.inside(&format!("authorizationList[{index}]"), raw, &keys)?.in_hex();
    let authorization = Authorization {
        chain_id: U256::from(item.u64("chainId")?),
        address: item.address("address")?,
        nonce: item.u64("nonce")?,
    };
    let y_parity = u8::from(item.number("yParity", 1)? == 1);
    Ok(SignedAuthorization::new_unchecked(authorization, y_parity, item.scalar("r")?, item.scalar("s")?))
}

fn list<'a, const MAX: usize>(name: &str, raw: &'a str) -> Result<List<&'a RawValue, MAX>, DecodeError> {
    serde_json::from_str(raw).map_err(|_| DecodeError::invalid(name.to_owned(), "a list", raw))
}

fn bytes32(name: &str, raw: &str) -> Result<B256, DecodeError> {
    let invalid = || DecodeError::invalid(name.to_owned(), "strings of 0x and 64 hex digits", raw);
    let text: String = serde_json::from_str(raw).map_err(|_| invalid())?;
    let mut bytes = B256::ZERO;
    let digits = text.strip_prefix("0x").ok_or_else(invalid)?;
    hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| invalid())?;
    Ok(bytes)
}
