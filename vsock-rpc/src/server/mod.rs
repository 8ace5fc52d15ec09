//! [`Server`]: serves a router's methods, within bounds, to whoever connects.

mod builder;
mod handle;

use crate::router::Router;
use crate::transport::Listener;

pub use self::builder::ServerBuilder;
pub use self::handle::ServerHandle;

/// Serves the methods of a [`Router`].
#[derive(Clone, Debug)]
pub struct Server {}

impl Server {
    /// A server of `router`'s methods with default limits.
    pub fn builder<S: Send + Sync + 'static>(router: Router<S>) -> ServerBuilder {
        ServerBuilder::new(router.into_routes())
    }

    fn new(_builder: ServerBuilder) -> Self {
        Self {}
    }

    /// Accepts and serves connections until the handle is shut down or dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn serve(&self, _listener: Listener) -> ServerHandle {
        todo!()
    }
}
