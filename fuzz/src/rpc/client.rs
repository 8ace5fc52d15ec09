//! A client's connection, driven by answers, bytes, splits and time that an input chooses.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use vsock_rpc::client::Connector;
use vsock_rpc::{CallError, Client, Method};

use super::input::Input;
use super::pipe::{Far, pipe};
use super::reading::{
    CANCEL, ERROR, GOAWAY, Next, PING, PONG, REQUEST, RESPONSE, RawFrame, code_of, error_payload, frame, next_frame,
};

/// Runs a client against what `data` says, and judges each of its steps.
///
/// # Panics
/// If it did what it must not, or not what it must.
pub fn run_client(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    runtime.block_on(async {
        let mut run = Run::new(Input::new(data));
        while run.step().await {}
        run.finish().await;
    });
}

struct Number;

impl Method for Number {
    const NAME: &'static str = "number";
    type Request = u64;
    type Response = u64;
}

/// A call, by its number; also what it must come to, as soon as that is known.
struct Call {
    task: Option<JoinHandle<Result<u64, CallError>>>,
    expected: Option<Expected>,
}

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Answer(u64),
    Lost { may_have_run: bool },
    Malformed,
    Remote(String),
}

/// A request that the client has begun to write.
struct Request {
    number: usize,
    is_open: bool,
}

/// One connection and everything around it.
struct Run<'a> {
    input: Input<'a>,
    far: Far,
    client: Option<Client>,
    calls: Vec<Call>,
    max_in_flight: usize,
    max_payload_len: usize,
    /// What the client wrote, and how much of it was taken apart.
    written: Vec<u8>,
    read: usize,
    requests: HashMap<u64, Request>,
    pings: HashSet<u64>,
    cancelled: HashSet<u64>,
    goaway: Option<String>,
    /// The last request that the server said it would serve.
    last_served: u64,
    outgoing: Vec<u8>,
    /// What was delivered, and how much of it was taken apart.
    delivered: Vec<u8>,
    understood: usize,
    state: State,
    /// Whether the client may have had something unwritten when a rule was broken. Its callers are told that it was not
    /// sent, so that nothing may be: then it says no goodbye.
    may_be_silent: bool,
    /// Whether time passed: calls and the connection may have been given up.
    is_loose: bool,
    /// Whether something came whose meaning is not known here.
    is_blind: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open,
    /// A GoAway came.
    Leaving,
    /// The connection is over, for this reason if a rule was broken.
    Over(Option<&'static str>),
}

impl<'a> Run<'a> {
    fn new(mut input: Input<'a>) -> Self {
        let limits = input.byte().unwrap_or(0);
        let max_in_flight = 1 + usize::from(limits % 4);
        let max_payload_len = [100, 33][usize::from(limits / 128)];
        let (far, near) = pipe(input.choose(&[1 << 16, 20, 100]));
        let near = Arc::new(Mutex::new(Some(near)));
        let connector = Connector::new("the fuzzer", move || {
            let near = near.lock().expect("nothing panics while it holds this").take();
            async { near.ok_or_else(|| io::ErrorKind::ConnectionRefused.into()) }
        });
        let client = Client::builder(connector).max_in_flight(max_in_flight).max_payload_len(max_payload_len).build();
        Self {
            input,
            far,
            client: Some(client),
            calls: Vec::new(),
            max_in_flight,
            max_payload_len,
            written: Vec::new(),
            read: 0,
            requests: HashMap::new(),
            pings: HashSet::new(),
            cancelled: HashSet::new(),
            goaway: None,
            last_served: u64::MAX,
            outgoing: Vec::new(),
            delivered: Vec::new(),
            understood: 0,
            state: State::Open,
            may_be_silent: false,
            is_loose: false,
            is_blind: false,
        }
    }

