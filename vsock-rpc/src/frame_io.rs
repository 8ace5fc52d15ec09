//! [`FrameIo`]: frames over a byte stream, polled, with the memory and the time of both directions bounded.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::alarm::earlier;
use crate::byte_queue::ByteQueue;
use crate::codec::FrameCodec;
use crate::frame::{FrameError, FrameHeader, FrameKind};
use crate::transport::MAX_WRITE_LEN;

/// A byte stream with a codec, what has arrived of the next frames, and what waits to be written.
///
/// Reads go through a buffer on the stack, so that a connection holds what has arrived, whatever its headers claim.
pub(crate) struct FrameIo<T> {
    io: T,
    codec: FrameCodec,
    input: ByteQueue,
    /// How much of `input` is the frame that was found last, whose payload may still be looked at.
    found_len: usize,
    output: ByteQueue,
    needs_flush: bool,
    /// Bytes written since the connection began.
    written: u64,
    /// Since when part of a frame waits for its rest.
    partial_since: Option<Instant>,
    /// Since when reading is paused before what has arrived was looked at.
    paused_since: Option<Instant>,
    /// Since when the peer has not taken a piece of [`MAX_WRITE_LEN`].
    blocked_since: Option<Instant>,
    taken_of_piece: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> FrameIo<T> {
    pub(crate) fn new(io: T, max_payload_len: usize) -> Self {
        Self {
            io,
            codec: FrameCodec::new(max_payload_len),
            input: ByteQueue::default(),
            found_len: 0,
            output: ByteQueue::default(),
            needs_flush: false,
            written: 0,
            partial_since: None,
            paused_since: None,
            blocked_since: None,
            taken_of_piece: 0,
        }
    }

    /// Queues a frame whose payload is known to be within the limits.
    pub(crate) fn queue(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) {
        self.output.put_frame(kind, request_id, payload);
    }

    /// Queues frames that others have put together, and empties `frames`.
    pub(crate) fn queue_all(&mut self, frames: &mut ByteQueue) {
        self.output.put_all(frames);
    }

    /// How many bytes wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.output.len()
    }

    /// How many bytes were written since the connection began.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what is queued, in pieces; ready when all of it is written and flushed.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let waiting = self.output.as_slice();
            let piece = &waiting[..waiting.len().min(MAX_WRITE_LEN)];
            match Pin::new(&mut self.io).poll_write(cx, piece) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(len)) => self.note_written(len),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
        if self.needs_flush {
            let flushed = Pin::new(&mut self.io).poll_flush(cx);
            if flushed.is_pending() {
                // A stream that buffers, such as TLS, has taken what the peer has not.
                self.blocked_since.get_or_insert_with(Instant::now);
            }
            ready!(flushed)?;
            self.needs_flush = false;
            self.taken_of_piece = 0;
            self.blocked_since = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. `Ok(0)` is the end of the stream.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [MaybeUninit::uninit(); READ_LEN];
        let mut buf = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        self.release_frame();
        self.input.put(buf.filled());
        self.paused_since = None;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Changes the payload limit, from the next header on.
    pub(crate) fn set_max_payload_len(&mut self, max_payload_len: usize) {
        self.codec.set_max_payload_len(max_payload_len);
    }

    /// The header of the next frame that has arrived whole.
    pub(crate) fn next_frame(&mut self) -> Result<Option<FrameHeader>, FrameError> {
        self.release_frame();
        let header = self.codec.find_frame(self.input.as_slice())?;
        self.found_len = header.map_or(0, |header| header.frame_len());
        if header.is_none() && !self.input.is_empty() {
            let since = self.paused_since;
            self.partial_since.get_or_insert_with(|| since.unwrap_or_else(Instant::now));
        } else {
            self.partial_since = None;
        }
        Ok(header)
    }

    /// The payload of the frame that [`next_frame`](Self::next_frame) found, until that is called again, and no longer than
    /// until anything is read, reading is paused, or what has arrived is discarded.
    pub(crate) fn payload(&self) -> &[u8] {
        self.input.as_slice()[..self.found_len].get(FrameHeader::LEN..).unwrap_or_default()
    }

    /// Whether the stream ended inside a frame, once it ended and [`next_frame`](Self::next_frame) finds no more.
    pub(crate) fn is_inside_frame(&self) -> bool {
        self.input.len() > self.found_len
    }

    /// Notes that nothing is read now, because the peer does not take what waits for it. That gives it no more time for the
    /// frame that it has begun: what has arrived of it came just before.
    pub(crate) fn pause_reading(&mut self) {
        self.release_frame();
        if !self.input.is_empty() {
            self.paused_since.get_or_insert_with(Instant::now);
        }
    }

    /// When the peer will have been too slow, in either direction.
    pub(crate) fn stalls_at(&self, frame_timeout: Duration, write_timeout: Duration) -> Option<Instant> {
        let partial_since = self
            .partial_since
            .or_else(|| self.paused_since.filter(|_| self.codec.lacks_rest(&self.input.as_slice()[self.found_len..])));
        let frame = partial_since.map(|since| since + frame_timeout);
        let write = self.blocked_since.map(|since| since + write_timeout);
        earlier(frame, write)
    }

    /// Tells the peer that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Forgets what has arrived. What comes after it cannot be told apart, and is to be discarded too.
    pub(crate) fn discard_input(&mut self) {
        self.found_len = 0;
        self.input = ByteQueue::default();
        self.codec.forget();
        (self.partial_since, self.paused_since) = (None, None);
    }

    /// Nobody looks at the frame that was found last any more.
    fn release_frame(&mut self) {
        if self.found_len > 0 {
            self.input.advance(std::mem::take(&mut self.found_len));
        }
    }

    fn note_written(&mut self, len: usize) {
        self.output.advance(len);
        self.written += len as u64;
        self.needs_flush = true;
        self.taken_of_piece += len;
        // Only a whole piece counts as progress, or the last one flushed: a peer that takes a byte now and then is a
        // slow reader.
        if self.taken_of_piece >= MAX_WRITE_LEN {
            self.taken_of_piece = 0;
            self.blocked_since = None;
        }
    }
}

