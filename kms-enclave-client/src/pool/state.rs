//! What a pool holds, and what is to be done about it: no clock, no task, no lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nsm_attest::{AsyncNsmError, Clock, UnixTime};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{PoolStats, PooledRecipient};
use crate::error::{Error, LocalFailure};

/// A point in time by the client's clock and by the monotonic one: the first can be wrong or be set back, the second
/// does not know what a test sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    time: UnixTime,
    instant: Instant,
}

impl Moment {
    pub(super) fn now(clock: &Clock) -> Self {
        Self { time: clock.now(), instant: Instant::now() }
    }

    /// How long ago `earlier` was, by the clock that says more.
    fn since(self, earlier: Self) -> Duration {
        let by_time = self.time.duration_since(earlier.time).unwrap_or_default();
        by_time.max(self.instant.saturating_duration_since(earlier.instant))
    }
}

/// How long and how often recipients are used, and how many there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_age: Duration,
    pub(super) max_uses: u32,
    /// Fresh recipients: the one in use and those beside it.
    pub(super) fresh: usize,
}

impl Limits {
    /// The age from which on a recipient is no longer fresh.
    fn fresh_for(&self) -> Duration {
        self.max_age / 4 * 3
    }
}

#[derive(Debug)]
struct Entry {
    recipient: Arc<PooledRecipient>,
    asked_at: Moment,
    /// Not zero.
    uses_left: u32,
}

impl Entry {
    fn is_fresh(&self, limits: &Limits, now: Moment) -> bool {
        now.since(self.asked_at) < limits.fresh_for() && self.uses_left > limits.max_uses / 2
    }
}

/// What the maker does.
#[derive(Debug)]
enum Maker {
    /// There is none.
    Absent,
    /// It makes a recipient, or was called to.
    AtWork,
    /// It waits before the next attempt.
    BackingOff,
    /// It waits for something to do.
    Waiting,
}

/// What the maker needs from outside, so that there will be recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    Start,
    Wake,
}

/// What the maker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Make,
    Wait(Duration),
}

#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    /// The oldest first.
    entries: VecDeque<Entry>,
    maker: Maker,
    handle: Option<AbortHandle>,
    last_failure: Option<Failure>,
    made: u64,
    failed: u64,
    waited: u64,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        let (entries, maker, handle, last_failure) = (VecDeque::new(), Maker::Absent, None, None);
        Self { limits, entries, maker, handle, last_failure, made: 0, failed: 0, waited: 0 }
    }

    /// Takes one use of the oldest recipient.
    pub(super) fn take(&mut self, now: Moment) -> Option<Arc<PooledRecipient>> {
        self.drop_expired(now);
        let oldest = self.entries.front_mut()?;
        oldest.uses_left -= 1;
        if oldest.uses_left > 0 {
            return Some(Arc::clone(&oldest.recipient));
        }
        self.entries.pop_front().map(|used_up| used_up.recipient)
    }

    pub(super) fn is_full(&self, now: Moment) -> bool {
        self.fresh(now).count() >= self.limits.fresh
    }

    /// What it takes to have the maker at work, if there is work and it does not know.
    pub(super) fn ask_for_help(&mut self, now: Moment) -> Option<Help> {
        self.drop_expired(now);
        let help = match self.maker {
            _ if self.is_full(now) => return None,
            Maker::Absent => Help::Start,
            Maker::Waiting => Help::Wake,
            // A caller without recipient is worth an attempt at once; one that has got one is not.
            Maker::BackingOff if self.entries.is_empty() => Help::Wake,
            Maker::BackingOff | Maker::AtWork => return None,
        };
        // Called once: a second call would be heard after the attempt, and make another of it.
        self.maker = Maker::AtWork;
        Some(help)
    }

    /// The failure of an attempt to make a recipient that ended after this was asked for the first time.
    pub(super) fn failure_since(&self, failed_before: &mut Option<u64>) -> Result<(), Failure> {
        let failed_before = *failed_before.get_or_insert(self.failed);
        match self.last_failure {
            Some(failure) if self.failed > failed_before => Err(failure),
            _ => Ok(()),
        }
    }

    pub(super) fn has_to_wait(&mut self) {
        self.waited += 1;
    }

    pub(super) fn maker_started(&mut self, handle: AbortHandle) {
        self.handle = Some(handle);
    }

    /// What the maker is to do, and takes itself to be doing.
    pub(super) fn next(&mut self, now: Moment) -> Next {
        self.drop_expired(now);
        if !self.is_full(now) {
            self.maker = Maker::AtWork;
            return Next::Make;
        }
        self.maker = Maker::Waiting;
        let fresh_for = self.limits.fresh_for();
        let first_to_age = self.fresh(now).map(|entry| fresh_for.saturating_sub(now.since(entry.asked_at))).min();
        Next::Wait(first_to_age.unwrap_or_default())
    }

    /// Takes in what was asked for at `asked_at`.
    pub(super) fn add(&mut self, recipient: PooledRecipient, asked_at: Moment) {
        let (recipient, uses_left) = (Arc::new(recipient), self.limits.max_uses);
        self.entries.push_back(Entry { recipient, asked_at, uses_left });
        self.made += 1;
    }

    /// Takes note of an attempt in vain.
    pub(super) fn add_failure(&mut self, failure: Failure) {
        self.maker = Maker::BackingOff;
        self.last_failure = Some(failure);
        self.failed += 1;
    }

    /// The maker is no more: it was stopped, its runtime ended, or it panicked.
    pub(super) fn maker_ended(&mut self) {
        self.maker = Maker::Absent;
        self.handle = None;
    }

    pub(super) fn abort_maker(&mut self) {
        if let Some(maker) = self.handle.take() {
            maker.abort();
        }
    }

    pub(super) fn stats(&mut self, now: Moment) -> PoolStats {
        self.drop_expired(now);
        let Self { made, failed, waited, .. } = *self;
        PoolStats { ready: self.entries.len(), made, failed, waited }
    }

    fn drop_expired(&mut self, now: Moment) {
        while self.entries.front().is_some_and(|oldest| now.since(oldest.asked_at) >= self.limits.max_age) {
            self.entries.pop_front();
        }
    }

    fn fresh(&self, now: Moment) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.is_fresh(&self.limits, now))
    }
}

/// Why there is no recipient. All who wait are told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Attestation(AsyncNsmError),
    Local(LocalFailure),
    TooLong { len: usize },
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Attestation(error) => Self::Attestation(error),
            Failure::Local(failure) => Self::Local(failure),
            Failure::TooLong { len } => Self::AttestationTooLong { len, max: MAX_ATTESTATION_DOCUMENT_LEN },
        }
    }
}

/// The limit of the `AttestationDocument` field in KMS's API.
pub(super) const MAX_ATTESTATION_DOCUMENT_LEN: usize = 262_144;
