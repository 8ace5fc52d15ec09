//! [`Gauge`]: how many of something there are, with a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts places taken. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Takes a place, unless `max` are taken.
    pub(crate) fn admit(&self, max: usize) -> Option<Place> {
        self.admit_many(1, max)
    }

    /// Takes so many places, unless there are not as many left of `max`. If none is taken, any number is admitted: what is
    /// above the bound by itself would else never be.
    pub(crate) fn admit_many(&self, count: usize, max: usize) -> Option<Place> {
        let admitted = |taken: usize| taken.checked_add(count).filter(|sum| taken == 0 || *sum <= max);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, admitted).ok()?;
        Some(Place { gauge: self.clone(), count })
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// One place taken, or some together; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Place {
    gauge: Gauge,
    count: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.count, Ordering::AcqRel);
    }
}
