//! The relay: bytes both ways, ends of stream, bounds, and nothing but the allowed target.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use vsock_rpc::relay::{Allowlist, Counters, RefusedTarget, Relay, RelayHandle};
use vsock_rpc::transport::{MemoryConnector, Resolver};
use vsock_rpc::{Addr, Client, HostPort, Listener, Server, Stream};

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
async fn the_target_may_end_its_direction_first() {
    let (target, connector, relay) = rig(|relay| relay).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    server.write_all(b"greeting").await.unwrap();
    server.shutdown().await.unwrap();
    let mut greeting = Vec::new();
    client.read_to_end(&mut greeting).await.unwrap();
    assert_eq!(greeting, b"greeting");
    for _ in 0..3 {
        client.write_all(b"still here").await.unwrap();
        let mut received = [0; 10];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"still here");
    }
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    let counters = relay.shutdown().await;
    assert_eq!((counters.bytes_from_target, counters.bytes_to_target), (8, 30));
    assert_eq!((counters.failed, counters.timed_out), (0, 0));
}

#[tokio::test]
async fn carries_from_tcp_to_a_local_socket_and_from_there_to_tcp() {
    // A unix socket stands for vsock, which these machines cannot loop back.
    let dir = tempfile::tempdir().unwrap();
    let tcp: Addr = "tcp:127.0.0.1:0".parse().unwrap();
    let tcp6: Addr = "tcp:[::1]:0".parse().unwrap();
    let unix = Addr::unix(dir.path().join("vsock")).unwrap();
    for (outside, inside) in [(&tcp, &unix), (&unix, &tcp), (&tcp6, &unix), (&unix, &tcp6)] {
        let Ok(mut target) = Listener::bind(inside).await else {
            assert_eq!(inside, &tcp6, "only IPv6 may be missing");
            continue;
        };
        let addr = target.local_addr().unwrap().clone();
        let relay = Relay::new(addr.clone(), Allowlist::from_iter([addr]));
        let other = Addr::unix(dir.path().join("other")).unwrap();
        let listen = if outside.as_unix().is_some() { &other } else { outside };
        let Ok(listener) = Listener::bind(listen).await else {
            assert_eq!(listen, &tcp6, "only IPv6 may be missing");
            continue;
        };
        let relay = relay.serve(listener).unwrap();
        let mut client = relay.local_addr().unwrap().connect().await.unwrap();
        let mut server = target.accept().await.unwrap();
        client.write_all(b"in").await.unwrap();
        server.write_all(b"out").await.unwrap();
        let (mut at_server, mut at_client) = ([0; 2], [0; 3]);
        server.read_exact(&mut at_server).await.unwrap();
        client.read_exact(&mut at_client).await.unwrap();
        assert_eq!((&at_server, &at_client), (b"in", b"out"));
        drop((client, server));
        relay.shutdown().await;
    }
}

/// Two listeners on one port of two loopback addresses.
async fn two_hosts() -> [TcpListener; 2] {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        // Somebody else's connection may have the port on the other address.
        if let Ok(second) = TcpListener::bind(("127.0.0.2", port)).await {
            return [first, second];
        }
    }
}

/// A relay to `kms.test`, whose addresses the test changes as DNS would.
fn rig_by_name(
    port: u16,
    zone: &Arc<Mutex<Vec<IpAddr>>>,
    configure: impl FnOnce(Relay) -> Relay,
) -> (MemoryConnector, RelayHandle) {
    let zone = Arc::clone(zone);
    let resolver = Resolver::new(move |host| {
        assert_eq!(host, "kms.test");
        let found = zone.lock().unwrap().clone();
        async move { Ok(found) }
    });
    let addr = Addr::Tcp(HostPort::new("kms.test", port).unwrap());
    let (listener, connector) = Listener::memory(64 * 1024);
    let relay = Relay::new(addr.clone(), Allowlist::from_iter([addr])).resolver(resolver);
    (connector, configure(relay).serve(listener).unwrap())
}

