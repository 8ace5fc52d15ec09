//! What the tests share: a few methods, a server of them in memory, and a peer that speaks raw bytes.
#![allow(dead_code, reason = "each test file uses its part")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::codec::{Decoder, Encoder};
use vsock_rpc::codec::{FrameCodec, PAYLOAD_LEN_CEILING};
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::server::ServerBuilder;
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallContext, Client, Listener, Method, RemoteError, Router, Server, ServerHandle, Stream};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LONG: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blob {
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    pub(crate) fn of(len: usize) -> Self {
        Self { bytes: vec![0x5a; len] }
    }
}

/// What the long message of [`Verbose`] repeats: characters of two, three and four bytes.
pub(crate) const VERBOSE: &str = "\u{e9}\u{20ac}\u{1f600}";

macro_rules! methods {
    ($($method:ident $name:literal $request:ty => $response:ty),* $(,)?) => {$(
        pub(crate) struct $method;
        impl Method for $method {
            const NAME: &'static str = $name;
            type Request = $request;
            type Response = $response;
        }
    )*};
}

methods! {
    Add "add" (u32, u32) => u32,
    Echo "echo" Blob => Blob,
    Fail "fail" String => (),
    Fragile "fragile" bool => (),
    Gated "gated" u64 => u64,
    Grow "grow" u32 => Blob,
    Missing "missing" () => (),
    Panic "panic" bool => (),
    ParallelPanic "parallel_panic" () => (),
    Parallel "parallel" u64 => u64,
    Raise "raise" u32 => (),
    RaiseGated "raise_gated" u32 => (),
    ParallelGrow "parallel_grow" u32 => Blob,
    Stuck "stuck" () => (),
    Verbose "verbose" () => (),
    WrongEcho "echo" u64 => u64,
}

/// What handlers tell the tests, and how the tests hold them up.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) calls: AtomicUsize,
    pub(crate) gate: Semaphore,
    gated: Semaphore,
    pub(crate) stuck_began: Notify,
    pub(crate) stuck_dropped: Notify,
}

impl Default for State {
    fn default() -> Self {
        Self {
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            gated: Semaphore::new(0),
            stuck_began: Notify::new(),
            stuck_dropped: Notify::new(),
        }
    }
}

impl State {
    /// Waits until this many calls more stand at the gate.
    pub(crate) async fn wait_for_gated(&self, calls: u32) {
        self.gated.acquire_many(calls).await.expect("never closed").forget();
    }
}

struct NotifyOnDrop(Arc<State>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.stuck_dropped.notify_one();
    }
}

async fn grow(state: Arc<State>, _: CallContext, len: u32) -> Result<Blob, RemoteError> {
    state.calls.fetch_add(1, Ordering::SeqCst);
    Ok(Blob::of(len as usize))
}

async fn stuck(state: Arc<State>, _: CallContext, (): ()) -> Result<(), RemoteError> {
    let _guard = NotifyOnDrop(Arc::clone(&state));
    state.stuck_began.notify_one();
    std::future::pending().await
}

struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("this panic belongs to the test");
    }
}

/// A future that panics when it is dropped, whether it is done or not.
struct FragileWork {
    is_done: bool,
    _guard: PanicOnDrop,
}

