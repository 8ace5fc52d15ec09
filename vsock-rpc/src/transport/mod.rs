//! Byte streams to run over: vsock, unix sockets, TCP, and memory.

mod addr;
mod backlog;
mod identity;
mod listener;
mod memory;
mod resolver;
mod stream;
mod unix;
mod unix_stream;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::limits::cut_to_max_timeout;

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
    /// There is no deadline here. One that is set around this is spent by the first address that does not answer:
    /// [`connect_within`](Self::connect_within) shares it out.
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
        self.connect_by(None, resolver).await
    }

    /// The same, within `timeout`, name resolution included; [`Client`](crate::Client) and
    /// [`Relay`](crate::relay::Relay) connect so.
    ///
    /// Of several addresses, each in its turn may take an even share of the time that is left for it and those after
    /// it: one that never answers leaves the others theirs.
    ///
    /// # Errors
    /// Those of [`connect_with`](Self::connect_with), and [`io::ErrorKind::TimedOut`].
    pub async fn connect_within(&self, timeout: Duration, resolver: &Resolver) -> io::Result<Stream> {
        let deadline = Instant::now() + cut_to_max_timeout(timeout);
        within(deadline, self.connect_by(Some(deadline), resolver)).await
    }

    async fn connect_by(&self, deadline: Option<Instant>, resolver: &Resolver) -> io::Result<Stream> {
        match self {
            Self::Tcp(target) => {
                let addresses = addresses_of(target, resolver).await?;
                let stream = try_each(&addresses, deadline, TcpStream::connect).await?;
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
            Self::Unix(path) => UnixStream::connect(path).await?.try_into(),
            Self::Vsock { cid, port } => connect_vsock(*cid, *port).await,
        }
    }
}

/// What the first address yields that yields anything, each having an even share of the time until `deadline`.
async fn try_each<T, F>(
    addresses: &[SocketAddr],
    deadline: Option<Instant>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let connecting = connect(*address);
        let connected = match deadline {
            Some(deadline) => within(Instant::now() + share(deadline, left), connecting).await,
            None => connecting.await,
        };
        match connected {
            Ok(connected) => return Ok(connected),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn share(deadline: Instant, sharers: usize) -> Duration {
    deadline.saturating_duration_since(Instant::now()) / u32::try_from(sharers).unwrap_or(u32::MAX)
}

async fn within<T>(deadline: Instant, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let too_long = |_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long");
    timeout_at(deadline, connecting).await.map_err(too_long)?
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

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Mutex;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn addresses(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|number| SocketAddr::from(([192, 0, 2, number], 443))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answers_costs_its_even_share() {
        let (addresses, began) = (addresses(4), Instant::now());
        let tried = Mutex::default();
        let connect = |address: SocketAddr| {
            let mut tried: std::sync::MutexGuard<'_, Vec<_>> = tried.lock().unwrap();
            tried.push((address, began.elapsed()));
            let refuses = tried.len() == 2;
            async move {
                if refuses { Err(io::ErrorKind::ConnectionRefused.into()) } else { pending::<io::Result<()>>().await }
            }
        };
        let error = try_each(&addresses, Some(began + 8 * SECOND), connect).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A quarter of 8 s for the first; the second leaves all of its share to the last two.
        let times = [0, 2, 2, 5].map(|seconds| seconds * SECOND);
        assert_eq!(*tried.lock().unwrap(), addresses.iter().copied().zip(times).collect::<Vec<_>>());
        assert_eq!(began.elapsed(), 8 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_is_taken_and_without_a_deadline_nothing_is_cut() {
        let addresses = addresses(3);
        let second = addresses[1];
        let connect = |address| async move {
            match address == second {
                true => Ok(address),
                false => pending().await,
            }
        };
        let deadline = Some(Instant::now() + 3 * SECOND);
        assert_eq!(try_each(&addresses, deadline, connect).await.unwrap(), second);
        assert_eq!(try_each(&addresses[1..], None, connect).await.unwrap(), second);
        let slow = |address| async move {
            tokio::time::sleep(1_000 * SECOND).await;
            Ok(address)
        };
        assert_eq!(try_each(&addresses, None, slow).await.unwrap(), addresses[0]);
        let refuse = |_| ready(Err::<(), _>(io::ErrorKind::ConnectionRefused.into()));
        assert_eq!(try_each(&addresses, None, refuse).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(try_each(&[], None, refuse).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
