//! Addresses: 21 bytes, the first of which is 0x41, in Base58 with a checksum.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{DecodeError, KeyError, VerifyingKey, keccak};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address([u8; 20]);

impl Address {
    pub(super) fn of(key: &VerifyingKey) -> Result<Self, KeyError> {
        keccak::address_of(key).map(Self)
    }

    pub(super) fn from_bytes(field: &'static str, bytes: &[u8]) -> Result<Self, DecodeError> {
        let address = match bytes.split_first() {
            Some((&PREFIX, rest)) => rest.try_into().ok(),
            _ => None,
        };
        address.map(Self).ok_or_else(|| {
            DecodeError::invalid(field, "21 bytes, the first of which is 0x41", format!("0x{}", hex::encode(bytes)))
        })
    }

    /// From an argument of a contract's function: 20 bytes on the right, zeros before. Some libraries leave the prefix 0x41
    /// there, which contracts ignore or refuse, so it makes no other address.
    pub(super) fn from_word(word: &[u8; 32]) -> Option<Self> {
        match word.split_last_chunk::<20>() {
            Some(([zeros @ .., 0 | PREFIX], address)) if zeros.iter().all(|byte| *byte == 0) => Some(Self(*address)),
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [&[PREFIX][..], &self.0].concat();
        let checksum = Sha256::digest(Sha256::digest(&bytes));
        bytes.extend(&checksum[..4]);
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

/// Of the main network and of the public test networks.
const PREFIX: u8 = 0x41;
