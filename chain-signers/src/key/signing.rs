use std::fmt;

use rand_core::TryCryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{ecdsa, payload::Scheme, taproot};
use crate::{Curve, GenerateError, KeyError, SignError, Signature, SigningPayload, VerifyingKey};

/// A private key: overwritten when dropped, silent in `Debug`, compared in constant time, never cloned or serialized.
///
/// It signs through a [`ChainSigner`](crate::ChainSigner), which takes decoded transactions, or through
/// [`hazmat`](crate::hazmat).
///
/// ```
/// use chain_signers::{Curve, SigningKey};
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32])?; // the key of EIP-155's example
/// assert_eq!(key.curve(), Curve::Secp256k1);
/// assert_eq!(key.verifying_key().to_bytes().len(), 33);
/// # Ok::<_, chain_signers::KeyError>(())
/// ```
pub struct SigningKey(Secret);

/// Boxed, so that moving a key copies a pointer and leaves no secret behind on the stack.
enum Secret {
    Secp256k1(Box<k256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl SigningKey {
    /// Draws a key from `rng` (rejection sampling for secp256k1, so every key is equally likely).
    ///
    /// # Errors
    /// [`GenerateError::Rng`] is the generator's own failure; [`GenerateError::Exhausted`] is a broken generator that
    /// keeps yielding zeros or other unusable secrets.
    pub fn generate<R: TryCryptoRng + ?Sized>(curve: Curve, rng: &mut R) -> Result<Self, GenerateError<R::Error>> {
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        for _ in 0..MAX_DRAWS {
            rng.try_fill_bytes(secret.as_mut_slice()).map_err(GenerateError::Rng)?;
            if let Ok(key) = Self::from_secret_bytes(curve, secret.as_slice()) {
                return Ok(key);
            }
        }
        Err(GenerateError::Exhausted)
    }

    /// Reads 32 secret bytes: the scalar for secp256k1, the seed of RFC 8032 for ed25519. The caller zeroizes its copy.
    ///
    /// # Errors
    /// [`KeyError::Length`], or [`KeyError::InvalidSecret`] for a scalar that is zero or not below the group order, and
    /// for a seed of zeros, which nobody drew.
    pub fn from_secret_bytes(curve: Curve, secret: &[u8]) -> Result<Self, KeyError> {
        let secret: &[u8; SECRET_LEN] = secret.try_into().map_err(|_| KeyError::Length {
            what: "a secret key",
            expected: SECRET_LEN,
            actual: secret.len(),
        })?;
        let invalid = KeyError::InvalidSecret { curve };
        match curve {
            Curve::Secp256k1 => {
                let key = k256::ecdsa::SigningKey::from_slice(secret).map_err(|_| invalid)?;
                Ok(Self(Secret::Secp256k1(Box::new(key))))
            }
            Curve::Ed25519 if bool::from(secret.ct_eq(&[0; SECRET_LEN])) => Err(invalid),
            Curve::Ed25519 => Ok(Self(Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(secret))))),
        }
    }

    /// The curve it is on.
    pub fn curve(&self) -> Curve {
        match self.0 {
            Secret::Secp256k1(_) => Curve::Secp256k1,
            Secret::Ed25519(_) => Curve::Ed25519,
        }
    }

    /// Its public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        match &self.0 {
            Secret::Secp256k1(key) => VerifyingKey::from_secp256k1(*key.verifying_key()),
            Secret::Ed25519(key) => VerifyingKey::from_ed25519(key.verifying_key()),
        }
    }

    /// The 32 bytes that [`from_secret_bytes`](Self::from_secret_bytes) reads.
    ///
    /// # Security
    /// This is the key itself. Seal it at once; never log it, and let the returned buffer drop where you got it.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; SECRET_LEN]> {
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        match &self.0 {
            Secret::Secp256k1(key) => {
                let mut scalar = key.to_bytes();
                secret.copy_from_slice(&scalar);
                scalar.zeroize();
            }
            Secret::Ed25519(key) => secret.copy_from_slice(key.as_bytes()),
        }
        secret
    }

    /// Signs a fixed message and verifies it: shows that this machine computes with this curve and key.
    ///
    /// What was signed is a constant of this crate and is dropped, so no signature comes out.
    ///
    /// # Errors
    /// [`SignError::Fault`] if the machine miscalculated.
    pub fn pairwise_consistency_test(&self) -> Result<(), SignError> {
        match self.curve() {
            Curve::Secp256k1 => self.sign_prehash(&[0x5a; 32]).map(drop),
            Curve::Ed25519 => self.sign(&SigningPayload::message(b"chain-signers self-test".to_vec())).map(drop),
        }
    }

    /// Signs a payload of the kind that the curve signs, and verifies the signature.
    pub(crate) fn sign(&self, payload: &SigningPayload) -> Result<Signature, SignError> {
        match (&self.0, payload.scheme()) {
            (Secret::Secp256k1(key), Scheme::Ecdsa(sighash)) => ecdsa::sign(key, sighash.as_bytes()),
            (Secret::Secp256k1(key), Scheme::Taproot(sighash)) => taproot::sign(key, sighash.as_bytes()),
            (Secret::Ed25519(key), Scheme::Message) => sign_ed25519(key, payload.as_bytes()),
            _ => Err(SignError::PayloadKind { curve: self.curve() }),
        }
    }

    pub(crate) fn sign_prehash(&self, prehash: &[u8; 32]) -> Result<Signature, SignError> {
        match &self.0 {
            Secret::Secp256k1(key) => ecdsa::sign(key, prehash),
            Secret::Ed25519(_) => Err(SignError::CurveMismatch { expected: Curve::Secp256k1, actual: Curve::Ed25519 }),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("curve", &self.curve()).finish_non_exhaustive()
    }
}

impl ConstantTimeEq for SigningKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        match (&self.0, &other.0) {
            (Secret::Secp256k1(one), Secret::Secp256k1(two)) => one.as_ref().ct_eq(two.as_ref()),
            (Secret::Ed25519(one), Secret::Ed25519(two)) => one.as_bytes().ct_eq(two.as_bytes()),
            _ => Choice::from(0), // the curve is no secret
        }
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for SigningKey {}

impl ZeroizeOnDrop for SigningKey {}

/// Stops compiling if a dependency's feature is lost that makes an inner key overwrite itself.
const _: fn() = || {
    fn overwrites_itself<T: ZeroizeOnDrop>() {}
    overwrites_itself::<k256::ecdsa::SigningKey>();
    overwrites_itself::<k256::schnorr::SigningKey>(); // while it signs
    overwrites_itself::<ed25519_dalek::SigningKey>();
};

fn sign_ed25519(key: &ed25519_dalek::SigningKey, message: &[u8]) -> Result<Signature, SignError> {
    use ed25519_dalek::Signer;
    let signature = key.try_sign(message).map_err(|_| SignError::Fault)?;
    key.verifying_key().verify_strict(message, &signature).map_err(|_| SignError::Fault)?;
    Signature::from_bytes(Curve::Ed25519, &signature.to_bytes(), None).map_err(|_| SignError::Fault)
}

const SECRET_LEN: usize = 32;

/// One draw is unusable with a probability of about 2^-128.
const MAX_DRAWS: usize = 64;
