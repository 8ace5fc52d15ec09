//! Verification: the order of the checks, and the type they leave behind.

use std::ops::{Deref, RangeInclusive};

use crate::anchor::TrustAnchor;
use crate::cache::ChainCache;
use crate::document::{AttestationDocument, UnverifiedDocument};
use crate::error::{Error, Rejection};
use crate::path;
use crate::policy::{Policy, Stance};
use crate::time::UnixTime;

impl UnverifiedDocument {
    /// Checks that AWS (or whoever `anchor` is) vouches for this document and that it meets `policy`, as of `now`.
    ///
    /// The order is fixed, and the first failure is the one reported:
    /// 1. the policy itself: it must pin an image, and demand no empty nonce;
    /// 2. the certificate path, from the root down: length, pinned root, the form of all certificates, then for
    ///    each its issuer, validity, algorithms, extended and plain key usage and authority, then all signatures on it;
    /// 3. the document's own signature;
    /// 4. the policy's demands: age, debug mode, registers, nonce, purpose, user data, public key.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the policy would let everything pass, [`Error::Malformed`] if a certificate cannot be read,
    /// [`Error::Rejected`] if a check fails.
    pub fn verify(self, anchor: &TrustAnchor, policy: &Policy, now: UnixTime) -> Result<VerifiedDocument, Error> {
        let (document, path_validity) = verify_with(self, anchor, policy, now, Stance::default(), None)?;
        Ok(VerifiedDocument { document, path_validity })
    }

    /// Checks what [`verify`](Self::verify) checks, in the same order and with the same answers, but does not look again at
    /// authorities that `cache` remembers.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_cached(
        self,
        anchor: &TrustAnchor,
        policy: &Policy,
        now: UnixTime,
        cache: &ChainCache,
    ) -> Result<VerifiedDocument, Error> {
        let (document, path_validity) = verify_with(self, anchor, policy, now, Stance::default(), Some(cache))?;
        Ok(VerifiedDocument { document, path_validity })
    }
}

/// A document that passed every check: evidence of what runs in the enclave that asked for it.
///
/// Only [`UnverifiedDocument::verify`] and [`verify_cached`](UnverifiedDocument::verify_cached) make one, and its fields
/// can be read but not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDocument {
    document: AttestationDocument,
    path_validity: RangeInclusive<UnixTime>,
}

impl VerifiedDocument {
    /// The times at which every certificate on the path to the trust anchor is valid, the anchor's own included.
    ///
    /// A verifier that meets the same bytes again need not verify their signatures again within these times. The document's
    /// age and whatever else is demanded of it are another matter.
    #[must_use]
    pub fn path_validity(&self) -> RangeInclusive<UnixTime> {
        self.path_validity.clone()
    }

    /// The fields, no longer marked as verified.
    #[must_use]
    pub fn into_document(self) -> AttestationDocument {
        self.document
    }
}

impl Deref for VerifiedDocument {
    type Target = AttestationDocument;

    fn deref(&self) -> &AttestationDocument {
        &self.document
    }
}

/// The document and its path's validity, which the caller wraps in the type that says how much was checked.
pub(crate) fn verify_with(
    document: UnverifiedDocument,
    anchor: &TrustAnchor,
    policy: &Policy,
    now: UnixTime,
    stance: Stance,
    cache: Option<&ChainCache>,
) -> Result<(AttestationDocument, RangeInclusive<UnixTime>), Error> {
    policy.check_use(stance)?;
    let path = path::verify(document.unverified(), anchor, now, cache)?;
    if !path.signer.has_signed(document.payload(), document.signature()) {
        return Err(Rejection::SignatureInvalid.into());
    }
    // Only now: ECDSA lets anyone give a certificate another signature, but not this document another certificate.
    if let Some((cache, (id, bundle))) = cache.zip(path.bundle) {
        cache.insert(id, bundle, now);
    }
    policy.appraise(document.unverified(), now, stance)?;
    Ok((document.into_document(), path.validity))
}
