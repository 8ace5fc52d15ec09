//! [`Accepting`]: the task of an accept loop, and how it ends; [`accept_each`]: the loop.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fairness::let_others_go_first;
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
/// Whoever is there already goes before whoever comes: between two connections the others have a turn. How long that is
/// they decide, so that after a long one several are accepted, and newcomers have a share of the time however busy the
/// others are.
///
/// The listener is closed at the end. What is left of `connections` is the caller's to wait for.
pub(crate) async fn accept_each(
    listener: Listener,
    shutdown: &CancellationToken,
    connections: &mut JoinSet<()>,
    mut admit: impl FnMut(Stream, &mut JoinSet<()>),
) -> io::Result<()> {
    let mut backlog = Backlog::new(listener);
    let mut at_once = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = backlog.accept() => {
                admit(accepted?, connections);
                at_once = match at_once {
                    0 => let_others_go_on(connections).await,
                    more => more - 1,
                };
            }
        }
    }
}

/// Lets the others have their turn, and returns how many connections may then be accepted beyond one.
async fn let_others_go_on(connections: &mut JoinSet<()>) -> u128 {
    // The end of a connection must not end the wait: for each peer that broke a rule and came back, another would come.
    reap(connections);
    let began = Instant::now();
    let_others_go_first().await;
    (began.elapsed().as_micros() / SHARE.as_micros()).min(MOST_AT_ONCE)
}

/// Forgets connections that have ended, and leaves a waker that wakes nobody when others do.
fn reap(connections: &mut JoinSet<()>) {
    let mut nobody = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(_)) = connections.poll_join_next(&mut nobody) {}
}

/// For each such part of the others' turn one connection is accepted. To accept one, to find that it breaks a rule and to close
/// it takes less than half of that, so that a crowd which does this does not itself make the turns long that let it in.
const SHARE: Duration = Duration::from_micros(250);
const MOST_AT_ONCE: u128 = 16;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream as BlockingStream;
    use std::sync::{Arc, Mutex};

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::transport::Addr;

    /// One byte for each connection that was admitted goes to a peer that is there already. Turns take no time.
    #[tokio::test(start_paused = true)]
    async fn whoever_is_there_already_is_served_between_two_of_a_crowd() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("listener");
        let listener = Listener::bind(&Addr::Unix(path.clone())).await.unwrap();
        let crowd: Vec<_> = (0..CROWD).map(|_| BlockingStream::connect(&path).unwrap()).collect();
        let (mut near, far) = BlockingStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let mut far = UnixStream::from_std(far).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let shutdown = CancellationToken::new();

        let (seen, end) = (Arc::clone(&events), shutdown.clone());
        let peer = tokio::spawn(async move {
            for _ in 0..CROWD {
                far.read_u8().await.unwrap();
                seen.lock().unwrap().push("served");
            }
            end.cancel();
        });
        let admitted = Arc::clone(&events);
        // As a task, like the peer: what `block_on` waits for goes before them all.
        let accepting = tokio::spawn(async move {
            let admit = |stream, connections: &mut JoinSet<()>| {
                admitted.lock().unwrap().push("admitted");
                near.write_all(&[0]).unwrap();
                // Over at once, which must not hasten the next.
                connections.spawn(async move { drop(stream) });
            };
            accept_each(listener, &shutdown, &mut JoinSet::new(), admit).await
        });
        peer.await.unwrap();
        accepting.await.unwrap().unwrap();
        drop(crowd);
        assert_eq!(*events.lock().unwrap(), ["admitted", "served"].repeat(CROWD));
    }

    const CROWD: usize = 32;
}
