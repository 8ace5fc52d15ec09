//! [`Connection`]: the calls of one connection, shared by their callers and whoever drives it.
//!
//! A call costs no task and no channel: its caller leaves a waker in the table, and the driver leaves the reply. Who
//! drives is told in [`driving`](super::driving).

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::driving::Seat;
use super::{CallError, DisconnectReason};
use crate::cbor::EncodedRequest;
use crate::frame::FrameKind;
use crate::frame_io::put_frame;
use crate::planted;

pub(super) type Reply = Result<Bytes, CallError>;

/// The table, behind a lock that is held for moments only, and what drives the connection, behind another: whoever needs
/// both takes that one first. As a waker it is what the stream and the timers wake.
#[derive(Default)]
pub(super) struct Connection {
    table: Mutex<Table>,
    pub(super) seat: Seat,
}

#[derive(Default)]
struct Table {
    calls: HashMap<u64, Call, BuildHasherDefault<IdHasher>>,
    phase: Phase,
    last_id: u64,
    /// Frames for the driver to write.
    outgoing: BytesMut,
    /// Bytes of frames made since the connection began, to compare with those written.
    queued: u64,
    /// The background task; `None` if it was woken since it last began a turn.
    background: Option<Waker>,
    /// The call whose caller drives, instead of the background task: the only one in the table.
    leader: Option<u64>,
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
}

