//! [`Driver`]: the task of one connection. It writes what callers queued, reads replies, and wakes the callers.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::builder::ClientLimits;
use super::connection::{Connection, Outlook};
use super::{CallError, DisconnectReason};
use crate::alarm::Alarm;
use crate::cbor;
use crate::frame::{Frame, FrameKind};
use crate::frame_io::FrameIo;
use crate::goaway::{self, reason};
use crate::remote_error::RemoteError;
use crate::transport::ByteStream;

pub(super) struct Driver {
    connection: Arc<Connection>,
    frames: FrameIo<Box<dyn ByteStream>>,
    limits: ClientLimits,
    liveness: Liveness,
    alarm: Alarm,
    /// Callers to wake when a batch of replies is dealt out.
    wakers: Vec<Waker>,
    phase: Phase,
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
    pub(super) fn new(io: Box<dyn ByteStream>, connection: Arc<Connection>, limits: ClientLimits) -> Self {
        Self {
            connection,
            frames: FrameIo::new(io, limits.max_payload_len),
            limits,
            liveness: Liveness { look_at: None, heard: false, ping: None, pings: 0 },
            alarm: Alarm::default(),
            wakers: Vec::new(),
            phase: Phase::Open,
        }
    }

    /// One round of writing and reading; `Err` is why the connection ends.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, DisconnectReason> {
        let frames = &mut self.frames;
        let outlook = self.connection.take_outgoing(|outgoing| frames.queue_all(outgoing), cx);
        let written = self.frames.poll_write(cx).map_err(io_failed)?;
        self.watch(&outlook, cx)?;
        match &self.phase {
            Phase::Closing { reason, .. } if written.is_ready() => {
                let _ = self.frames.poll_shutdown(cx);
                return Err(reason.clone());
            }
            Phase::Closing { .. } => return Ok(Poll::Pending),
            Phase::Open => {}
        }
        if outlook.is_leaving && !outlook.is_busy {
            // What is unwritten nobody waits for: a server that does not read it must not keep it here.
            if written.is_ready() {
                let _ = self.frames.poll_shutdown(cx);
            }
            return Err(DisconnectReason::Left);
        }
        self.read(cx)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, DisconnectReason> {
        match self.frames.poll_read(cx) {
            Poll::Ready(Ok(0)) if self.frames.is_inside_frame() => Err(DisconnectReason::Truncated),
            Poll::Ready(Ok(0)) => Err(DisconnectReason::Closed),
            Poll::Ready(Err(error)) => Err(io_failed(error)),
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(_)) => {
                self.liveness.heard = true;
                let dealt = self.deal();
                self.wakers.drain(..).for_each(Waker::wake);
                if let Err(violation) = dealt {
                    self.abort(violation)?;
                }
                Ok(Poll::Ready(()))
            }
        }
    }

    /// Deals the replies that have arrived to their callers.
    fn deal(&mut self) -> Result<(), RemoteError> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => {
                    self.on_frame(frame).map_err(|message| RemoteError::new(reason::PROTOCOL_ERROR, message))?;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    let code = goaway::reason_of(&error).unwrap_or(reason::PROTOCOL_ERROR);
                    return Err(RemoteError::new(code, error.to_string()));
                }
            }
        }
    }

    fn on_frame(&mut self, frame: Frame) -> Result<(), String> {
        let reply = match frame.kind {
            FrameKind::Response => Ok(frame.payload),
            FrameKind::Error => Err(CallError::Remote(decode_error(&frame)?)),
            FrameKind::GoAway => {
                let error = decode_error(&frame)?;
                self.connection.go_away(frame.request_id, &DisconnectReason::GoAway(error));
                return Ok(());
            }
            FrameKind::Pong if self.liveness.ping == Some(frame.request_id) => {
                self.liveness.ping = None;
                return Ok(());
            }
            kind => return Err(format!("a server sends no such {kind:?}")),
        };
        let waker = self.connection.reply(frame.request_id, reply, self.frames.written());
        self.wakers.extend(waker.map_err(|violation| violation.to_string())?);
        Ok(())
    }

    /// The server broke a rule: say so, then end. The calls end now; nothing it says is trusted any more.
    ///
    /// With requests unwritten it ends without a word: their callers are told that nothing was sent, so nothing may be.
    fn abort(&mut self, violation: RemoteError) -> Result<(), DisconnectReason> {
        let goodbye = goaway::encode_error(&violation);
        let reason = DisconnectReason::Violation(violation);
        self.connection.close(reason.clone(), self.frames.written());
        if self.frames.queued() > 0 {
            return Err(reason);
        }
        self.frames.queue(FrameKind::GoAway, 0, &goodbye);
        self.phase = Phase::Closing { reason, until: Instant::now() + self.limits.stall_timeout };
        Ok(())
    }

    /// Looks at the timeouts.
    fn watch(&mut self, outlook: &Outlook, cx: &mut Context<'_>) -> Result<(), DisconnectReason> {
        if outlook.is_busy && self.liveness.look_at.is_none() {
            self.liveness.look_at = Some(Instant::now() + self.limits.liveness_interval);
            self.liveness.heard = true;
        }
        while self.alarm.has_passed(self.next_timeout(), cx) {
            let now = Instant::now();
            if matches!(self.phase, Phase::Closing { until, .. } if until <= now) {
                return Err(DisconnectReason::TooSlow);
            }
            if self.stalls_at().is_some_and(|at| at <= now) {
                return Err(DisconnectReason::TooSlow);
            }
            if self.liveness.look_at.is_some_and(|at| at <= now) {
                self.check_liveness(outlook.is_busy, now)?;
            }
        }
        Ok(())
    }

    fn check_liveness(&mut self, is_busy: bool, now: Instant) -> Result<(), DisconnectReason> {
        let interval = self.limits.liveness_interval;
        self.liveness.look_at = is_busy.then(|| now + interval);
        if !is_busy {
            return Ok(());
        }
        if now.checked_sub(interval * FORGOTTEN_INTERVALS).is_some_and(|limit| self.connection.has_forgotten(limit)) {
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
        self.connection.queue_ping(self.liveness.pings);
        Ok(())
    }

    fn next_timeout(&self) -> Option<Instant> {
        let closing = match self.phase {
            Phase::Closing { until, .. } => Some(until),
            Phase::Open => None,
        };
        [closing, self.liveness.look_at, self.stalls_at()].into_iter().flatten().min()
    }

    fn stalls_at(&self) -> Option<Instant> {
        self.frames.stalls_at(self.limits.stall_timeout, self.limits.stall_timeout)
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS_PER_POLL {
            match self.turn(cx) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Err(reason) => {
                    let written = self.frames.written();
                    self.connection.close(reason, written);
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Without this, a runtime that ends first would leave callers of another one waiting.
        self.connection.close(DisconnectReason::RuntimeEnded, self.frames.written());
    }
}

fn decode_error(frame: &Frame) -> Result<RemoteError, String> {
    cbor::decode(&frame.payload).map_err(|error| format!("a malformed {:?}: {error}", frame.kind))
}

fn io_failed(error: io::Error) -> DisconnectReason {
    DisconnectReason::Io(Arc::new(error))
}

const TURNS_PER_POLL: usize = 16;
/// After this many liveness intervals, a cancelled request that the server never answered ends the connection.
const FORGOTTEN_INTERVALS: u32 = 3;
