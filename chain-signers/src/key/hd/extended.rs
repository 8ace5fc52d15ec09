use std::fmt;

use k256::{Scalar, elliptic_curve::PrimeField};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{ChildNumber, DerivationPath, DeriveError, Seed, hmac::HmacSha512};
use crate::{Curve, SigningKey};

/// A private key and its chain code: a node of the tree, from which its children are derived (BIP-32, SLIP-10).
///
/// Overwritten when dropped, silent in `Debug`, never cloned or serialized. The chain code cannot be read: with it, one
/// unhardened child's private key and this key's public key, anybody can compute this key.
///
/// ```
/// use chain_signers::{Curve, SigningKey, hd::{ChildNumber, ExtendedSigningKey, Seed}};
///
/// let seed = Seed::from_bytes(&[7; 64])?;
/// let accounts = ExtendedSigningKey::derive(Curve::Secp256k1, &seed, &"m/44'/60'/0'/0".parse()?)?;
/// let third = accounts.child(ChildNumber::normal(2).ok_or("out of range")?)?;
/// let path = "m/44'/60'/0'/0/2".parse()?;
/// assert_eq!(third.signing_key()?, SigningKey::derive(Curve::Secp256k1, &seed, &path)?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct ExtendedSigningKey {
    curve: Curve,
    depth: usize,
    /// Private key and chain code, 32 bytes each. Boxed, so that moves copy a pointer and leave no secret behind.
    node: Box<Zeroizing<[u8; NODE_LEN]>>,
}

impl ExtendedSigningKey {
    /// The key at the top of the seed's tree for `curve`, whose path is `m`.
    ///
    /// # Errors
    /// [`DeriveError::InvalidKey`] at level 0: BIP-32 has no key for this seed. (SLIP-10 would hash again.)
    pub fn master(curve: Curve, seed: &Seed) -> Result<Self, DeriveError> {
        let mut mac = HmacSha512::new(match curve {
            Curve::Secp256k1 => b"Bitcoin seed",
            Curve::Ed25519 => b"ed25519 seed",
        });
        mac.update(seed.as_secret_bytes());
        let mut master = Self::zeroed(curve, 0);
        mac.finish_into(&mut master.node);
        match curve {
            Curve::Secp256k1 => drop(master.scalar()?),
            Curve::Ed25519 => {} // any 32 bytes will do
        }
        Ok(master)
    }

    /// The key at `path`, which starts at the master key.
    ///
    /// # Errors
    /// Those of [`master`](Self::master) and [`child`](Self::child), which name the level.
    pub fn derive(curve: Curve, seed: &Seed, path: &DerivationPath) -> Result<Self, DeriveError> {
        path.child_numbers().iter().try_fold(Self::master(curve, seed)?, |key, number| key.child(*number))
    }

    /// One of its children (`CKDpriv`).
    ///
    /// # Errors
    /// [`DeriveError::HardenedOnly`] for an unhardened child on ed25519; [`DeriveError::InvalidKey`] if there is no
    /// such child (BIP-32: take the next index); [`DeriveError::TooDeep`].
    pub fn child(&self, number: ChildNumber) -> Result<Self, DeriveError> {
        let level = self.depth + 1;
        if level > DerivationPath::MAX_DEPTH {
            return Err(DeriveError::TooDeep);
        }
        let mut mac = HmacSha512::new(&self.node[SECRET_LEN..]);
        match self.curve {
            _ if number.is_hardened() => {
                mac.update(&[0]);
                mac.update(&self.node[..SECRET_LEN]);
            }
            Curve::Secp256k1 => mac.update(&self.signing_key()?.verifying_key().to_bytes()),
            curve @ Curve::Ed25519 => return Err(DeriveError::HardenedOnly { curve, level }),
        }
        mac.update(&number.to_bits().to_be_bytes());
        let mut child = Self::zeroed(self.curve, level);
        mac.finish_into(&mut child.node);
        match self.curve {
            Curve::Secp256k1 => child.add_parent(self)?,
            Curve::Ed25519 => {} // the hash is the key
        }
        Ok(child)
    }

    /// The private key without its chain code.
    ///
    /// # Errors
    /// [`DeriveError::InvalidKey`] for an ed25519 key of zeros, which SLIP-10 allows and [`SigningKey`] does not:
    /// nobody will meet it.
    pub fn signing_key(&self) -> Result<SigningKey, DeriveError> {
        SigningKey::from_secret_bytes(self.curve, &self.node[..SECRET_LEN]).map_err(|_| self.invalid())
    }

