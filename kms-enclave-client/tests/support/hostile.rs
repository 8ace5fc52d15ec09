//! A KMS made by hand: TLS, requests, and whatever bytes a test wants to answer with.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::{BoxFuture, ByteStream, TlsRoots, Transport};
use nsm_attest::UnverifiedDocument;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What the client asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
    /// How many requests came before it.
    pub(crate) number: usize,
    /// How many connections were made before the one it came on.
    pub(crate) connection: usize,
    pub(crate) at: Instant,
}

impl Asked {
    /// A header of the request.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{name} in {}", self.head))
    }

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
    /// Send these bytes, then await the next request on the connection.
    Bytes(Vec<u8>),
    /// Send these bytes, then close.
    Close(Vec<u8>),
    /// Send these bytes, then break off without the farewell of TLS.
    BreakOff(Vec<u8>),
    /// Send these bytes, then one more every now and then, for ever.
    Trickle(Vec<u8>),
    /// Send these bytes, then the other ones again and again, for ever.
    Flood(Vec<u8>, Vec<u8>),
    /// Answer so, but only once this is notified.
    Held(Arc<Notify>, Box<Answer>),
}

/// A 200 reply with this JSON.
pub(crate) fn ok(body: &Value) -> Answer {
    reply(200, &body.to_string())
}

pub(crate) fn reply(status: u16, body: &str) -> Answer {
    reply_with(status, "", body)
}

/// A reply with further header lines, each ended by CR LF.
pub(crate) fn reply_with(status: u16, headers: &str, body: &str) -> Answer {
    let len = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {len}\r\nx-amzn-requestid: 7f3c\r\n{headers}\r\n");
    Answer::Bytes(format!("{head}{body}").into_bytes())
}

/// An exception of KMS.
pub(crate) fn exception(name: &str) -> Answer {
    reply(400, &format!(r#"{{"__type":"{name}","message":"scripted"}}"#))
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
    server: JoinHandle<()>,
}

impl Drop for HostileKms {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl HostileKms {
    pub(crate) async fn start(identity: Identity, answer: impl Fn(Asked) -> Answer + Send + Sync + 'static) -> Self {
        let (mut server, roots, arrived) = Server::new(identity, answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.accept(stream);
            }
        });
        Self { address, roots, arrived, server }
    }
}

/// The same in memory, for tests whose time stands still: the runtime only moves it when nothing else is left to do.
///
/// It is its own transport.
#[derive(Debug)]
pub(crate) struct ScriptedKms {
    pub(crate) roots: TlsRoots,
    dial: mpsc::UnboundedSender<DuplexStream>,
    /// What becomes of each attempt to connect, by its number.
    connecting: fn(usize) -> Connecting,
    dialled: AtomicUsize,
    arrived: std::sync::Mutex<mpsc::UnboundedReceiver<()>>,
    open: watch::Receiver<usize>,
}

/// What becomes of an attempt to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Connecting {
    Succeeds,
    IsRefused,
    NeverEnds,
}

impl ScriptedKms {
    pub(crate) fn start(identity: Identity, answer: impl Fn(Asked) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Self::reached_so(|_| Connecting::Succeeds, identity, answer)
    }

    pub(crate) fn reached_so(
        connecting: fn(usize) -> Connecting,
        identity: Identity,
        answer: impl Fn(Asked) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (mut server, roots, arrived) = Server::new(identity, answer);
        let open = server.open.subscribe();
        let (dial, mut dialled) = mpsc::unbounded_channel::<DuplexStream>();
        // It ends when the last transport is gone.
        tokio::spawn(async move {
            while let Some(stream) = dialled.recv().await {
                server.accept(stream);
            }
        });
        let arrived = std::sync::Mutex::new(arrived);
        Arc::new(Self { roots, dial, connecting, dialled: AtomicUsize::new(0), arrived, open })
    }

    /// How many requests arrived since this was last asked.
    pub(crate) fn requests(&self) -> usize {
        let mut arrived = self.arrived.lock().unwrap();
        std::iter::from_fn(|| arrived.try_recv().ok()).count()
    }

