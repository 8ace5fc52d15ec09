//! [`Connection`]: the calls of one connection, shared by their callers and whoever drives it.
//!
//! A call costs no task and no channel: its caller leaves a waker in the table, and the driver leaves the reply; or the
//! caller drives itself, and finds the reply in its turn's [`Aftermath`]. Who drives is told in [`driving`](super::driving).

mod table;
mod ticket;

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use tokio::runtime::{self, Handle};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use self::table::{Call, CallState, Phase, Table};
pub(super) use self::ticket::Ticket;
use super::aftermath::{Aftermath, LedReply};
use super::driving::Seat;
use super::{CallError, DisconnectReason};
use crate::byte_queue::ByteQueue;
use crate::cbor::EncodedRequest;
use crate::frame::FrameKind;
use crate::planted;

/// A response, still encoded, or what went wrong.
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

    /// Whether this is called in the runtime that its stream belongs to.
    fn is_in_its_runtime(&self) -> bool {
        self.runtime.is_some() && self.runtime == this_runtime()
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
        Ok(Ticket::new(self, request_id, is_alone))
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
        let replaced = background.and_then(|waker| keep(&mut table.background, waker));
        let outlook = Outlook {
            is_busy: !table.calls.is_empty(),
            is_leaving: matches!(table.phase, Phase::Leaving { .. }),
            was_woken: std::mem::take(&mut table.was_woken),
            deadline: table.timed.map(|(_, deadline)| deadline),
        };
        drop(table);
        drop(replaced);
        outlook
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

    /// For the driver: a reply came. `written` is how many bytes had been written by then, and `leader` the call whose caller
    /// drives. That one finds its reply in the aftermath; for others it is left in the table.
    pub(super) fn reply(
        &self,
        request_id: u64,
        reply: Reply,
        written: u64,
        leader: Option<u64>,
        after: &mut Aftermath,
    ) -> Result<(), Violation> {
        let mut table = self.lock();
        let request_id = if planted::SHORT_ID { request_id & 3 } else { request_id };
        let Entry::Occupied(mut entry) = table.calls.entry(request_id) else {
            return Err(Violation::UnknownRequest);
        };
        let call = entry.get_mut();
        if call.written_at.end > written {
            return Err(Violation::UnknownRequest); // It is still on its way out.
        }
        // Whoever drives does not look at the table again before it waits, hence `over`.
        match &mut call.state {
            CallState::Replied(_) => return Err(Violation::DuplicateReply),
            CallState::Abandoned { .. } => {
                after.permits.extend(entry.remove().permit);
                after.wakers.extend(table.over());
            }
            CallState::Waiting(_) if leader == Some(request_id) => {
                let call = entry.remove();
                let waker = if let CallState::Waiting(waker) = call.state { waker } else { None };
                after.reply = Some(LedReply { reply, permit: call.permit, waker });
                after.wakers.extend(table.over());
            }
            CallState::Waiting(waker) => {
                after.wakers.extend(waker.take());
                after.permits.extend(call.permit.take());
                call.state = CallState::Replied(reply);
            }
        }
        table.leader.take_if(|leading| *leading == request_id);
        table.timed.take_if(|(timed, _)| *timed == request_id);
        table.was_useful = true;
        Ok(())
    }

    /// For the driver: the server serves nothing above `last_id`, and takes no further calls.
    pub(super) fn go_away(&self, last_id: u64, reason: &DisconnectReason, after: &mut Aftermath) {
        let mut table = self.lock();
        if let Phase::Open | Phase::Leaving { .. } = table.phase {
            table.phase = Phase::Leaving { reason: reason.clone() };
        }
        let is_disowned = |id| id > last_id || id == last_id && planted::DISOWNS_LAST;
        table.lose(|id, _| is_disowned(id).then_some(false), reason, after);
        after.wakers.extend(table.depose());
    }

    /// For the driver: the connection is gone, with everything in flight.
    pub(super) fn close(&self, reason: DisconnectReason, written: u64, after: &mut Aftermath) {
        let mut table = self.lock();
        let reason = match std::mem::replace(&mut table.phase, Phase::Closed) {
            Phase::Closed => return,
            Phase::Leaving { reason } => reason,
            Phase::Open => reason,
        };
        table.lose(|_, start| Some(start < written), &reason, after);
        table.outgoing = ByteQueue::default();
        // It has to see that it is over.
        after.wakers.extend(table.depose());
        drop(table);
        // What an error carries may be code of others, too.
        drop(reason);
    }

    /// For the driver: whether the server has left an abandoned call unanswered since before `limit`.
    pub(super) fn has_forgotten(&self, limit: Instant) -> bool {
        let is_forgotten = |call: &Call| matches!(call.state, CallState::Abandoned { since } if since < limit);
        self.lock().calls.values().any(is_forgotten)
    }

    /// Nobody waits for the reply any more.
    fn abandon(&self, request_id: u64) {
        let mut table = self.lock();
        let Some(call) = table.calls.get_mut(&request_id) else { return };
        let (background, state) = if let CallState::Replied(_) = call.state {
            let (call, background) = table.remove(request_id);
            (background, call.map(|call| call.state))
        } else {
            let state = std::mem::replace(&mut call.state, CallState::Abandoned { since: Instant::now() });
            table.queue(FrameKind::Cancel, request_id, &[]);
            // It may have been this call's caller that was woken.
            (table.depose(), Some(state))
        };
        drop(table);
        wake(background);
        drop(state);
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
            let replaced = keep(waker, caller);
            let can_spare = |permit: &OwnedSemaphorePermit| permit.semaphore().available_permits() > 0;
            let nobody_waits = call.permit.as_ref().is_some_and(can_spare);
            let is_unheeded = std::mem::take(is_unheeded);
            if nobody_waits && table.calls.len() == 1 && matches!(table.phase, Phase::Open) {
                table.leader = Some(request_id);
                if let Some(deadline) = deadline {
                    table.timed = Some((request_id, deadline));
                }
                drop(table);
                drop(replaced);
                return Standing::Leads;
            }
            let had_led = table.leader == Some(request_id);
            let background = if is_unheeded || had_led { table.depose() } else { None };
            drop(table);
            wake(background);
            drop(replaced);
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
        // Wakers are neither woken nor dropped under the lock, since a task may end with its last waker, and a call of this
        // connection with it. They are cloned there, before anything is changed; no other code of others runs, so that a
        // poisoned table is still a whole one.
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

/// What a call's caller is to its connection.
enum Standing {
    Done(Reply),
    /// Others drive, and wake it.
    Follows,
    /// It drives, and is woken for it.
    Leads,
}

/// What a server must not reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("the server answered a request twice")]
    DuplicateReply,
    #[error("the server answered a request that was not made")]
    UnknownRequest,
}

fn this_runtime() -> Option<runtime::Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// Remembers a waker, and returns another one that it takes the place of.
#[must_use]
fn keep(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(kept) if kept.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
