//! Authorizations of EIP-7702 that the key itself signs, for a transaction that anybody may send.

use alloy_eips::eip7702::{Authorization, SignedAuthorization, constants::MAGIC};
use alloy_primitives::{Address, U256};
use alloy_rlp::Decodable;

use super::{NAMESPACE, account_of_signer, authority, only_signature, require_signer, rules::too_long, summary};
use crate::{
    Amount, ChainId, DecodeError, Sighash, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Payload, Transaction},
    keccak,
};

/// Whether bytes are the binary form of one.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.first() == Some(&MAGIC)
}

pub(super) fn from_binary(bytes: &[u8]) -> Result<Authorization, DecodeError> {
    if bytes.len() > MAX_BINARY_LEN {
        return Err(too_long("the authorization", "bytes", bytes.len(), MAX_BINARY_LEN));
    }
    let rlp = &mut bytes.get(1..).unwrap_or_default();
    let authorization = Authorization::decode(rlp).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    if authority::signing_data(&authorization) == bytes {
        Ok(authorization)
    } else {
        Err(DecodeError::NotCanonical { format: FORMAT.into() })
    }
}

/// An authorization to be signed.
#[derive(Debug)]
pub(super) struct UnsignedAuthorization {
    authorization: Authorization,
    /// Whose signature it is for, if the caller said so.
    authority: Option<Address>,
    bytes: Vec<u8>,
    sighash: Sighash,
    summary: Summary,
}

impl UnsignedAuthorization {
    pub(super) fn new(authorization: Authorization, payload: &Payload<'_>) -> Result<Self, DecodeError> {
        authority::check(&authorization, "")?;
        let chain_id = chain_id(&authorization, payload.chain_id)?;
        let authority = account_of_signer(payload)?;
        let bytes = authority::signing_data(&authorization);
        let sighash = Sighash::new(keccak::keccak256(&bytes));
        let effect = summary::delegation(&authorization, authority);
        let text = format!("{} on {chain_id} (EIP-7702 authorization); sighash {sighash}", effect.words);
        let summary = Summary { chain_id, actions: effect.actions, fee_ceiling: Some(Amount::ZERO), text };
        Ok(Self { authorization, authority, bytes, sighash, summary })
    }
}

impl Transaction for UnsignedAuthorization {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        require_signer(self.authority, signer)?;
        Ok(vec![SigningPayload::hashed(self.bytes.clone(), self.sighash)])
    }

    /// The network knows authorizations by no name: the id is what was signed.
    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        require_signer(self.authority, signer)?;
        let (scalars, is_y_odd) = only_signature(signer, signatures)?;
        let (r, s) = scalars.split_at(32);
        let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
        let signed = SignedAuthorization::new_unchecked(self.authorization.clone(), u8::from(is_y_odd), r, s);
        Ok(SignedTransaction { bytes: alloy_rlp::encode(&signed), id: format!("0x{}", self.sighash) })
    }
}

/// The authorization's own chain, or the caller's if it is for all. The number was checked.
fn chain_id(authorization: &Authorization, named: Option<&ChainId>) -> Result<ChainId, DecodeError> {
    let own = match authorization.chain_id.saturating_to() {
        0 => None,
        number => Some(summary::chain_id(number)?),
    };
    match (own, named) {
        (Some(own), Some(named)) if own != *named => {
            Err(DecodeError::ChainIdMismatch { expected: named.clone(), actual: own })
        }
        (Some(own), _) => Ok(own),
        (None, Some(named)) if named.namespace() == NAMESPACE => Ok(named.clone()),
        (None, Some(named)) => Err(DecodeError::invalid("chain_id", "a chain id starting with eip155:", named)),
        (None, None) => Err(DecodeError::ChainIdRequired { namespace: NAMESPACE.into() }),
    }
}

const FORMAT: &str = "an authorization";
/// Above the longest: a magic byte, three lengths and numbers, an address.
const MAX_BINARY_LEN: usize = 64;
