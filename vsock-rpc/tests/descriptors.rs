//! A process without descriptors. One test, because the limit is the whole process's.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use vsock_rpc::relay::{Allowlist, Relay};
use vsock_rpc::{Addr, Listener, Stream};

/// Takes every descriptor that the process may still have.
fn exhaust() -> Vec<File> {
    let few = Rlimit { current: Some(200), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, few).unwrap();
    (0..200).map_while(|_| File::open("/dev/null").ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_listener_outlives_any_time_without_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let addr = |name: &str| format!("unix:{}/{name}", dir.path().display()).parse::<Addr>().unwrap();
    let mut target = Listener::bind(&addr("target")).await.unwrap();
    let listener = Listener::bind(&addr("listen")).await.unwrap();
    let mut relay = Relay::new(addr("target"), Allowlist::from_iter([addr("target")])).serve(listener).unwrap();

    // Connected before the relay has a turn, which then finds no descriptor to accept it with.
    let client = UnixStream::connect(dir.path().join("listen")).unwrap();
    client.set_nonblocking(true).unwrap();
    let taken = exhaust();
    assert!(taken.len() < 200 && UnixStream::connect(dir.path().join("listen")).is_err());
    let ended = timeout(Duration::from_secs(600), relay.wait()).await;
    assert!(ended.is_err(), "the relay ended: {ended:?}");
    assert_eq!(relay.counters().accepted, 0);

    tokio::time::resume();
    drop(taken);
    let mut client = Stream::try_from(tokio::net::UnixStream::from_std(client).unwrap()).unwrap();
    let mut served = target.accept().await.unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(served.read_u8().await.unwrap(), b'x');
    drop((client, served));
    assert_eq!(relay.shutdown().await.accepted, 1);
}
