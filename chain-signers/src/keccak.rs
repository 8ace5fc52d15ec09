//! Keccak-256, and what Ethereum addresses do with it.

use sha3::{Digest, Keccak256};

use crate::{KeyError, VerifyingKey};

pub(crate) fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The address of a key, as EVM and TRON have it: the last 20 bytes of the hash of x‖y.
pub(crate) fn address_of(key: &VerifyingKey) -> Result<[u8; 20], KeyError> {
    let point = key.to_uncompressed_bytes()?;
    let hash = keccak256(&point[1..]); // x and y, without the tag
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Ok(address)
}

/// An address with the mixed-case checksum of EIP-55.
pub(crate) fn to_checksum(address: &[u8; 20]) -> String {
    let lower = hex::encode(address);
    let hash = hex::encode(keccak256(lower.as_bytes()));
    let mixed = lower.chars().zip(hash.chars()).map(|(c, h)| if h >= '8' { c.to_ascii_uppercase() } else { c });
    "0x".chars().chain(mixed).collect()
}

/// Reads `0x` and 40 hex digits. Digits of one case carry no checksum; mixed ones must carry the right one.
pub(crate) fn parse_address(text: &str) -> Result<[u8; 20], AddressError> {
    let address = address_bytes(text).ok_or(AddressError::Shape)?;
    let digits = &text[2..];
    let one_case =
        !(digits.contains(|c: char| c.is_ascii_lowercase()) && digits.contains(|c: char| c.is_ascii_uppercase()));
    if one_case || to_checksum(&address) == text { Ok(address) } else { Err(AddressError::Checksum) }
}

/// The bytes of `0x` and 40 hex digits, in whatever case they are.
pub(crate) fn address_bytes(text: &str) -> Option<[u8; 20]> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40)?;
    let mut address = [0; 20];
    hex::decode_to_slice(digits, &mut address).ok()?;
    Some(address)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressError {
    Checksum,
    Shape,
}

impl AddressError {
    /// What would have been accepted.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Checksum => "an address whose upper and lower case letters match its EIP-55 checksum",
            Self::Shape => "an address: 0x and 40 hex digits",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases listed in EIP-55, <https://eips.ethereum.org/EIPS/eip-55>.
    const EIP_55: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn matches_the_published_checksums() {
        for text in EIP_55 {
            let address = parse_address(text).unwrap();
            assert_eq!(to_checksum(&address), text);
            assert_eq!(parse_address(&text.to_lowercase()), Ok(address));
        }
    }

    #[test]
    fn refuses_a_wrong_checksum_and_a_wrong_shape() {
        assert_eq!(parse_address("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), Err(AddressError::Checksum));
        for text in ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0X52908400098527886E0F7030069857D2E4169EE7"]
        {
            assert_eq!(parse_address(text), Err(AddressError::Shape), "{text}");
        }
        assert_eq!(parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeé"), Err(AddressError::Shape));
    }

    #[test]
    fn hashes_as_published() {
        // Keccak-256 of the empty string, <https://keccak.team/files/Keccak-reference-3.0.pdf> and every EVM client.
        let empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(hex::encode(keccak256(b"")), empty);
    }
}
