use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ImportError, base58::Decoded};
use crate::{Curve, SigningKey};

/// A key in Bitcoin's wallet import format, and what the format says of it.
#[derive(Debug)]
pub struct WifKey {
    /// The key.
    pub key: SigningKey,
    /// The network that it is for.
    pub network: WifNetwork,
    /// Whether its addresses are made of the compressed public key, as all are that this crate makes.
    pub is_compressed: bool,
}

/// A network that keys in wallet import format are for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WifNetwork {
    /// Bitcoin.
    Main,
    /// Its test networks, which are not told apart.
    Test,
}

/// Reads a key in wallet import format: base58 of network, 32 bytes, `01` if compressed, and four bytes of SHA-256 twice.
///
/// # Errors
/// [`ImportError`] says what is wrong, without repeating it.
pub fn wif(text: &str) -> Result<WifKey, ImportError> {
    let decoded = Decoded::<COMPRESSED_LEN>::read(text).ok_or(ImportError::Malformed { format: FORMAT })?;
    let bytes = decoded.as_bytes();
    let is_compressed = match bytes.len() {
        COMPRESSED_LEN => true,
        UNCOMPRESSED_LEN => false,
        actual => return Err(ImportError::Length { format: FORMAT, expected: "37 or 38 bytes", actual }),
    };
    let (payload, checksum) = bytes.split_at(bytes.len() - CHECKSUM_LEN);
    if !bool::from(double_sha256(payload)[..CHECKSUM_LEN].ct_eq(checksum)) {
        return Err(ImportError::Checksum);
    }
    if is_compressed && payload.last() != Some(&1) {
        return Err(ImportError::Malformed { format: FORMAT });
    }
    let network = match payload[0] {
        0x80 => WifNetwork::Main,
        0xef => WifNetwork::Test,
        _ => return Err(ImportError::UnknownNetwork),
    };
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &payload[1..33])?;
    Ok(WifKey { key, network, is_compressed })
}

fn double_sha256(bytes: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut hash = Zeroizing::new([0; 32]);
    Sha256::new_with_prefix(bytes).finalize_into((&mut *hash).into());
    let once = hash.clone();
    Sha256::new_with_prefix(once.as_slice()).finalize_into((&mut *hash).into());
    hash
}

const FORMAT: &str = "a key in wallet import format";
const UNCOMPRESSED_LEN: usize = 37;
const COMPRESSED_LEN: usize = 38;
const CHECKSUM_LEN: usize = 4;
