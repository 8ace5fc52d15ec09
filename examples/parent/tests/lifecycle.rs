//! Start, restart, renewal, relays, shutdown.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use chain_signers::Encoding;
use parent::{Config, CredentialsSource, Parent, RelayConfig, StartError, StoreError};
use signer_protocol::code;
use signer_protocol::method::{SetCredentials, Sign};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use vsock_rpc::Addr;

use crate::support::{FakeEnclave, Harness, TestTls, config, credentials, in_time, problem, refused};

const POLICY: &[u8] = b"{}";

#[tokio::test]
async fn credentials_reach_the_enclave_before_the_first_request_needs_them() {
    let harness = Harness::start().await;
    in_time("credentials are pushed", async {
        while harness.enclave.pushes() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(harness.enclave.state.credentials.lock().unwrap()[0], credentials());
    harness.shutdown().await;
}

#[tokio::test]
async fn enclave_that_restarted_is_supplied_again_within_the_request() {
    let harness = Harness::start_with(|config| config.timeouts.health_interval = Duration::from_secs(60)).await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let Harness { parent, enclave, client, dir: _dir, .. } = harness;
    let enclave = enclave.restart().await;
    assert_eq!(enclave.pushes(), 0);
    // The first call after a restart may find the old connection gone; the client connects anew behind it.
    let signed = in_time("the new enclave signs", async {
        loop {
            match client.sign(&key.id, Encoding::Json, b"{}", None).await {
                Ok(signed) => break signed,
                Err(error) => assert_eq!(refused::<()>(Err(error)), problem(503, "enclave-unreachable")),
            }
        }
    })
    .await;
    assert_eq!(signed.rule, "everything");
    assert_eq!(enclave.pushes(), 1);
    parent.shutdown().await;
    enclave.stop().await;
}

#[tokio::test]
async fn concurrent_requests_without_credentials_push_once() {
    let harness = Harness::start_with(|config| config.timeouts.health_interval = Duration::from_secs(60)).await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    harness.enclave.state.credentials.lock().unwrap().clear();
    let calls = (0..8).map(|_| harness.client.sign(&key.id, Encoding::Json, b"{}", None));
    for result in futures_util::future::join_all(calls).await {
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!(harness.enclave.pushes(), 1);
    harness.shutdown().await;
}

#[tokio::test]
async fn enclave_that_keeps_asking_for_credentials_is_not_supplied_forever() {
    let harness = Harness::start_with(|config| config.timeouts.health_interval = Duration::from_secs(60)).await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let before = harness.enclave.pushes();
    harness.enclave.fail::<Sign>(code::CREDENTIALS_MISSING);
    let result = harness.client.sign(&key.id, Encoding::Json, b"{}", None).await;
    assert_eq!(refused(result), problem(503, "credentials-unavailable"));
    assert_eq!(harness.enclave.pushes(), before + 1);
    harness.shutdown().await;
}

#[tokio::test]
async fn credentials_that_the_enclave_refuses_are_the_parents_fault_and_not_the_callers() {
    for code in [code::MALFORMED_FIELD, code::NOT_PERMITTED, vsock_rpc::code::INTERNAL] {
        let harness = Harness::start_with(|config| config.timeouts.health_interval = Duration::from_secs(60)).await;
        let key = harness.client.create_key("eip155", POLICY).await.unwrap();
        harness.enclave.state.credentials.lock().unwrap().clear();
        harness.enclave.fail::<SetCredentials>(code);
        let result = harness.client.sign(&key.id, Encoding::Json, b"{}", None).await;
        assert_eq!(refused(result), problem(503, "credentials-unavailable"), "{code}");
        harness.shutdown().await;
    }
}

#[tokio::test]
async fn credentials_about_to_expire_are_read_and_pushed_again() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // Expired long ago, so due for renewal at every look.
    let text = r#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"fake-secret-for-tests","Expiration":"2020-01-01T00:00:00Z"}"#;
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_owned();
    let harness = Harness::start_with(|config| {
        config.credentials = CredentialsSource::File(path);
        config.timeouts.health_interval = Duration::from_millis(100);
    })
    .await;
    in_time("credentials are pushed three times", async {
        while harness.enclave.pushes() < 3 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    harness.shutdown().await;
}

#[tokio::test]
async fn parent_that_starts_before_its_enclave_serves_once_that_is_up() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TestTls::generate();
    let parent = Parent::start(config(&dir, &tls)).await.unwrap();
    let client = tls.client(parent.https_addr());
    assert_eq!(refused(client.health().await), problem(503, "enclave-unreachable"));
    let enclave = FakeEnclave::start(dir.path().join("enclave.sock")).await;
    in_time("the parent finds its enclave", async {
        while client.health().await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    parent.shutdown().await;
    enclave.stop().await;
}

#[tokio::test]
async fn keys_survive_a_restart_of_the_parent() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    // A file that was being written when a parent ended.
    let Harness { parent, enclave, tls, dir, .. } = harness;
    parent.shutdown().await;
    let unfinished = dir.path().join("keys/.unfinished-x");
    std::fs::write(&unfinished, "half").unwrap();
    let parent = Parent::start(config(&dir, &tls)).await.unwrap();
    let client = tls.client(parent.https_addr());
    assert_eq!(client.show_key(&key.id).await.unwrap(), key);
    assert!(client.sign(&key.id, Encoding::Json, b"{}", None).await.is_ok());
    assert!(!unfinished.exists());
    let path = dir.path().join(format!("keys/{}.json", key.id));
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(dir.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
    parent.shutdown().await;
    enclave.stop().await;
}

#[tokio::test]
async fn two_parents_do_not_share_a_store() {
    let harness = Harness::start().await;
    let refused = Parent::start(config(&harness.dir, &harness.tls)).await.unwrap_err();
    assert!(matches!(refused, StartError::Store(StoreError::InUse { .. })), "{refused}");
    harness.shutdown().await;
}

#[tokio::test]
async fn store_that_others_may_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("keys")).unwrap();
    std::fs::set_permissions(dir.path().join("keys"), std::fs::Permissions::from_mode(0o750)).unwrap();
    let refused = Parent::start(config(&dir, &TestTls::generate())).await.unwrap_err();
    assert!(matches!(refused, StartError::Store(StoreError::OpenToOthers { mode: 0o750, .. })), "{refused}");
}

#[tokio::test]
async fn key_that_is_not_the_certificates_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TestTls::generate();
    let mut config: Config = config(&dir, &tls);
    config.tls.private_key = TestTls::generate().identity().private_key;
    assert!(matches!(Parent::start(config).await, Err(StartError::Tls(_))));
}

#[tokio::test]
async fn start_that_fails_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TestTls::generate();
    let free = Addr::unix(dir.path().join("kms.sock")).unwrap();
    let relay = |listen| RelayConfig { listen, target: "tcp:127.0.0.1:1".parse().unwrap() };
    let mut broken = config(&dir, &tls);
    broken.relays = vec![relay(free.clone()), relay(Addr::unix(dir.path().join("missing/kms.sock")).unwrap())];
    let refused = Parent::start(broken).await.unwrap_err();
    assert!(matches!(refused, StartError::Listen { .. }), "{refused}");
    assert!(free.connect().await.is_err(), "the first relay still listens");
    // The store is free, too.
    let mut mended = config(&dir, &tls);
    mended.relays = vec![relay(free)];
    Parent::start(mended).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn relay_carries_bytes_to_its_target_and_counts_them() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target_addr = target.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = target.accept().await.unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    let listen = Addr::unix(dir.path().join("kms.sock")).unwrap();
    let relay = RelayConfig { listen: listen.clone(), target: target_addr.into() };
    let harness = Harness::start_with(|config| config.relays.push(relay)).await;
    assert_eq!(harness.parent.relay_addrs(), std::slice::from_ref(&listen));
    let mut stream = listen.connect().await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
    echo.await.unwrap();
    assert_eq!(harness.parent.relay_counters()[0].bytes_to_target, 5);
    harness.shutdown().await;
}

#[tokio::test]
async fn relay_into_the_enclave_carries_both_ways_and_no_more_connections_than_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let target = Addr::unix(dir.path().join("sessions.sock")).unwrap();
    let sessions = tokio::net::UnixListener::bind(target.as_unix().unwrap()).unwrap();
    let relay = RelayConfig { listen: "tcp:127.0.0.1:0".parse().unwrap(), target };
    let harness = Harness::start_with(|config| {
        config.relays.push(relay);
        config.limits.max_relay_connections = 1;
    })
    .await;
    let listen = harness.parent.relay_addrs().remove(0);
    let mut caller = listen.connect().await.unwrap();
    caller.write_all(b"hello").await.unwrap();
    let (mut session, _) = sessions.accept().await.unwrap();
    let mut bytes = [0; 5];
    session.read_exact(&mut bytes).await.unwrap();
    session.write_all(b"world").await.unwrap();
    caller.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"world");

    let mut above = listen.connect().await.unwrap();
    let closed = in_time("one above the bound is closed", above.read(&mut bytes)).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    let counters = harness.parent.relay_counters()[0];
    assert_eq!((counters.bytes_to_target, counters.bytes_from_target), (5, 5));
    harness.shutdown().await;
}

#[tokio::test]
async fn relay_to_an_address_that_nobody_has_is_refused_at_the_start() {
    let any = RelayConfig { listen: "tcp:127.0.0.1:0".parse().unwrap(), target: "vsock:any:5001".parse().unwrap() };
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir, &TestTls::generate());
    config.relays.push(any);
    let refused = Parent::start(config).await;
    assert!(matches!(refused, Err(StartError::Listen { .. })), "{refused:?}");
}

#[tokio::test]
async fn request_in_progress_is_answered_during_a_shutdown() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let Harness { parent, enclave, client, dir: _dir, .. } = harness;
    let taken = enclave.state.may_sign.acquire_many(10_000).await.unwrap();
    let signing = tokio::spawn(async move { client.sign(&key.id, Encoding::Json, b"{}", None).await });
    enclave.state.arrived.acquire().await.unwrap().forget();
    let addr = parent.https_addr();
    let shutdown = tokio::spawn(parent.shutdown());
    in_time("nobody listens any more", async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(taken);
    assert!(signing.await.unwrap().is_ok());
    shutdown.await.unwrap();
    enclave.stop().await;
}

/// Between two looks at a condition; how long it takes to hold is not asserted.
const POLL: Duration = Duration::from_millis(10);
