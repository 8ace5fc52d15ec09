//! What a hostile NSM can get wrong on purpose.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints,
};

use super::SimError;
use super::authority::{Chain, Plan, aws_name, set_validity};
use crate::time::UnixTime;

/// A defect of the documents that a simulated NSM signs, for testing verifiers. But for the one defect, the document is
/// right, and everything is signed with the right keys unless the defect is a signature.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// The end-entity certificate's signature has a flipped bit.
    CertificateSignature,
    /// The end-entity certificate has a critical extension that nobody knows.
    CriticalExtension,
    /// The end-entity certificate is an authority's.
    EndEntityAuthority,
    /// The end-entity certificate expired an hour ago.
    EndEntityExpired,
    /// The end-entity certificate becomes valid in an hour.
    EndEntityFuture,
    /// The end-entity certificate's key is not for signing data.
    EndEntityKeyUsage,
    /// The end-entity certificate is restricted to TLS servers.
    ExtendedKeyUsage,
    /// The zonal authority's certificate expired an hour ago.
    IssuerExpired,
    /// The instance authority's key is not for signing certificates.
    IssuerKeyUsage,
    /// The instance certificate is not an authority's.
    IssuerNotAuthority,
    /// The zonal and the instance authority's certificates are swapped.
    IssuerOrder,
    /// The chain is longer than verifiers need to look.
    LongChain,
    /// The instance authority may only issue for other names.
    NameConstraint,
    /// A certificate is cut off.
    NotCertificate,
    /// The end-entity certificate's key is on P-256.
    OtherCurve,
    /// The root is another one, of the same name.
    OtherRoot,
    /// The zonal authority allows no authority below it.
    PathLen,
    /// The instance authority has the zonal authority's name.
    RepeatedName,
    /// The document is signed by another key than the certificate's.
    Signature,
    /// The signature is a good one of the right key, but of another document.
    SwappedSignature,
}

impl Defect {
    pub(super) fn spoil_plan(self, plan: &mut Plan, now: UnixTime) -> Result<(), SimError> {
        let [_, zonal, instance, end_entity] = plan;
        match self {
            Self::CriticalExtension => {
                let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
                extension.set_criticality(true);
                end_entity.custom_extensions.push(extension);
            }
            Self::EndEntityAuthority => end_entity.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Self::EndEntityExpired => set_validity(end_entity, now.saturating_sub(2 * HOUR), HOUR)?,
            Self::EndEntityFuture => set_validity(end_entity, now.saturating_add(HOUR), HOUR)?,
            Self::EndEntityKeyUsage => end_entity.key_usages = vec![KeyUsagePurpose::KeyAgreement],
            Self::ExtendedKeyUsage => end_entity.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Self::IssuerExpired => set_validity(zonal, now.saturating_sub(2 * HOUR), HOUR)?,
            Self::IssuerKeyUsage => instance.key_usages = vec![KeyUsagePurpose::DigitalSignature],
            Self::IssuerNotAuthority => instance.is_ca = IsCa::ExplicitNoCa,
            Self::NameConstraint => {
                let other = GeneralSubtree::DirectoryName(aws_name("other", None)?);
                let (permitted_subtrees, excluded_subtrees) = (vec![other], Vec::new());
                instance.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees });
            }
            Self::PathLen => zonal.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
            Self::RepeatedName => instance.distinguished_name = zonal.distinguished_name.clone(),
            // These show in the finished certificates or in the document's signature.
            Self::CertificateSignature
            | Self::IssuerOrder
            | Self::LongChain
            | Self::NotCertificate
            | Self::OtherCurve
            | Self::OtherRoot
            | Self::Signature
            | Self::SwappedSignature => {}
        }
        Ok(())
    }

    pub(super) fn spoil_chain(self, chain: &mut Chain) {
        match self {
            Self::CertificateSignature => {
                // The last byte belongs to s; the encoding stays right.
                if let Some(byte) = chain.certificate.last_mut() {
                    *byte ^= 1;
                }
            }
            Self::IssuerOrder => chain.cabundle.swap(2, 3),
            Self::LongChain => {
                let instance = chain.cabundle[3].clone();
                chain.cabundle.resize(8, instance);
            }
            Self::NotCertificate => chain.certificate.truncate(100),
            _ => {}
        }
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
