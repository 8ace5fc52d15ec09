//! The certificate path from a document's key to the trust anchor.
//!
//! The path is the one the document presents, in its order; no other is searched for. What webpki does not look at (the
//! anchor's own dates, key usage, algorithms of keys) or is asked for by name here (authority, path length) is checked
//! first, then webpki checks signatures, name constraints and critical extensions. With a [`ChainCache`], webpki begins at
//! the last issuer whose signatures were verified before; everything else is checked as without.

use std::time::Duration;

use der::Decode;
use der::asn1::ObjectIdentifier;
use rustls_pki_types::CertificateDer;
use subtle::ConstantTimeEq;
use webpki::{EndEntityCert, KeyUsage as ExtendedUsage, VerifiedPath, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints};
use x509_cert::name::Name;

use crate::anchor::{Fingerprint, TrustAnchor};
use crate::cache::{ChainCache, ChainId};
use crate::cose::P384VerifyingKey;
use crate::document::AttestationDocument;
use crate::error::{ChainPosition, Error, Malformed, Rejection};
use crate::planted;
use crate::time::UnixTime;

/// Checks the path as of `now` and returns the key that it vouches for.
pub(crate) fn verify(
    document: &AttestationDocument,
    anchor: &TrustAnchor,
    now: UnixTime,
    cache: Option<&ChainCache>,
) -> Result<P384VerifyingKey, Error> {
    check_root(document, anchor)?;
    let chain = read_chain(document)?;
    for (index, link) in chain.iter().enumerate() {
        link.check_issuer(&chain[..index])?;
        link.check_validity(now)?;
        link.check_algorithms()?;
        link.check_usage()?;
        link.check_authority(chain.len() - index)?;
    }
    match cache {
        _ if planted::UNSIGNED_PATH => {}
        Some(cache) => check_signatures_cached(document, &chain, anchor, now, cache)?,
        None => check_signatures(document, 0, now)?,
    }
    let end_entity = chain.last().ok_or(Rejection::PathInvalid)?;
    Ok(P384VerifyingKey::from_point(end_entity.public_key().to_vec()))
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

fn read_chain(document: &AttestationDocument) -> Result<Vec<Link>, Malformed> {
    let authorities = document.cabundle.iter().enumerate().map(|(index, der)| (ChainPosition::Cabundle(index), der));
    authorities
        .chain([(ChainPosition::EndEntity, &document.certificate)])
        .map(|(position, der)| Link::from_der(position, der))
        .collect()
}

/// One certificate of the path and where it stands.
struct Link {
    position: ChainPosition,
    certificate: Certificate,
}

impl Link {
    fn from_der(position: ChainPosition, der: &[u8]) -> Result<Self, Malformed> {
        let certificate = Certificate::from_der(der).map_err(|_| Malformed::Certificate { position })?;
        Ok(Self { position, certificate })
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
        let usage = self.extension::<KeyUsage>()?;
        let (required, is_there) = match position {
            ChainPosition::Cabundle(_) => ("keyCertSign", usage.is_some_and(|usage| usage.key_cert_sign())),
            ChainPosition::EndEntity => ("digitalSignature", usage.is_some_and(|usage| usage.digital_signature())),
        };
        if is_there { Ok(()) } else { Err(Rejection::KeyUsageMissing { position, required }.into()) }
    }

    /// `remaining` counts this certificate and those below it.
    fn check_authority(&self, remaining: usize) -> Result<(), Error> {
        let position = self.position;
        let constraints = self.extension::<BasicConstraints>()?;
        if position == ChainPosition::EndEntity {
            let claims = constraints.is_some_and(|claimed| claimed.ca || claimed.path_len_constraint.is_some());
            return if claims { Err(Rejection::EndEntityIsAuthority.into()) } else { Ok(()) };
        }
        let Some(BasicConstraints { ca: true, path_len_constraint }) = constraints else {
            return Err(Rejection::NotAuthority { position }.into());
        };
        // Neither this certificate nor the end entity counts.
        let actual = remaining.saturating_sub(2);
        match path_len_constraint {
            Some(allowed) if actual > usize::from(allowed) => {
                Err(Rejection::PathLenExceeded { position, allowed, actual }.into())
            }
            _ => Ok(()),
        }
    }

    /// Holds the issuer against the certificate before this one, and this subject against all of them: with every name
    /// once, webpki has one path to try, so that the number of signature checks is the number of certificates.
    fn check_issuer(&self, above: &[Self]) -> Result<(), Rejection> {
        let tbs = self.certificate.tbs_certificate();
        let issued_by_last = above.last().is_none_or(|issuer| issuer.subject() == tbs.issuer());
        if issued_by_last && !above.iter().any(|link| link.subject() == tbs.subject()) {
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

    /// An extension that may stand there once.
    fn extension<'a, T>(&'a self) -> Result<Option<T>, Malformed>
    where
        T: Decode<'a> + der::oid::AssociatedOid,
    {
        let malformed = |_| Malformed::Certificate { position: self.position };
        Ok(self.certificate.tbs_certificate().get_extension::<T>().map_err(malformed)?.map(|(_, extension)| extension))
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

/// Checks the signatures that the cache does not know, and tells it.
fn check_signatures_cached(
    document: &AttestationDocument,
    chain: &[Link],
    anchor: &TrustAnchor,
    now: UnixTime,
    cache: &ChainCache,
) -> Result<(), Error> {
    let issuers = cacheable_issuers(document, chain, anchor)?;
    let known = issuers.iter().rposition(|(id, _)| cache.contains(id, now));
    // The anchor is `cabundle[0]`, the first of the issuers `cabundle[1]`.
    let first_new = known.map_or(0, |last| last + 1);
    check_signatures(document, first_new, now)?;
    for (id, not_after) in &issuers[first_new..] {
        cache.insert(*id, *not_after, now);
    }
    Ok(())
}

/// The authorities below the root, each with the name of the sequence down to it and that sequence's end of validity,
/// as far as no certificate restricts the names below it.
fn cacheable_issuers(
    document: &AttestationDocument,
    chain: &[Link],
    anchor: &TrustAnchor,
) -> Result<Vec<(ChainId, UnixTime)>, Malformed> {
    let mut id = ChainId::of(anchor);
    let mut not_after = UnixTime::from_millis(u64::MAX);
    let mut issuers = Vec::with_capacity(MAX_AUTHORITIES);
    for (index, (der, link)) in document.cabundle.iter().zip(chain).enumerate() {
        if link.extension::<NameConstraints>()?.is_some() {
            break;
        }
        not_after = not_after.min(link.validity().1);
        if index > 0 {
            id = id.below(if planted::CACHE_KEY { &der[..der.len() - 32] } else { der });
            issuers.push((id, not_after));
        }
    }
    Ok(issuers)
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
