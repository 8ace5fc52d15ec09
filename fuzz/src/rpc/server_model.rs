//! What a server must have done, and must not, by a reading of the same bytes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::reading::{CANCEL, ERROR, GOAWAY, Next, PING, PONG, REQUEST, RESPONSE, RawFrame, code_of, next_frame};
use super::server::Handlers;

/// What happened in a run.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) max_in_flight: usize,
    max_in_flight_total: usize,
    max_payload_len: usize,
    pub(super) delivered: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) begun: HashSet<u64>,
    pub(super) raised: Vec<(u64, usize)>,
    /// Requests whose gate was opened while they waited there.
    pub(super) opened: HashSet<u64>,
    pub(super) was_told_to_shut_down: bool,
    pub(super) client_ended: bool,
    /// Whether time passed while bytes waited, so that the server may have given up.
    pub(super) is_lossy: bool,
    /// Whether everything was handed on, read and opened while the connection could still end well.
    pub(super) everything_was_possible: bool,
    pub(super) now: Duration,
    /// When time passed: what had been delivered and answered before.
    moments: Vec<Moment>,
    last_activity: Duration,
    partial: Option<Partial>,
    /// Whether the peer was told that it is too slow: nothing that it sends is read any more.
    pub(super) is_cut_off: bool,
    may_be_too_slow: bool,
    must_be_too_slow: bool,
    may_be_idle: bool,
    must_be_idle: bool,
}

#[derive(Clone, Copy)]
struct Moment {
    now: Duration,
    delivered: usize,
    output: usize,
}

/// A frame whose end has not come.
#[derive(Clone, Copy)]
struct Partial {
    start: usize,
    since: Duration,
    output: usize,
}

impl Facts {
    pub(super) fn new(max_in_flight: usize, max_in_flight_total: usize, max_payload_len: usize) -> Self {
        Self { max_in_flight, max_in_flight_total, max_payload_len, ..Self::default() }
    }

    /// The bound that the README promises, for one connection. While a buffer grows, both its memories are held.
    pub(super) fn check_memory(&self, held: i64, peak: i64, handlers: &Handlers) {
        let payload = handlers.raised.iter().map(|(_, max)| *max).chain([self.max_payload_len]).max().unwrap_or(0);
        // The list of what ran is ours, also while it grows.
        let ours = OWN_MEMORY + handlers.begun.capacity() * size_of::<u64>() * 3 / 2;
        let bound = 2 * (payload + 81 * 1024) + 2 * self.max_in_flight_total * payload + ours;
        let is_within = |bytes: i64, bound: usize| i64::try_from(bound).is_ok_and(|bound| bytes <= bound);
        assert!(is_within(held, bound), "{held} bytes are held, {bound} are allowed");
        assert!(
            is_within(peak, bound * 3 / 2),
            "{peak} bytes are held for a moment, half more than {bound} are allowed"
        );
    }

    /// Notes what the passing of time will have to bring about.
    pub(super) fn before_time_passes(&mut self, time: Duration, handlers: &Handlers, has_ended: bool) {
        let last = self.moments.last().copied();
        let grew = |moment: Moment| moment.delivered < self.delivered.len() || moment.output < self.output.len();
        if last.is_none_or(grew) {
            self.last_activity = self.now;
        }
        self.raised.clone_from(&handlers.raised);
        let script = Script::read(self);
        let is_open = !has_ended && script.violation.is_none() && !script.drains && !self.client_ended;
        let (drains, partial_at) = (script.drains, script.partial_at);
        // A drain may take too long for those at work.
        self.is_lossy |= drains && handlers.begun.len() > handlers.ended;
        self.partial = partial_at.map(|start| match self.partial {
            Some(partial) if partial.start == start => partial,
            _ => Partial { start, since: self.now, output: self.output.len() },
        });
        let then = self.now + time;
        if is_open && !self.is_lossy {
            match self.partial {
                Some(partial) => {
                    let is_alone = partial.output == self.output.len();
                    self.may_be_too_slow |= partial.since + FRAME_TIMEOUT <= then;
                    self.must_be_too_slow |= is_alone && partial.since + FRAME_TIMEOUT + MARGIN <= then;
                }
                None => {
                    let is_quiet = handlers.begun.len() == handlers.ended;
                    self.must_be_idle |= is_quiet && self.last_activity + IDLE_TIMEOUT + MARGIN <= then;
                }
            }
        }
        self.may_be_too_slow |= self.is_lossy;
        self.may_be_idle |= self.is_lossy || self.last_activity + IDLE_TIMEOUT <= then;
        self.moments.push(Moment { now: self.now, delivered: self.delivered.len(), output: self.output.len() });
    }

