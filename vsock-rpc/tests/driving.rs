//! Who drives a connection when callers do not behave: they are put aside after one poll, on another runtime, blocked, or
//! poll a stream that panics.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{JoinSet, coop, yield_now};
use tokio::time::{Instant, advance, sleep, timeout};
use vsock_rpc::client::{Connector, DisconnectReason};
use vsock_rpc::frame::FrameKind;
use vsock_rpc::{Addr, CallError, Client, Listener, RemoteError, Router, Server, ServerHandle, reason};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Polls once, and whoever is woken for it does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The requests that a scripted server was sent.
async fn next_request(peer: &mut RawPeer) -> u64 {
    let frame = peer.receive().await.expect("a request");
    assert_eq!(frame.kind, FrameKind::Request);
    frame.request_id
}

async fn answer(peer: &mut RawPeer, id: u64, number: u64) {
    peer.send_frame(FrameKind::Response, id, serde_cbor::to_vec(&number).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_put_aside_holds_up_no_other_one_though_there_is_one_permit() {
    let rig = Rig::new();
    let client = Client::builder(rig.connector.clone()).max_in_flight(1).build();
    client.call::<Add>(&(1, 2), LONG).await.unwrap();
    let mut aside = pin!(client.call::<Add>(&(3, 4), LONG));
    assert!(poll_once(aside.as_mut()).is_pending());
    let began = Instant::now();
    assert_eq!(client.call::<Add>(&(5, 6), LONG).await.unwrap(), 11);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(aside.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_put_aside_holds_up_no_other_one_beside_it() {
    let rig = Rig::new();
    let client = rig.client();
    client.call::<Add>(&(1, 2), LONG).await.unwrap();
    let mut aside = pin!(client.call::<Add>(&(3, 4), LONG));
    assert!(poll_once(aside.as_mut()).is_pending());
    let began = Instant::now();
    for number in 0..100 {
        assert_eq!(client.call::<Add>(&(number, 1), LONG).await.unwrap(), number + 1);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(aside.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_that_is_put_aside_has_not_seen_a_new_call_sees() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    let mut aside = pin!(client.call::<Gated>(&1, LONG));
    // Connecting takes several polls.
    let mut peer =
        tokio::select! { _ = &mut aside => unreachable!("nobody answers"), peer = peers.recv() => peer.unwrap() };
    let id = tokio::select! { _ = &mut aside => unreachable!("nobody answers"), id = next_request(&mut peer) => id };
    let goodbye = serde_cbor::to_vec(&RemoteError::new(reason::SHUTTING_DOWN, "for the test")).unwrap();
    peer.send_frame(FrameKind::GoAway, id, goodbye).await;

    let next = tokio::spawn(async move {
        let mut second = peers.recv().await.unwrap();
        let id = next_request(&mut second).await;
        answer(&mut second, id, 22).await;
        second
    });
    assert_eq!(client.call::<Gated>(&2, LONG).await.unwrap(), 22);
    let _second = next.await.unwrap();
    answer(&mut peer, id, 11).await;
    assert_eq!(aside.await.unwrap(), 11, "it was accepted before the server went away");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_blamed_for_a_frame_that_nobody_read() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).stall_timeout(SECOND).liveness_interval(SECOND).build();
    let mut aside = pin!(client.call::<Gated>(&1, LONG));
    let mut peer =
        tokio::select! { _ = &mut aside => unreachable!("nobody answers"), peer = peers.recv() => peer.unwrap() };
    let id = tokio::select! { _ = &mut aside => unreachable!("nobody answers"), id = next_request(&mut peer) => id };
    let frame = frame_bytes(FrameKind::Response, id, serde_cbor::to_vec(&11_u64).unwrap());
    peer.send(&frame[..10]).await;
    assert!(timeout(SECOND / 10, &mut aside).await.is_err());
    peer.send(&frame[10..]).await;
    advance(5 * SECOND).await;

    let second = tokio::spawn(async move {
        let id = next_request(&mut peer).await;
        answer(&mut peer, id, 22).await;
        peer
    });
    assert_eq!(client.call::<Gated>(&2, LONG).await.unwrap(), 22);
    assert_eq!(aside.await.unwrap(), 11);
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_alone_that_is_dropped_is_cancelled_though_it_was_polled_once() {
    let rig = Rig::new();
    let client = rig.client();
    client.call::<Add>(&(1, 2), LONG).await.unwrap();
    {
        let mut aside = pin!(client.call::<Stuck>(&(), LONG));
        assert!(poll_once(aside.as_mut()).is_pending());
        rig.state.stuck_began.notified().await;
    }
    let began = Instant::now();
    rig.state.stuck_dropped.notified().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn deadlines_hold_one_after_another_whether_they_are_earlier_or_later_than_the_last() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    let server = tokio::spawn(async move {
        let mut peer = peers.recv().await.unwrap();
        let id = next_request(&mut peer).await;
        answer(&mut peer, id, 11).await;
        // Nothing is answered but that the caller gave up, so that the next call is alone again.
        while let Some(frame) = peer.receive().await {
            if frame.kind == FrameKind::Cancel {
                answer(&mut peer, frame.request_id, 0).await;
            }
        }
    });
    assert_eq!(client.call::<Gated>(&1, LONG).await.unwrap(), 11);
    for milliseconds in [500, 200, 200, 3_000, 100, 20_000, 900] {
        let (began, limit) = (Instant::now(), milliseconds * MILLISECOND);
        let error = client.call::<Gated>(&2, limit).await.unwrap_err();
        assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: true }), "{error}");
        let late = began.elapsed().checked_sub(limit).expect("not before its deadline");
        assert!(late < 5 * MILLISECOND, "{limit:?}: late by {late:?}");
        sleep(MILLISECOND).await;
    }
    drop(client);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_alone_keeps_its_deadline_when_others_come_and_go() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).build();
    let server = tokio::spawn(async move {
        let mut peer = peers.recv().await.unwrap();
        for number in 0..4 {
            let id = next_request(&mut peer).await;
            if number % 3 == 0 {
                answer(&mut peer, id, number).await;
            }
        }
        while peer.receive().await.is_some() {}
    });
    assert_eq!(client.call::<Gated>(&1, LONG).await.unwrap(), 0);
    let (began, limit) = (Instant::now(), 300 * MILLISECOND);
    let mut first = pin!(client.call::<Gated>(&2, limit));
    assert!(timeout(MILLISECOND, &mut first).await.is_err());
    {
        let mut second = pin!(client.call::<Gated>(&3, LONG));
        assert!(timeout(100 * MILLISECOND, &mut second).await.is_err());
        assert_eq!(client.call::<Gated>(&4, LONG).await.unwrap(), 3);
    }
    let error = first.await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: true }), "{error}");
    assert!(began.elapsed() >= limit && began.elapsed() < limit + 5 * MILLISECOND, "{:?}", began.elapsed());
    drop(client);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_put_aside_beyond_its_deadline_has_missed_it() {
    let rig = Rig::new();
    let client = rig.client();
    client.call::<Add>(&(1, 2), LONG).await.unwrap();
    let mut aside = pin!(client.call::<Stuck>(&(), SECOND));
    assert!(poll_once(aside.as_mut()).is_pending());
    advance(2 * SECOND).await;
    assert_eq!(client.call::<Add>(&(3, 4), LONG).await.unwrap(), 7);
    let began = Instant::now();
    assert!(matches!(aside.await, Err(CallError::DeadlineExceeded { may_have_run: true })));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Panics when it is read, once it was written to.
struct Panicking {
    is_written: bool,
    reader: Option<Waker>,
}

impl Drop for Panicking {
    fn drop(&mut self) {
        assert!(!self.is_written, "this one too");
    }
}

impl AsyncRead for Panicking {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(!self.is_written, "this panic belongs to the test");
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Panicking {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.is_written = true;
        self.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_is_an_error_to_the_caller_that_polls_it() {
    let connector = Connector::new("a stream that panics", async || Ok(Panicking { is_written: false, reader: None }));
    let client = Client::builder(connector).build();
    let began = Instant::now();
    let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
    let is_ended = |error: &CallError| {
        matches!(error, CallError::Disconnected { may_have_run: true, reason: DisconnectReason::RuntimeEnded })
    };
    assert!(is_ended(&error), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Once it was written to, it says that there is nothing to read, wakes, and has ended: what a stream does whose end comes
/// just after it was looked at.
struct Ending {
    is_written: bool,
    has_ended: bool,
}

impl AsyncRead for Ending {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_ended {
            return Poll::Ready(Ok(()));
        }
        if self.is_written {
            self.has_ended = true;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Ending {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.is_written = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_call_is_not_begun_on_a_connection_that_ended_while_a_call_was_put_aside() {
    let dials = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dials);
    let connector = Connector::new("streams that end", move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(Ending { is_written: false, has_ended: false }) }
    });
    let client = Client::builder(connector).build();
    let mut aside = pin!(client.call::<Add>(&(1, 2), LONG));
    assert!(poll_once(aside.as_mut()).is_pending());
    client.call::<Add>(&(3, 4), LONG).await.unwrap_err();
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_leader_whose_runtime_ends_or_whose_thread_is_blocked_leaves_the_connection_to_the_others() {
    let home = one_thread();
    let rig = home.block_on(async { Rig::new() });
    let client = rig.client();
    home.block_on(client.call::<Add>(&(1, 2), LONG)).unwrap();
    for is_blocked in [false, true] {
        let other = one_thread();
        let leads = client.clone();
        other.spawn(async move { leads.call::<Stuck>(&(), LONG).await });
        home.block_on(rig.state.stuck_began.notified());
        let (block, blocked) = std::sync::mpsc::channel::<()>();
        if is_blocked {
            other.spawn(async move { blocked.recv().unwrap_err() });
        } else {
            other.shutdown_background();
            home.block_on(async { timeout(LONG, rig.state.stuck_dropped.notified()).await }).expect("it is cancelled");
        }
        assert_eq!(home.block_on(client.call::<Add>(&(3, 4), LONG)).unwrap(), 7, "blocked: {is_blocked}");
        drop(block);
    }
}

#[test]
fn a_deadline_holds_though_the_runtime_of_the_connection_stands_still() {
    let [home, other] = [(); 2].map(|()| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    let rig = home.block_on(async { Rig::new() });
    let client = rig.client();
    home.block_on(client.call::<Add>(&(1, 2), LONG)).unwrap();
    // Nobody drives `home` now, its timers as little as its tasks.
    let (began, limit) = (std::time::Instant::now(), 50 * MILLISECOND);
    let call = async { timeout(LONG, client.call::<Add>(&(3, 4), limit)).await.expect("it ends at its deadline") };
    let error = other.block_on(call).unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: true }), "{error}");
    assert!(began.elapsed() >= limit && began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    assert_eq!(home.block_on(client.call::<Add>(&(5, 6), LONG)).unwrap(), 11);
}

/// Uses up what the task may still do in this poll.
async fn use_up_budget() {
    poll_fn(|cx| {
        while coop::has_budget_remaining() {
            if let Poll::Ready(proceeds) = coop::poll_proceed(cx) {
                proceeds.made_progress();
            }
        }
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_leader_without_budget_does_not_leave_the_stream_unread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let addr = Addr::Unix(dir.path().join("s"));
    let served = Arc::new(AtomicUsize::new(0));
    let _server = runtime.block_on(async {
        let router = Router::from_shared(Arc::clone(&served)).method::<Add, _, _>(
            async |served: Arc<AtomicUsize>, _, (a, b)| {
                served.fetch_add(1, Ordering::AcqRel);
                Ok(a + b)
            },
        );
        Server::builder(router).build().serve(Listener::bind(&addr).await.unwrap())
    });
    let client = Client::builder(addr).build();
    runtime.block_on(client.call::<Add>(&(1, 2), LONG)).unwrap();
    let mut aside = Box::pin(client.call::<Add>(&(3, 4), LONG));
    let mut once = async |is_spent: bool| {
        if is_spent {
            // The answer comes, and then the task has no budget to read it; nor has its runtime a turn after that.
            let is_served = async {
                while served.load(Ordering::Acquire) < 2 {
                    yield_now().await;
                }
            };
            timeout(LONG, is_served).await.expect("it was written");
            for _ in 0..3 {
                yield_now().await;
            }
            use_up_budget().await;
        }
        poll_fn(|cx| Poll::Ready(aside.as_mut().poll(cx).is_ready())).await
    };
    assert!(!runtime.block_on(once(false)));
    runtime.block_on(once(true));
    drop(aside);
    let began = std::time::Instant::now();
    assert_eq!(runtime.block_on(client.call::<Add>(&(5, 6), LONG)).unwrap(), 11);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

/// A unix server of [`Add`] and its client, of this runtime.
async fn over_unix(dir: &tempfile::TempDir) -> (ServerHandle, Client) {
    let addr = Addr::Unix(dir.path().join("s"));
    let router = Router::new(()).method::<Add, _, _>(async |_, _, (a, b)| Ok(a + b));
    let server = Server::builder(router).build().serve(Listener::bind(&addr).await.unwrap());
    let client = Client::builder(addr).build();
    client.call::<Add>(&(1, 2), LONG).await.unwrap();
    (server, client)
}

#[tokio::test]
async fn a_caller_that_never_has_budget_is_served_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, client) = over_unix(&dir).await;
    let mut call = pin!(client.call::<Add>(&(3, 4), LONG));
    let began = Instant::now();
    let answered = poll_fn(|cx| {
        let spent = pin!(use_up_budget()).poll(cx);
        assert!(spent.is_ready() && !coop::has_budget_remaining());
        call.as_mut().poll(cx)
    });
    assert_eq!(answered.await.unwrap(), 7);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[test]
fn what_comes_after_a_reply_is_seen_though_the_budget_ended_with_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // As little as will do for the first reading, and not for the second.
    for left in 1..8 {
        let dir = tempfile::tempdir().unwrap();
        let (server, client) = runtime.block_on(over_unix(&dir));
        let mut call = Box::pin(client.call::<Add>(&(3, 4), LONG));
        assert!(!runtime.block_on(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready()))));
        let answered = runtime.block_on(async {
            // The answer is there after some of these.
            for _ in 0..10 {
                yield_now().await;
            }
            poll_fn(|cx| {
                let mut units = Vec::new();
                while let Poll::Ready(unit) = coop::poll_proceed(cx) {
                    units.push(unit);
                }
                // Each gives back what there was before it.
                (0..left).for_each(|_| drop(units.pop()));
                units.into_iter().for_each(|unit| unit.made_progress());
                Poll::Ready(call.as_mut().poll(cx).map(Result::unwrap))
            })
            .await
        });
        drop(call);
        runtime.block_on(server.shutdown());
        let (_server, _) = runtime.block_on(over_unix(&dir));
        // A connection that was seen to end is made anew; one that was not fails the call.
        let sum = runtime.block_on(client.call::<Add>(&(5, 6), LONG));
        assert!(matches!(sum, Ok(11)), "{left} left, {answered:?}: {sum:?}");
    }
}

#[test]
fn callers_on_two_runtimes_of_several_threads_take_turns_at_driving() {
    let runtimes = [2, 2].map(|threads| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
    });
    let rig = runtimes[0].block_on(async { Rig::new() });
    let client = Client::builder(rig.connector.clone()).max_in_flight(3).build();
    let mut callers = JoinSet::new();
    for caller in 0..6_u32 {
        let client = client.clone();
        let calls = async move {
            for call in 0..2_000_u32 {
                // Now and then nobody else is there, or a call is given up.
                if call % 97 == caller {
                    sleep(Duration::from_micros(200)).await;
                }
                let sum = client.call::<Add>(&(caller, call), LONG);
                if call % 31 == caller {
                    if let Ok(sum) = timeout(Duration::from_micros(20), sum).await {
                        assert_eq!(sum.unwrap(), caller + call);
                    }
                } else {
                    assert_eq!(sum.await.unwrap(), caller + call);
                }
            }
        };
        callers.spawn_on(calls, runtimes[caller as usize % 2].handle());
    }
    runtimes[0].block_on(async {
        while let Some(ended) = timeout(2 * LONG, callers.join_next()).await.expect("nobody hangs") {
            ended.unwrap();
        }
    });
}
