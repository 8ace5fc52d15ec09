//! A pair of streams that passes on as much or as little at a time as the numbers say, and breaks when told.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the two ends share. The streams must be `Send`, which [`Random`](super::executor::Random) is not: they draw from
/// a sequence of their own.
struct Pipe {
    state: u64,
    ways: [Way; 2],
    broken: bool,
}

#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    is_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end: it reads from one way, and writes to the other.
pub(super) struct End {
    pipe: Arc<Mutex<Pipe>>,
    reads: usize,
}

/// Breaks the pipe.
pub(super) struct Breaker(Arc<Mutex<Pipe>>);

pub(super) fn pipe(seed: u64) -> (End, End, Breaker) {
    let pipe = Arc::new(Mutex::new(Pipe { state: seed | 1, ways: Default::default(), broken: false }));
    (End { pipe: Arc::clone(&pipe), reads: 0 }, End { pipe: Arc::clone(&pipe), reads: 1 }, Breaker(pipe))
}

impl Breaker {
    /// Ends both ways, as a peer does that is killed. What was not read yet may be lost.
    pub(super) fn kill(&self, loses_what_is_unread: bool) {
        let mut pipe = lock(&self.0);
        pipe.broken = true;
        for way in &mut pipe.ways {
            if loses_what_is_unread {
                way.bytes.clear();
            }
            way.is_ended = true;
            way.wake();
        }
    }
}

impl Pipe {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64: it is never 0.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % bound as u64).expect("below a usize")
    }

    /// How much passes this time, of so much at most; `None` if the peer has to come again.
    fn share(&mut self, most: usize) -> Option<usize> {
        match self.below(4) {
            0 => None,
            1 => Some(most),
            _ => Some(1 + self.below(most.min(24))),
        }
    }
}

impl Way {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.pipe);
        let waiting = pipe.ways[self.reads].bytes.len();
        if waiting == 0 {
            let way = &mut pipe.ways[self.reads];
            if way.is_ended {
                return Poll::Ready(Ok(()));
            }
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(len) = pipe.share(waiting.min(buf.remaining())) else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let way = &mut pipe.ways[self.reads];
        let taken: Vec<u8> = way.bytes.drain(..len).collect();
        buf.put_slice(&taken);
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.pipe);
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let way = &mut pipe.ways[1 - self.reads];
        let room = CAPACITY - way.bytes.len();
        if room == 0 {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(len) = pipe.share(room.min(bytes.len())) else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let way = &mut pipe.ways[1 - self.reads];
        way.bytes.extend(&bytes[..len]);
        way.wake();
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let way = &mut lock(&self.pipe).ways[1 - self.reads];
        way.is_ended = true;
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        Breaker(Arc::clone(&self.pipe)).kill(false);
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().expect("nothing panics while it holds this")
}

const CAPACITY: usize = 96;
