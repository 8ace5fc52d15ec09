//! [`Connection`]: the calls of one connection, shared by their callers and the task that drives it.
//!
//! A call costs no task and no channel: its caller leaves a waker in the table, and the driver leaves the reply.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{CallError, DisconnectReason};
use crate::cbor::EncodedRequest;
use crate::frame::FrameKind;
use crate::frame_io::put_frame;
use crate::planted;

pub(super) type Reply = Result<Bytes, CallError>;

/// The table, behind a lock that is held for moments only.
#[derive(Default)]
pub(super) struct Connection {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    calls: HashMap<u64, Call>,
    phase: Phase,
    last_id: u64,
    /// Frames for the driver to write.
    outgoing: BytesMut,
    /// Bytes of frames made since the connection began, to compare with those written.
    queued: u64,
    driver: Option<Waker>,
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
        let driver = table.queue(FrameKind::Request, request_id, request.payload());
        let (state, written_at) = (CallState::Waiting(None), start..table.queued);
        table.calls.insert(request_id, Call { state, written_at, permit: Some(permit) });
        drop(table);
        wake(driver);
        Ok(Ticket { connection: Arc::clone(self), request_id, is_done: false })
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
        let driver = table.driver.take();
        drop(table);
        wake(driver);
    }

    /// For the driver: moves what is to be written, and remembers whom to wake for more.
    pub(super) fn take_outgoing(&self, take: impl FnOnce(&mut BytesMut), cx: &mut Context<'_>) -> Outlook {
        let mut table = self.lock();
        if !table.outgoing.is_empty() {
            take(&mut table.outgoing);
        }
        match &mut table.driver {
            Some(waker) => waker.clone_from(cx.waker()),
            driver => *driver = Some(cx.waker().clone()),
        }
        Outlook { is_busy: !table.calls.is_empty(), is_leaving: matches!(table.phase, Phase::Leaving { .. }) }
    }

    /// For the driver: queues a frame of its own, to be taken at its next turn.
    pub(super) fn queue_ping(&self, id: u64) {
        let driver = self.lock().queue(FrameKind::Ping, id, &[]);
        wake(driver);
    }

    /// For the driver: a reply came. `written` is how many bytes had been written by then.
    pub(super) fn reply(&self, request_id: u64, reply: Reply, written: u64) -> Result<Option<Waker>, Violation> {
        let mut table = self.lock();
        let request_id = if planted::SHORT_ID { request_id & 3 } else { request_id };
        let call = table.calls.get_mut(&request_id).ok_or(Violation::UnknownRequest)?;
        if call.written_at.end > written {
            return Err(Violation::UnknownRequest); // It is still on its way out.
        }
        let waker = match &mut call.state {
            CallState::Replied(_) => return Err(Violation::DuplicateReply),
            CallState::Abandoned { .. } => {
                table.calls.remove(&request_id);
                None
            }
            CallState::Waiting(waker) => {
                let waker = waker.take();
                call.state = CallState::Replied(reply);
                call.permit = None;
                waker
            }
        };
        table.was_useful = true;
        Ok(waker)
    }

    /// For the driver: the server serves nothing above `last_id`, and takes no further calls.
    pub(super) fn go_away(&self, last_id: u64, reason: &DisconnectReason) {
        let mut table = self.lock();
        if let Phase::Open | Phase::Leaving { .. } = table.phase {
            table.phase = Phase::Leaving { reason: reason.clone() };
        }
        let is_disowned = |id| id > last_id || id == last_id && planted::DISOWNS_LAST;
        let wakers = table.lose(|id, _| is_disowned(id).then_some(false), reason);
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// For the driver: the connection is gone, with everything in flight.
    pub(super) fn close(&self, reason: DisconnectReason, written: u64) {
        let mut table = self.lock();
        let reason = match std::mem::replace(&mut table.phase, Phase::Closed) {
            Phase::Closed => return,
            Phase::Leaving { reason } => reason,
            Phase::Open => reason,
        };
        let wakers = table.lose(|_, start| Some(start < written), &reason);
        table.outgoing = BytesMut::new();
        table.driver = None;
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// For the driver: whether the server has left an abandoned call unanswered since before `limit`.
    pub(super) fn has_forgotten(&self, limit: Instant) -> bool {
        let is_forgotten = |call: &Call| matches!(call.state, CallState::Abandoned { since } if since < limit);
        self.lock().calls.values().any(is_forgotten)
    }

    fn abandon(&self, request_id: u64) {
        let mut table = self.lock();
        let Some(call) = table.calls.get_mut(&request_id) else { return };
        let driver = if let CallState::Replied(_) = call.state {
            table.remove(request_id).1
        } else {
            call.state = CallState::Abandoned { since: Instant::now() };
            table.queue(FrameKind::Cancel, request_id, &[])
        };
        drop(table);
        wake(driver);
    }

    fn poll_reply(&self, request_id: u64, cx: &mut Context<'_>) -> Poll<Reply> {
        let mut table = self.lock();
        let call = table.calls.get_mut(&request_id).expect("a call is in the table until its ticket is done");
        if let CallState::Waiting(waker) = &mut call.state {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        let (call, driver) = table.remove(request_id);
        drop(table);
        wake(driver);
        match call.map(|call| call.state) {
            Some(CallState::Replied(reply)) => Poll::Ready(reply),
            _ => unreachable!("only a ticket's drop abandons its call"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code of others runs under the lock, so that a poisoned table is still a whole one.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn queue(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) -> Option<Waker> {
        let before = self.outgoing.len();
        put_frame(&mut self.outgoing, kind, request_id, payload);
        self.queued += (self.outgoing.len() - before) as u64;
        self.driver.take()
    }

    /// Removes a call, and tells whom to wake if that was all that a connection waited for.
    fn remove(&mut self, request_id: u64) -> (Option<Call>, Option<Waker>) {
        let call = self.calls.remove(&request_id);
        let is_over = self.calls.is_empty() && matches!(self.phase, Phase::Leaving { .. });
        (call, if is_over { self.driver.take() } else { None })
    }

    /// Ends the calls for which `may_have_run` has an answer.
    fn lose(&mut self, may_have_run: impl Fn(u64, u64) -> Option<bool>, reason: &DisconnectReason) -> Vec<Waker> {
        let mut wakers = Vec::new();
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
        wakers
    }
}

/// A call in flight. Dropping it before the reply cancels the call.
pub(super) struct Ticket {
    connection: Arc<Connection>,
    request_id: u64,
    is_done: bool,
}

impl Future for Ticket {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let polled = self.connection.poll_reply(self.request_id, cx);
        self.is_done = polled.is_ready();
        polled
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

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
