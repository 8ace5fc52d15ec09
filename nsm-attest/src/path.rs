//! The certificate path from a document's key to the trust anchor.
//!
//! The path is the one the document presents, in its order; no other is searched for. What webpki does not look at (the
//! anchor's own dates, key usage, algorithms of keys) or is asked for by name here (authority, path length) is checked
//! first, then webpki checks signatures, name constraints and critical extensions. With a [`ChainCache`] that
//! knows the authorities, only the end entity is checked.

use std::time::Duration;

use der::Decode;
use der::asn1::ObjectIdentifier;
use rustls_pki_types::CertificateDer;
use subtle::ConstantTimeEq;
use webpki::{EndEntityCert, KeyUsage as ExtendedUsage, VerifiedPath, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints};
use x509_cert::name::Name;

use crate::anchor::{Fingerprint, TrustAnchor};
use crate::cache::{BundleId, ChainCache, VerifiedBundle};
use crate::cose::P384VerifyingKey;
use crate::document::AttestationDocument;
use crate::error::{ChainPosition, Error, Malformed, Rejection};
use crate::time::UnixTime;

/// Checks the path as of `now` and returns the key that it vouches for.
pub(crate) fn verify(
    document: &AttestationDocument,
    anchor: &TrustAnchor,
    now: UnixTime,
    cache: Option<&ChainCache>,
) -> Result<P384VerifyingKey, Error> {
    check_root(document, anchor)?;
    let Some(cache) = cache else { return verify_all(document, now).map(|chain| key_of(&chain.end_entity)) };
    let id = BundleId::of(anchor, &document.cabundle);
    if let Some(bundle) = cache.get(&id, now) {
        return verify_below(document, &bundle, now).map(|end_entity| key_of(&end_entity));
    }
    let chain = verify_all(document, now)?;
    if let Some(bundle) = chain.cacheable() {
        cache.insert(id, bundle, now);
    }
    Ok(key_of(&chain.end_entity))
}

/// Checks every certificate, from the root down, then all signatures.
fn verify_all(document: &AttestationDocument, now: UnixTime) -> Result<Chain, Error> {
    let chain = Chain::read(document)?;
    let mut subjects = Vec::with_capacity(chain.authorities.len());
    for (index, link) in chain.authorities.iter().enumerate() {
        link.check(&subjects, now)?;
        // Those below it but for the end entity, which does not count.
        link.check_authority(chain.authorities.len() - index - 1)?;
        subjects.push(link.subject());
    }
    chain.end_entity.check(&subjects, now)?;
    chain.end_entity.check_no_authority()?;
    check_signatures(document, 0, now)?;
    Ok(chain)
}

/// Checks the end entity alone, below authorities that were checked before and are valid now.
fn verify_below(document: &AttestationDocument, bundle: &VerifiedBundle, now: UnixTime) -> Result<Link, Error> {
    let end_entity = Link::from_der(ChainPosition::EndEntity, &document.certificate)?;
    end_entity.check(&bundle.subjects.iter().collect::<Vec<_>>(), now)?;
    end_entity.check_no_authority()?;
    check_signatures(document, document.cabundle.len().saturating_sub(1), now)?;
    Ok(end_entity)
}

fn key_of(end_entity: &Link) -> P384VerifyingKey {
    P384VerifyingKey::from_point(end_entity.public_key().to_vec())
}

/// Length and root come first: without the pinned root nobody's certificates are even parsed.
fn check_root(document: &AttestationDocument, anchor: &TrustAnchor) -> Result<(), Rejection> {
    let len = document.cabundle.len();
    if len > MAX_AUTHORITIES {
        return Err(Rejection::ChainTooLong { len, max: MAX_AUTHORITIES });
    }
    let root = document.cabundle.first().ok_or(Rejection::PathInvalid)?;
    let (expected, actual) = (anchor.fingerprint(), Fingerprint::of(root));
    if bool::from(expected.as_bytes().ct_eq(actual.as_bytes())) {
        Ok(())
    } else {
        Err(Rejection::UntrustedRoot { expected, actual })
    }
}

/// The certificates of a document.
struct Chain {
    authorities: Vec<Link>,
    end_entity: Link,
}

