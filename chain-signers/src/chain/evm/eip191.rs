//! What is signed and handed over, not sent: data framed by EIP-191, of which EIP-712 is version 1.

use super::{Evm, only_signature, require_secp256k1};
use crate::{
    Action, Amount, Chain, ChainId, Curve, DecodeError, KeyError, RecoveryId, Sighash, SignError, Signature,
    SignedTransaction, SigningPayload, Summary, Transaction, VerifyingKey, hazmat, keccak,
};

#[derive(Debug)]
pub(super) struct SignedData {
    /// As it came in, or as it would come in canonically.
    bytes: Vec<u8>,
    /// From 0x19 on.
    framed: Vec<u8>,
    sighash: Sighash,
    summary: Summary,
}

impl SignedData {
    /// `words` say what it does, without the hash.
    pub(super) fn new(bytes: Vec<u8>, framed: Vec<u8>, chain_id: ChainId, actions: Vec<Action>, words: &str) -> Self {
        let sighash = Sighash::new(keccak::keccak256(&framed));
        let text = format!("{words}; hash {sighash}");
        let summary = Summary { chain_id, actions, fee_ceiling: Some(Amount::ZERO), text };
        Self { bytes, framed, sighash, summary }
    }

    /// What is hashed.
    pub(super) fn framed(&self) -> &[u8] {
        &self.framed
    }
}

impl Transaction for SignedData {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Any key may sign: the signer follows from the signature.
    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        require_secp256k1(signer.curve())?;
        Ok(vec![SigningPayload::hashed(self.framed.clone(), self.sighash)])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        let (scalars, is_y_odd) = only_signature(signer, signatures)?;
        let bytes = [&scalars[..], &[27 + u8::from(is_y_odd)]].concat();
        Ok(SignedTransaction { bytes, id: format!("0x{}", self.sighash) })
    }
}

/// The address whose key made `signature`, 65 bytes r ‖ s ‖ v, over what is `framed`.
pub(super) fn recover_signer(framed: &[u8], signature: &[u8]) -> Result<String, DecodeError> {
    let malformed = |error: KeyError| DecodeError::malformed(FORMAT, error);
    let (scalars, is_y_odd) = match signature.split_last() {
        Some((v @ (27 | 28), scalars)) if scalars.len() == 64 => (scalars, *v == 28),
        _ => return Err(DecodeError::malformed(FORMAT, "not 65 bytes of which the last is 27 or 28")),
    };
    let recovery_id = Some(RecoveryId::from_parity(is_y_odd));
    let signature = Signature::from_bytes(Curve::Secp256k1, scalars, recovery_id).map_err(malformed)?;
    let signer = hazmat::recover(&keccak::keccak256(framed), &signature).map_err(malformed)?;
    Evm.address(&signer).map_err(malformed)
}

const FORMAT: &str = "a signature";
