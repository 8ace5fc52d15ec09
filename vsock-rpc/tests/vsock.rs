//! `AF_VSOCK` itself, over the kernel's loopback (the module `vsock_loopback`) where there is one.
//!
//! Nothing but the loopback's own context id is connected to, and that only once it could be bound: elsewhere it would be
//! the hypervisor that is asked.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::io;

#[cfg(feature = "vsock")]
use common::*;
use vsock_rpc::{Addr, Listener};

/// `VMADDR_CID_LOCAL` of vsock(7).
const LOOPBACK: u32 = 1;

#[cfg(not(feature = "vsock"))]
#[tokio::test]
async fn without_the_feature_vsock_is_unsupported() {
    let addr = Addr::Vsock { cid: LOOPBACK, port: 5000 };
    assert_eq!(Listener::bind(&addr).await.unwrap_err().kind(), io::ErrorKind::Unsupported);
    assert_eq!(addr.connect().await.unwrap_err().kind(), io::ErrorKind::Unsupported);
}

#[cfg(feature = "vsock")]
mod loopback {
    use std::io::Write as _;
    use std::sync::Arc;

    use rustix::io::Errno;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use vsock_rpc::relay::{Allowlist, Relay};
    use vsock_rpc::transport::MAX_WRITE_LEN;
    use vsock_rpc::{Client, PeerAddr, Server};

    use super::*;

    /// `VMADDR_PORT_ANY`: the kernel takes a free port.
    const ANY_PORT: u32 = u32::MAX;

    /// A listener on the loopback; `None`, which is said aloud, where the kernel has no loopback.
    async fn listen(test: &str) -> Option<Listener> {
        match Listener::bind(&Addr::Vsock { cid: LOOPBACK, port: ANY_PORT }).await {
            Ok(listener) => Some(listener),
            Err(error) if is_missing(&error) => {
                // Not `eprintln`, which the harness hides when a test passes.
                let notice = format!("NOT RUN: {test}: this kernel has no vsock loopback: {error}\n");
                io::stderr().write_all(notice.as_bytes()).unwrap();
                None
            }
            Err(error) => panic!("binding the vsock loopback: {error}"),
        }
    }

    /// No loopback transport, no vsock at all, or a sandbox that forbids it.
    fn is_missing(error: &io::Error) -> bool {
        [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT, Errno::NODEV, Errno::PERM, Errno::ACCESS]
            .iter()
            .any(|missing| error.raw_os_error() == Some(missing.raw_os_error()))
    }

    #[tokio::test]
    async fn a_kernel_without_loopback_says_so_when_it_is_bound() {
        let addr = Addr::Vsock { cid: LOOPBACK, port: ANY_PORT };
        match Listener::bind(&addr).await {
            Ok(listener) => {
                let Some(Addr::Vsock { cid: LOOPBACK, port }) = listener.local_addr() else { panic!("{listener:?}") };
                assert_ne!(*port, ANY_PORT, "the actual port is told");
            }
            Err(error) => assert!(is_missing(&error), "the kernel's own error is passed on: {error:?}"),
        }
    }

    #[tokio::test]
    async fn streams_carry_bytes_both_ways_and_end() {
        let Some(mut listener) = listen("streams_carry_bytes_both_ways_and_end").await else { return };
        let addr = listener.local_addr().unwrap().clone();
        let (client, server) = tokio::join!(addr.connect(), listener.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert!(matches!(server.peer().addr(), PeerAddr::Vsock { cid: LOOPBACK, .. }), "{server:?}");
        let sent: Vec<u8> = (0..500_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        assert!(client.write(&sent).await.unwrap() <= MAX_WRITE_LEN);
        server.read_u8().await.unwrap();
        drop((client, server));

        let (client, server) = tokio::join!(addr.connect(), listener.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let mut received = Vec::new();
        let send = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let ((), result) = tokio::join!(send, server.read_to_end(&mut received));
        result.unwrap();
        assert!(received == sent, "the bytes changed");
        server.write_all(b"back").await.unwrap();
        server.shutdown().await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"back");
    }

    #[tokio::test]
    async fn calls_pass_directly_and_through_a_relay() {
        let Some(inside) = listen("calls_pass_directly_and_through_a_relay").await else { return };
        let outside = listen("calls_pass_directly_and_through_a_relay").await.expect("as before");
        let target = inside.local_addr().unwrap().clone();
        let server = Server::builder(router(&Arc::default())).serve(inside);
        let relay = Relay::new(target.clone(), Allowlist::from_iter([target.clone()])).serve(outside).unwrap();
        for addr in [target, relay.local_addr().unwrap().clone()] {
            let client = Client::builder(addr).build();
            assert_eq!(client.call::<Add>(&(20, 22), LONG).await.unwrap(), 42);
            assert_eq!(client.call::<Echo>(&Blob::of(60_000), LONG).await.unwrap(), Blob::of(60_000));
        }
        relay.shutdown().await;
        server.shutdown().await;
    }

    #[tokio::test]
    async fn nobody_is_reached_where_nobody_listens() {
        let Some(listener) = listen("nobody_is_reached_where_nobody_listens").await else { return };
        let addr = listener.local_addr().unwrap().clone();
        drop(listener);
        assert_eq!(addr.connect().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
