//! Signing an image, for PCR8.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::certificate::{CertificateError, SigningCertificate};
use crate::error::ImageError;
use crate::image::EifImage;
use crate::signature::{self, ImageSignature};

/// A P-384 key and its certificate.
pub struct Signer {
    key: EcdsaKeyPair,
    certificate: SigningCertificate,
    pem: Vec<u8>,
}

impl Signer {
    /// Reads a key (PKCS#8 or SEC 1) and its certificate, both PEM. The certificate's text goes into the image as it is.
    ///
    /// # Errors
    /// [`SignError`] if one of them cannot be used, or they do not belong together.
    pub fn from_pem(key: &[u8], certificate: &[u8]) -> Result<Self, SignError> {
        let der = PrivateKeyDer::from_pem_slice(key).map_err(|_| SignError::KeyNotPem)?;
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der.secret_der())
            .map_err(|_| SignError::KeyNotP384)?;
        let pem = certificate.to_vec();
        let certificate = SigningCertificate::from_pem(certificate)?;
        if key.public_key().as_ref() != certificate.point() {
            return Err(SignError::KeyMismatch);
        }
        Ok(Self { key, certificate, pem })
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &SigningCertificate {
        &self.certificate
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificate", &self.certificate.subject()).finish_non_exhaustive()
    }
}

impl EifImage {
    /// The image with a signature over its PCR0, instead of the one that it had. PCR0, PCR1 and PCR2 stay as they are.
    ///
    /// ECDSA takes a random number: two signed images of one input differ in the 96 bytes of the signature (and in the
    /// CRC), in nothing else.
    ///
    /// # Errors
    /// [`SignError::Image`] if the certificate is too long, or an image has no place for one section more.
    pub fn sign(self, signer: &Signer) -> Result<Self, SignError> {
        let pcr0 = self.measure().image.image;
        let signature = ImageSignature::make(&pcr0, &signer.key, &signer.pem).ok_or(SignError::Library)?;
        // A fault in the computation would be a signature that nobody can use, or that tells of the key.
        if signature.verify().is_none() || signature.verify() != signature::payload(&pcr0) {
            return Err(SignError::Library);
        }
        Ok(self.with_signature(signature)?)
    }
}

/// Why an image was not signed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The signed image would be none.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The certificate is over another key.
    #[error("the certificate is not that of the key")]
    KeyMismatch,
    /// The key is not on P-384, or the file holds no such key.
    #[error("the key is not a P-384 private key in PKCS#8 or SEC 1")]
    KeyNotP384,
    /// There is no private key in the text.
    #[error("there is no private key in PEM")]
    KeyNotPem,
    /// The cryptographic library did not sign.
    #[error("the cryptographic library did not sign")]
    Library,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let signer = Signer::from_pem(key.serialize_pem().as_bytes(), certificate.pem().as_bytes()).unwrap();
        assert_eq!(format!("{signer:?}"), "Signer { certificate: \"CN=rcgen self signed cert\", .. }");
    }
}
