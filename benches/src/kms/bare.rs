//! One HTTP/1.1 exchange over a kept TLS connection, by hyper and rustls alone, with as many bytes as a call has.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kms_enclave_client::ByteStream;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::attested::Failure;

/// Reads each request and answers it with the same body, until dropped.
#[derive(Debug)]
pub struct BareServer {
    local_addr: SocketAddr,
    root_der: Vec<u8>,
    service: Arc<BareService>,
    accept_loop: JoinHandle<()>,
}

impl BareServer {
    /// Starts on the runtime of the caller, on loopback.
    ///
    /// # Errors
    /// If it cannot listen, or TLS cannot be set up.
    pub async fn start(reply_len: usize) -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
        let root_der = certificate.der().to_vec();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der())?)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let local_addr = listener.local_addr()?;
        let service = Arc::new(BareService { tls: Arc::new(tls), reply: Bytes::from(vec![b'r'; reply_len]) });
        let accept_loop = tokio::spawn(accept(listener, Arc::clone(&service)));
        Ok(Self { local_addr, root_der, service, accept_loop })
    }

    /// A connection to it in memory, served until the client leaves.
    #[must_use]
    pub fn in_memory(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(MEMORY_STREAM_CAPACITY);
        tokio::spawn(Arc::clone(&self.service).serve(Box::new(theirs)));
        ours
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its certificate.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        self.accept_loop.abort();
    }
}

#[derive(Debug)]
struct BareService {
    tls: Arc<ServerConfig>,
    reply: Bytes,
}

impl BareService {
    async fn serve(self: Arc<Self>, stream: Box<dyn ByteStream>) {
        let Ok(stream) = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream).await else { return };
        let service = service_fn(|request| answer(request, self.reply.clone()));
        // How it ends concerns its client, which finds out.
        let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

async fn accept(listener: TcpListener, service: Arc<BareService>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = Arc::clone(&service);
        connections.spawn(async move {
            let Ok(()) = stream.set_nodelay(true) else { return };
            service.serve(Box::new(stream)).await;
        });
    }
}

async fn answer(request: Request<Incoming>, reply: Bytes) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let read = request.into_body().collect().await?.to_bytes();
    let status = if read.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let mut response = Response::new(Full::new(reply));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response.headers_mut().insert("x-amzn-requestid", REQUEST_ID);
    Ok(response)
}

/// A connection to a [`BareServer`].
#[derive(Debug)]
pub struct BareClient {
    sender: SendRequest<Full<Bytes>>,
    body: Bytes,
    token: HeaderValue,
    authorization: HeaderValue,
    reply_len: usize,
    driver: JoinHandle<()>,
}

impl BareClient {
    /// Begins TLS and HTTP with the server that has the certificate `root_der`. Each exchange will send `request_len` bytes
    /// and receive `reply_len`, headers apart.
    ///
    /// # Errors
    /// If TLS or HTTP do not come about.
    pub async fn connect(
        stream: Box<dyn ByteStream>,
        root_der: &[u8],
        request_len: usize,
        reply_len: usize,
    ) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(root_der))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from(NAME)?, stream).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Whoever sends finds out how it ended.
        let driver = tokio::spawn(async move { drop(connection.await) });
        let body = Bytes::from(vec![b'q'; request_len]);
        // As long as those of a call with temporary credentials.
        let (token, authorization) = ("t".repeat(920).parse()?, "a".repeat(310).parse()?);
        Ok(Self { sender, body, token, authorization, reply_len, driver })
    }

    /// One request and its reply, with the headers that a call to KMS has.
    ///
    /// # Errors
    /// If it fails, or the reply has another length.
    pub async fn exchange(&mut self) -> Result<(), Failure> {
        let request = Request::post("/")
            .header(header::HOST, NAME)
            .header(header::CONTENT_TYPE, JSON)
            .header("x-amz-target", "TrentService.Decrypt")
            .header("x-amz-date", "20261127T120000Z")
            .header("x-amz-security-token", &self.token)
            .header(header::AUTHORIZATION, &self.authorization)
            .body(Full::new(self.body.clone()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let is_ok = response.status() == StatusCode::OK;
        let reply = response.into_body().collect().await?.to_bytes();
        if is_ok && reply.len() == self.reply_len { Ok(()) } else { Err("another reply".into()) }
    }
}

impl Drop for BareClient {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// As in the simulator's.
const MEMORY_STREAM_CAPACITY: usize = 64 * 1024;
const NAME: &str = "kms.eu-west-1.amazonaws.com";
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const REQUEST_ID: HeaderValue = HeaderValue::from_static("1234abcd-12ab-34cd-56ef-1234567890ab");
