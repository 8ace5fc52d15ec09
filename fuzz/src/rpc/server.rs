//! A server's connection, driven by frames, bytes, splits, time and gates that an input chooses.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use vsock_rpc::{CallContext, Method, Peer, PeerAddr, RemoteError, Router, Server};

use super::input::Input;
use super::pipe::{Far, Near, pipe};
use super::reading::{CANCEL, ERROR, GOAWAY, PING, PONG, REQUEST, RESPONSE, error_payload, frame};
use super::server_model::{Facts, judge};

/// Measures what is allocated while it runs: how much more is held after it, and how much more at most meanwhile.
pub type Measure = fn(&mut dyn FnMut()) -> (i64, u64);

/// Runs a server over what `data` says, and judges what it did.
///
/// # Panics
/// If it did what it must not, or not what it must.
pub fn run_server(data: &[u8], measure: Measure) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    runtime.block_on(async {
        let mut run = Run::new(Input::new(data), measure);
        run.settle().await;
        while run.step().await {}
        run.finish().await;
        judge(&run.facts);
    });
}

pub(super) struct Echo;
pub(super) struct Gated;
pub(super) struct ParallelGated;
pub(super) struct Raise;

impl Method for Echo {
    const NAME: &'static str = "echo";
    type Request = ByteBuf;
    type Response = ByteBuf;
}

impl Method for Gated {
    const NAME: &'static str = "gated";
    type Request = ();
    type Response = u64;
}

impl Method for ParallelGated {
    const NAME: &'static str = "parallel";
    type Request = ();
    type Response = u64;
}

impl Method for Raise {
    const NAME: &'static str = "raise";
    type Request = u16;
    type Response = ();
}

/// What the handlers did, and what holds them up.
#[derive(Default)]
pub(super) struct Handlers {
    pub(super) begun: Vec<u64>,
    pub(super) ended: usize,
    gates: Vec<(u64, oneshot::Sender<()>)>,
    pub(super) raised: Vec<(u64, usize)>,
}

type Shared = Arc<Mutex<Handlers>>;

struct EndOnDrop(Shared);

impl EndOnDrop {
    fn begin(handlers: &Shared, context: &CallContext) -> Self {
        lock(handlers).begun.push(context.request_id());
        Self(Arc::clone(handlers))
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        lock(&self.0).ended += 1;
    }
}

async fn gated(handlers: Arc<Shared>, context: CallContext, (): ()) -> Result<u64, RemoteError> {
    let _end = EndOnDrop::begin(&handlers, &context);
    let (open, opened) = oneshot::channel();
    lock(&handlers).gates.push((context.request_id(), open));
    opened.await.map_err(|_| RemoteError::internal())?;
    Ok(context.request_id())
}

fn router(handlers: &Shared) -> Router<Shared> {
    Router::new(Arc::clone(handlers))
        .method::<Echo, _, _>(async |handlers, context, blob| {
            let _end = EndOnDrop::begin(&handlers, &context);
            Ok(blob)
        })
        .method::<Gated, _, _>(gated)
        .parallel_method::<ParallelGated, _, _>(gated)
        .method::<Raise, _, _>(async |handlers, context, max| {
            let _end = EndOnDrop::begin(&handlers, &context);
            context.raise_max_payload_len(usize::from(max));
            lock(&handlers).raised.push((context.request_id(), usize::from(max)));
            Ok(())
        })
}

fn lock(handlers: &Mutex<Handlers>) -> MutexGuard<'_, Handlers> {
    handlers.lock().expect("nothing panics while it holds this")
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One connection and everything around it.
struct Run<'a> {
    input: Input<'a>,
    far: Far,
    serving: Option<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Flag>,
    measure: Measure,
    held: i64,
    handlers: Shared,
    shutdown: Option<oneshot::Sender<()>>,
    outgoing: Vec<u8>,
    last_id: u64,
    capacity: usize,
    facts: Facts,
}

impl<'a> Run<'a> {
    fn new(mut input: Input<'a>, measure: Measure) -> Self {
        let limits = input.byte().unwrap_or(0);
        let max_in_flight = 1 + usize::from(limits % 4);
        let max_in_flight_total = 1 + usize::from(limits / 4 % 8);
        let max_payload_len = [48, 0, 20, 300][usize::from(limits / 64)];
        let capacity = input.choose(&[1 << 17, 40, 300, 4096]);
        let handlers = Shared::default();
        let (far, near) = pipe(capacity);
        let (shutdown, told) = oneshot::channel::<()>();
        let server = Server::builder(router(&handlers))
            .max_in_flight(max_in_flight)
            .max_in_flight_total(max_in_flight_total)
            .max_payload_len(max_payload_len)
            .build();
        Self {
            input,
            far,
            serving: Some(Box::pin(serve(server, near, told))),
            woken: Arc::new(Flag(AtomicBool::new(true))),
            measure,
            held: 0,
            handlers,
            shutdown: Some(shutdown),
            outgoing: Vec::new(),
            last_id: 0,
            capacity,
            facts: Facts::new(max_in_flight.min(max_in_flight_total), max_in_flight_total, max_payload_len),
        }
    }

