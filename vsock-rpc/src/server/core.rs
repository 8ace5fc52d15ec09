//! What all connections of a server share: methods, limits, and how many of each thing there are.

use std::sync::Arc;

use super::builder::ServerLimits;
use crate::gauge::{Gauge, Place};
use crate::router::Routes;

pub(super) struct ServerCore {
    pub(super) routes: Arc<Routes>,
    pub(super) limits: ServerLimits,
    connections: Gauge,
    refusals: Gauge,
    requests: Gauge,
}

impl ServerCore {
    pub(super) fn new(routes: Arc<Routes>, limits: ServerLimits) -> Self {
        Self { routes, limits, connections: Gauge::default(), refusals: Gauge::default(), requests: Gauge::default() }
    }

    /// A place for one more connection, unless all are taken.
    pub(super) fn admit_connection(&self) -> Option<Place> {
        self.connections.admit(self.limits.max_connections)
    }

    /// A place for one more peer that is turned away, unless all are taken.
    pub(super) fn admit_refusal(&self) -> Option<Place> {
        self.refusals.admit(MAX_REFUSALS)
    }

    /// A place for one more request, unless all are taken.
    pub(super) fn admit_request(&self) -> Option<Place> {
        self.requests.admit(self.limits.max_in_flight_total)
    }

    /// Whether no request would be admitted now.
    pub(super) fn is_full(&self) -> bool {
        self.requests.taken() >= self.limits.max_in_flight_total
    }
}

/// How many peers are told at a time that there are too many; others are turned away without a word.
const MAX_REFUSALS: usize = 64;
