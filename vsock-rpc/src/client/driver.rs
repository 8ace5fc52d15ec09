//! [`Driver`]: the stream of one connection. It writes what callers queued, reads replies, and tells which callers to wake.
//!
//! Who polls it is told in [`driving`](super::driving).

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::aftermath::Aftermath;
use super::builder::ClientLimits;
use super::connection::{Connection, Outlook, Violation};
use super::{CallError, DisconnectReason};
use crate::alarm::{Alarm, earlier};
use crate::cbor;
use crate::frame::{FrameHeader, FrameKind};
use crate::frame_io::FrameIo;
use crate::goaway::{self, reason};
use crate::remote_error::RemoteError;
use crate::spare;
use crate::transport::ByteStream;

pub(super) struct Driver {
    frames: FrameIo<Box<dyn ByteStream>>,
    /// Whether the last read found nothing: the stream then wakes the connection before there is any use in another one.
    is_dry: bool,
    limits: ClientLimits,
    liveness: Liveness,
    alarm: Alarm,
    phase: Phase,
}

/// Who drives, and whom the turn is for.
#[derive(Clone, Copy)]
pub(super) enum Hand<'a> {
    /// The background task, with its waker.
    Background(&'a Waker),
    /// The caller of this request, which takes its reply from the turn.
    Leader(u64),
    /// A caller that is about to make a call.
    Visitor,
}

/// One turn's surroundings.
pub(super) struct Turn<'a> {
    pub(super) connection: &'a Connection,
    pub(super) hand: Hand<'a>,
    pub(super) after: &'a mut Aftermath,
}

enum Phase {
    Open,
    /// The last frames are being written.
    Closing {
        reason: DisconnectReason,
        until: Instant,
    },
}

/// Whether the server shows signs of life while calls are in flight. Looked at once an interval, so that a call
/// costs no look at the clock.
struct Liveness {
    /// When to look next; `None` while nothing is in flight.
    look_at: Option<Instant>,
    heard: bool,
    ping: Option<u64>,
    pings: u64,
}

impl Driver {
    /// To be made where the background task is spawned: the timer belongs to that runtime.
    pub(super) fn new(io: Box<dyn ByteStream>, limits: ClientLimits) -> Self {
        Self {
            frames: FrameIo::new(io, limits.max_payload_len),
            is_dry: false,
            limits,
            liveness: Liveness { look_at: None, heard: false, ping: None, pings: 0 },
            alarm: Alarm::of_this_runtime(),
            phase: Phase::Open,
        }
    }

    /// How many bytes were written since the connection began.
    pub(super) fn written(&self) -> u64 {
        self.frames.written()
    }

