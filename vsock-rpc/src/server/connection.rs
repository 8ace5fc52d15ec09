//! [`Connection`]: one peer's requests, from bytes to answers, on one task.
//!
//! Each turn writes what waits, lets the handlers go on, then reads. A slow reader stops being read from, and is closed
//! when it takes too little for too long; its handlers go on, and their deadlines hold.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::core::ServerCore;
use super::in_flight::{Answered, InFlight, Outcome, deadline_exceeded};
use super::unwritten::Unwritten;
use crate::alarm::{Alarm, earlier};
use crate::cbor;
use crate::fairness::let_others_go_first;
use crate::frame::{FrameError, FrameHeader, FrameKind};
use crate::frame_io::FrameIo;
use crate::goaway::{self, reason};
use crate::method::{CallContext, ConnectionFacts};
use crate::planted;
use crate::remote_error::{RemoteError, code};
use crate::request_place::RequestPlace;
use crate::router::Call;
use crate::seldom::Seldom;
use crate::spare;

pub(super) struct Connection<T> {
    core: Arc<ServerCore>,
    facts: Arc<ConnectionFacts>,
    frames: FrameIo<T>,
    in_flight: InFlight,
    unwritten: Unwritten,
    phase: Phase,
    /// The highest request id seen: ids rise, so that none can come twice.
    last_id: u64,
    /// When bytes came last; deadlines count from here.
    last_read: Instant,
    /// The time, if nothing took any since it was looked at.
    now: Option<Instant>,
    last_answered: Instant,
    alarm: Alarm,
}

enum Phase {
    Open,
    /// A GoAway is sent: what was accepted is still answered, nothing new is accepted.
    Draining,
    /// The last bytes are being written. Then the peer's are discarded until it closes, because closing with bytes
    /// unread can destroy those that it has not read yet.
    Closing {
        until: Instant,
        discarded: usize,
        is_shut_down: bool,
    },
}

/// Where a connection is when it gives its thread back, other than to wait.
enum Pace {
    /// There is more to do: others go first.
    Busy,
    Over,
}

enum Turn {
    Again,
    End,
    Wait,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    pub(super) fn new(core: Arc<ServerCore>, io: T, facts: ConnectionFacts) -> Self {
        Self {
            frames: FrameIo::new(io, facts.max_payload_len()),
            core,
            facts: Arc::new(facts),
            in_flight: InFlight::default(),
            unwritten: Unwritten::default(),
            phase: Phase::Open,
            last_id: 0,
            last_read: Instant::now(),
            now: None,
            last_answered: Instant::now(),
            alarm: Alarm::default(),
        }
    }