impl Connection {
    /// Queues a request. Gives the permit back if the connection takes no more calls.
    pub(super) fn begin(
        self: &Arc<Self>,
        request: &EncodedRequest,
        permit: OwnedSemaphorePermit,
    ) -> Result<Ticket, OwnedSemaphorePermit> {
        let mut table = self.lock();
        if !matches!(table.phase, Phase::Open) {
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
        Ok(Ticket { connection: Arc::clone(self), request_id, is_unheeded: is_alone, is_done: false })
    }

    /// How many calls are in flight; `None` if the connection takes no more.
    pub(super) fn load(&self) -> Option<usize> {
        let table = self.lock();
        matches!(table.phase, Phase::Open).then(|| table.calls.len())
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
        let is_late = table.leader.and_then(|id| table.calls.get(&id));
        let is_late = is_late.is_some_and(|call| matches!(call.state, CallState::Waiting(None)));
        let background = if is_late { table.depose() } else { None };
        drop(table);
        wake(background);
        is_late
    }

    /// For the driver: moves what is to be written, and remembers the background task, if that is who drives.
    pub(super) fn take_outgoing(&self, take: impl FnOnce(&mut BytesMut), background: Option<&Waker>) -> Outlook {
        let mut table = self.lock();
        if !table.outgoing.is_empty() {
            take(&mut table.outgoing);
        }
        if let Some(waker) = background {
            keep(&mut table.background, waker);
        }
        Outlook { is_busy: !table.calls.is_empty(), is_leaving: matches!(table.phase, Phase::Leaving { .. }) }
    }

    /// For the driver: queues a frame of its own, which the background task takes.
    pub(super) fn queue_ping(&self, id: u64) {
        let mut table = self.lock();
        table.queue(FrameKind::Ping, id, &[]);
        let background = table.depose();
        drop(table);
        wake(background);
    }

    /// For the driver: a reply came. `written` is how many bytes had been written by then. Returns whom to wake.
    pub(super) fn reply(&self, request_id: u64, reply: Reply, written: u64) -> Result<Option<Waker>, Violation> {
        let mut table = self.lock();
        let request_id = if planted::SHORT_ID { request_id & 3 } else { request_id };
        let call = table.calls.get_mut(&request_id).ok_or(Violation::UnknownRequest)?;
        if call.written_at.end > written {
            return Err(Violation::UnknownRequest); // It is still on its way out.
        }
        let waker = match &mut call.state {
            CallState::Replied(_) => return Err(Violation::DuplicateReply),
            // Whoever drives does not look at the table again before it waits.
            CallState::Abandoned { .. } => table.remove(request_id).1,
            CallState::Waiting(waker) => {
                let waker = waker.take();
                call.state = CallState::Replied(reply);
                call.permit = None;
                waker
            }
        };
        table.leader.take_if(|leader| *leader == request_id);
        table.was_useful = true;
        Ok(waker)
    }

    /// For the driver: the server serves nothing above `last_id`, and takes no further calls. Whom to wake goes to `wakers`.
    pub(super) fn go_away(&self, last_id: u64, reason: &DisconnectReason, wakers: &mut Vec<Waker>) {
        let mut table = self.lock();
        if let Phase::Open | Phase::Leaving { .. } = table.phase {
            table.phase = Phase::Leaving { reason: reason.clone() };
        }
        let is_disowned = |id| id > last_id || id == last_id && planted::DISOWNS_LAST;
        table.lose(|id, _| is_disowned(id).then_some(false), reason, wakers);
        wakers.extend(table.depose());
    }

    /// For the driver: the connection is gone, with everything in flight. Whom to wake goes to `wakers`.
    pub(super) fn close(&self, reason: DisconnectReason, written: u64, wakers: &mut Vec<Waker>) {
        let mut table = self.lock();
        let reason = match std::mem::replace(&mut table.phase, Phase::Closed) {
            Phase::Closed => return,
            Phase::Leaving { reason } => reason,
            Phase::Open => reason,
        };
        table.lose(|_, start| Some(start < written), &reason, wakers);
        table.outgoing = BytesMut::new();
        // It has to see that it is over.
        wakers.extend(table.depose());
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

    /// The reply, or what its caller does until it comes. `is_unheeded` tells whether the background task does not know
    /// of the call's request yet, which it then does, or its caller leads. `caller` is left to be woken, unless it was in the
    /// same poll: if it was woken since, it must stay so, or nobody could tell that it has not looked yet.
    fn poll_reply(&self, request_id: u64, is_unheeded: &mut bool, caller: Option<&Waker>) -> Standing {
        let mut table = self.lock();
        let call = table.calls.get_mut(&request_id).expect("a call is in the table until its ticket is done");
        if let CallState::Waiting(waker) = &mut call.state {
            if let Some(caller) = caller {
                keep(waker, caller);
            }
            let can_spare = |permit: &OwnedSemaphorePermit| permit.semaphore().available_permits() > 0;
            let nobody_waits = call.permit.as_ref().is_some_and(can_spare);
            let is_unheeded = std::mem::take(is_unheeded);
            if nobody_waits && table.calls.len() == 1 && matches!(table.phase, Phase::Open) {
                table.leader = Some(request_id);
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
        let waker = self.lock().waker_of_driver();
        wake(waker);
    }
}

impl Table {
    fn queue(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) {
        let before = self.outgoing.len();
        put_frame(&mut self.outgoing, kind, request_id, payload);
        self.queued += (self.outgoing.len() - before) as u64;
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
        let is_over = self.calls.is_empty() && matches!(self.phase, Phase::Leaving { .. });
        (call, if is_over { self.background.take() } else { None })
    }

    /// Ends the calls for which `may_have_run` has an answer.
    fn lose(
        &mut self,
        may_have_run: impl Fn(u64, u64) -> Option<bool>,
        reason: &DisconnectReason,
        wakers: &mut Vec<Waker>,
    ) {
        self.calls.retain(|id, call| {
            let Some(may_have_run) = may_have_run(*id, call.written_at.start) else { return true };
            match &mut call.state {
                CallState::Abandoned { .. } => return false,
                CallState::Replied(_) => {}
                CallState::Waiting(waker) => {
                    wakers.extend(waker.take());
                    call.state =
                        CallState::Replied(Err(CallError::Disconnected { may_have_run, reason: reason.clone() }));
                    call.permit = None;
                }
            }
            true
        });
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

impl Future for Ticket {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let Self { connection, request_id, is_unheeded, is_done } = &mut *self;
        let mut standing = connection.poll_reply(*request_id, is_unheeded, Some(cx.waker()));
        if let Standing::Leads = standing {
            if !connection.lead(*request_id, cx) {
                // Whoever is at it may not have seen this call.
                connection.depose();
                return Poll::Pending;
            }
            standing = connection.poll_reply(*request_id, is_unheeded, None);
        }
        match standing {
            Standing::Done(reply) => {
                *is_done = true;
                Poll::Ready(reply)
            }
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
