//! What a connection makes a server hold, counted allocation by allocation, against the bound in the README.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use common::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vsock_rpc::frame::{FrameHeader, FrameKind};
use vsock_rpc::transport::MAX_WRITE_LEN;
use vsock_rpc::{Peer, PeerAddr, Server};

const PAYLOAD: usize = 1000;
const IN_FLIGHT: usize = 4;
/// What a connection keeps that is idle: 32 KiB of buffer each way, and its own state.
const IDLE_BOUND: usize = 2 * 32 * 1024 + 8 * 1024;
/// The README's bound, for one connection.
const BOUND: usize = 2 * (PAYLOAD + 81 * 1024) + 2 * IN_FLIGHT * PAYLOAD;
/// As many as there may be turns in what the peer takes at once.
const POLLS: usize = 8;

/// Sends all of this as fast as it is read, then nothing, and takes so many bytes as it is allowed to. It is foreign to the
/// crate, which cuts for it what it writes.
struct Flood {
    bytes: Vec<u8>,
    at: usize,
    may_take: Arc<AtomicUsize>,
}

impl AsyncRead for Flood {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = buf.remaining().min(self.bytes.len() - self.at);
        buf.put_slice(&self.bytes[self.at..][..len]);
        self.at += len;
        if len == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(bytes.len() <= MAX_WRITE_LEN, "{} bytes are written at once", bytes.len());
        let taken = self.may_take.load(Ordering::SeqCst).min(bytes.len());
        self.may_take.fetch_sub(taken, Ordering::SeqCst);
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The most that a server holds while a peer sends this, and takes now much, now little of the answers.
fn held_under_flood(bytes: Vec<u8>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let server =
        Server::builder(router(&Arc::default())).max_payload_len(PAYLOAD).max_in_flight_total(IN_FLIGHT).build();
    let may_take = Arc::new(AtomicUsize::new(0));
    let stream = Flood { bytes, at: 0, may_take: Arc::clone(&may_take) };
    let mut serving = Box::pin(server.serve_stream(stream, Peer::new(PeerAddr::Unknown)));
    let (mut held, mut most, mut random) = (0, 0, 1_u64);
    for _ in 0..500 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = [10, 3000, 40_000, 70_000][usize::try_from(random >> 62).unwrap()];
        may_take.store(1 + usize::try_from(random >> 20).unwrap() % share, Ordering::SeqCst);
        let info = allocation_counter::measure(|| {
            // A connection with much to do lets others have the thread now and then, and is polled again.
            for _ in 0..POLLS {
                let polled = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "the server gave up");
            }
        });
        held += info.bytes_current;
        most = most.max(held);
    }
    usize::try_from(most).unwrap()
}

#[test]
fn no_flood_makes_a_connection_hold_more_than_the_readme_says() {
    let ping = frame_bytes(FrameKind::Ping, 1, vec![]).to_vec();
    let cancel = frame_bytes(FrameKind::Cancel, 1, vec![]).to_vec();
    for (flood, name) in
        [(ping.repeat(100_000), "Pings"), ([ping, cancel].concat().repeat(200_000), "Pings and Cancels")]
    {
        let held = held_under_flood(flood);
        assert!((64 * 1024..BOUND).contains(&held), "{name}: {held} bytes, the bound is {BOUND}");
    }
}

#[test]
fn no_row_of_refused_requests_makes_a_connection_hold_more_than_the_readme_says() {
    // Answers of different lengths, so that what is held is seldom a power of two.
    for name_len in [1, 7, 19] {
        let name = "n".repeat(name_len);
        let requests: Vec<u8> = (1..60_000).flat_map(|id| request_bytes(id, &name, ())).collect();
        let held = held_under_flood(requests);
        assert!((64 * 1024..BOUND).contains(&held), "refusals: {held} bytes, the bound is {BOUND}");
    }
}

#[test]
fn no_row_of_long_requests_makes_a_connection_hold_more_than_the_readme_says() {
    let long = |id| request_bytes(id, "echo", Blob::of([0, 900, 10, 950][usize::try_from(id).unwrap() % 4]));
    let held = held_under_flood((1..60_000).flat_map(long).collect());
    assert!((PAYLOAD..BOUND).contains(&held), "requests: {held} bytes, the bound is {BOUND}");
}

#[test]
fn what_the_longest_exchange_needed_is_not_kept_by_an_idle_connection() {
    const LONGEST: usize = 1 << 20;
    let answered = FrameHeader::LEN + serde_cbor::to_vec(&Blob::of(LONGEST)).unwrap().len();
    // Read whole, and so that the end of one read is the beginning of the next request.
    for requests in [
        vec![request_bytes(1, "echo", Blob::of(LONGEST))],
        vec![request_bytes(1, "grow", LONGEST)],
        vec![request_bytes(1, "echo", Blob::of(60_000)), request_bytes(2, "add", (1, 2))],
        vec![request_bytes(1, "add", (1, 2)), request_bytes(2, "echo", Blob::of(60_000))],
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let server = Server::builder(router(&Arc::default())).max_payload_len(LONGEST + 100).build();
        let may_take = Arc::new(AtomicUsize::new(2 * answered));
        let stream = Flood { bytes: requests.concat(), at: 0, may_take: Arc::clone(&may_take) };
        let mut serving = Box::pin(server.serve_stream(stream, Peer::new(PeerAddr::Unknown)));
        let info = allocation_counter::measure(|| {
            for _ in 0..100 {
                let polled = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "the server gave up");
            }
        });
        let taken = 2 * answered - may_take.load(Ordering::SeqCst);
        assert!(taken > 60_000, "only {taken} bytes were answered");
        // The requests are the test's, the answers are not kept.
        let held = usize::try_from(info.bytes_current).unwrap();
        assert!(held < IDLE_BOUND, "{held} bytes are held, the bound is {IDLE_BOUND}");
    }
}