    /// How many times somebody tried to connect.
    pub(crate) fn dialled(&self) -> usize {
        self.dialled.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until no connection is open, for a minute of the runtime's time at most.
    pub(crate) async fn all_closed(&self) {
        let mut open = self.open.clone();
        let closed = tokio::time::timeout(Duration::from_secs(60), open.wait_for(|open| *open == 0)).await;
        closed.expect("all connections are closed within a minute").unwrap();
    }
}

impl Transport for ScriptedKms {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async {
            match (self.connecting)(self.dialled.fetch_add(1, Ordering::SeqCst)) {
                Connecting::Succeeds => {
                    let (ours, theirs) = tokio::io::duplex(64 * 1024);
                    self.dial.send(theirs).unwrap();
                    Ok(Box::new(ours) as Box<dyn ByteStream>)
                }
                Connecting::IsRefused => Err(io::ErrorKind::ConnectionRefused.into()),
                Connecting::NeverEnds => std::future::pending().await,
            }
        })
    }
}

/// What serves the connections of either.
struct Server {
    tls: TlsAcceptor,
    answer: Arc<dyn Fn(Asked) -> Answer + Send + Sync>,
    arrived: mpsc::UnboundedSender<()>,
    requests: Arc<AtomicUsize>,
    accepted: usize,
    open: watch::Sender<usize>,
    /// Dropping the set ends its tasks.
    connections: JoinSet<()>,
}

impl Server {
    fn new(
        identity: Identity,
        answer: impl Fn(Asked) -> Answer + Send + Sync + 'static,
    ) -> (Self, TlsRoots, mpsc::UnboundedReceiver<()>) {
        let (tls, roots) = tls(identity);
        let (sender, arrived) = mpsc::unbounded_channel();
        let server = Self {
            tls,
            answer: Arc::new(answer),
            arrived: sender,
            requests: Arc::default(),
            accepted: 0,
            open: watch::Sender::new(0),
            connections: JoinSet::new(),
        };
        (server, roots, arrived)
    }

    fn accept(&mut self, stream: impl ByteStream + 'static) {
        let (tls, answer, arrived, requests, open) = (
            self.tls.clone(),
            Arc::clone(&self.answer),
            self.arrived.clone(),
            Arc::clone(&self.requests),
            self.open.clone(),
        );
        let connection = self.accepted;
        self.accepted += 1;
        open.send_modify(|open| *open += 1);
        self.connections.spawn(async move {
            // A client that does not believe the certificate goes away here.
            if let Ok(mut stream) = tls.accept(stream).await {
                while let Some((head, body)) = read_request(&mut stream).await {
                    let number = requests.fetch_add(1, Ordering::SeqCst);
                    let _listened = arrived.send(());
                    let asked = Asked { head, body, number, connection, at: Instant::now() };
                    if !send(&mut stream, answer(asked)).await {
                        break;
                    }
                }
            }
            open.send_modify(|open| *open -= 1);
        });
    }
}

fn tls(identity: Identity) -> (TlsAcceptor, TlsRoots) {
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
    (TlsAcceptor::from(Arc::new(tls)), roots)
}

async fn read_request(stream: &mut impl ByteStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let len: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
            if bytes.len() >= end + 4 + len {
                return Some((head, serde_json::from_slice(&bytes[end + 4..]).unwrap()));
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Sends until the client has had enough; `true` if another request may follow.
async fn send(stream: &mut impl ByteStream, answer: Answer) -> bool {
    let mut answer = answer;
    while let Answer::Held(gate, held) = answer {
        gate.notified().await;
        answer = *held;
    }
    let (Answer::Bytes(first)
    | Answer::Close(first)
    | Answer::BreakOff(first)
    | Answer::Trickle(first)
    | Answer::Flood(first, _)) = &answer
    else {
        unreachable!("it is held no longer")
    };
    if stream.write_all(first).await.is_err() || stream.flush().await.is_err() {
        return false;
    }
    match answer {
        Answer::Bytes(_) => return true,
        Answer::Close(_) => drop(stream.shutdown().await),
        Answer::BreakOff(_) | Answer::Held(..) => {}
        Answer::Trickle(_) => {
            while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Answer::Flood(_, more) => while stream.write_all(&more).await.is_ok() {},
    }
    false
}
