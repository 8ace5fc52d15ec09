//! Who drives a connection: its background task, or a caller.
//!
//! A connection is driven in turns, each of which writes what is queued, reads what has come, and looks at the timeouts.
//! Anybody may take one, under the lock of the [`Seat`], which nobody holds from one poll to the next. The stream and the
//! timers know a single waker, the [`Connection`] itself, whoever polled them. It wakes the *leader*, if there is one, and
//! else the background task. A caller whose call is the only one leads: its own task writes the request and reads the reply,
//! with nobody to be woken in between. As soon as there is a second call, the background task drives.
//!
//! # Why no wake-up is lost
//! - A turn ends with the stream pending for the connection's waker, or with its driver due to be polled again. So what
//!   happens to the stream or the timers wakes whoever is chosen then, under the table's lock: the leader if its call waits,
//!   else the background task. That one's waker is taken; it is back in place before the turn to which it leads looks at the
//!   stream. While it is missing, its owner is woken already.
//! - A stream that had nothing to read is not asked again until it, or a timer, has woken the connection: it still has the
//!   waker of that time. That it has is taken note of under the table's lock, and looked at before the turn writes, so that what
//!   comes during a turn counts for the next one.
//! - The background task, once woken, takes a turn: it waits for the seat.
//! - A leader whose task has no budget left hands over: neither its stream nor the alarm may have been asked.
//! - A leader that is woken is polled, or dropped, or neither. Polled, it takes a turn, or hands over if it may not lead any
//!   more or the seat is taken. Dropped, it hands over, because a Cancel is to be written. To hand over, also when a reply is
//!   there or the connection ends, is to clear the leader under the table's lock and to wake the background task, if there
//!   is anything for it to do: then that sees whatever the leader was woken for.
//! - A leader that is woken and never polled again, such as a future that was polled once and put aside, keeps the
//!   connection from being driven. That may hold up no one else, so everything that anybody else could wait for hands over
//!   first:
//!   - a second call, in [`begin`](Connection::begin), so that none but a lone call is ever led;
//!   - a call that waits for a permit, which this one may be about to give back; none is led while there is none left for
//!     the next caller. Whoever waits queues for a permit and then looks for leaders; a caller looks at the permits and leads
//!     under the table's lock: one sees the other;
//!   - a client that leaves.
//!
//!   And a new call does not go by what such a leader has not looked at, as that the server went away: it does not begin
//!   until [`catch_up`](Connection::catch_up) has looked, if the leader's waker was taken: it is left once a poll, before the
//!   stream is looked at. A stream that stood still meanwhile is read before the timeouts are
//!   looked at, so that the server is not blamed for it.
//! - The background task belongs to the runtime that made the connection, and so do the stream and the timers. When that
//!   runtime ends, the task is dropped, and takes everything out of the seat. When another one ends, its callers are dropped.
//! - A request that its caller is to write is written by the background task if the caller's first poll finds that it may
//!   not lead; a ticket dropped before that hands over.
//!
//! # Why no deadline is missed
//! A call that leads from its first poll on goes by the connection's alarm, which calls that come one after another find set
//! already; every other one has a timer of its own, in its caller's runtime.
//! - The alarm belongs to the connection's runtime, which may stand still while another one runs: only callers in the same
//!   runtime go by it.
//! - Each turn sees the deadline together with what is to be written, moves the alarm if it has to come sooner, and wakes the
//!   call once the deadline has come, whoever drives. The caller looks at the clock whenever it was woken.
//! - A call that no longer leads still goes by the alarm. Whoever deposed it woke the background task, whose turn sees the
//!   deadline; so does the one that follows if the seat was taken when the call was to lead.
//! - There is one such deadline: only a call that is alone in the table comes to lead.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;

use super::DisconnectReason;
use super::aftermath::Aftermath;
use super::builder::ClientLimits;
use super::connection::{Connection, Reply};
use super::driver::{Driver, Hand, Turn};
use crate::transport::ByteStream;

/// What drives the connection, until it ends.
#[derive(Default)]
pub(super) struct Seat(Mutex<Option<Driven>>);

struct Driven {
    driver: Driver,
    /// The connection: what the stream and the timers are polled with.
    waker: Waker,
}

/// The task that drives whenever no caller does, and ends with the connection.
pub(super) struct Background {
    connection: Arc<Connection>,
    /// Empty, and kept for its memory.
    after: Aftermath,
}

/// What came of it that a caller drove.
pub(super) enum Led {
    /// Its reply.
    Here(Reply),
    /// Nothing yet.
    Waits,
    /// It did not: somebody else is at it.
    Taken,
}

/// How far some turns came, and the reply that the leader waited for.
struct Turned {
    progress: Progress,
    reply: Option<Reply>,
}

enum Progress {
    Again,
    Over,
    Waits,
}

impl Connection {
    /// A connection over `io`, and the task to be spawned for it in this runtime.
    pub(super) fn open(io: Box<dyn ByteStream>, limits: ClientLimits) -> (Arc<Self>, Background) {
        let connection = Arc::new(Self::of_this_runtime());
        let waker = Waker::from(Arc::clone(&connection));
        // The waker's is a cycle, which the background task ends at the latest when it is dropped.
        *connection.seat.wait() = Some(Driven { driver: Driver::new(io, limits), waker });
        (Arc::clone(&connection), Background { connection, after: Aftermath::default() })
    }

