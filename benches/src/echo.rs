//! An echo over a unix socket: through `vsock-rpc`, and bare, which is the limit.

/// Everyone's echo on one thread: ours, bare, and the peers'.
#[cfg(feature = "peers")]
pub mod everyone;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use vsock_rpc::{Addr, CallContext, CallError, Client, Listener, Method, RemoteError, Router, Server, ServerHandle};

/// How many bytes go each way.
pub const PAYLOAD_LEN: usize = 128;

/// The method that the benches call.
#[derive(Clone, Copy, Debug)]
pub struct Echo;

impl Method for Echo {
    const NAME: &'static str = "echo";
    type Request = ByteBuf;
    type Response = ByteBuf;
}

/// Serves [`Echo`] at `path` until the handle is dropped.
///
/// # Errors
/// Whatever the operating system says when the socket cannot be bound.
pub async fn serve(path: &Path) -> io::Result<ServerHandle> {
    let listener = Listener::bind(&Addr::Unix(path.to_owned())).await?;
    Ok(server().serve(listener))
}

/// A server of [`Echo`] alone.
#[must_use]
pub fn server() -> Server {
    Server::builder(Router::new(()).method::<Echo, _, _>(echo)).build()
}

/// A client of [`serve`].
#[must_use]
pub fn client(path: &Path) -> Client {
    Client::builder(Addr::Unix(path.to_owned())).build()
}

/// Sends `payload` and returns the answer.
///
/// # Errors
/// [`CallError`] if the call failed.
pub async fn call(client: &Client, payload: &ByteBuf) -> Result<ByteBuf, CallError> {
    client.call::<Echo>(payload, DEADLINE).await
}

/// Bare reads and writes of [`PAYLOAD_LEN`] bytes: no framing, no encoding, no deadlines.
///
/// # Errors
/// Whatever the operating system says when the socket cannot be bound.
pub fn serve_bare(path: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut payload = [0; PAYLOAD_LEN];
                while stream.read_exact(&mut payload).await.is_ok() && stream.write_all(&payload).await.is_ok() {}
            });
        }
    });
    Ok(())
}

/// Sends `payload` to [`serve_bare`] and returns the answer.
///
/// # Errors
/// Whatever the operating system says when the connection broke.
pub async fn call_bare(stream: &mut UnixStream, payload: &[u8; PAYLOAD_LEN]) -> io::Result<[u8; PAYLOAD_LEN]> {
    stream.write_all(payload).await?;
    let mut answer = [0; PAYLOAD_LEN];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn echo(_: Arc<()>, _: CallContext, payload: ByteBuf) -> Result<ByteBuf, RemoteError> {
    Ok(payload)
}

const DEADLINE: Duration = Duration::from_secs(10);