    async fn step(&mut self) -> bool {
        let Some(action) = self.input.byte() else { return false };
        let choice = usize::from(action / 16);
        match action % 16 {
            0 | 1 => self.call(choice),
            2 => self.cancel(choice),
            3 | 4 => self.reply(choice, |number| frame_payload(number as u64)),
            5 => self.reply(choice, |_| b"\x61x".to_vec()),
            6 => self.reply_error(choice),
            7 => {
                let last = self.id(choice).saturating_sub(1);
                self.outgoing.extend(frame(GOAWAY, last, &error_payload("enough")));
            }
            8 => self.outgoing.extend(frame(PONG, choice as u64 % 4, &[])),
            9 => {
                let id = self.id(choice);
                let kind = [REQUEST, CANCEL, PING, RESPONSE][choice % 4];
                self.outgoing.extend(frame(kind, id + choice as u64 / 4 * 100, &[]));
            }
            10 => {
                let len = usize::from(self.input.byte().unwrap_or(0) % 40);
                self.outgoing.extend(self.input.take(len));
            }
            11 => {
                let change = self.input.byte().unwrap_or(0);
                let len = self.outgoing.len();
                if len > 0 {
                    self.outgoing[choice * 3 % len] ^= change;
                }
            }
            12 => self.take([usize::MAX, 1, 30][choice % 3]),
            13 => self.pass(Duration::from_secs([1, 12, 40][choice % 3])).await,
            14 => {
                let most = 1 + usize::from(self.input.byte().unwrap_or(0));
                self.deliver(most).await;
                return true;
            }
            _ if choice == 0 => self.client = None,
            _ if choice == 1 => {
                self.deliver(usize::MAX).await;
                self.end().await;
            }
            _ => {}
        }
        self.settle().await;
        if action < 192 {
            self.deliver(usize::MAX).await;
        }
        true
    }

    fn call(&mut self, choice: usize) {
        if let Some(client) = &self.client
            && self.calls.len() < 64
        {
            let timeout = Duration::from_secs([1000, 5][usize::from(choice > 12)]);
            let task = tokio::spawn(client.call::<Number>(&(self.calls.len() as u64), timeout));
            self.calls.push(Call { task: Some(task), expected: None });
        }
    }

    fn cancel(&mut self, choice: usize) {
        let mut waiting = self.calls.iter_mut().filter(|call| call.task.is_some() && call.expected.is_none());
        if let Some(call) = waiting.nth(choice) {
            call.task.take().expect("it waits").abort();
        }
    }

    /// The id of a request that was made: one that waits for its answer, if there is any.
    fn id(&self, choice: usize) -> u64 {
        let mut ids: Vec<_> = self.requests.iter().filter(|(_, request)| request.is_open).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        if ids.is_empty() { 1 + choice as u64 } else { ids[choice % ids.len()] }
    }

    fn reply(&mut self, choice: usize, payload: impl FnOnce(usize) -> Vec<u8>) {
        let id = self.id(choice);
        let number = self.requests.get(&id).map_or(0, |request| request.number);
        self.outgoing.extend(frame(RESPONSE, id, &payload(number)));
    }

    fn reply_error(&mut self, choice: usize) {
        let payload = match choice % 4 {
            3 => b"\x01".to_vec(),
            which => error_payload(["overloaded", "internal", "own"][which]),
        };
        self.outgoing.extend(frame(ERROR, self.id(choice), &payload));
    }

    /// Takes so much of what the client wrote.
    fn take(&mut self, most: usize) {
        self.written.extend(self.far.receive(most));
    }

    /// Takes everything, until nothing more is written.
    async fn drain(&mut self) {
        self.settle().await;
        while !self.far.peek().is_empty() {
            self.take(usize::MAX);
            self.settle().await;
        }
    }

    async fn pass(&mut self, time: Duration) {
        self.is_loose = true;
        tokio::time::advance(time).await;
    }

    async fn end(&mut self) {
        self.far.end();
        self.settle().await;
        if let State::Over(_) = self.state {
            return;
        }
        self.state = State::Over(None);
        self.lose(|_| true);
        self.check().await;
    }

    /// Hands on what waits, a frame at a time or less, and checks what comes of each.
    async fn deliver(&mut self, most: usize) {
        // Before the first call, there is nobody to read.
        let mut left = if self.calls.is_empty() { 0 } else { most.min(self.outgoing.len()) };
        while left > 0 {
            // What is written when a reply comes decides whether it may come: never two frames at once.
            let waiting = [&self.delivered[self.understood..], &self.outgoing].concat();
            let now = match next_frame(&waiting, self.max_payload_len) {
                Next::Frame(_, len) => len - (self.delivered.len() - self.understood),
                Next::Broken(_) | Next::Partial => left,
            };
            let sent = self.far.send(&self.outgoing[..now.min(left)]);
            self.delivered.extend(self.outgoing.drain(..sent));
            left -= sent;
            self.read_requests();
            self.understand();
            self.settle().await;
            self.check().await;
            if sent == 0 {
                break;
            }
        }
    }

