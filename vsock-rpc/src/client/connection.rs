//! [`Connection`]: the calls of one connection, shared by their callers and whoever drives it.
//!
//! A call costs no task and no channel: its caller leaves a waker in the table, and the driver leaves the reply; or the
//! caller drives itself, and takes the reply from there. Who drives is told in [`driving`](super::driving).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{self, Handle};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::driving::{Led, Seat};
use super::{CallError, DisconnectReason};
use crate::byte_queue::ByteQueue;
use crate::cbor::EncodedRequest;
use crate::frame::FrameKind;
use crate::planted;

/// A response, still encoded, in memory that [`give_back`](crate::cbor::give_back) takes; or what went wrong.
pub(super) type Reply = Result<Vec<u8>, CallError>;

/// The table, behind a lock that is held for moments only, and what drives the connection, behind another: whoever needs
/// both takes that one first. As a waker it is what the stream and the timers wake.
#[derive(Default)]
pub(super) struct Connection {
    table: Mutex<Table>,
    pub(super) seat: Seat,
    /// Where its stream, its alarm and its background task are.
    runtime: Option<runtime::Id>,
}

#[derive(Default)]
struct Table {
    calls: HashMap<u64, Call, BuildHasherDefault<IdHasher>>,
    phase: Phase,
    last_id: u64,
    /// Frames for the driver to write.
    outgoing: ByteQueue,
    /// Bytes of frames made since the connection began, to compare with those written.
    queued: u64,
    /// The background task; `None` if it was woken since it last began a turn.
    background: Option<Waker>,
    /// The call whose caller drives, instead of the background task: the only one in the table.
    leader: Option<u64>,
    /// The call that the connection's alarm wakes at its deadline, if it still waits.
    timed: Option<(u64, Instant)>,
    /// Whether the stream or a timer woke the connection since the last turn began.
    was_woken: bool,
    /// Whether a call was ever answered on this connection.
    was_useful: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// No new calls; those in flight may still be answered.
    Leaving {
        reason: DisconnectReason,
    },
    Closed,
}

struct Call {
    state: CallState,
    /// Where the request begins in the stream of all bytes, and where it ends.
    written_at: Range<u64>,
    /// The call's share of the client's bound. An abandoned call keeps it until the server has answered, or else a
    /// caller that cancels could have the server work on any number.
    permit: Option<OwnedSemaphorePermit>,
}

enum CallState {
    Abandoned { since: Instant },
    Replied(Reply),
    Waiting(Option<Waker>),
}

/// What the driver sees of the table when it takes what is to be written.
pub(super) struct Outlook {
    pub(super) is_busy: bool,
    pub(super) is_leaving: bool,
    /// Whether the stream or a timer woke the connection since the turn before.
    pub(super) was_woken: bool,
    /// When to [`wake_timed`](Connection::wake_timed).
    pub(super) deadline: Option<Instant>,
}

/// How many calls are on a connection, and whether the caller that drives was woken and has not come yet.
pub(super) struct Load {
    pub(super) calls: usize,
    pub(super) has_late_leader: bool,
}

impl Connection {
    /// One whose stream belongs to the runtime that this is called in.
    pub(super) fn of_this_runtime() -> Self {
        Self { runtime: this_runtime(), ..Self::default() }
    }

    /// Queues a request. Gives the permit back if the connection takes no more calls, or there is something to
    /// [`catch_up`](Self::catch_up) with first.
    pub(super) fn begin(
        self: Arc<Self>,
        request: &EncodedRequest,
        permit: OwnedSemaphorePermit,
    ) -> Result<Ticket, OwnedSemaphorePermit> {
        let mut table = self.lock();
        if !matches!(table.phase, Phase::Open) || table.has_late_leader() {
            return Err(permit);
        }
        table.last_id += 1;
        let (request_id, start) = (table.last_id, table.queued);
        table.queue(FrameKind::Request, request_id, request.payload());
        // A lone caller writes its request itself, when it first polls the ticket.
        let is_alone = table.calls.is_empty();
        let background = if is_alone { None } else { table.depose() };
        let (state, written_at) = (CallState::Waiting(None), start..table.queued);
        table.calls.insert(request_id, Call { state, written_at, permit: Some(permit) });
        drop(table);
        wake(background);
        Ok(Ticket { connection: self, request_id, is_unheeded: is_alone, is_done: false })
    }

