//! Verification: the order of the checks, and the type they leave behind.

use std::ops::Deref;

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
        let document = verify_with(self, anchor, policy, now, Stance::default(), None)?;
        Ok(VerifiedDocument { document })
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
        let document = verify_with(self, anchor, policy, now, Stance::default(), Some(cache))?;
        Ok(VerifiedDocument { document })
    }
}

/// A document that passed every check: evidence of what runs in the enclave that asked for it.
///
/// Only [`UnverifiedDocument::verify`] and [`verify_cached`](UnverifiedDocument::verify_cached) make one, and its fields
/// can be read but not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDocument {
    document: AttestationDocument,
}

impl VerifiedDocument {
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

pub(crate) fn verify_with(
    document: UnverifiedDocument,
    anchor: &TrustAnchor,
    policy: &Policy,
    now: UnixTime,
    stance: Stance,
    cache: Option<&ChainCache>,
) -> Result<AttestationDocument, Error> {
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
    Ok(document.into_document())
}