    /// Serves until the connection ends; from the moment that `shutdown` is over, drains.
    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let shutdown = pin!(shutdown);
        let shutdown = Seldom::new(shutdown);
        tokio::select! {
            biased;
            () = self.serve_peer() => return,
            () = shutdown => self.go_away(reason::SHUTTING_DOWN, "the server is shutting down"),
        }
        let drain_timeout = self.core.limits.drain_timeout;
        // Dropping what is left after that ends its handlers.
        let _ = tokio::time::timeout(drain_timeout, self.serve_peer()).await;
    }

    /// Turns the peer away. It is told why, and given a moment to read that, unless too many others are just then.
    pub(super) async fn refuse(mut self) {
        let Some(_place) = self.core.admit_refusal() else { return };
        self.abort(reason::TOO_MANY_CONNECTIONS, "the server has too many connections".to_owned());
        self.serve_peer().await;
    }

    /// Until the connection ends.
    async fn serve_peer(&mut self) {
        while let Pace::Busy = poll_fn(|cx| self.poll(cx)).await {
            let_others_go_first().await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Pace> {
        let mut frames_left = FRAMES_PER_POLL;
        self.now = None;
        for _ in 0..TURNS_PER_POLL {
            match self.turn(&mut frames_left, cx) {
                Turn::Again => {}
                Turn::End => return Poll::Ready(Pace::Over),
                // Last, because the turn may have brought a timeout about.
                Turn::Wait if self.alarm.has_passed(self.next_timeout(), cx) => match self.on_timeout() {
                    Turn::End => return Poll::Ready(Pace::Over),
                    Turn::Again | Turn::Wait => {}
                },
                Turn::Wait => return Poll::Pending,
            }
        }
        if self.alarm.has_passed(self.next_timeout(), cx) && matches!(self.on_timeout(), Turn::End) {
            return Poll::Ready(Pace::Over);
        }
        Poll::Ready(Pace::Busy)
    }

    fn turn(&mut self, frames_left: &mut usize, cx: &mut Context<'_>) -> Turn {
        let all_written = match self.write(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => return Turn::End,
            Poll::Pending => false,
        };
        if let Phase::Closing { .. } = self.phase {
            return if all_written { self.poll_close(cx) } else { Turn::Wait };
        }
        if all_written && self.is_drained() {
            self.begin_close();
            return Turn::Again;
        }
        self.collect_answers(cx);
        match self.take_frames(frames_left, cx) {
            // Nothing else would bring the task back to what was queued just now.
            Turn::Wait if all_written && self.frames.queued() > 0 => Turn::Again,
            turn => turn,
        }
    }

    /// Writes what waits, and gives back the places of the answers that are written whole.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.frames.poll_write(cx);
        self.unwritten.release(self.frames.written());
        written
    }

    /// Lets the handlers go on, and queues their answers while the peer takes them.
    fn collect_answers(&mut self, cx: &mut Context<'_>) {
        if self.in_flight.poll(cx) {
            self.now = None;
        }
        let mut any = false;
        while self.frames.queued() < MAX_QUEUED {
            let Some(answered) = self.in_flight.take_answer() else { break };
            self.answer(answered);
            any = true;
        }
        if any {
            self.last_answered = Instant::now();
        }
    }

    fn take_frames(&mut self, left: &mut usize, cx: &mut Context<'_>) -> Turn {
        let (mut any, mut has_read) = (false, false);
        while *left > 0 {
            if self.must_write_first() {
                self.frames.pause_reading();
                return if any { Turn::Again } else { Turn::Wait };
            }
            // A handler may have raised it.
            self.frames.set_max_payload_len(self.facts.max_payload_len());
            match self.frames.next_frame() {
                Ok(Some(header)) => self.on_frame(header, cx),
                // Answers and handlers that just began come before more bytes.
                Ok(None) if any || has_read => return Turn::Again,
                Ok(None) => match self.read(cx) {
                    Turn::Again => {
                        has_read = true;
                        continue;
                    }
                    turn => return turn,
                },
                Err(error) => self.on_frame_error(&error),
            }
            if let Phase::Closing { .. } = self.phase {
                break;
            }
            any = true;
            *left -= 1;
        }
        Turn::Again
    }

    /// Whether the peer has to take answers before anything more is taken from it: bytes, or answers whose places are
    /// needed for its next request. So it is refused none because of answers that were not even offered to it yet. How long
    /// that request is shows only later: room is made for the longest.
    fn must_write_first(&self) -> bool {
        self.frames.queued() >= MAX_QUEUED || (self.unwritten.len() > 0 && !self.has_place())
    }

    fn has_place(&self) -> bool {
        let has_own_place = self.in_flight.len() + self.unwritten.len() < self.core.limits.max_in_flight;
        has_own_place && !self.core.is_full_for(self.facts.max_payload_len())
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Turn {
        match self.frames.poll_read(cx) {
            // Nobody is left to answer: the handlers end with the connection.
            Poll::Ready(Ok(0) | Err(_)) => Turn::End,
            Poll::Ready(Ok(_)) => {
                self.last_read = Instant::now();
                self.now = Some(self.last_read);
                Turn::Again
            }
            Poll::Pending => Turn::Wait,
        }
    }

    fn on_frame(&mut self, FrameHeader { kind, request_id, .. }: FrameHeader, cx: &mut Context<'_>) {
        match kind {
            FrameKind::Request => self.on_request(request_id, cx),
            FrameKind::Cancel => self.in_flight.cancel(request_id),
            FrameKind::Ping => self.frames.queue(FrameKind::Pong, request_id, &[]),
            FrameKind::GoAway => self.phase = Phase::Draining,
            FrameKind::Error | FrameKind::Pong | FrameKind::Response => {
                self.abort(reason::PROTOCOL_ERROR, format!("a client sends no {kind:?}"));
            }
        }
    }

    fn on_request(&mut self, request_id: u64, cx: &mut Context<'_>) {
        if request_id < self.last_id || request_id == self.last_id && !planted::DUPLICATE_ID {
            return self.abort(reason::PROTOCOL_ERROR, "request ids must rise".to_owned());
        }
        if let Phase::Draining = self.phase {
            return; // The GoAway disowned it already.
        }
        self.last_id = request_id;
        match self.serve(request_id, cx) {
            Ok(None) => {}
            Ok(Some(answered)) => self.answer(answered),
            // Refusals take no place: they are short, and MAX_QUEUED bounds them.
            Err(refusal) => self.queue_outcome(request_id, Err(refusal)),
        }
    }

    /// Starts the handler; `Err` if there is none to start, `Ok(Some)` if it answered at once.
    fn serve(&mut self, request_id: u64, cx: &mut Context<'_>) -> Result<Option<Answered>, RemoteError> {
        let payload = self.frames.payload();
        let place = self.admit(payload.len())?;
        let limits = &self.core.limits;
        let parts = cbor::split_request(payload)
            .map_err(|error| RemoteError::new(code::MALFORMED_REQUEST, error.to_string()))?;
        let (method, serve) = self.core.routes.find(parts.method).ok_or_else(|| {
            RemoteError::new(code::UNKNOWN_METHOD, format!("there is no method {:?} here", parts.method))
        })?;
        let deadline = self.last_read + Duration::from_millis(parts.deadline_ms).min(limits.max_deadline);
        if deadline <= self.now.take().unwrap_or_else(Instant::now) {
            return Err(deadline_exceeded());
        }
        let max_response_len = self.facts.max_payload_len();
        let context = CallContext { deadline, method, connection: Arc::clone(&self.facts), request_id };
        let call = Call { context, max_response_len };
        Ok(self.in_flight.start(request_id, deadline, place, |place| serve(call, parts.body, place), cx))
    }

    /// A place among the requests at work and the answers that wait to be written.
    fn admit(&self, payload_len: usize) -> Result<RequestPlace, RemoteError> {
        let max_in_flight = self.core.limits.max_in_flight + usize::from(planted::ONE_TOO_MANY);
        if self.in_flight.len() + self.unwritten.len() >= max_in_flight {
            return Err(overloaded("this connection has too many requests in flight"));
        }
        self.core.admit_request(payload_len).map_err(overloaded)
    }

    fn answer(&mut self, Answered { request_id, outcome, place }: Answered) {
        self.queue_outcome(request_id, outcome);
        self.unwritten.hold(self.frames.written() + self.frames.queued() as u64, place);
    }

    fn queue_outcome(&mut self, request_id: u64, outcome: Outcome) {
        match outcome {
            Ok(payload) => {
                self.frames.queue(FrameKind::Response, request_id, &payload);
                spare::give_back(payload);
            }
            Err(error) => {
                let payload = goaway::encode_error(&error);
                self.frames.queue(FrameKind::Error, request_id, &payload);
                spare::give_back(payload);
            }
        }
    }

    fn on_frame_error(&mut self, error: &FrameError) {
        // The codec knows no transport, so its errors are all broken rules, which have a reason.
        self.abort(goaway::reason_of(error).unwrap_or(reason::PROTOCOL_ERROR), error.to_string());
    }

    fn next_timeout(&self) -> Option<Instant> {
        if let Phase::Closing { until, .. } = self.phase {
            return Some(until);
        }
        let limits = &self.core.limits;
        let stalled = self.frames.stalls_at(limits.frame_timeout, limits.write_timeout);
        let is_idle = matches!(self.phase, Phase::Open) && self.in_flight.is_empty() && self.frames.queued() == 0;
        let idle = is_idle.then(|| self.last_read.max(self.last_answered) + limits.idle_timeout);
        earlier(stalled, idle)
    }

    fn on_timeout(&mut self) -> Turn {
        let limits = &self.core.limits;
        if let Phase::Closing { .. } = self.phase {
            return Turn::End;
        }
        if self.frames.stalls_at(limits.frame_timeout, limits.write_timeout).is_some_and(|at| at <= Instant::now()) {
            self.abort(reason::TOO_SLOW, "a frame was sent, or answers were taken, too slowly".to_owned());
        } else {
            self.go_away(reason::IDLE, "the connection was idle");
        }
        Turn::Again
    }

    /// Accepts nothing more, and tells so.
    fn go_away(&mut self, reason: &'static str, message: &str) {
        if let Phase::Open = self.phase {
            self.frames.queue(FrameKind::GoAway, self.last_id, &goaway::payload(reason, message.to_owned()));
            self.phase = Phase::Draining;
        }
    }

    /// Drops everything in flight: the peer broke a rule, or cannot be waited for.
    fn abort(&mut self, reason: &'static str, message: String) {
        self.in_flight.clear();
        self.frames.queue(FrameKind::GoAway, self.last_id, &goaway::payload(reason, message));
        self.begin_close();
    }

    fn begin_close(&mut self) {
        self.frames.discard_input();
        self.phase = Phase::Closing { until: Instant::now() + CLOSE_TIMEOUT, discarded: 0, is_shut_down: false };
    }

    fn is_drained(&self) -> bool {
        matches!(self.phase, Phase::Draining) && self.in_flight.is_empty() && self.frames.queued() == 0
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Turn {
        let Phase::Closing { discarded, is_shut_down, .. } = &mut self.phase else { return Turn::End };
        if !*is_shut_down {
            match self.frames.poll_shutdown(cx) {
                Poll::Ready(Ok(())) => *is_shut_down = true,
                Poll::Ready(Err(_)) => return Turn::End,
                Poll::Pending => return Turn::Wait,
            }
        }
        match self.frames.poll_read(cx) {
            Poll::Ready(Ok(0) | Err(_)) => Turn::End,
            Poll::Ready(Ok(len)) => {
                self.frames.discard_input();
                *discarded += len;
                if *discarded > MAX_DISCARDED { Turn::End } else { Turn::Again }
            }
            Poll::Pending => Turn::Wait,
        }
    }
}

fn overloaded(message: &'static str) -> RemoteError {
    RemoteError::new(code::OVERLOADED, message)
}

/// Above this many bytes unwritten, no further answer is encoded and nothing is read. One answer may exceed it.
const MAX_QUEUED: usize = 64 * 1024;
/// How much one peer may have done before others have their turn, in all turns together: a flood of Pings is served in
/// pieces. When these are used up, the turns that are left write the answers.
const FRAMES_PER_POLL: usize = 64;
const TURNS_PER_POLL: usize = 4;
/// How long the last bytes of a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_DISCARDED: usize = 1024 * 1024;
