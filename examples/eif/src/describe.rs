//! What an image says and is, as JSON: the members of `nitro-cli describe-eif`, and the sections.

use serde::Serialize;

use crate::certificate::SigningCertificate;
use crate::header::Architecture;
use crate::image::EifImage;
use crate::measure::Measurements;
use crate::metadata::Metadata;
use crate::signature;

/// A description of an image. Serialised, its members are named as `nitro-cli` names them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    /// Version of the format: 3 or 4.
    pub eif_version: u16,
    /// `x86_64` or `aarch64`.
    pub architecture: &'static str,
    /// The registers.
    pub measurements: Measurements,
    /// Whether there is a signature section.
    pub is_signed: bool,
    /// Always true: what has another CRC is not read.
    #[serde(rename = "CheckCRC")]
    pub check_crc: bool,
    /// Whether the signature is one over this PCR0 by the certificate's key; null if there is none.
    pub signature_check: Option<bool>,
    /// The certificate in the signature section; null if there is none.
    pub signing_certificate: Option<CertificateDescription>,
    /// The metadata section, which nothing measures or signs; null if there is none.
    pub metadata: Option<Metadata>,
    /// Memory in bytes, unless whoever starts it says otherwise.
    pub default_memory: u64,
    /// CPUs, unless whoever starts it says otherwise.
    pub default_cpus: u64,
    /// The kernel's command line.
    pub command_line: String,
    /// What the sections hold, in their order.
    pub sections: Vec<SectionDescription>,
}

/// A certificate, unverified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CertificateDescription {
    /// Whom it names, as RFC 4514 writes it.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// The first second of its validity, RFC 3339.
    pub not_before: String,
    /// The last.
    pub not_after: String,
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SectionDescription {
    /// What it holds.
    pub kind: String,
    /// Its length in bytes.
    pub len: usize,
}

impl EifImage {
    /// Describes the image.
    #[must_use]
    pub fn describe(&self) -> Description {
        let measurements = self.measure();
        let expected = signature::payload(&measurements.image.image);
        let is_right = |signature: &signature::ImageSignature| expected.is_some() && signature.verify() == expected;
        let sections = self.sections().into_iter();
        Description {
            eif_version: self.version(),
            architecture: match self.architecture() {
                Architecture::Aarch64 => "aarch64",
                Architecture::X86_64 => "x86_64",
            },
            measurements,
            is_signed: self.signature().is_some(),
            check_crc: true,
            signature_check: self.signature().map(is_right),
            signing_certificate: self.signature().map(|signature| signature.certificate().into()),
            metadata: self.metadata(),
            default_memory: self.default_memory(),
            default_cpus: self.default_cpus(),
            command_line: self.command_line().to_owned(),
            sections: sections
                .map(|(kind, content)| SectionDescription { kind: kind.to_string(), len: content.len() })
                .collect(),
        }
    }
}

impl From<&SigningCertificate> for CertificateDescription {
    fn from(certificate: &SigningCertificate) -> Self {
        Self {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            not_before: certificate.not_before().to_string(),
            not_after: certificate.not_after().to_string(),
        }
    }
}