    /// Drives for the caller of this call.
    pub(super) fn lead(&self, request_id: u64) -> Led {
        let Some(Turned { progress, reply }) = self.try_turns(Hand::Leader(request_id)) else { return Led::Taken };
        let is_again = matches!(progress, Progress::Again);
        if !has_budget_remaining() || is_again && reply.is_some() {
            // Without budget neither the stream nor the alarm need know whom to wake, and the next poll may have none either.
            // After its reply, nobody else would look at what came behind it.
            self.depose();
        } else if is_again {
            self.wake_driver();
        }
        reply.map_or(Led::Waits, Led::Here)
    }

    /// Looks at what a leader was woken for, and has not looked at.
    pub(super) fn catch_up(&self) {
        if self.depose_late_leader() {
            // If there is more to do, or somebody is at it, the background task goes on: it was woken.
            self.try_turns(Hand::Visitor);
        }
    }

    /// `None` if somebody else drives.
    fn try_turns(&self, hand: Hand<'_>) -> Option<Turned> {
        let mut after = Aftermath::default();
        let mut seat = self.seat.try_take()?;
        let mut turns = (0..TURNS_PER_POLL).map(|_| self.turn(&mut seat, hand, &mut after));
        let progress = turns.find(|progress| !matches!(progress, Progress::Again)).unwrap_or(Progress::Again);
        drop(seat);
        Some(Turned { progress, reply: after.settle() })
    }

    fn turn(&self, seat: &mut Option<Driven>, hand: Hand<'_>, after: &mut Aftermath) -> Progress {
        let Some(Driven { driver, waker }) = seat else { return Progress::Over };
        let mut turn = Turn { connection: self, hand, after };
        // A stream that panics is nothing to the caller that happens to poll it.
        let turned = catch_unwind(AssertUnwindSafe(|| driver.turn(&mut turn, &mut Context::from_waker(waker))));
        let reason = match turned {
            Ok(Ok(Poll::Ready(()))) => return Progress::Again,
            Ok(Ok(Poll::Pending)) => return Progress::Waits,
            Ok(Err(reason)) => reason,
            Err(_panic) => DisconnectReason::RuntimeEnded,
        };
        self.close(reason, driver.written(), after);
        // A stream may panic even now.
        let _ = catch_unwind(AssertUnwindSafe(|| *seat = None));
        Progress::Over
    }
}

impl Seat {
    fn wait(&self) -> MutexGuard<'_, Option<Driven>> {
        // A turn that panics ends the connection.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(&self) -> Option<MutexGuard<'_, Option<Driven>>> {
        match self.0.try_lock() {
            Ok(seat) => Some(seat),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Future for Background {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { connection, after } = &mut *self;
        for _ in 0..TURNS_PER_POLL {
            let hand = Hand::Background(cx.waker());
            let progress = connection.turn(&mut connection.seat.wait(), hand, after);
            after.settle();
            match progress {
                Progress::Again => {}
                Progress::Over => return Poll::Ready(()),
                Progress::Waits => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Without this, a runtime that ends first would leave callers of another one waiting.
        let driven = self.connection.seat.wait().take();
        if let Some(Driven { driver, .. }) = driven {
            self.connection.close(DisconnectReason::RuntimeEnded, driver.written(), &mut self.after);
            self.after.settle();
        }
    }
}

const TURNS_PER_POLL: usize = 16;

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Wake;

    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::byte_queue::ByteQueue;
    use crate::cbor;
    use crate::client::builder::ClientBuilder;
    use crate::frame::FrameKind;
    use crate::transport::Addr;

    /// Notes whether the seat was free whenever it was woken.
    struct Onlooker {
        connection: Arc<Connection>,
        found_free: Mutex<Vec<bool>>,
    }

    impl Wake for Onlooker {
        fn wake(self: Arc<Self>) {
            self.found_free.lock().unwrap().push(self.connection.seat.try_take().is_some());
        }
    }

    #[tokio::test]
    async fn callers_and_those_who_wait_for_a_permit_are_woken_when_the_seat_is_free() {
        let (near, mut far) = duplex(1024);
        let limits = ClientBuilder::new(Addr::Unix("unused".into()).into()).limits;
        let (connection, mut background) = Connection::open(Box::new(near), limits);
        let onlooker = || Arc::new(Onlooker { connection: Arc::clone(&connection), found_free: Mutex::default() });
        let (caller, next) = (onlooker(), onlooker());

        let permits = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        let request = cbor::encode_request("m", &(), 100).unwrap();
        let mut ticket = Arc::clone(&connection).begin(&request, permit).unwrap_or_else(|_| panic!("it is open"));
        let waker = Waker::from(Arc::clone(&caller));
        assert!(Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker)).is_pending());
        let waker = Waker::from(Arc::clone(&next));
        let mut waiting = pin!(permits.acquire());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());

        let mut drive = || Pin::new(&mut background).poll(&mut Context::from_waker(Waker::noop()));
        assert!(drive().is_pending(), "the request is written");
        let mut response = ByteQueue::default();
        response.put_frame(FrameKind::Response, 1, &[0]);
        far.write_all(response.as_slice()).await.unwrap();
        assert!(drive().is_pending(), "the response is read");
        for woken in [caller, next] {
            assert_eq!(*woken.found_free.lock().unwrap(), [true]);
        }
    }
}
