//! Bech32 addresses, and how well-known chains write them.

use bech32::{Bech32, Bech32m, Checksum, Hrp, primitives::decode::CheckedHrpstring};
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

use super::chain_id;
use crate::{ChainId, Curve, DecodeError, KeyError, VerifyingKey};

/// The address of a secp256k1 key on a chain whose addresses start with `prefix`.
///
/// ```
/// use chain_signers::{Curve, VerifyingKey, cosmos};
///
/// // A public key and its address in CosmJS's tests.
/// let key = hex::decode("02d41a0aa167b21699429eab224bc03f2cd386f0af5d20cefbd0336f1544aea24f")?;
/// let key = VerifyingKey::from_bytes(Curve::Secp256k1, &key)?;
/// assert_eq!(cosmos::address("cosmos", &key)?, "cosmos1h806c7khnvmjlywdrkdgk2vrayy2mmvf9rxk2r");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`KeyError::CurveMismatch`] for another curve; [`KeyError::InvalidPrefix`] if no address can start so.
pub fn address(prefix: &str, key: &VerifyingKey) -> Result<String, KeyError> {
    let account = account(key)?;
    encode(prefix, &account).ok_or_else(|| KeyError::InvalidPrefix { prefix: prefix.to_owned() })
}

pub(super) fn address_on(key: &VerifyingKey, chain_id: &ChainId) -> Result<String, KeyError> {
    match chain_id::well_known(chain_id) {
        Some(chain) => address(chain.prefix, key),
        None => Err(KeyError::UnknownChain { chain_id: chain_id.clone() }),
    }
}

/// The 20 bytes that a key's addresses spell, whatever the prefix.
pub(super) fn account(key: &VerifyingKey) -> Result<[u8; ACCOUNT_LEN], KeyError> {
    match key.curve() {
        Curve::Secp256k1 => Ok(Ripemd160::digest(Sha256::digest(key.to_bytes())).into()),
        actual => Err(KeyError::CurveMismatch { expected: Curve::Secp256k1, actual }),
    }
}

/// An address in its one spelling.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) prefix: String,
    pub(super) bytes: Vec<u8>,
}

impl Address {
    /// Reads lower-case Bech32 of 20 bytes, or of the 32 that contracts and modules have.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, DecodeError> {
        let invalid = || DecodeError::invalid(field.to_owned(), "a Bech32 address of 20 or 32 bytes", text);
        if text.len() > MAX_ADDRESS_LEN {
            return Err(invalid());
        }
        let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| invalid())?;
        let (prefix, bytes) = (checked.hrp().to_lowercase(), checked.byte_iter().collect::<Vec<_>>());
        // What the reader lets pass (upper case, bits left over that are not zero) does not encode to the same text again.
        let is_exact = encode(&prefix, &bytes).is_some_and(|again| again == text);
        if is_exact && matches!(bytes.len(), ACCOUNT_LEN | 32) { Ok(Self { prefix, bytes }) } else { Err(invalid()) }
    }

    /// Reads an address that must be written as `neighbour`'s chain writes it, with `suffix` after the prefix.
    pub(super) fn parse_beside(field: &str, text: &str, neighbour: &Self, suffix: &str) -> Result<Self, DecodeError> {
        let address = Self::parse(field, text)?;
        let expected = format!("{}{suffix}", neighbour.prefix);
        if address.prefix == expected {
            Ok(address)
        } else {
            Err(DecodeError::invalid(field.to_owned(), format!("an address that starts with {expected}1"), text))
        }
    }
}

/// Whether it is Bech32 or Bech32m, whatever the address means, but not as those write it: chains read upper case as well.
pub(super) fn is_respelled(text: &str) -> bool {
    is_respelled_by::<Bech32>(text) || is_respelled_by::<Bech32m>(text)
}

fn is_respelled_by<C: Checksum>(text: &str) -> bool {
    CheckedHrpstring::new::<C>(text).is_ok_and(|checked| {
        let bytes: Vec<_> = checked.byte_iter().collect();
        !bech32::encode_lower::<C>(checked.hrp(), &bytes).is_ok_and(|again| again == text)
    })
}

fn encode(prefix: &str, bytes: &[u8]) -> Option<String> {
    let prefix = Hrp::parse(prefix).ok()?;
    bech32::encode_lower::<Bech32>(prefix, bytes).ok()
}

pub(super) const ACCOUNT_LEN: usize = 20;
/// In bytes. The longest prefix in use has 20 or so.
const MAX_ADDRESS_LEN: usize = 128;
