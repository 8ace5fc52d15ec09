use std::fmt;

/// The 32 bytes that a transaction signature covers (EIP-155, BIP-143 and their kin).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sighash([u8; 32]);

impl Sighash {
    /// Wraps a hash computed by a chain's rules.
    pub const fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sighash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sighash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sighash({self})")
    }
}

/// Everything that one signature of a transaction commits to, domain tag included, before hashing.
///
/// A chain on secp256k1 says how it was hashed by giving the hash as well, and whether ECDSA or Schnorr signs it; ed25519
/// signs the bytes themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningPayload {
    bytes: Vec<u8>,
    scheme: Scheme,
}

/// What is done with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// ECDSA over the hash.
    Ecdsa(Sighash),
    /// Ed25519 over the bytes themselves.
    Message,
    /// BIP-340 over the hash, with the key tweaked by BIP-341 for an output without a script tree.
    Taproot(Sighash),
}

impl SigningPayload {
    /// A payload that the chain hashed to `sighash`, for ECDSA on secp256k1.
    pub fn hashed(bytes: Vec<u8>, sighash: Sighash) -> Self {
        Self { bytes, scheme: Scheme::Ecdsa(sighash) }
    }

    /// A payload that is signed as it is, for ed25519.
    pub fn message(bytes: Vec<u8>) -> Self {
        Self { bytes, scheme: Scheme::Message }
    }

    /// A payload that the chain hashed to `sighash`, for a Taproot output that is spent by its key: a Schnorr signature on
    /// secp256k1 (BIP-340) by the key tweaked with itself (BIP-341, no script tree).
    pub fn taproot(bytes: Vec<u8>, sighash: Sighash) -> Self {
        Self { bytes, scheme: Scheme::Taproot(sighash) }
    }

    /// The bytes before hashing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash to be signed, unless the bytes themselves are.
    pub fn sighash(&self) -> Option<&Sighash> {
        match &self.scheme {
            Scheme::Ecdsa(sighash) | Scheme::Taproot(sighash) => Some(sighash),
            Scheme::Message => None,
        }
    }

    /// Whether it is for a Taproot output.
    pub fn is_taproot(&self) -> bool {
        matches!(self.scheme, Scheme::Taproot(_))
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl fmt::Debug for SigningPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningPayload")
            .field("bytes", &hex::encode(&self.bytes))
            .field("scheme", &self.scheme)
            .finish()
    }
}
