//! [`Backlog`]: accepting in the face of failures that pass.

use std::io;
use std::time::Duration;

use super::{Listener, Stream};

/// Accepts from a listener, and waits out failures that are not the listener's own.
#[derive(Debug)]
pub(crate) struct Backlog<L = Listener> {
    listener: L,
}

/// What yields connections.
pub(crate) trait Accept: Send {
    /// The next connection. Cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<Stream>> + Send;
}

impl Accept for Listener {
    async fn accept(&mut self) -> io::Result<Stream> {
        Self::accept(self).await
    }
}

impl<L: Accept> Backlog<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self { listener }
    }

    /// The next connection; an error says that there will be none any more. Cancel safe.
    ///
    /// Whatever else fails is tried again after a pause, however often: whoever can exhaust descriptors or memory, or
    /// leaves before it is accepted, cannot end a listener so.
    pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            match self.listener.accept().await {
                Err(error) if !is_final(&error) => tokio::time::sleep(RETRY_DELAY).await,
                accepted => return accepted,
            }
        }
    }
}

/// Whether the listener itself is of no use any more.
fn is_final(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(number) => NOT_LISTENING.contains(&number),
        // In memory, nobody is left who could connect.
        None => error.kind() == io::ErrorKind::BrokenPipe,
    }
}

/// `EBADF`, `EINVAL` and `ENOTSOCK`, two of which have no [`io::ErrorKind`]. All that accept(2) lists beside them is
/// about one connection, or about what the process and the machine have left.
const NOT_LISTENING: [i32; 3] = [9, 22, 88];
/// Descriptors and memory come back when other connections end; until then trying costs next to nothing.
const RETRY_DELAY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use tokio::time::{Instant, timeout};

    use super::*;

    /// Fails in turn, a number of times each, and then accepts.
    struct Failing(Vec<(usize, io::Error)>);

    impl Accept for Failing {
        async fn accept(&mut self) -> io::Result<Stream> {
            let Some((times, error)) = self.0.last_mut() else { return Ok(tokio::io::duplex(1).0.into()) };
            let failure = match error.raw_os_error() {
                Some(number) => io::Error::from_raw_os_error(number),
                None => error.kind().into(),
            };
            *times -= 1;
            self.0.retain(|(times, _)| *times > 0);
            Err(failure)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_exhaustion_and_no_connection_that_failed_ends_a_listener_however_long() {
        let passing = [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NOBUFS,
            Errno::NOSPC,
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::PIPE,
            Errno::PROTO,
            Errno::PERM,
            Errno::OPNOTSUPP,
            Errno::NETDOWN,
            Errno::HOSTUNREACH,
            Errno::INTR,
        ];
        let began = Instant::now();
        let mut backlog = Backlog::new(Failing(passing.map(|error| (1_000, error.into())).into()));
        backlog.accept().await.unwrap();
        // One pause for each: neither in a loop that spins, nor in pauses that grow.
        let pauses = RETRY_DELAY * 14 * 1_000;
        assert!((pauses..pauses + RETRY_DELAY * 1_000).contains(&began.elapsed()), "{:?}", began.elapsed());
        backlog.accept().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_socket_itself_is_told_at_once() {
        let began = Instant::now();
        let own = [Errno::BADF, Errno::INVAL, Errno::NOTSOCK].map(io::Error::from);
        for error in own.into_iter().chain([io::ErrorKind::BrokenPipe.into()]) {
            let (kind, number) = (error.kind(), error.raw_os_error());
            let told = Backlog::new(Failing(vec![(1, error)])).accept().await.unwrap_err();
            assert_eq!((told.kind(), told.raw_os_error()), (kind, number));
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_in_a_pause_loses_nothing() {
        let mut backlog = Backlog::new(Failing(vec![(3, Errno::MFILE.into())]));
        for _ in 0..3 {
            assert!(timeout(RETRY_DELAY / 2, backlog.accept()).await.is_err());
        }
        timeout(RETRY_DELAY / 2, backlog.accept()).await.unwrap().unwrap();
    }
}
