use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A chain by its [CAIP-2](https://chainagnostic.org/CAIPs/caip-2) name, `namespace:reference`.
///
/// An `eip155` reference must be a non-zero decimal number without leading zeros, so that one chain has one spelling
/// and two ids can be compared as text. For the same reason a `bip122` reference must be 32 hex digits in lower case.
///
/// ```
/// use chain_signers::ChainId;
///
/// let sepolia: ChainId = "eip155:11155111".parse()?;
/// assert_eq!((sepolia.namespace(), sepolia.reference()), ("eip155", "11155111"));
/// assert!("eip155:0".parse::<ChainId>().is_err());
/// assert!("eip155:01".parse::<ChainId>().is_err());
/// # Ok::<_, chain_signers::ChainIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainId {
    text: String,
    namespace_len: usize,
}

impl ChainId {
    /// Joins a namespace and a reference.
    ///
    /// # Errors
    /// [`ChainIdError`] says which half is outside CAIP-2.
    pub fn new(namespace: &str, reference: &str) -> Result<Self, ChainIdError> {
        if !is_namespace(namespace) {
            return Err(ChainIdError::Namespace);
        }
        if !is_token(reference, 1..=32, |c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_') {
            return Err(ChainIdError::Reference);
        }
        if namespace == "eip155" && !is_evm_reference(reference) {
            return Err(ChainIdError::EvmReference);
        }
        if namespace == "bip122" && !is_bitcoin_reference(reference) {
            return Err(ChainIdError::BitcoinReference);
        }
        Ok(Self { text: format!("{namespace}:{reference}"), namespace_len: namespace.len() })
    }

    /// What kind of chain, such as `eip155` or `solana`.
    pub fn namespace(&self) -> &str {
        &self.text[..self.namespace_len]
    }

    /// Which chain of its kind, such as `1`.
    pub fn reference(&self) -> &str {
        &self.text[self.namespace_len + 1..]
    }

    /// Both, as CAIP-2 writes them.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for ChainId {
    type Err = ChainIdError;

    fn from_str(text: &str) -> Result<Self, ChainIdError> {
        let (namespace, reference) = text.split_once(':').ok_or(ChainIdError::Colon)?;
        Self::new(namespace, reference)
    }
}

impl TryFrom<String> for ChainId {
    type Error = ChainIdError;

    fn try_from(text: String) -> Result<Self, ChainIdError> {
        text.parse()
    }
}

impl From<ChainId> for String {
    fn from(id: ChainId) -> Self {
        id.text
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is not a [`ChainId`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainIdError {
    /// A `bip122` reference is not 32 hex digits in lower case.
    #[error("a bip122 reference is the first 32 hex digits of a block's hash in lower case")]
    BitcoinReference,
    /// There is no colon between namespace and reference.
    #[error("a chain id is written namespace:reference")]
    Colon,
    /// An `eip155` reference is not a plain decimal number between 1 and 2^64 - 1.
    #[error("an eip155 reference is a decimal number from 1 to 18446744073709551615 without leading zeros")]
    EvmReference,
    /// The namespace is not 3 to 8 characters of `-a-z0-9`.
    #[error("a chain namespace is 3 to 8 characters of -, a-z and 0-9")]
    Namespace,
    /// The reference is not 1 to 32 characters of `-_a-zA-Z0-9`.
    #[error("a chain reference is 1 to 32 characters of -, _, a-z, A-Z and 0-9")]
    Reference,
}

pub(crate) fn is_namespace(text: &str) -> bool {
    is_token(text, 3..=8, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

fn is_token(text: &str, lengths: std::ops::RangeInclusive<usize>, allowed: impl Fn(u8) -> bool) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(allowed)
}

fn is_evm_reference(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number != 0 && number.to_string() == text)
}

fn is_bitcoin_reference(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["eip155:1", "eip155:18446744073709551615", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"] {
            assert_eq!(text.parse::<ChainId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_outside_caip_2_or_has_two_spellings() {
        for (text, error) in [
            ("eip155", ChainIdError::Colon),
            ("EIP155:1", ChainIdError::Namespace),
            ("ei:1", ChainIdError::Namespace),
            ("solana:", ChainIdError::Reference),
            ("solana:a:b", ChainIdError::Reference),
            ("eip155:0", ChainIdError::EvmReference),
            ("eip155:+1", ChainIdError::Reference),
            ("eip155:001", ChainIdError::EvmReference),
            ("eip155:18446744073709551616", ChainIdError::EvmReference),
            ("eip155:0x1", ChainIdError::EvmReference),
            ("bip122:000000000019D6689C085AE165831E93", ChainIdError::BitcoinReference),
            ("bip122:000000000019d6689c085ae165831e9", ChainIdError::BitcoinReference),
            ("bip122:main", ChainIdError::BitcoinReference),
        ] {
            assert_eq!(text.parse::<ChainId>(), Err(error), "{text}");
        }
    }
}
