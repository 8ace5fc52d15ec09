//! What callers do wrong concerns them alone: the next request works.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::time::Duration;

use chain_signers::Encoding;
use http::{Method, StatusCode};
use signer_protocol::client::ClientError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::raw::RawConnection;
use crate::support::{Harness, TestTls, problem, problem_of, refused};

const POLICY: &[u8] = b"{}";

#[tokio::test]
async fn body_of_10_mib_is_413_and_the_next_request_works() {
    let harness = Harness::start().await;
    for path in ["/", "/v1/keys"] {
        let body = vec![b' '; 10 * 1024 * 1024];
        let answer = harness.client.request(Method::POST, path, Some("application/json"), body).await.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(problem_of(&answer).kind, "/problems/body-too-long");
        assert!(harness.client.create_key("eip155", POLICY).await.is_ok());
    }
    harness.shutdown().await;
}

#[tokio::test]
async fn announced_length_above_the_limit_is_refused_before_any_of_it_is_sent() {
    let harness = Harness::start().await;
    let mut connection = RawConnection::open(&harness.tls, harness.parent.https_addr()).await;
    let head =
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1048577\r\n\r\n";
    connection.send(head.as_bytes()).await.unwrap();
    let answer = connection.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    harness.shutdown().await;
}

#[tokio::test]
async fn chunked_body_above_the_limit_is_413_although_no_length_was_announced() {
    let harness = Harness::start().await;
    let mut connection = RawConnection::open(&harness.tls, harness.parent.https_addr()).await;
    let head =
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..17 {
        if connection.send(chunk.as_bytes()).await.is_err() {
            break; // the server has stopped reading, which is its right
        }
    }
    let answer = connection.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    harness.shutdown().await;
}

#[tokio::test]
async fn request_that_is_half_sent_and_then_closed_harms_nobody() {
    let harness = Harness::start().await;
    let addr = harness.parent.https_addr();
    for half in [
        "POST",
        "POST / HTTP/1.1\r\nhost: local",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"trans",
        "POST /v1/keys HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"",
    ] {
        let mut connection = RawConnection::open(&harness.tls, addr).await;
        connection.send(half.as_bytes()).await.unwrap();
        drop(connection);
        assert!(harness.client.create_key("eip155", POLICY).await.is_ok(), "{half}");
    }
    harness.shutdown().await;
}

