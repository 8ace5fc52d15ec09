//! The signature section.
//!
//! ```text
//! [                                            CBOR, one entry
//!   { "signing_certificate": [45, 45, …],      the PEM text, as an array of numbers
//!     "signature": [132, …] }                  COSE_Sign1, ES384, as an array of numbers
//! ]
//! payload of the COSE_Sign1:
//!   { "register_index": 0, "register_value": [ … 48 numbers: PCR0 … ] }
//! ```

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, EcdsaKeyPair, UnparsedPublicKey};
use aws_nitro_enclaves_cose::CoseSign1;
use aws_nitro_enclaves_cose::crypto::{Hash, MessageDigest, SignatureAlgorithm, SigningPrivateKey, SigningPublicKey};
use aws_nitro_enclaves_cose::error::CoseError;
use aws_nitro_enclaves_cose::header_map::HeaderMap;
use nsm_attest::PcrValue;
use serde::{Deserialize, Serialize};

use crate::certificate::SigningCertificate;
use crate::error::ImageError;

/// What a signature section holds: a certificate, and PCR0 signed with its key, unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSignature {
    bytes: Vec<u8>,
    certificate: SigningCertificate,
    cose: Vec<u8>,
}

impl ImageSignature {
    /// The certificate. Whether its holder signed the image is not said here.
    #[must_use]
    pub const fn certificate(&self) -> &SigningCertificate {
        &self.certificate
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self, ImageError> {
        let malformed = |detail: String| ImageError::Signature { detail };
        SIGNATURE.check_len(bytes.len() as u64)?;
        let entries: Vec<Entry> = serde_cbor::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        // One spelling, so that nothing else hides in a section that no register measures.
        if serde_cbor::to_vec(&entries).ok().as_ref() != Some(&bytes) {
            return Err(malformed("it is not encoded as AWS's tools encode it".to_owned()));
        }
        let count = entries.len();
        let Ok([Entry { signing_certificate, signature }]) = <[Entry; 1]>::try_from(entries) else {
            return Err(malformed(format!("it has {count} entries, not 1")));
        };
        let certificate =
            SigningCertificate::from_pem(&signing_certificate).map_err(|error| malformed(error.to_string()))?;
        Ok(Self { bytes, certificate, cose: signature })
    }

    /// Signs `pcr0` with the key of the certificate in `pem`; `None` if the libraries fail.
    pub(crate) fn make(pcr0: &PcrValue, key: &EcdsaKeyPair, pem: &[u8]) -> Option<Self> {
        let certificate = SigningCertificate::from_pem(pem).ok()?;
        let key = Key { private: Some(key), point: certificate.point() };
        let cose = CoseSign1::new::<Whole>(&payload(pcr0)?, &HeaderMap::new(), &key).ok()?.as_bytes(false).ok()?;
        let entry = Entry { signing_certificate: pem.to_vec(), signature: cose.clone() };
        let bytes = serde_cbor::to_vec(&[entry]).ok()?;
        Some(Self { bytes, certificate, cose })
    }

    /// What the certificate's holder signed, if the signature is right.
    pub(crate) fn verify(&self) -> Option<Vec<u8>> {
        let key = Key { private: None, point: self.certificate.point() };
        CoseSign1::from_bytes(&self.cose).ok()?.get_payload::<Whole>(Some(&key)).ok()
    }
}

/// What a signature is over.
pub(crate) fn payload(pcr0: &PcrValue) -> Option<Vec<u8>> {
    serde_cbor::to_vec(&Payload { register_index: 0, register_value: pcr0.as_bytes() }).ok()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    signing_certificate: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Serialize)]
struct Payload<'a> {
    register_index: i32,
    register_value: &'a [u8],
}

/// A P-384 key for the COSE library.
struct Key<'a> {
    private: Option<&'a EcdsaKeyPair>,
    point: &'a [u8],
}

/// Hands on what the COSE library would have hashed: aws-lc-rs hashes and signs in one call.
struct Whole;

impl Hash for Whole {
    fn hash(_: MessageDigest, data: &[u8]) -> Result<Vec<u8>, CoseError> {
        Ok(data.to_vec())
    }
}

impl SigningPublicKey for Key<'_> {
    fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
        Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool, CoseError> {
        Ok(UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, self.point).verify(message, signature).is_ok())
    }
}

impl SigningPrivateKey for Key<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CoseError> {
        let refused = || CoseError::SignatureError("the key did not sign".into());
        let key = self.private.ok_or_else(refused)?;
        key.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec()).map_err(|_| refused())
    }
}

const SIGNATURE: crate::section::SectionKind = crate::section::SectionKind::Signature;
