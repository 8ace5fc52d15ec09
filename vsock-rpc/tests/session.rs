//! Sessions as they should go: identities, evidence, caching, rotation, shutdown.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod session_support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::*;
use session_support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use vsock_rpc::client::Connector;
use vsock_rpc::session::{AllowedClients, ClientKey, SessionConnector, SessionError};
use vsock_rpc::{Addr, CallContext, Client, Listener, Method, PeerIdentity, RemoteError, Router, Server};

struct WhoAmI;
impl Method for WhoAmI {
    const NAME: &'static str = "who_am_i";
    type Request = ();
    type Response = Option<String>;
}

async fn who_am_i(_: Arc<()>, context: CallContext, (): ()) -> Result<Option<String>, RemoteError> {
    Ok(context.peer().identity().map(PeerIdentity::to_string))
}

fn identifying_server() -> Server {
    Server::builder(Router::new(()).method::<WhoAmI, _, _>(who_am_i)).build()
}

#[tokio::test]
async fn handlers_see_who_calls() {
    let rig = SessionRig::new();
    let (listener, connector) = Listener::memory(64 * 1024);
    let _handle = rig.sessions.serve(listener, identifying_server());
    for key in [ClientKey::generate_p256().unwrap(), ClientKey::generate_ed25519().unwrap()] {
        let sessions = SessionConnector::builder(connector.clone(), &key, Arc::clone(&rig.verifier)).build();
        let told = client(sessions).call::<WhoAmI>(&(), LONG).await.unwrap();
        assert_eq!(told, Some(identity_of(key.public_key()).to_string()));
    }
    // Without a session there is no identity.
    let (listener, connector) = Listener::memory(64 * 1024);
    let _plain = identifying_server().serve(listener);
    assert_eq!(Client::builder(connector).build().call::<WhoAmI>(&(), LONG).await.unwrap(), None);
}

#[tokio::test]
async fn both_ends_know_each_other() {
    let rig = SessionRig::new();
    let mut session = rig.connector().connect().await.unwrap();
    assert_eq!(session.peer_identity(), rig.keys.identity());
    assert_eq!(session.peer_identity(), identity_of(&rig.keys.public_key()));
    session.write_all(&request_bytes(1, "add", (20, 22))).await.unwrap();
    session.flush().await.unwrap();
    let mut answer = [0; 18];
    session.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[16..], [0x18, 42]);
}

