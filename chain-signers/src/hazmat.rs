//! Signing and verifying bytes that nobody decoded.
//!
//! <div class="warning">
//!
//! A signature over a hash that somebody else chose can be a signature over anything: a transfer of all funds, another
//! contract, another chain. No policy can judge it. Use [`ChainSigner`](crate::ChainSigner) unless the protocol that
//! made the hash was checked elsewhere, and never let an untrusted party choose the hash.
//!
//! </div>

use crate::{
    Action, Chain, Curve, DecodeError, KeyError, Payload, Sighash, SignError, Signature, SignedTransaction, SigningKey,
    SigningPayload, Summary, Transaction, VerifyingKey, require,
};

/// Signs 32 bytes that are already a hash, with secp256k1 ECDSA: RFC 6979 nonce, low S, verified before it is returned.
///
/// ```
/// use chain_signers::{Curve, SigningKey, hazmat};
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[1; 32])?;
/// let signature = hazmat::sign_prehash(&key, &[2; 32])?;
/// assert_eq!(hazmat::recover(&[2; 32], &signature)?, key.verifying_key());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SignError::CurveMismatch`] for ed25519, which hashes for itself; [`SignError::Fault`] if the machine miscalculated.
pub fn sign_prehash(key: &SigningKey, prehash: &[u8; 32]) -> Result<Signature, SignError> {
    key.sign_prehash(prehash)
}

/// Verifies a secp256k1 ECDSA signature over a hash. `prehash` must be the output of a hash function: signatures over
/// arbitrary numbers can be made without a key.
///
/// # Errors
/// [`KeyError::InvalidSignature`] if it does not verify or is of another curve.
pub fn verify_prehash(key: &VerifyingKey, prehash: &[u8; 32], signature: &Signature) -> Result<(), KeyError> {
    key.verify_prehash(prehash, signature)
}

/// The key that made a secp256k1 ECDSA signature over a hash. `prehash` must be the output of a hash function, as for
/// [`verify_prehash`].
///
/// # Errors
/// [`KeyError::InvalidSignature`] if no key fits, the recovery id is absent, or it is of another curve.
pub fn recover(prehash: &[u8; 32], signature: &Signature) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::recover(prehash, signature)
}

/// Reads [`Encoding::Prehash`](crate::Encoding::Prehash): 32 bytes that are already a hash, as something that a policy can
/// judge and a [`ChainSigner`](crate::ChainSigner) sign. Its one action, [`Action::Prehash`], is permitted by rules with
/// `"blind_signing": true` alone. The payload names the chain, in whose name rules are looked for.
///
/// The signature comes out as r‖s‖recovery id, 65 bytes.
///
/// # Errors
/// [`DecodeError`]: it has not 32 bytes, names no chain of `chain`'s namespace, or the chain's curve signs no hashes.
pub fn decode_prehash(chain: &dyn Chain, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
    let namespace = chain.namespace();
    if chain.curve() != Curve::Secp256k1 {
        let (namespace, encoding) = (namespace.to_owned().into(), payload.encoding);
        return Err(DecodeError::UnsupportedEncoding { namespace, encoding });
    }
    let chain_id = require::chain_id(payload, namespace)?.clone();
    let len = payload.bytes.len();
    let prehash: [u8; 32] = payload.bytes.try_into().map_err(|_| DecodeError::invalid("a hash", "32 bytes", len))?;
    let text = format!("sign the hash {} of something that nobody decoded, on {chain_id}", hex::encode(prehash));
    let summary = Summary { chain_id, actions: vec![Action::Prehash], fee_ceiling: None, text };
    Ok(Box::new(Prehash { prehash, summary }))
}

#[derive(Debug)]
struct Prehash {
    prehash: [u8; 32],
    summary: Summary,
}

impl Transaction for Prehash {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.prehash.to_vec()
    }

    fn signing_payloads(&self, _: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        Ok(vec![SigningPayload::hashed(self.to_bytes(), Sighash::new(self.prehash))])
    }

    fn assemble(&self, _: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        let signature = require::one_signature(signatures, Curve::Secp256k1)?;
        let recovery_id = signature.recovery_id().ok_or(SignError::UnrepresentableRecoveryId)?;
        let bytes = [&signature.to_bytes()[..], &[recovery_id.to_byte()]].concat();
        Ok(SignedTransaction { bytes, id: hex::encode(self.prehash) })
    }
}