    pub(super) fn after_time_passed(&mut self) {
        self.is_cut_off |=
            frames(&self.output).any(|frame| frame.kind == GOAWAY && code_of(frame.payload) == "too_slow");
        if self.moments.last().is_some_and(|moment| moment.output < self.output.len()) {
            self.last_activity = self.now;
        }
        self.moments.push(Moment { now: self.now, delivered: self.delivered.len(), output: self.output.len() });
    }

    /// When the byte at this place had been delivered, at the earliest.
    fn delivered_at(&self, place: usize) -> Duration {
        let before = self.moments.iter().rev().find(|moment| moment.delivered <= place);
        before.map_or(Duration::ZERO, |moment| moment.now)
    }
}

/// A request that the server takes.
struct Request<'a> {
    id: u64,
    payload: &'a [u8],
    at: Duration,
}

/// The client's frames, as a server is to understand them.
struct Script<'a> {
    requests: Vec<Request<'a>>,
    cancelled: HashSet<u64>,
    pings: Vec<u64>,
    violation: Option<&'static str>,
    partial_at: Option<usize>,
    client_said_goodbye: bool,
    /// Whether either side said goodbye, so that the rest may go unread.
    drains: bool,
}

impl<'a> Script<'a> {
    fn read(facts: &'a Facts) -> Self {
        let goodbye = graceful_goaway(&facts.output);
        let mut script = Self {
            requests: Vec::new(),
            cancelled: HashSet::new(),
            pings: Vec::new(),
            violation: None,
            partial_at: None,
            client_said_goodbye: false,
            drains: goodbye.is_some() || facts.was_told_to_shut_down,
        };
        let (mut at, mut max) = (0, facts.max_payload_len);
        while script.violation.is_none() {
            match next_frame(&facts.delivered[at..], max) {
                Next::Broken(reason) => script.violation = Some(reason),
                Next::Partial => {
                    script.partial_at = (at < facts.delivered.len()).then_some(at);
                    return script;
                }
                Next::Frame(frame, len) => {
                    script.take(&frame, goodbye, facts.delivered_at(at));
                    let raised = facts.raised.iter().find(|(id, _)| frame.kind == REQUEST && *id == frame.id);
                    max = raised.map_or(max, |(_, raised)| max.max(*raised));
                    at += len;
                }
            }
        }
        script
    }

    fn take(&mut self, frame: &RawFrame<'a>, goodbye: Option<u64>, at: Duration) {
        match frame.kind {
            REQUEST if frame.id <= self.last_id() => self.violation = Some("protocol_error"),
            REQUEST if self.client_said_goodbye || goodbye.is_some_and(|last| frame.id > last) => {}
            REQUEST => self.requests.push(Request { id: frame.id, payload: frame.payload, at }),
            CANCEL => {
                self.cancelled.insert(frame.id);
            }
            PING => self.pings.push(frame.id),
            GOAWAY => {
                self.client_said_goodbye = true;
                self.drains = true;
            }
            _ => self.violation = Some("protocol_error"),
        }
    }

    fn last_id(&self) -> u64 {
        self.requests.last().map_or(0, |request| request.id)
    }
}

/// The server's frames, taken apart.
struct Answers<'a> {
    by_id: HashMap<u64, (usize, RawFrame<'a>)>,
    pongs: Vec<u64>,
    /// The id and reason of each GoAway.
    goaways: Vec<(u64, String)>,
}

fn frames(mut bytes: &[u8]) -> impl Iterator<Item = RawFrame<'_>> {
    std::iter::from_fn(move || match next_frame(bytes, usize::MAX) {
        Next::Frame(frame, len) => {
            bytes = &bytes[len..];
            Some(frame)
        }
        Next::Partial => None,
        Next::Broken(reason) => panic!("the server broke a rule: {reason}"),
    })
}

fn is_graceful(reason: &str) -> bool {
    ["idle", "shutting_down"].contains(&reason)
}

fn graceful_goaway(output: &[u8]) -> Option<u64> {
    let goaway = frames(output).find(|frame| frame.kind == GOAWAY)?;
    is_graceful(&code_of(goaway.payload)).then_some(goaway.id)
}

