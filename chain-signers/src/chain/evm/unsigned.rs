//! An unsigned transaction, its two binary forms, and the rules it must keep whatever it was written in.

use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy, transaction::RlpEcdsaEncodableTx};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{TxKind, U256};
use alloy_rlp::Decodable;

use crate::DecodeError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    Eip1559(TxEip1559),
    Legacy(TxLegacy),
}

impl Unsigned {
    pub(super) fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BINARY_LEN {
            return Err(too_long("the transaction", "bytes", bytes.len(), MAX_BINARY_LEN));
        }
        let transaction = match bytes.split_first() {
            Some((0x02, mut rest)) => TxEip1559::decode(&mut rest).map(Self::Eip1559),
            Some((0xc0.., _)) => TxLegacy::decode(&mut &*bytes).map(Self::Legacy),
            Some((byte, _)) => return Err(unsupported_type(*byte)),
            None => return Err(DecodeError::malformed(FORMAT, "no bytes")),
        }
        .map_err(|error| DecodeError::malformed(FORMAT, error))?;
        if let Self::Legacy(TxLegacy { chain_id: None, .. }) = transaction {
            return Err(DecodeError::Missing { field: "chain_id".into() });
        }
        // What the RLP reader lets pass (a string for the outer list, EIP-155 zeros that are not zero, trailing bytes)
        // does not encode to the same bytes again.
        if transaction.to_binary() == bytes {
            Ok(transaction)
        } else {
            Err(DecodeError::NotCanonical { format: FORMAT.into() })
        }
    }

    /// What is hashed and signed.
    pub(super) fn to_binary(&self) -> Vec<u8> {
        match self {
            Self::Eip1559(transaction) => transaction.encoded_for_signing(),
            Self::Legacy(transaction) => transaction.encoded_for_signing(),
        }
    }

    /// The EIP-2718 encoding with a signature.
    pub(super) fn to_signed(&self, scalars: &[u8; 64], parity: bool) -> Vec<u8> {
        let signature = alloy_primitives::Signature::from_bytes_and_parity(scalars, parity);
        let mut out = Vec::with_capacity(self.input_len() + SIGNED_OVERHEAD);
        match self {
            Self::Eip1559(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Legacy(transaction) => transaction.eip2718_encode(&signature, &mut out),
        }
        out
    }

    /// The rules that hold for every encoding.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.check_chain_id()?;
        if self.nonce() > MAX_NONCE {
            return Err(DecodeError::invalid("nonce", "at most 2^64 - 2 (EIP-2681)", self.nonce()));
        }
        if let Self::Eip1559(TxEip1559 { max_priority_fee_per_gas, max_fee_per_gas, .. }) = self
            && max_priority_fee_per_gas > max_fee_per_gas
        {
            let expected = format!("at most the maximum fee, {max_fee_per_gas}");
            return Err(DecodeError::invalid("max_priority_fee_per_gas", expected, max_priority_fee_per_gas));
        }
        if self.fee_ceiling().checked_add(self.value()).is_none() {
            return Err(DecodeError::invalid("value", "value and fee of at most 2^256 - 1 together", self.value()));
        }
        self.check_data()?;
        self.access_list().map_or(Ok(()), check_access_list)
    }

    pub(super) fn chain_id(&self) -> u64 {
        match self {
            Self::Eip1559(transaction) => transaction.chain_id,
            Self::Legacy(transaction) => transaction.chain_id.unwrap_or(0), // and 0 is refused
        }
    }

    pub(super) fn nonce(&self) -> u64 {
        self.as_transaction().nonce()
    }

    pub(super) fn to(&self) -> TxKind {
        self.as_transaction().kind()
    }

    pub(super) fn value(&self) -> U256 {
        self.as_transaction().value()
    }

    pub(super) fn input(&self) -> &[u8] {
        self.as_transaction().input()
    }

    pub(super) fn gas_limit(&self) -> u64 {
        self.as_transaction().gas_limit()
    }

    pub(super) fn access_list(&self) -> Option<&AccessList> {
        self.as_transaction().access_list()
    }

    pub(super) fn max_fee_per_gas(&self) -> u128 {
        self.as_transaction().max_fee_per_gas()
    }

    /// 64 bits times 128 bits do not overflow 256.
    pub(super) fn fee_ceiling(&self) -> U256 {
        U256::from(self.gas_limit()) * U256::from(self.max_fee_per_gas())
    }

    fn as_transaction(&self) -> &dyn alloy_consensus::Transaction {
        match self {
            Self::Eip1559(transaction) => transaction,
            Self::Legacy(transaction) => transaction,
        }
    }

    fn input_len(&self) -> usize {
        self.input().len()
    }

    fn check_chain_id(&self) -> Result<(), DecodeError> {
        match self.chain_id() {
            1..=MAX_CHAIN_ID => Ok(()),
            other => Err(DecodeError::invalid("chain_id", "from 1 to 2^63 - 37 (EIP-2294)", other)),
        }
    }

    fn check_data(&self) -> Result<(), DecodeError> {
        match (self.to(), self.input_len()) {
            (TxKind::Create, 0) => Err(DecodeError::Missing { field: "the init code of a contract creation".into() }),
            (TxKind::Create, len) if len > MAX_INIT_CODE_LEN => {
                Err(too_long("init code", "bytes", len, MAX_INIT_CODE_LEN))
            }
            (_, len) if len > MAX_DATA_LEN => Err(too_long("data", "bytes", len, MAX_DATA_LEN)),
            _ => Ok(()),
        }
    }
}

/// The type that an EIP-2718 envelope, or a JSON transaction, names.
pub(super) fn unsupported_type(byte: u8) -> DecodeError {
    let found = match byte {
        0x01 => "an EIP-2930 transaction (type 1)".into(),
        0x03 => "an EIP-4844 blob transaction (type 3)".into(),
        0x04 => "an EIP-7702 delegation transaction (type 4)".into(),
        other => format!("a transaction of type {other}").into(),
    };
    DecodeError::UnsupportedType { found }
}

pub(super) fn too_long(what: &'static str, unit: &'static str, len: usize, max: usize) -> DecodeError {
    DecodeError::TooLong { what: what.into(), unit, len, max }
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

const FORMAT: &str = "an unsigned EIP-1559 or EIP-155 transaction";

/// EIP-2294: floor(2^64 / 2) - 37, below which the legacy `v` fits 64 bits.
const MAX_CHAIN_ID: u64 = u64::MAX / 2 - 36;
/// EIP-2681: an account's last possible nonce may not be used.
const MAX_NONCE: u64 = u64::MAX - 1;
/// Beyond this, clients do not relay a transaction.
pub(super) const MAX_DATA_LEN: usize = 128 * 1024;
/// EIP-3860.
const MAX_INIT_CODE_LEN: usize = 49_152;
const MAX_ACCESS_LIST_ADDRESSES: usize = 256;
const MAX_ACCESS_LIST_KEYS: usize = 4096;
/// The data, the largest access list (33 bytes a key, up to 30 an address), and the other fields.
pub(super) const MAX_BINARY_LEN: usize =
    MAX_DATA_LEN + MAX_ACCESS_LIST_KEYS * 33 + MAX_ACCESS_LIST_ADDRESSES * 30 + SIGNED_OVERHEAD;
const SIGNED_OVERHEAD: usize = 512;
