use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures_util::future::{BoxFuture, FutureExt};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint, Error, Server};
use tonic::{Request, Response, Status};
use tower::Service;

use super::DEADLINE;

/// A client of the echo service.
#[derive(Clone, Debug)]
pub struct Client(tonic::client::Grpc<Channel>);

impl Client {
    /// Connects to the service at `path`.
    ///
    /// # Errors
    /// [`Error`] when nobody listens there.
    pub async fn connect(path: &Path) -> Result<Self, Error> {
        let path = PathBuf::from(path);
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The address is not resolved: the connector knows the socket.
        let channel =
            Endpoint::from_static("http://localhost").timeout(DEADLINE).connect_with_connector(connector).await?;
        Ok(Self(tonic::client::Grpc::new(channel)))
    }

    /// Sends `payload` and returns the answer.
    ///
    /// # Errors
    /// [`Status`] if the connection broke or the deadline passed.
    pub async fn echo(&mut self, payload: Bytes) -> Result<Bytes, Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static("/benches.Echo/Echo");
        Ok(self.0.unary(Request::new(payload), path, BytesCodec).await?.into_inner())
    }
}

/// Serves the echo at `path` until the runtime ends.
///
/// # Errors
/// Whatever the operating system says when the socket cannot be bound.
pub fn serve(path: &Path) -> io::Result<()> {
    let incoming = UnixListenerStream::new(UnixListener::bind(path)?);
    tokio::spawn(Server::builder().serve_with_incoming(Echo, incoming));
    Ok(())
}

/// What protoc would have generated, for the only method there is.
#[derive(Clone)]
struct Echo;

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        async move { Ok(tonic::server::Grpc::new(BytesCodec).unary(Echoing, request).await) }.boxed()
    }
}

struct Echoing;

impl tonic::server::UnaryService<Bytes> for Echoing {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// Messages are their own encoding.
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
