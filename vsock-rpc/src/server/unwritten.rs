//! [`Unwritten`]: the places of answers that are encoded, but not yet the transport's.

use std::collections::VecDeque;

use crate::request_place::RequestPlace;

/// Holds each answer's place until the last byte of its frame is written, so that a peer that does not read cannot
/// pile up answers that no bound counts.
#[derive(Default)]
pub(super) struct Unwritten {
    /// In the order written: where each frame ends in the connection's output, and its place.
    places: VecDeque<(u64, RequestPlace)>,
}

impl Unwritten {
    /// How many answers wait.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Holds `place` until the output has been written up to `end`.
    pub(super) fn hold(&mut self, end: u64, place: RequestPlace) {
        self.places.push_back((end, place));
    }

    /// Gives back the places of all that is written.
    pub(super) fn release(&mut self, written: u64) {
        while self.places.pop_front_if(|(end, _)| *end <= written).is_some() {}
    }
}
