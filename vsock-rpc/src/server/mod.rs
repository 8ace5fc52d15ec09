//! [`Server`]: serves a router's methods, within bounds, to whoever connects.

mod builder;
mod connection;
mod core;
mod handle;
mod in_flight;
mod unwritten;

use std::fmt;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

pub use self::builder::ServerBuilder;
use self::connection::Connection;
use self::core::ServerCore;
pub use self::handle::ServerHandle;
use crate::router::Router;
use crate::transport::{Listener, Peer};

/// Serves the methods of a [`Router`]. Clones share their limits.
#[derive(Clone)]
pub struct Server {
    core: Arc<ServerCore>,
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
        ServerHandle::spawn(Arc::clone(&self.core), listener)
    }

    /// Serves one stream that was accepted elsewhere, for instance with TLS around it, until it ends.
    ///
    /// Dropping the future drops the connection and its handlers. The stream counts towards `max_connections`, and
    /// is turned away like others when there are too many.
    pub async fn serve_stream<T>(&self, stream: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.serve_stream_until(stream, peer, CancellationToken::new()).await;
    }

    /// The same; from the moment that `shutdown` is cancelled, the connection is drained.
    pub(crate) async fn serve_stream_until<T>(&self, stream: T, peer: Peer, shutdown: CancellationToken)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connection = Connection::new(Arc::clone(&self.core), stream, peer);
        match self.core.admit_connection() {
            Some(_place) => connection.run(shutdown).await,
            None => connection.refuse(),
        }
    }

    fn new(builder: ServerBuilder) -> Self {
        Self { core: Arc::new(ServerCore::new(builder.routes, builder.limits)) }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("limits", &self.core.limits).finish_non_exhaustive()
    }
}
