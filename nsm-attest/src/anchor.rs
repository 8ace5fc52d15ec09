//! The root certificates in which trust begins.

use std::fmt;

use aws_lc_rs::digest;
use der::Decode;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::Certificate;

/// A root certificate, pinned by the SHA-256 digest of its DER. Documents bring the certificate itself along.
///
/// ```
/// use nsm_attest::TrustAnchor;
///
/// let aws = TrustAnchor::aws_nitro_g1();
/// assert!(aws.fingerprint().to_string().starts_with("641a0321"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrustAnchor {
    fingerprint: Fingerprint,
}

impl TrustAnchor {
    /// AWS Nitro Enclaves root G1, of the commercial partition.
    #[must_use]
    pub const fn aws_nitro_g1() -> Self {
        Self { fingerprint: Fingerprint(AWS_NITRO_G1_SHA256) }
    }

    /// Another root, such as a simulator's, from its certificate in DER.
    ///
    /// # Errors
    /// [`InvalidAnchor`] if the bytes are not a certificate.
    pub fn from_der(certificate: &[u8]) -> Result<Self, InvalidAnchor> {
        if certificate.len() > MAX_CERTIFICATE_LEN || Certificate::from_der(certificate).is_err() {
            return Err(InvalidAnchor);
        }
        Ok(Self { fingerprint: Fingerprint::of(certificate) })
    }

    /// Another root, from its certificate in PEM.
    ///
    /// # Errors
    /// [`InvalidAnchor`] if the text holds no certificate.
    pub fn from_pem(certificate: &[u8]) -> Result<Self, InvalidAnchor> {
        if certificate.len() > MAX_PEM_LEN {
            return Err(InvalidAnchor);
        }
        CertificateDer::from_pem_slice(certificate).map_err(|_| InvalidAnchor).and_then(|der| Self::from_der(&der))
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// The SHA-256 digest of a certificate's DER, displayed as hexadecimal.
///
/// ```
/// use nsm_attest::{Fingerprint, TrustAnchor};
///
/// let aws = TrustAnchor::aws_nitro_g1().fingerprint();
/// assert_ne!(Fingerprint::of(b"another certificate"), aws);
/// assert_eq!(aws.to_string().len(), 64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of `certificate`.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(fingerprint)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The bytes are not an X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct InvalidAnchor;

/// The fingerprint AWS publishes beside the root, of the certificate rather than of the archive it comes in.
const AWS_NITRO_G1_SHA256: [u8; 32] = [
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31, 0x7e, 0xd7, 0xcd,
    0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
];
const MAX_CERTIFICATE_LEN: usize = 16 * 1024;
const MAX_PEM_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_anchors() {
        assert_eq!(TrustAnchor::from_der(b"no certificate"), Err(InvalidAnchor));
        assert_eq!(TrustAnchor::from_der(&vec![0x30; MAX_CERTIFICATE_LEN + 1]), Err(InvalidAnchor));
        assert_eq!(TrustAnchor::from_pem(b"no certificate"), Err(InvalidAnchor));
        assert_eq!(TrustAnchor::from_pem(&vec![b'-'; MAX_PEM_LEN + 1]), Err(InvalidAnchor));
        let not_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(TrustAnchor::from_pem(not_der), Err(InvalidAnchor));
    }

    #[test]
    fn anchors_are_shown_by_their_fingerprint() {
        let shown = format!("{:?}", TrustAnchor::aws_nitro_g1());
        assert!(shown.contains("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"), "{shown}");
    }
}
