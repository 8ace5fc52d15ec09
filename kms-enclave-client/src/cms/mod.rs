//! `CiphertextForRecipient`: CMS enveloped data (RFC 5652) as KMS makes it, opened with the recipient's RSA key.
//!
//! The shape that KMS sends, in BER (`..` stands for indefinite lengths):
//!
//! ```text
//! ContentInfo .. { envelopedData, [0] ..
//!   EnvelopedData .. { version 2,
//!     SET { KeyTransRecipientInfo { version 2,
//!       rid [0] SHA-256(SubjectPublicKeyInfo),
//!       RSAES-OAEP { SHA-256, MGF1 { SHA-256 } }, encryptedKey } },
//!     EncryptedContentInfo .. { data, aes256-CBC { iv }, [0] .. { OCTET STRING } } } }
//! ```
//!
//! Any other BER spelling of the same is read too, DER among them: lengths definite (in up to four octets) or
//! not, and strings in pieces or whole.
//! Everything else is refused while parsing, by a [`MalformedCms`] that names the defect. AES-CBC carries no integrity
//! check, so *after* parsing every failure is the same [`DecryptError`], made in one place and after the same work.

mod open;
mod parse;
#[cfg(any(test, feature = "sim"))]
pub(crate) mod seal;
mod shape;

use std::ops::RangeInclusive;

use crate::plaintext::Plaintext;
use crate::recipient::RecipientKeyPair;

/// Enveloped data that was parsed and not yet opened.
///
/// ```
/// use kms_enclave_client::cms::{EnvelopedData, MalformedCms};
///
/// let too_long = vec![0x30; EnvelopedData::MAX_LEN + 1];
/// assert!(matches!(EnvelopedData::from_bytes(&too_long), Err(MalformedCms::TooLong { .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopedData {
    subject_key_identifier: Option<Vec<u8>>,
    encrypted_key: Vec<u8>,
    iv: [u8; IV_LEN],
    encrypted_content: Vec<u8>,
}

impl EnvelopedData {
    /// The most bytes that are parsed. KMS envelopes at most 4096 bytes of plaintext.
    pub const MAX_LEN: usize = 8 * 1024;

    /// Parses BER or DER. Nothing is decrypted, and nothing in it is believed.
    ///
    /// # Errors
    /// [`MalformedCms`] names what differs from the shape above.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedCms> {
        parse::enveloped_data(bytes)
    }

    /// Decrypts the content with the recipient's private key.
    ///
    /// # Errors
    /// [`DecryptError`], whatever the reason.
    pub fn open(&self, recipient: &RecipientKeyPair) -> Result<Plaintext, DecryptError> {
        open::open(self, recipient, &(0..=usize::MAX))
    }

    /// As [`open`](Self::open), where a content of a length outside `len` counts as one that does not open.
    pub(crate) fn open_within(
        &self,
        recipient: &RecipientKeyPair,
        len: &RangeInclusive<usize>,
    ) -> Result<Plaintext, DecryptError> {
        open::open(self, recipient, len)
    }

    /// The recipient's subject key identifier, unless it is named by issuer and serial number.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.subject_key_identifier.as_deref()
    }

    /// The content key, encrypted under the recipient's public key.
    #[must_use]
    pub fn encrypted_key(&self) -> &[u8] {
        &self.encrypted_key
    }

    /// The initialisation vector of AES-256-CBC.
    #[must_use]
    pub fn iv(&self) -> &[u8; 16] {
        &self.iv
    }

    /// The content, encrypted under the content key.
    #[must_use]
    pub fn encrypted_content(&self) -> &[u8] {
        &self.encrypted_content
    }
}

/// The enveloped data could not be opened.
///
/// It has no detail on purpose. AES-CBC without a MAC turns any distinction between a bad key, a bad length and bad
/// padding into a decryption oracle for whoever can replay modified blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the enveloped data cannot be opened")]
pub struct DecryptError;

/// How bytes differ from the enveloped data that KMS makes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCms {
    /// The bytes are not the BER of a `ContentInfo` with `EnvelopedData`, or something follows it.
    #[error("not the BER encoding of enveloped data and nothing else")]
    Ber,
    /// The content is not encrypted with AES-256-CBC and a 16-byte IV.
    #[error("the content encryption is not AES-256-CBC with an IV of 16 bytes")]
    ContentEncryption,
    /// The content type is not `envelopedData`, or the enveloped content not `data`.
    #[error("the content type is not envelopedData of data")]
    ContentType,
    /// The key is not encrypted with RSAES-OAEP, SHA-256, MGF1-SHA-256 and no label, spelled out.
    #[error("the key encryption is not RSAES-OAEP with explicit SHA-256, MGF1-SHA-256 and no label")]
    KeyEncryption,
    /// There is no encrypted content.
    #[error("there is no encrypted content")]
    NoContent,
    /// There is not exactly one recipient, or it is not a key transport recipient.
    #[error("there is not exactly one key transport recipient")]
    Recipients,
    /// The bytes are longer than anything KMS makes.
    #[error("{len} bytes, at most {max} are parsed")]
    TooLong {
        /// Bytes offered.
        len: usize,
        /// The most that is parsed.
        max: usize,
    },
    /// Originator information or unprotected attributes are present.
    #[error("originator information or unprotected attributes are present")]
    UnexpectedField,
    /// The versions do not fit the recipient's identifier.
    #[error("the versions do not fit the recipient's identifier")]
    Version,
}

const IV_LEN: usize = 16;

#[cfg(test)]
mod tests;
