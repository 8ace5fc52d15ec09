//! An unsigned transaction and its two binary forms.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy, transaction::RlpEcdsaEncodableTx};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{TxKind, U256};
use alloy_rlp::Decodable;

use super::rules::{MAX_ACCESS_LIST_ADDRESSES, MAX_ACCESS_LIST_KEYS, MAX_DATA_LEN, too_long};
use crate::DecodeError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    Eip1559(TxEip1559),
    Eip2930(TxEip2930),
    Legacy(TxLegacy),
}

impl Unsigned {
    pub(super) fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BINARY_LEN {
            return Err(too_long("the transaction", "bytes", bytes.len(), MAX_BINARY_LEN));
        }
        let transaction = match bytes.split_first() {
            Some((0x01, mut rest)) => TxEip2930::decode(&mut rest).map(Self::Eip2930),
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
            Self::Eip2930(transaction) => transaction.encoded_for_signing(),
            Self::Legacy(transaction) => transaction.encoded_for_signing(),
        }
    }

    /// The EIP-2718 encoding with a signature.
    pub(super) fn to_signed(&self, scalars: &[u8; 64], parity: bool) -> Vec<u8> {
        let signature = alloy_primitives::Signature::from_bytes_and_parity(scalars, parity);
        let mut out = Vec::with_capacity(self.input().len() + SIGNED_OVERHEAD);
        match self {
            Self::Eip1559(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Eip2930(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Legacy(transaction) => transaction.eip2718_encode(&signature, &mut out),
        }
        out
    }

    /// What people call its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Eip1559(_) => "EIP-1559",
            Self::Eip2930(_) => "EIP-2930",
            Self::Legacy(_) => "legacy",
        }
    }

    pub(super) fn chain_id(&self) -> u64 {
        self.as_transaction().chain_id().unwrap_or(0) // and 0 is refused
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

    pub(super) fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.as_transaction().max_priority_fee_per_gas()
    }

    /// 64 bits times 128 bits do not overflow 256.
    pub(super) fn fee_ceiling(&self) -> U256 {
        U256::from(self.gas_limit()) * U256::from(self.max_fee_per_gas())
    }

    fn as_transaction(&self) -> &dyn alloy_consensus::Transaction {
        match self {
            Self::Eip1559(transaction) => transaction,
            Self::Eip2930(transaction) => transaction,
            Self::Legacy(transaction) => transaction,
        }
    }
}

/// The type that an EIP-2718 envelope, or a JSON transaction, names.
pub(super) fn unsupported_type(byte: u8) -> DecodeError {
    let found = match byte {
        0x03 => "an EIP-4844 blob transaction (type 3)".into(),
        0x04 => "an EIP-7702 delegation transaction (type 4)".into(),
        other => format!("a transaction of type {other}").into(),
    };
    DecodeError::UnsupportedType { found }
}

const FORMAT: &str = "an unsigned transaction";

/// The data, the largest access list (33 bytes a key, up to 30 an address), and the other fields.
pub(super) const MAX_BINARY_LEN: usize =
    MAX_DATA_LEN + MAX_ACCESS_LIST_KEYS * 33 + MAX_ACCESS_LIST_ADDRESSES * 30 + SIGNED_OVERHEAD;
const SIGNED_OVERHEAD: usize = 512;