#[tokio::test]
async fn every_connection_has_evidence_of_its_own() {
    let rig = SessionRig::new();
    for _ in 0..3 {
        assert_eq!(rig.client().call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
    }
    let requests = rig.enclave.requests.lock().unwrap().clone();
    assert!(requests.iter().all(|(public_key, _)| *public_key == rig.keys.public_key()));
    let nonces: HashSet<_> = requests.iter().map(|(_, nonce)| nonce.unwrap()).collect();
    assert_eq!(nonces.len(), 3);
    assert_eq!(rig.verifier.verified.load(Ordering::SeqCst), 3);
    assert_eq!((rig.sessions.counters().opened, rig.sessions.counters().failed), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_lost_its_session_verifies_what_it_reconnects_to() {
    let rig = SessionRig::new();
    let other = SessionRig::under(&rig.authority, OTHER_IMAGE, AllowedClients::any(), |sessions| sessions);
    let connects = AtomicUsize::new(0);
    let route = [rig.connector.clone(), other.connector.clone(), rig.connector.clone()];
    let sessions = rig.through(Connector::new("a relay", move || {
        let target = route[connects.fetch_add(1, Ordering::SeqCst)].clone();
        async move { target.connect().await }
    }));
    let client = client(sessions.build());
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    // The server closes a connection that is silent for five minutes.
    tokio::time::sleep(400 * SECOND).await;
    let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
    assert_eq!(rejection(cause(&error)), &Rejection::WrongImage);
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    assert_eq!(rig.verifier.verified.load(Ordering::SeqCst), 2);
    assert_eq!(other.state.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn large_and_many_requests_pass() {
    let rig = SessionRig::new();
    let client = rig.client();
    for len in [0, 1, 16 * 1024 - 17, 16 * 1024, 64 * 1024, 1 << 20] {
        let blob = Blob::of(len);
        assert_eq!(client.call::<Echo>(&blob, LONG).await.unwrap(), blob);
    }
    let calls: Vec<_> = (0..200).map(|number| tokio::spawn(client.call::<Parallel>(&number, LONG))).collect();
    for (number, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), number);
    }
}

/// The stream may be anybody's: here a unix socket with a relay in the middle, accepted by hand.
#[tokio::test]
async fn a_session_crosses_a_relay_and_is_accepted_by_hand() {
    let rig = SessionRig::new();
    let dir = tempfile::tempdir().unwrap();
    let (enclave, front) =
        (Addr::unix(dir.path().join("enclave")).unwrap(), Addr::unix(dir.path().join("front")).unwrap());
    let mut listener = Listener::bind(&enclave).await.unwrap();
    let (sessions, server) = (rig.sessions.clone(), identifying_server());
    let serving = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap();
        let peer = stream.peer().clone();
        let (session, peer) = sessions.accept(stream, peer).await.unwrap();
        server.serve_stream(session, peer).await;
    });
    let allowlist = [enclave.clone()].into_iter().collect();
    let relay = vsock_rpc::relay::Relay::new(enclave, allowlist).serve(Listener::bind(&front).await.unwrap()).unwrap();
    let client = client(rig.through(front).build());
    assert_eq!(client.call::<WhoAmI>(&(), LONG).await.unwrap(), Some(rig.client_key.identity().to_string()));
    drop(client);
    serving.await.unwrap();
    assert!(relay.shutdown().await.bytes_to_target > 1000);
}

#[tokio::test]
async fn only_allowed_clients_get_a_session_and_evidence() {
    let (allowed, other) = (ClientKey::generate_p256().unwrap(), ClientKey::generate_ed25519().unwrap());
    let identity = allowed.identity();
    for clients in [AllowedClients::only([identity]), AllowedClients::matching(move |client| *client == identity)] {
        let rig = SessionRig::with(clients, |sessions| sessions);
        let connector = |key| SessionConnector::builder(rig.connector.clone(), key, Arc::clone(&rig.verifier)).build();
        let error = connector(&other).connect().await.unwrap_err();
        let is_named = |error: &SessionError| matches!(error, SessionError::ClientKeyNotAllowed { identity } if *identity == other.identity());
        assert!(is_named(&error), "{error:?}");
        assert!(is_named(&rig.failures.next().await));
        assert_eq!(rig.enclave.asked(), 0);
        assert_eq!(client(connector(&allowed)).call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
        assert_eq!(rig.enclave.asked(), 1);
    }
    let rig = SessionRig::with(AllowedClients::only([]), |sessions| sessions);
    assert!(matches!(rig.connector().connect().await, Err(SessionError::ClientKeyNotAllowed { .. })));
}

#[tokio::test(start_paused = true)]
async fn cached_evidence_is_made_once_for_all_who_wait_and_again_when_it_is_old() {
    let rig = SessionRig::with(AllowedClients::any(), |sessions| sessions.serve_cached_evidence(10 * SECOND));
    rig.enclave.set(Behaviour::Gated);
    let connector = rig.through(rig.connector.clone()).accept_cached_evidence(20 * SECOND).build();
    let connect = || {
        let connector = connector.clone();
        tokio::spawn(async move { connector.connect().await.map(drop) })
    };
    let mut waiting: Vec<_> = (0..30).map(|_| connect()).collect();
    rig.enclave.asked.notified().await;
    // Who gives up takes nothing from the others, though it came first.
    waiting.remove(0).abort();
    rig.enclave.gate.add_permits(1);
    for connecting in waiting {
        connecting.await.unwrap().unwrap();
    }
    tokio::time::advance(9 * SECOND).await;
    connect().await.unwrap().unwrap();
    assert_eq!(*rig.enclave.requests.lock().unwrap(), [(rig.keys.public_key(), None)]);
    tokio::time::advance(SECOND).await;
    rig.enclave.gate.add_permits(1);
    connect().await.unwrap().unwrap();
    assert_eq!(rig.enclave.asked(), 2);
}

#[tokio::test]
async fn cached_evidence_is_not_served_after_a_rotation() {
    let rig = SessionRig::caching();
    let connector = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
    for _ in 0..3 {
        connector.connect().await.unwrap();
    }
    let first = rig.keys.public_key();
    let identity = rig.keys.rotate().unwrap();
    for _ in 0..3 {
        assert_eq!(connector.connect().await.unwrap().peer_identity(), identity);
    }
    assert_eq!(*rig.enclave.requests.lock().unwrap(), [(first, None), (rig.keys.public_key(), None)]);
}

/// A session that began with the old key gets evidence for the old key, and leaves the new key's cache alone.
#[tokio::test]
async fn a_rotation_in_the_middle_of_an_opening_changes_nothing_for_it() {
    let rig = SessionRig::caching();
    rig.enclave.set(Behaviour::Gated);
    let old = rig.keys.identity();
    let cached = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
    let [waiting_fresh, waiting_cached] = [rig.connector(), cached.clone()]
        .map(|connector| tokio::spawn(async move { connector.connect().await.map(|session| session.peer_identity()) }));
    let stream = rig.connector.connect().await.unwrap();
    let mut no_hello = tls::connect(tls::plain_client(tls::Shown::own_raw()), stream).await.unwrap();
    while rig.enclave.asked() < 2 {
        tokio::task::yield_now().await;
    }
    let new = rig.keys.rotate().unwrap();
    rig.enclave.set(Behaviour::Honest);
    assert_eq!(cached.connect().await.unwrap().peer_identity(), new);
    rig.enclave.gate.add_permits(2);
    for waiting in [waiting_fresh, waiting_cached] {
        assert_eq!(waiting.await.unwrap().unwrap(), old);
    }
    // Who shook hands before the rotation, and asks after it, gets fresh evidence.
    no_hello.write_all(&hello(2, [7; 32])).await.unwrap();
    no_hello.flush().await.unwrap();
    let mut head = [0; 4];
    no_hello.read_exact(&mut head).await.unwrap();
    assert_eq!(head[..2], [1, 0]);
    assert_eq!(cached.connect().await.unwrap().peer_identity(), new);
    assert_eq!(rig.enclave.asked(), 4);
}

#[tokio::test]
async fn a_client_that_accepts_cached_evidence_gets_fresh_from_a_server_that_was_not_told_to_cache() {
    for rig in [
        SessionRig::new(),
        SessionRig::with(AllowedClients::any(), |sessions| sessions.serve_cached_evidence(Duration::ZERO)),
    ] {
        let connector = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
        for _ in 0..2 {
            connector.connect().await.unwrap();
        }
        let requests = rig.enclave.requests.lock().unwrap().clone();
        assert!(requests.len() == 2 && requests.iter().all(|(_, nonce)| nonce.is_some()), "{requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_drops_nothing_and_new_sessions_use_the_new_key() {
    let rig = SessionRig::with(AllowedClients::any(), |sessions| sessions.max_openings(1024));
    let (old, connects) = (rig.keys.identity(), Arc::new(AtomicUsize::new(0)));
    let mut held = rig.connector().connect().await.unwrap();
    let steady = {
        let (target, connects) = (rig.connector.clone(), Arc::clone(&connects));
        rig.through(Connector::new("counted", move || {
            connects.fetch_add(1, Ordering::SeqCst);
            let target = target.clone();
            async move { target.connect().await }
        }))
        .build()
    };
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = |connect_often: bool| {
        let connector = if connect_often { rig.connector() } else { steady.clone() };
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        tokio::spawn(async move {
            let mut client = session_support::client(connector.clone());
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(client.call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
                calls.fetch_add(1, Ordering::SeqCst);
                if connect_often {
                    client = session_support::client(connector.clone());
                }
            }
        })
    };
    let loads: Vec<_> = [false, false, false, true, true, true].map(load).into();
    let mut identities = HashSet::from([rig.keys.identity()]);
    for _ in 0..10 {
        let before = calls.load(Ordering::SeqCst);
        while calls.load(Ordering::SeqCst) < before + 20 {
            tokio::task::yield_now().await;
        }
        let identity = rig.keys.rotate().unwrap();
        assert!(identities.insert(identity));
        assert_eq!(rig.connector().connect().await.unwrap().peer_identity(), identity);
    }
    stop.store(true, Ordering::SeqCst);
    for load in loads {
        load.await.unwrap();
    }
    assert_eq!(rig.failures.len(), 0);
    // Those who stayed never connected again, and a session that was silent all the while is what it was.
    assert_eq!(connects.load(Ordering::SeqCst), 3);
    held.write_all(&request_bytes(1, "add", (20, 22))).await.unwrap();
    held.flush().await.unwrap();
    let mut answer = [0; 18];
    held.read_exact(&mut answer).await.unwrap();
    assert_eq!((held.peer_identity(), &answer[16..]), (old, &[0x18, 42][..]));
}

#[tokio::test]
async fn shutting_down_answers_what_is_in_flight_and_ends_what_is_being_opened() {
    let rig = SessionRig::new();
    let client = rig.client();
    let calls: Vec<_> = (0..20).map(|number| tokio::spawn(client.call::<Gated>(&number, LONG))).collect();
    rig.state.wait_for_gated(20).await;
    rig.enclave.set(Behaviour::Hangs);
    let connector = rig.connector();
    let opening = tokio::spawn(async move { connector.connect().await.map(drop) });
    rig.enclave.asked.notified().await;
    rig.enclave.asked.notified().await;
    let shutdown = tokio::spawn(rig.server.shutdown());
    assert!(matches!(opening.await.unwrap(), Err(SessionError::Closed)));
    rig.state.gate.add_permits(20);
    for (number, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), number);
    }
    tokio::time::timeout(LONG, shutdown).await.expect("nothing holds it up").unwrap();
    assert_eq!(rig.sessions.counters().opening, 0);
}

/// Evidence for the cache is made to its end, whoever asked for it.
#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_evidence_that_is_being_made() {
    for opens_after in [1, 100] {
        let rig = SessionRig::with(AllowedClients::any(), |sessions| sessions.serve_cached_evidence(60 * SECOND));
        rig.enclave.set(Behaviour::Gated);
        let connector = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
        let opening = tokio::spawn(async move { connector.connect().await.map(drop) });
        rig.enclave.asked.notified().await;
        let began = Instant::now();
        let open = async {
            tokio::time::sleep(opens_after * SECOND).await;
            rig.enclave.gate.add_permits(1);
        };
        let shutdown = async {
            rig.server.shutdown().await;
            began.elapsed()
        };
        let (took, ()) = tokio::join!(shutdown, open);
        assert!(matches!(opening.await.unwrap(), Err(SessionError::Closed)));
        // Making it may take three seconds.
        let expected = opens_after.min(3) * SECOND;
        assert!((expected..expected + SECOND / 10).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn sessions_above_the_server_s_bound_are_told_so() {
    let rig = SessionRig::new();
    let (listener, connector) = Listener::memory(64 * 1024);
    let server = Server::builder(router(&rig.state)).max_connections(1).build();
    let _handle = rig.sessions.serve(listener, server);
    let first = client(rig.through(connector.clone()).build());
    assert_eq!(first.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    let mut second = rig.through(connector).build().connect().await.unwrap();
    let mut goaway = Vec::new();
    second.read_to_end(&mut goaway).await.unwrap();
    assert!(goaway.windows(20).any(|text| text == b"too_many_connections"), "{goaway:02x?}");
    assert_eq!(first.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
}
