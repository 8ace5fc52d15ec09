//! [`Stream`]: one connected byte stream, whatever carries it; [`Peer`]: who is at its other end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::unix_stream::QuietUnixStream;
use super::{MAX_WRITE_LEN, PeerIdentity};

/// A connected byte stream over vsock, a unix socket, TCP, or memory.
///
/// It is made of tokio's streams by `From`, and of a `tokio::net::UnixStream`, which is registered anew for that, by `TryFrom`.
///
/// One write call passes on at most [`MAX_WRITE_LEN`] bytes, and everything written above this type is cut by it: larger
/// single writes have hung virtio-vsock connections ([a report][hang]).
///
/// [hang]: https://github.com/rust-vmm/vhost-device/issues/494
pub struct Stream {
    kind: Kind,
    peer: Peer,
}

enum Kind {
    Memory(DuplexStream),
    Tcp(TcpStream),
    Unix(QuietUnixStream),
    #[cfg(feature = "vsock")]
    Vsock(tokio_vsock::VsockStream),
}

impl Stream {
    /// Who is at the other end, as far as the transport knows.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl From<DuplexStream> for Stream {
    fn from(stream: DuplexStream) -> Self {
        Self { kind: Kind::Memory(stream), peer: Peer::new(PeerAddr::Memory) }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        let addr = stream.peer_addr().map_or(PeerAddr::Unknown, PeerAddr::Tcp);
        Self { kind: Kind::Tcp(stream), peer: Peer::new(addr) }
    }
}

impl TryFrom<UnixStream> for Stream {
    type Error = io::Error;

    /// Registers the socket with epoll anew, for reading alone until a write finds no room: so its process is not woken
    /// whenever the peer has read. From then on it belongs to the runtime that this is called in, and ends with that.
    ///
    /// # Errors
    /// What the operating system reports; the socket is closed then.
    ///
    /// # Panics
    /// Outside of a runtime, and in one without I/O.
    fn try_from(stream: UnixStream) -> io::Result<Self> {
        Ok(Self { kind: Kind::Unix(QuietUnixStream::new(stream)?), peer: Peer::new(PeerAddr::Unix) })
    }
}

#[cfg(feature = "vsock")]
impl From<tokio_vsock::VsockStream> for Stream {
    fn from(stream: tokio_vsock::VsockStream) -> Self {
        let addr =
            stream.peer_addr().map_or(PeerAddr::Unknown, |addr| PeerAddr::Vsock { cid: addr.cid(), port: addr.port() });
        Self { kind: Kind::Vsock(stream), peer: Peer::new(addr) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "vsock")]
            Kind::Vsock(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let piece = &buf[..buf.len().min(MAX_WRITE_LEN)];
        match &mut self.kind {
            Kind::Memory(stream) => Pin::new(stream).poll_write(cx, piece),
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, piece),
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, piece),
            #[cfg(feature = "vsock")]
            Kind::Vsock(stream) => Pin::new(stream).poll_write(cx, piece),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Memory(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "vsock")]
            Kind::Vsock(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "vsock")]
            Kind::Vsock(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What is known of the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    addr: PeerAddr,
    identity: Option<PeerIdentity>,
}

impl Peer {
    /// A peer known by its transport address alone.
    #[must_use]
    pub fn new(addr: PeerAddr) -> Self {
        Self { addr, identity: None }
    }

    /// The same peer, authenticated as `identity` by a layer above the transport.
    #[must_use]
    pub fn with_identity(self, identity: PeerIdentity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// The transport address. It is a hint, not an authentication: the parent instance chooses it.
    #[must_use]
    pub fn addr(&self) -> &PeerAddr {
        &self.addr
    }

    /// Who the peer proved to be; `None` on a plain transport.
    #[must_use]
    pub fn identity(&self) -> Option<&PeerIdentity> {
        self.identity.as_ref()
    }
}

/// The transport address of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAddr {
    /// An in-memory pipe of this process.
    Memory,
    /// A TCP address.
    Tcp(SocketAddr),
    /// A process on this machine, over a unix socket.
    Unix,
    /// The transport did not tell.
    Unknown,
    /// A vsock address.
    Vsock {
        /// The peer's context id.
        cid: u32,
        /// The peer's port.
        port: u32,
    },
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn one_write_passes_on_a_piece() {
        let (near, _far) = tokio::io::duplex(1 << 20);
        let mut stream = Stream::from(near);
        assert_eq!(stream.write(&[0; 50_000]).await.unwrap(), MAX_WRITE_LEN);
    }

    /// Few kernels have an `AF_VSOCK` loopback, but the type takes any stream socket.
    #[cfg(feature = "vsock")]
    #[tokio::test]
    async fn a_vsock_stream_carries_bytes_and_ends() {
        use std::os::fd::OwnedFd;

        use tokio::io::AsyncReadExt;

        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut near = Stream::from(tokio_vsock::VsockStream::from(OwnedFd::from(near)));
        let mut far = Stream::from(tokio_vsock::VsockStream::from(OwnedFd::from(far)));
        assert_eq!(near.peer().addr(), &PeerAddr::Unknown);
        let sent = vec![7; 500_000];
        let send = async {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let ((), result) = tokio::join!(send, far.read_to_end(&mut received));
        result.unwrap();
        assert_eq!(received, sent);
        far.write_all(b"back").await.unwrap();
        drop(far);
        let mut back = Vec::new();
        near.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"back");
    }
}
