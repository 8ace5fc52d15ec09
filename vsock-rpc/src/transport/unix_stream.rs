//! [`QuietUnixStream`]: a unix stream that is not woken whenever its peer has read.
//!
//! Linux tells the writer of a unix socket of each message that was read that there is room again, and edge-triggered epoll
//! passes that on, whether or not anybody waits for room. A `tokio::net::UnixStream` asks for both events: where two
//! processes take turns on one processor, each then has the other one run once more in between, for nothing. This one asks
//! for what can be read alone until a write finds no room, which short messages never do.

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::net::RecvFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;

/// Belongs to the runtime that it is made in, whichever one polls it.
pub(super) struct QuietUnixStream {
    /// `None` once it could not be registered anew.
    socket: Option<AsyncFd<StdUnixStream>>,
    /// Whether it also is told of room to write. It stays so: what was full once will be so again.
    hears_of_room: bool,
    /// Who waits for something to read: that has to be asked for again when it is registered anew.
    reader: Option<Waker>,
    runtime: Handle,
}

impl QuietUnixStream {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let socket = register(stream.into_std()?, Interest::READABLE)?;
        Ok(Self { socket: Some(socket), hears_of_room: false, reader: None, runtime: Handle::current() })
    }

    fn socket(&self) -> io::Result<&AsyncFd<StdUnixStream>> {
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Asks to be told of room, too.
    fn hear_of_room(&mut self) -> io::Result<()> {
        let socket = self.socket.take().ok_or(io::ErrorKind::NotConnected)?.into_inner();
        // Another one may be polling it, and end long before it does.
        let _entered = self.runtime.enter();
        let registered = register(socket, Interest::READABLE | Interest::WRITABLE);
        if let Some(reader) = self.reader.take() {
            // Also if there is nothing to wait for any more.
            reader.wake();
        }
        self.socket = Some(registered?);
        self.hears_of_room = true;
        Ok(())
    }

    fn poll_write_when_there_is_room(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.socket()?;
        loop {
            let mut room = ready!(socket.poll_write_ready(cx))?;
            if let Ok(written) = room.try_io(|socket| write(socket.get_ref(), bytes)) {
                return Poll::Ready(written);
            }
        }
    }
}

impl AsyncRead for QuietUnixStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { socket, hears_of_room, reader, runtime: _ } = self.get_mut();
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut piece = [MaybeUninit::uninit(); MAX_READ_LEN];
        let piece = &mut piece[..MAX_READ_LEN.min(buf.remaining())];
        let len = piece.len();
        if len == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let Poll::Ready(guard) = socket.poll_read_ready(cx) else {
                if !*hears_of_room && !reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                    *reader = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            let mut guard = guard?;
            let received = guard.try_io(|socket| {
                let ((received, _), _) = rustix::net::recv(socket.get_ref(), &mut *piece, RecvFlags::empty())?;
                buf.put_slice(received);
                Ok(received.len())
            });
            match received {
                Ok(Ok(received)) => {
                    // Nothing more is there. What comes next, be it the end, is told anew.
                    if (1..len).contains(&received) {
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_nothing_there) => {}
            }
        }
    }
}

impl AsyncWrite for QuietUnixStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.hears_of_room {
            // Who never has to wait must still let others have their turn.
            let budget = ready!(poll_proceed(cx));
            match write(this.socket()?.get_ref(), bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => this.hear_of_room()?,
                written => {
                    budget.made_progress();
                    return Poll::Ready(written);
                }
            }
        }
        this.poll_write_when_there_is_room(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket()?.get_ref().shutdown(Shutdown::Write))
    }
}

#[expect(
    deprecated,
    reason = "its successor has the caller promise what a `UnixStream` sees to: that the descriptor stays the same"
)]
fn register(socket: StdUnixStream, interest: Interest) -> io::Result<AsyncFd<StdUnixStream>> {
    AsyncFd::with_interest(socket, interest)
}

