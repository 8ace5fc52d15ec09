//! [`RequestPlace`]: a request's share of the server's bounds.

use std::sync::Arc;

use crate::gauge::Place;

/// What one request has taken until it is answered.
#[derive(Debug)]
pub(crate) enum RequestPlace {
    Alone(Taken),
    Shared(SharedPlace),
}

/// A request's place, taken as long as any clone is there.
pub(crate) type SharedPlace = Arc<Taken>;

/// A place among the requests, and as many as its bytes where those are bounded.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    _request: Option<Place>,
    _bytes: Option<Place>,
}

impl RequestPlace {
    pub(crate) fn new(request: Place, bytes: Option<Place>) -> Self {
        Self::Alone(Taken { _request: Some(request), _bytes: bytes })
    }

    /// The same place for somebody else, who may keep it for longer.
    pub(crate) fn share(&mut self) -> SharedPlace {
        match self {
            Self::Alone(taken) => {
                let shared = Arc::new(std::mem::take(taken));
                *self = Self::Shared(Arc::clone(&shared));
                shared
            }
            Self::Shared(shared) => Arc::clone(shared),
        }
    }
}