    /// The curve that it is on.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// How many levels it is below the master key.
    pub fn depth(&self) -> usize {
        self.depth
    }

    fn zeroed(curve: Curve, depth: usize) -> Self {
        Self { curve, depth, node: Box::new(Zeroizing::new([0; NODE_LEN])) }
    }

    /// Makes a secp256k1 child's hash its key: the sum of both modulo the order. BIP-32 refuses a hash that is not
    /// below the order and a sum of zero; a hash of zero it allows.
    fn add_parent(&mut self, parent: &Self) -> Result<(), DeriveError> {
        let (hash, key) = (self.number()?, parent.scalar()?);
        let sum = Zeroizing::new(*hash + *key);
        if bool::from(sum.is_zero()) {
            return Err(self.invalid());
        }
        let mut bytes = sum.to_repr();
        self.node[..SECRET_LEN].copy_from_slice(&bytes);
        bytes.zeroize();
        Ok(())
    }

    /// The first half of the node as a secp256k1 private key.
    fn scalar(&self) -> Result<Zeroizing<Scalar>, DeriveError> {
        let scalar = self.number()?;
        if bool::from(scalar.is_zero()) { Err(self.invalid()) } else { Ok(scalar) }
    }

    /// The first half of the node as a number below the order of secp256k1.
    fn number(&self) -> Result<Zeroizing<Scalar>, DeriveError> {
        let mut bytes = Zeroizing::new(<Scalar as PrimeField>::Repr::default());
        bytes.copy_from_slice(&self.node[..SECRET_LEN]);
        Option::from(Scalar::from_repr(*bytes)).map(Zeroizing::new).ok_or_else(|| self.invalid())
    }

    fn invalid(&self) -> DeriveError {
        DeriveError::InvalidKey { level: self.depth }
    }
}

impl SigningKey {
    /// The key at `path` of the seed's tree for `curve`: BIP-32 for secp256k1, SLIP-10 for ed25519.
    ///
    /// # Errors
    /// [`DeriveError::HardenedOnly`] names the level of an ed25519 path that is not hardened;
    /// [`DeriveError::InvalidKey`] is met by nobody.
    pub fn derive(curve: Curve, seed: &Seed, path: &DerivationPath) -> Result<Self, DeriveError> {
        ExtendedSigningKey::derive(curve, seed, path)?.signing_key()
    }
}

impl fmt::Debug for ExtendedSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtendedSigningKey")
            .field("curve", &self.curve)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl ZeroizeOnDrop for ExtendedSigningKey {}

const SECRET_LEN: usize = 32;
const NODE_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    const ORDER_LESS_ONE: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
    const ONE: &str = "0000000000000000000000000000000000000000000000000000000000000001";
    const TWO: &str = "0000000000000000000000000000000000000000000000000000000000000002";
    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn key(secret: &str, depth: usize) -> ExtendedSigningKey {
        let mut key = ExtendedSigningKey::zeroed(Curve::Secp256k1, depth);
        key.node[..SECRET_LEN].copy_from_slice(&hex::decode(secret).unwrap());
        key
    }

    /// No seed leads here (BIP-32: one in 2^127), so the hashes are made up.
    #[test]
    fn a_hash_beyond_the_order_and_a_sum_of_zero_are_no_key_and_a_hash_of_zero_is() {
        let invalid = Err(DeriveError::InvalidKey { level: 3 });
        assert_eq!(key(ORDER, 3).add_parent(&key(ONE, 2)), invalid);
        assert_eq!(key(&"ff".repeat(32), 3).add_parent(&key(ONE, 2)), invalid);
        assert_eq!(key(ORDER_LESS_ONE, 3).add_parent(&key(ONE, 2)), invalid);
        for (hash, parent, sum) in [(ZERO, ONE, ONE), (ORDER_LESS_ONE, TWO, ONE), (ONE, ONE, TWO)] {
            let mut child = key(hash, 3);
            assert_eq!(child.add_parent(&key(parent, 2)), Ok(()));
            assert_eq!(hex::encode(&child.node[..SECRET_LEN]), sum);
        }
    }

    #[test]
    fn zero_and_the_order_are_no_master_key() {
        for secret in [ZERO, ORDER] {
            assert_eq!(key(secret, 0).scalar().map(drop), Err(DeriveError::InvalidKey { level: 0 }));
        }
        assert!(key(ORDER_LESS_ONE, 0).scalar().is_ok());
    }
}
