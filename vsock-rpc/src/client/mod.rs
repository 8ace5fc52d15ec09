//! [`Client`]: calls methods of a server, many at a time over one connection.

mod builder;
mod connector;
mod error;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use self::builder::ClientBuilder;
pub use self::connector::{ByteStream, Connector};
pub use self::error::CallError;
use crate::method::Method;

/// Calls the methods of one server.
///
/// Clones are cheap and share one connection, made at the first call and again when it was lost.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// A client of the server at an [`Addr`](crate::Addr), or behind any other [`Connector`].
    fn new(_builder: ClientBuilder) -> Self {
        Self {}
    }

    pub fn builder(connector: impl Into<Connector>) -> ClientBuilder {
        ClientBuilder::new(connector.into())
    }

    /// Calls `M` and waits for the answer, for at most `timeout` in all: connecting, queueing and the handler.
    ///
    /// The request is encoded before this returns. Dropping the future cancels the call: the server drops the
    /// handler.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::may_have_run`] tells whether the call may be repeated blindly.
    pub fn call<M: Method>(
        &self,
        _request: &M::Request,
        _timeout: Duration,
    ) -> impl Future<Output = Result<M::Response, CallError>> + Send + use<M> {
        async { todo!() }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
