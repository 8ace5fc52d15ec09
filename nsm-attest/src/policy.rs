//! What a verifier demands of a document beyond its being genuine.

use std::collections::BTreeMap;
use std::time::Duration;

use subtle::{Choice, ConstantTimeEq};

use crate::document::AttestationDocument;
use crate::error::{Misuse, Rejection};
use crate::pcr::{PcrIndex, PcrValue};
use crate::planted;
use crate::purpose::{Purpose, UserData};
use crate::time::UnixTime;

/// Reference values and demands, applied in the order in which the builder's methods stand in this list: age, debug
/// mode, registers, nonce, purpose, user data, public key.
///
/// ```
/// use nsm_attest::{PcrIndex, PcrValue, Policy, Purpose};
///
/// let current: PcrValue = "5c".repeat(48).parse()?;
/// let next: PcrValue = "7e".repeat(48).parse()?;
/// let policy = Policy::builder()
///     .pcr(PcrIndex::IMAGE, [current, next]) // both, while the fleet is being upgraded
///     .nonce(b"fresh from this verifier")
///     .purpose(Purpose::Session)
///     .build();
/// # let _ = policy;
/// # Ok::<(), nsm_attest::InvalidPcrValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    max_age: Duration,
    clock_skew: Duration,
    pcrs: BTreeMap<PcrIndex, Vec<PcrValue>>,
    nonce: Option<Vec<u8>>,
    purpose: Option<Purpose>,
    user_data: Option<Vec<u8>>,
    public_key: Option<Vec<u8>>,
}

impl Policy {
    /// How old a document may be unless the policy says otherwise.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(5 * 60);
    /// How far ahead a document's clock may be unless the policy says otherwise.
    pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);

    /// A policy that demands nothing yet but youth and no debug mode. Verification refuses it until it pins an image: PCR0, or
    /// PCR8, or PCR1 and PCR2 together, to values other than zero.
    #[must_use]
    pub const fn builder() -> PolicyBuilder {
        PolicyBuilder {
            policy: Self {
                max_age: Self::DEFAULT_MAX_AGE,
                clock_skew: Self::DEFAULT_CLOCK_SKEW,
                pcrs: BTreeMap::new(),
                nonce: None,
                purpose: None,
                user_data: None,
                public_key: None,
            },
        }
    }

    /// Whether the policy says which images it accepts, and demands nothing that anybody could meet.
    pub(crate) fn check_use(&self, stance: Stance) -> Result<(), Misuse> {
        if let Some((index, _)) = self.pcrs.iter().find(|(_, values)| values.is_empty()) {
            return Err(Misuse::NoPcrValue { index: *index });
        }
        if self.nonce.as_ref().is_some_and(Vec::is_empty) {
            return Err(Misuse::EmptyNonce);
        }
        if stance.accept_any_pcrs || self.pins_image(stance) { Ok(()) } else { Err(Misuse::ImageNotPinned) }
    }

    /// Whether code is pinned. The role, the instance and the registers that an enclave extends itself are its parent's or
    /// its own to choose, and a kernel is shared by many images.
    fn pins_image(&self, stance: Stance) -> bool {
        let is_pinned = |index| {
            let values = self.pcrs.get(&index);
            // A register that may be zero pins nothing: any enclave can leave it unextended.
            values.is_some_and(|values| stance.accept_debug_mode || !values.iter().any(PcrValue::is_zero))
        };
        is_pinned(PcrIndex::IMAGE)
            || is_pinned(PcrIndex::SIGNER)
            || (is_pinned(PcrIndex::KERNEL) && is_pinned(PcrIndex::APPLICATION))
    }

    /// Applies the policy to a document that is genuine.
    pub(crate) fn appraise(
        &self,
        document: &AttestationDocument,
        now: UnixTime,
        stance: Stance,
    ) -> Result<(), Rejection> {
        self.check_age(document.timestamp, now)?;
        if !stance.accept_debug_mode {
            check_not_debug(document)?;
        }
        self.check_pcrs(document)?;
        check_bytes(&self.nonce, &document.nonce, Rejection::NonceMismatch)?;
        self.check_purpose(document)?;
        check_bytes(&self.user_data, &document.user_data, Rejection::UserDataMismatch)?;
        check_bytes(&self.public_key, &document.public_key, Rejection::PublicKeyMismatch)
    }

    fn check_age(&self, issued_at: UnixTime, now: UnixTime) -> Result<(), Rejection> {
        let issued_at = if planted::TIMESTAMP_WRAPS { planted::wrap(issued_at, now) } else { issued_at };
        match now.duration_since(issued_at) {
            Some(age) if age > self.max_age => Err(Rejection::Expired { issued_at, now, max_age: self.max_age }),
            None if issued_at > now.saturating_add(self.clock_skew) => {
                Err(Rejection::IssuedInFuture { issued_at, now, clock_skew: self.clock_skew })
            }
            _ => Ok(()),
        }
    }

    fn check_pcrs(&self, document: &AttestationDocument) -> Result<(), Rejection> {
        for (index, expected) in &self.pcrs {
            let actual = document.pcrs.get(*index).ok_or(Rejection::PcrMissing { index: *index })?;
            let found = expected.iter().fold(Choice::from(0), |found, value| found | value.ct_eq(actual));
            if !bool::from(found) {
                return Err(Rejection::PcrMismatch { index: *index, expected: expected.clone(), actual: *actual });
            }
        }
        Ok(())
    }

    fn check_purpose(&self, document: &AttestationDocument) -> Result<(), Rejection> {
        let Some(expected) = self.purpose else { return Ok(()) };
        let user_data = document.user_data.as_deref().and_then(|bytes| UserData::decode(bytes).ok());
        let actual = user_data.map(|user_data| user_data.purpose);
        if actual != Some(expected) {
            return Err(Rejection::PurposeMismatch { expected, actual });
        }
        if expected == Purpose::Inspect && document.public_key.is_some() {
            return Err(Rejection::PublicKeyUnexpected { purpose: expected });
        }
        Ok(())
    }
}

