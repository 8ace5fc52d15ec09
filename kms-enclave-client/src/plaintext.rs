//! [`Plaintext`]: what KMS decrypted for this enclave.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// Secret bytes from KMS: wiped on drop, compared in constant time, never printed.
///
/// There is no `Display` and no serde. `Debug` shows nothing, not even the length.
///
/// ```
/// use kms_enclave_client::Plaintext;
///
/// let secret = Plaintext::from(vec![7; 32]);
/// assert_eq!(format!("{secret:?}"), "Plaintext { .. }");
/// assert_eq!(secret, Plaintext::from(vec![7; 32]));
/// ```
pub struct Plaintext {
    bytes: Zeroizing<Vec<u8>>,
}

impl Plaintext {
    /// The secret bytes.
    ///
    /// # Security
    /// Copies made from this slice are the caller's to wipe.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hands the bytes over, still wiped on drop.
    ///
    /// # Security
    /// Growing the vector may leave an unwiped copy behind.
    #[must_use]
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }
}

impl From<Vec<u8>> for Plaintext {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: Zeroizing::new(bytes) }
    }
}

impl ConstantTimeEq for Plaintext {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.bytes.as_slice().ct_eq(other.bytes.as_slice())
    }
}

impl PartialEq for Plaintext {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Plaintext {}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plaintext").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let text = format!("{:?} {:#?}", Plaintext::from(b"secret".to_vec()), Plaintext::from(vec![115; 3]));
        assert!(!text.contains("secret") && !text.contains("115"), "{text}");
    }

    #[test]
    fn compares_content_and_length() {
        assert_eq!(Plaintext::from(vec![1, 2]), Plaintext::from(vec![1, 2]));
        assert_ne!(Plaintext::from(vec![1, 2]), Plaintext::from(vec![1, 3]));
        assert_ne!(Plaintext::from(vec![1, 2]), Plaintext::from(vec![1]));
        assert_eq!(Plaintext::from(vec![1, 2]).into_bytes().as_slice(), [1, 2]);
    }
}
