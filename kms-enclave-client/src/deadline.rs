//! [`Deadline`]: when a call has to have ended, whatever it is waiting for.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::Error;

/// The end of one call. It is made when the call begins, and every wait on its behalf is under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    limit: Duration,
    ends_at: Instant,
}

impl Deadline {
    /// A deadline `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        let now = Instant::now();
        // What the clock cannot express is further away than anybody waits.
        let ends_at = now.checked_add(limit).unwrap_or_else(|| now + FAR_AWAY);
        Self { limit, ends_at }
    }

    /// Does `work`, or as much of it as there is time for.
    pub(crate) async fn bound<T>(self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout_at(self.ends_at, work).await.unwrap_or(Err(Error::DeadlineExceeded { deadline: self.limit }))
    }

    /// Whether anything could still be done after such a wait.
    pub(crate) fn outlasts(self, wait: Duration) -> bool {
        wait < self.ends_at.saturating_duration_since(Instant::now())
    }
}

const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_cut_off_at_the_deadline_and_not_before() {
        let limit = Duration::from_secs(3);
        let deadline = Deadline::after(limit);
        let began = Instant::now();
        assert!(deadline.outlasts(Duration::from_millis(2999)) && !deadline.outlasts(limit));
        let cut = deadline.bound(std::future::pending::<Result<(), Error>>()).await;
        assert!(matches!(cut, Err(Error::DeadlineExceeded { deadline }) if deadline == limit));
        assert_eq!(began.elapsed(), limit);
        assert!(!deadline.outlasts(Duration::ZERO));
    }

    #[tokio::test]
    async fn an_endless_deadline_is_one() {
        assert!(Deadline::after(Duration::MAX).outlasts(Duration::from_secs(1 << 20)));
    }
}
