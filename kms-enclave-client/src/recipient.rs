//! [`RecipientKeyPair`]: the RSA key to which KMS encrypts its answer.

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use crate::cms::EnvelopedData;
use crate::error::{Error, LocalFailure};
use crate::plaintext::Plaintext;

/// An RSA pair whose public half goes into an attestation document.
///
/// KMS envelopes its answer to the public half, so only this process can read it, whoever relays the bytes. The private
/// half is made by and stays inside AWS-LC, which wipes it when freed; it is neither printable nor exportable here.
pub struct RecipientKeyPair {
    private: OaepPrivateDecryptingKey,
    public_der: Vec<u8>,
    identifier: [u8; 32],
}

impl RecipientKeyPair {
    /// Makes a fresh RSA-2048 pair. It takes tens of milliseconds: not for a runtime's worker thread.
    ///
    /// # Errors
    /// [`Error::Local`] if AWS-LC cannot make one.
    pub fn generate() -> Result<Self, Error> {
        PrivateDecryptingKey::generate(KeySize::Rsa2048)
            .ok()
            .and_then(Self::from_key)
            .ok_or(Error::Local(LocalFailure::KeyGeneration))
    }

    /// Reads an RSA pair of 2048 to 4096 bits from PKCS#8 DER, for tools and tests that open a stored answer.
    ///
    /// An enclave has no use for it: its pairs are fresh.
    ///
    /// # Errors
    /// [`RecipientKeyRejected`] if the bytes are not such a key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, RecipientKeyRejected> {
        let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| RecipientKeyRejected)?;
        if !(2048..=4096).contains(&key.key_size_bits()) {
            return Err(RecipientKeyRejected);
        }
        Self::from_key(key).ok_or(RecipientKeyRejected)
    }

    /// As [`from_pkcs8_der`](Self::from_pkcs8_der), from PKCS#1 DER (`RSAPrivateKey`).
    ///
    /// # Errors
    /// [`RecipientKeyRejected`] if the bytes are not such a key.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, RecipientKeyRejected> {
        let key = rsa::KeyPair::from_der(der).map_err(|_| RecipientKeyRejected)?;
        let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| RecipientKeyRejected)?;
        Self::from_pkcs8_der(pkcs8.as_ref())
    }

    /// The public half as `SubjectPublicKeyInfo` DER: the `public_key` of the attestation document.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_der
    }

    /// SHA-256 of [`public_key_der`](Self::public_key_der): the subject key identifier by which KMS addresses this pair.
    #[must_use]
    pub fn identifier(&self) -> &[u8; 32] {
        &self.identifier
    }

    /// Decrypts RSAES-OAEP with SHA-256, MGF1-SHA-256 and no label. `None` says nothing about the reason.
    pub(crate) fn unwrap_key(&self, encrypted_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let len = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted_key, &mut buffer, None).ok()?.len();
        buffer.truncate(len);
        Some(buffer)
    }

    fn from_key(key: PrivateDecryptingKey) -> Option<Self> {
        let public_der = key.public_key().as_der().ok()?.as_ref().to_vec();
        let private = OaepPrivateDecryptingKey::new(key).ok()?;
        Some(Self { private, identifier: key_identifier(&public_der), public_der })
    }
}

impl fmt::Debug for RecipientKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientKeyPair").finish_non_exhaustive()
    }
}

/// The bytes are not an RSA private key of 2048 to 4096 bits in the expected encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA private key of 2048 to 4096 bits in DER")]
pub struct RecipientKeyRejected;

/// A pair that opens each envelope once.
///
/// OAEP is not malleable: who does not know the content key cannot encrypt it again, so an encrypted key that was seen
/// before comes from the reply of another call. It is remembered before it is used: whatever is done to the rest of the
/// envelope, nobody gets a second try at the same content key.
#[derive(Debug)]
pub(crate) struct OpensOnce {
    pair: RecipientKeyPair,
    /// SHA-256 of each encrypted key. Whoever lends the pair out bounds how many there can be.
    seen: Mutex<HashSet<[u8; 32]>>,
}

impl OpensOnce {
    pub(crate) fn new(pair: RecipientKeyPair) -> Self {
        Self { pair, seen: Mutex::default() }
    }

