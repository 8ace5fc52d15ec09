//! The rules that an unsigned transaction must keep, whatever it was written in.

use alloy_eips::{eip2930::AccessList, eip4844::VERSIONED_HASH_VERSION_KZG, eip7594::MAX_BLOBS_PER_TX_FUSAKA};
use alloy_primitives::{Address, B256, TxKind};

use super::{authority::authorities, unsigned::Unsigned};
use crate::DecodeError;
pub(super) use crate::error::too_long;

impl Unsigned {
    /// Checks every rule, and tells whose the authorizations are.
    pub(super) fn check(&self) -> Result<Vec<Address>, DecodeError> {
        self.check_chain_id()?;
        if self.nonce() > MAX_NONCE {
            return Err(DecodeError::invalid("nonce", "at most 2^64 - 2 (EIP-2681)", self.nonce()));
        }
        self.check_fees()?;
        self.check_data()?;
        self.access_list().map_or(Ok(()), check_access_list)?;
        self.blob_hashes().map_or(Ok(()), check_blob_hashes)?;
        self.authorizations().map_or(Ok(Vec::new()), |list| authorities(list, self.chain_id()))
    }

    fn check_chain_id(&self) -> Result<(), DecodeError> {
        match self.chain_id() {
            1..=MAX_CHAIN_ID => Ok(()),
            other => Err(DecodeError::invalid("chain_id", "from 1 to 2^63 - 37 (EIP-2294)", other)),
        }
    }

    fn check_fees(&self) -> Result<(), DecodeError> {
        let max = self.max_fee_per_gas();
        if let Some(priority) = self.max_priority_fee_per_gas()
            && priority > max
        {
            let expected = format!("at most the maximum fee, {max}");
            return Err(DecodeError::invalid("max_priority_fee_per_gas", expected, priority));
        }
        match self.fee_ceiling().checked_add(self.value()) {
            Some(_) => Ok(()),
            None => Err(DecodeError::invalid("value", "value and fee of at most 2^256 - 1 together", self.value())),
        }
    }

    fn check_data(&self) -> Result<(), DecodeError> {
        match (self.to(), self.input().len()) {
            (TxKind::Create, 0) => Err(DecodeError::Missing { field: "the init code of a contract creation".into() }),
            (TxKind::Create, len) if len > MAX_INIT_CODE_LEN => {
                Err(too_long("init code", "bytes", len, MAX_INIT_CODE_LEN))
            }
            (_, len) if len > MAX_DATA_LEN => Err(too_long("data", "bytes", len, MAX_DATA_LEN)),
            _ => Ok(()),
        }
    }
}

fn check_access_list(list: &AccessList) -> Result<(), DecodeError> {
    if list.len() > MAX_ACCESS_LIST_ADDRESSES {
        return Err(too_long("the access list", "addresses", list.len(), MAX_ACCESS_LIST_ADDRESSES));
    }
    match list.storage_keys_count() {
        0..=MAX_ACCESS_LIST_KEYS => Ok(()),
        keys => Err(too_long("the access list", "keys", keys, MAX_ACCESS_LIST_KEYS)),
    }
}

fn check_blob_hashes(hashes: &[B256]) -> Result<(), DecodeError> {
    match hashes.len() {
        0 => return Err(DecodeError::Missing { field: "the hash of a blob".into() }),
        1..=MAX_BLOBS => {}
        len => return Err(too_long("the transaction", "blobs", len, MAX_BLOBS)),
    }
    match hashes.iter().position(|hash| hash[0] != VERSIONED_HASH_VERSION_KZG) {
        Some(i) => Err(DecodeError::invalid(
            format!("blob_versioned_hashes[{i}]"),
            "a hash of version 1 (its first byte)",
            hashes[i],
        )),
        None => Ok(()),
    }
}

/// EIP-2294: floor(2^64 / 2) - 37, below which the legacy `v` fits 64 bits.
pub(super) const MAX_CHAIN_ID: u64 = u64::MAX / 2 - 36;
/// EIP-2681: an account's last possible nonce may not be used.
pub(super) const MAX_NONCE: u64 = u64::MAX - 1;
/// Beyond this, clients do not relay a transaction.
pub(super) const MAX_DATA_LEN: usize = 128 * 1024;
/// EIP-3860.
const MAX_INIT_CODE_LEN: usize = 49_152;
pub(super) const MAX_ACCESS_LIST_ADDRESSES: usize = 256;
pub(super) const MAX_ACCESS_LIST_KEYS: usize = 4096;
/// Ours, as EIP-7702 has none: each costs gas, and the recovery of a key here.
pub(super) const MAX_AUTHORIZATIONS: usize = 64;
/// EIP-7594.
pub(super) const MAX_BLOBS: usize = 6;
const _: () = assert!(MAX_BLOBS as u64 == MAX_BLOBS_PER_TX_FUSAKA);
