//! An unsigned transaction and its two binary forms.

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::{eip2930::AccessList, eip4844::DATA_GAS_PER_BLOB, eip7702::SignedAuthorization};
use alloy_primitives::{B256, TxKind, U256};

use super::{
    envelope::{self, Form, Kind, WithoutSignature},
    rules::{MAX_ACCESS_LIST_ADDRESSES, MAX_ACCESS_LIST_KEYS, MAX_AUTHORIZATIONS, MAX_BLOBS, MAX_DATA_LEN, too_long},
};
use crate::DecodeError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    Legacy(TxLegacy),
    Eip2930(TxEip2930),
    Eip1559(TxEip1559),
    Eip4844(TxEip4844),
    Eip7702(TxEip7702),
}

impl Unsigned {
    pub(super) fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BINARY_LEN {
            return Err(too_long("the transaction", "bytes", bytes.len(), MAX_BINARY_LEN));
        }
        let (transaction, ()) = envelope::read::<WithoutSignature>(bytes)?;
        if let Self::Legacy(TxLegacy { chain_id: None, .. }) = transaction {
            return Err(DecodeError::Missing { field: "chain_id".into() });
        }
        // What the RLP reader lets pass (a string for the outer list, EIP-155 zeros that are not zero, trailing bytes)
        // does not encode to the same bytes again.
        if transaction.to_binary() == bytes {
            Ok(transaction)
        } else {
            Err(DecodeError::NotCanonical { format: WithoutSignature::FORMAT.into() })
        }
    }

    /// What is hashed and signed.
    pub(super) fn to_binary(&self) -> Vec<u8> {
        self.as_signable().encoded_for_signing()
    }

    /// The EIP-2718 encoding with a signature; that of a blob transaction is without its sidecar.
    pub(super) fn to_signed(&self, scalars: &[u8; 64], parity: bool) -> Vec<u8> {
        let signature = alloy_primitives::Signature::from_bytes_and_parity(scalars, parity);
        let mut out = Vec::with_capacity(self.input().len() + SIGNED_OVERHEAD);
        match self {
            Self::Legacy(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Eip2930(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Eip1559(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Eip4844(transaction) => transaction.eip2718_encode(&signature, &mut out),
            Self::Eip7702(transaction) => transaction.eip2718_encode(&signature, &mut out),
        }
        out
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Legacy(_) => Kind::Legacy,
            Self::Eip2930(_) => Kind::Eip2930,
            Self::Eip1559(_) => Kind::Eip1559,
            Self::Eip4844(_) => Kind::Eip4844,
            Self::Eip7702(_) => Kind::Eip7702,
        }
    }

    pub(super) fn chain_id(&self) -> u64 {
        self.as_signable().chain_id().unwrap_or(0) // and 0 is refused
    }

    pub(super) fn nonce(&self) -> u64 {
        self.as_signable().nonce()
    }

    pub(super) fn to(&self) -> TxKind {
        self.as_signable().kind()
    }

    pub(super) fn value(&self) -> U256 {
        self.as_signable().value()
    }

    pub(super) fn input(&self) -> &[u8] {
        self.as_signable().input()
    }

    pub(super) fn gas_limit(&self) -> u64 {
        self.as_signable().gas_limit()
    }

    pub(super) fn access_list(&self) -> Option<&AccessList> {
        self.as_signable().access_list()
    }

    /// Those of a blob transaction.
    pub(super) fn blob_hashes(&self) -> Option<&[B256]> {
        self.as_signable().blob_versioned_hashes()
    }

    /// Those of a delegation transaction.
    pub(super) fn authorizations(&self) -> Option<&[SignedAuthorization]> {
        self.as_signable().authorization_list()
    }

    pub(super) fn max_fee_per_gas(&self) -> u128 {
        self.as_signable().max_fee_per_gas()
    }

    pub(super) fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.as_signable().max_priority_fee_per_gas()
    }

    pub(super) fn max_fee_per_blob_gas(&self) -> Option<u128> {
        self.as_signable().max_fee_per_blob_gas()
    }

    /// 64 bits times 128 bits, and six blobs' gas (20 bits) times 128 bits, do not overflow 256 together.
    pub(super) fn fee_ceiling(&self) -> U256 {
        let blobs = self.blob_hashes().map_or(0, <[_]>::len);
        let blob_gas = U256::from(blobs) * U256::from(DATA_GAS_PER_BLOB);
        U256::from(self.gas_limit()) * U256::from(self.max_fee_per_gas())
            + blob_gas * U256::from(self.max_fee_per_blob_gas().unwrap_or(0))
    }

    fn as_signable(&self) -> &dyn SignableTransaction<alloy_primitives::Signature> {
        match self {
            Self::Legacy(transaction) => transaction,
            Self::Eip2930(transaction) => transaction,
            Self::Eip1559(transaction) => transaction,
            Self::Eip4844(transaction) => transaction,
            Self::Eip7702(transaction) => transaction,
        }
    }
}

/// The data, the largest lists (33 bytes a key or blob, up to 30 an address, 110 an authorization), and the other fields.
pub(super) const MAX_BINARY_LEN: usize = MAX_DATA_LEN
    + MAX_ACCESS_LIST_KEYS * 33
    + MAX_ACCESS_LIST_ADDRESSES * 30
    + MAX_BLOBS * 33
    + MAX_AUTHORIZATIONS * 110
    + SIGNED_OVERHEAD;
const SIGNED_OVERHEAD: usize = 512;
