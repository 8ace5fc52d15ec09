//! Signing keys, verifying keys, signatures, and what is signed.

mod ecdsa;
mod error;
#[cfg(feature = "hd")]
pub mod hd;
#[cfg(feature = "import")]
pub mod import;
mod payload;
mod signature;
mod signing;
pub(crate) mod taproot;
mod verifying;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use error::{GenerateError, KeyError};
pub use payload::{Sighash, SigningPayload};
pub use signature::{RecoveryId, Signature};
pub use signing::SigningKey;
pub use verifying::VerifyingKey;

/// Which curve, and with it which signature scheme, a key is for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// ECDSA on secp256k1 (SEC 2) over a 32-byte hash, deterministic by RFC 6979, with low S; for Taproot outputs, Schnorr
    /// signatures (BIP-340), deterministic too.
    Secp256k1,
    /// Ed25519 (RFC 8032) over the whole message.
    Ed25519,
}

impl Curve {
    /// The name used in JSON and records: `secp256k1` or `ed25519`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secp256k1 => "secp256k1",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
