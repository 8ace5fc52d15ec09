use std::fmt;

use k256::ecdsa::signature::hazmat::PrehashVerifier;

use super::{payload::Scheme, taproot};
use crate::{Curve, KeyError, Signature, SigningPayload};

/// A public key.
///
/// ```
/// use chain_signers::{Curve, VerifyingKey};
///
/// let generator = [&[2][..], &[
///     0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07,
///     0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
/// ]].concat();
/// let key = VerifyingKey::from_bytes(Curve::Secp256k1, &generator)?;
/// assert_eq!(key.to_bytes(), generator);
/// # Ok::<_, chain_signers::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(Repr);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Repr {
    Secp256k1(k256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl VerifyingKey {
    /// Reads a public key: 33 bytes of compressed SEC 1 for secp256k1, 32 bytes for ed25519.
    ///
    /// # Errors
    /// [`KeyError::Length`], or [`KeyError::InvalidPublicKey`] if it is not a point, not its one encoding, or (ed25519)
    /// of small order.
    pub fn from_bytes(curve: Curve, bytes: &[u8]) -> Result<Self, KeyError> {
        let expected = match curve {
            Curve::Secp256k1 => COMPRESSED_LEN,
            Curve::Ed25519 => ed25519_dalek::PUBLIC_KEY_LENGTH,
        };
        if bytes.len() != expected {
            return Err(KeyError::Length { what: "a public key", expected, actual: bytes.len() });
        }
        match curve {
            Curve::Secp256k1 => read_secp256k1(bytes).map(Repr::Secp256k1),
            Curve::Ed25519 => read_ed25519(bytes).map(Repr::Ed25519),
        }
        .map(Self)
        .ok_or(KeyError::InvalidPublicKey { curve })
    }

    /// The curve it is on.
    pub fn curve(&self) -> Curve {
        match self.0 {
            Repr::Secp256k1(_) => Curve::Secp256k1,
            Repr::Ed25519(_) => Curve::Ed25519,
        }
    }

    /// 33 bytes of compressed SEC 1 for secp256k1, 32 bytes for ed25519.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Repr::Secp256k1(key) => key.to_sec1_point(true).as_bytes().to_vec(),
            Repr::Ed25519(key) => key.to_bytes().to_vec(),
        }
    }

    /// A secp256k1 key as 65 bytes of uncompressed SEC 1: 4, x, y. Chains hash it into addresses.
    ///
    /// # Errors
    /// [`KeyError::CurveMismatch`] for another curve.
    pub fn to_uncompressed_bytes(&self) -> Result<Vec<u8>, KeyError> {
        self.as_secp256k1().map(|key| key.to_sec1_point(false).as_bytes().to_vec())
    }

    /// The x of a secp256k1 key: what BIP-340 calls the public key and BIP-341 the internal key.
    ///
    /// # Errors
    /// [`KeyError::CurveMismatch`] for another curve.
    pub fn to_x_only_bytes(&self) -> Result<[u8; 32], KeyError> {
        self.as_secp256k1().map(taproot::internal_key)
    }

    /// The x of the secp256k1 key that is in a Taproot output without a script tree (BIP-341, BIP-86).
    ///
    /// # Errors
    /// [`KeyError::CurveMismatch`] for another curve; [`KeyError::InvalidPublicKey`] if there is no such output for this
    /// key, which happens about once in 2^128.
    pub fn taproot_output_key(&self) -> Result<[u8; 32], KeyError> {
        self.as_secp256k1().and_then(taproot::output_key)
    }

    /// Verifies a signature over `payload`: strictly by RFC 8032 for ed25519, with low S for ECDSA, by BIP-340 under the
    /// [output key](Self::taproot_output_key) for a Taproot output.
    ///
    /// # Errors
    /// [`KeyError::InvalidSignature`] if it does not verify, is of another curve, or the payload does not suit the curve.
    pub fn verify(&self, payload: &SigningPayload, signature: &Signature) -> Result<(), KeyError> {
        match payload.scheme() {
            Scheme::Ecdsa(sighash) => self.verify_prehash(sighash.as_bytes(), signature),
            Scheme::Message => self.verify_message(payload.as_bytes(), signature),
            Scheme::Taproot(sighash) => self.verify_taproot(sighash.as_bytes(), signature),
        }
    }

    pub(crate) fn from_secp256k1(key: k256::ecdsa::VerifyingKey) -> Self {
        Self(Repr::Secp256k1(key))
    }

    fn as_secp256k1(&self) -> Result<&k256::ecdsa::VerifyingKey, KeyError> {
        match &self.0 {
            Repr::Secp256k1(key) => Ok(key),
            Repr::Ed25519(_) => Err(KeyError::CurveMismatch { expected: Curve::Secp256k1, actual: Curve::Ed25519 }),
        }
    }

    pub(crate) fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Self {
        Self(Repr::Ed25519(key))
    }

    pub(crate) fn verify_prehash(&self, prehash: &[u8; 32], signature: &Signature) -> Result<(), KeyError> {
        let invalid = KeyError::InvalidSignature { curve: self.curve() };
        let Repr::Secp256k1(key) = &self.0 else { return Err(invalid) };
        let Some(parsed) = as_ecdsa(signature) else { return Err(invalid) };
        key.verify_prehash(prehash, &parsed).map_err(|_| invalid)
    }

    fn verify_taproot(&self, sighash: &[u8; 32], signature: &Signature) -> Result<(), KeyError> {
        match &self.0 {
            Repr::Secp256k1(key) if signature.is_schnorr() => taproot::verify(key, sighash, &signature.to_bytes()),
            _ => Err(KeyError::InvalidSignature { curve: self.curve() }),
        }
    }

    pub(crate) fn verify_message(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let invalid = KeyError::InvalidSignature { curve: self.curve() };
        match &self.0 {
            Repr::Ed25519(key) if signature.curve() == Curve::Ed25519 => {
                let parsed = ed25519_dalek::Signature::from_bytes(&signature.to_bytes());
                key.verify_strict(message, &parsed).map_err(|_| invalid)
            }
            _ => Err(invalid),
        }
    }

    /// The key that made `signature` over `prehash`, by SEC 1, 4.1.6.
    pub(crate) fn recover(prehash: &[u8; 32], signature: &Signature) -> Result<Self, KeyError> {
        let invalid = KeyError::InvalidSignature { curve: signature.curve() };
        let (Some(parsed), Some(id)) = (as_ecdsa(signature), signature.recovery_id()) else { return Err(invalid) };
        k256::ecdsa::VerifyingKey::recover_from_prehash(prehash, &parsed, id.to_k256())
            .map(Self::from_secp256k1)
            .map_err(|_| invalid)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {})", self.curve(), hex::encode(self.to_bytes()))
    }
}

/// Tags 2 and 3 only: the reader also takes 5, a "compact" point of 33 bytes, as a second spelling of the same key.
fn read_secp256k1(bytes: &[u8]) -> Option<k256::ecdsa::VerifyingKey> {
    matches!(bytes.first(), Some(2 | 3)).then(|| k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()).flatten()
}

/// A point in its canonical encoding and of large order: a small one would verify signatures nobody made.
fn read_ed25519(bytes: &[u8]) -> Option<ed25519_dalek::VerifyingKey> {
    let bytes: &[u8; ed25519_dalek::PUBLIC_KEY_LENGTH] = bytes.try_into().ok()?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
    (!key.is_weak() && key.to_edwards().compress().as_bytes() == bytes).then_some(key)
}

fn as_ecdsa(signature: &Signature) -> Option<k256::ecdsa::Signature> {
    match signature.curve() {
        Curve::Secp256k1 if !signature.is_schnorr() => k256::ecdsa::Signature::from_slice(&signature.to_bytes()).ok(),
        _ => None,
    }
}

const COMPRESSED_LEN: usize = 33;
