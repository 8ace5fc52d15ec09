//! Verifying an image: signature, certificate and registers.

use nsm_attest::{PcrIndex, PcrValue, Pcrs, UnixTime};
use thiserror::Error;

use crate::certificate::SigningCertificate;
use crate::image::EifImage;
use crate::measure::Measurements;
use crate::signature;

/// What an image that was verified is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedImage {
    measurements: Measurements,
    signer: Option<SigningCertificate>,
}

impl VerifiedImage {
    /// Its registers, among them those that were expected.
    #[must_use]
    pub const fn measurements(&self) -> &Measurements {
        &self.measurements
    }

    /// Whose key signed its PCR0, if it is signed. **Nobody vouches for the certificate** unless PCR8 was expected.
    #[must_use]
    pub const fn signer(&self) -> Option<&SigningCertificate> {
        self.signer.as_ref()
    }
}

impl EifImage {
    /// Verifies the signature, if there is one, the validity of its certificate at `at`, then the registers that are
    /// `expected`, of PCR0, PCR1, PCR2 and PCR8. Structure and CRC were checked when the image was read.
    ///
    /// # Errors
    /// [`Rejection`] is the first check that failed. An image without a signature has no PCR8 that could be expected.
    pub fn verify(&self, expected: &Pcrs, at: UnixTime) -> Result<VerifiedImage, Rejection> {
        let measurements = self.measure();
        let signer = match self.signature() {
            None => None,
            Some(signature) => {
                let signed = signature.verify().ok_or(Rejection::Signature)?;
                if Some(signed) != signature::payload(&measurements.image.image) {
                    return Err(Rejection::SignedOther);
                }
                check_validity(signature.certificate(), at)?;
                Some(signature.certificate().clone())
            }
        };
        let actual = measurements.pcrs();
        for (index, expected) in expected.iter() {
            let actual = actual.get(index).ok_or(Rejection::PcrMissing { index })?;
            if actual != expected {
                let (expected, actual) = (Box::new(*expected), Box::new(*actual));
                return Err(Rejection::PcrMismatch { index, expected, actual });
            }
        }
        Ok(VerifiedImage { measurements, signer })
    }
}

fn check_validity(certificate: &SigningCertificate, at: UnixTime) -> Result<(), Rejection> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    // Certificates count in seconds: the last one is valid to its end.
    if at.as_secs() < not_before.as_secs() {
        Err(Rejection::CertificateNotYetValid { not_before, at })
    } else if at.as_secs() > not_after.as_secs() {
        Err(Rejection::CertificateExpired { not_after, at })
    } else {
        Ok(())
    }
}

/// Why an image is not the one that was expected.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The certificate is no longer valid.
    #[error("the signing certificate expired at {not_after}, before {at}")]
    CertificateExpired {
        /// Its last second.
        not_after: UnixTime,
        /// The time of the verification.
        at: UnixTime,
    },
    /// The certificate is not yet valid.
    #[error("the signing certificate is valid from {not_before} on, after {at}")]
    CertificateNotYetValid {
        /// Its first second.
        not_before: UnixTime,
        /// The time of the verification.
        at: UnixTime,
    },
    /// A register has another value.
    #[error("PCR{index} is {actual}, not {expected}")]
    PcrMismatch {
        /// Which register.
        index: PcrIndex,
        /// What was expected.
        expected: Box<PcrValue>,
        /// What the image gives.
        actual: Box<PcrValue>,
    },
    /// The image does not determine this register: PCR8 of an unsigned image, or another than PCR0, PCR1, PCR2 and PCR8.
    #[error("PCR{index} was expected, and this image does not determine it")]
    PcrMissing {
        /// Which register.
        index: PcrIndex,
    },
    /// The signature is not one of the certificate's key.
    #[error("the signature is not that of the signing certificate's key")]
    Signature,
    /// The signature is right, and over something else than the PCR0 of this image.
    #[error("what is signed is not PCR0 of this image")]
    SignedOther,
}
