//! The certificate path from a document's key to the trust anchor.
//!
//! The path is the one the document presents, in its order; no other is searched for. What webpki does not look at (the
//! anchor's own dates, key usage, algorithms of keys) or is asked for by name here (authority, path length) is checked
//! first, then webpki checks signatures, name constraints and critical extensions. With a [`ChainCache`] that
//! knows the authorities, only the end entity is checked.

mod link;
mod signatures;

use std::ops::RangeInclusive;
use std::time::Duration;

use subtle::ConstantTimeEq;
use x509_cert::name::Name;

use self::link::Link;
use self::signatures::check_signatures;
use crate::anchor::{Fingerprint, TrustAnchor};
use crate::cache::{BundleId, ChainCache, VerifiedBundle};
use crate::cose::P384VerifyingKey;
use crate::document::AttestationDocument;
use crate::error::{ChainPosition, Error, Malformed, Rejection};
use crate::time::UnixTime;

/// What a path that was checked gives.
pub(crate) struct VerifiedPath {
    /// The key that it vouches for.
    pub(crate) signer: P384VerifyingKey,
    /// The times at which every certificate on it is valid.
    pub(crate) validity: RangeInclusive<UnixTime>,
    /// What a cache may take in, once it is known that the signer sent these certificates along.
    pub(crate) bundle: Option<(BundleId, VerifiedBundle)>,
}

/// Checks the path as of `now`. Authorities that `cache` knows are not looked at again.
pub(crate) fn verify(
    document: &AttestationDocument,
    anchor: &TrustAnchor,
    now: UnixTime,
    cache: Option<&ChainCache>,
) -> Result<VerifiedPath, Error> {
    check_root(document, anchor)?;
    let id = cache.map(|cache| (cache, BundleId::of(&document.cabundle)));
    let known = id.and_then(|(cache, id)| cache.get(&id, now));
    let authorities = if known.is_some() { Vec::new() } else { read_authorities(document)? };
    let end_entity = Link::from_der(ChainPosition::EndEntity, &document.certificate)?;
    let (subjects, trusted) = match &known {
        Some(bundle) => (bundle.subjects.iter().collect(), document.cabundle.len().saturating_sub(1)),
        None => (check_authorities(&authorities, now)?, 0),
    };
    end_entity.check(&subjects, now)?;
    end_entity.check_no_authority()?;
    check_signatures(document, trusted, now)?;
    let point = end_entity.public_key().ok_or(Rejection::PathInvalid)?;
    let signer = P384VerifyingKey::from_point(point.to_vec());
    let above = known.as_ref().map(|bundle| (bundle.not_before, bundle.not_after));
    let validity = common_validity(authorities.iter().map(Link::validity).chain(above).chain([end_entity.validity()]));
    let bundle = id.and_then(|(_, id)| Some((id, cacheable(&authorities)?)));
    Ok(VerifiedPath { signer, validity, bundle })
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

fn read_authorities(document: &AttestationDocument) -> Result<Vec<Link>, Malformed> {
    // Not collected from an iterator of results, which would not know how much to reserve.
    let mut authorities = Vec::with_capacity(document.cabundle.len());
    for (index, der) in document.cabundle.iter().enumerate() {
        authorities.push(Link::from_der(ChainPosition::Cabundle(index), der)?);
    }
    Ok(authorities)
}

/// Checks all but the signatures, from the root down, and returns the subjects.
fn check_authorities(authorities: &[Link], now: UnixTime) -> Result<Vec<&Name>, Error> {
    let mut subjects = Vec::with_capacity(authorities.len());
    for (index, link) in authorities.iter().enumerate() {
        link.check(&subjects, now)?;
        link.check_authority(authorities.len() - index - 1)?;
        subjects.push(link.subject());
    }
    Ok(subjects)
}

/// From the latest first second to the end of the earliest last one.
fn common_validity(each: impl Iterator<Item = (UnixTime, UnixTime)>) -> RangeInclusive<UnixTime> {
    let all = (UnixTime::from_millis(0), UnixTime::from_millis(u64::MAX));
    let (start, last_second) = each.fold(all, |all, one| (all.0.max(one.0), all.1.min(one.1)));
    start..=last_second.saturating_add(REST_OF_A_SECOND)
}

/// What a cache may remember of authorities just checked; nothing if there are none, or if one may restrict names.
fn cacheable(authorities: &[Link]) -> Option<VerifiedBundle> {
    if authorities.iter().any(Link::may_restrict_names) {
        return None;
    }
    Some(VerifiedBundle {
        not_before: authorities.iter().map(|link| link.validity().0).max()?,
        not_after: authorities.iter().map(|link| link.validity().1).min()?,
        subjects: authorities.iter().map(|link| link.subject().clone()).collect(),
    })
}

/// Certificates count in seconds: the last one is valid to its end.
const REST_OF_A_SECOND: Duration = Duration::from_millis(999);
/// Real paths have four: root, regional, zonal, instance.
const MAX_AUTHORITIES: usize = 6;
