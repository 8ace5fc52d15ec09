//! Work that no async worker may be held up by.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::ServiceError;

/// Where work that blocks (the NSM's ioctl) or computes for long runs beside the runtime, a bounded amount of it.
///
/// A request that is cancelled leaves its work running, so the work itself holds the place, not the request: otherwise
/// a parent that asks and cancels without end would pile up work.
#[derive(Clone, Debug)]
pub(crate) struct Workshop(Arc<Semaphore>);

impl Workshop {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// Waits for a place, and then for the work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let place = Arc::clone(&self.0).acquire_owned().await.map_err(|_| ServiceError::Interrupted)?;
        let outcome = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(place);
            outcome
        });
        outcome.await.map_err(|_| ServiceError::Interrupted)?
    }
}
