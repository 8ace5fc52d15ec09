//! Handlers that compute without `await`, on tasks of their own: what they hold up, and what they do not.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::*;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallContext, Listener, Method, RemoteError, Router, Server, ServerHandle};

/// Says when it began, and works without `await` until the other end of its channel says so, or is gone.
struct Busy;
impl Method for Busy {
    const NAME: &'static str = "busy";
    type Request = ();
    type Response = ();
}

struct Work {
    began: Notify,
    may_end: Mutex<mpsc::Receiver<()>>,
    has_ended: AtomicBool,
}

async fn work(state: Arc<Work>, _: CallContext, (): ()) -> Result<(), RemoteError> {
    state.began.notify_one();
    state.may_end.lock().unwrap().recv().unwrap_or_default();
    state.has_ended.store(true, Ordering::SeqCst);
    Ok(())
}

/// A server of [`Busy`], and what lets its handler end.
fn server_of_work(drain_timeout: Duration) -> (ServerHandle, MemoryConnector, Arc<Work>, mpsc::Sender<()>) {
    let (end, may_end) = mpsc::channel();
    let state =
        Arc::new(Work { began: Notify::new(), may_end: Mutex::new(may_end), has_ended: AtomicBool::new(false) });
    let (listener, connector) = Listener::memory(64 * 1024);
    let router = Router::from_shared(Arc::clone(&state)).parallel_method::<Busy, _, _>(work);
    let server = Server::builder(router).drain_timeout(drain_timeout).serve(listener);
    (server, connector, state, end)
}

/// A server whose only connection is gone, while its handler works on; and what lets that end.
async fn abandoned_work(drain_timeout: Duration) -> (ServerHandle, Arc<Work>, mpsc::Sender<()>) {
    let (server, connector, state, end) = server_of_work(drain_timeout);
    let mut peer = RawPeer::new(connector.connect().await.unwrap());
    peer.send(&request_bytes(1, "busy", ())).await;
    state.began.notified().await;
    drop(peer);
    (server, state, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_shutdown_waits_for_handlers_on_tasks_of_their_own() {
    let (server, state, end) = abandoned_work(LONG).await;
    let mut shutdown = tokio::spawn(server.shutdown());
    assert!(timeout(SECOND / 5, &mut shutdown).await.is_err(), "it ended before the handler");
    end.send(()).unwrap();
    timeout(LONG, shutdown).await.expect("nothing holds it up").unwrap();
    assert!(state.has_ended.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_cannot_be_stopped_does_not_hold_a_shutdown_up_for_ever() {
    let (server, state, end) = abandoned_work(SECOND / 10).await;
    timeout(LONG, server.shutdown()).await.expect("the drain timeout ends it");
    assert!(!state.has_ended.load(Ordering::SeqCst));
    drop(end);
}

/// Each peer has more for the server to do, all the time, than it does at a stretch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_computes_holds_up_no_busy_peer_and_no_newcomer() {
    let (server, connector, state, end) = server_of_work(SECOND / 10);
    let is_at_work = Arc::new(AtomicBool::new(false));
    let mut peers = JoinSet::new();
    for _ in 0..16 {
        let mut peer = RawPeer::new(connector.connect().await.unwrap());
        let is_at_work = Arc::clone(&is_at_work);
        peers.spawn(async move {
            let mut left = 20;
            while left > 0 {
                peer.send(&frame_bytes(FrameKind::Ping, 1, vec![]).repeat(1000)).await;
                for _ in 0..1000 {
                    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Pong, 1, vec![]));
                }
                left -= i32::from(is_at_work.load(Ordering::SeqCst));
            }
        });
    }
    let mut worker = RawPeer::new(connector.connect().await.unwrap());
    worker.send(&request_bytes(1, "busy", ())).await;
    state.began.notified().await;
    is_at_work.store(true, Ordering::SeqCst);
    while let Some(ended) = timeout(LONG, peers.join_next()).await.expect("no peer is held up") {
        ended.unwrap();
    }
    for _ in 0..16 {
        let mut newcomer = RawPeer::new(connector.connect().await.unwrap());
        newcomer.send_frame(FrameKind::Ping, 1, vec![]).await;
        assert!(timeout(LONG, newcomer.receive()).await.expect("no newcomer is held up").is_some());
    }
    assert!(!state.has_ended.load(Ordering::SeqCst));
    drop(end);
    server.shutdown().await;
}
