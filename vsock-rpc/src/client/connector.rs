//! [`Connector`]: how a client gets a new connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::{Addr, ByteStream, MemoryConnector, Resolver};

/// Makes the connections of a [`Client`](super::Client): an [`Addr`], or a function that may put a
/// layer of its own, such as TLS, around the stream.
#[derive(Clone)]
pub struct Connector {
    connect: Arc<dyn Fn(Duration) -> Connecting + Send + Sync>,
    target: Arc<str>,
}

pub(crate) type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

impl Connector {
    /// A connector from a function; `target` is its name in errors.
    pub fn new<F, Fut, T>(target: impl Into<Arc<str>>, connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::within(target, move |_| connect())
    }

    /// A connector from a function of the time that its caller will wait.
    pub(crate) fn within<F, Fut, T>(target: impl Into<Arc<str>>, connect: F) -> Self
    where
        F: Fn(Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connect = move |timeout| -> Connecting {
            let connecting = connect(timeout);
            Box::pin(async move { Ok(Box::new(connecting.await?) as Box<dyn ByteStream>) })
        };
        Self { connect: Arc::new(connect), target: target.into() }
    }

    /// A new connection, for which the caller waits no longer than `timeout`.
    pub(crate) fn connect(&self, timeout: Duration) -> Connecting {
        (self.connect)(timeout)
    }

    pub(crate) fn target(&self) -> &Arc<str> {
        &self.target
    }
}

impl From<Addr> for Connector {
    fn from(addr: Addr) -> Self {
        let target = addr.to_string();
        Self::within(target, move |timeout| {
            let addr = addr.clone();
            async move { addr.connect_within(timeout, &Resolver::system()).await }
        })
    }
}

impl From<MemoryConnector> for Connector {
    fn from(memory: MemoryConnector) -> Self {
        Self::new("memory", move || {
            let memory = memory.clone();
            async move { memory.connect().await }
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("target", &self.target).finish_non_exhaustive()
    }
}
