//! [`RecipientPool`]: recipient keys with their attestation documents, made before they are needed.
//!
//! The pool serves its oldest key first, until that is used up or too old. A task in the background ([`maker`]) sees to
//! it that there is always one key to serve and as many beside it as are to be ready, *fresh* ones: not yet in the last
//! quarter of their life, nor in the second half of their uses. So it works ahead of expiry and of exhaustion, busy or
//! idle, and a pool holds at most twice as many keys as are fresh.

mod builder;
mod maker;
mod pooled;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nsm_attest::{AsyncNsm, Clock, Nsm};
use tokio::sync::Notify;

pub use self::builder::{InvalidPoolOption, RecipientPoolBuilder};
use self::maker::Maker;
pub(crate) use self::pooled::PooledRecipient;
use self::state::{Help, Moment, State};
use crate::error::Error;

/// RSA key pairs and the attestation documents that vouch for them, each used for a bounded time and a bounded number
/// of calls. Clones share everything, and so do the clients that are given the same pool.
///
/// Making an RSA key takes tens of milliseconds and a document takes a call to the NSM: neither happens on the way of a
/// request while the pool is warm. A task on the Tokio runtime of whoever first needs a key makes them in the
/// background; it ends when the last clone is dropped, and begins again, elsewhere, if its runtime ends before. Callers
/// that find the pool empty wait for the same key.
///
/// If the NSM fails, keys that are left serve until they are too old. After that every caller is told
/// ([`Error::Attestation`]) as soon as the attempt that its call gave rise to, or found under way, has failed; attempts
/// without a caller are made at growing intervals, up to half a minute.
///
/// A key's age counts from the moment its document was asked for, by the client's clock and by the monotonic one,
/// whichever runs ahead. It does not count from the time in the document: an enclave whose clock has drifted away from
/// the NSM's in months would take every new document for an old one, which KMS does not. KMS refuses documents of five
/// minutes and more, which bounds what may be set here.
///
/// # Security
/// An envelope is opened once by the key it is for: a reply that is replayed is refused. Replies that are *swapped*
/// between calls that are under way at the same time, under one key, are not told apart by the envelope. KMS could do
/// that, and nobody on the way, since TLS ends in the enclave; `max_uses(1)` gives each call a key of its own all the
/// same.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use kms_enclave_client::RecipientPool;
/// use nsm_attest::sim::{Authority, SimulatedNsm};
/// use nsm_attest::Clock;
///
/// let clock = Clock::system();
/// let nsm = SimulatedNsm::builder(Authority::generate(clock.now())?).build()?;
/// let pool = RecipientPool::builder(Arc::new(nsm), clock).max_age(Duration::from_secs(120)).max_uses(100).build()?;
/// assert_eq!(pool.stats().ready, 0, "nothing is made before the first call, or before `warm`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RecipientPool {
    shared: Arc<Shared>,
}

impl RecipientPool {
    /// Starts building a pool whose documents come from `nsm`. `clock` is that of the clients that will use it.
    pub fn builder(nsm: Arc<dyn Nsm>, clock: Clock) -> RecipientPoolBuilder {
        RecipientPoolBuilder::new(nsm, clock)
    }

    /// A pool whose options need no check.
    pub(crate) fn with_defaults(nsm: Arc<dyn Nsm>, clock: Clock) -> Self {
        RecipientPoolBuilder::new(nsm, clock).assemble()
    }

    /// Begins to fill the pool, and waits until it is full.
    ///
    /// # Errors
    /// [`Error::Attestation`], [`Error::AttestationTooLong`] or [`Error::Local`] if a key could not be made. The pool
    /// goes on trying.
    pub async fn warm(&self) -> Result<(), Error> {
        self.wait_for(|state, now| state.is_full(now).then_some(())).await
    }

    /// What the pool holds and has done.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let now = self.shared.now();
        self.shared.state().stats(now)
    }

    /// Takes one use of a recipient.
    pub(crate) async fn take(&self) -> Result<Arc<PooledRecipient>, Error> {
        let mut has_waited = false;
        self.wait_for(|state, now| {
            let taken = state.take(now);
            if taken.is_none() && !has_waited {
                has_waited = true;
                state.has_to_wait();
            }
            taken
        })
        .await
    }

    /// Waits until `look` finds something, or the making of a recipient fails. What it leaves undone is the maker's.
    async fn wait_for<T>(&self, mut look: impl FnMut(&mut State, Moment) -> Option<T>) -> Result<T, Error> {
        let mut failed_before = None;
        loop {
            // Before the look: a change from now on is not missed.
            let changed = self.shared.changed.notified();
            let now = self.shared.now();
            let (found, help) = {
                let mut state = self.shared.state();
                let found = look(&mut state, now);
                if found.is_none() {
                    state.failure_since(&mut failed_before)?;
                }
                (found, state.ask_for_help(now))
            };
            self.call(help);
            match found {
                Some(found) => return Ok(found),
                None => changed.await,
            }
        }
    }

    fn call(&self, help: Option<Help>) {
        match help {
            None => {}
            Some(Help::Wake) => self.shared.wake.notify_one(),
            Some(Help::Start) => {
                // Not under the lock: a runtime that shuts down drops the maker here and now, which takes the lock.
                let maker = tokio::spawn(Maker::new(&self.shared).run());
                self.shared.state().maker_started(maker.abort_handle());
            }
        }
    }
}

impl fmt::Debug for RecipientPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientPool")
            .field("nsm", &self.shared.nsm)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What a [`RecipientPool`] holds and has done, for metrics.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Recipients that can be used now.
    pub ready: usize,
    /// Recipients made so far.
    pub made: u64,
    /// Attempts to make one that failed.
    pub failed: u64,
    /// Calls that found no recipient and had to wait: none, while the pool is warm.
    pub waited: u64,
}

/// What the clones of a pool share. The maker holds it weakly, so that it does not keep itself alive.
struct Shared {
    nsm: AsyncNsm,
    clock: Clock,
    state: Mutex<State>,
    /// For the maker: look what there is to do.
    wake: Arc<Notify>,
    /// For those who wait: look again.
    changed: Notify,
}

impl Shared {
    /// To be asked before the lock is taken: reading a clock is no business of whoever waits for it.
    fn now(&self) -> Moment {
        Moment::now(&self.clock)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole whatever panicked: each change to it is an assignment or one call of a collection.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).abort_maker();
    }
}

#[cfg(test)]
mod tests;
