//! A server against peers that break the rules, are slow, or leave: a reason, a closed stream, and the next
//! connection works.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::*;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::{Addr, Client, Listener, RemoteError, Server, code};

async fn assert_serves(rig: &Rig) {
    assert_eq!(rig.client().call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn each_broken_rule_has_its_reason() {
    let rig = Rig::new();
    for (bytes, reason) in [
        (&b"\0\0\0\0\x02\x01\0\0\0\0\0\0\0\0\0\x01"[..], "unsupported_version"),
        (b"GET / HTTP/1.1\r\n\r\n", "unsupported_version"),
        (b"\0\0\0\0\x01\x01\0\x01\0\0\0\0\0\0\0\x01", "protocol_error"),
        (b"\0\0\0\0\x01\x63\0\0\0\0\0\0\0\0\0\x01", "protocol_error"),
        (b"\0\0\0\0\x01\x01\0\0\0\0\0\0\0\0\0\0", "protocol_error"),
        (b"\xff\xff\xff\xff\x01\x01\0\0\0\0\0\0\0\0\0\x01", "payload_too_long"),
        (b"\0\x01\0\x01\x01\x01\0\0\0\0\0\0\0\0\0\x01", "payload_too_long"),
        (b"\0\0\0\x01\x01\x05\0\0\0\0\0\0\0\0\0\x01", "payload_too_long"),
        // A response to a request that the server never made.
        (b"\0\0\0\0\x01\x02\0\0\0\0\0\0\0\0\0\x01", "protocol_error"),
        (b"\0\0\0\0\x01\x06\0\0\0\0\0\0\0\0\0\x01", "protocol_error"),
    ] {
        let mut peer = rig.raw().await;
        peer.send(bytes).await;
        peer.expect_goaway(reason).await;
        assert_serves(&rig).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_request_id_ends_the_connection() {
    let rig = Rig::new();
    for second in [5, 4, 1] {
        let mut peer = rig.raw().await;
        peer.send(&request_bytes(5, "add", (1, 2))).await;
        assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Response);
        peer.send(&request_bytes(second, "add", (1, 2))).await;
        peer.expect_goaway("protocol_error").await;
    }
    assert_serves(&rig).await;
}

#[tokio::test]
async fn malformed_requests_are_answered_and_the_connection_lives_on() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    let mut deep = vec![0x83, 0x63, b'a', b'd', b'd', 0x18, 0xfa];
    deep.extend_from_slice(&[0x81; 5000]);
    deep.push(0);
    let mut trailing = request_payload("add", 1000, (1, 2));
    trailing.push(0);
    let cases: [(Vec<u8>, &str); 11] = [
        (vec![], code::MALFORMED_REQUEST),
        (b"not cbor at all".to_vec(), code::MALFORMED_REQUEST),
        (vec![0x83], code::MALFORMED_REQUEST),
        (serde_cbor::to_vec(&("add", 1000)).unwrap(), code::MALFORMED_REQUEST),
        (request_payload("add", 1000, "text"), code::MALFORMED_REQUEST),
        (request_payload("add", 1000, (1, 2, 3)), code::MALFORMED_REQUEST),
        (serde_cbor::to_vec(&("add", -1, (1, 2))).unwrap(), code::MALFORMED_REQUEST),
        (request_payload(&"m".repeat(65), 1000, ()), code::MALFORMED_REQUEST),
        (request_payload("sub", 1000, ()), code::UNKNOWN_METHOD),
        (deep, code::MALFORMED_REQUEST),
        (trailing, code::MALFORMED_REQUEST),
    ];
    for (id, (payload, expected)) in (1..).zip(cases) {
        peer.send_frame(FrameKind::Request, id, payload.clone()).await;
        let (answered, error) = peer.receive_error(FrameKind::Error).await;
        assert_eq!((answered, error.code()), (id, expected), "{payload:02x?}: {error}");
    }
    peer.send(&request_bytes(100, "add", (1, 2))).await;
    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, 100, vec![3]));
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_with_no_time_left_does_not_run() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send_frame(FrameKind::Request, 1, request_payload("add", 0, (1, 2))).await;
    assert_eq!(peer.receive_error(FrameKind::Error).await.1.code(), code::DEADLINE_EXCEEDED);
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 0);
    // The largest deadline is not too large to add to a clock.
    peer.send_frame(FrameKind::Request, 2, request_payload("add", u64::MAX, (1, 2))).await;
    assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Response);
}