#[tokio::test]
async fn a_name_is_resolved_anew_for_each_connection() {
    let hosts = two_hosts().await;
    let zone = Arc::new(Mutex::new(Vec::new()));
    let (connector, relay) = rig_by_name(hosts[0].local_addr().unwrap().port(), &zone, |relay| relay);
    for round in 0..4_u8 {
        let host = &hosts[usize::from(round % 2)];
        *zone.lock().unwrap() = vec![host.local_addr().unwrap().ip()];
        let (mut client, mut server) = connect(host, &connector).await;
        client.write_all(&[round]).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), round);
    }
    zone.lock().unwrap().clear();
    let mut nowhere = connector.connect().await.unwrap();
    assert_eq!(nowhere.read(&mut [0]).await.unwrap(), 0);
    let counters = relay.shutdown().await;
    assert_eq!((counters.accepted, counters.unreachable), (5, 1));
}

#[tokio::test]
async fn the_addresses_of_a_name_are_tried_in_turn() {
    let [first, second] = two_hosts().await;
    let port = first.local_addr().unwrap().port();
    let zone = Arc::new(Mutex::new(vec![first.local_addr().unwrap().ip(), second.local_addr().unwrap().ip()]));
    drop(first);
    let (connector, relay) = rig_by_name(port, &zone, |relay| relay);
    let (mut client, mut server) = connect(&second, &connector).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    drop((client, server));
    relay.shutdown().await;
}

/// A listener that takes no connection any more: what connects to it waits for an answer.
async fn black_hole() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Its backlog: it is full when a connection is not made at once.
    while let Ok(stream) = timeout(SECOND / 4, tokio::net::TcpStream::connect(addr)).await {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 10, "the backlog has no end");
    }
    (listener, waiting)
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_the_next_its_time() {
    let (silent, _waiting) = black_hole().await;
    let silent = silent.local_addr().unwrap();
    let target = TcpListener::bind(("127.0.0.2", silent.port())).await.unwrap();
    let zone = Arc::new(Mutex::new(vec![silent.ip(), target.local_addr().unwrap().ip()]));
    let (connector, relay) = rig_by_name(silent.port(), &zone, |relay| relay.connect_timeout(2 * SECOND));
    let (mut client, mut server) = timeout(LONG, connect(&target, &connector)).await.unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    drop((client, server));
    assert_eq!(relay.shutdown().await.unreachable, 0);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_is_waited_for_no_longer_than_for_connecting() {
    let name = Addr::Tcp(HostPort::new("kms.test", 443).unwrap());
    let (listener, connector) = Listener::memory(1024);
    let relay = Relay::new(name.clone(), Allowlist::from_iter([name]))
        .resolver(Resolver::new(|_| pending()))
        .connect_timeout(7 * SECOND)
        .serve(listener)
        .unwrap();
    let began = Instant::now();
    let mut client = connector.connect().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(began.elapsed(), 7 * SECOND);
    assert_eq!(relay.shutdown().await.unreachable, 1);
}

#[tokio::test(start_paused = true)]
async fn connections_that_come_and_go_begin_no_lookup_each() {
    let name = Addr::Tcp(HostPort::new("kms.test", 443).unwrap());
    let (listener, connector) = Listener::memory(1024);
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    let resolver = Resolver::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        pending()
    });
    let relay = Relay::new(name.clone(), Allowlist::from_iter([name]))
        .resolver(resolver)
        .connect_timeout(7 * SECOND)
        .serve(listener)
        .unwrap();
    for round in 1..=3 {
        let mut clients = Vec::new();
        for _ in 0..50 {
            clients.push(connector.connect().await.unwrap());
        }
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
        assert_eq!(lookups.load(Ordering::SeqCst), round, "one for fifty, and another once that is given up");
    }
    assert_eq!(relay.shutdown().await.unreachable, 150);
}

#[tokio::test]
async fn a_resolver_is_never_asked_for_an_address() {
    let (target, connector, relay) = rig(|relay| relay.resolver(Resolver::new(|_| pending()))).await;
    assert!(target.local_addr().unwrap().ip() == Ipv4Addr::LOCALHOST);
    drop(connect(&target, &connector).await);
    assert_eq!(relay.shutdown().await.unreachable, 0);
}

/// Asks for as many open files as this process may have, which must be `needed` at least.
fn raise_open_file_limit(needed: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    assert!(
        limit >= needed,
        "this test needs {needed} open files: raise the hard limit (`ulimit -Hn`), which is {limit}"
    );
}

