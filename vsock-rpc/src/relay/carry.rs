//! [`carry`]: two streams, joined until both directions have ended.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::transport::{MAX_WRITE_LEN, Stream};

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) from_target: AtomicU64,
    pub(super) to_target: AtomicU64,
}

/// Copies both ways. An end of stream is passed on once all before it is; the other direction goes on.
pub(super) async fn carry(
    mut client: Stream,
    mut target: Stream,
    idle_timeout: Duration,
    carried: &Carried,
) -> io::Result<()> {
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let mut alarm = Alarm::default();
    let mut last_moved = Instant::now();
    poll_fn(|cx| {
        let to_target = up.poll(&mut client, &mut target, &carried.to_target, cx)?;
        let from_target = down.poll(&mut target, &mut client, &carried.from_target, cx)?;
        if to_target.is_ready() && from_target.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut up.has_moved) | std::mem::take(&mut down.has_moved) {
            last_moved = Instant::now();
        }
        if alarm.has_passed(Some(last_moved + idle_timeout), cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    })
    .await
}

/// One way. Holds memory only while the reader at its end is slower than the writer at its start, and then at most
/// what one read brought.
#[derive(Default)]
struct Direction {
    held: BytesMut,
    state: State,
    has_moved: bool,
    needs_flush: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Copying,
    Ending,
    Ended,
}

impl Direction {
    fn poll(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        carried: &AtomicU64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..READS_PER_POLL {
            match self.state {
                State::Copying => ready!(self.poll_copy(from, to, carried, cx))?,
                State::Ending => {
                    match ready!(Pin::new(&mut *to).poll_shutdown(cx)) {
                        // The other end closed both ways by itself: it has no use for our end of stream.
                        Err(error) if error.kind() != io::ErrorKind::NotConnected => return Poll::Ready(Err(error)),
                        _ => self.state = State::Ended,
                    }
                    self.has_moved = true;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what one read brings.
    fn poll_copy(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        carried: &AtomicU64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let len = ready!(poll_write(to, &self.held, cx))?;
            self.moved(len, carried);
            self.held.advance(len);
        }
        let mut scratch = [MaybeUninit::uninit(); MAX_WRITE_LEN];
        let mut buf = ReadBuf::uninit(&mut scratch);
        match Pin::new(from).poll_read(cx, &mut buf)? {
            Poll::Ready(()) => {}
            Poll::Pending => {
                if self.needs_flush {
                    ready!(Pin::new(to).poll_flush(cx))?;
                    self.needs_flush = false;
                }
                return Poll::Pending;
            }
        }
        self.has_moved = true;
        if buf.filled().is_empty() {
            self.state = State::Ending;
            return Poll::Ready(Ok(()));
        }
        let mut rest = buf.filled();
        while !rest.is_empty() {
            let Poll::Ready(written) = poll_write(to, rest, cx) else { break };
            let len = written?;
            self.moved(len, carried);
            rest = &rest[len..];
        }
        // A fresh buffer: one that is reused would keep an idle connection's memory.
        self.held = BytesMut::from(rest);
        Poll::Ready(Ok(()))
    }

    fn moved(&mut self, len: usize, carried: &AtomicU64) {
        carried.fetch_add(len as u64, Ordering::Relaxed);
        self.has_moved = true;
        self.needs_flush = true;
    }
}

fn poll_write(to: &mut Stream, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        len => Poll::Ready(Ok(len)),
    }
}

/// After this many reads in a row, other tasks have their turn.
const READS_PER_POLL: usize = 16;
