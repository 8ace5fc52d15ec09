//! [`ClientBuilder`]: the limits of a client.

use std::time::Duration;

use super::{Client, Connector};
use crate::codec::{DEFAULT_MAX_PAYLOAD_LEN, PAYLOAD_LEN_CEILING};
use crate::limits::cut_to_max_timeout;
#[cfg(feature = "tower")]
use crate::middleware::Layers;

/// Sets the limits of a [`Client`]; each has a finite default.
///
/// Every timeout is cut to 30 days.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    pub(super) connector: Connector,
    #[cfg(feature = "tower")]
    pub(crate) layers: Layers,
    pub(super) limits: ClientLimits,
}

/// What bounds a client.
#[derive(Clone, Debug)]
pub(super) struct ClientLimits {
    pub(super) backoff_max: Duration,
    pub(super) backoff_min: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) liveness_interval: Duration,
    pub(super) max_connections: usize,
    pub(super) max_in_flight: usize,
    pub(super) max_payload_len: usize,
    pub(super) stall_timeout: Duration,
}

impl ClientBuilder {
    pub(super) fn new(connector: Connector) -> Self {
        let limits = ClientLimits {
            backoff_max: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(5),
            liveness_interval: Duration::from_secs(10),
            max_connections: 1,
            max_in_flight: 64,
            max_payload_len: DEFAULT_MAX_PAYLOAD_LEN,
            stall_timeout: Duration::from_secs(10),
        };
        Self {
            connector,
            #[cfg(feature = "tower")]
            layers: Layers::default(),
            limits,
        }
    }

    /// How long to wait after a failed connection: at least `min`, doubled up to `max`, less up to a half at random.
    /// Default 50 ms to 5 s.
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.limits.backoff_min = cut_to_max_timeout(min);
        self.limits.backoff_max = cut_to_max_timeout(max.max(min));
        self
    }

    /// How long one attempt to connect may take. Default 5 s, of which each address of a name has its share, as
    /// [`Addr::connect_within`](crate::Addr::connect_within) says.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// After how much silence, with calls in flight, the server is asked for a sign of life; it then has as long
    /// again to answer before the connection is given up. Default 10 s, at least 1 ms.
    ///
    /// The connection is given up, too, if the server leaves a cancelled call unanswered for three times as long.
    pub fn liveness_interval(mut self, interval: Duration) -> Self {
        self.limits.liveness_interval = cut_to_max_timeout(interval).max(Duration::from_millis(1));
        self
    }

    /// Over how many connections the calls are spread. Default 1, which is enough unless the server's work on one
    /// connection is more than one processor can do, or long payloads are not to hold up short ones.
    ///
    /// A call takes the open connection with the fewest calls in flight. A further one is made, in the background,
    /// when all that are open have calls in flight, and waits like others after failures. More than 64 are cut to 64.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.limits.max_connections = max.clamp(1, MAX_CONNECTIONS_CEILING);
        self
    }

    /// How many calls may be in flight, over all connections; further ones wait, within their timeouts. Default 64, at least 1.
    ///
    /// A cancelled call counts until the server has answered it. More than 65,536 are cut to that.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.limits.max_in_flight = max.clamp(1, MAX_IN_FLIGHT_CEILING);
        self
    }

    /// The longest payload sent or taken. Default 64 KiB, at most [`PAYLOAD_LEN_CEILING`]. Give it the server's: a payload that
    /// one side sends and the other does not take ends the connection, with every call in flight on it.
    pub fn max_payload_len(mut self, max: usize) -> Self {
        self.limits.max_payload_len = max.min(PAYLOAD_LEN_CEILING);
        self
    }

    /// How long a frame may take to arrive once begun, and a piece of 16 KiB to be taken by the server.
    /// Default 10 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.limits.stall_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// The client. It connects at its first call.
    #[must_use]
    pub fn build(self) -> Client {
        Client::new(self)
    }
}

const MAX_CONNECTIONS_CEILING: usize = 64;
const MAX_IN_FLIGHT_CEILING: usize = 65_536;
