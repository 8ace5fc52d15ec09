use std::io;
use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt;
use serde_bytes::ByteBuf;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tarpc::{client, context, serde_transport};
use tokio::net::{UnixListener, UnixStream};

use super::DEADLINE;

/// A client of the echo service.
#[derive(Clone, Debug)]
pub struct Client(EchoClient);

impl Client {
    /// Connects to the service at `path`.
    ///
    /// # Errors
    /// Whatever the operating system says when nobody listens there.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let stream = LengthDelimitedCodec::builder().new_framed(UnixStream::connect(path).await?);
        let transport = serde_transport::new(stream, Bincode::default());
        Ok(Self(EchoClient::new(client::Config::default(), transport).spawn()))
    }

    /// Sends `payload` and returns the answer.
    ///
    /// # Errors
    /// [`client::RpcError`] if the connection broke or the deadline passed.
    pub async fn echo(&self, payload: Vec<u8>) -> Result<Vec<u8>, client::RpcError> {
        let mut context = context::current();
        context.deadline = Instant::now() + DEADLINE;
        Ok(self.0.echo(context, ByteBuf::from(payload)).await?.into_vec())
    }
}

/// Serves the echo at `path` until the runtime ends.
///
/// # Errors
/// Whatever the operating system says when the socket cannot be bound.
pub fn serve(path: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = LengthDelimitedCodec::builder().new_framed(stream);
            let channel = BaseChannel::with_defaults(serde_transport::new(stream, Bincode::default()));
            tokio::spawn(channel.execute(Echoing.serve()).for_each(|call| async {
                tokio::spawn(call);
            }));
        }
    });
    Ok(())
}

#[tarpc::service]
trait Echo {
    async fn echo(payload: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct Echoing;

impl Echo for Echoing {
    async fn echo(self, _: context::Context, payload: ByteBuf) -> ByteBuf {
        payload
    }
}
