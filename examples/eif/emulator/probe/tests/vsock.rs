//! RPC and relays over real vsock, between an emulated enclave and its host.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use eif::emulator::EmulatedEnclave;
use emulator_probe::{Bytes, Echo, EchoThroughRelay, HOST_PORT};
use support::{DEADLINE, Guest};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use vsock_rpc::CallError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mebibyte_goes_both_ways() {
    let Some(guest) = Guest::boot(256).await else { return };
    for len in [0, 1, 16 * 1024, 48 * 1024, 64 * 1024 + 1, 1024 * 1024] {
        let sent = pattern(len);
        let Bytes(back) = guest.client.call::<Echo>(&Bytes(sent.clone()), DEADLINE).await.unwrap();
        assert!(back == sent, "{len} bytes came back as {}, or changed", back.len());
    }
    guest.power_off().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_are_in_flight_at_once() {
    let Some(guest) = Guest::boot(256).await else { return };
    let mut calls = JoinSet::new();
    for n in 0..100_usize {
        let client = guest.client.clone();
        calls.spawn(async move {
            let sent = pattern(10_000 + n);
            let Bytes(back) = client.call::<Echo>(&Bytes(sent.clone()), DEADLINE).await.unwrap();
            assert!(back == sent, "request {n} has another's answer");
        });
    }
    assert_eq!(calls.join_all().await.len(), 100);
    guest.power_off().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_in_the_guest_carries_a_mebibyte_to_the_host_and_back() {
    let Some(guest) = Guest::boot(256).await else { return };
    let echo = EchoingHost::start(&guest);
    for len in [0, 1, 48 * 1024, 1024 * 1024] {
        let sent = pattern(len);
        let Bytes(back) = guest.client.call::<EchoThroughRelay>(&Bytes(sent.clone()), DEADLINE).await.unwrap();
        assert!(back == sent, "{len} bytes came back as {}, or changed", back.len());
    }
    let mut calls = JoinSet::new();
    for n in 0..20_usize {
        let client = guest.client.clone();
        calls.spawn(async move {
            let sent = pattern(20_000 + n);
            let Bytes(back) = client.call::<EchoThroughRelay>(&Bytes(sent.clone()), DEADLINE).await.unwrap();
            assert!(back == sent, "connection {n} carried another's bytes");
        });
    }
    calls.join_all().await;
    assert_eq!(echo.connections.load(Ordering::SeqCst), 24);
    guest.power_off().await;
}

/// The machine is killed while requests are in flight and boots again: no call hangs or gets a wrong answer, each that
/// fails says whether repeating it is safe, and the same client goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_after_its_enclave_was_killed_under_load() {
    let Some(mut guest) = Guest::boot(128).await else { return };
    for round in 0..2 {
        let stop = Arc::new(AtomicBool::new(false));
        let (answered, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut load = JoinSet::new();
        for n in 0..8_usize {
            let (client, stop) = (guest.client.clone(), Arc::clone(&stop));
            let (answered, failed) = (Arc::clone(&answered), Arc::clone(&failed));
            load.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let sent = pattern(30_000 + n);
                    match client.call::<Echo>(&Bytes(sent.clone()), DEADLINE).await {
                        Ok(Bytes(back)) => {
                            assert!(back == sent, "a wrong answer");
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            assert!(is_retryable(&error), "{error}");
                            failed.fetch_add(1, Ordering::SeqCst);
                            if let CallError::Unreachable { retry_after, .. } = error {
                                tokio::time::sleep(retry_after).await;
                            }
                        }
                    }
                }
            });
        }
        support::until("eight answers before the kill", || answered.load(Ordering::SeqCst) >= 8).await;
        guest.kill().await;
        support::until("a call fails", || failed.load(Ordering::SeqCst) > 0).await;
        guest = guest.boot_again().await;
        let before = answered.load(Ordering::SeqCst);
        support::until("answers after the reboot", || answered.load(Ordering::SeqCst) > before + 8).await;
        stop.store(true, Ordering::SeqCst);
        load.join_all().await;
        println!("round {round}: {answered:?} answered, {failed:?} failed and said so");
    }
    guest.power_off().await;
}

/// What says that the enclave was gone, and no answer to the request itself.
fn is_retryable(error: &CallError) -> bool {
    matches!(error, CallError::Disconnected { .. } | CallError::Unreachable { .. } | CallError::DeadlineExceeded { .. })
}

/// The host's end of the guest's relay.
struct EchoingHost {
    connections: Arc<AtomicUsize>,
}

impl EchoingHost {
    fn start(guest: &Guest) -> Self {
        let listener = UnixListener::bind(EmulatedEnclave::host_socket(guest.run_folder(), HOST_PORT)).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    // It ends when the guest closes, in whatever way its device tells that.
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        Self { connections }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}