    /// Opens `envelope`; its content must have a length within `len`.
    pub(crate) fn open(&self, envelope: &EnvelopedData, len: &RangeInclusive<usize>) -> Result<Plaintext, Error> {
        // A set of whole digests stays one, whatever panicked.
        let is_new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256(envelope.encrypted_key()));
        if is_new { Ok(envelope.open_within(&self.pair, len)?) } else { Err(Error::ReplayedReply) }
    }

    /// Forgets which envelopes it was given.
    #[cfg(feature = "sim")]
    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// SHA-256 of a `SubjectPublicKeyInfo`.
pub(crate) fn key_identifier(public_der: &[u8]) -> [u8; 32] {
    sha256(public_der)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let pair = RecipientKeyPair::generate().unwrap();
        assert_eq!(format!("{pair:?}"), "RecipientKeyPair { .. }");
    }

    #[test]
    fn the_public_half_is_an_rsa_2048_spki() {
        use spki::DecodePublicKey as _;
        struct Spki(usize);
        impl TryFrom<spki::SubjectPublicKeyInfoRef<'_>> for Spki {
            type Error = spki::Error;
            fn try_from(info: spki::SubjectPublicKeyInfoRef<'_>) -> spki::Result<Self> {
                info.algorithm.assert_algorithm_oid("1.2.840.113549.1.1.1".parse().unwrap())?;
                Ok(Self(info.subject_public_key.raw_bytes().len()))
            }
        }
        let pair = RecipientKeyPair::generate().unwrap();
        // SEQUENCE { INTEGER of 257 bytes, INTEGER 65537 }.
        assert_eq!(Spki::from_public_key_der(pair.public_key_der()).unwrap().0, 270);
    }

    #[test]
    fn refuses_what_is_no_key() {
        assert_eq!(RecipientKeyPair::from_pkcs8_der(b"").map(drop), Err(RecipientKeyRejected));
        assert_eq!(RecipientKeyPair::from_pkcs8_der(&[0x30; 64]).map(drop), Err(RecipientKeyRejected));
        assert_eq!(RecipientKeyPair::from_pkcs1_der(&[0x30; 64]).map(drop), Err(RecipientKeyRejected));
    }

    #[test]
    fn reads_the_same_key_from_pkcs8_and_pkcs1() {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
        // PrivateKeyInfo { version, algorithm, OCTET STRING of 4 + 22 bytes before the RSAPrivateKey }.
        let pkcs1 = &pkcs8.as_ref()[26..];
        let (from_pkcs8, from_pkcs1) =
            (RecipientKeyPair::from_pkcs8_der(pkcs8.as_ref()), RecipientKeyPair::from_pkcs1_der(pkcs1));
        assert_eq!(from_pkcs8.unwrap().public_key_der(), from_pkcs1.unwrap().public_key_der());
        assert!(RecipientKeyPair::from_pkcs1_der(pkcs8.as_ref()).is_err());
    }

    #[test]
    fn an_envelope_opens_once_whatever_is_done_to_its_content() {
        let pair = RecipientKeyPair::generate().unwrap();
        let public = rsa::PublicEncryptingKey::from_der(pair.public_key_der()).unwrap();
        let sealed = crate::cms::seal::seal(b"secret", &public, pair.public_key_der()).unwrap();
        let envelope = EnvelopedData::from_bytes(&sealed).unwrap();
        let mut altered = sealed.clone();
        let last_of_content = altered.len() - 13;
        altered[last_of_content] ^= 1;
        let altered = EnvelopedData::from_bytes(&altered).unwrap();
        assert_eq!(altered.encrypted_key(), envelope.encrypted_key());
        assert_ne!(altered, envelope);

        let opener = OpensOnce::new(pair);
        assert!(matches!(opener.open(&altered, &(6..=6)), Err(Error::Decrypt(_))));
        assert!(matches!(opener.open(&envelope, &(6..=6)), Err(Error::ReplayedReply)), "no second try");
        let again = crate::cms::seal::seal(b"secret", &public, opener.pair.public_key_der()).unwrap();
        let again = EnvelopedData::from_bytes(&again).unwrap();
        assert_eq!(opener.open(&again, &(6..=6)).unwrap().as_bytes(), b"secret");
        assert!(matches!(opener.open(&again, &(6..=6)), Err(Error::ReplayedReply)));
    }
}
