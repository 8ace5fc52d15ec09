//! The `Recipient` of a request: an attestation document to be believed, and a key to encrypt the answer to.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::rsa::PublicEncryptingKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nsm_attest::danger::{self, Relaxations};
use nsm_attest::{Error, Policy, TrustAnchor, UnixTime, UnverifiedDocument};
use serde::Deserialize;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode as _;

use crate::cms::seal::seal;
use crate::sim::fault::Fault;

/// The field as it arrives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct RecipientField {
    attestation_document: String,
    key_encryption_algorithm: String,
}

/// A recipient whose document was verified.
#[derive(Debug)]
pub(crate) struct VerifiedRecipient {
    pub(crate) pcrs: BTreeMap<u8, Vec<u8>>,
    public_key: PublicEncryptingKey,
    public_der: Vec<u8>,
}

impl RecipientField {
    /// Checks the document's path, signature and age. Which PCRs it must show is the key policy's business, and a
    /// document of a debug-mode enclave is legal: its PCRs are zeros, and a policy would have to name zeros.
    pub(crate) fn verify(&self, anchor: &TrustAnchor, now: UnixTime) -> Result<VerifiedRecipient, Fault> {
        if self.key_encryption_algorithm != "RSAES_OAEP_SHA_256" {
            return Err(Fault::validation("Recipient.KeyEncryptionAlgorithm must be RSAES_OAEP_SHA_256"));
        }
        let bytes = STANDARD
            .decode(&self.attestation_document)
            .map_err(|_| Fault::new("SerializationException", "AttestationDocument is not base64"))?;
        let document = UnverifiedDocument::from_bytes(&bytes).map_err(|_| unusable())?;
        let policy = Policy::builder().max_age(MAX_AGE).build();
        let relaxations = Relaxations::none().accept_debug_mode().accept_any_pcrs();
        let document = danger::verify(document, anchor, &policy, now, relaxations).map_err(|error| match error {
            Error::Malformed(_) => unusable(),
            _ => Fault::new("AccessDeniedException", "the attestation document is not trusted or not fresh"),
        })?;
        let public_der = document.public_key.clone().ok_or_else(unusable)?;
        let public_key = rsa_public_key(&public_der).ok_or_else(unusable)?;
        let pcrs = document.pcrs.iter().map(|(index, value)| (u8::from(index), value.as_bytes().to_vec())).collect();
        Ok(VerifiedRecipient { pcrs, public_key, public_der })
    }
}

impl VerifiedRecipient {
    /// `CiphertextForRecipient`.
    pub(crate) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        seal(plaintext, &self.public_key, &self.public_der).map_err(|_| Fault::internal())
    }
}

/// Envelopes `plaintext` (at most 4096 bytes) for an RSA `SubjectPublicKeyInfo`, byte-shaped like `CiphertextForRecipient`
/// of KMS: for whoever writes a KMS of their own, to see how a client takes it.
///
/// # Errors
/// [`UnusableRecipientKey`] if the key is not an RSA key of 2048 to 4096 bits, or the plaintext is too long.
pub fn envelop(plaintext: &[u8], public_key_der: &[u8]) -> Result<Vec<u8>, UnusableRecipientKey> {
    if plaintext.len() > MAX_PLAINTEXT_LEN {
        return Err(UnusableRecipientKey);
    }
    let public_key = rsa_public_key(public_key_der).ok_or(UnusableRecipientKey)?;
    seal(plaintext, &public_key, public_key_der).map_err(|_| UnusableRecipientKey)
}

/// The key is not an RSA public key of 2048 to 4096 bits, or the plaintext is longer than 4096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA public key of 2048 to 4096 bits, or more than 4096 bytes of plaintext")]
pub struct UnusableRecipientKey;

/// An RSA key of 2048 to 4096 bits in a SubjectPublicKeyInfo with the algorithm rsaEncryption.
fn rsa_public_key(der: &[u8]) -> Option<PublicEncryptingKey> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return None;
    }
    let key = PublicEncryptingKey::from_der(der).ok()?;
    (2048..=4096).contains(&key.key_size_bits()).then_some(key)
}

fn unusable() -> Fault {
    Fault::validation("the attestation document cannot be used")
}

/// KMS takes documents younger than this.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
const MAX_PLAINTEXT_LEN: usize = 4096;
const RSA_ENCRYPTION: spki::ObjectIdentifier = spki::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn takes_rsa_keys_of_2048_to_4096_bits_only() {
        let der = |size| PrivateDecryptingKey::generate(size).unwrap().public_key().as_der().unwrap().as_ref().to_vec();
        let key = der(KeySize::Rsa2048);
        assert!(rsa_public_key(&key).is_some());
        assert!(rsa_public_key(&[key.as_slice(), &[0]].concat()).is_none(), "trailing byte");
        let elliptic = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let elliptic = elliptic.public_key().as_der().unwrap();
        assert!(rsa_public_key(elliptic.as_ref()).is_none());
        assert!(rsa_public_key(b"").is_none());
    }
}