impl<'a> Answers<'a> {
    fn read(output: &'a [u8]) -> Self {
        let mut answers = Self { by_id: HashMap::new(), pongs: Vec::new(), goaways: Vec::new() };
        for (place, frame) in frames(output).enumerate() {
            assert_eq!(frame.version, 1);
            let has_aborted = answers.goaways.iter().any(|(_, reason)| !is_graceful(reason));
            assert!(!has_aborted, "something follows the last goodbye: {frame:?}");
            match frame.kind {
                RESPONSE | ERROR => {
                    let earlier = answers.by_id.insert(frame.id, (place, frame));
                    assert!(earlier.is_none(), "request {} is answered twice", frame.id);
                }
                PONG => answers.pongs.push(frame.id),
                GOAWAY => answers.goaways.push((frame.id, code_of(frame.payload))),
                kind => panic!("a server sends no frame of kind {kind}"),
            }
        }
        answers
    }
}

/// Holds a run against the rules.
///
/// # Panics
/// If it broke one.
pub(super) fn judge(facts: &Facts) {
    let script = Script::read(facts);
    let answers = Answers::read(&facts.output);
    let ids: HashSet<_> = script.requests.iter().map(|request| request.id).collect();
    for id in &facts.begun {
        assert!(ids.contains(id), "request {id} ran and is none that was accepted");
    }
    for id in answers.by_id.keys() {
        assert!(ids.contains(id), "request {id} is answered and is none that was accepted");
    }
    judge_goaways(facts, &script, &answers);
    let aborted = answers.goaways.iter().any(|(_, reason)| !is_graceful(reason));
    let all_comes = !facts.is_lossy && !facts.client_ended && facts.everything_was_possible;
    let mut places = Places::default();
    for request in &script.requests {
        let asked = Asked::read(request.payload);
        let Some((place, answer)) = answers.by_id.get(&request.id) else {
            // What an abort ends, it ends unanswered.
            let had_to = all_comes && (!aborted || !asked.may_wait());
            assert!(!had_to, "request {} is not answered", request.id);
            places.take(facts, request.id, usize::MAX, &asked);
            continue;
        };
        places.take(facts, request.id, *place, &asked);
        if answer.kind == ERROR {
            judge_error(facts, &script, request, &asked, &code_of(answer.payload));
        } else {
            judge_response(facts, request.id, &asked, answer.payload);
        }
        if answer.kind == ERROR && code_of(answer.payload) == "overloaded" {
            // As many as there are places are in flight: their answers come later, or never.
            let is_full = places.taken_at(*place) >= facts.max_in_flight;
            assert!(is_full || places.is_unclear, "request {} was refused, and there was a place", request.id);
        }
    }
    assert!(script.pings.starts_with(&answers.pongs), "Pongs are not those of the Pings");
    if all_comes && !script.drains {
        assert_eq!(answers.pongs.len(), script.pings.len(), "a Ping is not answered");
    }
}

fn judge_goaways(facts: &Facts, script: &Script<'_>, answers: &Answers<'_>) {
    let reasons: Vec<_> = answers.goaways.iter().map(|(_, reason)| reason.as_str()).collect();
    for (id, reason) in &answers.goaways {
        match reason.as_str() {
            "idle" => assert!(facts.may_be_idle, "the connection was not idle"),
            "shutting_down" => assert!(facts.was_told_to_shut_down, "the server was not told to shut down"),
            "too_slow" => assert!(facts.may_be_too_slow, "the peer was not too slow"),
            reason => assert_eq!(script.violation, Some(reason), "no such rule is broken"),
        }
        let is_last = *id == script.last_id();
        // What waited meanwhile may not have been read.
        let is_known = facts.is_lossy && (*id == 0 || script.requests.iter().any(|request| request.id == *id));
        assert!(is_last || is_known, "the goodbye for {reason} names another request than the last");
        assert!(
            answers.by_id.keys().chain(&facts.begun).all(|served| served <= id),
            "a request was served and disowned"
        );
    }
    if facts.is_lossy || facts.client_ended {
        return;
    }
    if let Some(violation) = script.violation
        && !script.drains
    {
        assert_eq!(reasons, [violation], "the broken rule is not told");
    }
    if facts.must_be_too_slow {
        assert!(reasons.contains(&"too_slow"), "a frame that never ends is waited for");
    }
    if facts.must_be_idle {
        assert!(reasons.contains(&"idle"), "an idle connection is kept");
    }
    let has_time_to_tell = script.violation.is_none() && !facts.must_be_too_slow && !facts.may_be_too_slow;
    if facts.was_told_to_shut_down && has_time_to_tell && !facts.may_be_idle && !script.client_said_goodbye {
        assert!(reasons.contains(&"shutting_down"), "the shutdown is not told");
    }
}

