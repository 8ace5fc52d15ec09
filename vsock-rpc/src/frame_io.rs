//! [`FrameIo`]: frames over a byte stream, polled, with the memory and the time of both directions bounded.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::codec::Decoder;

use crate::alarm::earlier;
use crate::codec::FrameCodec;
use crate::frame::{Frame, FrameError, FrameKind};
use crate::transport::MAX_WRITE_LEN;
use crate::write_buffer::{IDLE_CAPACITY, WriteBuffer};

/// A byte stream with a codec, what has arrived of the next frames, and what waits to be written.
///
/// Reads go through a buffer on the stack, so that a connection holds what has arrived, whatever its headers claim. A
/// buffer that was emptied keeps at most [`IDLE_CAPACITY`].
pub(crate) struct FrameIo<T> {
    io: T,
    codec: FrameCodec,
    input: BytesMut,
    /// How much memory `input` has, with what was taken from its front.
    input_allocated: usize,
    output: WriteBuffer,
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
            input: BytesMut::new(),
            input_allocated: 0,
            output: WriteBuffer::default(),
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
    pub(crate) fn queue_all(&mut self, frames: &mut WriteBuffer) {
        self.output.take(frames);
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
        if make_room(&mut self.input, buf.filled().len()) {
            self.input_allocated = self.input.capacity();
        }
        self.input.extend_from_slice(buf.filled());
        self.paused_since = None;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Changes the payload limit, from the next header on.
    pub(crate) fn set_max_payload_len(&mut self, max_payload_len: usize) {
        self.codec.set_max_payload_len(max_payload_len);
    }

    /// The next frame that has arrived whole.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        // As is most often so after a frame.
        if self.codec.is_at_rest(&self.input) {
            self.partial_since = None;
            return Ok(None);
        }
        let frame = self.codec.decode(&mut self.input)?;
        if frame.is_some() || !self.codec.is_inside_frame(&self.input) {
            self.partial_since = None;
        } else {
            let since = self.paused_since;
            self.partial_since.get_or_insert_with(|| since.unwrap_or_else(Instant::now));
        }
        // The frame may share the memory, which keeps the buffer from telling how much it is.
        if self.input.is_empty() && self.input_allocated > IDLE_CAPACITY {
            self.discard_input();
        }
        Ok(frame)
    }

    /// Whether the stream ended inside a frame, once it ended.
    pub(crate) fn is_inside_frame(&self) -> bool {
        self.codec.is_inside_frame(&self.input)
    }

    /// Notes that nothing is read now, because the peer does not take what waits for it. That gives it no more time for the
    /// frame that it has begun: what has arrived of it came just before.
    pub(crate) fn pause_reading(&mut self) {
        if !self.input.is_empty() {
            self.paused_since.get_or_insert_with(Instant::now);
        }
    }

    /// When the peer will have been too slow, in either direction.
    pub(crate) fn stalls_at(&self, frame_timeout: Duration, write_timeout: Duration) -> Option<Instant> {
        let partial_since =
            self.partial_since.or_else(|| self.paused_since.filter(|_| self.codec.lacks_rest(&self.input)));
        let frame = partial_since.map(|since| since + frame_timeout);
        let write = self.blocked_since.map(|since| since + write_timeout);
        earlier(frame, write)
    }

    /// Tells the peer that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Forgets what has arrived.
    pub(crate) fn discard_input(&mut self) {
        self.input = BytesMut::new();
        self.input_allocated = 0;
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

/// Makes room for so many bytes more, in a buffer that then has at most twice what it holds or needs. Returns whether its
/// memory is new.
///
/// Left to itself, a `BytesMut` doubles what it held when it was fullest, with all that was taken from its front since.
fn make_room(buffer: &mut BytesMut, additional: usize) -> bool {
    if buffer.capacity() - buffer.len() >= additional || buffer.try_reclaim(additional) {
        return false;
    }
    let mut grown = BytesMut::with_capacity((buffer.len() + additional).max(2 * buffer.len()));
    grown.extend_from_slice(buffer);
    *buffer = grown;
    true
}

const READ_LEN: usize = 16 * 1024;
