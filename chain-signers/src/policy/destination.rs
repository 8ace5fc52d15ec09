use crate::keccak;

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
        if text == "*" {
            return Err("* alone, or addresses without it");
        }
        let evm = || keccak::parse_address(text).map(Self::Evm).map_err(|error| error.expected());
        match namespace {
            Some("eip155") => evm(),
            Some("solana") if is_solana_address(text) => Ok(Self::Text(text.to_owned())),
            Some("solana") => Err("a base58 address of 32 to 44 characters"),
            None if text.len() == 42 && text.starts_with("0x") => evm(),
            _ if is_plain(text) => Ok(Self::Text(text.to_owned())),
            _ => Err("an address of 1 to 128 visible ASCII characters"),
        }
    }

    /// Whether this is the address `text` of a chain in `namespace`.
    pub(super) fn is(&self, namespace: &str, text: &str) -> bool {
        match self {
            Self::Evm(address) if namespace == "eip155" => same_evm_address(address, text),
            Self::Evm(_) => false,
            Self::Text(own) => own == text,
        }
    }
}

/// Compared by value whatever the case: the chain's own spelling is trusted here, a policy's was checked when it was read.
fn same_evm_address(address: &[u8; 20], text: &str) -> bool {
    let mut other = [0; 20];
    text.strip_prefix("0x").is_some_and(|digits| hex::decode_to_slice(digits, &mut other).is_ok()) && other == *address
}

fn is_solana_address(text: &str) -> bool {
    (32..=44).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() && !matches!(c, b'0' | b'O' | b'I' | b'l'))
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

const MAX_TEXT: usize = 128;
