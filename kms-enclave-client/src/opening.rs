//! [`Openings`]: where envelopes are opened.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task;

use crate::error::{Error, LocalFailure};

/// Opening takes a third of a millisecond of a processor for the RSA in it.
///
/// A call that is alone opens its envelope where it is: to hand it to another thread and back takes longer than a sixth
/// of that. Of several calls each goes to a blocking thread, at most as many at once as there are processors: tasks
/// that wait for each other's network would otherwise wait for each other's RSA, and the calls of a single task would
/// all be opened by one processor.
#[derive(Clone, Debug)]
pub(crate) struct Openings {
    calls: Arc<AtomicUsize>,
    places: Arc<Semaphore>,
}

impl Openings {
    pub(crate) fn new() -> Self {
        Self::with_places(available_parallelism().map_or(1, NonZeroUsize::get))
    }

    fn with_places(places: usize) -> Self {
        Self { calls: Arc::default(), places: Arc::new(Semaphore::new(places)) }
    }

    /// Counts a call in, until what this gives is dropped.
    pub(crate) fn begin_call(&self) -> Call<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call { openings: self }
    }
}

/// A call in flight.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    openings: &'a Openings,
}

impl Call<'_> {
    /// Does the work of opening.
    pub(crate) async fn open<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // A guess that is wrong for one call costs some time, nothing else.
        if self.openings.calls.load(Ordering::Relaxed) == 1 {
            return work();
        }
        let place = Arc::clone(&self.openings.places).acquire_owned().await;
        let place = place.map_err(|_| Error::Local(LocalFailure::Worker))?;
        let work = task::spawn_blocking(move || {
            let opened = work();
            // The work holds the place, not the call: a call that is given up leaves its work running.
            drop(place);
            opened
        });
        work.await.unwrap_or(Err(Error::Local(LocalFailure::Worker)))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.openings.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_call_that_is_alone_opens_where_it_is_and_several_do_elsewhere() {
        let openings = Openings::new();
        let here = thread::current().id();
        let first = openings.begin_call();
        assert_eq!(first.open(|| Ok(thread::current().id())).await.unwrap(), here);
        let second = openings.begin_call();
        for call in [&first, &second] {
            assert_ne!(call.open(|| Ok(thread::current().id())).await.unwrap(), here);
        }
        drop(second);
        assert_eq!(first.open(|| Ok(thread::current().id())).await.unwrap(), here);
    }

    #[tokio::test]
    async fn there_are_no_more_at_once_than_places_and_a_panic_gives_its_place_back() {
        let openings = Openings::with_places(2);
        let _other_call = openings.begin_call();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut calls = JoinSet::new();
        for number in 0..32 {
            let (openings, running, most) = (openings.clone(), Arc::clone(&running), Arc::clone(&most));
            calls.spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    assert!(number % 8 != 0, "a call that panics");
                    Ok(number)
                };
                openings.begin_call().open(work).await.ok()
            });
        }
        let mut done: Vec<i32> = calls.join_all().await.into_iter().flatten().collect();
        done.sort_unstable();
        assert_eq!(done, (0..32).filter(|number| number % 8 != 0).collect::<Vec<_>>());
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }
}
