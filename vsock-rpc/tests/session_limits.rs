//! Peers that are slow, silent, loud or many, and evidence that does not come: every wait ends, every buffer is bounded,
//! and open sessions do not notice.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod session_support;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use common::*;
use session_support::tls::*;
use session_support::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;
use vsock_rpc::client::Connector;
use vsock_rpc::session::{AllowedClients, SessionError, SessionStream};
use vsock_rpc::transport::{MAX_WRITE_LEN, MemoryConnector};
use vsock_rpc::{Client, Listener, Peer, PeerAddr, Stream};

async fn assert_serves(client: &Client) {
    assert_eq!(client.call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
}

/// A client that shook hands and has not said hello.
async fn shaken(rig: &SessionRig) -> tokio_rustls::client::TlsStream<Stream> {
    connect(plain_client(Shown::own_raw()), rig.connector.connect().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_hello_of_another_form_is_refused() {
    let rig = SessionRig::new();
    let mut strange = vec![[0; 36], [0xff; 36], hello(0, [1; 32]), hello(3, [1; 32])];
    for at in 1..4 {
        let mut hello = hello(1, [1; 32]);
        hello[at] = 1;
        strange.push(hello);
    }
    // A frame where the hello belongs.
    let mut frame = request_bytes(1, "add", (20, 22)).to_vec();
    frame.resize(36, 0);
    strange.push(frame.try_into().unwrap());
    for bytes in strange {
        let mut tls = shaken(&rig).await;
        tls.write_all(&bytes).await.unwrap();
        tls.flush().await.unwrap();
        assert_eq!(tls.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert!(matches!(rig.failures.next().await, SessionError::MalformedHello), "{bytes:02x?}");
    }
    let mut tls = shaken(&rig).await;
    tls.write_all(&hello(1, [1; 32])[..35]).await.unwrap();
    tls.shutdown().await.unwrap();
    assert!(matches!(rig.failures.next().await, SessionError::Closed));
    assert_eq!(rig.enclave.asked(), 0);
    assert_serves(&rig.client()).await;
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    let rig = SessionRig::new();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &request_bytes(1, "add", (20, 22)), &[0xff; 64], &[22, 3, 1, 0, 1, 1]]
    {
        let mut stream = rig.connector.connect().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let failure = rig.failures.next().await;
        assert!(matches!(failure, SessionError::Corrupted(_) | SessionError::Closed), "{bytes:02x?}: {failure:?}");
    }
    assert_serves(&rig.client()).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_at_any_point_is_given_up_in_time() {
    let rig = SessionRig::new();
    let open = rig.client();
    assert_serves(&open).await;
    let began = Instant::now();
    let mut silent = rig.connector.connect().await.unwrap();
    let mut half = rig.connector.connect().await.unwrap();
    half.write_all(&[22, 3, 1, 5, 0, 1, 0]).await.unwrap();
    let mut no_hello = shaken(&rig).await;
    let mut half_hello = shaken(&rig).await;
    half_hello.write_all(&hello(1, [1; 32])[..20]).await.unwrap();
    half_hello.flush().await.unwrap();
    for _ in 0..4 {
        let failure = rig.failures.next().await;
        assert!(matches!(failure, SessionError::TimedOut { limit } if limit == 10 * SECOND), "{failure:?}");
    }
    assert!((10 * SECOND..11 * SECOND).contains(&began.elapsed()));
    for stream in [&mut silent, &mut half] {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
    for tls in [&mut no_hello, &mut half_hello] {
        assert!(tls.read(&mut [0; 1]).await.is_err(), "closed without goodbye");
    }
    assert_serves(&open).await;
    assert_eq!(rig.sessions.counters().opening, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_evidence_is_given_up_in_time() {
    let rig = SessionRig::new();
    rig.enclave.set(Behaviour::Bytes(vec![0x5a; 16 * 1024]));
    let (near, far) = tokio::io::duplex(1024);
    let sessions = rig.sessions.clone();
    let accepting = tokio::spawn(async move { sessions.accept(far, Peer::new(PeerAddr::Memory)).await.map(drop) });
    let mut tls = connect(plain_client(Shown::own_raw()), near.into()).await.unwrap();
    tls.write_all(&hello(1, [1; 32])).await.unwrap();
    tls.flush().await.unwrap();
    assert!(matches!(accepting.await.unwrap(), Err(SessionError::TimedOut { .. })));
}

#[tokio::test(start_paused = true)]
async fn evidence_is_not_waited_for_when_its_client_has_left() {
    let rig = SessionRig::new();
    rig.enclave.set(Behaviour::Hangs);
    let began = Instant::now();
    for speaks in [false, true] {
        let mut tls = shaken(&rig).await;
        tls.write_all(&hello(1, [1; 32])).await.unwrap();
        tls.flush().await.unwrap();
        while rig.enclave.asked() <= usize::from(speaks) {
            tokio::task::yield_now().await;
        }
        if speaks {
            tls.write_all(b"x").await.unwrap();
            tls.flush().await.unwrap();
        } else {
            drop(tls);
        }
        let failure = rig.failures.next().await;
        let is_expected = match failure {
            SessionError::Closed => !speaks,
            SessionError::MalformedHello => speaks,
            _ => false,
        };
        assert!(is_expected, "{failure:?}");
    }
    assert_eq!(rig.sessions.counters().opening, 0);
    assert!(began.elapsed() < SECOND, "long before evidence or opening time out");
}

/// Plays a server with a stream that was accepted.
fn played<F>(play: impl FnOnce(Stream) -> F + Send + 'static) -> MemoryConnector
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut listener, connector) = Listener::memory(64 * 1024);
    tokio::spawn(async move { play(listener.accept().await.unwrap()).await });
    connector
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_at_any_point_is_given_up_in_time() {
    let rig = SessionRig::new();
    let silence = |stream: Stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    };
    let silent = played(silence);
    let no_answer = played(|stream| async {
        let _tls = accept(plain_server(Shown::own_raw()), stream).await.unwrap();
        std::future::pending().await
    });
    let drop_by_drop = played(|stream| async {
        let mut tls = accept(plain_server(Shown::own_raw()), stream).await.unwrap();
        for byte in answer(1, &[0x5a; 8000]) {
            if tls.write_all(&[byte]).await.is_err() || tls.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(SECOND / 10).await;
        }
    });
    for server in [silent, no_answer, drop_by_drop] {
        let began = Instant::now();
        let error = rig.through(server).build().connect().await.unwrap_err();
        assert!(matches!(error, SessionError::TimedOut { limit } if limit == 10 * SECOND), "{error:?}");
        assert!((10 * SECOND..11 * SECOND).contains(&began.elapsed()));
    }
    let patient = rig.through(played(silence)).opening_timeout(3 * SECOND).build();
    assert!(matches!(patient.connect().await, Err(SessionError::TimedOut { limit }) if limit == 3 * SECOND));
}

#[tokio::test]
async fn no_more_is_read_of_an_unknown_peer_than_opening_takes() {
    let rig = SessionRig::new();
    // A ClientHello of many protocols, which is well formed.
    let mut config = plain_client(Shown::own_raw());
    config.alpn_protocols = vec![vec![b'x'; 255]; 60];
    assert!(connect(config, rig.connector.connect().await.unwrap()).await.is_err());
    assert!(matches!(rig.failures.next().await, SessionError::OpeningTooLong { max: 8192 }));
    // A handshake message that announces 16 MiB, in records that arrive.
    let mut stream = rig.connector.connect().await.unwrap();
    let record = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 0x4000 - 4]].concat();
    // The server closes the stream somewhere in this.
    while stream.write_all(&record).await.is_ok() {}
    let failure = rig.failures.next().await;
    assert!(matches!(failure, SessionError::OpeningTooLong { .. } | SessionError::Corrupted(_)), "{failure:?}");
    // A server that shows very many keys.
    let many = played(|stream| async {
        let (spki, key) = p256();
        let mut shown = Shown::raw(&spki, key);
        let certified = Arc::get_mut(shown.key.as_mut().unwrap()).unwrap();
        certified.cert = vec![certified.cert[0].clone(); 600];
        let _ = accept(plain_server(shown), stream).await;
    });
    let error = rig.through(many).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::OpeningTooLong { max: 32768 }), "{error:?}");
    assert_serves(&rig.client()).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_half_open_handshakes_starve_neither_open_sessions_nor_newcomers() {
    let rig = SessionRig::new();
    let open = rig.client();
    assert_serves(&open).await;
    let mut half_open = Vec::new();
    for wave in 0..5 {
        for _ in 0..200 {
            let mut stream = rig.connector.connect().await.unwrap();
            // The server may have closed it for want of a place.
            let _ = stream.write_all(&[22, 3, 1, 5, 0, 1, 0]).await;
            half_open.push(stream);
            assert!(rig.sessions.counters().opening <= 64);
        }
        assert_serves(&open).await;
        // Right now there is no place, and once the grace is over there is.
        let error = rig.connector().connect().await.unwrap_err();
        assert!(matches!(error, SessionError::Closed), "{error:?}");
        tokio::time::advance(SECOND).await;
        assert_serves(&rig.client()).await;
        assert_eq!(rig.sessions.counters().displaced, 1 + wave * 64);
    }
    let counters = rig.sessions.counters();
    assert_eq!((counters.opened, counters.failed), (6, 0));
    assert!(counters.refused > 600, "{counters:?}");
    // Those that were refused or displaced are closed, the others later.
    tokio::time::advance(10 * SECOND).await;
    for mut stream in half_open {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
    assert_eq!(rig.sessions.counters().opening, 0);
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_ends_neither_the_listener_nor_other_sessions() {
    let rig = SessionRig::with(AllowedClients::any(), |sessions| {
        sessions.max_openings(1).on_failure(|_, _| panic!("this panic belongs to the test"))
    });
    rig.enclave.set(Behaviour::Gated);
    let opening = rig.connector();
    let opening = tokio::spawn(async move { opening.connect().await.map(drop) });
    rig.enclave.asked.notified().await;
    // Refused by the accept loop itself.
    for _ in 0..3 {
        assert!(matches!(rig.connector().connect().await, Err(SessionError::Closed)));
    }
    assert_eq!(rig.sessions.counters().refused, 3);
    rig.enclave.gate.add_permits(1);
    opening.await.unwrap().unwrap();
    rig.enclave.set(Behaviour::Honest);
    assert_serves(&rig.client()).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_evidence_keeps_its_place() {
    let rig = SessionRig::with(AllowedClients::any(), |sessions| sessions.max_openings(2));
    rig.enclave.set(Behaviour::Gated);
    let connect = || {
        let connector = rig.connector();
        tokio::spawn(async move { connector.connect().await.map(drop) })
    };
    let waiting = [connect(), connect()];
    for _ in &waiting {
        rig.enclave.asked.notified().await;
    }
    tokio::time::advance(2 * SECOND).await;
    assert!(matches!(connect().await.unwrap(), Err(SessionError::Closed)));
    assert!(matches!(rig.failures.next().await, SessionError::TooManyOpenings));
    rig.enclave.gate.add_permits(2);
    for connecting in waiting {
        connecting.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn open_sessions_do_not_count_among_those_being_opened() {
    let rig = SessionRig::with(AllowedClients::any(), |sessions| sessions.max_openings(1));
    let mut open: Vec<SessionStream> = Vec::new();
    for _ in 0..20 {
        open.push(rig.connector().connect().await.unwrap());
    }
    assert_eq!((rig.sessions.counters().opened, rig.sessions.counters().opening), (20, 0));
}

type IsNamed = fn(&SessionError) -> bool;

#[tokio::test(start_paused = true)]
async fn evidence_that_does_not_come_is_named_on_both_sides_and_asked_for_again() {
    let rig = SessionRig::caching();
    let (fresh, cached) =
        (rig.connector(), rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build());
    let cases: [(Behaviour, IsNamed); 5] = [
        (
            Behaviour::Fails,
            |error| matches!(error, SessionError::EvidenceSource(source) if source.to_string().contains("is broken")),
        ),
        (Behaviour::Hangs, |error| matches!(error, SessionError::EvidenceTimedOut { limit } if *limit == 3 * SECOND)),
        (Behaviour::Bytes(vec![]), |error| matches!(error, SessionError::EvidenceEmpty)),
        (Behaviour::Bytes(vec![1; 16 * 1024 + 1]), |error| {
            matches!(error, SessionError::EvidenceTooLong { len: 16_385 })
        }),
        (Behaviour::Bytes(vec![1; 1 << 20]), |error| matches!(error, SessionError::EvidenceTooLong { len: 1_048_576 })),
    ];
    for (behaviour, is_named) in cases {
        for connector in [&fresh, &cached] {
            rig.enclave.set(behaviour.clone());
            let error = connector.connect().await.unwrap_err();
            assert!(matches!(error, SessionError::EvidenceUnavailable), "{behaviour:?}: {error:?}");
            let failure = rig.failures.next().await;
            assert!(is_named(&failure), "{behaviour:?}: {failure:?}");
        }
    }
    rig.enclave.set(Behaviour::Honest);
    for connector in [fresh, cached] {
        connector.connect().await.unwrap();
    }
    assert_eq!(rig.sessions.counters().opening, 0);
}

#[tokio::test]
async fn a_source_of_evidence_that_panics_harms_only_the_session_it_was_for() {
    let rig =
        SessionRig::with(AllowedClients::any(), |sessions| sessions.max_openings(1).serve_cached_evidence(60 * SECOND));
    let open = rig.client();
    assert_serves(&open).await;
    rig.enclave.set(Behaviour::Panics);
    assert!(matches!(rig.connector().connect().await, Err(SessionError::Closed)));
    let cached = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
    assert!(matches!(cached.connect().await, Err(SessionError::EvidenceUnavailable)));
    rig.enclave.set(Behaviour::Honest);
    for client in [open, rig.client(), client(cached)] {
        assert_serves(&client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_waiting_clients_of_a_cache_share_a_failure_and_the_next_tries_again() {
    let rig = SessionRig::caching();
    rig.enclave.set(Behaviour::Hangs);
    let cached = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move { cached.connect().await.map(drop) })
        })
        .collect();
    for connecting in waiting {
        assert!(matches!(connecting.await.unwrap(), Err(SessionError::EvidenceUnavailable)));
    }
    assert_eq!(rig.enclave.asked(), 1);
    rig.enclave.set(Behaviour::Honest);
    cached.connect().await.unwrap();
    assert_eq!(rig.enclave.asked(), 2);
}

/// Connects with this stream, the first time.
fn once(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Connector {
    let once = Mutex::new(Some(stream));
    Connector::new("once", move || {
        let stream = once.lock().unwrap().take();
        async move { stream.ok_or_else(|| io::ErrorKind::NotConnected.into()) }
    })
}

/// A session over a stream that buffers next to nothing, served until it ends.
async fn over_narrow_stream(rig: &SessionRig) -> (SessionStream, tokio::task::JoinHandle<()>) {
    let (near, far) = tokio::io::duplex(2048);
    let sessions = rig.sessions.clone();
    let server = vsock_rpc::Server::builder(router(&rig.state)).max_payload_len(1 << 20).build();
    let serving = tokio::spawn(async move {
        let (session, peer) = sessions.accept(far, Peer::new(PeerAddr::Memory)).await.unwrap();
        server.serve_stream(session, peer).await;
    });
    (rig.through(once(near)).build().connect().await.unwrap(), serving)
}

/// What TLS has encrypted and the peer has not taken is not hidden from the server's timeout, were it a single answer.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let rig = SessionRig::new();
    for len in [3_000_u32, 200_000] {
        let (mut session, serving) = over_narrow_stream(&rig).await;
        let began = Instant::now();
        session.write_all(&request_bytes(1, "grow", len)).await.unwrap();
        session.flush().await.unwrap();
        tokio::time::timeout(LONG, serving).await.expect("it is cut off").unwrap();
        assert!((10 * SECOND..13 * SECOND).contains(&began.elapsed()), "{len}: {:?}", began.elapsed());
    }
}

/// Nor does TLS take answers without end, so that the server would work on for somebody who reads none.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_is_not_worked_for() {
    let rig = SessionRig::new();
    let (mut session, serving) = over_narrow_stream(&rig).await;
    let requests: Vec<_> = (1..=1000).flat_map(|id| request_bytes(id, "grow", 3_000)).collect();
    // The server ends the stream somewhere in this.
    assert!(session.write_all(&requests).await.is_err() || session.flush().await.is_err());
    tokio::time::timeout(LONG, serving).await.expect("it is cut off").unwrap();
    // As many as are in flight at a time, and those whose answers TLS and the stream took.
    let worked = rig.state.calls.load(std::sync::atomic::Ordering::SeqCst);
    assert!((1..=64 + 16).contains(&worked), "{worked}");
}

/// A stream that is foreign to the crate, and does not take longer pieces than are promised.
struct Narrow(tokio::io::DuplexStream);

impl AsyncRead for Narrow {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(bytes.len() <= MAX_WRITE_LEN, "{} bytes are written at once", bytes.len());
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn records_longer_than_a_write_are_written_in_pieces() {
    let rig = SessionRig::new();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let sessions = rig.sessions.clone();
    let server = vsock_rpc::Server::builder(router(&rig.state)).max_payload_len(1 << 20).build();
    let serving = tokio::spawn(async move {
        let (session, peer) = sessions.accept(Narrow(far), Peer::new(PeerAddr::Memory)).await.unwrap();
        server.serve_stream(session, peer).await;
    });
    let client = client(rig.through(once(Narrow(near))).build());
    let blob = Blob::of(200_000);
    assert_eq!(client.call::<Echo>(&blob, LONG).await.unwrap(), blob);
    drop(client);
    serving.await.unwrap();
}
