//! [`RecipientPoolBuilder`].

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nsm_attest::{AsyncNsm, Clock, Nsm};
use tokio::sync::Notify;

use super::state::{Limits, State};
use super::{RecipientPool, Shared};

/// Builds a [`RecipientPool`].
#[derive(Clone)]
#[must_use]
pub struct RecipientPoolBuilder {
    nsm: Arc<dyn Nsm>,
    clock: Clock,
    max_age: Duration,
    max_uses: u32,
    nsm_deadline: Option<Duration>,
    ready: usize,
}

impl RecipientPoolBuilder {
    pub(super) fn new(nsm: Arc<dyn Nsm>, clock: Clock) -> Self {
        let (max_age, max_uses, ready) = (DEFAULT_MAX_AGE, DEFAULT_MAX_USES, DEFAULT_READY);
        Self { nsm, clock, max_age, max_uses, nsm_deadline: None, ready }
    }

    /// The age from which on a key is not used any more: more than zero, less than 5 minutes. 4 minutes by default,
    /// which leaves a minute for a call's retries and for clocks that differ.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// For how many calls a key is used: 1 to 65536. 1024 by default.
    ///
    /// With 1 each call has a key of its own, and the pool makes one for each, tens of milliseconds of a processor: set
    /// [`ready`](Self::ready) to what arrives in a burst.
    pub fn max_uses(mut self, max_uses: u32) -> Self {
        self.max_uses = max_uses;
        self
    }

    /// How long the NSM may take for a document: at most half of the greatest age; 5 seconds, or less if that is less,
    /// by default.
    pub fn nsm_deadline(mut self, deadline: Duration) -> Self {
        self.nsm_deadline = Some(deadline);
        self
    }

    /// How many keys are kept ready beside the one in use: 0 to 64. 1 by default.
    pub fn ready(mut self, ready: usize) -> Self {
        self.ready = ready;
        self
    }

    /// Builds the pool. Nothing is made yet.
    ///
    /// # Errors
    /// [`InvalidPoolOption`] names the option that is outside its limits.
    pub fn build(self) -> Result<RecipientPool, InvalidPoolOption> {
        if self.max_age.is_zero() || self.max_age >= DOCUMENTS_LIVE_FOR {
            return Err(InvalidPoolOption::MaxAge);
        }
        if !(1..=MAX_MAX_USES).contains(&self.max_uses) {
            return Err(InvalidPoolOption::MaxUses);
        }
        if self.ready > MAX_READY {
            return Err(InvalidPoolOption::Ready);
        }
        let nsm_deadline = self.deadline_for_nsm();
        if nsm_deadline.is_zero() || nsm_deadline > self.max_age / 2 {
            return Err(InvalidPoolOption::NsmDeadline);
        }
        Ok(self.assemble())
    }

    fn deadline_for_nsm(&self) -> Duration {
        self.nsm_deadline.unwrap_or_else(|| DEFAULT_NSM_DEADLINE.min(self.max_age / 2))
    }

    pub(super) fn assemble(self) -> RecipientPool {
        let nsm_deadline = self.deadline_for_nsm();
        let limits = Limits { max_age: self.max_age, max_uses: self.max_uses, fresh: 1 + self.ready };
        RecipientPool {
            shared: Arc::new(Shared {
                nsm: AsyncNsm::builder(self.nsm).deadline(nsm_deadline).build(),
                clock: self.clock,
                state: Mutex::new(State::new(limits)),
                wake: Arc::new(Notify::new()),
                changed: Notify::new(),
            }),
        }
    }
}

impl fmt::Debug for RecipientPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientPoolBuilder")
            .field("max_age", &self.max_age)
            .field("max_uses", &self.max_uses)
            .field("nsm_deadline", &self.nsm_deadline)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

/// An option of a [`RecipientPool`] that is outside its limits.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPoolOption {
    /// The greatest age is zero, or KMS would not accept documents of that age.
    #[error("the greatest age of a recipient must be more than zero and less than five minutes")]
    MaxAge,
    /// A recipient that is never used is none; one that is used without end remembers without end.
    #[error("a recipient is used 1 to 65536 times")]
    MaxUses,
    /// The deadline for the NSM is zero, or takes more than half of a recipient's life.
    #[error("the deadline for the NSM must be more than zero, and at most half of the greatest age")]
    NsmDeadline,
    /// More recipients than a pool holds.
    #[error("at most 64 recipients are kept ready")]
    Ready,
}

const DEFAULT_MAX_AGE: Duration = Duration::from_secs(4 * 60);
const DEFAULT_MAX_USES: u32 = 1024;
const DEFAULT_NSM_DEADLINE: Duration = Duration::from_secs(5);
const DEFAULT_READY: usize = 1;
/// KMS refuses older documents.
const DOCUMENTS_LIVE_FOR: Duration = Duration::from_secs(5 * 60);
const MAX_MAX_USES: u32 = 65_536;
const MAX_READY: usize = 64;
