//! [`SlowWork`]: where the simulator computes what takes longer than some microseconds.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task;

use crate::sim::fault::Fault;

/// Blocking threads, so that no other connection waits for this one's RSA, and a bound to how many are busy.
///
/// Work cannot be broken off. It holds its place itself, whoever waits for it: a caller who asks for RSA keys and hangs up,
/// again and again, leaves as much work behind as there are places.
#[derive(Debug)]
pub(crate) struct SlowWork {
    places: Arc<Semaphore>,
}

impl SlowWork {
    pub(crate) async fn perform<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Fault::internal())?;
        let work = task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        work.await.unwrap_or_else(|_| Err(Fault::internal()))
    }
}

impl Default for SlowWork {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)) }
    }
}

/// More than most machines have processors, so that an envelope of a millisecond seldom waits for an RSA key of seconds.
const PLACES: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn callers_who_hang_up_leave_a_bounded_amount_of_work() {
        let slow_work = Arc::new(SlowWork::default());
        let begun = Arc::new(AtomicUsize::new(0));
        let (has_begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let mut callers = JoinSet::new();
        for _ in 0..10 * PLACES {
            let (slow_work, begun, has_begun, released) =
                (Arc::clone(&slow_work), Arc::clone(&begun), has_begun.clone(), Arc::clone(&released));
            let work = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                has_begun.send(()).map_err(|_| Fault::internal())?;
                // Ends when there is nobody any more who could release it.
                let _closed = released.lock().map(|released| released.recv());
                Ok(())
            };
            callers.spawn(async move { slow_work.perform(work).await });
        }
        for _ in 0..PLACES {
            begins.recv().await.unwrap();
        }
        callers.shutdown().await;
        drop(release);
        // Once all of it is over, whoever still waits for an answer gets one, and nothing else was done.
        let places = u32::try_from(PLACES).unwrap();
        drop(slow_work.places.acquire_many(places).await.unwrap());
        assert_eq!(slow_work.perform(|| Ok(7)).await, Ok(7));
        assert_eq!(begun.load(Ordering::SeqCst), PLACES);
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_place_back() {
        let slow_work = SlowWork::default();
        for _ in 0..=PLACES {
            let panicked: Result<(), Fault> = slow_work.perform(|| panic!("work that panics")).await;
            assert_eq!(panicked, Err(Fault::internal()));
        }
        assert_eq!(slow_work.perform(|| Ok(7)).await, Ok(7));
    }
}
