//! Sealing and opening: AES-256-GCM with the header as additional data.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use rand_core::TryCryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::codec::{SECRET_LEN, TAG_LEN, check_header, check_wraps, encode};
use super::{KeyWrap, MalformedRecord, NONCE_LEN, OpenError, RandomnessFailed, Record, RecordDigest, RecordHeader};

/// A data key of KMS, in the clear: opens one wrap. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; SECRET_LEN]);

impl DataKey {
    /// Takes the 32 bytes that KMS returned.
    ///
    /// # Errors
    /// [`OpenError`] if there are not 32 of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenError> {
        let mut key = Self([0; SECRET_LEN]);
        if bytes.len() != SECRET_LEN {
            return Err(OpenError);
        }
        key.0.copy_from_slice(bytes);
        Ok(key)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").finish_non_exhaustive()
    }
}

/// The key that seals one secret of one record. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; SECRET_LEN]);

impl ContentKey {
    /// Draws a new content key.
    ///
    /// # Errors
    /// [`RandomnessFailed`] if `rng` fails.
    pub fn generate(rng: &mut impl TryCryptoRng) -> Result<Self, RandomnessFailed> {
        let mut key = Self([0; SECRET_LEN]);
        rng.try_fill_bytes(&mut key.0).map_err(|_| RandomnessFailed)?;
        Ok(key)
    }

    /// Seals this key for one KMS key. `data_key` must be fresh from GenerateDataKey, called with
    /// [`RecordHeader::encryption_context`], and `data_key_ciphertext` its `CiphertextBlob`.
    ///
    /// # Errors
    /// [`RandomnessFailed`] if `rng` fails.
    pub fn wrap(
        &self,
        header: &RecordHeader,
        key_arn: &str,
        data_key: &DataKey,
        data_key_ciphertext: Vec<u8>,
        rng: &mut impl TryCryptoRng,
    ) -> Result<KeyWrap, RandomnessFailed> {
        let nonce = draw_nonce(rng)?;
        let sealed_content_key = seal(&data_key.0, nonce, &wrap_aad(&encode(header)), &self.0);
        Ok(KeyWrap { key_arn: key_arn.to_owned(), data_key: data_key_ciphertext, nonce, sealed_content_key })
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentKey").finish_non_exhaustive()
    }
}

/// The secret of an opened record. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct UnsealedSecret(Zeroizing<Vec<u8>>);

impl UnsealedSecret {
    /// The secret's bytes: a raw private key of the header's curve.
    ///
    /// # Security
    /// Whoever holds these bytes holds the key. Do not copy them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for UnsealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsealedSecret").finish_non_exhaustive()
    }
}

/// Why a record could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A field outside the format.
    #[error(transparent)]
    Malformed(#[from] MalformedRecord),
    /// The random number generator failed.
    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
}

impl Record {
    /// Seals `secret` under `header` and `wraps`. Takes the content key: it seals once.
    ///
    /// # Errors
    /// [`SealError`] if a field is outside the format, or `rng` fails.
    pub fn seal(
        header: RecordHeader,
        wraps: Vec<KeyWrap>,
        secret: &[u8; SECRET_LEN],
        content_key: ContentKey,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, SealError> {
        check_header(&header)?;
        check_wraps(&wraps)?;
        let (header_bytes, wraps_bytes) = (encode(&header), encode(&wraps));
        let nonce = draw_nonce(rng)?;
        let ciphertext = seal(&content_key.0, nonce, &secret_aad(&header_bytes, &wraps_bytes), secret);
        Ok(Self { header, header_bytes, wraps, wraps_bytes, nonce, ciphertext })
    }

    /// Opens the record with the data key of its wrap number `wrap`.
    ///
    /// # Errors
    /// [`OpenError`] whatever the reason.
    pub fn open(&self, wrap: usize, data_key: &DataKey) -> Result<UnsealedSecret, OpenError> {
        let wrap = self.wraps.get(wrap).ok_or(OpenError)?;
        let content_key = open(&data_key.0, wrap.nonce, &wrap_aad(&self.header_bytes), &wrap.sealed_content_key)?;
        let aad = secret_aad(&self.header_bytes, &self.wraps_bytes);
        open(&content_key, self.nonce, &aad, &self.ciphertext).map(UnsealedSecret)
    }
}

/// The record's digest.
pub(super) fn digest(header: &[u8], wraps: &[u8]) -> RecordDigest {
    let tagged = tagged(b"nitro-signer record v1 digest", &[header, wraps]);
    let digest = digest::digest(&digest::SHA256, &tagged);
    RecordDigest::from_bytes(digest.as_ref().try_into().expect("SHA-256 is 32 bytes"))
}

fn secret_aad(header: &[u8], wraps: &[u8]) -> Vec<u8> {
    tagged(b"nitro-signer record v1 secret", &[header, wraps])
}

fn wrap_aad(header: &[u8]) -> Vec<u8> {
    tagged(b"nitro-signer record v1 wrap", &[header])
}

/// A tag and parts, each behind its length, so that no two lists of parts give the same bytes.
fn tagged(tag: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = tag.to_vec();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn draw_nonce(rng: &mut impl TryCryptoRng) -> Result<[u8; NONCE_LEN], RandomnessFailed> {
    let mut nonce = [0; NONCE_LEN];
    rng.try_fill_bytes(&mut nonce).map_err(|_| RandomnessFailed)?;
    Ok(nonce)
}

fn seal(key: &[u8; SECRET_LEN], nonce: [u8; NONCE_LEN], aad: &[u8], plaintext: &[u8; SECRET_LEN]) -> Vec<u8> {
    // Full length from the start: a Vec that grew would leave a copy of the plaintext behind.
    let mut sealed = Vec::with_capacity(SECRET_LEN + TAG_LEN);
    sealed.extend_from_slice(plaintext);
    aead_key(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
        .expect("32 bytes are far below AES-GCM's limit");
    sealed
}

fn open(key: &[u8], nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let key: &[u8; SECRET_LEN] = key.try_into().map_err(|_| OpenError)?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let len = aead_key(key)
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut opened)
        .map_err(|_| OpenError)?
        .len();
    opened.truncate(len);
    Ok(opened)
}

fn aead_key(key: &[u8; SECRET_LEN]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}
