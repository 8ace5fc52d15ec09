//! [`Accepting`]: the task of an accept loop, and how it ends; [`accept_each`]: the loop.

use std::io;

use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::transport::{Backlog, Listener, Stream};

/// Runs an accept loop; dropping this tells it to end.
#[derive(Debug)]
pub(crate) struct Accepting {
    shutdown: DropGuard,
    task: Option<JoinHandle<io::Result<()>>>,
}

impl Accepting {
    /// Spawns the loop that `accept` makes from the token that will end it.
    pub(crate) fn spawn<F>(accept: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(accept(shutdown.clone()));
        Self { shutdown: shutdown.drop_guard(), task: Some(task) }
    }

    /// Tells the loop to end, and waits until it has.
    pub(crate) async fn shutdown(self) {
        drop(self.shutdown);
        if let Some(task) = self.task {
            // The result tells why the listener failed, if it did; that no longer matters.
            let _ = task.await;
        }
    }

    /// Waits until the loop ends, and tells why once.
    pub(crate) async fn wait(&mut self) -> io::Result<()> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let ended = task.await;
        self.task = None;
        ended.map_err(io::Error::other)?
    }
}

/// Hands each connection to `admit`, which spawns what serves it into `connections`, until `shutdown` or an error of the
/// listener itself.
///
/// The listener is closed then. What is left of `connections` is the caller's to wait for.
pub(crate) async fn accept_each(
    listener: Listener,
    shutdown: &CancellationToken,
    connections: &mut JoinSet<()>,
    mut admit: impl FnMut(Stream, &mut JoinSet<()>),
) -> io::Result<()> {
    let mut backlog = Backlog::new(listener);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = backlog.accept() => admit(accepted?, connections),
        }
    }
}
