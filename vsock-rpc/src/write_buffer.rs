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

    /// Makes room for so many bytes more, in memory of which there is at most twice the most that waited since it was empty.
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(usize),
        Take(usize),
        /// So many thousandths of what waits.
        Advance(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20_000_usize).prop_map(Step::Put),
            (0..20_000_usize).prop_map(Step::Take),
            (0..=1_000_usize).prop_map(Step::Advance),
            Just(Step::Advance(1_000)),
        ]
    }

    proptest! {
        #[test]
        fn what_was_put_comes_out_in_order_and_memory_is_bounded(steps in prop::collection::vec(any_step(), 0..40)) {
            let (mut buffer, mut expected, mut most) = (WriteBuffer::default(), VecDeque::new(), 0);
            for (number, step) in steps.into_iter().enumerate() {
                let payload = |len: usize| vec![u8::try_from(number).expect("few steps"); len];
                let mut frame = |len: usize| {
                    let header = FrameHeader { kind: FrameKind::Response, payload_len: u32::try_from(len).expect("short"), request_id: 1 };
                    expected.extend(header.to_bytes());
                    expected.extend(payload(len));
                };
                match step {
                    Step::Put(len) => {
                        frame(len);
                        buffer.put_frame(FrameKind::Response, 1, &payload(len));
                    }
                    Step::Take(len) => {
                        frame(len);
                        let mut other = WriteBuffer::default();
                        other.put_frame(FrameKind::Response, 1, &payload(len));
                        buffer.take(&mut other);
                        prop_assert!(other.is_empty());
                    }
                    Step::Advance(thousandths) => {
                        let len = buffer.len() * thousandths / 1_000;
                        expected.drain(..len);
                        buffer.advance(len);
                    }
                }
                prop_assert!(buffer.as_slice().iter().eq(&expected));
                most = if buffer.is_empty() { 0 } else { most.max(buffer.len()) };
                prop_assert!(buffer.bytes.capacity() <= (2 * most).max(IDLE_CAPACITY), "{}", buffer.bytes.capacity());
            }
        }
    }
}
