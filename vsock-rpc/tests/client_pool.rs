//! A client with several connections: how calls are spread, when one more is made, and what the loss of one costs.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::*;
use tokio::sync::Notify;
use tokio::time::Instant;
use vsock_rpc::client::Connector;
use vsock_rpc::frame::{Frame, FrameKind};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallError, Client};

/// A connector that counts.
fn counted(connector: &MemoryConnector) -> (Connector, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let (connector, counter) = (connector.clone(), Arc::clone(&made));
    let connector = Connector::new("counted", move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let connector = connector.clone();
        async move { connector.connect().await }
    });
    (connector, made)
}

async fn receive_request(peer: &mut RawPeer) -> u64 {
    let frame = peer.receive().await.unwrap();
    assert_eq!(frame.kind, FrameKind::Request, "{frame:?}");
    frame.request_id
}

async fn answer(peer: &mut RawPeer, id: u64, sum: u8) {
    peer.send_frame(FrameKind::Response, id, vec![sum]).await;
}

#[tokio::test]
async fn a_call_takes_the_connection_with_the_fewest_calls_in_flight() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).max_connections(2).build();
    let call = || tokio::spawn(client.call::<Add>(&(1, 2), LONG));

    let mut calls = vec![call()];
    let mut first = peers.recv().await.unwrap();
    assert_eq!(receive_request(&mut first).await, 1);
    // All that are open are busy: this call does not wait for the connection that it asks for.
    calls.push(call());
    assert_eq!(receive_request(&mut first).await, 2);
    let mut second = peers.recv().await.unwrap();
    for id in 1..=2 {
        calls.push(call());
        assert_eq!(receive_request(&mut second).await, id);
    }
    answer(&mut first, 1, 3).await;
    answer(&mut first, 2, 3).await;
    for call in calls.drain(..2) {
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
    for id in 3..=4 {
        calls.push(call());
        assert_eq!(receive_request(&mut first).await, id);
    }
    for (peer, ids) in [(&mut first, [3, 4]), (&mut second, [1, 2])] {
        for id in ids {
            answer(peer, id, 3).await;
        }
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
    // The bound holds: nobody else came.
    drop((first, second, client));
    assert!(peers.recv().await.is_none());
}

#[tokio::test]
async fn one_call_at_a_time_needs_one_connection() {
    let rig = Rig::new();
    let (connector, made) = counted(&rig.connector);
    let client = Client::builder(connector).max_connections(8).build();
    for round in 0..100 {
        assert_eq!(client.call::<Add>(&(1, round), LONG).await.unwrap(), 1 + round);
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_further_connection_that_is_turned_away_costs_no_call_and_is_not_asked_for_without_pause() {
    let rig = Rig::with(|server| server.max_connections(1));
    let (connector, made) = counted(&rig.connector);
    let client = Client::builder(connector).max_connections(4).backoff(SECOND, 60 * SECOND).build();
    let held = tokio::spawn(client.call::<Gated>(&7, 600 * SECOND));
    rig.state.wait_for_gated(1).await;
    let began = Instant::now();
    while began.elapsed() < 50 * SECOND {
        assert_eq!(client.call::<Add>(&(1, 2), SECOND).await.unwrap(), 3);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The first, and others at 0 s and after pauses of 1, 2, 4 … seconds less up to a half.
    let made = made.load(Ordering::SeqCst);
    assert!((6..=9).contains(&made), "{made}");
    rig.state.gate.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_connection_fails_its_own_calls_alone() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).max_connections(2).build();
    let call = || tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    let lost = [call(), call()];
    let mut first = peers.recv().await.unwrap();
    receive_request(&mut first).await;
    receive_request(&mut first).await;
    let mut second = peers.recv().await.unwrap();
    let kept = call();
    assert_eq!(receive_request(&mut second).await, 1);
    drop(first);
    for call in lost {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Disconnected { may_have_run: true, .. }), "{error}");
    }
    // What is left takes the next calls, and the lost one is replaced.
    for id in 2..=3 {
        let next = call();
        assert_eq!(receive_request(&mut second).await, id);
        answer(&mut second, id, 3).await;
        assert_eq!(next.await.unwrap().unwrap(), 3);
    }
    let mut third = peers.recv().await.unwrap();
    let next = call();
    assert_eq!(receive_request(&mut third).await, 1);
    answer(&mut third, 1, 3).await;
    answer(&mut second, 1, 3).await;
    for call in [kept, next] {
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_on_calls_in_flight_is_one_for_all_connections() {
    let rig = Rig::new();
    let client = Client::builder(rig.connector.clone()).max_connections(4).max_in_flight(3).build();
    let held: Vec<_> = (0..3).map(|number| tokio::spawn(client.call::<Gated>(&number, LONG))).collect();
    rig.state.wait_for_gated(3).await;
    let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: false }), "{error}");
    rig.state.gate.add_permits(3);
    for call in held {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn dropping_the_client_closes_every_connection_and_gives_up_the_one_being_made() {
    struct NotifyOnDrop(Arc<Notify>);
    impl Drop for NotifyOnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (mut peers, memory) = scripted_server();
    let (made, given_up) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let guard = Arc::clone(&given_up);
    let connector = Connector::new("slow at the third", move || {
        let (memory, guard) = (memory.clone(), NotifyOnDrop(Arc::clone(&guard)));
        let is_slow = made.fetch_add(1, Ordering::SeqCst) == 2;
        async move {
            if is_slow {
                pending::<()>().await;
            }
            std::mem::forget(guard);
            memory.connect().await
        }
    });
    let client = Client::builder(connector).max_connections(3).backoff(Duration::ZERO, Duration::ZERO).build();
    let call = || tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    let mut calls = vec![call()];
    let mut first = peers.recv().await.unwrap();
    receive_request(&mut first).await;
    calls.push(call());
    receive_request(&mut first).await;
    let mut second = peers.recv().await.unwrap();
    for _ in 0..2 {
        calls.push(call());
        receive_request(&mut second).await;
    }
    answer(&mut first, 1, 3).await;
    answer(&mut first, 2, 3).await;
    answer(&mut second, 1, 3).await;
    answer(&mut second, 2, 3).await;
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 3);
    }
    drop(client);
    given_up.notified().await;
    assert_eq!(first.receive().await, None::<Frame>);
    assert_eq!(second.receive().await, None::<Frame>);
}
