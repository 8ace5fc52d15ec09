//! An in-process transport, so that tests need no socket.

use std::fmt;
use std::io;

use tokio::sync::mpsc;

use super::Stream;

/// Connects to the [`Listener`](super::Listener) that
/// [`Listener::memory`](super::Listener::memory) made beside it.
#[derive(Clone)]
pub struct MemoryConnector {
    accept: mpsc::Sender<Stream>,
    buffer_len: usize,
}

impl MemoryConnector {
    /// A new connection, as [`Addr::connect`](super::Addr::connect) makes one.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] once the listener is gone.
    pub async fn connect(&self) -> io::Result<Stream> {
        let (near, far) = tokio::io::duplex(self.buffer_len);
        self.accept.send(far.into()).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(near.into())
    }
}

impl fmt::Debug for MemoryConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryConnector").field("buffer_len", &self.buffer_len).finish_non_exhaustive()
    }
}

pub(super) fn pair(buffer_len: usize) -> (mpsc::Receiver<Stream>, MemoryConnector) {
    let (accept, accepted) = mpsc::channel(1);
    (accepted, MemoryConnector { accept, buffer_len })
}
