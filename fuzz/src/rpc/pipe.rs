//! A stream for the peer under test, whose other end is plain functions: nothing moves but what the run moves.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The run's end.
#[derive(Clone)]
pub(super) struct Far(Arc<Mutex<Ways>>);

/// The end of the peer under test.
pub(super) struct Near(Arc<Mutex<Ways>>);

struct Ways {
    to_peer: Way,
    from_peer: Way,
    capacity: usize,
}

#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    passed: usize,
    is_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(super) fn pipe(capacity: usize) -> (Far, Near) {
    // All of it now: what the peer allocates can then be told from what the pipe does.
    let way = || Way { bytes: VecDeque::with_capacity(capacity), ..Way::default() };
    let ways = Arc::new(Mutex::new(Ways { to_peer: way(), from_peer: way(), capacity }));
    (Far(Arc::clone(&ways)), Near(ways))
}

impl Far {
    /// Hands on what there is room for, and returns how much that was; nothing if the peer is gone.
    pub(super) fn send(&self, bytes: &[u8]) -> usize {
        let mut ways = lock(&self.0);
        let room = ways.capacity - ways.to_peer.bytes.len();
        let len = if ways.to_peer.is_ended { 0 } else { room.min(bytes.len()) };
        ways.to_peer.bytes.extend(&bytes[..len]);
        ways.to_peer.passed += len;
        ways.to_peer.wake();
        len
    }

    /// Takes at most so many of the peer's bytes.
    pub(super) fn receive(&self, most: usize) -> Vec<u8> {
        let mut ways = lock(&self.0);
        let len = ways.from_peer.bytes.len().min(most);
        let taken = ways.from_peer.bytes.drain(..len).collect();
        ways.from_peer.wake();
        taken
    }

    /// What the peer has written and nobody has taken.
    pub(super) fn peek(&self) -> Vec<u8> {
        lock(&self.0).from_peer.bytes.iter().copied().collect()
    }

    /// Whether the peer can write no more before something is taken.
    pub(super) fn is_full(&self) -> bool {
        let ways = lock(&self.0);
        ways.from_peer.bytes.len() == ways.capacity
    }

    /// Sends no more.
    pub(super) fn end(&self) {
        let mut ways = lock(&self.0);
        ways.to_peer.is_ended = true;
        ways.to_peer.wake();
    }

    /// How many bytes the peer has not read.
    pub(super) fn unread(&self) -> usize {
        lock(&self.0).to_peer.bytes.len()
    }

    /// How many bytes the peer has written.
    pub(super) fn written(&self) -> usize {
        lock(&self.0).from_peer.passed
    }

    /// Whether the peer writes no more, and all that it wrote was taken.
    pub(super) fn is_over(&self) -> bool {
        let ways = lock(&self.0);
        ways.from_peer.is_ended && ways.from_peer.bytes.is_empty()
    }

    /// Changes whenever anything moves.
    pub(super) fn movement(&self) -> usize {
        let ways = lock(&self.0);
        let ended = usize::from(ways.to_peer.is_ended) + usize::from(ways.from_peer.is_ended);
        ways.to_peer.passed + ways.from_peer.passed + ended - ways.to_peer.bytes.len() + (1 << 40)
    }
}

impl Way {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

impl AsyncRead for Near {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let way = &mut lock(&self.0).to_peer;
        if way.bytes.is_empty() && !way.is_ended {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = way.bytes.len().min(buf.remaining());
        let (front, back) = way.bytes.as_slices();
        let from_front = len.min(front.len());
        buf.put_slice(&front[..from_front]);
        buf.put_slice(&back[..len - from_front]);
        way.bytes.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut ways = lock(&self.0);
        let room = ways.capacity - ways.from_peer.bytes.len();
        if room == 0 {
            ways.from_peer.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = room.min(bytes.len());
        ways.from_peer.bytes.extend(&bytes[..len]);
        ways.from_peer.passed += len;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).from_peer.is_ended = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut ways = lock(&self.0);
        ways.to_peer.is_ended = true;
        ways.from_peer.is_ended = true;
    }
}

fn lock(ways: &Mutex<Ways>) -> MutexGuard<'_, Ways> {
    ways.lock().expect("nothing panics while it holds this")
}
