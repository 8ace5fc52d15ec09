//! [`Ticket`]: what a caller waits with.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Connection, Reply, Standing};
use crate::client::CallError;
use crate::client::driving::Led;

/// A call in flight. Dropping it before the reply cancels the call.
pub(in crate::client) struct Ticket {
    connection: Arc<Connection>,
    request_id: u64,
    /// Whether nobody was woken for its request, and it was not polled yet.
    is_unheeded: bool,
    is_done: bool,
}

impl Ticket {
    /// For a call that is in the connection's table.
    pub(super) fn new(connection: Arc<Connection>, request_id: u64, is_unheeded: bool) -> Self {
        Self { connection, request_id, is_unheeded, is_done: false }
    }

    /// Waits for the reply of a call that was begun alone, in the connection's runtime, by the connection's own alarm:
    /// calls that come one after another then need no timer each. `None`, at once, if this call is no such one.
    pub(in crate::client) async fn reply_by_alarm(&mut self, deadline: Instant) -> Option<Reply> {
        if !self.is_unheeded || !self.connection.is_in_its_runtime() {
            return None;
        }
        let mut is_timed = false;
        poll_fn(|cx| {
            match self.poll_standing(cx, (!is_timed).then_some(deadline)) {
                Standing::Done(reply) => return Poll::Ready(Some(reply)),
                Standing::Follows if !is_timed => return Poll::Ready(None),
                Standing::Leads if !is_timed => is_timed = true,
                // Woken, be it by the alarm.
                Standing::Follows | Standing::Leads if deadline <= Instant::now() => {
                    return Poll::Ready(Some(Err(CallError::DeadlineExceeded { may_have_run: true })));
                }
                Standing::Follows | Standing::Leads => {}
            }
            Poll::Pending
        })
        .await
    }

    /// One poll. A call that leads by then is to be woken at `deadline`.
    fn poll_standing(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Standing {
        let Self { connection, request_id, is_unheeded, is_done } = self;
        let mut standing = connection.poll_reply(*request_id, is_unheeded, cx.waker(), deadline);
        if let Standing::Leads = standing {
            match connection.lead(*request_id) {
                Led::Here(reply) => standing = Standing::Done(reply),
                Led::Waits => {}
                // Whoever is at it may not have seen this call.
                Led::Taken => connection.depose(),
            }
        }
        *is_done = matches!(standing, Standing::Done(_));
        standing
    }
}

impl Future for Ticket {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.poll_standing(cx, None) {
            Standing::Done(reply) => Poll::Ready(reply),
            Standing::Follows | Standing::Leads => Poll::Pending,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_done {
            self.connection.abandon(self.request_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::{Mutex, mpsc};
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::cbor;

    #[tokio::test]
    async fn a_call_is_woken_at_its_own_deadline_and_not_at_that_of_the_one_before() {
        let connection = Arc::new(Connection::of_this_runtime());
        let permits = Arc::new(Semaphore::new(2));
        let request = cbor::encode_request("m", &(), 100).unwrap();
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        let mut ticket = Arc::clone(&connection).begin(&request, permit).unwrap_or_else(|_| panic!("it is open"));
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut waiting = pin!(ticket.reply_by_alarm(deadline));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        // What a turn calls that began before this call did.
        assert!(connection.wake_timed(deadline - Duration::from_millis(1)).is_none());
        assert!(connection.wake_timed(deadline).is_some());
        assert!(connection.wake_timed(deadline).is_none(), "once");
    }

    /// A task that ends when nobody can wake it any more, and ends a call with it.
    struct LastOwner(#[expect(dead_code, reason = "held until it is dropped")] Mutex<Option<Ticket>>);

    impl Wake for LastOwner {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_call_may_end_with_the_last_waker_of_another_one() {
        let (done, is_done) = mpsc::channel();
        // On a thread of its own: what is wrong here stands still.
        std::thread::spawn(move || {
            for is_dropped in [false, true] {
                let connection = Arc::new(Connection::of_this_runtime());
                let permits = Arc::new(Semaphore::new(3));
                let request = cbor::encode_request("m", &(), 100).unwrap();
                let begin = || {
                    let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
                    Arc::clone(&connection).begin(&request, permit).unwrap_or_else(|_| panic!("it is open"))
                };
                let (mut ticket, other) = (begin(), begin());
                let owner = Waker::from(Arc::new(LastOwner(Mutex::new(Some(other)))));
                assert!(Pin::new(&mut ticket).poll(&mut Context::from_waker(&owner)).is_pending());
                drop(owner);
                if is_dropped {
                    drop(ticket);
                } else {
                    assert!(Pin::new(&mut ticket).poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
                done.send(()).unwrap();
            }
        });
        for _ in 0..2 {
            is_done.recv_timeout(Duration::from_secs(30)).expect("the table is not locked meanwhile");
        }
    }
}
