//! [`Dialer`]: makes connections, one attempt at a time, with a growing pause between failures.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::builder::ClientLimits;
use super::driver::Driver;
use super::in_flight::InFlight;
use super::{CallError, Connector};

pub(super) struct Dialer {
    connector: Connector,
    limits: ClientLimits,
    current: Mutex<Option<Arc<InFlight>>>,
    history: tokio::sync::Mutex<History>,
    failures: AtomicU64,
}

/// What past attempts came to.
#[derive(Default)]
struct History {
    /// Attempts since a connection was last useful, that one not counted.
    fruitless: u32,
    not_before: Option<Instant>,
    last_error: Option<CallError>,
}

impl Dialer {
    pub(super) fn new(connector: Connector, limits: ClientLimits) -> Self {
        let (current, history) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { connector, limits, current, history, failures: AtomicU64::new(0) }
    }

    pub(super) fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    pub(super) fn target(&self) -> &Arc<str> {
        self.connector.target()
    }

    /// The current connection, or a new one if it takes no more calls.
    pub(super) async fn connection(&self, deadline: Instant) -> Result<Arc<InFlight>, CallError> {
        if let Some(open) = self.open_connection() {
            return Ok(open);
        }
        let seen = self.failures.load(Ordering::Acquire);
        let mut history = self.history.lock().await;
        if let Some(open) = self.open_connection() {
            return Ok(open);
        }
        match &history.last_error {
            // Whoever waited for another caller's attempt shares what it came to.
            Some(error) if self.failures.load(Ordering::Acquire) != seen => return Err(error.clone()),
            _ => {}
        }
        self.forgive(&mut history);
        self.pause(&history, deadline).await?;
        self.attempt(&mut history).await
    }

    fn open_connection(&self) -> Option<Arc<InFlight>> {
        self.lock_current().as_ref().filter(|connection| connection.is_open()).cloned()
    }

    /// Only a connection that answered a call ends a row of failures: one that is accepted and dropped would
    /// otherwise be made again without pause.
    fn forgive(&self, history: &mut History) {
        let last = self.lock_current().take();
        if last.is_some_and(|connection| connection.was_useful()) {
            history.fruitless = 0;
            history.not_before = None;
        }
    }

    async fn pause(&self, history: &History, deadline: Instant) -> Result<(), CallError> {
        let Some(at) = history.not_before else { return Ok(()) };
        if at <= deadline {
            sleep_until(at).await;
            return Ok(());
        }
        let retry_after = at.saturating_duration_since(Instant::now());
        Err(match &history.last_error {
            Some(CallError::Unreachable { kind, reason, source, .. }) => {
                self.unreachable(*kind, reason, retry_after, source.clone())
            }
            _ => {
                let reason = "the last connections ended before they were of use";
                self.unreachable(io::ErrorKind::ConnectionReset, reason, retry_after, None)
            }
        })
    }

    async fn attempt(&self, history: &mut History) -> Result<Arc<InFlight>, CallError> {
        // Before the attempt, so that it counts as fruitless if the caller stops waiting for it.
        let pause = self.pause_after(history.fruitless);
        history.fruitless = history.fruitless.saturating_add(1);
        history.not_before = Some(Instant::now() + pause);
        history.last_error = None;
        let connected = timeout(self.limits.connect_timeout, self.connector.connect()).await;
        let error = match connected {
            Ok(Ok(stream)) => {
                let connection = Arc::new(InFlight::default());
                *self.lock_current() = Some(Arc::clone(&connection));
                tokio::spawn(Driver::new(stream, Arc::clone(&connection), self.limits.clone()));
                return Ok(connection);
            }
            Ok(Err(error)) => self.unreachable(error.kind(), &error.to_string(), pause, Some(Arc::new(error))),
            Err(_elapsed) => self.unreachable(io::ErrorKind::TimedOut, "connecting took too long", pause, None),
        };
        history.not_before = Some(Instant::now() + pause);
        history.last_error = Some(error.clone());
        self.failures.fetch_add(1, Ordering::AcqRel);
        Err(error)
    }

    /// Doubles from the minimum to the maximum, less up to a half so that many clients do not come at once.
    fn pause_after(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        let full = self.limits.backoff_min.saturating_mul(factor).min(self.limits.backoff_max);
        // Spreading needs no secrecy: the standard library's random hasher keys will do.
        let random = RandomState::new().hash_one(()) % 1024;
        full - full.mul_f64(random as f64 / 2048.0)
    }

    fn unreachable(
        &self,
        kind: io::ErrorKind,
        reason: &str,
        retry_after: Duration,
        source: Option<Arc<io::Error>>,
    ) -> CallError {
        CallError::Unreachable { target: Arc::clone(self.target()), kind, reason: reason.into(), retry_after, source }
    }

    fn lock_current(&self) -> MutexGuard<'_, Option<Arc<InFlight>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        if let Some(connection) = self.lock_current().take() {
            connection.leave();
        }
    }
}