/// Builds a [`Policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyBuilder {
    policy: Policy,
}

impl PolicyBuilder {
    /// How old the document may be, five minutes by default.
    #[must_use]
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.policy.max_age = max_age;
        self
    }

    /// How far the document's clock may be ahead of the verifier's, 30 seconds by default.
    #[must_use]
    pub const fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.policy.clock_skew = clock_skew;
        self
    }

    /// Demands one of these values in a register. Naming the register again adds to its values.
    #[must_use]
    pub fn pcr(mut self, index: PcrIndex, values: impl IntoIterator<Item = PcrValue>) -> Self {
        self.policy.pcrs.entry(index).or_default().extend(values);
        self
    }

    /// Demands this nonce.
    #[must_use]
    pub fn nonce(mut self, nonce: impl Into<Vec<u8>>) -> Self {
        self.policy.nonce = Some(nonce.into());
        self
    }

    /// Demands user data of the form [`UserData`] with this purpose. What its digest must be depends on the purpose and
    /// is the caller's to compare, or to demand through [`user_data`](Self::user_data).
    #[must_use]
    pub const fn purpose(mut self, purpose: Purpose) -> Self {
        self.policy.purpose = Some(purpose);
        self
    }

    /// Demands exactly this user data: a [`UserData`], or another protocol's bytes.
    #[must_use]
    pub fn user_data(mut self, user_data: impl Into<Vec<u8>>) -> Self {
        self.policy.user_data = Some(user_data.into());
        self
    }

    /// Demands exactly this public key.
    #[must_use]
    pub fn public_key(mut self, public_key: impl Into<Vec<u8>>) -> Self {
        self.policy.public_key = Some(public_key.into());
        self
    }

    /// The policy.
    #[must_use]
    pub fn build(self) -> Policy {
        self.policy
    }
}

/// Which of the built-in demands are waived. Only `danger` makes one that waives any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stance {
    pub(crate) accept_debug_mode: bool,
    pub(crate) accept_any_pcrs: bool,
}

fn check_not_debug(document: &AttestationDocument) -> Result<(), Rejection> {
    match document.pcrs.get(PcrIndex::IMAGE) {
        None => Err(Rejection::PcrMissing { index: PcrIndex::IMAGE }),
        Some(image) if image.is_zero() => Err(Rejection::DebugMode),
        Some(_) => Ok(()),
    }
}

/// Compares a demanded field, in time that depends on its length alone.
fn check_bytes(expected: &Option<Vec<u8>>, actual: &Option<Vec<u8>>, otherwise: Rejection) -> Result<(), Rejection> {
    let Some(expected) = expected else { return Ok(()) };
    let equal = actual.as_ref().is_some_and(|actual| actual.ct_eq(expected).into());
    if equal { Ok(()) } else { Err(otherwise) }
}
