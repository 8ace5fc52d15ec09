//! [`ServerHandle`]: ends a server.

use crate::transport::Addr;

/// A running server. Dropping the handle begins a graceful shutdown without waiting for it.
#[derive(Debug)]
#[must_use = "dropping the handle shuts the server down"]
pub struct ServerHandle {
    local_addr: Option<Addr>,
}

impl ServerHandle {
    /// Where the server listens, with the actual port; `None` in memory.
    #[must_use]
    pub fn local_addr(&self) -> Option<&Addr> {
        self.local_addr.as_ref()
    }

    /// Stops accepting, tells every peer to go away, answers what is in flight within the drain timeout, and
    /// returns when no task of the server is left.
    pub async fn shutdown(self) {
        todo!()
    }

    /// Waits until the server ends by itself, which it does only when its listener fails for good.
    ///
    /// # Errors
    /// Why the listener failed.
    pub async fn wait(&mut self) -> std::io::Result<()> {
        todo!()
    }
}