impl Chain {
    fn read(document: &AttestationDocument) -> Result<Self, Malformed> {
        let mut authorities = Vec::with_capacity(document.cabundle.len());
        for (index, der) in document.cabundle.iter().enumerate() {
            authorities.push(Link::from_der(ChainPosition::Cabundle(index), der)?);
        }
        Ok(Self { authorities, end_entity: Link::from_der(ChainPosition::EndEntity, &document.certificate)? })
    }

    /// What a cache may remember of the authorities; nothing if one of them restricts names, or if that cannot be told.
    fn cacheable(&self) -> Option<VerifiedBundle> {
        if !self.authorities.iter().all(|link| matches!(link.extension::<NameConstraints>(), Ok(None))) {
            return None;
        }
        let (not_before, not_after): (Vec<_>, Vec<_>) = self.authorities.iter().map(Link::validity).unzip();
        Some(VerifiedBundle {
            not_before: not_before.into_iter().max()?,
            not_after: not_after.into_iter().min()?,
            subjects: self.authorities.iter().map(|link| link.subject().clone()).collect(),
        })
    }
}

/// One certificate of the path and where it stands.
struct Link {
    position: ChainPosition,
    certificate: Certificate,
}

impl Link {
    fn from_der(position: ChainPosition, der: &[u8]) -> Result<Self, Malformed> {
        let certificate = Certificate::from_der(der).map_err(|_| Malformed::Certificate { position })?;
        let extensions = certificate.tbs_certificate().extensions().map_or(&[][..], Vec::as_slice);
        let is_repeated = |(index, extension): (usize, &Extension)| {
            extensions[..index].iter().any(|earlier| earlier.extn_id == extension.extn_id)
        };
        // Which of the two would hold is nowhere defined (RFC 5280 §4.2).
        if extensions.iter().enumerate().any(is_repeated) {
            return Err(Malformed::Certificate { position });
        }
        Ok(Self { position, certificate })
    }

    /// What every certificate is held against, wherever it stands.
    fn check(&self, above: &[&Name], now: UnixTime) -> Result<(), Error> {
        self.check_issuer(above)?;
        self.check_validity(now)?;
        self.check_algorithms()?;
        self.check_usage()
    }

    /// The first and the last second.
    fn validity(&self) -> (UnixTime, UnixTime) {
        let validity = self.certificate.tbs_certificate().validity();
        let time = |time: x509_cert::time::Time| UnixTime::from_secs(time.to_unix_duration().as_secs());
        (time(validity.not_before), time(validity.not_after))
    }

    fn check_validity(&self, now: UnixTime) -> Result<(), Rejection> {
        let (position, (not_before, not_after)) = (self.position, self.validity());
        // Certificates count in seconds: the last one is valid to its end.
        if now.as_secs() < not_before.as_secs() {
            Err(Rejection::CertificateNotYetValid { position, not_before, now })
        } else if now.as_secs() > not_after.as_secs() {
            Err(Rejection::CertificateExpired { position, not_after, now })
        } else {
            Ok(())
        }
    }

    fn check_algorithms(&self) -> Result<(), Rejection> {
        let tbs = self.certificate.tbs_certificate();
        let key = &tbs.subject_public_key_info().algorithm;
        let curve = key.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        let point = self.public_key();
        let is_p384 = key.oid == EC_PUBLIC_KEY
            && curve == Some(SECP384R1)
            && point.len() == UNCOMPRESSED_POINT_LEN
            && point.first() == Some(&UNCOMPRESSED_POINT);
        // webpki holds the outer algorithm against the inner one.
        if is_p384 && self.certificate.signature_algorithm().oid == ECDSA_WITH_SHA384 {
            Ok(())
        } else {
            Err(Rejection::UnsupportedAlgorithm { position: self.position })
        }
    }

    fn check_usage(&self) -> Result<(), Error> {
        let position = self.position;
        if self.extension::<ExtendedKeyUsage>()?.is_some() {
            return Err(Rejection::ExtendedKeyUsage { position }.into());
        }
        let usage = self.extension::<KeyUsage>()?.map(|(_, usage)| usage);
        let (required, is_there) = match position {
            ChainPosition::Cabundle(_) => ("keyCertSign", usage.is_some_and(|usage| usage.key_cert_sign())),
            ChainPosition::EndEntity => ("digitalSignature", usage.is_some_and(|usage| usage.digital_signature())),
        };
        if is_there { Ok(()) } else { Err(Rejection::KeyUsageMissing { position, required }.into()) }
    }

