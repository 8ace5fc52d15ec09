//! The accept loop, and [`ServerHandle`], which ends it.

use std::io;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::accepting::{Accepting, accept_each};
use crate::tasks::Tasks;
use crate::transport::{Addr, Listener, Stream};

/// A running server. Dropping the handle begins a graceful shutdown without waiting for it.
#[derive(Debug)]
#[must_use = "dropping the handle shuts the server down"]
pub struct ServerHandle {
    local_addr: Option<Addr>,
    accepting: Accepting,
}

impl ServerHandle {
    pub(super) fn spawn(server: Server, listener: Listener) -> Self {
        Self::accepting(listener, |listener, shutdown| accept_loop(server, listener, shutdown))
    }

    /// Spawns an accept loop of any kind.
    pub(crate) fn accepting<F>(listener: Listener, accept: impl FnOnce(Listener, CancellationToken) -> F) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let local_addr = listener.local_addr().cloned();
        Self { local_addr, accepting: Accepting::spawn(|shutdown| accept(listener, shutdown)) }
    }

    /// Where the server listens, with the actual port; `None` in memory.
    #[must_use]
    pub fn local_addr(&self) -> Option<&Addr> {
        self.local_addr.as_ref()
    }

    /// Stops accepting, tells every peer to go away, answers what is in flight within the drain timeout, and
    /// returns when no task of the server is left.
    ///
    /// What the server cannot stop, a handler on a task of its own that computes without `await`, is waited for no
    /// longer than the drain timeout once more.
    pub async fn shutdown(self) {
        self.accepting.shutdown().await;
    }

    /// Waits until the server ends by itself, which it does only when its listener fails for good.
    ///
    /// # Errors
    /// Why the listener failed.
    pub async fn wait(&mut self) -> io::Result<()> {
        self.accepting.wait().await
    }
}

async fn accept_loop(server: Server, listener: Listener, shutdown: CancellationToken) -> io::Result<()> {
    let (mut connections, tasks) = (JoinSet::new(), Tasks::default());
    let admit_one = |stream, connections: &mut JoinSet<()>| admit(&server, stream, &shutdown, connections, &tasks);
    let ended = accept_each(listener, &shutdown, &mut connections, admit_one).await;
    shutdown.cancel();
    // Each connection bounds its own drain.
    while connections.join_next().await.is_some() {}
    server.wait_for(&tasks).await;
    ended
}

fn admit(server: &Server, stream: Stream, shutdown: &CancellationToken, connections: &mut JoinSet<()>, tasks: &Tasks) {
    let peer = stream.peer().clone();
    let connection = server.connection(stream, peer, tasks);
    let Some(place) = server.core.admit_connection() else {
        connections.spawn(connection.refuse());
        return;
    };
    let serving = connection.run(shutdown.clone().cancelled_owned());
    connections.spawn(async move {
        let _place = place;
        serving.await;
    });
}