    /// `None` if the connection takes no more calls.
    pub(super) fn load(&self) -> Option<Load> {
        let table = self.lock();
        let load = || Load { calls: table.calls.len(), has_late_leader: table.has_late_leader() };
        matches!(table.phase, Phase::Open).then(load)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().calls.is_empty()
    }

    pub(super) fn was_useful(&self) -> bool {
        self.lock().was_useful
    }

    /// The client is gone: the connection ends once its last frames are written.
    pub(super) fn leave(&self) {
        let mut table = self.lock();
        if let Phase::Open = table.phase {
            table.phase = Phase::Leaving { reason: DisconnectReason::Left };
        }
        let background = table.depose();
        drop(table);
        wake(background);
    }

    /// Hands the connection back to the background task.
    pub(super) fn depose(&self) {
        let background = self.lock().depose();
        wake(background);
    }

    /// As [`depose`](Self::depose), if the caller that drives was woken and has not come yet. Returns whether that was so.
    pub(super) fn depose_late_leader(&self) -> bool {
        let mut table = self.lock();
        let is_late = table.has_late_leader();
        let background = if is_late { table.depose() } else { None };
        drop(table);
        wake(background);
        is_late
    }

    /// For the driver: moves what is to be written, and remembers the background task, if that is who drives.
    pub(super) fn take_outgoing(&self, take: impl FnOnce(&mut ByteQueue), background: Option<&Waker>) -> Outlook {
        let mut table = self.lock();
        if !table.outgoing.is_empty() {
            take(&mut table.outgoing);
        }
        if let Some(waker) = background {
            keep(&mut table.background, waker);
        }
        Outlook {
            is_busy: !table.calls.is_empty(),
            is_leaving: matches!(table.phase, Phase::Leaving { .. }),
            was_woken: std::mem::take(&mut table.was_woken),
            deadline: table.timed.map(|(_, deadline)| deadline),
        }
    }

    /// For the driver: whom to wake if the deadline of the call that goes by the alarm has come. That may be another call than
    /// the turn saw at first.
    pub(super) fn wake_timed(&self, now: Instant) -> Option<Waker> {
        let mut table = self.lock();
        let (request_id, _) = table.timed.take_if(|(_, deadline)| *deadline <= now)?;
        match table.calls.get_mut(&request_id) {
            Some(Call { state: CallState::Waiting(waker), .. }) => waker.take(),
            _ => None,
        }
    }

    /// For the driver: queues a frame of its own, which the background task takes.
    pub(super) fn queue_ping(&self, id: u64) {
        let mut table = self.lock();
        table.queue(FrameKind::Ping, id, &[]);
        let background = table.depose();
        drop(table);
        wake(background);
    }

    /// For the driver: a reply came. `written` is how many bytes had been written by then, and `led` the call whose caller
    /// drives. That one takes its reply from here; for others it is left in the table. Returns whom to wake, too.
    pub(super) fn reply(
        &self,
        request_id: u64,
        reply: Reply,
        written: u64,
        led: Option<u64>,
    ) -> Result<(Option<Reply>, Option<Waker>), Violation> {
        let mut table = self.lock();
        let request_id = if planted::SHORT_ID { request_id & 3 } else { request_id };
        let Entry::Occupied(mut entry) = table.calls.entry(request_id) else {
            return Err(Violation::UnknownRequest);
        };
        let call = entry.get_mut();
        if call.written_at.end > written {
            return Err(Violation::UnknownRequest); // It is still on its way out.
        }
        let permit;
        let delivery = match &mut call.state {
            CallState::Replied(_) => return Err(Violation::DuplicateReply),
            // Whoever drives does not look at the table again before it waits.
            CallState::Abandoned { .. } => {
                permit = entry.remove().permit;
                (None, table.over())
            }
            CallState::Waiting(_) if led == Some(request_id) => {
                permit = entry.remove().permit;
                (Some(reply), table.over())
            }
            CallState::Waiting(waker) => {
                let waker = waker.take();
                call.state = CallState::Replied(reply);
                permit = call.permit.take();
                (None, waker)
            }
        };
        table.leader.take_if(|leader| *leader == request_id);
        table.timed.take_if(|(timed, _)| *timed == request_id);
        table.was_useful = true;
        drop(table);
        // Whoever waits for it is woken.
        drop(permit);
        Ok(delivery)
    }

