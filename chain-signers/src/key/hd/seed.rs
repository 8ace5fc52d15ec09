use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::DeriveError;

/// The secret at the root of a tree of keys: 16 to 64 bytes (BIP-32), 64 if they come from a
/// [`Mnemonic`](super::Mnemonic).
///
/// Overwritten when dropped, silent in `Debug`, never cloned or serialized.
///
/// ```
/// use chain_signers::hd::{DeriveError, Seed};
///
/// let seed = Seed::from_bytes(&[7; 32])?;
/// assert_eq!(format!("{seed:?}"), "Seed { .. }");
/// assert_eq!(Seed::from_bytes(&[7; 15]).unwrap_err(), DeriveError::SeedLength { actual: 15 });
/// # Ok::<_, DeriveError>(())
/// ```
pub struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// Bytes of the shortest seed: 128 bits.
    pub const MIN_LEN: usize = 16;

    /// Bytes of the longest seed: 512 bits.
    pub const MAX_LEN: usize = 64;

    /// Takes over 16 to 64 secret bytes, which must be as hard to guess as a key. The caller zeroizes its copy.
    ///
    /// # Errors
    /// [`DeriveError::SeedLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeriveError> {
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&bytes.len()) {
            return Err(DeriveError::SeedLength { actual: bytes.len() });
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Of 64 bytes, filled in place.
    pub(super) fn from_zeroizing(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes that [`from_bytes`](Self::from_bytes) reads.
    ///
    /// # Security
    /// These are all the keys at once. Seal them; never log them, and zeroize what you copy.
    pub fn as_secret_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").finish_non_exhaustive()
    }
}

impl ZeroizeOnDrop for Seed {}
