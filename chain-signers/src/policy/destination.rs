use crate::keccak::{self, AddressError};

/// Who a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destinations {
    All,
    Listed(Vec<Destination>),
}

/// An address in a form that compares equal exactly if the address is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Evm([u8; 20]),
    Text(String),
}

impl Destination {
    /// Reads an address for a rule about one namespace, or about every chain. The error says what was expected.
    pub(super) fn parse(text: &str, namespace: Option<&str>) -> Result<Self, &'static str> {
        match namespace {
            _ if text == "*" => Err("* alone, or addresses without it"),
            Some("solana") if !is_solana_address(text) => Err("a base58 address of 32 to 44 characters"),
            _ if !is_plain(text) => Err("an address of 1 to 128 visible ASCII characters"),
            _ => match keccak::parse_address(text) {
                Ok(address) => Ok(Self::Evm(address)),
                Err(AddressError::Shape) if namespace != Some("eip155") => Ok(Self::Text(text.to_owned())),
                Err(error) => Err(error.expected()),
            },
        }
    }

    /// The address that a chain wrote as `text`. Its spelling is the chain's own, so a checksum is not asked for again.
    pub(super) fn seen(text: &str) -> Self {
        keccak::address_bytes(text).map_or_else(|| Self::Text(text.to_owned()), Self::Evm)
    }
}

fn is_solana_address(text: &str) -> bool {
    (32..=44).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() && !matches!(c, b'0' | b'O' | b'I' | b'l'))
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

const MAX_TEXT: usize = 128;
