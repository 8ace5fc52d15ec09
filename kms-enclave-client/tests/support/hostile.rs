//! A KMS made by hand: TLS, one request, and whatever bytes a test wants to answer with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::TlsRoots;
use nsm_attest::UnverifiedDocument;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the client asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Asked {
    /// The public key in the request's attestation document.
    pub(crate) fn recipient(&self) -> Vec<u8> {
        let document = STANDARD.decode(self.body["Recipient"]["AttestationDocument"].as_str().unwrap()).unwrap();
        let document = UnverifiedDocument::from_bytes(&document).unwrap();
        document.unverified().public_key.clone().unwrap()
    }

    pub(crate) fn key_id(&self) -> &str {
        self.body["KeyId"].as_str().unwrap()
    }
}

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Send these bytes, then keep the connection open.
    Bytes(Vec<u8>),
    /// Send these bytes, then close.
    Close(Vec<u8>),
    /// Send these bytes, then one more every now and then, for ever.
    Trickle(Vec<u8>),
    /// Send these bytes, then the other ones again and again, for ever.
    Flood(Vec<u8>, Vec<u8>),
}

/// A 200 reply with this JSON.
pub(crate) fn ok(body: &Value) -> Answer {
    reply(200, &body.to_string())
}

pub(crate) fn reply(status: u16, body: &str) -> Answer {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nx-amzn-requestid: 7f3c\r\n\r\n", body.len());
    Answer::Bytes(format!("{head}{body}").into_bytes())
}

/// Whom the server's certificate names, and when it is valid.
pub(crate) struct Identity {
    pub(crate) name: &'static str,
    pub(crate) years: (i32, i32),
}

#[derive(Debug)]
pub(crate) struct HostileKms {
    pub(crate) address: SocketAddr,
    pub(crate) roots: TlsRoots,
    /// One message for each request that arrived whole.
    pub(crate) arrived: mpsc::UnboundedReceiver<()>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for HostileKms {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl HostileKms {
    pub(crate) async fn start(identity: Identity, answer: impl Fn(Asked) -> Answer + Send + Sync + 'static) -> Self {
        let mut certificate = CertificateParams::new(vec![identity.name.to_owned()]).unwrap();
        certificate.not_before = rcgen::date_time_ymd(identity.years.0, 1, 1);
        certificate.not_after = rcgen::date_time_ymd(identity.years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let roots = TlsRoots::from_der([certificate.der().as_ref()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, arrived) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, sender, answer) = (tls.clone(), sender.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    // A client that does not believe the certificate goes away here.
                    let Ok(mut stream) = tls.accept(stream).await else { return };
                    let Some(asked) = read_request(&mut stream).await else { return };
                    let _listened = sender.send(());
                    send(&mut stream, answer(asked)).await;
                });
            }
        });
        Self { address, roots, arrived, server }
    }
}

async fn read_request(stream: &mut TlsStream<TcpStream>) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let len: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
            if bytes.len() >= end + 4 + len {
                return Some(Asked { head, body: serde_json::from_slice(&bytes[end + 4..]).unwrap() });
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Sends until the client has had enough.
async fn send(stream: &mut TlsStream<TcpStream>, answer: Answer) {
    let (Answer::Bytes(first) | Answer::Close(first) | Answer::Trickle(first) | Answer::Flood(first, _)) = &answer;
    if stream.write_all(first).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    match answer {
        Answer::Close(_) => drop(stream.shutdown().await),
        Answer::Bytes(_) => drop(stream.read_u8().await),
        Answer::Trickle(_) => {
            while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Answer::Flood(_, more) => while stream.write_all(&more).await.is_ok() {},
    }
}
