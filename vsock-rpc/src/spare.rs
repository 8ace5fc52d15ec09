//! Memory of encodings that are done with, for the next ones of the same thread.

use std::cell::Cell;

/// An empty buffer for so many bytes, or a short encoding: the one that was given back last, or a new one.
pub(crate) fn buffer(capacity: usize) -> Vec<u8> {
    let mut spare = SPARE.try_with(Cell::take).unwrap_or_default();
    spare.clear();
    // None that is too short for the next encoding is to take a longer one's place.
    spare.reserve_exact(capacity.max(MIN_CAPACITY));
    spare
}

/// The same bytes in memory of their own.
pub(crate) fn copy(bytes: &[u8]) -> Vec<u8> {
    let mut copy = buffer(bytes.len());
    copy.extend_from_slice(bytes);
    copy
}

/// Keeps a buffer for the next [`buffer`] of this thread, unless it is large.
pub(crate) fn give_back(buffer: Vec<u8>) {
    if buffer.capacity() <= MAX_CAPACITY {
        // At the end of a thread there may be no next one.
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
}

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What most encodings fit in.
const MIN_CAPACITY: usize = 256;

/// What a thread keeps at most, and an encoding that waits may have unused.
pub(crate) const MAX_CAPACITY: usize = 4096;