    /// One round of writing and reading; ready if there may be more to do. `Err` is why the connection ends.
    pub(super) fn turn(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> Result<Poll<()>, DisconnectReason> {
        let background = if let Hand::Background(waker) = turn.hand { Some(waker) } else { None };
        let frames = &mut self.frames;
        let outlook = turn.connection.take_outgoing(|outgoing| frames.queue_all(outgoing), background);
        let written = self.frames.poll_write(cx).map_err(io_failed)?;
        let read = match &self.phase {
            Phase::Closing { reason, .. } if written.is_ready() => {
                let _ = self.frames.poll_shutdown(cx);
                return Err(reason.clone());
            }
            Phase::Closing { .. } => Poll::Pending,
            Phase::Open if outlook.is_leaving && !outlook.is_busy => {
                // What is unwritten nobody waits for: a server that does not read it must not keep it here.
                if written.is_ready() {
                    let _ = self.frames.poll_shutdown(cx);
                }
                return Err(DisconnectReason::Left);
            }
            Phase::Open if self.is_dry && !outlook.was_woken => Poll::Pending,
            Phase::Open => self.read(turn, cx)?,
        };
        // Last: what has come already must not count as missing because nobody drove for a while.
        self.watch(turn, outlook, cx)?;
        Ok(read)
    }

    /// Reads once, and once more to see whether that was all, without which nobody is woken for what comes next.
    fn read(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> Result<Poll<()>, DisconnectReason> {
        for _ in 0..READS_PER_TURN {
            match self.frames.poll_read(cx) {
                Poll::Ready(Ok(0)) if self.frames.is_inside_frame() => return Err(DisconnectReason::Truncated),
                Poll::Ready(Ok(0)) => return Err(DisconnectReason::Closed),
                Poll::Ready(Err(error)) => return Err(io_failed(error)),
                Poll::Pending => {
                    // With the budget used up the stream was not asked, and may not know whom to wake.
                    self.is_dry = has_budget_remaining();
                    return Ok(Poll::Pending);
                }
                Poll::Ready(Ok(_)) => {
                    self.is_dry = false;
                    self.liveness.heard = true;
                    if let Err(violation) = self.deal(turn) {
                        self.abort(violation, turn)?;
                        break;
                    }
                }
            }
        }
        Ok(Poll::Ready(()))
    }

    /// Deals the replies that have arrived to their callers.
    fn deal(&mut self, turn: &mut Turn<'_>) -> Result<(), RemoteError> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(header)) => {
                    self.on_frame(header, turn).map_err(|message| RemoteError::new(reason::PROTOCOL_ERROR, message))?;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    let code = goaway::reason_of(&error).unwrap_or(reason::PROTOCOL_ERROR);
                    return Err(RemoteError::new(code, error.to_string()));
                }
            }
        }
    }

    fn on_frame(&mut self, header: FrameHeader, turn: &mut Turn<'_>) -> Result<(), String> {
        let FrameHeader { kind, request_id, .. } = header;
        let reply = match kind {
            FrameKind::Response => Ok(spare::copy(self.frames.payload())),
            FrameKind::Error => Err(CallError::Remote(self.decode_error(kind)?)),
            FrameKind::GoAway => {
                let error = self.decode_error(kind)?;
                turn.connection.go_away(request_id, &DisconnectReason::GoAway(error), turn.after);
                return Ok(());
            }
            FrameKind::Pong if self.liveness.ping == Some(request_id) => {
                self.liveness.ping = None;
                return Ok(());
            }
            kind => return Err(format!("a server sends no such {kind:?}")),
        };
        let leader = if let Hand::Leader(id) = turn.hand { Some(id) } else { None };
        // The call is out of the table already, and would count as unknown.
        if turn.after.reply.is_some() && leader == Some(request_id) {
            return Err(Violation::DuplicateReply.to_string());
        }
        let delivered = turn.connection.reply(request_id, reply, self.frames.written(), leader, turn.after);
        delivered.map_err(|violation| violation.to_string())
    }

    fn decode_error(&self, kind: FrameKind) -> Result<RemoteError, String> {
        cbor::decode(self.frames.payload()).map_err(|error| format!("a malformed {kind:?}: {error}"))
    }

    /// The server broke a rule: say so, then end. The calls end now; nothing it says is trusted any more.
    ///
    /// With requests unwritten it ends without a word: their callers are told that nothing was sent, so nothing may be.
    fn abort(&mut self, violation: RemoteError, turn: &mut Turn<'_>) -> Result<(), DisconnectReason> {
        let goodbye = goaway::encode_error(&violation);
        let reason = DisconnectReason::Violation(violation);
        turn.connection.close(reason.clone(), self.frames.written(), turn.after);
        if self.frames.queued() > 0 {
            return Err(reason);
        }
        self.frames.queue(FrameKind::GoAway, 0, &goodbye);
        self.frames.discard_input();
        self.phase = Phase::Closing { reason, until: Instant::now() + self.limits.stall_timeout };
        Ok(())
    }

    /// Looks at the timeouts.
    fn watch(
        &mut self,
        turn: &mut Turn<'_>,
        mut outlook: Outlook,
        cx: &mut Context<'_>,
    ) -> Result<(), DisconnectReason> {
        if outlook.is_busy && self.liveness.look_at.is_none() {
            self.liveness.look_at = Some(Instant::now() + self.limits.liveness_interval);
            self.liveness.heard = true;
        }
        while self.alarm.has_passed(earlier(self.next_timeout(), outlook.deadline), cx) {
            let now = Instant::now();
            if matches!(self.phase, Phase::Closing { until, .. } if until <= now) {
                return Err(DisconnectReason::TooSlow);
            }
            if self.stalls_at().is_some_and(|at| at <= now) {
                return Err(DisconnectReason::TooSlow);
            }
            if self.liveness.look_at.is_some_and(|at| at <= now) {
                self.check_liveness(turn.connection, outlook.is_busy, now)?;
            }
            if outlook.deadline.take_if(|at| *at <= now).is_some() {
                turn.after.wakers.extend(turn.connection.wake_timed(now));
            }
        }
        Ok(())
    }

    fn check_liveness(&mut self, connection: &Connection, is_busy: bool, now: Instant) -> Result<(), DisconnectReason> {
        let interval = self.limits.liveness_interval;
        self.liveness.look_at = is_busy.then(|| now + interval);
        if !is_busy {
            return Ok(());
        }
        if now.checked_sub(interval * FORGOTTEN_INTERVALS).is_some_and(|limit| connection.has_forgotten(limit)) {
            return Err(DisconnectReason::CancelUnanswered);
        }
        if std::mem::take(&mut self.liveness.heard) {
            return Ok(());
        }
        if self.liveness.ping.is_some() {
            return Err(DisconnectReason::Silent);
        }
        self.liveness.pings += 1;
        self.liveness.ping = Some(self.liveness.pings);
        connection.queue_ping(self.liveness.pings);
        Ok(())
    }

    fn next_timeout(&self) -> Option<Instant> {
        let closing = match self.phase {
            Phase::Closing { until, .. } => Some(until),
            Phase::Open => None,
        };
        earlier(closing, earlier(self.liveness.look_at, self.stalls_at()))
    }

    fn stalls_at(&self) -> Option<Instant> {
        self.frames.stalls_at(self.limits.stall_timeout, self.limits.stall_timeout)
    }
}

fn io_failed(error: io::Error) -> DisconnectReason {
    DisconnectReason::Io(Arc::new(error))
}

const READS_PER_TURN: usize = 2;
/// After this many liveness intervals, a cancelled request that the server never answered ends the connection.
const FORGOTTEN_INTERVALS: u32 = 3;
