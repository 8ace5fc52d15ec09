//! What all connections of a server share: methods, limits, and how many of each thing there are.

use std::sync::Arc;

use super::builder::ServerLimits;
use crate::gauge::{Gauge, Place};
use crate::request_place::RequestPlace;
use crate::router::Routes;

pub(super) struct ServerCore {
    pub(super) routes: Arc<Routes>,
    pub(super) limits: ServerLimits,
    connections: Gauge,
    refusals: Gauge,
    requests: Gauge,
    /// Counted only where there is a bound on them.
    request_bytes: Gauge,
}

impl ServerCore {
    pub(super) fn new(routes: Arc<Routes>, limits: ServerLimits) -> Self {
        Self {
            routes,
            limits,
            connections: Gauge::default(),
            refusals: Gauge::default(),
            requests: Gauge::default(),
            request_bytes: Gauge::default(),
        }
    }

    /// A place for one more connection, unless all are taken.
    pub(super) fn admit_connection(&self) -> Option<Place> {
        self.connections.admit(self.limits.max_connections)
    }

    /// A place for one more peer that is turned away, unless all are taken.
    pub(super) fn admit_refusal(&self) -> Option<Place> {
        self.refusals.admit(MAX_REFUSALS)
    }

    /// A place for one more request with so long a payload; or why there is none.
    pub(super) fn admit_request(&self, payload_len: usize) -> Result<RequestPlace, &'static str> {
        let request = self.requests.admit(self.limits.max_in_flight_total).ok_or(TOO_MANY_REQUESTS)?;
        let bytes = match self.limits.max_in_flight_bytes {
            Some(max) => Some(self.request_bytes.admit_many(payload_len, max).ok_or(TOO_MANY_BYTES)?),
            None => None,
        };
        Ok(RequestPlace::new(request, bytes))
    }

    /// Whether a request with so long a payload would find no place now.
    pub(super) fn is_full_for(&self, payload_len: usize) -> bool {
        let taken = self.request_bytes.taken();
        let has_bytes = |max: usize| taken == 0 || taken.saturating_add(payload_len) <= max;
        let has_place = self.requests.taken() < self.limits.max_in_flight_total;
        !has_place || !self.limits.max_in_flight_bytes.is_none_or(has_bytes)
    }
}

const TOO_MANY_REQUESTS: &str = "the server has too many requests in flight";
const TOO_MANY_BYTES: &str = "the server has too many bytes of requests in flight";

/// How many peers are told at a time that there are too many; others are turned away without a word.
const MAX_REFUSALS: usize = 64;