#[tokio::test]
async fn cancel_stops_the_handler_and_is_answered_once() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "stuck", ())).await;
    rig.state.stuck_began.notified().await;
    for id in [1, 1, 77] {
        peer.send_frame(FrameKind::Cancel, id, vec![]).await;
    }
    rig.state.stuck_dropped.notified().await;
    let (id, error) = peer.receive_error(FrameKind::Error).await;
    assert_eq!((id, error.code()), (1, code::CANCELLED));
    peer.send_frame(FrameKind::Ping, 3, vec![]).await;
    assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Pong);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_when_it_is_dropped_harms_only_its_own_call() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "gated", 7)).await;
    rig.state.wait_for_gated(1).await;
    peer.send(&request_bytes(2, "fragile", true)).await;
    assert_eq!(peer.receive_error(FrameKind::Error).await.1.code(), code::INTERNAL);
    peer.send(&request_bytes(3, "fragile", false)).await;
    peer.send_frame(FrameKind::Cancel, 3, vec![]).await;
    assert_eq!(peer.receive_error(FrameKind::Error).await.1.code(), code::CANCELLED);
    peer.send_frame(FrameKind::Request, 4, request_payload("fragile", 50, false)).await;
    assert_eq!(peer.receive_error(FrameKind::Error).await.1.code(), code::DEADLINE_EXCEEDED);
    rig.state.gate.add_permits(1);
    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, 1, vec![7]));
    // Nor does it keep the peer from being told which rule it broke.
    peer.send(&request_bytes(5, "fragile", false)).await;
    peer.send_frame(FrameKind::Pong, 1, vec![]).await;
    peer.expect_goaway("protocol_error").await;
    assert_serves(&rig).await;
}

