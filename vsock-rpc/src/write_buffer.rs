//! [`WriteBuffer`]: bytes of frames that wait to be written.

use crate::frame::{FrameHeader, FrameKind};

/// Whole frames, of which the first may be written in part. Emptied, it keeps at most [`IDLE_CAPACITY`].
#[derive(Debug, Default)]
pub(crate) struct WriteBuffer {
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    start: usize,
}

impl WriteBuffer {
    /// Appends a frame whose payload is known to be within the limits.
    pub(crate) fn put_frame(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) {
        let payload_len = u32::try_from(payload.len()).expect("payloads are bounded far below 4 GiB");
        let header = FrameHeader { kind, payload_len, request_id };
        self.make_room(FrameHeader::LEN + payload.len());
        header.put(payload, &mut self.bytes);
    }

    /// Appends what waits in `frames`, and empties it.
    pub(crate) fn take(&mut self, frames: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, frames);
        } else {
            self.make_room(frames.len());
            self.bytes.extend_from_slice(frames.as_slice());
        }
        frames.clear();
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that the first `len` bytes are written.
    pub(crate) fn advance(&mut self, len: usize) {
        self.start += len;
        debug_assert!(self.start <= self.bytes.len(), "more is written than was there");
        if self.is_empty() {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.start = 0;
        self.bytes.clear();
        if self.bytes.capacity() > IDLE_CAPACITY {
            self.bytes = Vec::new();
        }
    }

    /// Makes room for so many bytes more, in memory of which there is then at most twice what waits or is needed.
    ///
    /// Left to itself, a `Vec` doubles what it held when it was fullest, with all that is written of it.
    fn make_room(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() >= additional {
            return;
        }
        let len = self.len();
        // Moved no more often than as many bytes were written.
        if self.start >= len && self.bytes.capacity() - len >= additional {
            self.bytes.drain(..self.start);
        } else {
            let mut grown = Vec::with_capacity((len + additional).max(2 * len));
            grown.extend_from_slice(self.as_slice());
            self.bytes = grown;
        }
        self.start = 0;
    }
}

/// What an empty buffer may keep for the next frame.
pub(crate) const IDLE_CAPACITY: usize = 32 * 1024;
