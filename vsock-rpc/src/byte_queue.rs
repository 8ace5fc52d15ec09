//! [`ByteQueue`]: bytes of frames that wait to be written, or have arrived.

use crate::frame::{FrameHeader, FrameKind};

/// Added at the back and taken from the front. Emptied, it keeps at most [`IDLE_CAPACITY`].
#[derive(Debug, Default)]
pub(crate) struct ByteQueue {
    bytes: Vec<u8>,
    /// How many of the bytes are taken.
    start: usize,
}

impl ByteQueue {
    /// Appends a frame whose payload is known to be within the limits.
    pub(crate) fn put_frame(&mut self, kind: FrameKind, request_id: u64, payload: &[u8]) {
        let payload_len = u32::try_from(payload.len()).expect("payloads are bounded far below 4 GiB");
        let header = FrameHeader { kind, payload_len, request_id };
        self.make_room(FrameHeader::LEN + payload.len());
        header.put(payload, &mut self.bytes);
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends what is in `other`, and empties it.
    pub(crate) fn put_all(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else {
            self.put(other.as_slice());
        }
        other.clear();
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

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes the first `len` bytes away.
    pub(crate) fn advance(&mut self, len: usize) {
        self.start += len;
        debug_assert!(self.start <= self.bytes.len(), "more is taken than was there");
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.bytes.clear();
        if self.bytes.capacity() > IDLE_CAPACITY {
            self.bytes = Vec::new();
        }
    }

    /// Makes room for so many bytes more, in memory of which there is at most twice the most that it held since it was empty.
    ///
    /// Left to itself, a `Vec` doubles what it held when it was fullest, with all that is taken of it.
    fn make_room(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() >= additional {
            return;
        }
        let len = self.len();
        // It moves no more bytes than were taken.
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

/// What an empty one may keep for the next frame.
pub(crate) const IDLE_CAPACITY: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(usize),
        PutFrame(usize),
        PutAll(usize),
        /// So many thousandths of what is there.
        Advance(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20_000_usize).prop_map(Step::Put),
            (0..20_000_usize).prop_map(Step::PutFrame),
            (0..20_000_usize).prop_map(Step::PutAll),
            (0..=1_000_usize).prop_map(Step::Advance),
            Just(Step::Advance(1_000)),
        ]
    }

    proptest! {
        #[test]
        fn what_was_put_comes_out_in_order_and_memory_is_bounded(steps in prop::collection::vec(any_step(), 0..40)) {
            let (mut queue, mut expected, mut most) = (ByteQueue::default(), VecDeque::new(), 0);
            for (number, step) in steps.into_iter().enumerate() {
                let payload = |len: usize| vec![u8::try_from(number).expect("few steps"); len];
                let mut frame = |len: usize| {
                    let header = FrameHeader { kind: FrameKind::Response, payload_len: u32::try_from(len).expect("short"), request_id: 1 };
                    expected.extend(header.to_bytes());
                    expected.extend(payload(len));
                };
                match step {
                    Step::Put(len) => {
                        expected.extend(payload(len));
                        queue.put(&payload(len));
                    }
                    Step::PutFrame(len) => {
                        frame(len);
                        queue.put_frame(FrameKind::Response, 1, &payload(len));
                    }
                    Step::PutAll(len) => {
                        frame(len);
                        let mut other = ByteQueue::default();
                        other.put_frame(FrameKind::Response, 1, &payload(len));
                        queue.put_all(&mut other);
                        prop_assert!(other.is_empty());
                    }
                    Step::Advance(thousandths) => {
                        let len = queue.len() * thousandths / 1_000;
                        expected.drain(..len);
                        queue.advance(len);
                    }
                }
                prop_assert!(queue.as_slice().iter().eq(&expected));
                most = if queue.is_empty() { 0 } else { most.max(queue.len()) };
                prop_assert!(queue.capacity() <= (2 * most).max(IDLE_CAPACITY), "{}", queue.capacity());
            }
        }
    }
}
