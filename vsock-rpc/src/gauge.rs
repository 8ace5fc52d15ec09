//! [`Gauge`]: how many of something there are, with a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts places taken. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Takes a place, unless `max` are taken.
    pub(crate) fn admit(&self, max: usize) -> Option<Place> {
        let admitted = |taken: usize| (taken < max).then_some(taken + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, admitted).ok()?;
        Some(Place(self.clone()))
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// One place taken; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place(Gauge);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
