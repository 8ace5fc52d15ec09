//! Byte streams to run over: vsock, unix sockets, TCP, and memory.

mod addr;
mod backlog;
mod identity;
mod listener;
mod memory;
mod resolver;
mod stream;
mod unix;

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub use self::addr::{Addr, HostPort, ParseAddrError};
pub(crate) use self::backlog::Backlog;
pub use self::identity::{ParseIdentityError, PeerIdentity};
pub use self::listener::Listener;
pub use self::memory::MemoryConnector;
pub use self::resolver::Resolver;
pub use self::stream::{Peer, PeerAddr, Stream};

impl Addr {
    /// Connects. A TCP name is resolved now, and each of its addresses is tried in turn.
    ///
    /// There is no deadline here; callers set their own around it, as [`Client`](crate::Client) and
    /// [`Relay`](crate::relay::Relay) do.
    ///
    /// # Errors
    /// What the operating system reports; [`io::ErrorKind::Unsupported`] for vsock without the feature `vsock`.
    pub async fn connect(&self) -> io::Result<Stream> {
        self.connect_with(&Resolver::system()).await
    }

    /// The same, with names resolved by `resolver`.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect), and the resolver's.
    pub async fn connect_with(&self, resolver: &Resolver) -> io::Result<Stream> {
        match self {
            Self::Tcp(target) => connect_tcp(target, resolver).await,
            Self::Unix(path) => Ok(UnixStream::connect(path).await?.into()),
            Self::Vsock { cid, port } => connect_vsock(*cid, *port).await,
        }
    }
}

async fn connect_tcp(target: &HostPort, resolver: &Resolver) -> io::Result<Stream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses_of(target, resolver).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream.into());
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A host that is an address is never asked for.
async fn addresses_of(target: &HostPort, resolver: &Resolver) -> io::Result<Vec<SocketAddr>> {
    if let Some(address) = target.socket_addr() {
        return Ok(vec![address]);
    }
    let found = resolver.resolve(target.host()).await?;
    Ok(found.into_iter().map(|address| SocketAddr::new(address, target.port())).collect())
}

#[cfg(feature = "vsock")]
async fn connect_vsock(cid: u32, port: u32) -> io::Result<Stream> {
    Ok(tokio_vsock::VsockStream::connect(tokio_vsock::VsockAddr::new(cid, port)).await?.into())
}

#[cfg(not(feature = "vsock"))]
async fn connect_vsock(_cid: u32, _port: u32) -> io::Result<Stream> {
    Err(vsock_unsupported())
}

#[cfg(not(feature = "vsock"))]
fn vsock_unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "built without the feature `vsock`")
}

/// What RPC runs over.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// The most bytes that one write call passes to a transport: 16 KiB.
pub const MAX_WRITE_LEN: usize = 16 * 1024;

const LISTEN_BACKLOG: u32 = 1024;