    /// Takes apart what was delivered since, against what had been written by then.
    fn understand(&mut self) {
        while !matches!(self.state, State::Over(_)) {
            let delivered = std::mem::take(&mut self.delivered);
            let next = next_frame(&delivered[self.understood..], self.max_payload_len);
            match next {
                Next::Partial => {
                    self.delivered = delivered;
                    return;
                }
                Next::Broken(reason) => self.break_up(reason),
                Next::Frame(frame, len) => {
                    self.understood += len;
                    if !self.on_frame(&frame) {
                        self.break_up("protocol_error");
                    }
                }
            }
            self.delivered = delivered;
        }
    }

    fn break_up(&mut self, reason: &'static str) {
        self.state = State::Over(Some(reason));
        self.may_be_silent = self.far.is_full();
        self.lose(|_| true);
    }

    /// Whether a server may send this now; notes what it means.
    fn on_frame(&mut self, frame: &RawFrame<'_>) -> bool {
        let expected = match frame.kind {
            RESPONSE => match ciborium::from_reader::<u64, _>(frame.payload) {
                Ok(value) if is_plain_number(frame.payload) => Expected::Answer(value),
                _ => Expected::Malformed,
            },
            ERROR => match self.read_error(frame.payload) {
                Some(code) => Expected::Remote(code),
                None => return false,
            },
            PONG => {
                let is_known = self.pings.remove(&frame.id);
                // A Ping may be on its way out.
                self.is_blind |= !is_known && self.is_loose;
                return is_known;
            }
            GOAWAY => {
                if self.read_error(frame.payload).is_none() {
                    return false;
                }
                self.state = State::Leaving;
                self.last_served = self.last_served.min(frame.id);
                self.lose(|id| id > frame.id);
                return true;
            }
            _ => return false,
        };
        match self.requests.get_mut(&frame.id) {
            Some(request) if request.is_open => {
                request.is_open = false;
                let call = &mut self.calls[request.number];
                if call.task.is_some() {
                    call.expected.get_or_insert(expected);
                }
                true
            }
            _ => false,
        }
    }

    /// Calls that have no answer to expect any more.
    fn lose(&mut self, is_lost: impl Fn(u64) -> bool) {
        let disowned = self.state == State::Leaving;
        for (id, request) in &mut self.requests {
            if request.is_open && is_lost(*id) {
                request.is_open = false;
                let call = &mut self.calls[request.number];
                if call.task.is_some() {
                    call.expected.get_or_insert(Expected::Lost { may_have_run: !disowned });
                }
            }
        }
    }

    /// Takes apart what the client has written, taken or not.
    fn read_requests(&mut self) {
        let all = [&self.written[..], &self.far.peek()].concat();
        while let Next::Frame(frame, len) = next_frame(&all[self.read..], usize::MAX) {
            self.read += len;
            assert!(self.goaway.is_none(), "the client goes on after its goodbye");
            match frame.kind {
                REQUEST => {
                    let (method, _, number): (String, u64, usize) =
                        ciborium::from_reader(frame.payload).expect("a request's payload");
                    assert_eq!((method.as_str(), frame.id), (Number::NAME, self.requests.len() as u64 + 1));
                    let is_open = frame.id <= self.last_served;
                    self.requests.insert(frame.id, Request { number, is_open });
                }
                CANCEL => assert!(self.cancelled.insert(frame.id), "cancelled twice"),
                PING => assert!(self.pings.insert(frame.id), "pinged twice"),
                GOAWAY => self.goaway = Some(code_of(frame.payload)),
                kind => panic!("a client sends no frame of kind {kind}"),
            }
        }
    }

    /// The code of an Error's or GoAway's payload; `None` if it is none.
    fn read_error(&mut self, payload: &[u8]) -> Option<String> {
        let is_array = payload.first().is_some_and(|first| (0x80..0xa0).contains(first));
        let Ok((code, message)) = ciborium::from_reader::<(String, String), _>(payload) else {
            // What one reader refuses, the other may read in a way of its own.
            self.is_blind |= is_array;
            return None;
        };
        let mut again = Vec::new();
        ciborium::into_writer(&(&code, &message), &mut again).expect("a vector takes it");
        self.is_blind |= again != payload || code.len() > 64 || code.contains(char::is_control);
        Some(code)
    }

