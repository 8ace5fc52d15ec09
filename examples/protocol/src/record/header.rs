//! What is known of a key without opening its record.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chain_signers::Curve;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::callers;

/// Everything that is fixed when a key is sealed; all of it is authenticated with the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordHeader {
    /// Drawn by the enclave.
    pub key_id: KeyId,
    /// Chain family: one CAIP-2 namespace, 3 to 8 characters.
    pub family: String,
    /// The key's curve.
    pub curve: Curve,
    /// Public key: 33 bytes (SEC1 compressed) for secp256k1, 32 for ed25519.
    #[serde(with = "serde_bytes")]
    pub public_key: Vec<u8>,
    /// The policy as its author wrote it: JSON, at most [`MAX_POLICY_LEN`](super::MAX_POLICY_LEN) bytes.
    #[serde(with = "serde_bytes")]
    pub policy: Vec<u8>,
    /// Session callers that alone may sign: SHA-256 of their SPKI, at most [`MAX_CALLERS`](super::MAX_CALLERS), each once.
    /// Empty for a key whose caller is the parent.
    #[serde(deserialize_with = "callers::deserialize")]
    pub callers: Vec<SpkiDigest>,
    /// Record administrators that may reseal: SHA-256 of their SPKI, at most 64.
    pub administrators: Vec<SpkiDigest>,
    /// Where the secret came from.
    pub origin: Origin,
    /// Who asked for the record.
    pub creator: Creator,
    /// Grows by one with every reseal; starts at 0.
    pub revision: u32,
}

impl RecordHeader {
    /// The KMS encryption context of every wrap of this record.
    ///
    /// It names the purpose, the key and the revision, so that a data key of one record is useless for another.
    #[must_use]
    pub fn encryption_context(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("key-id".to_owned(), self.key_id.to_string()),
            ("purpose".to_owned(), "record-v1".to_owned()),
            ("revision".to_owned(), self.revision.to_string()),
        ])
    }
}

/// Where a secret came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Drawn inside the enclave; it never existed elsewhere.
    Generated,
}

/// Who asked for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Creator {
    /// The parent, where the measured configuration lets it administer.
    Parent,
}

/// Id of a key: 16 bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// An id of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// SHA-256 of a record's header and wraps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordDigest([u8; 32]);

impl RecordDigest {
    /// A digest of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// SHA-256 of a subject public key info: the identity of a session client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiDigest([u8; 32]);

impl SpkiDigest {
    /// A digest of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Text that is not the lower-case hexadecimal form of an id or digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected {digits} lower-case hexadecimal digits")]
pub struct NotHex {
    /// Digits expected.
    pub digits: usize,
}

/// Hex in text (and for people), a byte string in CBOR, one spelling only.
macro_rules! fixed_bytes {
    ($name:ident, $len:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                let not_hex = NotHex { digits: 2 * $len };
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(not_hex);
                }
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| not_hex)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    serde_bytes::ByteArray::<$len>::deserialize(deserializer).map(|b| Self(b.into_array()))
                }
            }
        }
    };
}

fixed_bytes!(KeyId, 16);
fixed_bytes!(RecordDigest, 32);
fixed_bytes!(SpkiDigest, 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_id_round_trips_through_text_and_refuses_other_spellings() {
        let id = KeyId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["AB".repeat(16), "ab".repeat(15), "ab".repeat(17), "zz".repeat(16), "../".repeat(4)] {
            assert_eq!(bad.parse::<KeyId>(), Err(NotHex { digits: 32 }), "{bad}");
        }
    }
}
