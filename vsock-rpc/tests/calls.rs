//! Calls between our client and our server.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::*;
use futures_util::future::join_all;
use vsock_rpc::{
    Addr, CallContext, CallError, CborError, Client, Listener, PeerAddr, RemoteError, Router, Server, code,
};

fn remote_code<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    result.unwrap_err().as_remote().expect("a remote error").code().to_owned()
}

#[tokio::test]
async fn a_call_is_answered() {
    let rig = Rig::new();
    assert_eq!(rig.client().call::<Add>(&(2, 3), LONG).await.unwrap(), 5);
}

#[tokio::test]
async fn payloads_up_to_the_limit_pass_and_longer_ones_are_refused_before_sending() {
    let rig = Rig::new();
    let client = rig.client();
    for len in [0, 1, 100, 16 * 1024, 40_000, 65_000] {
        assert_eq!(client.call::<Echo>(&Blob::of(len), LONG).await.unwrap(), Blob::of(len));
    }
    let error = client.call::<Echo>(&Blob::of(65_536), LONG).await.unwrap_err();
    assert!(matches!(error, CallError::UnsendableRequest(CborError::TooLong { max: 65_536 })), "{error}");
    assert!(!error.may_have_run());
    assert_eq!(client.call::<Add>(&(1, 1), LONG).await.unwrap(), 2);
}

#[tokio::test]
async fn a_response_above_the_limit_is_an_error_and_the_next_call_works() {
    let rig = Rig::new();
    let client = rig.client();
    assert_eq!(remote_code(client.call::<Grow>(&70_000, LONG).await), code::RESPONSE_TOO_LONG);
    assert_eq!(client.call::<Grow>(&1, LONG).await.unwrap(), Blob::of(1));
}

#[tokio::test]
async fn raised_limits_carry_larger_payloads() {
    let rig = Rig::with(|server| server.max_payload_len(1 << 20));
    let client = Client::builder(rig.connector.clone()).max_payload_len(1 << 20).build();
    let blob = Blob::of(1_000_000);
    assert_eq!(client.call::<Echo>(&blob, LONG).await.unwrap(), blob);
}

#[tokio::test]
async fn errors_say_whether_the_request_may_have_run() {
    let rig = Rig::new();
    let client = rig.client();
    for (result, expected, may_have_run) in [
        (client.call::<Missing>(&(), LONG).await, code::UNKNOWN_METHOD, false),
        (client.call::<WrongEcho>(&7, LONG).await.map(|_| ()), code::MALFORMED_REQUEST, false),
        (client.call::<Fail>(&"own_code".into(), LONG).await, "own_code", true),
        (client.call::<Panic>(&false, LONG).await, code::INTERNAL, true),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.may_have_run(), may_have_run, "{error}");
        assert_eq!(error.as_remote().unwrap().code(), expected);
    }
    // All on one connection, which lives on.
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
}