    async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 4 {
            let before = (self.far.movement(), self.finished());
            yield_now().await;
            quiet = if before == (self.far.movement(), self.finished()) { quiet + 1 } else { 0 };
        }
        self.read_requests();
        let open = self.requests.values().filter(|request| request.is_open).count();
        assert!(open <= self.max_in_flight || self.is_blind, "{open} calls are in flight");
    }

    fn finished(&self) -> usize {
        self.calls.iter().filter(|call| call.task.as_ref().is_none_or(JoinHandle::is_finished)).count()
    }

    /// Compares what calls came to with what they must, as far as that is known.
    async fn check(&mut self) {
        for number in 0..self.calls.len() {
            let call = &mut self.calls[number];
            let Some(task) = call.task.take_if(|task| task.is_finished()) else {
                let may_go_on = call.expected.is_none() || call.task.is_none() || self.is_blind;
                assert!(may_go_on, "call {number} goes on: {:?}", call.expected);
                continue;
            };
            let result = task.await.expect("a call does not panic");
            let expected = self.calls[number].expected.clone();
            self.judge(number, expected, &result);
        }
    }

    fn judge(&self, number: usize, expected: Option<Expected>, result: &Result<u64, CallError>) {
        if self.is_blind {
            return;
        }
        let request = self.requests.iter().find(|(_, request)| request.number == number);
        let was_begun = request.is_some_and(|(id, _)| *id <= self.last_served);
        let came_to = match result {
            Ok(value) => Expected::Answer(*value),
            Err(CallError::Remote(error)) => Expected::Remote(error.code().to_owned()),
            Err(CallError::MalformedResponse(_)) => Expected::Malformed,
            Err(CallError::Disconnected { may_have_run, .. }) => Expected::Lost { may_have_run: *may_have_run },
            Err(CallError::DeadlineExceeded { may_have_run }) => {
                assert!(self.is_loose, "call {number} ended early");
                assert!(*may_have_run || !was_begun, "call {number} was sent");
                return;
            }
            Err(error @ CallError::Unreachable { .. }) => {
                assert!(self.state != State::Open || self.is_loose, "call {number}: {error}");
                assert!(!was_begun, "call {number} was sent: {error}");
                return;
            }
            Err(error) => panic!("call {number}: {error}"),
        };
        match expected {
            Some(expected) if expected == came_to => {}
            // The connection may have been given up, or ended before the request was written.
            expected => {
                assert!(
                    matches!(came_to, Expected::Lost { .. }),
                    "call {number} came to {came_to:?}, not {expected:?}"
                );
                let may_be_lost = self.is_loose || expected.is_none() && self.state != State::Open;
                assert!(may_be_lost, "call {number} came to {came_to:?}, not {expected:?}");
                assert!(
                    came_to == Expected::Lost { may_have_run: true } || !was_begun,
                    "call {number} was sent: {result:?}"
                );
            }
        }
    }

    async fn finish(&mut self) {
        self.drain().await;
        self.deliver(usize::MAX).await;
        self.drain().await;
        if let State::Over(Some(reason)) = self.state
            && !self.is_loose
            && !self.is_blind
        {
            let is_silent = self.may_be_silent && self.goaway.is_none();
            assert!(is_silent || self.goaway.as_deref() == Some(reason), "the broken rule is not told");
        }
        self.end().await;
        self.settle().await;
        self.check().await;
        self.client = None;
        self.pass(Duration::from_secs(2000)).await;
        self.drain().await;
        self.check().await;
        assert!(self.calls.iter().all(|call| call.task.is_none()), "a call is left");
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert_eq!(tasks, 0, "a task is left");
        assert!(self.far.is_over(), "the connection is left open");
    }
}

fn frame_payload(number: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    ciborium::into_writer(&number, &mut payload).expect("a vector takes it");
    payload
}

/// Whether this is one unsigned number and nothing else, in any spelling.
fn is_plain_number(payload: &[u8]) -> bool {
    let len = match payload.first() {
        Some(0..=23) => 1,
        Some(24) => 2,
        Some(25) => 3,
        Some(26) => 5,
        Some(27) => 9,
        _ => return false,
    };
    payload.len() == len
}