    /// For the driver: the server serves nothing above `last_id`, and takes no further calls. Whom to wake goes to `wakers`.
    pub(super) fn go_away(&self, last_id: u64, reason: &DisconnectReason, wakers: &mut Vec<Waker>) {
        let mut table = self.lock();
        if let Phase::Open | Phase::Leaving { .. } = table.phase {
            table.phase = Phase::Leaving { reason: reason.clone() };
        }
        let is_disowned = |id| id > last_id || id == last_id && planted::DISOWNS_LAST;
        let permits = table.lose(|id, _| is_disowned(id).then_some(false), reason, wakers);
        wakers.extend(table.depose());
        drop(table);
        drop(permits);
    }

    /// For the driver: the connection is gone, with everything in flight. Whom to wake goes to `wakers`.
    pub(super) fn close(&self, reason: DisconnectReason, written: u64, wakers: &mut Vec<Waker>) {
        let mut table = self.lock();
        let reason = match std::mem::replace(&mut table.phase, Phase::Closed) {
            Phase::Closed => return,
            Phase::Leaving { reason } => reason,
            Phase::Open => reason,
        };
        let permits = table.lose(|_, start| Some(start < written), &reason, wakers);
        table.outgoing = ByteQueue::default();
        // It has to see that it is over.
        wakers.extend(table.depose());
        drop(table);
        drop(permits);
    }

    /// For the driver: whether the server has left an abandoned call unanswered since before `limit`.
    pub(super) fn has_forgotten(&self, limit: Instant) -> bool {
        let is_forgotten = |call: &Call| matches!(call.state, CallState::Abandoned { since } if since < limit);
        self.lock().calls.values().any(is_forgotten)
    }

    fn abandon(&self, request_id: u64) {
        let mut table = self.lock();
        let Some(call) = table.calls.get_mut(&request_id) else { return };
        let background = if let CallState::Replied(_) = call.state {
            table.remove(request_id).1
        } else {
            call.state = CallState::Abandoned { since: Instant::now() };
            table.queue(FrameKind::Cancel, request_id, &[]);
            // It may have been this call's caller that was woken.
            table.depose()
        };
        drop(table);
        wake(background);
    }

    /// The reply, or what its caller does until it comes, who is to be woken then. `is_unheeded` tells whether the background
    /// task does not know of the call's request yet, which it then does, or its caller leads. One that leads is also woken
    /// at `deadline`.
    fn poll_reply(
        &self,
        request_id: u64,
        is_unheeded: &mut bool,
        caller: &Waker,
        deadline: Option<Instant>,
    ) -> Standing {
        let mut table = self.lock();
        let call = table.calls.get_mut(&request_id).expect("a call is in the table until its ticket is done");
        if let CallState::Waiting(waker) = &mut call.state {
            keep(waker, caller);
            let can_spare = |permit: &OwnedSemaphorePermit| permit.semaphore().available_permits() > 0;
            let nobody_waits = call.permit.as_ref().is_some_and(can_spare);
            let is_unheeded = std::mem::take(is_unheeded);
            if nobody_waits && table.calls.len() == 1 && matches!(table.phase, Phase::Open) {
                table.leader = Some(request_id);
                if let Some(deadline) = deadline {
                    table.timed = Some((request_id, deadline));
                }
                return Standing::Leads;
            }
            let had_led = table.leader == Some(request_id);
            let background = if is_unheeded || had_led { table.depose() } else { None };
            drop(table);
            wake(background);
            return Standing::Follows;
        }
        let (call, background) = table.remove(request_id);
        drop(table);
        wake(background);
        match call.map(|call| call.state) {
            Some(CallState::Replied(reply)) => Standing::Done(reply),
            _ => unreachable!("only a ticket's drop abandons its call"),
        }
    }

