use std::{collections::BTreeSet, fmt};

use super::text_set::TextSet;
use crate::keccak::{self, AddressError};

/// Who a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destinations {
    All,
    Listed(Listed),
}

/// The addresses of one rule, by their form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Sorted.
    evm: Box<[[u8; 20]]>,
    texts: TextSet,
}

impl Listed {
    /// `None` if there is more text than a policy can have.
    pub(super) fn new(destinations: &BTreeSet<Destination>) -> Option<Self> {
        let evm = destinations.iter().filter_map(|destination| match destination {
            Destination::Evm(address) => Some(*address),
            Destination::Text(_) => None,
        });
        let texts = TextSet::new(destinations.iter().filter_map(|destination| match destination {
            Destination::Text(text) => Some(text.as_str()),
            Destination::Evm(_) => None,
        }));
        Some(Self { evm: evm.collect(), texts: texts? })
    }

    /// Whether the address that a chain wrote as `text` is listed. Its spelling is the chain's own, so a checksum is not
    /// asked for again.
    pub(super) fn contains(&self, text: &str) -> bool {
        match keccak::address_bytes(text) {
            Some(address) => self.evm.binary_search(&address).is_ok(),
            None => self.texts.contains(text),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.evm.is_empty() && self.texts.is_empty()
    }

    #[cfg(test)]
    pub(super) fn heap_len(&self) -> usize {
        size_of_val(&*self.evm) + self.texts.heap_len()
    }
}

/// An address in a form that compares equal exactly if the address is the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Destination {
    Evm([u8; 20]),
    Text(String),
}

impl Destination {
    /// Reads an address for a rule about one namespace, or about every chain. The error says what was expected.
    pub(super) fn parse(text: &str, namespace: Option<&str>) -> Result<Self, &'static str> {
        match namespace {
            _ if text.contains('*') => Err("* alone, or addresses without it"),
            Some("bip122" | "cosmos") if is_upper_bech32(text) => Err("bech32 addresses in lower case"),
            Some("aptos" | "sui") if !is_move_spelling(text) => {
                Err("an address as AIP-40 writes it: 64 hex digits in lower case, or one below 16")
            }
            Some("solana") if !is_solana_address(text) => Err("a base58 address of 32 to 44 characters"),
            Some("bip122") if keccak::address_bytes(text).is_some() => Err("an address of Bitcoin"),
            Some("tron") if is_hex_address(text) => Err("an address in base58, as T and 33 characters"),
            _ if !is_plain(text) => Err("an address of 4 to 128 visible ASCII characters"),
            _ => match keccak::parse_address(text) {
                Ok(address) => Ok(Self::Evm(address)),
                Err(AddressError::Shape) if namespace != Some("eip155") => Ok(Self::Text(text.to_owned())),
                Err(error) => Err(error.expected()),
            },
        }
    }
}

impl Destination {
    /// Reads the name of a token: an address where tokens are contracts or mints, else any name, which can be short.
    pub(super) fn parse_token(text: &str, namespace: &str) -> Result<Self, &'static str> {
        match namespace {
            "eip155" | "solana" => Self::parse(text, Some(namespace)),
            _ if (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic() && c != b'*') => {
                Ok(Self::Text(text.to_owned()))
            }
            _ => Err("a name of 1 to 128 visible ASCII characters without *"),
        }
    }

    /// Reads what a field of typed data may be: an address, which is compared by value, or any other text.
    pub(super) fn parse_value(text: &str) -> Result<Self, &'static str> {
        match keccak::parse_address(text) {
            Ok(address) => Ok(Self::Evm(address)),
            Err(AddressError::Shape) if text.len() <= MAX_TEXT => Ok(Self::Text(text.to_owned())),
            Err(AddressError::Shape) => Err("a value of at most 128 bytes"),
            Err(error) => Err(error.expected()),
        }
    }

    /// Whether it is the address that a chain wrote as `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        match self {
            Self::Evm(address) => spells(address, text),
            Self::Text(own) => own == text,
        }
    }
}

/// Whether `text` is `0x` and the address in hex, in whatever case. It stops at the first digit that differs, which is soon
/// with another address.
fn spells(address: &[u8; 20], text: &str) -> bool {
    let Some(digits) = text.strip_prefix("0x").filter(|digits| digits.len() == 40) else { return false };
    let digit = |nibble: u8| HEX_DIGITS[usize::from(nibble)];
    digits.as_bytes().chunks_exact(2).zip(address).all(|(pair, byte)| {
        pair[0].to_ascii_lowercase() == digit(byte >> 4) && pair[1].to_ascii_lowercase() == digit(byte & 0xf)
    })
}

#[cfg(test)]
impl Destination {
    pub(super) fn memory(&self, allocation: usize) -> usize {
        match self {
            Self::Evm(_) => 0,
            Self::Text(text) => text.capacity() + allocation,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(address) => f.write_str(&keccak::to_checksum(address)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Bech32 may be written in upper case too (BIP-173), but no chain here does, so such an address would silently match
/// nothing. Base58 has letters of both cases, and names of message types begin with a slash.
fn is_upper_bech32(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
}

/// AIP-40, which the chains of Move here write by: in full, but addresses below 16 with one digit. Names of commands, which
/// are no addresses, are words.
fn is_move_spelling(text: &str) -> bool {
    let Some(hex) = text.strip_prefix("0x") else { return !text.starts_with("0X") };
    let address = hex.split_once("::").map_or(hex, |(address, _)| address);
    let is_special = address.len() == 64 && address.starts_with(&"0".repeat(63));
    matches!(address.len(), 1 | 64)
        && !is_special
        && address.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'a'..=b'f'))
}

fn is_solana_address(text: &str) -> bool {
    (32..=44).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() && !matches!(c, b'0' | b'O' | b'I' | b'l'))
}

/// As TRON's nodes and Ethereum write addresses: no chain there does here, so such a one would silently match nothing.
fn is_hex_address(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    matches!(digits.len(), 40 | 42) && digits.bytes().all(|c| c.is_ascii_hexdigit())
}

fn is_plain(text: &str) -> bool {
    (MIN_TEXT..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

/// Shorter ones are more likely a slip than an address, though some chains have short account names.
const MIN_TEXT: usize = 4;
const MAX_TEXT: usize = 128;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