    /// `below` counts the authorities that follow.
    fn check_authority(&self, below: usize) -> Result<(), Error> {
        let position = self.position;
        // Critical, as RFC 5280 §4.2.1.9 and AWS's §3.2.3.2 demand of authorities.
        let Some((true, BasicConstraints { ca: true, path_len_constraint })) = self.extension()? else {
            return Err(Rejection::NotAuthority { position }.into());
        };
        match path_len_constraint {
            Some(allowed) if below > usize::from(allowed) => {
                Err(Rejection::PathLenExceeded { position, allowed, actual: below }.into())
            }
            _ => Ok(()),
        }
    }

    fn check_no_authority(&self) -> Result<(), Error> {
        let claims = |(_, claimed): (_, BasicConstraints)| claimed.ca || claimed.path_len_constraint.is_some();
        let may_issue = |(_, usage): (_, KeyUsage)| usage.key_cert_sign();
        let is_authority = self.extension()?.is_some_and(claims) || self.extension()?.is_some_and(may_issue);
        if is_authority { Err(Rejection::EndEntityIsAuthority.into()) } else { Ok(()) }
    }

    /// Holds the issuer against the last of the subjects `above`, and this subject against all of them: with every name
    /// once, webpki has one path to try, so that the number of signature checks is the number of certificates.
    fn check_issuer(&self, above: &[&Name]) -> Result<(), Rejection> {
        let issued_by_last = above.last().is_none_or(|issuer| *issuer == self.certificate.tbs_certificate().issuer());
        if issued_by_last && !above.contains(&self.subject()) {
            Ok(())
        } else {
            Err(Rejection::IssuerMismatch { position: self.position })
        }
    }

    fn subject(&self) -> &Name {
        self.certificate.tbs_certificate().subject()
    }

    fn public_key(&self) -> &[u8] {
        self.certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes()
    }

    /// An extension and whether it is critical.
    fn extension<'a, T>(&'a self) -> Result<Option<(bool, T)>, Malformed>
    where
        T: Decode<'a> + der::oid::AssociatedOid,
    {
        let malformed = |_| Malformed::Certificate { position: self.position };
        self.certificate.tbs_certificate().get_extension::<T>().map_err(malformed)
    }
}

/// Checks the signatures from the end entity up to `cabundle[trusted]`.
fn check_signatures(document: &AttestationDocument, trusted: usize, now: UnixTime) -> Result<(), Rejection> {
    let (_, from_trusted) = document.cabundle.split_at_checked(trusted).ok_or(Rejection::PathInvalid)?;
    let (trusted, below) = from_trusted.split_first().ok_or(Rejection::PathInvalid)?;
    let trusted = CertificateDer::from(&trusted[..]);
    let anchors = [anchor_from_trusted_cert(&trusted).map_err(to_rejection)?];
    // webpki looks from the end entity upwards.
    let authorities: Vec<_> = below.iter().rev().map(|der| CertificateDer::from(&der[..])).collect();
    let certificate = CertificateDer::from(&document.certificate[..]);
    let end_entity = EndEntityCert::try_from(&certificate).map_err(to_rejection)?;
    let path = end_entity
        .verify_for_usage(
            &[webpki::aws_lc_rs::ECDSA_P384_SHA384],
            &anchors,
            &authorities,
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs())),
            // "If present", and none is present here.
            ExtendedUsage::client_auth(),
            None,
            None,
        )
        .map_err(to_rejection)?;
    if is_whole_bundle(&path, &authorities) { Ok(()) } else { Err(Rejection::PathInvalid) }
}

/// Every certificate presented is part of the path, in the order presented.
fn is_whole_bundle(path: &VerifiedPath<'_>, authorities: &[CertificateDer<'_>]) -> bool {
    path.intermediate_certificates().map(|authority| authority.der()).eq(authorities.iter().cloned())
}

fn to_rejection(error: webpki::Error) -> Rejection {
    match error {
        webpki::Error::InvalidSignatureForPublicKey => Rejection::CertificateSignatureInvalid,
        _ => Rejection::PathInvalid,
    }
}

/// Real paths have four: root, regional, zonal, instance.
const MAX_AUTHORITIES: usize = 6;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const UNCOMPRESSED_POINT: u8 = 4;
const UNCOMPRESSED_POINT_LEN: usize = 97;
