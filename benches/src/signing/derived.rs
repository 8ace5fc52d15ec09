//! A key derived from a seed (BIP-32), and what its derivation computes at least.

use chain_signers::hd::{DerivationPath, Mnemonic, Seed, standard};
use chain_signers::{Curve, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use crate::attested::Failure;

/// A seed and the path to Ethereum's first key.
#[derive(Debug)]
pub struct Derived {
    /// The seed.
    pub seed: Seed,
    path: DerivationPath,
    secret: [u8; 32],
}

impl Derived {
    /// The key at [`PATH`] of the mnemonic that development chains use.
    ///
    /// # Errors
    /// If it is not derived.
    pub fn new() -> Result<Self, Failure> {
        let seed = Mnemonic::from_phrase("test test test test test test test test test test test junk")?.to_seed("");
        let path = standard::ethereum(0)?;
        let secret = *SigningKey::derive(Curve::Secp256k1, &seed, &path)?.secret_bytes();
        Ok(Self { seed, path, secret })
    }

    /// From the seed to a key that signs.
    ///
    /// # Errors
    /// If it is not derived, or another key.
    pub fn derive(&self) -> Result<(), Failure> {
        let key = SigningKey::derive(Curve::Secp256k1, &self.seed, &self.path)?;
        self.check(&*key.secret_bytes())
    }

    /// One HMAC for the seed and one for each level, and the public keys of the two parents whose children are not
    /// hardened and of the last.
    ///
    /// # Errors
    /// If a key is none.
    pub fn derive_bare(&self) -> Result<(), Failure> {
        let mut node = hmac(b"Bitcoin seed", self.seed.as_secret_bytes())?;
        for _ in 0..LEVELS {
            node = hmac(&node[32..], &[&node[..32], &[0; 5]].concat())?;
        }
        for _ in 0..PUBLIC_KEYS {
            std::hint::black_box(k256::ecdsa::SigningKey::from_slice(std::hint::black_box(&self.secret))?);
        }
        std::hint::black_box(node);
        Ok(())
    }

    /// # Errors
    /// If `secret` is another key's.
    pub fn check(&self, secret: &[u8]) -> Result<(), Failure> {
        if secret == self.secret { Ok(()) } else { Err("another key".into()) }
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Result<[u8; 64], Failure> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key)?;
    mac.update(data);
    Ok(mac.finalize().into_bytes().into())
}

/// Ethereum's first key (BIP-44).
pub const PATH: &str = "m/44'/60'/0'/0/0";
const LEVELS: usize = 5;
const PUBLIC_KEYS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_key_of_the_path() {
        let derived = Derived::new().unwrap();
        assert_eq!(derived.path, PATH.parse().unwrap());
        derived.derive().unwrap();
        derived.derive_bare().unwrap();
        assert!(derived.check(&[1; 32]).is_err());
    }
}