#[tokio::test]
async fn a_thousand_connections_are_carried_at_once_by_one_thread() {
    const CONNECTIONS: usize = 1000;
    // Four descriptors each: both ends of both sockets are this process's.
    raise_open_file_limit(4 * CONNECTIONS as u64 + 100);
    let dir = tempfile::tempdir().unwrap();
    let listen = Addr::unix(dir.path().join("vsock")).unwrap();
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = Addr::from(target.local_addr().unwrap());
    let relay = Relay::new(addr.clone(), Allowlist::from_iter([addr])).max_connections(CONNECTIONS);
    let relay = relay.serve(Listener::bind(&listen).await.unwrap()).unwrap();

    let echo = tokio::spawn(async move {
        loop {
            let (mut stream, _) = target.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
                write.shutdown().await.unwrap();
            });
        }
    });
    let exchange = |mut stream: Stream, number: usize| async move {
        let sent = number.to_be_bytes().repeat(500);
        stream.write_all(&sent).await?;
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received).await?;
        assert!(received == sent, "another connection's bytes");
        io::Result::Ok(stream)
    };
    let open = (0..CONNECTIONS).map(|number| {
        let listen = listen.clone();
        async move { exchange(listen.connect().await?, number).await }
    });
    let streams = try_join_all(open).await.unwrap();
    let counters = relay.counters();
    assert_eq!((counters.active, counters.refused), (1000, 0));

    // None more, and each of them still carries.
    let mut refused = listen.connect().await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);
    let again = streams.into_iter().enumerate().map(|(number, stream)| exchange(stream, number + 7));
    drop(try_join_all(again).await.unwrap());
    let counters = relay.shutdown().await;
    assert_eq!((counters.accepted, counters.refused, counters.failed), (1001, 1, 0));
    assert_eq!((counters.bytes_to_target, counters.bytes_from_target), (8_000_000, 8_000_000));
    echo.abort();
}

#[tokio::test]
async fn calls_pass_through() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) =
        (Addr::unix(dir.path().join("inside")).unwrap(), Addr::unix(dir.path().join("outside")).unwrap());
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
            Err(error) => {
                assert!(!allowed && matches!(error, RefusedTarget::NotAllowed { .. }), "{error}");
                assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
            }
        }
    }
    assert!(!Allowlist::default().allows(&"vsock:16:5000".parse().unwrap()));
}

