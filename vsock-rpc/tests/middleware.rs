//! `tower` layers, other people's and our own, around routers and clients.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::future::{Ready, ready};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::*;
use futures_util::FutureExt;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer, Service, ServiceBuilder, load_shed, service_fn};
use vsock_rpc::frame::FrameKind;
use vsock_rpc::middleware::{ClientService, HandlerService, IncomingCall, OutgoingCall};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallError, Client, Listener, RemoteError, Router, Server, ServerHandle, code};

type Log = Arc<Mutex<Vec<String>>>;

fn logged(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// Logs what begins, and how it ends: all that tracing and metrics need.
#[derive(Clone)]
struct LogLayer(&'static str, Log);

#[derive(Clone)]
struct LogService<S>(LogLayer, S);

impl<S> Layer<S> for LogLayer {
    type Service = LogService<S>;

    fn layer(&self, inner: S) -> LogService<S> {
        LogService(self.clone(), inner)
    }
}

trait Named {
    fn name(&self) -> String;
}

impl Named for IncomingCall {
    fn name(&self) -> String {
        format!("{} of {:?}, {} bytes", self.context().method(), self.context().peer().addr(), self.body().len())
    }
}

impl Named for OutgoingCall {
    fn name(&self) -> String {
        self.method().to_owned()
    }
}

impl<Q: Named, S: Service<Q, Response = Bytes>> Service<Q> for LogService<S>
where
    S::Error: std::fmt::Display,
    S::Future: Send + 'static,
{
    type Response = Bytes;
    type Error = S::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<Bytes, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, call: Q) -> Self::Future {
        let LogLayer(who, log) = self.0.clone();
        log.lock().unwrap().push(format!("{who}: {}", call.name()));
        let answer = self.1.call(call);
        async move {
            let result = answer.await;
            log.lock().unwrap().push(match &result {
                Ok(bytes) => format!("{who}: {} bytes", bytes.len()),
                Err(error) => format!("{who}: {error}"),
            });
            result
        }
        .boxed()
    }
}

fn serve(router: Router<State>) -> (ServerHandle, MemoryConnector) {
    let (listener, connector) = Listener::memory(64 * 1024);
    (Server::builder(router).serve(listener), connector)
}

#[tokio::test]
async fn a_layer_sees_the_calls_of_methods_and_how_they_end() {
    let (state, log) = (Arc::default(), Log::default());
    let (server, connector) = serve(router(&state).layer(LogLayer("server", Arc::clone(&log))));
    let client = Client::builder(connector).build();
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    assert_eq!(logged(&log), ["server: add of Memory, 3 bytes", "server: 1 bytes"]);
    client.call::<Fail>(&"own".into(), LONG).await.unwrap_err();
    assert_eq!(logged(&log), ["server: fail of Memory, 4 bytes", "server: own: as asked"]);
    client.call::<WrongEcho>(&7, LONG).await.unwrap_err();
    assert!(logged(&log)[1].starts_with("server: malformed_request"));
    // A name that the peer made up is nothing to count by.
    client.call::<Missing>(&(), LONG).await.unwrap_err();
    assert!(logged(&log).is_empty());
    assert_eq!(client.call::<Parallel>(&9, LONG).await.unwrap(), 9);
    server.shutdown().await;
}

#[tokio::test]
async fn a_later_layer_is_outside_and_later_methods_have_none() {
    let log = Log::default();
    let router = Router::new(State::default())
        .method::<Add, _, _>(async |_, _, (a, b)| Ok(a + b))
        .layer(LogLayer("inner", Arc::clone(&log)))
        .layer(LogLayer("outer", Arc::clone(&log)))
        .method::<Parallel, _, _>(async |_, _, number| Ok(number));
    let (server, connector) = serve(router);
    let client = Client::builder(connector).build();
    client.call::<Parallel>(&1, LONG).await.unwrap();
    assert!(logged(&log).is_empty());
    client.call::<Add>(&(1, 2), LONG).await.unwrap();
    let who: Vec<_> = logged(&log).iter().map(|line| line[..5].to_owned()).collect();
    assert_eq!(who, ["outer", "inner", "inner", "outer"]);
    server.shutdown().await;
}

#[tokio::test]
async fn limits_of_others_hold_over_all_methods_and_connections() {
    let state = Arc::<State>::default();
    let shed = ServiceBuilder::new()
        .map_err(|error: BoxError| match error.is::<load_shed::error::Overloaded>() {
            true => RemoteError::new(code::OVERLOADED, "says the layer").into(),
            false => error,
        })
        .load_shed()
        .concurrency_limit(2);
    let (server, connector) = serve(router(&state).layer(shed));
    let clients = [Client::builder(connector.clone()).build(), Client::builder(connector).build()];
    let held = [tokio::spawn(clients[0].call::<Gated>(&1, LONG)), tokio::spawn(clients[1].call::<Gated>(&2, LONG))];
    state.wait_for_gated(2).await;
    for client in &clients {
        let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
        assert_eq!(error.as_remote(), Some(&RemoteError::new(code::OVERLOADED, "says the layer")));
        assert!(!error.may_have_run());
    }
    assert_eq!(state.calls.load(Ordering::SeqCst), 0);
    state.gate.add_permits(2);
    for call in held {
        call.await.unwrap().unwrap();
    }
    assert_eq!(clients[0].call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_layer_has_the_call_s_deadline_and_ends_with_it() {
    let state = Arc::<State>::default();
    let (server, connector) = serve(router(&state).layer(ServiceBuilder::new().concurrency_limit(1)));
    let client = Client::builder(connector).build();
    let held = tokio::spawn(client.call::<Gated>(&1, 600 * SECOND));
    state.wait_for_gated(1).await;
    let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
    assert!(error.may_have_run(), "{error}");
    let cancelled = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    tokio::task::yield_now().await;
    cancelled.abort();
    // No layer is around a method that does not exist: its answer comes once the server knows of the cancellation.
    client.call::<Missing>(&(), LONG).await.unwrap_err();
    state.gate.add_permits(1);
    held.await.unwrap().unwrap();
    // Neither of them ran, now or later, and the place of each is free.
    assert_eq!(client.call::<Parallel>(&9, LONG).await.unwrap(), 9);
    assert_eq!(state.calls.load(Ordering::SeqCst), 0);
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_layer_s_own_is_internal_and_says_nothing() {
    let state = Arc::<State>::default();
    let (server, connector) = serve(router(&state).layer(TimeoutLayer::new(SECOND)));
    let client = Client::builder(connector).build();
    let error = client.call::<Stuck>(&(), LONG).await.unwrap_err();
    let remote = error.as_remote().unwrap();
    assert_eq!((remote.code(), remote.message()), (code::INTERNAL, "a layer before the handler failed"));
    assert!(error.may_have_run());
    state.stuck_dropped.notified().await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_layer_that_panics_harms_only_its_own_call() {
    #[derive(Clone)]
    struct Explosive(HandlerService);
    impl Service<IncomingCall> for Explosive {
        type Response = Bytes;
        type Error = RemoteError;
        type Future = <HandlerService as Service<IncomingCall>>::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RemoteError>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, call: IncomingCall) -> Self::Future {
            assert_ne!(call.context().method(), "add", "this panic belongs to the test");
            self.0.call(call)
        }
    }
    let state = Arc::<State>::default();
    let (server, connector) = serve(router(&state).layer(tower::layer::layer_fn(Explosive)));
    let client = Client::builder(connector).build();
    let held = tokio::spawn(client.call::<Gated>(&1, LONG));
    state.wait_for_gated(1).await;
    let error = client.call::<Add>(&(1, 2), LONG).await.unwrap_err();
    assert_eq!(error.as_remote().map(RemoteError::code), Some(code::INTERNAL));
    state.gate.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_layer_of_the_client_sees_its_calls_and_how_they_end() {
    let (rig, log) = (Rig::new(), Log::default());
    let client = Client::builder(rig.connector.clone())
        .layer(LogLayer("inner", Arc::clone(&log)))
        .layer(LogLayer("outer", Arc::clone(&log)))
        .build();
    assert_eq!(client.call::<Add>(&(1, 2), LONG).await.unwrap(), 3);
    assert_eq!(logged(&log), ["outer: add", "inner: add", "inner: 1 bytes", "outer: 1 bytes"]);
    let error = client.clone().call::<Missing>(&(), LONG).await.unwrap_err();
    assert_eq!(error.as_remote().map(RemoteError::code), Some(code::UNKNOWN_METHOD));
    assert_eq!(logged(&log).len(), 4);
    // A request that cannot be sent is not even a call.
    client.call::<Echo>(&Blob::of(100_000), LONG).await.unwrap_err();
    assert!(logged(&log).is_empty());
}

/// Repeats what cannot have run.
#[derive(Clone)]
struct Again(usize);

impl Policy<OutgoingCall, Bytes, CallError> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut OutgoingCall, result: &mut Result<Bytes, CallError>) -> Option<Ready<()>> {
        let is_worth_it = result.as_ref().is_err_and(|error| !error.may_have_run()) && self.0 > 0;
        is_worth_it.then(|| {
            self.0 -= 1;
            ready(())
        })
    }

    fn clone_request(&mut self, call: &OutgoingCall) -> Option<OutgoingCall> {
        Some(call.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn retries_of_others_repeat_what_did_not_run_and_nothing_else() {
    let rig = Rig::with(|server| server.max_in_flight(1));
    let log = Arc::default();
    let client = Client::builder(rig.connector.clone())
        .layer(LogLayer("attempt", Arc::clone(&log)))
        .layer(RetryLayer::new(Again(1000)))
        .build();
    let held = tokio::spawn(client.call::<Gated>(&1, LONG));
    rig.state.wait_for_gated(1).await;
    assert_eq!(logged(&log), ["attempt: gated"]);
    // Refused as overloaded, again and again, until the gate opens.
    let retried = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    let mut added = 0;
    while added < 3 {
        added += attempts(&log).len();
        tokio::task::yield_now().await;
    }
    rig.state.gate.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap(), 1);
    assert_eq!(retried.await.unwrap().unwrap(), 3);
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 1);
    logged(&log);
    assert_eq!(client.call::<Panic>(&false, LONG).await.unwrap_err().as_remote().unwrap().code(), code::INTERNAL);
    let error = client.call::<Add>(&(1, u32::MAX), LONG).await.unwrap_err();
    assert_eq!(error.as_remote().map(RemoteError::code), Some("overflow"));
    assert_eq!(rig.state.calls.load(Ordering::SeqCst), 2);
    assert_eq!(attempts(&log), ["attempt: panic", "attempt: add"], "what ran was repeated");
}

/// The calls that `log` was told of since it was last looked at, without their ends.
fn attempts(log: &Log) -> Vec<String> {
    let is_a_call = |entry: &String| ["add", "gated", "panic"].iter().any(|name| entry == &format!("attempt: {name}"));
    logged(log).into_iter().filter(is_a_call).collect()
}

/// Repeats whatever failed, once.
#[derive(Clone)]
struct Blindly(bool);

impl Policy<OutgoingCall, Bytes, CallError> for Blindly {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut OutgoingCall, result: &mut Result<Bytes, CallError>) -> Option<Ready<()>> {
        (result.is_err() && std::mem::take(&mut self.0)).then(|| ready(()))
    }

    fn clone_request(&mut self, call: &OutgoingCall) -> Option<OutgoingCall> {
        Some(call.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_may_have_done_is_not_denied_by_the_last_one() {
    let (mut peers, connector) = scripted_server();
    let client = Client::builder(connector).layer(RetryLayer::new(Blindly(true))).build();
    let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
    let mut first = peers.recv().await.unwrap();
    first.receive().await.unwrap();
    drop(first);
    let mut second = peers.recv().await.unwrap();
    let request = second.receive().await.unwrap();
    let refusal = serde_cbor::to_vec(&RemoteError::new(code::OVERLOADED, "says the script")).unwrap();
    second.send_frame(FrameKind::Error, request.request_id, refusal).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(error.may_have_run(), "{error:?}");
    let CallError::Layer { error, .. } = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("says the script"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_careful_layer_learns_from_a_blind_one_inside_of_it_what_may_have_run() {
    for ends_unreachable in [false, true] {
        let (mut listener, connector) = Listener::memory(64 * 1024);
        let log = Arc::default();
        let client = Client::builder(connector)
            .layer(LogLayer("attempt", Arc::clone(&log)))
            .layer(RetryLayer::new(Blindly(true)))
            .layer(RetryLayer::new(Again(1000)))
            .build();
        let call = tokio::spawn(client.call::<Add>(&(1, 2), LONG));
        let mut peer = RawPeer::new(listener.accept().await.unwrap());
        assert_eq!(peer.receive().await.unwrap().kind, FrameKind::Request);
        if ends_unreachable {
            drop((listener, peer));
        } else {
            drop(peer);
            let mut peer = RawPeer::new(listener.accept().await.unwrap());
            let request = peer.receive().await.unwrap();
            let refusal = serde_cbor::to_vec(&RemoteError::new(code::OVERLOADED, "says the script")).unwrap();
            peer.send_frame(FrameKind::Error, request.request_id, refusal).await;
        }
        let error = call.await.unwrap().unwrap_err();
        assert!(error.may_have_run(), "{error:?}");
        let CallError::Layer { error: last, .. } = error else { panic!("{error:?}") };
        let last = last.downcast_ref::<CallError>().unwrap();
        assert!(!last.may_have_run());
        assert_eq!(matches!(last, CallError::Unreachable { .. }), ends_unreachable, "{last:?}");
        assert_eq!(attempts(&log), ["attempt: add"; 2], "what may have run was repeated by the careful one");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_client_s_layer_tells_whether_the_call_may_have_run() {
    let rig = Rig::new();
    let before = Client::builder(rig.connector.clone())
        .layer(tower::layer::layer_fn(|_: ClientService| {
            service_fn(async |_: OutgoingCall| Err::<Bytes, BoxError>("not today".into()))
        }))
        .build();
    let error = before.call::<Add>(&(1, 2), LONG).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Layer { may_have_run: false, error } if error.to_string() == "not today"),
        "{error:?}"
    );
    assert!(!error.may_have_run());
    assert!(std::error::Error::source(&error).is_some());

    let beside = Client::builder(rig.connector.clone()).layer(TimeoutLayer::new(SECOND)).build();
    let error = beside.call::<Stuck>(&(), LONG).await.unwrap_err();
    assert!(matches!(&error, CallError::Layer { may_have_run: true, .. }), "{error:?}");
    assert!(error.may_have_run());
    // The layer dropped the call, which cancelled it.
    rig.state.stuck_dropped.notified().await;

    // One that hides what the inside said cannot hide that it did not run.
    let hidden = Client::builder(rig.connector.clone())
        .layer(ServiceBuilder::new().map_err(|_: CallError| BoxError::from("no comment")))
        .build();
    let error = hidden.call::<Missing>(&(), LONG).await.unwrap_err();
    assert!(matches!(&error, CallError::Layer { may_have_run: false, .. }), "{error:?}");
    let error = hidden.call::<Fail>(&"own".into(), LONG).await.unwrap_err();
    assert!(matches!(&error, CallError::Layer { may_have_run: true, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_call_holds_for_its_layers() {
    let rig = Rig::new();
    let client = Client::builder(rig.connector.clone()).layer(ServiceBuilder::new().concurrency_limit(1)).build();
    let held = tokio::spawn(client.call::<Gated>(&1, LONG));
    rig.state.wait_for_gated(1).await;
    let began = tokio::time::Instant::now();
    let error = client.call::<Add>(&(1, 2), SECOND).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded { may_have_run: false }), "{error:?}");
    assert!(began.elapsed() < SECOND + Duration::from_millis(10));
    rig.state.gate.add_permits(1);
    held.await.unwrap().unwrap();
    let error = client.call::<Stuck>(&(), SECOND).await.unwrap_err();
    assert!(error.may_have_run(), "{error:?}");
}
