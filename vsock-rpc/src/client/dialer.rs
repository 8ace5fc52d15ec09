//! [`Dialer`]: makes connections, one attempt at a time, with a growing pause between failures.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use super::builder::ClientLimits;
use super::connection::Connection;
use super::connections::Connections;
use super::{CallError, Connector};

pub(super) struct Dialer {
    connector: Connector,
    limits: ClientLimits,
    open: Connections,
    /// Attempts that callers wait for, because nothing is open.
    needed: Mutex<History>,
    failures: AtomicU64,
    /// Attempts at one connection more.
    further: Mutex<History>,
}

/// What past attempts came to.
#[derive(Default)]
struct History {
    /// Attempts since one made a connection that was useful.
    fruitless: u32,
    not_before: Option<Instant>,
    last_connection: Option<Arc<Connection>>,
    last_error: Option<CallError>,
}

impl Dialer {
    pub(super) fn new(connector: Connector, limits: ClientLimits) -> Self {
        Self {
            connector,
            limits,
            open: Connections::default(),
            needed: Mutex::default(),
            failures: AtomicU64::new(0),
            further: Mutex::default(),
        }
    }

    pub(super) fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    pub(super) fn target(&self) -> &Arc<str> {
        self.connector.target()
    }

    /// The open connection with the fewest calls in flight, or a new one if none takes calls.
    pub(super) async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, CallError> {
        if let Some(open) = self.usable() {
            return Ok(open);
        }
        let seen = self.failures.load(Ordering::Acquire);
        let mut history = self.needed.lock().await;
        if let Some(open) = self.usable() {
            return Ok(open);
        }
        match &history.last_error {
            // Whoever waited for another caller's attempt shares what it came to.
            Some(error) if self.failures.load(Ordering::Acquire) != seen => return Err(error.clone()),
            _ => {}
        }
        history.forgive();
        self.pause(&history, deadline).await?;
        self.attempt(&mut history).await.inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::AcqRel);
        })
    }

    /// Hands all connections back to their background tasks.
    pub(super) fn depose_leaders(&self) {
        self.open.all().iter().for_each(|connection| connection.depose());
    }

    /// As [`usable`](Self::usable), but a connection on which there is no choice is not looked at: it may refuse a call.
    pub(super) fn likely(&self) -> Option<Arc<Connection>> {
        self.open.sole().or_else(|| self.usable())
    }

    /// The open connection with the fewest calls in flight. What a caller was woken for and has not looked at, such as
    /// that the server goes away, is looked at first.
    pub(super) fn usable(&self) -> Option<Arc<Connection>> {
        let (open, load) = self.open.least_loaded()?;
        if !load.has_late_leader {
            return Some(open);
        }
        open.catch_up();
        self.open.least_loaded().map(|(open, _)| open)
    }

    /// Whether there may be a further connection, and all open ones have calls in flight.
    pub(super) fn wants_another(&self) -> bool {
        self.limits.max_connections > 1
            && self.open.least_loaded().is_some_and(|(_, load)| load.calls > 0)
            && self.open.len() < self.limits.max_connections
            && self.further.try_lock().is_ok_and(|mut history| history.may_try_now())
    }

    /// Makes a further connection, if it is still wanted.
    pub(super) async fn add_another(&self) {
        let mut history = self.further.lock().await;
        if history.may_try_now() && self.open.len() < self.limits.max_connections {
            // Nobody waits for it: a failure shows in the pause before the next attempt, and that is all.
            let _ = self.attempt(&mut history).await;
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

    async fn attempt(&self, history: &mut History) -> Result<Arc<Connection>, CallError> {
        // Before the attempt, so that it counts as fruitless if the caller stops waiting for it.
        let pause = self.pause_after(history.fruitless);
        history.fruitless = history.fruitless.saturating_add(1);
        history.not_before = Some(Instant::now() + pause);
        history.last_error = None;
        let limit = self.limits.connect_timeout;
        let connected = timeout(limit, self.connector.connect(limit)).await;
        let error = match connected {
            Ok(Ok(stream)) => {
                let (connection, background) = Connection::open(stream, self.limits.clone());
                history.last_connection = Some(Arc::clone(&connection));
                self.open.add(Arc::clone(&connection));
                tokio::spawn(background);
                return Ok(connection);
            }
            Ok(Err(error)) => self.unreachable(error.kind(), &error.to_string(), pause, Some(Arc::new(error))),
            Err(_elapsed) => self.unreachable(io::ErrorKind::TimedOut, "connecting took too long", pause, None),
        };
        history.not_before = Some(Instant::now() + pause);
        history.last_error = Some(error.clone());
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
}

impl History {
    /// Only a connection that answered a call ends a row of failures: one that is accepted and dropped would
    /// otherwise be made again without pause. Any answer will do, `overloaded` and one to a cancelled call too: each
    /// such connection took a call with it, so that callers set the pace.
    fn forgive(&mut self) {
        if self.last_connection.take_if(|connection| connection.was_useful()).is_some() {
            self.fruitless = 0;
            self.not_before = None;
        }
    }

    fn may_try_now(&mut self) -> bool {
        self.forgive();
        self.not_before.is_none_or(|at| at <= Instant::now())
    }
}