/// The places that requests take, in the order of the requests.
#[derive(Default)]
struct Places {
    /// Where in the output the answers are of those that may still have theirs.
    answered_at: Vec<usize>,
    /// On tasks of their own, handlers keep their places until they have really ended.
    is_unclear: bool,
}

impl Places {
    fn take(&mut self, facts: &Facts, id: u64, answered_at: usize, asked: &Asked) {
        if facts.begun.contains(&id) {
            self.answered_at.push(answered_at);
        }
        self.is_unclear |= matches!(asked, Asked::For { method, .. } if method == "parallel");
    }

    /// How many are taken when the server queues what is at `place` in the output, which is later each time.
    fn taken_at(&mut self, place: usize) -> usize {
        self.answered_at.retain(|answered_at| *answered_at > place);
        self.answered_at.len()
    }
}

/// What a request asks for.
enum Asked {
    For {
        method: String,
        deadline: u64,
        body: ciborium::Value,
    },
    /// It is malformed, or not in its plainest spelling.
    Unclear,
}

impl Asked {
    fn read(payload: &[u8]) -> Self {
        let Ok((method, deadline, body)) = ciborium::from_reader(payload) else { return Self::Unclear };
        let (method, deadline, body): (String, u64, ciborium::Value) = (method, deadline, body);
        let mut again = Vec::new();
        ciborium::into_writer(&(&method, deadline, &body), &mut again).expect("a vector takes it");
        // This is how the run spells them, whatever their length.
        let rest = payload.strip_prefix(b"\x83\x64echo\x19\x75\x30\x59");
        let is_echo = rest.is_some_and(|rest| {
            let len = rest.first_chunk().map(|len| usize::from(u16::from_be_bytes(*len)));
            len.is_some_and(|len| rest.len() == 2 + len)
        });
        if again == payload || is_echo { Self::For { method, deadline, body } } else { Self::Unclear }
    }

    /// Whether it is for a method that waits at a gate.
    fn waits(&self) -> bool {
        matches!(self, Self::For { method, .. } if ["gated", "parallel"].contains(&method.as_str()))
    }

    /// Whether it may be for such a method: in another spelling it is, too.
    fn may_wait(&self) -> bool {
        matches!(self, Self::Unclear) || self.waits()
    }

    /// Whether a method takes it; `None` if that is not known here.
    fn is_right(&self) -> Option<bool> {
        let Self::For { method, body, .. } = self else { return None };
        match method.as_str() {
            "echo" => Some(body.is_bytes()),
            "gated" | "parallel" => Some(body.is_null()),
            _ => None,
        }
    }

    fn is_known(&self) -> Option<bool> {
        let Self::For { method, .. } = self else { return None };
        Some(["echo", "gated", "parallel", "raise"].contains(&method.as_str()))
    }
}

fn judge_error(facts: &Facts, script: &Script<'_>, request: &Request<'_>, asked: &Asked, code: &str) {
    let (id, has_begun) = (request.id, facts.begun.contains(&request.id));
    match code {
        "overloaded" => assert!(!has_begun, "request {id} ran, and was refused"),
        "unknown_method" => {
            assert!(!has_begun && asked.is_known() != Some(true), "request {id} asks for what there is")
        }
        "malformed_request" => assert!(!has_begun && asked.is_right() != Some(true), "request {id} is not malformed"),
        "cancelled" => assert!(script.cancelled.contains(&id), "nobody cancelled request {id}"),
        "deadline_exceeded" => {
            let deadline = if let Asked::For { deadline, .. } = asked { (*deadline).min(60_000) } else { 0 };
            assert!(request.at + Duration::from_millis(deadline) <= facts.now, "request {id} had time left");
        }
        code => panic!("request {id} is answered with {code}"),
    }
}

fn judge_response(facts: &Facts, id: u64, asked: &Asked, payload: &[u8]) {
    assert!(facts.begun.contains(&id), "request {id} is answered by nobody");
    let said: ciborium::Value = ciborium::from_reader(payload).expect("a response is CBOR");
    let Asked::For { method, body, .. } = asked else { return };
    if method == "echo" && body.is_bytes() {
        assert_eq!(said, *body, "request {id} has another's answer");
    } else if asked.waits() {
        assert_eq!(said, id.into(), "request {id} has another's answer");
        assert!(facts.opened.contains(&id), "request {id} passed a closed gate");
    }
}

const FRAME_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
const MARGIN: Duration = Duration::from_secs(1);
/// What a connection holds beside payloads and queues: its state, and that of a few handlers.
const OWN_MEMORY: usize = 16 * 1024;