#[tokio::test]
async fn a_panicking_handler_harms_only_its_own_call() {
    let rig = Rig::new();
    let client = rig.client();
    let gated = tokio::spawn(client.call::<Gated>(&7, LONG));
    rig.state.wait_for_gated(1).await;
    for after_yield in [false, true] {
        assert_eq!(remote_code(client.call::<Panic>(&after_yield, LONG).await), code::INTERNAL);
    }
    assert_eq!(remote_code(client.call::<ParallelPanic>(&(), LONG).await), code::INTERNAL);
    rig.state.gate.add_permits(1);
    assert_eq!(gated.await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn an_error_of_any_length_is_an_answer_and_harms_nobody() {
    let rig = Rig::new();
    let client = rig.client();
    let gated = tokio::spawn(client.call::<Gated>(&7, LONG));
    rig.state.wait_for_gated(1).await;
    let error = client.call::<Verbose>(&(), LONG).await.unwrap_err();
    let error = error.as_remote().expect("a remote error");
    assert_eq!(error.code(), "c".repeat(64));
    assert!(error.message().len() > 900 && VERBOSE.repeat(1000).starts_with(error.message()), "{error}");
    rig.state.gate.add_permits(1);
    // The same connection: its end would have ended this call.
    assert_eq!(gated.await.unwrap().unwrap(), 7);
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_call_on_both_sides() {
    let rig = Rig::new();
    let client = rig.client();
    let error = client.call::<Stuck>(&(), SECOND).await.unwrap_err();
    let ended = matches!(error, CallError::DeadlineExceeded { may_have_run: true })
        || error.as_remote().is_some_and(|error| error.code() == code::DEADLINE_EXCEEDED);
    assert!(ended, "{error}");
    assert!(error.may_have_run());
    rig.state.stuck_dropped.notified().await;
    assert_eq!(client.call::<Add>(&(1, 2), SECOND).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_server_enforces_its_own_deadline() {
    let rig = Rig::with(|server| server.max_deadline(SECOND));
    let began = tokio::time::Instant::now();
    let error = rig.client().call::<Stuck>(&(), LONG).await.unwrap_err();
    assert_eq!(error.as_remote().unwrap().code(), code::DEADLINE_EXCEEDED);
    assert!(began.elapsed() < 2 * SECOND);
}

#[tokio::test]
async fn a_timeout_of_zero_never_sends() {
    let rig = Rig::new();
    let error = rig.client().call::<Add>(&(1, 2), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: false }), "{error}");
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn dropping_a_call_drops_its_handler() {
    let rig = Rig::new();
    let client = rig.client();
    let call = tokio::spawn(client.call::<Stuck>(&(), LONG));
    rig.state.stuck_began.notified().await;
    call.abort();
    rig.state.stuck_dropped.notified().await;
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
}

#[tokio::test]
async fn dropping_the_last_client_drops_its_handlers_and_connection() {
    let rig = Rig::new();
    let client = rig.client();
    let call = tokio::spawn(client.call::<Stuck>(&(), LONG));
    rig.state.stuck_began.notified().await;
    drop(client);
    call.abort();
    rig.state.stuck_dropped.notified().await;
    rig.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_interleaved_calls_each_get_their_own_answer() {
    let rig = Rig::new();
    let client = rig.client();
    let callers = (0..200_u32).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for round in 0..50 {
                assert_eq!(client.call::<Add>(&(caller, round), LONG).await.unwrap(), caller + round);
                let number = u64::from(caller) << 32 | u64::from(round);
                assert_eq!(client.call::<Parallel>(&number, LONG).await.unwrap(), number);
                if round % 10 == 0 {
                    let blob = Blob { bytes: caller.to_be_bytes().repeat(4000) };
                    assert_eq!(client.call::<Echo>(&blob, LONG).await.unwrap(), blob);
                }
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
}

#[tokio::test]
async fn answers_may_come_in_another_order() {
    let rig = Rig::new();
    let client = rig.client();
    let slow = tokio::spawn(client.call::<Gated>(&1, LONG));
    rig.state.wait_for_gated(1).await;
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    assert!(!slow.is_finished());
    rig.state.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_client_holds_back_calls_above_its_bound() {
    let rig = Rig::new();
    let client = Client::builder(rig.connector.clone()).max_in_flight(2).build();
    let held: Vec<_> = (0..2).map(|number| tokio::spawn(client.call::<Gated>(&number, LONG))).collect();
    rig.state.wait_for_gated(2).await;
    let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: false }), "{error}");
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 0);
    rig.state.gate.add_permits(2);
    join_all(held).await;
    assert_eq!(client.call::<Add>(&(1, 2), SECOND).await.unwrap(), 3);
}

#[tokio::test]
async fn the_server_refuses_requests_above_its_bounds_without_running_them() {
    for rig in [Rig::with(|server| server.max_in_flight(2)), Rig::with(|server| server.max_in_flight_total(2))] {
        let client = rig.client();
        let held: Vec<_> = (0..2).map(|number| tokio::spawn(client.call::<Gated>(&number, LONG))).collect();
        rig.state.wait_for_gated(2).await;
        let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
        assert_eq!(error.as_remote().unwrap().code(), code::OVERLOADED);
        assert!(!error.may_have_run());
        assert_eq!(rig.state.calls.load(Ordering::SeqCst), 0);
        rig.state.gate.add_permits(2);
        join_all(held).await;
        assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn the_server_refuses_requests_above_its_bound_of_bytes_without_running_them() {
    let rig = Rig::with(|server| server.max_in_flight_bytes(1000));
    let client = rig.client();
    let held: Vec<_> = (0..2).map(|number| tokio::spawn(client.call::<Gated>(&number, LONG))).collect();
    rig.state.wait_for_gated(2).await;
    // With its name and deadline, and with those of the two, this is more than fits; a shorter one does.
    let (long, short) = (Blob::of(950), Blob::of(800));
    let error = client.call::<Echo>(&long, LONG).await.unwrap_err();
    assert_eq!(error.as_remote().unwrap().code(), code::OVERLOADED);
    assert!(!error.may_have_run() && error.to_string().contains("bytes"), "{error}");
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 0);
    for _ in 0..3 {
        assert_eq!(client.call::<Echo>(&short, LONG).await.unwrap(), short, "what was answered counts no more");
    }
    rig.state.gate.add_permits(2);
    join_all(held).await;
    let longer = Blob::of(2000);
    assert_eq!(client.call::<Echo>(&longer, LONG).await.unwrap(), longer, "alone, any finds room");
}

#[tokio::test]
async fn works_over_unix_and_tcp_and_tells_the_handler_who_calls() {
    struct Who;
    impl vsock_rpc::Method for Who {
        const NAME: &'static str = "who";
        type Request = ();
        type Response = String;
    }
    let dir = tempfile::tempdir().unwrap();
    let unix = Addr::unix(dir.path().join("s")).unwrap();
    let tcp: Addr = "tcp:127.0.0.1:0".parse().unwrap();
    for (addr, expected) in [(unix, "Unix"), (tcp, "Tcp")] {
        let router = Router::new(()).method::<Who, _, _>(|_, context: CallContext, ()| async move {
            assert!(context.peer().identity().is_none());
            assert_eq!(context.method(), "who");
            Ok::<_, RemoteError>(match context.peer().addr() {
                PeerAddr::Unix => "Unix".to_owned(),
                PeerAddr::Tcp(_) => "Tcp".to_owned(),
                other => format!("{other:?}"),
            })
        });
        let server = Server::builder(router).serve(Listener::bind(&addr).await.unwrap());
        let client = Client::builder(server.local_addr().unwrap().clone()).build();
        assert_eq!(client.call::<Who>(&(), LONG).await.unwrap(), expected);
        server.shutdown().await;
    }
    assert!(!dir.path().join("s").exists());
}

#[tokio::test]
async fn serves_a_stream_that_was_accepted_elsewhere() {
    let state = Arc::new(State::default());
    let server = Server::builder(router(&state)).build();
    let connector = vsock_rpc::client::Connector::new("in process", move || {
        let server = server.clone();
        async move {
            let (near, far) = tokio::io::duplex(1024);
            let identity = vsock_rpc::PeerIdentity::from_bytes([7; 32]);
            let peer = vsock_rpc::Peer::new(PeerAddr::Memory).with_identity(identity);
            tokio::spawn(async move { server.serve_stream(far, peer).await });
            Ok(near)
        }
    });
    assert_eq!(Client::builder(connector).build().call::<Add>(&(4, 5), LONG).await.unwrap(), 9);
}

#[tokio::test]
async fn the_longest_timeouts_are_not_too_long_for_a_clock() {
    let max = Duration::MAX;
    let rig = Rig::with(|server| {
        server.max_deadline(max).idle_timeout(max).frame_timeout(max).write_timeout(max).drain_timeout(max)
    });
    let client = Client::builder(rig.connector.clone())
        .backoff(max, max)
        .connect_timeout(max)
        .liveness_interval(max)
        .stall_timeout(max)
        .build();
    assert_eq!(client.call::<Add>(&(1, 2), max).await.unwrap(), 3);
}

#[tokio::test]
async fn a_server_whose_listener_ends_says_so_once() {
    let (listener, connector) = Listener::memory(1);
    let mut server = Server::builder(router(&Arc::default())).serve(listener);
    drop(connector);
    assert!(server.wait().await.is_err());
    assert!(server.wait().await.is_ok());
    server.shutdown().await;
}
