//! [`Backlog`]: accepting in the face of failures that pass.

use std::io;
use std::time::Duration;

use super::{Listener, Stream};

/// Accepts from a listener, and waits out failures that are not the listener's own.
#[derive(Debug)]
pub(crate) struct Backlog {
    listener: Listener,
    failures: u32,
}

impl Backlog {
    pub(crate) fn new(listener: Listener) -> Self {
        Self { listener, failures: 0 }
    }

    /// The next connection; an error is final. Cancel safe.
    pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            match self.listener.accept().await {
                Ok(stream) => {
                    self.failures = 0;
                    return Ok(stream);
                }
                // Out of descriptors, or the peer left already: the next may be luckier.
                Err(error) if self.failures < MAX_FAILURES && error.kind() != io::ErrorKind::BrokenPipe => {
                    self.failures += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

const RETRY_DELAY: Duration = Duration::from_millis(50);
/// Thirty seconds of nothing but failures.
const MAX_FAILURES: u32 = 600;
