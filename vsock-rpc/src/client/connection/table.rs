//! [`Table`]: the calls of one connection, and what they have to say to its server.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::task::Waker;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Reply;
use crate::byte_queue::ByteQueue;
use crate::client::aftermath::Aftermath;
use crate::client::{CallError, DisconnectReason};
use crate::frame::FrameKind;

/// What callers and the driver share.
#[derive(Default)]
pub(super) struct Table {
    pub(super) calls: HashMap<u64, Call, BuildHasherDefault<IdHasher>>,
    pub(super) phase: Phase,
    pub(super) last_id: u64,
    /// Frames for the driver to write.
    pub(super) outgoing: ByteQueue,
    /// Bytes of frames made since the connection began, to compare with those written.
    pub(super) queued: u64,
    /// The background task; `None` if it was woken since it last began a turn.
    pub(super) background: Option<Waker>,
    /// The call whose caller drives, instead of the background task: the only one in the table.
    pub(super) leader: Option<u64>,
    /// The call that the connection's alarm wakes at its deadline, if it still waits.
    pub(super) timed: Option<(u64, Instant)>,
    /// Whether the stream or a timer woke the connection since the last turn began.
    pub(super) was_woken: bool,
    /// Whether a call was ever answered on this connection.
    pub(super) was_useful: bool,
}

#[derive(Default)]
pub(super) enum Phase {
    #[default]
    Open,
    /// No new calls; those in flight may still be answered.
    Leaving {
        reason: DisconnectReason,
    },
    Closed,
}

pub(super) struct Call {
    pub(super) state: CallState,
    /// Where the request begins in the stream of all bytes, and where it ends.
    pub(super) written_at: Range<u64>,
    /// The call's share of the client's bound. An abandoned call keeps it until the server has answered, or else a
    /// caller that cancels could have the server work on any number.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

pub(super) enum CallState {
    Abandoned { since: Instant },
    Replied(Reply),
    Waiting(Option<Waker>),
}

impl Table {
    /// Queues a frame whose payload is known to be within the limits.
    pub(super) fn queue(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) {
        let before = self.outgoing.len();
        self.outgoing.put_frame(kind, request_id, payload);
        self.queued += (self.outgoing.len() - before) as u64;
    }

    /// Whether the caller that drives was woken and has not come yet.
    pub(super) fn has_late_leader(&self) -> bool {
        let leader = self.leader.and_then(|id| self.calls.get(&id));
        leader.is_some_and(|call| matches!(call.state, CallState::Waiting(None)))
    }

    /// No caller drives from here on: the background task does, and is to be woken.
    pub(super) fn depose(&mut self) -> Option<Waker> {
        self.leader = None;
        self.background.take()
    }

    /// Whom to wake when the stream or a timer has something to do; `None` if that one is woken already.
    pub(super) fn waker_of_driver(&mut self) -> Option<Waker> {
        match self.leader.and_then(|leader| self.calls.get_mut(&leader)) {
            Some(Call { state: CallState::Waiting(waker), .. }) => waker.take(),
            _ => self.background.take(),
        }
    }

    /// Removes a call, and tells whom to wake if that was all that a connection waited for.
    pub(super) fn remove(&mut self, request_id: u64) -> (Option<Call>, Option<Waker>) {
        let call = self.calls.remove(&request_id);
        (call, self.over())
    }

    /// Whom to wake if all calls are gone that a connection waited for.
    pub(super) fn over(&mut self) -> Option<Waker> {
        let is_over = self.calls.is_empty() && matches!(self.phase, Phase::Leaving { .. });
        if is_over { self.background.take() } else { None }
    }

    /// Ends the calls for which `may_have_run` has an answer.
    pub(super) fn lose(
        &mut self,
        may_have_run: impl Fn(u64, u64) -> Option<bool>,
        reason: &DisconnectReason,
        after: &mut Aftermath,
    ) {
        self.calls.retain(|id, call| {
            let Some(may_have_run) = may_have_run(*id, call.written_at.start) else { return true };
            after.permits.extend(call.permit.take());
            match &mut call.state {
                CallState::Abandoned { .. } => return false,
                CallState::Replied(_) => {}
                CallState::Waiting(waker) => {
                    after.wakers.extend(waker.take());
                    call.state =
                        CallState::Replied(Err(CallError::Disconnected { may_have_run, reason: reason.clone() }));
                }
            }
            true
        });
    }
}

/// Request ids are this side's own and rise by one: nobody can choose them to collide.
#[derive(Default)]
pub(super) struct IdHasher(u64);

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

const ODD_FRACTION_OF_GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
