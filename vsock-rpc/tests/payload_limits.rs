//! The payload limit: each listener's own, and raised while a connection is open.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use bytes::BytesMut;
use common::*;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_util::codec::FramedRead;
use vsock_rpc::codec::{FrameCodec, PAYLOAD_LEN_CEILING};
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::{CallError, Client, Listener, RemoteError, Server, code};

const RAISED: u32 = 200_000;

/// A request whose payload has `len` bytes, and the body that it echoes.
fn echo_of_payload_len(id: u64, len: usize) -> (BytesMut, Blob) {
    let overhead = request_payload("echo", 1000, Blob::of(0)).len();
    let head_of_bytes = [0, 1, 2, 4].into_iter().find(|head| {
        let body = Blob::of(len - overhead - head);
        request_payload("echo", 1000, body).len() == len
    });
    let body = Blob::of(len - overhead - head_of_bytes.expect("a length that some body has"));
    (request_bytes(id, "echo", &body), body)
}

async fn receive_unit(peer: &mut RawPeer, id: u64) {
    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, id, &b"\xf6"[..]));
}

#[tokio::test]
async fn a_payload_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    for limit in [64 * 1024, 1000] {
        let rig = Rig::with(|server| server.max_payload_len(limit));
        let mut peer = rig.raw().await;
        let (request, _) = echo_of_payload_len(1, limit);
        peer.send(&request).await;
        assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Response);
        peer.send(&echo_of_payload_len(2, limit + 1).0).await;
        peer.expect_goaway("payload_too_long").await;
    }
}

#[tokio::test]
async fn each_listener_of_a_server_has_its_own_limit() {
    let state = Arc::new(State::default());
    let server = Server::builder(router(&state)).max_payload_len(1000).max_in_flight_total(1).build();
    let (narrow, narrow_connector) = Listener::memory(64 * 1024);
    let (wide, wide_connector) = Listener::memory(64 * 1024);
    let handles = [server.serve(narrow), server.with_max_payload_len(RAISED as usize).serve(wide)];
    let client = |connector| Client::builder(connector).max_payload_len(RAISED as usize).build();
    let (narrow, wide) = (client(narrow_connector), client(wide_connector));
    assert_eq!(wide.call::<Echo>(&Blob::of(100_000), LONG).await.unwrap(), Blob::of(100_000));
    assert_eq!(wide.call::<Grow>(&100_000, LONG).await.unwrap(), Blob::of(100_000));
    let error = narrow.call::<Echo>(&Blob::of(1000), LONG).await.unwrap_err();
    assert!(!error.may_have_run() && error.to_string().contains("payload_too_long"), "{error}");
    let error = narrow.call::<Grow>(&1000, LONG).await.unwrap_err();
    assert_eq!(error.as_remote().map(RemoteError::code), Some(code::RESPONSE_TOO_LONG));

    // Its other bounds are shared.
    let held = tokio::spawn(wide.call::<Gated>(&1, LONG));
    state.wait_for_gated(1).await;
    let error = narrow.call::<Add>(&(1, 2), LONG).await.unwrap_err();
    assert_eq!(error.as_remote().map(RemoteError::code), Some(code::OVERLOADED));
    state.gate.add_permits(1);
    held.await.unwrap().unwrap();
    for handle in handles {
        handle.shutdown().await;
    }
}

#[tokio::test]
async fn a_method_raises_the_limit_of_its_own_connection_alone() {
    let rig = Rig::new();
    let client = || Client::builder(rig.connector.clone()).max_payload_len(RAISED as usize).build();
    let (raised, other) = (client(), client());
    raised.call::<Raise>(&RAISED, LONG).await.unwrap();
    let blob = Blob::of(150_000);
    assert_eq!(raised.call::<Echo>(&blob, LONG).await.unwrap(), blob);
    assert_eq!(raised.call::<Grow>(&150_000, LONG).await.unwrap(), blob);
    // A lower one changes nothing.
    raised.call::<Raise>(&10, LONG).await.unwrap();
    assert_eq!(raised.call::<Echo>(&blob, LONG).await.unwrap(), blob);

    let error = other.call::<Echo>(&blob, LONG).await.unwrap_err();
    assert!(matches!(&error, CallError::Disconnected { .. }), "{error}");
}

#[tokio::test]
async fn a_raised_limit_holds_from_the_next_header_on() {
    // In one read: what the handler did at once is known before the next header is.
    let rig = Rig::new();
    let peer = rig.raw().await;
    let (long, body) = echo_of_payload_len(2, RAISED as usize);
    let mut bytes = request_bytes(1, "raise", RAISED);
    bytes.extend_from_slice(&long);
    let (reader, mut writer) = tokio::io::split(peer.stream);
    let send = async { writer.write_all(&bytes).await.unwrap() };
    let receive = async {
        let mut frames = FramedRead::new(reader, FrameCodec::new(PAYLOAD_LEN_CEILING));
        assert_eq!(frames.next().await.unwrap().unwrap(), Frame::new(FrameKind::Response, 1, &b"\xf6"[..]));
        let answer = frames.next().await.unwrap().unwrap();
        assert_eq!(serde_cbor::from_slice::<Blob>(&answer.payload).unwrap(), body);
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_header_read_before_the_limit_is_raised_is_held_against_the_old_one() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "raise_gated", RAISED)).await;
    rig.state.wait_for_gated(1).await;
    let (long, _) = echo_of_payload_len(2, RAISED as usize);
    peer.send(&long[..16]).await;
    peer.expect_goaway("payload_too_long").await;

    // A part of a header is none.
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "raise_gated", RAISED)).await;
    rig.state.wait_for_gated(1).await;
    peer.send(&long[..15]).await;
    rig.state.gate.add_permits(1);
    receive_unit(&mut peer, 1).await;
    peer.send(&long[15..]).await;
    assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Response);
}

#[tokio::test]
async fn no_limit_is_raised_above_the_ceiling() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "raise", u32::MAX)).await;
    receive_unit(&mut peer, 1).await;
    let mut header = u32::try_from(PAYLOAD_LEN_CEILING + 1).unwrap().to_be_bytes().to_vec();
    header.extend_from_slice(b"\x01\x01\0\0\0\0\0\0\0\0\0\x02");
    peer.send(&header).await;
    peer.expect_goaway("payload_too_long").await;
}
