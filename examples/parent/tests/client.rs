//! The client library before parents that misbehave.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use rustls::ServerConfig;
use signer_protocol::client::{ClientError, MAX_ANSWER_LEN, ParentClient};
use signer_protocol::record::KeyId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::TestTls;

#[tokio::test]
async fn answer_above_the_limit_is_given_up() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1_u64 << 40);
    let (client, parent) = parent_that_says([head.into_bytes(), vec![b' '; MAX_ANSWER_LEN + 1]].concat()).await;
    assert!(matches!(client.health().await, Err(ClientError::AnswerTooLong { max: MAX_ANSWER_LEN })));
    parent.abort();
}

#[tokio::test]
async fn answer_that_is_not_there_in_time_is_given_up() {
    for half in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
        let (client, parent) = parent_that_says(half.into()).await;
        assert!(matches!(client.health().await, Err(ClientError::DeadlineExceeded { .. })), "{half}");
        parent.abort();
    }
}

#[tokio::test]
async fn answer_that_is_not_of_the_api_is_named() {
    let problem = r#"{"type":"/problems/x","title":"X","status":404}"#;
    for (status, body) in [
        ("200 OK", "<html>"),
        ("200 OK", r#"{"status":"ok"}"#),
        ("201 Created", r#"{"status":"ok","enclave_version":"","enclave_time_ms":0,"families":[]}"#),
        ("500 Internal Server Error", "oops"),
        ("403 Forbidden", problem), // the document says 404
    ] {
        let (client, parent) = parent_that_says(answer(status, body)).await;
        let result = client.health().await;
        assert!(matches!(result, Err(ClientError::UnexpectedAnswer { .. })), "{status} {body}: {result:?}");
        parent.abort();
    }
    let (client, parent) = parent_that_says(answer("404 Not Found", problem)).await;
    assert!(matches!(client.health().await, Err(ClientError::Problem(problem)) if problem.status == 404));
    parent.abort();
}

#[tokio::test]
async fn list_that_never_ends_is_given_up() {
    let page = format!(r#"{{"keys":[],"unreadable":[],"next":"{}"}}"#, KeyId::from_bytes([1; 16]));
    let (client, parent) = parent_that_says(answer("200 OK", &page)).await;
    assert!(matches!(client.list_keys().await, Err(ClientError::UnexpectedAnswer { .. })));
    parent.abort();
}

#[tokio::test]
async fn input_that_cannot_be_sent_is_refused_before_anything_is() {
    let build = |address: &str, name: &str| ParentClient::builder(address, name).build();
    assert!(matches!(build("a\nb", "localhost"), Err(ClientError::MalformedInput { .. })));
    assert!(matches!(build("localhost:1", "not a name"), Err(ClientError::MalformedInput { .. })));
    let no_roots = ParentClient::builder("localhost:1", "localhost").roots([]).build();
    assert!(matches!(no_roots, Err(ClientError::MalformedInput { .. })));
    let bad_root = ParentClient::builder("localhost:1", "localhost").roots([vec![0].into()]).build();
    assert!(matches!(bad_root, Err(ClientError::MalformedInput { .. })));
    // Nobody listens there; the policy is looked at first.
    let client = build("127.0.0.1:1", "localhost").unwrap();
    assert!(matches!(client.create_key("eip155", b"{").await, Err(ClientError::MalformedInput { .. })));
    assert!(matches!(client.create_key("eip155", b"{}").await, Err(ClientError::Unreachable { .. })));
    let bad_path = client.request(Method::GET, "no slash\n", None, "").await;
    assert!(matches!(bad_path, Err(ClientError::MalformedInput { .. })));
}

#[tokio::test]
async fn idle_connection_that_the_parent_closed_is_replaced() {
    let (client, parent) = parent_that_says(answer("404 Not Found", "closing")).await;
    for _ in 0..3 {
        let answer = client.request(Method::GET, "/", None, "").await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::NOT_FOUND, &b"closing"[..]));
    }
    parent.abort();
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into()
}

/// Says the same to every request, then waits for the client to go if the answer is not whole.
async fn parent_that_says(bytes: Vec<u8>) -> (ParentClient, JoinHandle<()>) {
    let tls = TestTls::generate();
    let identity = tls.identity();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.certificate_chain, identity.private_key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = ParentClient::builder(address, "localhost")
        .roots([tls.root.clone()])
        .deadline(Duration::from_secs(if is_whole(&bytes) { 30 } else { 1 }))
        .build()
        .unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            // A client that has seen enough closes the connection.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            if is_whole(&bytes) {
                let _ = stream.shutdown().await;
            } else {
                while let Ok(1..) = stream.read(&mut [0; 64]).await {}
            }
        }
    });
    (client, task)
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").is_some_and(|head| bytes.len() > head + 5)
}
