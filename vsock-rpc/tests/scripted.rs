//! Both peers over streams whose every read is scripted: split anywhere, joined, ended in each state.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use common::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout};
use tokio_util::codec::Decoder;
use vsock_rpc::client::DisconnectReason;
use vsock_rpc::codec::{FrameCodec, PAYLOAD_LEN_CEILING};
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::transport::{MAX_WRITE_LEN, MemoryConnector};
use vsock_rpc::{CallError, Client, Peer, PeerAddr, RemoteError, Server, reason};

/// Reads its chunks one at a time, each after a pause, then the end of the stream. Takes a few bytes a write.
struct Scripted {
    reads: VecDeque<Vec<u8>>,
    is_paused: bool,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Scripted {
    fn new(reads: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let reads = reads.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        Self { reads, is_paused: false, written: Arc::default() }
    }

    /// The bytes with a cut at each of these places.
    fn cut(bytes: &[u8], cuts: &[usize]) -> Self {
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        Self::new(starts.zip(ends).map(|(start, end)| bytes[start..end].to_vec()))
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_paused = !self.is_paused;
        if self.is_paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(chunk) = self.reads.pop_front() {
            let (now, later) = chunk.split_at(chunk.len().min(buf.remaining()));
            buf.put_slice(now);
            if !later.is_empty() {
                self.reads.push_front(later.to_vec());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(bytes.len() <= MAX_WRITE_LEN, "{} bytes are written at once", bytes.len());
        let taken = bytes.len().min(7);
        self.written.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn frames_in(bytes: &[u8]) -> Vec<Frame> {
    let (mut codec, mut buffer) = (FrameCodec::new(PAYLOAD_LEN_CEILING), BytesMut::from(bytes));
    let frames = std::iter::from_fn(|| codec.decode(&mut buffer).unwrap()).collect();
    assert!(buffer.is_empty(), "the server wrote part of a frame");
    frames
}

/// What a server writes to a peer that sends this, and then nothing.
async fn served(server: &Server, stream: Scripted) -> Vec<Frame> {
    let written = Arc::clone(&stream.written);
    timeout(LONG, server.serve_stream(stream, Peer::new(PeerAddr::Unknown))).await.expect("the connection ends");
    let written = written.lock().unwrap();
    frames_in(&written)
}

/// Frames of every kind that a client sends, and for each, how many frames the answer to it and all before it has.
fn conversation() -> (Vec<u8>, Vec<(usize, usize)>, Vec<Frame>) {
    let sent = [
        (request_bytes(1, "add", (1, 2)), Some(Frame::new(FrameKind::Response, 1, vec![3]))),
        (frame_bytes(FrameKind::Ping, 77, vec![]), Some(Frame::new(FrameKind::Pong, 77, vec![]))),
        (frame_bytes(FrameKind::Cancel, 1, vec![]), None),
        (request_bytes(5, "fail", "own"), Some(Frame::new(FrameKind::Error, 5, error_payload("own", "as asked")))),
        (request_bytes(6, "add", (200, 56)), Some(Frame::new(FrameKind::Response, 6, vec![0x19, 1, 0]))),
    ];
    let (mut bytes, mut ends, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for (frame, answer) in sent {
        bytes.extend_from_slice(&frame);
        answers.extend(answer);
        ends.push((bytes.len(), answers.len()));
    }
    (bytes, ends, answers)
}

fn error_payload(code: &'static str, message: &'static str) -> Vec<u8> {
    serde_cbor::to_vec(&RemoteError::new(code, message)).unwrap()
}

#[tokio::test]
async fn a_server_answers_alike_however_its_reads_are_cut() {
    let server = Server::builder(router(&Arc::default())).build();
    let (bytes, _, answers) = conversation();
    assert_eq!(served(&server, Scripted::new([bytes.clone()])).await, answers);
    assert_eq!(served(&server, Scripted::new(bytes.iter().map(|byte| vec![*byte]))).await, answers);
    for first in 1..bytes.len() {
        for second in (first + 1..bytes.len()).step_by(5) {
            let answered = served(&server, Scripted::cut(&bytes, &[first, second])).await;
            assert_eq!(answered, answers, "cut at {first} and {second}");
        }
    }
}

#[tokio::test]
async fn a_server_whose_peer_ends_anywhere_has_answered_the_frames_before_and_leaves() {
    let state = Arc::new(State::default());
    let server = Server::builder(router(&state)).build();
    let (bytes, ends, answers) = conversation();
    for end in 0..=bytes.len() {
        let answered = ends.iter().rev().find(|(at, _)| *at <= end).map_or(0, |(_, answers)| *answers);
        assert_eq!(
            served(&server, Scripted::new([bytes[..end].to_vec()])).await,
            answers[..answered],
            "ended at {end}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_ends_while_its_handlers_work_ends_them() {
    let (partial, goodbye) = (&request_bytes(2, "add", (1, 2))[..20], goodbye());
    // That it said goodbye before does not make anybody wait for the answers.
    for tail in [&b""[..], partial, &goodbye, &[&goodbye, partial].concat()] {
        let state = Arc::new(State::default());
        let server = Server::builder(router(&state)).build();
        let bytes = [&request_bytes(1, "stuck", ()), tail].concat();
        for cut in 1..bytes.len() {
            assert_eq!(served(&server, Scripted::cut(&bytes, &[cut])).await, [], "cut at {cut}");
            state.stuck_dropped.notified().await;
        }
        assert_eq!(state.calls.load(Ordering::SeqCst), 0);
    }
}

fn goodbye() -> BytesMut {
    frame_bytes(FrameKind::GoAway, 0, error_payload("done", ""))
}

#[tokio::test]
async fn a_peer_that_ends_after_it_broke_a_rule_was_told_which() {
    let server = Server::builder(router(&Arc::default())).build();
    let mut bytes = request_bytes(9, "add", (1, 2)).to_vec();
    bytes.extend_from_slice(&frame_bytes(FrameKind::Pong, 1, vec![]));
    for tail in [&b""[..], b"\0", &[0; 5000], &bytes.clone()] {
        let sent = [&bytes, tail].concat();
        for cut in [bytes.len() - 1, bytes.len(), sent.len()] {
            let answered = served(&server, Scripted::cut(&sent, &[cut])).await;
            let [response, goaway] = &answered[..] else { panic!("{answered:?}") };
            assert_eq!(*response, Frame::new(FrameKind::Response, 9, vec![3]));
            assert_eq!((goaway.kind, goaway.request_id), (FrameKind::GoAway, 9));
        }
    }
}

#[tokio::test]
async fn a_client_that_says_goodbye_gets_its_answers_and_nothing_new_begins() {
    let state = Arc::new(State::default());
    let server = Server::builder(router(&state)).build();
    let mut bytes = request_bytes(1, "parallel", 7).to_vec();
    bytes.extend_from_slice(&goodbye());
    bytes.extend_from_slice(&request_bytes(2, "add", (1, 2)));
    for cut in 1..bytes.len() {
        // The end of the stream is only seen when the connection has drained.
        let (near, far) = tokio::io::duplex(1 << 16);
        let serving = server.serve_stream(far, Peer::new(PeerAddr::Unknown));
        let talk = async {
            let mut peer = RawPeer::new(near.into());
            peer.send(&bytes[..cut]).await;
            tokio::task::yield_now().await;
            peer.send(&bytes[cut..]).await;
            assert_eq!(peer.receive().await.unwrap(), Frame::new(FrameKind::Response, 1, vec![7]));
            assert_eq!(peer.receive().await, None);
        };
        timeout(LONG, async { tokio::join!(serving, talk) }).await.expect("the connection ends");
    }
    assert_eq!(state.calls.load(Ordering::SeqCst), 0);
}

/// A frame has its time from its first byte, also while nothing is read because the peer does not take its answers.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_slow_peer_waits_for_does_not_extend_its_frame_s_time() {
    let server = Server::builder(router(&Arc::default())).max_payload_len(1 << 20).frame_timeout(5 * SECOND).build();
    let whole = request_bytes(2, "add", (1, 2));
    // With a whole request before it, the partial one is seen when reading goes on, eight seconds later.
    for (method, between, ends_within) in [("grow", &[][..], 7), ("parallel_grow", &[], 7), ("grow", &whole, 11)] {
        for len in [3, 16, 20] {
            let sent = [&request_bytes(1, method, 200_000), between, &request_bytes(3, "add", (1, 2))[..len]].concat();
            let (mut near, far) = tokio::io::duplex(16 * 1024);
            let began = Instant::now();
            let serving = server.serve_stream(far, Peer::new(PeerAddr::Unknown));
            let talk = async {
                near.write_all(&sent).await.unwrap();
                let mut piece = vec![0; 16 * 1024];
                while near.read_exact(&mut piece).await.is_ok() {
                    tokio::time::sleep(SECOND).await;
                }
            };
            let ended = async {
                serving.await;
                began.elapsed()
            };
            let (ended, ()) = tokio::join!(ended, talk);
            assert!((5 * SECOND..ends_within * SECOND).contains(&ended), "{method}, {len} bytes: {ended:?}");
        }
    }
}

#[tokio::test]
async fn a_limit_raised_in_flight_holds_however_the_reads_are_cut() {
    let server = Server::builder(router(&Arc::default())).max_payload_len(100).build();
    let mut bytes = request_bytes(1, "raise", 2000).to_vec();
    let raised = bytes.len();
    bytes.extend_from_slice(&request_bytes(2, "echo", Blob::of(1000)));
    for cut in 1..raised + 40 {
        let answers = served(&server, Scripted::cut(&bytes, &[cut])).await;
        let kinds: Vec<_> = answers.iter().map(|frame| (frame.kind, frame.request_id)).collect();
        assert_eq!(kinds, [(FrameKind::Response, 1), (FrameKind::Response, 2)], "cut at {cut}");
        // The second alone is too long.
        let alone = served(&server, Scripted::cut(&bytes[raised..], &[cut.min(100)])).await;
        assert_eq!(alone.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [FrameKind::GoAway], "cut at {cut}");
    }
}

/// Calls in flight, and the server that has their requests but did not answer.
async fn calls_in_flight(calls: u32) -> (Client, Vec<tokio::task::JoinHandle<Result<u32, CallError>>>, RawPeer) {
    let (mut peers, connector): (_, MemoryConnector) = scripted_server();
    let client = Client::builder(connector).build();
    let mut in_flight = Vec::new();
    let mut peer: Option<RawPeer> = None;
    for id in 1..=calls {
        in_flight.push(tokio::spawn(client.call::<Add>(&(id, 0), LONG)));
        let peer = match &mut peer {
            Some(peer) => peer,
            none => none.insert(peers.recv().await.unwrap()),
        };
        assert_eq!(peer.receive().await.unwrap().request_id, u64::from(id));
    }
    (client, in_flight, peer.unwrap())
}

/// Sends the pieces so that each is read before the next.
async fn send_apart(peer: &mut RawPeer, bytes: &[u8], cut: usize) {
    peer.send(&bytes[..cut]).await;
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    peer.send(&bytes[cut..]).await;
}

/// The answer `100 + id`; for some, an error that says as much.
fn answer_to(id: u8) -> (BytesMut, Result<u32, RemoteError>) {
    if id.is_multiple_of(3) {
        let error = RemoteError::new(format!("e{id}"), "");
        let payload = serde_cbor::to_vec(&error).unwrap();
        return (frame_bytes(FrameKind::Error, u64::from(id), payload), Err(error));
    }
    (frame_bytes(FrameKind::Response, u64::from(id), vec![0x18, 100 + id]), Ok(100 + u32::from(id)))
}

fn permutations(ids: &[u8]) -> Vec<Vec<u8>> {
    if ids.is_empty() {
        return vec![vec![]];
    }
    let but = |id: u8| ids.iter().copied().filter(|other| *other != id).collect::<Vec<_>>();
    let starting = |id: u8| permutations(&but(id)).into_iter().map(move |rest| [vec![id], rest].concat());
    ids.iter().flat_map(|id| starting(*id)).collect()
}

#[tokio::test]
async fn responses_in_any_order_and_cut_anywhere_reach_their_own_calls() {
    let orders = permutations(&[1, 2, 3, 4]);
    assert_eq!(orders.len(), 24);
    for order in orders {
        let bytes: Vec<u8> = order.iter().flat_map(|id| answer_to(*id).0).collect();
        for cut in 0..bytes.len() {
            let (_client, calls, mut peer) = calls_in_flight(4).await;
            send_apart(&mut peer, &bytes, cut).await;
            for (id, call) in (1..).zip(calls) {
                let answer = call.await.unwrap().map_err(|error| error.as_remote().cloned().expect("a remote error"));
                assert_eq!(answer, answer_to(id).1, "order {order:?}, cut at {cut}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_an_answer_loses_that_call_and_those_after_it() {
    let bytes: Vec<u8> = [2, 1].iter().flat_map(|id| answer_to(*id).0).collect();
    let whole = bytes.len() / 2;
    for end in 0..=bytes.len() {
        let (_client, calls, mut peer) = calls_in_flight(2).await;
        peer.send(&bytes[..end]).await;
        peer.stream.shutdown().await.unwrap();
        for ((id, call), needed) in (1..).zip(calls).zip([bytes.len(), whole]) {
            match call.await.unwrap() {
                Ok(answer) => assert_eq!((answer, end >= needed), (100 + id, true), "ended at {end}"),
                Err(error) => {
                    assert!(end < needed && error.may_have_run(), "ended at {end}: {error}");
                    let inside = !end.is_multiple_of(whole);
                    let CallError::Disconnected { reason, .. } = error else { panic!("ended at {end}: {error}") };
                    assert_eq!(matches!(reason, DisconnectReason::Truncated), inside, "ended at {end}: {reason}");
                    assert_eq!(matches!(reason, DisconnectReason::Closed), !inside, "ended at {end}: {reason}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_with_nothing_in_flight_is_made_again_at_the_next_call() {
    for noise in [&b""[..], b"\0\0\0\x01", &frame_bytes(FrameKind::GoAway, 0, error_payload("idle", ""))] {
        let (mut peers, connector) = scripted_server();
        let client = Client::builder(connector).build();
        for _ in 0..2 {
            let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
            let mut peer = peers.recv().await.unwrap();
            let request = peer.receive().await.unwrap();
            peer.send_frame(FrameKind::Response, request.request_id, vec![3]).await;
            assert_eq!(call.await.unwrap().unwrap(), 3);
            peer.send(noise).await;
            peer.stream.shutdown().await.unwrap();
            // Until the client has seen it, a call could still be lost to it.
            assert_eq!(peer.receive().await, None);
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_after_a_goaway_keeps_what_the_goaway_said() {
    for end_inside in [false, true] {
        let (_client, calls, mut peer) = calls_in_flight(3).await;
        peer.send_frame(FrameKind::GoAway, 2, error_payload(reason::SHUTTING_DOWN, "for today")).await;
        peer.send(&answer_to(1).0).await;
        if end_inside {
            peer.send(&answer_to(2).0[..10]).await;
        }
        peer.stream.shutdown().await.unwrap();
        let mut results = Vec::new();
        for call in calls {
            results.push(call.await.unwrap());
        }
        assert_eq!(*results[0].as_ref().unwrap(), 101);
        for (result, may_have_run) in results[1..].iter().zip([true, false]) {
            let error = result.as_ref().unwrap_err();
            let CallError::Disconnected { reason: DisconnectReason::GoAway(said), .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!(*said, RemoteError::new(reason::SHUTTING_DOWN, "for today"));
            assert_eq!(error.may_have_run(), may_have_run, "{error}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_while_the_client_says_which_rule_was_broken_changes_nothing_about_it() {
    let broken = [answer_to(1).0, frame_bytes(FrameKind::Pong, 9, vec![])].concat();
    for tail in [&b""[..], b"\0", &answer_to(2).0] {
        let bytes = [&broken, tail].concat();
        for cut in 1..broken.len() {
            let (_client, calls, mut peer) = calls_in_flight(2).await;
            send_apart(&mut peer, &bytes, cut).await;
            peer.stream.shutdown().await.unwrap();
            let [first, second] = <[_; 2]>::try_from(calls).unwrap();
            assert_eq!(first.await.unwrap().unwrap(), 101);
            let error = second.await.unwrap().unwrap_err();
            assert!(error.may_have_run() && error.to_string().contains("protocol_error"), "{error}");
            peer.expect_goaway("protocol_error").await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_while_the_client_waits_for_its_last_answers_is_left() {
    let answer = answer_to(1).0;
    for end in 0..=answer.len() {
        let (client, mut calls, mut peer) = calls_in_flight(1).await;
        calls.remove(0).abort();
        drop(client);
        assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Cancel);
        peer.send(&answer[..end]).await;
        peer.stream.shutdown().await.unwrap();
        assert_eq!(timeout(LONG, peer.receive()).await.expect("the client leaves"), None, "ended at {end}");
    }
}

#[tokio::test]
async fn a_client_takes_a_response_of_exactly_its_limit_and_not_one_byte_more() {
    for (len, taken) in [(0, false), (1, true), (999, true), (1000, true), (1001, false)] {
        let (mut peers, connector) = scripted_server();
        let client = Client::builder(connector).max_payload_len(1000).build();
        let call = tokio::spawn(client.call::<Bytestring>(&(), LONG));
        let mut peer = peers.recv().await.unwrap();
        let request = peer.receive().await.unwrap();
        // A byte string that fills the payload; none fills a payload of no bytes.
        let payload = (0..=len).rev().map(|len| serde_cbor::to_vec(&serde_bytes::Bytes::new(&vec![7; len])).unwrap());
        let payload = payload.into_iter().find(|payload| payload.len() == len).unwrap_or_default();
        peer.send_frame(FrameKind::Response, request.request_id, Bytes::from(payload)).await;
        match call.await.unwrap() {
            Ok(_) => assert!(taken, "{len} bytes"),
            Err(CallError::MalformedResponse(_)) => assert_eq!(len, 0),
            Err(CallError::Disconnected { reason: DisconnectReason::Violation(violation), .. }) => {
                assert_eq!((len, violation.code()), (1001, reason::PAYLOAD_TOO_LONG));
            }
            Err(error) => panic!("{len}: {error}"),
        }
    }
}

struct Bytestring;
impl vsock_rpc::Method for Bytestring {
    const NAME: &'static str = "bytestring";
    type Request = ();
    type Response = serde_bytes::ByteBuf;
}

#[tokio::test]
async fn a_peer_of_another_version_is_told_in_a_frame_that_every_version_reads() {
    let server = Server::builder(router(&Arc::default())).build();
    let request = b"\0\0\0\0\x02\x01\0\0\0\0\0\0\0\0\0\x01";
    let stream = Scripted::new([request.to_vec()]);
    let written = Arc::clone(&stream.written);
    server.serve_stream(stream, Peer::new(PeerAddr::Unknown)).await;
    let text = "protocol version 2 is not supported, this is version 1";
    let mut expected = b"\0\0\0\x4d\x01\x07\0\0\0\0\0\0\0\0\0\0\x82\x73unsupported_version\x78\x36".to_vec();
    expected.extend_from_slice(text.as_bytes());
    assert_eq!(written.lock().unwrap().as_slice(), expected);

    // The other way round: nothing of what this client sent has run.
    let (client, mut calls, mut peer) = calls_in_flight(1).await;
    let mut goaway = frame_bytes(FrameKind::GoAway, 0, error_payload("unsupported_version", "this is version 2"));
    goaway[4] = 2;
    peer.send(&goaway).await;
    let error = calls.remove(0).await.unwrap().unwrap_err();
    assert!(!error.may_have_run());
    assert!(error.to_string().ends_with("the server said unsupported_version: this is version 2"), "{error}");
    drop(client);
}
