//! The certificate of whoever signs an image.

use std::fmt::Write as _;

use der::Decode as _;
use der::asn1::ObjectIdentifier;
use nsm_attest::UnixTime;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::name::Name;

/// A certificate over a P-384 key. Nobody vouches for it: it is known by PCR8, its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCertificate {
    der: Vec<u8>,
    point: Vec<u8>,
    subject: String,
    issuer: String,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl SigningCertificate {
    /// Reads the first certificate in PEM text.
    ///
    /// # Errors
    /// [`CertificateError`] if there is none, or not one over a P-384 key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| CertificateError::NotPem)?;
        Self::from_der(&der)
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// [`CertificateError`] if it is none, or not one over a P-384 key.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = Certificate::from_der(der).map_err(|_| CertificateError::NotX509)?;
        let tbs = certificate.tbs_certificate();
        let key = tbs.subject_public_key_info();
        let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        let point = key.subject_public_key.as_bytes().unwrap_or_default();
        let is_point = point.len() == UNCOMPRESSED_POINT_LEN && point.first() == Some(&UNCOMPRESSED_POINT);
        if key.algorithm.oid != EC_PUBLIC_KEY || curve != Some(SECP384R1) || !is_point {
            return Err(CertificateError::NotP384);
        }
        let seconds = |time: x509_cert::time::Time| UnixTime::from_secs(time.to_unix_duration().as_secs());
        Ok(Self {
            der: der.to_vec(),
            point: point.to_vec(),
            subject: text(tbs.subject()),
            issuer: text(tbs.issuer()),
            not_before: seconds(tbs.validity().not_before),
            not_after: seconds(tbs.validity().not_after),
        })
    }

    /// The certificate in DER: what PCR8 measures.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Whom it names, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who issued it, as RFC 4514 writes it; not verified.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The first second of its validity.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of its validity, to whose end it is valid.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The public key: an uncompressed point, of which nobody checked that it is on the curve.
    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }
}

/// Not a certificate that can sign images.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The key is no uncompressed point of P-384, the curve that Nitro takes.
    #[error("the certificate's key is not on P-384")]
    NotP384,
    /// There is no certificate in the text.
    #[error("there is no certificate in PEM")]
    NotPem,
    /// What is there is no X.509 certificate in DER.
    #[error("the certificate is not X.509 in DER")]
    NotX509,
}

/// Not `to_string`, which panics where displaying fails.
fn text(name: &Name) -> String {
    let mut text = String::new();
    match write!(text, "{name}") {
        Ok(()) => text,
        Err(_) => "(cannot be shown)".to_owned(),
    }
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const UNCOMPRESSED_POINT: u8 = 4;
const UNCOMPRESSED_POINT_LEN: usize = 97;