    /// One action of the input; `false` at its end.
    async fn step(&mut self) -> bool {
        let Some(action) = self.input.byte() else { return false };
        match action % 16 {
            0 => {
                let len = self.input.choose(&[0, 1, 20, 200, 1000]);
                self.request("echo", &byte_string(len));
            }
            1 => self.request("gated", &[0xf6]),
            2 => self.request("parallel", &[0xf6]),
            3 => {
                let max = self.input.choose(&[100_u16, 10, 1000, 60_000]).to_be_bytes();
                self.request("raise", &[0x19, max[0], max[1]]);
            }
            4 => self.request(["", "nothing", "echo"][usize::from(action / 16 % 3)], &[0xf6]),
            5 => {
                let id = self.earlier_id();
                self.outgoing.extend(frame(CANCEL, id, &[]));
            }
            6 => self.outgoing.extend(frame(PING, u64::from(action), &[])),
            7 => self.uncommon(action / 16 % 8),
            8 => {
                let len = usize::from(self.input.byte().unwrap_or(0) % 40);
                self.outgoing.extend(self.input.take(len));
            }
            9 => self.spoil(),
            10 => self.flood(),
            11 => self.open_gate(action),
            12 => return self.read(action).await,
            13 => return self.advance(action).await,
            14 => {
                let most = 1 + usize::from(self.input.byte().unwrap_or(0));
                return self.deliver(most).await;
            }
            _ => return self.end_something(action).await,
        }
        // Most of what is made goes out at once, and some waits for what follows it.
        if action < 192 { self.deliver(usize::MAX).await } else { true }
    }

    fn request(&mut self, method: &str, body: &[u8]) {
        let ids = self.input.byte().unwrap_or(0);
        let id = match ids % 16 {
            15 => self.last_id,
            14 => self.last_id.saturating_sub(u64::from(ids / 16)),
            13 => self.last_id + u64::from(ids) * (1 << 40),
            _ => self.last_id + 1,
        };
        let deadline = [0x19, 0x75, 0x30];
        let deadline: &[u8] = if ids < 16 { &[0] } else { &deadline };
        self.last_id = self.last_id.max(id);
        self.outgoing.extend(frame(REQUEST, id, &[&[0x83], &text(method)[..], deadline, body].concat()));
    }

    fn earlier_id(&mut self) -> u64 {
        self.last_id.saturating_sub(u64::from(self.input.byte().unwrap_or(0) % 8)).max(1)
    }

    /// Frames that a client sends seldom, or never.
    fn uncommon(&mut self, which: u8) {
        let id = self.earlier_id();
        let frame = match which {
            0 => frame(GOAWAY, id, &error_payload("done")),
            1 => frame(RESPONSE, id, &[0]),
            2 => frame(ERROR, id, &error_payload("no")),
            3 => frame(PONG, id, &[]),
            4 => frame(REQUEST, self.last_id + 1, &[0x83, 0x81]),
            5 => frame(REQUEST, 0, &[]),
            6 => frame(CANCEL, u64::MAX, &[]),
            _ => frame(GOAWAY, id, &[]),
        };
        self.outgoing.extend(frame);
    }

    /// Changes a byte of what waits to go out.
    fn spoil(&mut self) {
        let (at, change) = (self.input.byte().unwrap_or(0), self.input.byte().unwrap_or(0));
        let len = self.outgoing.len();
        if len > 0 {
            self.outgoing[usize::from(at) % len] ^= change;
        }
    }

    /// Many frames of one kind.
    fn flood(&mut self) {
        let (kind, count) = (self.input.byte().unwrap_or(0), self.input.choose(&[8, 100, 1000, 6000]));
        // Only Pings are cheap enough for so many, and through a narrow pipe they would take all day, too.
        let count = count.min(self.capacity as u64 / 8).min(if kind % 4 == 0 { 6000 } else { 300 });
        for number in 0..count {
            match kind % 4 {
                0 => self.outgoing.extend(frame(PING, number, &[])),
                1 => self.outgoing.extend(frame(CANCEL, 1 + number, &[])),
                2 => {
                    self.last_id += 1;
                    self.outgoing.extend(frame(REQUEST, self.last_id, b"\x83\x64nope\x01\xf6"));
                }
                _ => {
                    self.last_id += 1;
                    self.outgoing.extend(frame(REQUEST, self.last_id, b"\x83\x64echo\x19\x75\x30\x41x"));
                }
            }
        }
    }

    fn open_gate(&mut self, action: u8) {
        let mut handlers = lock(&self.handlers);
        if handlers.gates.is_empty() {
            return;
        }
        let at = usize::from(action / 16) % handlers.gates.len();
        let (id, open) = handlers.gates.remove(at);
        if open.send(()).is_ok() {
            self.facts.opened.insert(id);
        }
    }

