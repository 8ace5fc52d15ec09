//! [`let_others_go_first`]: how a task with much to do gives way.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;

/// Waits until this thread has asked what has arrived, and so has woken whoever something has arrived for.
///
/// A task that wakes itself instead is taken up again before that, since threads with work ask seldom. Nothing is promised:
/// this is how tokio's `yield_now` works today, and where another thread is asking, it does not wait for the answer.
pub(crate) async fn let_others_go_first() {
    // A handler that computes on this thread would keep it from asking for as long as it likes; where there are other
    // threads, they have the timer too.
    let _asked_or_late = timeout(LONGEST_WAIT, yield_now()).await;
}

const LONGEST_WAIT: Duration = Duration::from_millis(1);
