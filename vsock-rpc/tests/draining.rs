//! Shutting a server down: what is in flight is answered, nothing new is begun, nothing is left behind.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::*;
use tokio::time::Instant;
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::{Addr, Listener, Server};

#[tokio::test]
async fn what_is_in_flight_is_answered_and_new_requests_are_disowned() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "gated", 7)).await;
    rig.state.wait_for_gated(1).await;
    let state = Arc::clone(&rig.state);
    let shutdown = tokio::spawn(rig.server.shutdown());
    let (last_id, goaway) = peer.receive_error(FrameKind::GoAway).await;
    assert_eq!((last_id, goaway.code()), (1, "shutting_down"));
    peer.send(&request_bytes(2, "add", (1, 2))).await;
    peer.send_frame(FrameKind::Ping, 1, vec![]).await;
    assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Pong);
    state.gate.add_permits(1);
    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, 1, vec![7]));
    assert_eq!(peer.receive().await, None);
    drop(peer);
    shutdown.await.unwrap();
    assert_eq!(state.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_of_ours_gets_its_answers_through_a_shutdown() {
    let rig = Rig::new();
    let client = rig.client();
    let calls: Vec<_> = (0..20).map(|number| tokio::spawn(client.call::<Gated>(&number, LONG))).collect();
    rig.state.wait_for_gated(20).await;
    let shutdown = tokio::spawn(rig.server.shutdown());
    rig.state.gate.add_permits(20);
    for (number, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), number);
    }
    shutdown.await.unwrap();
    assert!(!client.call::<Add>(&(1, 2), LONG).await.unwrap_err().may_have_run());
}

#[tokio::test(start_paused = true)]
async fn draining_has_an_end() {
    let rig = Rig::with(|server| server.drain_timeout(3 * SECOND));
    let client = rig.client();
    let call = tokio::spawn(client.call::<Stuck>(&(), LONG));
    rig.state.stuck_began.notified().await;
    let began = Instant::now();
    rig.server.shutdown().await;
    assert!(began.elapsed() < 5 * SECOND);
    rig.state.stuck_dropped.notified().await;
    assert!(call.await.unwrap().unwrap_err().may_have_run());
}

#[tokio::test(start_paused = true)]
async fn peers_that_neither_read_nor_close_cannot_hold_a_shutdown_up() {
    let rig = Rig::new();
    let _idle = rig.raw().await;
    let mut partial = rig.raw().await;
    partial.send(b"\0\0").await;
    tokio::task::yield_now().await;
    let began = Instant::now();
    rig.server.shutdown().await;
    assert!(began.elapsed() < 12 * SECOND);
}

#[tokio::test]
async fn a_stream_that_was_accepted_elsewhere_drains_too() {
    let state = Arc::new(State::default());
    let server = Server::builder(router(&state)).build();
    let (near, far) = tokio::io::duplex(1024);
    let (shutdown, told) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let peer = vsock_rpc::Peer::new(vsock_rpc::PeerAddr::Memory);
        server.serve_stream_until(far, peer, async { told.await.unwrap() }).await;
    });
    let mut peer = RawPeer::new(near.into());
    peer.send(&request_bytes(1, "gated", 7)).await;
    state.wait_for_gated(1).await;
    shutdown.send(()).unwrap();
    assert_eq!(peer.receive_error(FrameKind::GoAway).await.1.code(), "shutting_down");
    state.gate.add_permits(1);
    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, 1, vec![7]));
    assert_eq!(peer.receive().await, None);
    drop(peer);
    serving.await.unwrap();
}

#[tokio::test]
async fn dropping_the_handle_shuts_down_too() {
    let dir = tempfile::tempdir().unwrap();
    let addr = Addr::unix(dir.path().join("s")).unwrap();
    let state = Arc::default();
    let server = Server::builder(router(&state)).serve(Listener::bind(&addr).await.unwrap());
    let mut peer = RawPeer::new(addr.connect().await.unwrap());
    peer.send_frame(FrameKind::Ping, 1, vec![]).await;
    assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Pong);
    drop(server);
    peer.expect_goaway("shutting_down").await;
}