const READ_LEN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{Join, Sink, join, sink};

    use super::*;
    use crate::byte_queue::IDLE_CAPACITY;

    const LONG: Duration = Duration::from_secs(60);

    /// Frames of which all but the last `missing` bytes have been read.
    fn arrived(frames: &ByteQueue, missing: usize) -> FrameIo<Join<&[u8], Sink>> {
        let (bytes, _) = frames.as_slice().split_at(frames.len() - missing);
        let mut io = FrameIo::new(join(bytes, sink()), 1 << 20);
        while let Poll::Ready(Ok(1..)) = io.poll_read(&mut Context::from_waker(Waker::noop())) {}
        assert_eq!(io.input.len(), bytes.len());
        io
    }

    fn two_frames() -> ByteQueue {
        let mut frames = ByteQueue::default();
        frames.put_frame(FrameKind::Response, 1, &[7; 100_000]);
        frames.put_frame(FrameKind::Response, 2, &[8; 3]);
        frames
    }

    #[test]
    fn a_payload_is_there_until_the_next_frame_and_its_memory_is_given_back() {
        let frames = two_frames();
        let mut io = arrived(&frames, 0);
        for (request_id, payload) in [(1, &[7; 100_000][..]), (2, &[8; 3])] {
            assert_eq!(io.next_frame().unwrap().map(|header| header.request_id), Some(request_id));
            assert_eq!(io.payload(), payload);
        }
        assert!(!io.is_inside_frame());
        assert_eq!(io.next_frame().unwrap(), None);
        assert_eq!(io.payload(), b"");
        assert!(io.input.capacity() <= IDLE_CAPACITY, "{}", io.input.capacity());
    }

    #[test]
    fn what_is_read_ends_the_payload_before_it_and_nothing_else() {
        let frames = two_frames();
        let mut io = arrived(&frames, 2);
        assert!(io.next_frame().unwrap().is_some());
        assert!(io.is_inside_frame(), "the second one has begun");
        io.io = join(&frames.as_slice()[frames.len() - 2..], sink());
        assert!(matches!(io.poll_read(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(2))));
        assert_eq!(io.payload(), b"");
        assert_eq!(io.next_frame().unwrap().map(|header| header.request_id), Some(2));
        assert_eq!(io.payload(), [8; 3]);
    }

    #[test]
    fn only_a_frame_that_has_begun_is_late_while_reading_is_paused() {
        let frames = two_frames();
        for (missing, is_late) in [(3 + FrameHeader::LEN, false), (2 + FrameHeader::LEN, true), (1, true), (0, false)] {
            let mut io = arrived(&frames, missing);
            assert!(io.next_frame().unwrap().is_some());
            assert_eq!(io.stalls_at(LONG, LONG), None, "nothing is paused yet");
            io.pause_reading();
            assert_eq!(io.stalls_at(LONG, LONG).is_some(), is_late, "{missing} bytes missing");
            assert_eq!(io.payload(), b"");
        }
    }
}
