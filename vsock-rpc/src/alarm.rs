//! [`Alarm`]: one timer for all the timeouts of a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::cut_to_max_timeout;

/// Wakes a task at the earliest of changing deadlines.
///
/// Moving a timer costs more than letting it fire early, so a deadline that moves away leaves the timer where it
/// is; only one that comes nearer moves it.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes as it stands.
    set_for: Option<Waker>,
}

impl Alarm {
    /// With its timer in the runtime that this is called in, wherever it is used later.
    pub(crate) fn of_this_runtime() -> Self {
        Self { sleep: Some(Box::pin(sleep_until(Instant::now() + cut_to_max_timeout(Duration::MAX)))), set_for: None }
    }

    /// Whether `deadline` has passed; if not, the task of `cx` is woken by then.
    pub(crate) fn has_passed(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else { return false };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
            self.set_for = None;
        }
        // Polling it costs more than this. It goes off at any time, but then it wakes.
        if !sleep.is_elapsed() && self.set_for.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return false;
        }
        self.set_for = None;
        while sleep.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
        // With the task's budget used up, the timer has not looked, and may not even be set.
        self.set_for = has_budget_remaining().then(|| cx.waker().clone());
        false
    }
}

/// The earlier of two times, if there are any.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
