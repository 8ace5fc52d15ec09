//! Telling the parent that the enclave has booted.
//!
//! `nitro-cli run-enclave` waits on vsock port 9000 of the parent until the enclave's first process connects and sends
//! the byte 0xB7, which it sends back; without it, it takes the boot for failed. AWS's own init does the same, from
//! inside to CID 3.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use vsock_rpc::Addr;

/// Announces at `heartbeat` that the enclave has booted.
///
/// # Errors
/// [`AnnounceError`]. The enclave serves all the same: whoever started it may not wait for this.
pub async fn announce(heartbeat: &Addr) -> Result<(), AnnounceError> {
    match timeout(DEADLINE, exchange(heartbeat)).await {
        Ok(Ok(HEARTBEAT)) => Ok(()),
        Ok(Ok(actual)) => Err(AnnounceError::Answer { actual }),
        Ok(Err(error)) => Err(AnnounceError::Io(error)),
        Err(_) => Err(AnnounceError::DeadlineExceeded { deadline: DEADLINE }),
    }
}

async fn exchange(heartbeat: &Addr) -> io::Result<u8> {
    let mut stream = heartbeat.connect().await?;
    stream.write_all(&[HEARTBEAT]).await?;
    stream.read_u8().await
}

/// Why the parent does not know that the enclave has booted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// Another byte came back.
    #[error("heartbeat: the parent answered {actual:#04x} instead of {HEARTBEAT:#04x}")]
    Answer {
        /// The byte.
        actual: u8,
    },
    /// There was no answer in time.
    #[error("heartbeat: no answer from the parent within {deadline:?}")]
    DeadlineExceeded {
        /// The limit.
        deadline: Duration,
    },
    /// Nobody listens, or the connection broke.
    #[error("heartbeat: {0}")]
    Io(#[from] io::Error),
}

const HEARTBEAT: u8 = 0xb7;
/// A parent that listens answers at once.
const DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// Announces to a parent that answers `answer` to the byte it gets, and returns that byte too.
    async fn announced_to(answer: &'static [u8]) -> (u8, Result<(), AnnounceError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heartbeat");
        let listener = UnixListener::bind(&path).unwrap();
        let parent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let byte = stream.read_u8().await.unwrap();
            stream.write_all(answer).await.unwrap();
            byte
        });
        let outcome = announce(&Addr::unix(path).unwrap()).await;
        (parent.await.unwrap(), outcome)
    }

    #[tokio::test]
    async fn the_byte_is_sent_and_must_come_back() {
        let (sent, outcome) = announced_to(b"\xb7").await;
        assert_eq!(sent, 0xb7);
        outcome.unwrap();
    }

    #[tokio::test]
    async fn another_byte_or_none_is_an_error() {
        let (_, outcome) = announced_to(b"\xb8").await;
        assert!(matches!(outcome, Err(AnnounceError::Answer { actual: 0xb8 })), "{outcome:?}");
        let (_, outcome) = announced_to(b"").await;
        assert!(matches!(outcome, Err(AnnounceError::Io(_))), "{outcome:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_parent_that_never_answers_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heartbeat");
        let _listener = UnixListener::bind(&path).unwrap();
        let outcome = announce(&Addr::unix(path).unwrap()).await;
        assert!(matches!(outcome, Err(AnnounceError::DeadlineExceeded { .. })), "{outcome:?}");
    }
}