    async fn end_something(&mut self, action: u8) -> bool {
        match action / 16 % 4 {
            0 => {
                if let Some(shutdown) = self.shutdown.take() {
                    self.facts.was_told_to_shut_down |= shutdown.send(()).is_ok();
                }
            }
            1 => {
                self.far.end();
                self.facts.client_ended = true;
            }
            _ => {}
        }
        self.settle().await;
        true
    }

    /// Hands on what waits, as far as there is room.
    async fn deliver(&mut self, most: usize) -> bool {
        let mut left = most.min(self.outgoing.len());
        while left > 0 {
            let sent = self.far.send(&self.outgoing[..left]);
            let sent_bytes: Vec<_> = self.outgoing.drain(..sent).collect();
            if !self.facts.is_cut_off {
                self.facts.delivered.extend(sent_bytes);
            }
            left -= sent;
            self.settle().await;
            if sent == 0 {
                break;
            }
        }
        true
    }

    async fn read(&mut self, action: u8) -> bool {
        let most = [usize::MAX, 1, 40, 5000][usize::from(action / 16 % 4)];
        let received = self.far.receive(most);
        self.facts.output.extend(received);
        self.settle().await;
        true
    }

    /// Hands on and reads everything, until nothing moves any more.
    async fn drain(&mut self) {
        loop {
            let before = (self.far.movement(), self.outgoing.len(), self.facts.output.len());
            self.deliver(usize::MAX).await;
            self.read(0).await;
            if before == (self.far.movement(), self.outgoing.len(), self.facts.output.len()) {
                return;
            }
        }
    }

    async fn advance(&mut self, action: u8) -> bool {
        let time = [500, 3000, 9000, 15_000, 70_000, 400_000];
        let time = Duration::from_millis(time[usize::from(action / 16) % time.len()]);
        let is_drained = action < 240;
        if is_drained {
            self.drain().await;
        } else if !self.outgoing.is_empty() || self.far.unread() > 0 || self.far.written() > self.facts.output.len() {
            self.facts.is_lossy = true;
        }
        self.pass(time).await;
        true
    }

    async fn pass(&mut self, time: Duration) {
        self.facts.before_time_passes(time, &lock(&self.handlers), self.serving.is_none());
        tokio::time::advance(time).await;
        self.settle().await;
        self.facts.now += time;
        if !self.facts.is_lossy {
            self.drain().await;
        }
        self.facts.after_time_passed();
    }

    /// Lets the server do all that it can do now.
    async fn settle(&mut self) {
        for _ in 0..MAX_POLLS {
            if self.woken.0.swap(false, Ordering::SeqCst) {
                self.poll();
            } else {
                // Handlers on tasks of their own.
                for _ in 0..4 {
                    yield_now().await;
                }
                if !self.woken.0.load(Ordering::SeqCst) {
                    return self.check_bounds();
                }
            }
        }
        panic!("the server does not come to rest");
    }

    fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let serving = &mut self.serving;
        let mut poll = || {
            if let Some(future) = serving
                && future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
            {
                *serving = None;
            }
        };
        let (more, most) = (self.measure)(&mut poll);
        let peak = self.held + i64::try_from(most).unwrap_or(i64::MAX);
        self.held += more;
        self.facts.check_memory(self.held, peak, &lock(&self.handlers));
    }

    fn check_bounds(&self) {
        let handlers = lock(&self.handlers);
        let running = handlers.begun.len() - handlers.ended;
        assert!(running <= self.facts.max_in_flight, "{running} handlers are at work");
        if self.serving.is_none() {
            assert_eq!(running, 0, "handlers outlive their connection");
        }
    }

    /// Everything that waits goes on; then time passes until the connection has ended.
    async fn finish(&mut self) {
        loop {
            self.drain().await;
            let gates = std::mem::take(&mut lock(&self.handlers).gates);
            if gates.is_empty() {
                break;
            }
            for (id, open) in gates {
                if open.send(()).is_ok() {
                    self.facts.opened.insert(id);
                }
            }
        }
        self.facts.everything_was_possible = true;
        for seconds in [2, 400, 400, 2] {
            self.pass(Duration::from_secs(seconds)).await;
            self.drain().await;
        }
        assert!(self.serving.is_none(), "the connection never ends");
        let handlers = lock(&self.handlers);
        assert_eq!(handlers.begun.len(), handlers.ended, "handlers are left");
        let once: HashSet<_> = handlers.begun.iter().collect();
        assert_eq!(once.len(), handlers.begun.len(), "a request was served twice");
        self.facts.begun = once.into_iter().copied().collect();
        self.facts.raised = handlers.raised.clone();
    }
}

async fn serve(server: Server, near: Near, told: oneshot::Receiver<()>) {
    let told = async {
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.serve_stream_until(near, Peer::new(PeerAddr::Unknown), told).await;
}

fn text(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).expect("a short text");
    [&[0x60 + len], text.as_bytes()].concat()
}

fn byte_string(len: u16) -> Vec<u8> {
    let len_bytes = len.to_be_bytes();
    [&[0x59, len_bytes[0], len_bytes[1]][..], &vec![0x5a; usize::from(len)]].concat()
}

const MAX_POLLS: usize = 100_000;
