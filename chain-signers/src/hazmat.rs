//! Signing and verifying bytes that nobody decoded.
//!
//! <div class="warning">
//!
//! A signature over a hash that somebody else chose can be a signature over anything: a transfer of all funds, another
//! contract, another chain. No policy can judge it. Use [`ChainSigner`](crate::ChainSigner) unless the protocol that
//! made the hash was checked elsewhere, and never let an untrusted party choose the hash.
//!
//! </div>

use crate::{KeyError, SignError, Signature, SigningKey, VerifyingKey};

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