#[tokio::test]
async fn a_connection_that_ends_drops_its_handlers() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "stuck", ())).await;
    rig.state.stuck_began.notified().await;
    drop(peer);
    rig.state.stuck_dropped.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_ends_is_not_waited_for() {
    let rig = Rig::with(|server| server.frame_timeout(5 * SECOND).idle_timeout(300 * SECOND));
    let bytes = request_bytes(1, "add", (1, 2));
    for len in [1, 15, 16, 20] {
        let began = Instant::now();
        let mut peer = rig.raw().await;
        peer.send(&bytes[..len]).await;
        peer.expect_goaway("too_slow").await;
        assert!(began.elapsed() < 7 * SECOND);
    }
    assert_serves(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_loris_does_not_extend_its_time_byte_by_byte() {
    let rig = Rig::with(|server| server.frame_timeout(5 * SECOND));
    let mut peer = rig.raw().await;
    let began = Instant::now();
    for byte in &request_bytes(1, "add", (1, 2))[..8] {
        if peer.stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(SECOND).await;
    }
    peer.expect_goaway("too_slow").await;
    assert!(began.elapsed() < 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_told_and_closed() {
    let rig = Rig::with(|server| server.idle_timeout(20 * SECOND));
    let began = Instant::now();
    let mut peer = rig.raw().await;
    peer.expect_goaway("idle").await;
    assert!(began.elapsed() >= 20 * SECOND && began.elapsed() < 22 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_work_in_flight_is_not_idle() {
    let rig = Rig::with(|server| server.idle_timeout(20 * SECOND).max_deadline(300 * SECOND));
    let mut peer = rig.raw().await;
    peer.send_frame(FrameKind::Request, 1, request_payload("gated", 300_000, 7)).await;
    tokio::time::sleep(100 * SECOND).await;
    rig.state.gate.add_permits(1);
    assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, 1, vec![7]));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_cut_off_and_others_are_served() {
    let rig = Rig::with(|server| server.write_timeout(5 * SECOND));
    let mut peer = rig.raw().await;
    let flood = async {
        for id in 1.. {
            let request = request_bytes(id, "grow", 60_000);
            if peer.stream.write_all(&request).await.is_err() {
                return id;
            }
        }
        unreachable!("a finite server takes a finite number of requests")
    };
    let (sent, ()) = tokio::join!(flood, assert_serves(&rig));
    // Two buffers of the pipe and one of the server hold a few thousand requests; it read no more than that.
    assert!(sent < 10_000, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn the_handlers_of_a_peer_that_reads_nothing_end_at_their_deadlines() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    let mut requests = request_bytes(1, "stuck", ());
    for id in 2..=6 {
        requests.extend_from_slice(&frame_bytes(FrameKind::Request, id, request_payload("grow", 60_000, 60_000)));
    }
    peer.send(&requests).await;
    rig.state.stuck_began.notified().await;
    let began = Instant::now();
    rig.state.stuck_dropped.notified().await;
    assert_eq!(began.elapsed().as_secs(), 1, "the deadline in the request, not the end of the connection");
    // Every answer is still there for the peer.
    let mut responses = Vec::new();
    for _ in 1..=6 {
        let frame = peer.receive().await.unwrap();
        if frame.kind == FrameKind::Response {
            responses.push(frame.request_id);
        } else {
            let error: RemoteError = serde_cbor::from_slice(&frame.payload).unwrap();
            assert_eq!((frame.request_id, error.code()), (1, code::DEADLINE_EXCEEDED));
        }
    }
    assert_eq!(responses, [2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_a_trickle_is_cut_off_too() {
    use tokio::io::AsyncReadExt;
    let rig = Rig::with(|server| server.write_timeout(5 * SECOND));
    let mut peer = rig.raw().await;
    for id in 1..=8 {
        peer.send(&request_bytes(id, "grow", 60_000)).await;
    }
    let began = Instant::now();
    // A byte a second never makes a piece; once the server gave up, the rest comes at once.
    let mut byte = [0];
    while began.elapsed() < 100 * SECOND && peer.stream.write_all(b"").await.is_ok() {
        tokio::time::sleep(SECOND).await;
        match peer.stream.read(&mut byte).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if peer.stream.write_all(&frame_bytes(FrameKind::Ping, 1, vec![])).await.is_err() {
            break;
        }
    }
    assert!(began.elapsed() < 30 * SECOND, "{:?}", began.elapsed());
}

/// Starts requests whose answers, of `len` bytes each, do not fit the pipe, and waits until the handlers are done.
async fn peer_with_unread_answers(rig: &Rig, method: &str, requests: u64, len: u32) -> RawPeer {
    let mut peer = rig.raw().await;
    let done = rig.state.calls.load(Ordering::SeqCst) as u64 + requests;
    for id in 1..=requests {
        peer.send(&request_bytes(id, method, len)).await;
    }
    while (rig.state.calls.load(Ordering::SeqCst) as u64) < done {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    peer
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_read_count_as_in_flight() {
    // Inline, an answer that fills the queue already holds up the next request.
    for (method, requests) in [("grow", 1), ("parallel_grow", 3)] {
        let rig = Rig::with(|server| server.max_payload_len(1 << 20).max_in_flight_total(requests));
        let client = rig.client();
        let mut peer = peer_with_unread_answers(&rig, method, requests as u64, 200_000).await;
        let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
        assert_eq!(error.as_remote().map(RemoteError::code), Some(code::OVERLOADED), "{method}: {error}");
        for _ in 0..requests {
            assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Response);
        }
        assert_eq!(client.call::<Add>(&(1, 2), SECOND).await.unwrap(), 3, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_read_are_freed_when_the_peer_leaves_or_is_cut_off() {
    for leaves in [true, false] {
        let rig = Rig::with(|server| server.max_payload_len(1 << 20).max_in_flight_total(3).write_timeout(5 * SECOND));
        let client = rig.client();
        let peer = peer_with_unread_answers(&rig, "parallel_grow", 3, 200_000).await;
        let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
        assert_eq!(error.as_remote().map(RemoteError::code), Some(code::OVERLOADED), "{error}");
        let peer = if leaves { None } else { Some(peer) };
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(client.call::<Add>(&(1, 2), SECOND).await.unwrap(), 3);
        drop(peer);
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_takes_no_more_places_than_its_own_bound_with_unread_answers() {
    let rig = Rig::with(|server| server.max_payload_len(1 << 20).max_in_flight(2).max_in_flight_total(3));
    // More than the pipe takes, and less than stops the server from reading.
    let mut peer = peer_with_unread_answers(&rig, "grow", 1, 100_000).await;
    for id in 2..=50 {
        peer.send(&request_bytes(id, "add", (1, 2))).await;
    }
    // Two are answered, unread; the third place is still there for others.
    assert_serves(&rig).await;
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 3);
    assert_eq!(peer.receive().await.unwrap().request_id, 1);
    for id in 2..=50 {
        assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, id, vec![3]));
    }
}

#[tokio::test]
async fn quick_answers_to_a_batch_are_written_before_the_bound_refuses_any() {
    for rig in [
        Rig::with(|server| server.max_in_flight(1).max_in_flight_total(1)),
        Rig::with(|server| server.max_in_flight_bytes(1)),
        // Room for one of these, and not for two.
        Rig::with(|server| server.max_payload_len(1000).max_in_flight_bytes(1100)),
    ] {
        let mut peer = rig.raw().await;
        let mut batch = bytes::BytesMut::new();
        for id in 1..=200 {
            batch.extend_from_slice(&request_bytes(id, "echo", Blob::of(600)));
        }
        peer.send(&batch).await;
        for id in 1..=200 {
            let answer = peer.receive().await.unwrap();
            assert_eq!((answer.kind, answer.request_id), (FrameKind::Response, id));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_whose_pongs_are_not_read_is_not_read_either() {
    let rig = Rig::with(|server| server.write_timeout(5 * SECOND));
    let mut peer = rig.raw().await;
    let ping = frame_bytes(FrameKind::Ping, 1, vec![]);
    let mut sent = 0;
    while peer.stream.write_all(&ping).await.is_ok() {
        sent += ping.len();
    }
    // Both directions of the pipe, the queue of Pongs, and what was read ahead; what came while the server closed.
    assert!(sent < 5 * 64 * 1024 + 1024 * 1024, "{sent}");
    assert_serves(&rig).await;
}

#[tokio::test]
async fn floods_of_pings_and_cancels_are_answered_or_ignored_in_order() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    let mut flood = bytes::BytesMut::new();
    for id in 1..=500 {
        flood.extend_from_slice(&frame_bytes(FrameKind::Ping, id, vec![]));
        flood.extend_from_slice(&frame_bytes(FrameKind::Cancel, id, vec![]));
    }
    peer.send(&flood).await;
    for id in 1..=500 {
        assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Pong, id, vec![]));
    }
    assert_serves(&rig).await;
}

#[tokio::test]
async fn connections_above_the_bound_are_told_and_closed() {
    let rig = Rig::with(|server| server.max_connections(2));
    let mut first = rig.raw().await;
    let mut second = rig.raw().await;
    for peer in [&mut first, &mut second] {
        peer.send_frame(FrameKind::Ping, 1, vec![]).await;
        assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Pong);
    }
    let mut third = rig.raw().await;
    third.expect_goaway("too_many_connections").await;
    drop(first);
    // The place is free again once the server has seen the end; until then, a peer is told.
    loop {
        let mut peer = rig.raw().await;
        peer.send_frame(FrameKind::Ping, 1, vec![]).await;
        match peer.receive().await {
            Some(Frame { kind: FrameKind::Pong, .. }) => break,
            other => assert_eq!(other.unwrap().kind, FrameKind::GoAway),
        }
    }
}

#[tokio::test]
async fn a_peer_above_the_bound_is_told_on_a_socket_too_whatever_it_sent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let addr = Addr::Unix(path.clone());
    let state = Arc::new(State::default());
    let server = Server::builder(router(&state)).max_connections(1).serve(Listener::bind(&addr).await.unwrap());
    let client = Client::builder(addr).build();
    assert_eq!(client.call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
    for sent in [0, 1, 1000] {
        let mut peer = RawPeer::new(tokio::net::UnixStream::connect(&path).await.unwrap().try_into().unwrap());
        peer.send(&frame_bytes(FrameKind::Ping, 1, vec![]).repeat(sent)).await;
        peer.expect_goaway("too_many_connections").await;
    }
    assert_eq!(client.call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn peers_that_are_turned_away_and_stay_make_others_be_closed_without_a_word() {
    let rig = Rig::with(|server| server.max_connections(1));
    let mut first = rig.raw().await;
    first.send_frame(FrameKind::Ping, 1, vec![]).await;
    assert_eq!(first.receive().await.unwrap().kind, FrameKind::Pong);
    let began = Instant::now();
    let mut staying = Vec::new();
    for _ in 0..64 {
        let mut peer = rig.raw().await;
        assert_eq!(peer.receive_error(FrameKind::GoAway).await.1.code(), "too_many_connections");
        staying.push(peer);
    }
    assert_eq!(rig.raw().await.receive().await, None);
    assert!(began.elapsed() < SECOND / 2, "nobody waited for those who stay");
    for mut peer in staying {
        assert_eq!(peer.receive().await, None);
    }
    tokio::time::sleep(2 * SECOND).await;
    rig.raw().await.expect_goaway("too_many_connections").await;
}

#[tokio::test]
async fn a_hostile_method_name_comes_back_harmless() {
    let rig = Rig::new();
    let mut peer = rig.raw().await;
    peer.send(&request_bytes(1, "a\u{1b}[2J\n", ())).await;
    let (_, error): (_, RemoteError) = peer.receive_error(FrameKind::Error).await;
    assert_eq!(error.code(), code::UNKNOWN_METHOD);
    assert!(!error.message().contains(char::is_control), "{error:?}");
}
