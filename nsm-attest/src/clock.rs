//! Where the time comes from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use crate::document::AttestationDocument;
use crate::error::Malformed;
use crate::nsm::{AttestationRequest, Nsm, NsmError};
use crate::purpose::{Purpose, UserData};
use crate::time::UnixTime;

/// A source of the current time. Clones share it.
///
/// Inside an enclave the only honest time is the module's ([`Clock::from_nsm`]): the system clock is set by the parent,
/// who could make expired evidence look fresh.
///
/// ```
/// use nsm_attest::{Clock, UnixTime};
///
/// let clock = Clock::settable(UnixTime::from_secs(1_700_000_000));
/// let shared = clock.clone();
/// clock.set(UnixTime::from_secs(1_700_000_060))?;
/// assert_eq!(shared.now(), UnixTime::from_secs(1_700_000_060));
/// # Ok::<(), nsm_attest::ClockError>(())
/// ```
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System,
    /// `time` was right at `instant`; the monotonic clock tells how long ago that was.
    Anchored {
        time: UnixTime,
        instant: Instant,
    },
    Settable(AtomicU64),
}

impl Clock {
    /// The operating system's clock: for verifiers outside enclaves.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Source::System))
    }

    /// The module's time, taken from an `inspect` document of its own and advanced by the monotonic clock.
    ///
    /// The document is not verified: whoever answers on `/dev/nsm` is the hypervisor, which is trusted anyway. So an
    /// emulated module, whose documents nobody signs, gives the time as well; for a verifier they are
    /// [`Malformed::Unsigned`].
    ///
    /// # Errors
    /// [`ClockError::Nsm`] if the module gives no document, [`ClockError::Malformed`] if it is none.
    pub fn from_nsm(nsm: &dyn Nsm) -> Result<Self, ClockError> {
        // Taken before the call: while the module works, this clock runs ahead rather than behind, so that evidence
        // looks older rather than younger than it is.
        let instant = Instant::now();
        let request = AttestationRequest::new().with_user_data(UserData::over(Purpose::Inspect, b""));
        let document = AttestationDocument::of_own_module(&nsm.attest(&request)?)?;
        Ok(Self(Arc::new(Source::Anchored { time: document.timestamp, instant })))
    }

    /// A clock that stands still until it is set: for tests and simulations.
    #[must_use]
    pub fn settable(time: UnixTime) -> Self {
        Self(Arc::new(Source::Settable(AtomicU64::new(time.as_millis()))))
    }

    /// Sets a clock made by [`settable`](Self::settable), and with it all its clones.
    ///
    /// # Errors
    /// [`ClockError::NotSettable`] for every other clock.
    pub fn set(&self, time: UnixTime) -> Result<(), ClockError> {
        let Source::Settable(millis) = &*self.0 else { return Err(ClockError::NotSettable) };
        millis.store(time.as_millis(), Ordering::SeqCst);
        Ok(())
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        match &*self.0 {
            Source::System => SystemTime::now().into(),
            Source::Anchored { time, instant } => time.saturating_add(instant.elapsed()),
            Source::Settable(millis) => UnixTime::from_millis(millis.load(Ordering::SeqCst)),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &*self.0 {
            Source::System => "system",
            Source::Anchored { .. } => "nsm",
            Source::Settable(_) => "settable",
        };
        f.debug_struct("Clock").field("source", &source).field("now", &self.now()).finish()
    }
}

/// Why there is no clock, or why it cannot be set.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The module's document cannot be read.
    #[error("the NSM's document cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// Only a clock made by [`Clock::settable`] can be set.
    #[error("this clock cannot be set")]
    NotSettable,
    /// The module gave no document.
    #[error("the NSM gave no document: {0}")]
    Nsm(#[from] NsmError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settable_clocks_are_set() {
        assert_eq!(Clock::system().set(UnixTime::from_secs(1)), Err(ClockError::NotSettable));
    }

    #[test]
    fn the_system_clock_is_later_than_this_project() {
        assert!(Clock::system().now() > UnixTime::from_secs(1_700_000_000));
    }

    #[test]
    fn an_anchored_clock_starts_at_its_anchor_and_does_not_run_back() {
        let time = UnixTime::from_secs(1_700_000_000);
        let clock = Clock(Arc::new(Source::Anchored { time, instant: Instant::now() }));
        let first = clock.now();
        assert!(first >= time && clock.now() >= first);
    }
}