    /// As when the stream or a timer has something to do.
    pub(super) fn wake_driver(&self) {
        let mut table = self.lock();
        table.was_woken = true;
        let waker = table.waker_of_driver();
        drop(table);
        wake(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code of others runs under the lock, so that a poisoned table is still a whole one.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Connection {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_driver();
    }
}

impl Table {
    fn queue(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) {
        let before = self.outgoing.len();
        self.outgoing.put_frame(kind, request_id, payload);
        self.queued += (self.outgoing.len() - before) as u64;
    }

    /// Whether the caller that drives was woken and has not come yet.
    fn has_late_leader(&self) -> bool {
        let leader = self.leader.and_then(|id| self.calls.get(&id));
        leader.is_some_and(|call| matches!(call.state, CallState::Waiting(None)))
    }

    /// No caller drives from here on: the background task does, and is to be woken.
    fn depose(&mut self) -> Option<Waker> {
        self.leader = None;
        self.background.take()
    }

    /// Whom to wake when the stream or a timer has something to do; `None` if that one is woken already.
    fn waker_of_driver(&mut self) -> Option<Waker> {
        match self.leader.and_then(|leader| self.calls.get_mut(&leader)) {
            Some(Call { state: CallState::Waiting(waker), .. }) => waker.take(),
            _ => self.background.take(),
        }
    }

    /// Removes a call, and tells whom to wake if that was all that a connection waited for.
    fn remove(&mut self, request_id: u64) -> (Option<Call>, Option<Waker>) {
        let call = self.calls.remove(&request_id);
        (call, self.over())
    }

    /// Whom to wake if all calls are gone that a connection waited for.
    fn over(&mut self) -> Option<Waker> {
        let is_over = self.calls.is_empty() && matches!(self.phase, Phase::Leaving { .. });
        if is_over { self.background.take() } else { None }
    }

    /// Ends the calls for which `may_have_run` has an answer. Returns their permits, which wake whoever waits for them.
    fn lose(
        &mut self,
        may_have_run: impl Fn(u64, u64) -> Option<bool>,
        reason: &DisconnectReason,
        wakers: &mut Vec<Waker>,
    ) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::new();
        self.calls.retain(|id, call| {
            let Some(may_have_run) = may_have_run(*id, call.written_at.start) else { return true };
            permits.extend(call.permit.take());
            match &mut call.state {
                CallState::Abandoned { .. } => return false,
                CallState::Replied(_) => {}
                CallState::Waiting(waker) => {
                    wakers.extend(waker.take());
                    call.state =
                        CallState::Replied(Err(CallError::Disconnected { may_have_run, reason: reason.clone() }));
                }
            }
            true
        });
        permits
    }
}

/// What a call's caller is to its connection.
enum Standing {
    Done(Reply),
    /// Others drive, and wake it.
    Follows,
    /// It drives, and is woken for it.
    Leads,
}

/// A call in flight. Dropping it before the reply cancels the call.
pub(super) struct Ticket {
    connection: Arc<Connection>,
    request_id: u64,
    /// Whether nobody was woken for its request, and it was not polled yet.
    is_unheeded: bool,
    is_done: bool,
}

impl Ticket {
    /// Waits for the reply of a call that was begun alone, in the connection's runtime, by the connection's own alarm:
    /// calls that come one after another then need no timer each. `None`, at once, if this call is no such one.
    pub(super) async fn reply_by_alarm(&mut self, deadline: Instant) -> Option<Reply> {
        if !self.is_unheeded || self.connection.runtime.is_none() || self.connection.runtime != this_runtime() {
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

/// What a server must not reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("the server answered a request twice")]
    DuplicateReply,
    #[error("the server answered a request that was not made")]
    UnknownRequest,
}

/// Request ids are this side's own and rise by one: nobody can choose them to collide.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // The map takes its bits from both ends.
        self.0 = id.wrapping_mul(ODD_FRACTION_OF_GOLDEN_RATIO).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn this_runtime() -> Option<runtime::Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

fn keep(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) => kept.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

const ODD_FRACTION_OF_GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::pin::pin;
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
}
