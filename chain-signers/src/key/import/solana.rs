use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

use super::{ImportError, base58::Decoded};
use crate::{Curve, SigningKey};

/// Reads the file that `solana-keygen` writes: a JSON list of 64 numbers, the seed and the public key.
///
/// # Errors
/// [`ImportError`] says what is wrong, without repeating it.
///
/// ```
/// use chain_signers::import::{ImportError, solana_json};
///
/// let error = solana_json("[1, 2, 300]").unwrap_err();
/// assert_eq!(error.to_string(), "not a Solana key pair, a list of 64 numbers up to 255: line 1, column 10");
/// ```
pub fn solana_json(text: &str) -> Result<SigningKey, ImportError> {
    if text.len() > MAX_JSON_LEN {
        return Err(ImportError::Length { format: FORMAT, expected: "at most 1024 characters", actual: text.len() });
    }
    let pair: Pair = serde_json::from_str(text).map_err(|error| ImportError::json(JSON_FORMAT, &error))?;
    from_pair(pair.0.as_slice())
}

/// Reads base58 as wallets show it: of 64 bytes, the seed and the public key, or of the seed's 32 alone.
///
/// # Errors
/// [`ImportError`] says what is wrong, without repeating it.
pub fn solana_base58(text: &str) -> Result<SigningKey, ImportError> {
    let decoded = Decoded::<PAIR_LEN>::read(text).ok_or(ImportError::Malformed { format: FORMAT })?;
    match decoded.as_bytes() {
        pair if pair.len() == PAIR_LEN => from_pair(pair),
        seed if seed.len() == SEED_LEN => Ok(SigningKey::from_secret_bytes(Curve::Ed25519, seed)?),
        other => Err(ImportError::Length { format: FORMAT, expected: "64 or 32 bytes", actual: other.len() }),
    }
}

fn from_pair(pair: &[u8]) -> Result<SigningKey, ImportError> {
    let (seed, public) = pair.split_at(SEED_LEN);
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, seed)?;
    if key.verifying_key().to_bytes() == public { Ok(key) } else { Err(ImportError::PublicKeyMismatch) }
}

struct Pair(Zeroizing<[u8; PAIR_LEN]>);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PairVisitor)
    }
}

struct PairVisitor;

impl<'de> Visitor<'de> for PairVisitor {
    type Value = Pair;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 numbers below 256")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pair, A::Error> {
        let mut pair = Zeroizing::new([0; PAIR_LEN]);
        for (i, byte) in pair.iter_mut().enumerate() {
            *byte = list.next_element()?.ok_or_else(|| A::Error::invalid_length(i, &self))?;
        }
        match list.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::invalid_length(PAIR_LEN + 1, &self)),
            None => Ok(Pair(pair)),
        }
    }
}

const FORMAT: &str = "a Solana key pair";
const JSON_FORMAT: &str = "a Solana key pair, a list of 64 numbers up to 255";
const PAIR_LEN: usize = 64;
const SEED_LEN: usize = 32;
const MAX_JSON_LEN: usize = 1024;
