//! [`Accepting`]: the task of an accept loop, and how it ends.

use std::io;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

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
