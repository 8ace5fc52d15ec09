//! [`Listener`]: accepts [`Stream`]s on an [`Addr`].

use std::fmt;
use std::io;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Addr, HostPort, MemoryConnector, Stream, memory, unix};

/// A bound address that yields connected [`Stream`]s.
///
/// A unix listener has mode 0600 before the first peer can connect, replaces only a socket that nobody serves,
/// and removes its path when it is dropped.
pub struct Listener {
    kind: Kind,
    local_addr: Option<Addr>,
}

enum Kind {
    Memory(mpsc::Receiver<Stream>),
    Tcp(TcpListener),
    Unix(unix::BoundSocket),
    #[cfg(feature = "vsock")]
    Vsock(tokio_vsock::VsockListener),
}

impl Listener {
    /// Listens on `addr`. TCP port 0 takes a free port, which [`local_addr`](Self::local_addr) tells.
    ///
    /// # Errors
    /// What the operating system reports; [`io::ErrorKind::AlreadyExists`] if a unix path holds something
    /// that is not a socket, [`io::ErrorKind::AddrInUse`] if another process serves it, and
    /// [`io::ErrorKind::Unsupported`] for vsock without the feature `vsock`.
    pub async fn bind(addr: &Addr) -> io::Result<Self> {
        match addr {
            Addr::Tcp(target) => Self::bind_tcp(target).await,
            Addr::Unix(path) => Ok(Self { kind: Kind::Unix(unix::bind(path).await?), local_addr: Some(addr.clone()) }),
            Addr::Vsock { cid, port } => Self::bind_vsock(*cid, *port),
        }
    }

    /// A listener without an address, and what connects to it; each stream buffers `buffer_len` bytes a direction.
    #[must_use]
    pub fn memory(buffer_len: usize) -> (Self, MemoryConnector) {
        let (accepted, connector) = memory::pair(buffer_len.max(1));
        (Self { kind: Kind::Memory(accepted), local_addr: None }, connector)
    }

    /// Where this listens, with the actual port; `None` for [`memory`](Self::memory).
    #[must_use]
    pub fn local_addr(&self) -> Option<&Addr> {
        self.local_addr.as_ref()
    }

    /// The next connection. Cancel safe: no connection is lost if the future is dropped.
    ///
    /// # Errors
    /// What the operating system reports; [`io::ErrorKind::BrokenPipe`] once every [`MemoryConnector`] is gone.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        match &mut self.kind {
            Kind::Memory(accepted) => accepted.recv().await.ok_or_else(|| io::ErrorKind::BrokenPipe.into()),
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
            Kind::Unix(bound) => bound.listener.accept().await?.0.try_into(),
            #[cfg(feature = "vsock")]
            Kind::Vsock(listener) => Ok(listener.accept().await?.0.into()),
        }
    }

    async fn bind_tcp(target: &HostPort) -> io::Result<Self> {
        let listener = match target.socket_addr() {
            Some(address) => TcpListener::bind(address).await?,
            None => TcpListener::bind((target.host(), target.port())).await?,
        };
        let local_addr = Some(listener.local_addr()?.into());
        Ok(Self { kind: Kind::Tcp(listener), local_addr })
    }

    #[cfg(feature = "vsock")]
    fn bind_vsock(cid: u32, port: u32) -> io::Result<Self> {
        let listener = tokio_vsock::VsockListener::bind(tokio_vsock::VsockAddr::new(cid, port))?;
        let bound = listener.local_addr()?;
        let local_addr = Some(Addr::Vsock { cid: bound.cid(), port: bound.port() });
        Ok(Self { kind: Kind::Vsock(listener), local_addr })
    }

    #[cfg(not(feature = "vsock"))]
    fn bind_vsock(_cid: u32, _port: u32) -> io::Result<Self> {
        Err(super::vsock_unsupported())
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}
