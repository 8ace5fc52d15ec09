//! Verification with checks waived, for tools and development. What comes out is a [`DangerDocument`], which code that
//! asks for a [`VerifiedDocument`](crate::VerifiedDocument) does not take.
//!
//! Path and signature are always checked.

use std::ops::{Deref, RangeInclusive};

use crate::anchor::TrustAnchor;
use crate::document::{AttestationDocument, UnverifiedDocument};
use crate::error::Error;
use crate::policy::{Policy, Stance};
use crate::time::UnixTime;
use crate::verify::verify_with;

/// Checks a document as [`UnverifiedDocument::verify`] does, but for `relaxations`.
///
/// # Security
/// An enclave in debug mode shows its memory to its parent, and a document whose registers nobody compared may come
/// from any enclave of any AWS account. Never give a secret to either.
///
/// ```
/// # #[cfg(feature = "sim")] {
/// # use nsm_attest::sim::{Authority, SimulatedNsm};
/// # use nsm_attest::{AttestationRequest, Clock, Nsm};
/// use nsm_attest::danger::{self, Relaxations};
/// use nsm_attest::{PcrIndex, PcrValue, Policy, UnverifiedDocument};
///
/// # let clock = Clock::system();
/// # let authority = Authority::generate(clock.now())?;
/// # let (anchor, now) = (authority.trust_anchor(), clock.now());
/// # let nsm = SimulatedNsm::builder(authority).debug_mode().clock(Clock::settable(now)).build()?;
/// # let bytes = nsm.attest(&AttestationRequest::new())?;
/// let document = UnverifiedDocument::from_bytes(&bytes)?; // of an enclave in debug mode
/// let policy = Policy::builder().pcr(PcrIndex::IMAGE, [PcrValue::ZERO]).build();
/// assert!(document.clone().verify(&anchor, &policy, now).is_err());
///
/// let accepting = Relaxations::none().accept_debug_mode();
/// let document = danger::verify(document, &anchor, &policy, now, accepting)?;
/// assert!(document.is_debug_mode());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`UnverifiedDocument::verify`].
pub fn verify(
    document: UnverifiedDocument,
    anchor: &TrustAnchor,
    policy: &Policy,
    now: UnixTime,
    relaxations: Relaxations,
) -> Result<DangerDocument, Error> {
    let (document, path_validity) = verify_with(document, anchor, policy, now, relaxations.stance, None)?;
    Ok(DangerDocument { document, path_validity, relaxations })
}

/// Which checks to waive. None by default.
///
/// ```
/// use nsm_attest::danger::Relaxations;
///
/// let relaxations = Relaxations::none().accept_debug_mode();
/// assert_ne!(relaxations, Relaxations::none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relaxations {
    stance: Stance,
}

impl Relaxations {
    /// Waives nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    #[cfg(feature = "sim")]
    pub(crate) const fn stance(self) -> Stance {
        self.stance
    }

    /// Accepts enclaves in debug mode, whose registers are zero; a policy may then name zeros as reference values.
    #[must_use]
    pub const fn accept_debug_mode(mut self) -> Self {
        self.stance.accept_debug_mode = true;
        self
    }

    /// Accepts a policy that pins no register.
    #[must_use]
    pub const fn accept_any_pcrs(mut self) -> Self {
        self.stance.accept_any_pcrs = true;
        self
    }
}

/// A document whose path and signature are right, while some of the other checks were waived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DangerDocument {
    document: AttestationDocument,
    path_validity: RangeInclusive<UnixTime>,
    relaxations: Relaxations,
}

impl DangerDocument {
    /// The checks that were waived.
    #[must_use]
    pub const fn relaxations(&self) -> Relaxations {
        self.relaxations
    }

    /// The times at which every certificate on the path is valid, as
    /// [`VerifiedDocument::path_validity`](crate::VerifiedDocument::path_validity).
    #[must_use]
    pub fn path_validity(&self) -> RangeInclusive<UnixTime> {
        self.path_validity.clone()
    }

    /// Whether the enclave runs in debug mode.
    #[must_use]
    pub fn is_debug_mode(&self) -> bool {
        self.document.pcrs.get(crate::PcrIndex::IMAGE).is_none_or(crate::PcrValue::is_zero)
    }
}

impl Deref for DangerDocument {
    type Target = AttestationDocument;

    fn deref(&self) -> &AttestationDocument {
        &self.document
    }
}
