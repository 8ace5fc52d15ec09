//! From a byte stream to HTTP/1.1 over TLS: [`Transport`] is the caller's joint, everything above it is the client's.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// A future that a [`Transport`] returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream of bytes in both directions. Every type that qualifies implements it.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Connects to KMS, or to something that relays bytes to it.
///
/// Inside an enclave this dials the parent over vsock, where a relay forwards to KMS. The stream carries TLS that the
/// client begins and KMS ends, so whatever relays it is trusted with nothing but availability.
///
/// ```
/// use std::io;
/// use kms_enclave_client::{BoxFuture, ByteStream, Transport};
///
/// /// Dials a unix socket behind which a relay waits.
/// #[derive(Debug)]
/// struct Relay(std::path::PathBuf);
///
/// impl Transport for Relay {
///     fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
///         Box::pin(async move {
///             let stream = tokio::net::UnixStream::connect(&self.0).await?;
///             Ok(Box::new(stream) as Box<dyn ByteStream>)
///         })
///     }
/// }
/// ```
pub trait Transport: fmt::Debug + Send + Sync {
    /// Opens a fresh stream. The client's deadline covers it: the future may be dropped at any point.
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;
}

const _: Option<&dyn Transport> = None; // stops compiling if object safety is lost

/// A [`Transport`] to one TCP address, for tools and tests outside an enclave.
#[derive(Clone, Debug)]
pub struct TcpTransport {
    address: SocketAddr,
}

impl TcpTransport {
    /// Connects to `address`, whatever name TLS asks for.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Transport for TcpTransport {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(crate) struct Connector {
    transport: Arc<dyn Transport>,
    tls: TlsConnector,
    server_name: ServerName<'static>,
    max_reply_len: usize,
}

impl Connector {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        tls: rustls::ClientConfig,
        server_name: ServerName<'static>,
        max_reply_len: usize,
    ) -> Self {
        Self { transport, tls: TlsConnector::from(Arc::new(tls)), server_name, max_reply_len }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        let stream = self.transport.connect().await.map_err(Error::Connect)?;
        let stream = self
            .tls
            .connect(self.server_name.clone(), stream)
            .await
            .map_err(|source| Error::Tls { server_name: self.server_name.to_str().into_owned(), source })?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_LEN)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(http_failure)?;
        // Its result is also reported to whoever waits for a reply; without one it does not matter how it ended.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Connection { sender, driver: Driver(driver), max_reply_len: self.max_reply_len })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("transport", &self.transport)
            .field("server_name", &self.server_name)
            .field("max_reply_len", &self.max_reply_len)
            .finish_non_exhaustive()
    }
}

/// One HTTP/1.1 connection inside one TLS session. Dropping it closes both.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    #[expect(dead_code, reason = "held for its Drop")]
    driver: Driver,
    max_reply_len: usize,
}

impl Connection {
    /// Waits until the exchange before is over; `false` if the connection is.
    pub(crate) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends one request and waits for its reply to begin.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        self.sender.send_request(request).await.map_err(http_failure)
    }

    /// Reads the whole reply, up to the limit.
    pub(crate) async fn read(&mut self, reply: Response<Incoming>) -> Result<Response<Bytes>, Error> {
        let (head, body) = reply.into_parts();
        let body = read_body(body, self.max_reply_len).await?;
        Ok(Response::from_parts(head, body))
    }
}

/// The task that moves a connection's bytes; it ends with the connection's owner.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read_body(body: Incoming, max: usize) -> Result<Bytes, Error> {
    // An announced length is refused before a byte of it is read.
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return Err(Error::ReplyTooLong { max });
    }
    match Limited::new(body, max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => Error::Http(error),
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>(), "a limited body fails by its limit or by its source");
                Error::ReplyTooLong { max }
            }
        }),
    }
}

fn http_failure(error: hyper::Error) -> Error {
    Error::Http(Box::new(error))
}

/// Status line and headers of a reply: KMS sends about 300 bytes in six headers.
const MAX_HEAD_LEN: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