impl Future for FragileWork {
    type Output = Result<(), RemoteError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

async fn gated(state: Arc<State>, _: CallContext, number: u64) -> Result<u64, RemoteError> {
    state.gated.add_permits(1);
    state.gate.acquire().await.expect("never closed").forget();
    Ok(number)
}

async fn raise_gated(state: Arc<State>, context: CallContext, max: u32) -> Result<(), RemoteError> {
    state.gated.add_permits(1);
    state.gate.acquire().await.expect("never closed").forget();
    context.raise_max_payload_len(max as usize);
    Ok(())
}

async fn panicking(_: Arc<State>, _: CallContext, after_yield: bool) -> Result<(), RemoteError> {
    if after_yield {
        tokio::task::yield_now().await;
    }
    panic!("this panic belongs to the test");
}

pub(crate) fn router(state: &Arc<State>) -> Router<State> {
    Router::from_shared(Arc::clone(state))
        .method::<Add, _, _>(|state, _, (a, b)| async move {
            state.calls.fetch_add(1, Ordering::SeqCst);
            a.checked_add(b).ok_or_else(|| RemoteError::new("overflow", "too large"))
        })
        .method::<Echo, _, _>(|_, _, blob| async move { Ok(blob) })
        .method::<Fail, _, _>(|_, _, code| async move { Err(RemoteError::new(code, "as asked")) })
        .method::<Fragile, _, _>(|_, _, is_done| FragileWork { is_done, _guard: PanicOnDrop })
        .method::<Gated, _, _>(gated)
        .method::<Grow, _, _>(grow)
        .method::<Panic, _, _>(panicking)
        .parallel_method::<ParallelPanic, _, _>(|_, _, ()| async move { panic!("this panic belongs to the test") })
        .parallel_method::<Parallel, _, _>(|_, _, number| async move {
            tokio::task::yield_now().await;
            Ok(number)
        })
        .parallel_method::<ParallelGrow, _, _>(grow)
        .method::<Raise, _, _>(|_, context, max| async move {
            context.raise_max_payload_len(max as usize);
            Ok(())
        })
        .method::<RaiseGated, _, _>(raise_gated)
        .method::<Stuck, _, _>(stuck)
        .method::<Verbose, _, _>(|_, _, ()| async { Err(RemoteError::new("c".repeat(64), VERBOSE.repeat(1000))) })
}

/// A server in memory and what is needed to reach it.
pub(crate) struct Rig {
    pub(crate) state: Arc<State>,
    pub(crate) connector: MemoryConnector,
    pub(crate) server: ServerHandle,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|server| server)
    }

    pub(crate) fn with(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let state = Arc::new(State::default());
        let (listener, connector) = Listener::memory(64 * 1024);
        let server = configure(Server::builder(router(&state))).serve(listener);
        Self { state, connector, server }
    }

    pub(crate) fn client(&self) -> Client {
        Client::builder(self.connector.clone()).build()
    }

    pub(crate) async fn raw(&self) -> RawPeer {
        RawPeer::new(self.connector.connect().await.unwrap())
    }
}

/// A peer that sends what it likes.
pub(crate) struct RawPeer {
    pub(crate) stream: Stream,
    codec: FrameCodec,
    pub(crate) input: BytesMut,
}

impl RawPeer {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, codec: FrameCodec::new(PAYLOAD_LEN_CEILING), input: BytesMut::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn send_frame(&mut self, kind: FrameKind, id: u64, payload: impl Into<Bytes>) {
        let bytes = frame_bytes(kind, id, payload);
        self.send(&bytes).await;
    }

    /// The next frame, or `None` at the end of the stream.
    pub(crate) async fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.input).unwrap() {
                return Some(frame);
            }
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                assert!(self.input.is_empty(), "the stream ended inside a frame");
                return None;
            }
        }
    }

    /// The code and message of the next frame, which must be an Error or GoAway.
    pub(crate) async fn receive_error(&mut self, kind: FrameKind) -> (u64, RemoteError) {
        let frame = self.receive().await.expect("a frame");
        assert_eq!(frame.kind, kind, "{frame:?}");
        (frame.request_id, serde_cbor::from_slice(&frame.payload).unwrap())
    }

    /// Asserts that the peer says goodbye for this reason, and then closes.
    pub(crate) async fn expect_goaway(&mut self, reason: &str) {
        let (_, error) = self.receive_error(FrameKind::GoAway).await;
        assert_eq!(error.code(), reason, "{error}");
        assert_eq!(self.receive().await, None);
    }
}

pub(crate) fn frame_bytes(kind: FrameKind, id: u64, payload: impl Into<Bytes>) -> BytesMut {
    let mut bytes = BytesMut::new();
    FrameCodec::new(PAYLOAD_LEN_CEILING).encode(Frame::new(kind, id, payload), &mut bytes).unwrap();
    bytes
}

pub(crate) fn request_payload<T: Serialize>(method: &str, deadline_ms: u64, body: T) -> Vec<u8> {
    serde_cbor::to_vec(&(method, deadline_ms, body)).unwrap()
}

pub(crate) fn request_bytes<T: Serialize>(id: u64, method: &str, body: T) -> BytesMut {
    frame_bytes(FrameKind::Request, id, request_payload(method, 1000, body))
}

/// A server played by the test: what it accepts, one raw peer after the other.
pub(crate) fn scripted_server() -> (mpsc::Receiver<RawPeer>, MemoryConnector) {
    let (mut listener, connector) = Listener::memory(64 * 1024);
    let (accepted, peers) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            if accepted.send(RawPeer::new(stream)).await.is_err() {
                return;
            }
        }
    });
    (peers, connector)
}
