//! A client against servers that break the rules, fall silent, or leave, and its reconnecting.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use vsock_rpc::client::{Connector, DisconnectReason};
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::{Addr, CallError, Client, Listener, RemoteError, Server, code, reason};

fn error_payload(code: &'static str) -> Vec<u8> {
    serde_cbor::to_vec(&RemoteError::new(code, "says the script")).unwrap()
}

async fn accept_request(peers: &mut tokio::sync::mpsc::Receiver<RawPeer>) -> (RawPeer, Frame) {
    let mut peer = peers.recv().await.unwrap();
    let request = peer.receive().await.unwrap();
    assert_eq!(request.kind, FrameKind::Request);
    (peer, request)
}

fn disconnected(error: &CallError) -> (bool, &DisconnectReason) {
    match error {
        CallError::Disconnected { may_have_run, reason } => (*may_have_run, reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_must_not_send_closes_the_stream_and_fails_the_calls() {
    type Answer = fn(u64) -> Vec<u8>;
    let bad: [((&str, &str), Answer); 9] = [
        ((reason::PROTOCOL_ERROR, "not made"), |id| frame_bytes(FrameKind::Response, id + 1, vec![3]).to_vec()),
        ((reason::PROTOCOL_ERROR, "not made"), |id| frame_bytes(FrameKind::Error, id + 1, error_payload("x")).to_vec()),
        ((reason::PROTOCOL_ERROR, "malformed Error"), |id| frame_bytes(FrameKind::Error, id, vec![1]).to_vec()),
        ((reason::PROTOCOL_ERROR, "malformed GoAway"), |_| frame_bytes(FrameKind::GoAway, 0, vec![]).to_vec()),
        ((reason::PROTOCOL_ERROR, "no such Request"), |_| frame_bytes(FrameKind::Request, 1, vec![]).to_vec()),
        ((reason::PROTOCOL_ERROR, "no such Ping"), |_| frame_bytes(FrameKind::Ping, 1, vec![]).to_vec()),
        ((reason::PROTOCOL_ERROR, "no such Pong"), |_| frame_bytes(FrameKind::Pong, 1, vec![]).to_vec()),
        ((reason::PAYLOAD_TOO_LONG, "the limit is 65536"), |_| {
            b"\xff\xff\xff\xff\x01\x02\0\0\0\0\0\0\0\0\0\x01".to_vec()
        }),
        ((reason::UNSUPPORTED_VERSION, "this is version 1"), |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
    ];
    for ((code, message), answer) in bad {
        let (mut peers, connector) = scripted_server();
        let client = Client::builder(connector).build();
        let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
        let (mut peer, request) = accept_request(&mut peers).await;
        peer.send(&answer(request.request_id)).await;
        let error = call.await.unwrap().unwrap_err();
        let (may_have_run, reason) = disconnected(&error);
        assert!(may_have_run && error.may_have_run());
        let DisconnectReason::Violation(violation) = reason else { panic!("{reason:?}") };
        assert!(violation.code() == code && violation.message().contains(message), "{code}, {message}: {violation}");
        // The server is told, and a good connection then serves.
        assert_eq!(peer.receive().await.unwrap().kind, FrameKind::GoAway);
        assert_eq!(peer.receive().await, None);
        let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
        let (mut peer, request) = accept_request(&mut peers).await;
        peer.send_frame(FrameKind::Response, request.request_id, vec![3]).await;
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_to_one_request_closes_the_stream() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    let first = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    let (mut peer, request) = accept_request(&mut peers).await;
    let second = tokio::spawn(client.call::<Add>(&(3, 4), LONG));
    peer.receive().await.unwrap();
    let mut twice = frame_bytes(FrameKind::Response, request.request_id, vec![3]);
    twice.extend_from_slice(&twice.clone());
    peer.send(&twice).await;
    assert_eq!(first.await.unwrap().unwrap(), 3);
    let error = second.await.unwrap().unwrap_err();
    assert!(disconnected(&error).0);
}

#[tokio::test]
async fn a_response_of_another_type_is_an_error_of_that_call_alone() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    for payload in [&b"\x61a"[..], b"", b"\x01\x01", b"\xc1\x01", &[0x81; 1000]] {
        let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
        let (mut peer, request) = accept_request(&mut peers).await;
        peer.send_frame(FrameKind::Response, request.request_id, payload).await;
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::MalformedResponse(_)), "{error:?}");
        assert!(error.may_have_run());
        peer.send_frame(FrameKind::GoAway, u64::MAX, error_payload("next")).await;
        assert_eq!(peer.receive().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_for_a_sign_of_life_and_then_given_up() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).liveness_interval(2 * SECOND).build();
    let began = Instant::now();
    let call = tokio::spawn(client.call::<Add>(&(1, 2), 600 * SECOND));
    let (mut peer, _) = accept_request(&mut peers).await;
    // As long as it shows life, a slow answer is waited for.
    for _ in 0..5 {
        let ping = peer.receive().await.unwrap();
        assert_eq!(ping.kind, FrameKind::Ping);
        peer.send_frame(FrameKind::Pong, ping.request_id, vec![]).await;
    }
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(disconnected(&error), (true, DisconnectReason::Silent)), "{error}");
    assert!(began.elapsed() < 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_given_up() {
    let (mut listener, connector) = Listener::memory(16);
    let client = Client::builder(connector).stall_timeout(2 * SECOND).build();
    let call = tokio::spawn(client.call::<Echo>(&Blob::of(1000), 600 * SECOND));
    let _held = listener.accept().await.unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(disconnected(&error), (true, DisconnectReason::TooSlow)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_keeps_its_place_until_answered() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).max_in_flight(1).build();
    let call = client.call::<Add>(&(1, 2), SECOND);
    let (error, (mut peer, request)) = tokio::join!(call, accept_request(&mut peers));
    assert!(matches!(error.unwrap_err(), CallError::DeadlineExceeded { may_have_run: true }));
    let cancel = peer.receive().await.unwrap();
    assert_eq!((cancel.kind, cancel.request_id), (FrameKind::Cancel, request.request_id));
    // The server may still be at work: no second call goes out.
    let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: false }));
    peer.send_frame(FrameKind::Error, request.request_id, error_payload(code::CANCELLED)).await;
    let serve = async {
        let request = peer.receive().await.unwrap();
        peer.send_frame(FrameKind::Response, request.request_id, vec![3]).await;
    };
    let (answer, ()) = tokio::join!(client.call::<Add>(&(1, 2), SECOND), serve);
    assert_eq!(answer.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_a_cancelled_call_loses_the_connection() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).max_in_flight(2).liveness_interval(SECOND).build();
    let (error, (mut peer, _)) = tokio::join!(client.call::<Add>(&(1, 2), SECOND), accept_request(&mut peers));
    error.unwrap_err();
    let lost = tokio::spawn(client.call::<Add>(&(1, 2), 600 * SECOND));
    let keep_alive = async {
        while let Some(frame) = peer.receive().await {
            if frame.kind == FrameKind::Ping {
                peer.send_frame(FrameKind::Pong, frame.request_id, vec![]).await;
            }
        }
    };
    tokio::time::timeout(60 * SECOND, keep_alive).await.unwrap();
    let error = lost.await.unwrap().unwrap_err();
    assert!(matches!(disconnected(&error), (true, DisconnectReason::CancelUnanswered)), "{error}");
}

#[tokio::test]
async fn an_answer_to_a_request_that_is_still_being_written_is_none() {
    // The pipe takes 64 bytes: part of the request.
    let (mut listener, connector) = Listener::memory(64);
    let client = Client::builder(connector).build();
    let call = tokio::spawn(client.call::<Echo>(&Blob::of(100), LONG));
    let mut peer = RawPeer::new(listener.accept().await.unwrap());
    peer.send_frame(FrameKind::Response, 1, vec![0x40]).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(disconnected(&error), (true, DisconnectReason::Violation(_))), "{error}");
}

