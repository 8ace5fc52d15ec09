//! [`SessionServerBuilder`]: the limits of a session server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::SessionServer;
use crate::limits::cut_to_max_timeout;
use crate::session::evidence::Evidence;
use crate::session::{AllowedClients, SessionError, SessionKeys};
use crate::transport::Peer;

/// Sets the limits of a [`SessionServer`]; each has a finite default.
///
/// Every timeout is cut to 30 days.
#[derive(Clone)]
#[must_use]
pub struct SessionServerBuilder {
    pub(super) keys: SessionKeys,
    pub(super) evidence: Arc<dyn Evidence>,
    pub(super) clients: AllowedClients,
    pub(super) limits: Limits,
    pub(super) on_failure: Option<Arc<OnFailure>>,
}

pub(super) type OnFailure = dyn Fn(&Peer, &SessionError) + Send + Sync;

/// What bounds a session server.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) cached_evidence_age: Duration,
    pub(super) evidence_timeout: Duration,
    pub(super) max_openings: usize,
    pub(super) opening_grace: Duration,
    pub(super) opening_timeout: Duration,
}

impl SessionServerBuilder {
    pub(super) fn new(keys: SessionKeys, evidence: Arc<dyn Evidence>, clients: AllowedClients) -> Self {
        let limits = Limits {
            cached_evidence_age: Duration::ZERO,
            evidence_timeout: Duration::from_secs(3),
            max_openings: 64,
            opening_grace: Duration::from_secs(1),
            opening_timeout: Duration::from_secs(10),
        };
        Self { keys, evidence, clients, limits, on_failure: None }
    }

    /// Serves evidence from earlier sessions, no older than `age`, to the clients that accept it. Unless this is set,
    /// to more than zero, they get fresh evidence like all others.
    ///
    /// Those clients judge the age by themselves, and accept what is within their own limit.
    ///
    /// # Security
    /// Such evidence names this server's key and no session: see
    /// [`accept_cached_evidence`](crate::session::SessionConnectorBuilder::accept_cached_evidence) for what is lost.
    pub fn serve_cached_evidence(mut self, age: Duration) -> Self {
        self.limits.cached_evidence_age = cut_to_max_timeout(age);
        self
    }

    /// How long getting evidence may take. The client is then told that there is none. Default 3 s, so that a
    /// [`Client`](crate::Client) still waits.
    pub fn evidence_timeout(mut self, timeout: Duration) -> Self {
        self.limits.evidence_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How many sessions are opened at a time; those that are open do not count. Default 64.
    pub fn max_openings(mut self, max: usize) -> Self {
        self.limits.max_openings = max.max(1);
        self
    }

    /// Is called with each session that [`serve`](SessionServer::serve) did not open, to be counted or logged. It
    /// must not block. A panic in it ends nothing but itself.
    pub fn on_failure(mut self, on_failure: impl Fn(&Peer, &SessionError) + Send + Sync + 'static) -> Self {
        self.on_failure = Some(Arc::new(on_failure));
        self
    }

    /// How long a client may keep its place among [`max_openings`](Self::max_openings) when others want it and it is
    /// the client's turn. Default 1 s.
    pub fn opening_grace(mut self, grace: Duration) -> Self {
        self.limits.opening_grace = cut_to_max_timeout(grace);
        self
    }

    /// How long opening a session may take, from the connection to the last byte of evidence. Default 10 s.
    pub fn opening_timeout(mut self, timeout: Duration) -> Self {
        self.limits.opening_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// The server.
    #[must_use]
    pub fn build(self) -> SessionServer {
        SessionServer::new(self)
    }
}

impl fmt::Debug for SessionServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionServerBuilder")
            .field("clients", &self.clients)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
