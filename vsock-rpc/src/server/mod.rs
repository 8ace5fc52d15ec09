//! [`Server`]: serves a router's methods, within bounds, to whoever connects.

mod builder;
mod connection;
mod core;
mod handle;
mod in_flight;
mod unwritten;

use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

pub use self::builder::ServerBuilder;
use self::connection::Connection;
use self::core::ServerCore;
pub use self::handle::ServerHandle;
use crate::codec::PAYLOAD_LEN_CEILING;
use crate::method::ConnectionFacts;
use crate::router::Router;
use crate::tasks::Tasks;
use crate::transport::{Listener, Peer};

/// Serves the methods of a [`Router`]. Clones share their limits.
#[derive(Clone)]
pub struct Server {
    core: Arc<ServerCore>,
    max_payload_len: usize,
}

impl Server {
    /// A server of `router`'s methods with default limits.
    pub fn builder<S: Send + Sync + 'static>(router: Router<S>) -> ServerBuilder {
        ServerBuilder::new(router.into_routes())
    }

    /// Accepts and serves connections until the handle is shut down or dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(&self, listener: Listener) -> ServerHandle {
        ServerHandle::spawn(self.clone(), listener)
    }

    /// The same server, its methods and bounds, with another payload limit for what it serves from here on. So
    /// listeners that peers of different trust reach each have their own.
    #[must_use]
    pub fn with_max_payload_len(&self, max: usize) -> Self {
        Self { core: Arc::clone(&self.core), max_payload_len: max.min(PAYLOAD_LEN_CEILING) }
    }

    /// Serves one stream that was accepted elsewhere, for instance with TLS around it, until it ends.
    ///
    /// Dropping the future drops the connection and its handlers. The stream counts towards `max_connections`, and
    /// is turned away like others when there are too many.
    pub async fn serve_stream<T>(&self, stream: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_stream_until(stream, peer, pending()).await;
    }

    /// The same, with a graceful end: when `shutdown` completes, the peer is told to go away, and what is in flight is
    /// answered within the drain timeout.
    pub async fn serve_stream_until<T>(&self, stream: T, peer: Peer, shutdown: impl Future<Output = ()>)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_with_tasks(stream, peer, shutdown, &Tasks::default()).await;
    }

    /// The same; handlers on tasks of their own, which may outlive the connection, are among `tasks`.
    pub(crate) async fn serve_with_tasks<T>(
        &self,
        stream: T,
        peer: Peer,
        shutdown: impl Future<Output = ()>,
        tasks: &Tasks,
    ) where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connection = self.connection(stream, peer, tasks);
        match self.core.admit_connection() {
            Some(_place) => connection.run(shutdown).await,
            None => connection.refuse().await,
        }
    }

    fn new(builder: ServerBuilder) -> Self {
        let core = Arc::new(ServerCore::new(builder.routes, builder.limits));
        Self { core, max_payload_len: builder.max_payload_len }
    }

    /// Waits until none of `tasks` is left, but no longer than the drain timeout.
    pub(crate) async fn wait_for(&self, tasks: &Tasks) {
        // Nothing ends a handler that computes on.
        let _ = tokio::time::timeout(self.core.limits.drain_timeout, tasks.ended()).await;
    }

    fn connection<T: AsyncRead + AsyncWrite + Unpin>(&self, stream: T, peer: Peer, tasks: &Tasks) -> Connection<T> {
        let facts = ConnectionFacts::new(peer, self.max_payload_len, tasks.clone());
        Connection::new(Arc::clone(&self.core), stream, facts)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.core.limits)
            .field("max_payload_len", &self.max_payload_len)
            .finish_non_exhaustive()
    }
}
