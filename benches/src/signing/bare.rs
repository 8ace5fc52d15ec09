//! The least that a signature costs which is verified before it is released: hash, sign, verify, by the curves' crates.

use chain_signers::SigningPayload;
use ed25519_dalek::Signer;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use super::SECRET;
use crate::attested::Failure;

/// A key as its curve's crate has it, and what it signs.
#[derive(Debug)]
pub struct Bare {
    key: Key,
    payloads: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum Key {
    Ecdsa(Box<k256::ecdsa::SigningKey>, Hash),
    Schnorr(Box<k256::schnorr::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

type Hash = fn(&[u8]) -> [u8; 32];

impl Bare {
    /// Of the payloads of a transaction, which are all signed in the same way.
    ///
    /// # Errors
    /// If there are none, or they were hashed in a way that is not known here.
    pub fn of(payloads: &[SigningPayload]) -> Result<Self, Failure> {
        let first = payloads.first().ok_or("nothing is signed")?;
        let key = match first.sighash() {
            None => Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&SECRET))),
            Some(_) if first.is_taproot() => Key::Schnorr(Box::new(k256::schnorr::SigningKey::from_slice(&SECRET)?)),
            Some(sighash) => {
                let hash =
                    [keccak256 as Hash, sha256d].into_iter().find(|hash| hash(first.as_bytes()) == *sighash.as_bytes());
                let key = k256::ecdsa::SigningKey::from_slice(&SECRET)?;
                Key::Ecdsa(Box::new(key), hash.ok_or("an unknown hash")?)
            }
        };
        Ok(Self { key, payloads: payloads.iter().map(|payload| payload.as_bytes().to_vec()).collect() })
    }

    /// Each payload hashed and signed, and its signature verified by the same crate.
    ///
    /// # Errors
    /// If one does not verify.
    pub fn sign_and_verify(&self) -> Result<(), Failure> {
        self.payloads.iter().try_for_each(|payload| match &self.key {
            Key::Ecdsa(key, hash) => ecdsa(key, &hash(payload)),
            Key::Schnorr(key) => schnorr(key, &sha256(payload)),
            Key::Ed25519(key) => {
                let signature = key.try_sign(payload)?;
                Ok(key.verifying_key().verify_strict(payload, &signature)?)
            }
        })
    }

    /// How many signatures that are.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.payloads.len()
    }
}

fn ecdsa(key: &k256::ecdsa::SigningKey, prehash: &[u8; 32]) -> Result<(), Failure> {
    let (signature, _) = key.sign_prehash_recoverable(prehash);
    Ok(key.verifying_key().verify_prehash(prehash, &signature)?)
}

fn schnorr(key: &k256::schnorr::SigningKey, prehash: &[u8; 32]) -> Result<(), Failure> {
    let signature = key.sign_raw(prehash, &[0; 32])?;
    Ok(key.verifying_key().verify_raw(prehash, &signature)?)
}

fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    sha256(&sha256(bytes))
}
