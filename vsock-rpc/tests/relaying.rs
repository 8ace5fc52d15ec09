//! The relay: bytes both ways, ends of stream, bounds, and nothing but the allowed target.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io;
use std::time::Duration;

use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vsock_rpc::relay::{Allowlist, Relay, RelayHandle};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{Addr, Client, Listener, Server, Stream};

/// A relay in memory before a TCP listener that the test serves.
async fn rig(configure: impl FnOnce(Relay) -> Relay) -> (TcpListener, MemoryConnector, RelayHandle) {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = Addr::from(target.local_addr().unwrap());
    let (listener, connector) = Listener::memory(64 * 1024);
    let relay = configure(Relay::new(addr.clone(), Allowlist::from_iter([addr]))).serve(listener).unwrap();
    (target, connector, relay)
}

async fn connect(target: &TcpListener, connector: &MemoryConnector) -> (Stream, tokio::net::TcpStream) {
    let client = connector.connect().await.unwrap();
    (client, target.accept().await.unwrap().0)
}

#[tokio::test]
async fn carries_more_than_any_buffer_both_ways_at_once() {
    let (target, connector, relay) = rig(|relay| relay).await;
    let (client, server) = connect(&target, &connector).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let exchange = |stream: Stream| async {
        let (mut read, mut write) = tokio::io::split(stream);
        let send = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, result) = tokio::join!(send, read.read_to_end(&mut received));
        result.unwrap();
        assert!(received == sent, "the bytes changed");
    };
    tokio::join!(exchange(client), exchange(server.into()));
    let counters = relay.shutdown().await;
    assert_eq!((counters.accepted, counters.active), (1, 0));
    assert_eq!((counters.bytes_to_target, counters.bytes_from_target), (3_000_000, 3_000_000));
    assert_eq!((counters.failed, counters.timed_out), (0, 0));
}

#[tokio::test]
async fn an_end_of_stream_passes_and_the_other_direction_goes_on() {
    let (target, connector, relay) = rig(|relay| relay).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = Vec::new();
    server.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
    relay.shutdown().await;
}

#[tokio::test]
async fn calls_pass_through() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (Addr::unix(dir.path().join("inside")), Addr::unix(dir.path().join("outside")));
    let state = std::sync::Arc::default();
    let server = Server::builder(router(&state)).serve(Listener::bind(&inside).await.unwrap());
    let allowlist = Allowlist::from_iter([inside.clone()]);
    let relay = Relay::new(inside, allowlist).serve(Listener::bind(&outside).await.unwrap()).unwrap();
    let client = Client::builder(relay.local_addr().unwrap().clone()).build();
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    server.shutdown().await;
    relay.shutdown().await;
}

#[tokio::test]
async fn only_allowed_targets_are_served() {
    let allowlist: Allowlist = ["tcp:kms.eu-west-1.amazonaws.com:443", "vsock:16:5000"]
        .map(|addr| addr.parse::<Addr>().unwrap())
        .into_iter()
        .collect();
    for (target, allowed) in [
        ("tcp:kms.eu-west-1.amazonaws.com:443", true),
        ("tcp:KMS.eu-west-1.AMAZONAWS.com:443", true),
        ("vsock:16:5000", true),
        ("tcp:kms.eu-west-1.amazonaws.com:80", false),
        ("tcp:kms.eu-west-2.amazonaws.com:443", false),
        ("tcp:169.254.169.254:80", false),
        ("vsock:16:5001", false),
        ("vsock:17:5000", false),
        ("unix:/run/docker.sock", false),
    ] {
        let target: Addr = target.parse().unwrap();
        assert_eq!(allowlist.allows(&target), allowed, "{target}");
        let served = Relay::new(target, allowlist.clone()).serve(Listener::memory(1).0);
        match served {
            Ok(_) => assert!(allowed),
            Err(error) => assert!(!allowed && error.kind() == io::ErrorKind::PermissionDenied),
        }
    }
    assert!(!Allowlist::default().allows(&"vsock:16:5000".parse().unwrap()));
}

#[tokio::test]
async fn connections_above_the_bound_are_closed() {
    let (target, connector, relay) = rig(|relay| relay.max_connections(1)).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    let mut refused = connector.connect().await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    let counters = relay.counters();
    assert_eq!((counters.accepted, counters.active, counters.refused), (2, 1, 1));
    drop((client, server));
    relay.shutdown().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let (target, connector, relay) = rig(|relay| relay.idle_timeout(Duration::from_millis(50))).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(relay.shutdown().await.timed_out, 1);
}

#[tokio::test]
async fn an_unreachable_target_closes_the_connection_and_is_counted() {
    let (target, connector, relay) = rig(|relay| relay).await;
    drop(target);
    let mut client = connector.connect().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(relay.shutdown().await.unreachable, 1);
}

#[tokio::test]
async fn a_shutdown_lets_connections_end_and_then_closes_them() {
    let (target, connector, relay) = rig(|relay| relay.drain_timeout(Duration::from_millis(50))).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    relay.shutdown().await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert!(connector.connect().await.is_err());
}

#[tokio::test]
async fn a_target_that_takes_nothing_slows_its_own_client_only() {
    let (target, connector, relay) = rig(|relay| relay).await;
    let (mut stuck, stuck_server) = connect(&target, &connector).await;
    let flood = tokio::spawn(async move { while stuck.write_all(&[0; 16 * 1024]).await.is_ok() {} });
    let (mut client, mut server) = connect(&target, &connector).await;
    for _ in 0..100 {
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    }
    assert!(!flood.is_finished());
    drop(stuck_server);
    flood.await.unwrap();
    drop((client, server));
    relay.shutdown().await;
}
