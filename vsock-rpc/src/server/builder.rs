//! [`ServerBuilder`]: the limits of a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Server, ServerHandle};
use crate::codec::{DEFAULT_MAX_PAYLOAD_LEN, PAYLOAD_LEN_CEILING};
use crate::limits::cut_to_max_timeout;
use crate::router::Routes;
use crate::transport::Listener;

/// Sets the limits of a [`Server`]; each has a finite default.
///
/// Every timeout is cut to 30 days.
#[derive(Clone)]
#[must_use]
pub struct ServerBuilder {
    pub(super) routes: Arc<Routes>,
    pub(super) limits: ServerLimits,
    pub(super) max_payload_len: usize,
}

/// What bounds a server.
#[derive(Clone, Debug)]
pub(super) struct ServerLimits {
    pub(super) drain_timeout: Duration,
    pub(super) frame_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) max_deadline: Duration,
    pub(super) max_in_flight: usize,
    pub(super) max_in_flight_bytes: Option<usize>,
    pub(super) max_in_flight_total: usize,
    pub(super) write_timeout: Duration,
}

impl ServerBuilder {
    pub(super) fn new(routes: Arc<Routes>) -> Self {
        let limits = ServerLimits {
            drain_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_connections: 256,
            max_deadline: Duration::from_secs(60),
            max_in_flight: 64,
            max_in_flight_bytes: None,
            max_in_flight_total: 256,
            write_timeout: Duration::from_secs(10),
        };
        Self { routes, limits, max_payload_len: DEFAULT_MAX_PAYLOAD_LEN }
    }

    /// How long a graceful shutdown waits for handlers at work. Default 10 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.limits.drain_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How long a frame may take to arrive, from its first byte. Default 10 s.
    pub fn frame_timeout(mut self, timeout: Duration) -> Self {
        self.limits.frame_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How long a connection may be silent with nothing in flight. Default 5 min.
    ///
    /// For so long, peers that send nothing can keep all [`max_connections`](Self::max_connections) from others.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How many connections are served; further ones are turned away with a reason. Default 256.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.limits.max_connections = max.max(1);
        self
    }

    /// The longest that a handler may work, whatever the caller asks for. Default 60 s. A call that this ends is answered
    /// [`code::DEADLINE_EXCEEDED`](crate::code::DEADLINE_EXCEEDED).
    pub fn max_deadline(mut self, max: Duration) -> Self {
        self.limits.max_deadline = cut_to_max_timeout(max);
        self
    }

    /// How many requests of one connection may be in flight: worked on, or answered but the answer not yet written.
    /// Further ones are answered `overloaded`. Default 64.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.limits.max_in_flight = max.max(1);
        self
    }

    /// How many bytes the payloads of all requests in flight may have together; a request that does not fit is answered
    /// `overloaded`, unless it is the only one. By default there is no such bound beside that on their number.
    ///
    /// For a server whose requests may be long, but not many of them at a time. Short ones do not make way for a long one:
    /// it is refused for as long as they leave it no room. Where less than [`max_payload_len`](Self::max_payload_len) is left,
    /// a connection's answers are written before its next request is read.
    pub fn max_in_flight_bytes(mut self, max: usize) -> Self {
        self.limits.max_in_flight_bytes = Some(max);
        self
    }

    /// How many requests of all connections may be in flight; further ones are answered `overloaded`. Default 256.
    ///
    /// Twice [`max_payload_len`](Self::max_payload_len) times this bounds the requests and answers in memory, as
    /// far as they are no larger decoded than encoded; [`max_in_flight_bytes`](Self::max_in_flight_bytes) bounds the requests
    /// closer.
    pub fn max_in_flight_total(mut self, max: usize) -> Self {
        self.limits.max_in_flight_total = max.max(1);
        self
    }

    /// The longest payload taken or sent. Default 64 KiB, at most [`PAYLOAD_LEN_CEILING`]. Its clients should have the same.
    ///
    /// [`Server::with_max_payload_len`] sets it for one listener, and
    /// [`CallContext::raise_max_payload_len`](crate::CallContext::raise_max_payload_len) for one connection.
    pub fn max_payload_len(mut self, max: usize) -> Self {
        self.max_payload_len = max.min(PAYLOAD_LEN_CEILING);
        self
    }

    /// How long a peer may take to accept a piece of 16 KiB. Default 10 s.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// The server, for several listeners or streams of other kinds that share its limits.
    #[must_use]
    pub fn build(self) -> Server {
        Server::new(self)
    }

    /// [`build`](Self::build) and [`Server::serve`] in one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(self, listener: Listener) -> ServerHandle {
        self.build().serve(listener)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("limits", &self.limits)
            .field("max_payload_len", &self.max_payload_len)
            .finish_non_exhaustive()
    }
}