fn write(mut socket: &StdUnixStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

/// What one read takes at most. It is copied from the stack: the memory that it is for is not initialized, which only
/// `unsafe` code may hand to the kernel.
const MAX_READ_LEN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::poll_fn;
    use std::os::fd::AsRawFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
    use tokio::runtime::Builder;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    fn pair() -> (QuietUnixStream, QuietUnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (QuietUnixStream::new(near).unwrap(), QuietUnixStream::new(far).unwrap())
    }

    /// More than two sockets hold.
    const MUCH: usize = 8 << 20;
    const LONG: Duration = Duration::from_secs(30);

    /// Not all the same, so that what is lost or comes twice shows.
    fn bytes() -> Vec<u8> {
        (0..=250).cycle().take(MUCH).collect()
    }

    /// What the kernel says of the socket's registration with epoll.
    fn is_told_of_room(stream: &QuietUnixStream) -> bool {
        const EPOLLOUT: u32 = 4;
        let descriptor = stream.socket().unwrap().get_ref().as_raw_fd().to_string();
        let events = fs::read_dir("/proc/self/fdinfo").unwrap().find_map(|info| {
            let info = fs::read_to_string(info.ok()?.path()).ok()?;
            info.lines().find_map(|line| {
                let mut words = line.strip_prefix("tfd:")?.split_whitespace();
                (words.next()? == descriptor).then(|| u32::from_str_radix(words.nth(1)?, 16).ok())?
            })
        });
        events.expect("it is registered") & EPOLLOUT != 0
    }

    #[tokio::test]
    async fn short_messages_go_both_ways_and_ends_are_told_apart() {
        let (mut near, mut far) = pair();
        for round in 0..1000_u32 {
            near.write_all(&round.to_be_bytes()).await.unwrap();
            assert_eq!(far.read_u32().await.unwrap(), round);
            far.write_all(&[7; 3]).await.unwrap();
            let mut received = [0; 3];
            near.read_exact(&mut received).await.unwrap();
        }
        near.write_all(b"last").await.unwrap();
        near.shutdown().await.unwrap();
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"last");
        assert_eq!([&near, &far].map(is_told_of_room), [false, false]);

        // Half of it is still open.
        far.write_all(b"back").await.unwrap();
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"back");
        assert_eq!(near.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_message_that_fills_the_readers_buffer_leaves_the_next_one_readable() {
        let (mut near, mut far) = pair();
        near.write_all(&[1; 2 * MAX_READ_LEN + 5]).await.unwrap();
        let mut received = vec![0; 4 * MAX_READ_LEN];
        let mut lens = Vec::new();
        while lens.iter().sum::<usize>() < 2 * MAX_READ_LEN + 5 {
            lens.push(timeout(LONG, far.read(&mut received)).await.expect("it is there").unwrap());
        }
        assert_eq!(lens, [MAX_READ_LEN, MAX_READ_LEN, 5]);
        assert_eq!(far.read(&mut []).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn all_arrives_though_there_is_no_room_for_it_and_it_goes_both_ways() {
        let (near, far) = pair();
        let sent = Arc::new(bytes());
        // Each half on its own task, with a waker of its own.
        let (mut readers, mut writers) = (JoinSet::new(), JoinSet::new());
        for stream in [near, far] {
            let (mut reading, mut writing) = split(stream);
            let sent = Arc::clone(&sent);
            writers.spawn(async move {
                writing.write_all(&sent).await.unwrap();
                writing.shutdown().await.unwrap();
            });
            readers.spawn(async move {
                let mut received = Vec::new();
                reading.read_to_end(&mut received).await.unwrap();
                received
            });
        }
        while let Some(received) = timeout(LONG, readers.join_next()).await.expect("nothing is lost") {
            assert!(received.unwrap() == *sent);
        }
        while let Some(written) = writers.join_next().await {
            written.unwrap();
        }
    }

    /// Counts how often it was woken.
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    #[test]
    fn it_stays_with_its_runtime_when_another_one_finds_no_room() {
        let [home, other] = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().unwrap());
        let (mut near, mut far) = home.block_on(async { pair() });
        let piece = [5; MAX_READ_LEN];
        other.block_on(async {
            while poll_fn(|cx| Poll::Ready(Pin::new(&mut near).poll_write(cx, &piece))).await.is_ready() {}
        });
        assert!(near.hears_of_room);
        drop(other);
        home.block_on(async {
            let reading = tokio::spawn(async move { far.read_to_end(&mut Vec::new()).await.unwrap() });
            timeout(LONG, near.write_all(&[6; 4])).await.expect("there is room soon").unwrap();
            drop(near);
            assert_eq!(reading.await.unwrap() % MAX_READ_LEN, 4);
        });
    }

    #[tokio::test]
    async fn whoever_waits_to_read_still_hears_of_it_once_a_write_found_no_room() {
        let (mut near, mut far) = pair();
        let counter = Arc::new(Counter(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counter));
        let mut buf = [0; 16];
        let mut read = |near: &mut QuietUnixStream| {
            let mut buf = ReadBuf::new(&mut buf);
            let polled = Pin::new(near).poll_read(&mut Context::from_waker(&waker), &mut buf);
            polled.map(|result| result.map(|()| buf.filled().len()).unwrap())
        };
        assert_eq!(read(&mut near), Poll::Pending);
        let piece = [5; MAX_READ_LEN];
        while poll_fn(|cx| Poll::Ready(Pin::new(&mut near).poll_write(cx, &piece))).await.is_ready() {}
        assert!(is_told_of_room(&near) && !is_told_of_room(&far));
        assert_eq!(counter.0.load(Ordering::Acquire), 1, "it has to wait anew");
        assert_eq!(read(&mut near), Poll::Pending);
        far.write_all(b"hello").await.unwrap();
        // The event comes while this task waits for the other one's.
        while counter.0.load(Ordering::Acquire) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(read(&mut near), Poll::Ready(5));
        let reading = tokio::spawn(async move {
            let mut received = Vec::new();
            far.read_to_end(&mut received).await.unwrap();
            received
        });
        timeout(LONG, near.write_all(&[6; 4])).await.expect("there is room soon").unwrap();
        drop(near);
        assert!(reading.await.unwrap().ends_with(&[5, 6, 6, 6, 6]));
    }
}