#[tokio::test]
async fn an_address_to_listen_on_is_no_target_and_allows_none_but_itself() {
    for text in [
        "vsock:any:5000",
        "tcp:0.0.0.0:443",
        "tcp:[::]:443",
        "tcp:[::ffff:0.0.0.0]:443",
        "tcp:127.0.0.1:0",
        "tcp:kms.eu-west-1.amazonaws.com:0",
    ] {
        let any: Addr = text.parse().unwrap();
        let allowlist = Allowlist::from_iter([any.clone()]);
        assert!(!allowlist.allows(&"vsock:16:5000".parse().unwrap()));
        let refused = Relay::new(any.clone(), allowlist).serve(Listener::memory(1).0).unwrap_err();
        assert_eq!(refused, RefusedTarget::Wildcard { target: any });
        assert_eq!(refused.to_string(), format!("{text} is an address to listen on, and nobody's to connect to"));
        assert_eq!(io::Error::from(refused).kind(), io::ErrorKind::InvalidInput);
    }
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

/// Keeps the runtime from being idle, so that a paused clock moves only when the test moves it: waiting for a socket is
/// idling, too.
fn hold_clock() {
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_when_its_time_is_over_and_not_before() {
    hold_clock();
    let (target, connector, relay) = rig(|relay| relay.idle_timeout(10 * SECOND)).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    for _ in 0..3 {
        tokio::time::advance(9 * SECOND).await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    }
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(relay.shutdown().await.timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn traffic_in_one_direction_is_no_silence_and_a_half_closed_connection_may_be_silent_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let addr = Addr::unix(dir.path().join("s")).unwrap();
    let mut target = Listener::bind(&addr).await.unwrap();
    let (listener, connector) = Listener::memory(1024);
    let relay = Relay::new(addr.clone(), Allowlist::from_iter([addr])).idle_timeout(10 * SECOND);
    let relay = relay.serve(listener).unwrap();
    let mut client = connector.connect().await.unwrap();
    let mut server = target.accept().await.unwrap();
    for _ in 0..5 {
        tokio::time::advance(6 * SECOND).await;
        server.write_all(b"x").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
    }
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    tokio::time::advance(11 * SECOND).await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let counters = relay.shutdown().await;
    assert_eq!((counters.timed_out, counters.bytes_from_target), (1, 5));
}

#[tokio::test]
async fn a_reset_is_passed_on_as_an_end_and_counted_as_a_failure() {
    let (target, connector, relay) = rig(|relay| relay).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(relay.shutdown().await.failed, 1);
}

#[tokio::test]
async fn an_unreachable_target_closes_the_connection_and_is_counted() {
    let (target, connector, relay) = rig(|relay| relay).await;
    drop(target);
    let mut client = connector.connect().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(relay.shutdown().await.unreachable, 1);
}

/// Begins a shutdown, and returns it once nothing is accepted any more.
async fn begin_shutdown(relay: RelayHandle, connector: &MemoryConnector) -> BoxFuture<'static, Counters> {
    let mut draining = relay.shutdown().boxed();
    assert!((&mut draining).now_or_never().is_none());
    for _ in 0..1000 {
        if connector.connect().await.is_err() {
            return draining;
        }
        tokio::task::yield_now().await;
    }
    panic!("a relay that shuts down still accepts");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_counts_whole_what_ends_in_time_and_then_cuts_the_rest() {
    hold_clock();
    let (target, connector, relay) = rig(|relay| relay.drain_timeout(10 * SECOND)).await;
    let (mut client, mut server) = connect(&target, &connector).await;
    let (mut idle_client, mut idle_server) = connect(&target, &connector).await;
    for (client, server) in [(&mut client, &mut server), (&mut idle_client, &mut idle_server)] {
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    }
    let mut draining = begin_shutdown(relay, &connector).await;
    tokio::time::advance(9 * SECOND).await;
    let (mut question, mut answer) = (Vec::new(), Vec::new());
    client.write_all(b"late question").await.unwrap();
    client.shutdown().await.unwrap();
    server.read_to_end(&mut question).await.unwrap();
    server.write_all(b"late answer").await.unwrap();
    drop(server);
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!((&question[..], &answer[..]), (&b"late question"[..], &b"late answer"[..]));

    assert!((&mut draining).now_or_never().is_none(), "the other connection has a second left");
    tokio::time::advance(SECOND).await;
    let counters = draining.await;
    assert_eq!((counters.bytes_to_target, counters.bytes_from_target), (15, 11));
    assert_eq!((counters.accepted, counters.active, counters.cut), (2, 0, 1));
    assert_eq!((counters.failed, counters.timed_out), (0, 0));
    assert_eq!(idle_client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(idle_server.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_over_when_the_last_connection_is() {
    hold_clock();
    let (target, connector, relay) = rig(|relay| relay.drain_timeout(10 * SECOND)).await;
    let (client, server) = connect(&target, &connector).await;
    let draining = begin_shutdown(relay, &connector).await;
    drop((client, server));
    let began = Instant::now();
    let counters = draining.await;
    assert_eq!((began.elapsed(), counters.cut), (Duration::ZERO, 0));
}

#[tokio::test]
async fn a_target_that_takes_nothing_slows_its_own_client_only() {
    let (target, connector, relay) = rig(|relay| relay).await;
    let (mut stuck, stuck_server) = connect(&target, &connector).await;
    let flood = tokio::spawn(async move { while stuck.write_all(&[0; 16 * 1024]).await.is_ok() {} });
    let (mut client, mut server) = connect(&target, &connector).await;
    let mut exchanges = async |count: u64| {
        for _ in 0..count {
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'x');
        }
    };
    // Stuck: while the other connection carries this much, the flood does not get one byte further.
    let is_stuck = async {
        loop {
            let before = relay.counters().bytes_to_target;
            exchanges(1000).await;
            if before > 1000 && relay.counters().bytes_to_target == before + 1000 {
                return;
            }
        }
    };
    timeout(LONG, is_stuck).await.expect("a target that takes nothing is filled up in the end");
    assert!(!flood.is_finished());
    exchanges(100).await;
    drop(stuck_server);
    flood.await.unwrap();
    drop((client, server));
    relay.shutdown().await;
}