#[tokio::test]
async fn a_goaway_disowns_later_requests_and_earlier_ones_are_still_answered() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    let first = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    let (mut peer, request) = accept_request(&mut peers).await;
    let second = tokio::spawn(client.call::<Add>(&(3, 4), LONG));
    peer.receive().await.unwrap();
    peer.send_frame(FrameKind::GoAway, request.request_id, error_payload(reason::SHUTTING_DOWN)).await;
    let error = second.await.unwrap().unwrap_err();
    let (may_have_run, reason) = disconnected(&error);
    assert!(!may_have_run && !error.may_have_run());
    assert!(matches!(reason, DisconnectReason::GoAway(error) if error.code() == reason::SHUTTING_DOWN), "{reason}");
    peer.send_frame(FrameKind::Response, request.request_id, vec![3]).await;
    assert_eq!(first.await.unwrap().unwrap(), 3);
    assert_eq!(peer.receive().await, None);
}

#[tokio::test]
async fn a_connection_lost_before_writing_says_the_request_did_not_run() {
    // The pipe takes 16 bytes: part of the first request is written, nothing of the second.
    let (mut listener, connector) = Listener::memory(16);
    let client = Client::builder(connector).build();
    let first = tokio::spawn(client.call::<Echo>(&Blob::of(100), LONG));
    let held = listener.accept().await.unwrap();
    let second = tokio::spawn(client.call::<Echo>(&Blob::of(100), LONG));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    drop(held);
    let (first, second) = (first.await.unwrap().unwrap_err(), second.await.unwrap().unwrap_err());
    assert!(disconnected(&first).0);
    assert!(!disconnected(&second).0);
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_at_once_for_all_who_wait() {
    let dir = tempfile::tempdir().unwrap();
    let client = Client::builder(Addr::unix(dir.path().join("nobody")).unwrap()).build();
    let calls = (0..20).map(|_| client.call::<Add>(&(1, 2), LONG));
    let began = std::time::Instant::now();
    for result in futures_util::future::join_all(calls).await {
        let error = result.unwrap_err();
        assert!(matches!(&error, CallError::Unreachable { kind: std::io::ErrorKind::NotFound, .. }), "{error}");
        assert!(!error.may_have_run());
    }
    assert!(began.elapsed() < LONG);
}

#[tokio::test(start_paused = true)]
async fn connecting_has_a_timeout() {
    let connector = Connector::new("nowhere", std::future::pending::<std::io::Result<tokio::io::DuplexStream>>);
    let client = Client::builder(connector).connect_timeout(SECOND).build();
    let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
    assert!(matches!(&error, CallError::Unreachable { kind: std::io::ErrorKind::TimedOut, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_pause_grows_while_no_connection_is_of_use() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    // Accepts, and closes without a word: being connected is no success.
    let connector = Connector::new("a closing server", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(tokio::io::duplex(64).0) }
    });
    let client = Client::builder(connector).backoff(SECOND, 60 * SECOND).build();
    let began = Instant::now();
    while began.elapsed() < 100 * SECOND {
        let error = client.call::<Add>(&(1, 2), 200 * SECOND).await.unwrap_err();
        assert!(matches!(disconnected(&error).1, DisconnectReason::Closed | DisconnectReason::Io(_)), "{error}");
    }
    // 0 s, then pauses of 1, 2, 4 … seconds less up to a half.
    let attempts = attempts.load(Ordering::SeqCst);
    assert!((7..=9).contains(&attempts), "{attempts}");
    let error = client.call::<Add>(&(1, 2), Duration::from_millis(10)).await.unwrap_err();
    assert!(matches!(&error, CallError::Unreachable { retry_after, .. } if *retry_after > SECOND), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_of_use_ends_the_pauses_and_begins_them_anew() {
    const USEFUL: usize = 4;
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let connector = Connector::new("a server that answers on one connection", move || {
        let attempt = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let (near, far) = tokio::io::duplex(1024);
            if attempt == USEFUL {
                tokio::spawn(async move {
                    let mut peer = RawPeer::new(far.into());
                    let request = peer.receive().await.unwrap();
                    peer.send_frame(FrameKind::Response, request.request_id, vec![3]).await;
                });
            }
            Ok(near)
        }
    });
    let client = Client::builder(connector).backoff(SECOND, 60 * SECOND).build();
    let call = || client.call::<Add>(&(1, 2), 200 * SECOND);
    for _ in 0..USEFUL {
        call().await.unwrap_err();
    }
    let began = Instant::now();
    assert_eq!(call().await.unwrap(), 3);
    assert!(began.elapsed() >= 4 * SECOND, "the fourth pause is 8 s, less up to a half: {:?}", began.elapsed());
    // The connection has ended since: the next attempt comes at once, and the one after it waits the shortest time.
    until_idle().await;
    let began = Instant::now();
    call().await.unwrap_err();
    assert!(began.elapsed() < SECOND / 2, "{:?}", began.elapsed());
    call().await.unwrap_err();
    assert!((SECOND / 2..2 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(attempts.load(Ordering::SeqCst), USEFUL + 3);
}

/// What a server does with a request before it closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    AnswersACancelledCall,
    GoesAway,
    Nothing,
    Pongs,
    Refuses,
    Responds,
}

impl Deed {
    async fn be_done(self, client: &Client, peers: &mut tokio::sync::mpsc::Receiver<RawPeer>) {
        let call = tokio::spawn(client.call::<Add>(&(1, 2), 600 * SECOND));
        let (mut peer, Frame { request_id: id, .. }) = accept_request(peers).await;
        match self {
            Self::AnswersACancelledCall => {
                call.abort();
                assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Cancel);
                peer.send_frame(FrameKind::Error, id, error_payload(code::CANCELLED)).await;
            }
            Self::GoesAway => peer.send_frame(FrameKind::GoAway, 0, error_payload(reason::SHUTTING_DOWN)).await,
            Self::Nothing => {}
            Self::Pongs => {
                let ping = peer.receive().await.unwrap();
                assert_eq!(ping.kind, FrameKind::Ping);
                peer.send_frame(FrameKind::Pong, ping.request_id, vec![]).await;
            }
            Self::Refuses => peer.send_frame(FrameKind::Error, id, error_payload(code::OVERLOADED)).await,
            Self::Responds => peer.send_frame(FrameKind::Response, id, vec![3]).await,
        }
        peer.stream.shutdown().await.unwrap();
        assert_eq!(peer.receive().await, None);
        let result = call.await;
        assert_eq!(matches!(result, Ok(Ok(3))), self == Self::Responds, "{self:?}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_any_kind_ends_the_pause_and_nothing_else_does() {
    for (deed, ends_the_pause) in [
        (Deed::AnswersACancelledCall, true),
        (Deed::GoesAway, false),
        (Deed::Nothing, false),
        (Deed::Pongs, false),
        (Deed::Refuses, true),
        (Deed::Responds, true),
    ] {
        let (mut peers, connector) = scripted_server();
        let client =
            Client::builder(connector).backoff(SECOND, 600 * SECOND).liveness_interval(Duration::from_millis(100));
        let client = client.build();
        for _ in 0..4 {
            Deed::Nothing.be_done(&client, &mut peers).await;
        }
        deed.be_done(&client, &mut peers).await;
        // The fifth pause is one of 16 s, and the sixth one of 32 s, less up to a half; a first one is of 1 s.
        let began = Instant::now();
        Deed::Nothing.be_done(&client, &mut peers).await;
        let fifth = began.elapsed();
        Deed::Nothing.be_done(&client, &mut peers).await;
        let sixth = began.elapsed() - fifth;
        if ends_the_pause {
            assert!(fifth < SECOND / 10, "{deed:?}: {fifth:?}");
            assert!((SECOND / 3..=SECOND + SECOND / 10).contains(&sixth), "{deed:?}: {sixth:?}");
        } else {
            assert!(fifth > 7 * SECOND && sixth > 15 * SECOND, "{deed:?}: {fifth:?}, {sixth:?}");
        }
    }
}

#[tokio::test]
async fn reconnects_after_the_server_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let addr = Addr::unix(dir.path().join("s")).unwrap();
    let client = Client::builder(addr.clone()).build();
    for _ in 0..3 {
        let state = Arc::default();
        let server = Server::builder(router(&state)).serve(Listener::bind(&addr).await.unwrap());
        for round in 0..3 {
            assert_eq!(client.call::<Add>(&(1, round), LONG).await.unwrap(), 1 + round);
        }
        server.shutdown().await;
        let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
        assert!(!error.may_have_run(), "{error}");
    }
}

#[tokio::test]
async fn a_runtime_that_ends_fails_the_calls_of_another() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // The connection is driven by the runtime of whoever called first.
    other.spawn(client.call::<Add>(&(1, 2), LONG));
    let (mut peer, _) = accept_request(&mut peers).await;
    let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    peer.receive().await.unwrap();
    other.shutdown_background();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(disconnected(&error), (true, DisconnectReason::RuntimeEnded)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_said_not_to_have_run_is_not_sent_afterwards() {
    let (mut listener, connector) = Listener::memory(4 * 1024);
    let client = Client::builder(connector).build();
    let call = |len| tokio::spawn(client.call::<Echo>(&Blob::of(len), LONG));
    let first = call(10);
    let mut peer = RawPeer::new(listener.accept().await.unwrap());
    let request = peer.receive().await.unwrap();
    // The second fills the pipe, so that all of the third waits behind it.
    let second = call(20_000);
    until_idle().await;
    let third = call(30);
    until_idle().await;
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(first.await.unwrap().unwrap_err().may_have_run());
    assert!(second.await.unwrap().unwrap_err().may_have_run(), "part of it is on its way");
    assert!(!third.await.unwrap().unwrap_err().may_have_run());
    let mut rest = peer.input.to_vec();
    peer.stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() < 20_000, "the second request is cut, and nothing follows it: {} bytes", rest.len());
    assert_eq!(rest[8..16], (request.request_id + 1).to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_no_call_waits_for_is_gone_whatever_is_unwritten() {
    let (mut listener, connector) = Listener::memory(4 * 1024);
    let client = Client::builder(connector).build();
    let call = |len| tokio::spawn(client.call::<Echo>(&Blob::of(len), LONG));
    let first = call(1);
    let mut peer = RawPeer::new(listener.accept().await.unwrap());
    let request = peer.receive().await.unwrap();
    let unread: Vec<_> = (0..32).map(|_| call(60_000)).collect();
    until_idle().await;
    let response = serde_cbor::to_vec(&Blob::of(1)).unwrap();
    peer.send_frame(FrameKind::Response, request.request_id, response).await;
    first.await.unwrap().unwrap();
    peer.send_frame(FrameKind::GoAway, request.request_id, error_payload("full")).await;
    for call in unread {
        assert!(!call.await.unwrap().unwrap_err().may_have_run());
    }
    // A write fails once the other end is gone; without that, only the pipe's bound would end the loop.
    let gone = async { while peer.stream.write_all(&[0]).await.is_ok() {} };
    tokio::time::timeout(SECOND, gone).await.expect("the client has let go of the connection");
}

/// Lets every other task of this runtime run until it waits.
async fn until_idle() {
    // Paused time moves on only when nothing can run.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
