//! [`Tasks`]: tasks that outlive what began them, so that whoever shuts down can wait for their end.

use std::sync::Arc;

use tokio::sync::watch;

/// Knows whether any of its tasks is left. Clones know the same tasks.
#[derive(Clone, Debug)]
pub(crate) struct Tasks(Arc<watch::Sender<()>>);

/// One task; dropped when it ends.
#[derive(Debug)]
pub(crate) struct Alive(#[expect(dead_code, reason = "its end is what counts")] watch::Receiver<()>);

impl Tasks {
    /// One task more.
    pub(crate) fn alive(&self) -> Alive {
        Alive(self.0.subscribe())
    }

    /// Waits until none is left.
    pub(crate) async fn ended(&self) {
        self.0.closed().await;
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}
