//! [`Aftermath`]: what turns leave to be done once the seat is free.

use std::task::Waker;

use tokio::sync::OwnedSemaphorePermit;

use super::table::Reply;

/// Wakers and permits, whose return wakes too, run code of others: none of it under a lock of the connection.
#[derive(Default)]
pub(super) struct Aftermath {
    /// What a leader finds of its own call.
    pub(super) led: Option<LedReply>,
    /// Shares of the client's bound, to be given back.
    pub(super) permits: Vec<OwnedSemaphorePermit>,
    pub(super) wakers: Vec<Waker>,
}

/// The reply to the call whose caller drives, and its permit: a lone call needs no list for one.
pub(super) struct LedReply {
    pub(super) reply: Reply,
    #[expect(dead_code, reason = "held until it is dropped")]
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Aftermath {
    /// Gives back and wakes, and keeps the memory of the lists. The reply goes to whom it is for.
    pub(super) fn settle(&mut self) -> Option<Reply> {
        // Most often there is nothing in them.
        if !self.permits.is_empty() {
            self.permits.clear();
        }
        if !self.wakers.is_empty() {
            self.wakers.drain(..).for_each(Waker::wake);
        }
        self.led.take().map(|led| led.reply)
    }
}