#[tokio::test]
async fn garbage_instead_of_http_or_tls_is_turned_away() {
    let harness = Harness::start().await;
    let addr = harness.parent.https_addr();
    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await; // an alert or a reset; nothing of HTTP
    assert!(!answer.starts_with(b"HTTP"));

    let mut connection = RawConnection::open(&harness.tls, addr).await;
    connection.send(b"\x00\x01\x02 garbage\r\n\r\n").await.unwrap();
    assert!(connection.read_to_end().await.starts_with("HTTP/1.1 400 "));
    let mut connection = RawConnection::open(&harness.tls, addr).await;
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    let _ = connection.send(long.as_bytes()).await;
    assert!(connection.read_to_end().await.starts_with("HTTP/1.1 431 "));
    assert!(harness.client.create_key("eip155", POLICY).await.is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn slow_head_slow_body_and_slow_handshake_are_given_up() {
    let harness = Harness::start_with(|config| {
        config.timeouts.handshake = Duration::from_secs(1);
        config.timeouts.header = Duration::from_secs(1);
        config.timeouts.body = Duration::from_secs(1);
    })
    .await;
    let addr = harness.parent.https_addr();
    let mut silent = TcpStream::connect(addr).await.unwrap();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);

    let mut slow_head = RawConnection::open(&harness.tls, addr).await;
    slow_head.send(b"POST / HTTP/1.1\r\n").await.unwrap();
    slow_head.read_to_end().await;

    let mut slow_body = RawConnection::open(&harness.tls, addr).await;
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    slow_body.send(head.as_bytes()).await.unwrap();
    let answer = slow_body.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("/problems/body-timeout"), "{answer}");
    assert!(harness.client.create_key("eip155", POLICY).await.is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn enclave_that_is_too_slow_is_504() {
    let harness = Harness::start_with(|config| config.timeouts.request = Duration::from_secs(2)).await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let taken = harness.enclave.state.may_sign.acquire_many(10_000).await.unwrap();
    let result = harness.client.sign(&key.id, Encoding::Json, b"{}", None).await;
    assert_eq!(refused(result), problem(504, "deadline-exceeded"));
    drop(taken);
    assert!(harness.client.sign(&key.id, Encoding::Json, b"{}", None).await.is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn request_above_the_bound_is_503_with_retry_after_while_health_still_answers() {
    let harness = Harness::start_with(|config| config.limits.max_in_flight = 1).await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let taken = harness.enclave.state.may_sign.acquire_many(10_000).await.unwrap();
    let client = harness.client.clone();
    let first = tokio::spawn(async move { client.sign(&key.id, Encoding::Json, b"{}", None).await });
    harness.enclave.state.arrived.acquire().await.unwrap().forget();

    let answer = harness.client.request(Method::GET, "/v1/keys", None, "").await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem_of(&answer).kind, "/problems/overloaded");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(harness.client.health().await.is_ok());

    drop(taken);
    assert!(first.await.unwrap().is_ok());
    assert!(harness.client.list_keys().await.is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn bodies_that_are_half_sent_take_no_place_from_a_request_that_is_whole() {
    let harness = Harness::start_with(|config| config.limits.max_in_flight = 2).await;
    let body = r#"{"family":"eip155","policy":{}}"#;
    let head = format!(
        "POST /v1/keys HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (first_byte, rest) = body.split_at(1);
    let mut halves = Vec::new();
    for _ in 0..2 {
        let mut half = RawConnection::open(&harness.tls, harness.parent.https_addr()).await;
        half.send(head.as_bytes()).await.unwrap();
        // Sent when the body is asked for, so its reading has begun.
        assert!(half.read_head().await.starts_with("HTTP/1.1 100 "));
        half.send(first_byte.as_bytes()).await.unwrap();
        halves.push(half);
    }
    assert!(harness.client.create_key("eip155", POLICY).await.is_ok());
    assert!(harness.client.list_keys().await.is_ok());
    for mut half in halves {
        half.send(rest.as_bytes()).await.unwrap();
        let answer = half.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    harness.shutdown().await;
}

#[tokio::test]
async fn connections_above_the_bound_wait_for_a_place() {
    let harness = Harness::start_with(|config| config.limits.max_connections = 1).await;
    let addr = harness.parent.https_addr();
    let mut first = RawConnection::open(&harness.tls, addr).await;
    first.send(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(first.read_head().await.starts_with("HTTP/1.1 404 "));
    // The second is accepted only when the first has gone.
    let client = harness.client.clone();
    let second = tokio::spawn(async move { client.list_keys().await });
    drop(first);
    assert!(second.await.unwrap().is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn client_refuses_a_parent_under_another_root_or_name() {
    let harness = Harness::start().await;
    let stranger = TestTls::generate().client(harness.parent.https_addr());
    assert!(matches!(stranger.health().await, Err(ClientError::Tls { .. })));
    let address = harness.parent.https_addr().to_string();
    let misnamed = signer_protocol::client::ParentClient::builder(address.clone(), "example.com")
        .roots([harness.tls.root.clone()])
        .build()
        .unwrap();
    assert!(matches!(misnamed.health().await, Err(ClientError::Tls { .. })));
    let public_roots = signer_protocol::client::ParentClient::builder(address, "localhost").build().unwrap();
    assert!(matches!(public_roots.health().await, Err(ClientError::Tls { .. })));
    harness.shutdown().await;
}
