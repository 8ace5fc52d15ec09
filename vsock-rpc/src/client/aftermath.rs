//! [`Aftermath`]: what turns leave to be done once the seat is free.

use std::task::Waker;

use tokio::sync::OwnedSemaphorePermit;

use super::connection::Reply;

/// Wakers and permits, whose return wakes too, run code of others: none of it under a lock of the connection.
#[derive(Default)]
pub(super) struct Aftermath {
    /// What a leader finds of its own call.
    pub(super) reply: Option<LedReply>,
    /// Shares of the client's bound, to be given back.
    pub(super) permits: Vec<OwnedSemaphorePermit>,
    pub(super) wakers: Vec<Waker>,
}

/// The reply to the call whose caller drives, and its permit: a lone call needs no list for one.
pub(super) struct LedReply {
    pub(super) reply: Reply,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// What the call still had, if its caller was not woken.
    pub(super) waker: Option<Waker>,
}

impl Aftermath {
    /// Gives back and wakes, keeps the memory of the lists, and returns a leader's reply.
    pub(super) fn settle(&mut self) -> Option<Reply> {
        // A lone call, whose time counts, has nothing in them.
        if !self.permits.is_empty() {
            self.permits.clear();
        }
        if !self.wakers.is_empty() {
            self.wakers.reverse();
            // One by one: what a waker that panics leaves, `drop` wakes.
            while let Some(waker) = self.wakers.pop() {
                waker.wake();
            }
        }
        let LedReply { reply, permit, waker } = self.reply.take()?;
        drop((permit, waker));
        Some(reply)
    }
}

impl Drop for Aftermath {
    fn drop(&mut self) {
        // Also if a turn unwinds: those who wait would never know.
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Panicking;

    impl Wake for Panicking {
        fn wake(self: Arc<Self>) {
            panic!("this panic belongs to the test");
        }
    }

    #[test]
    fn a_waker_that_panics_leaves_no_other_one_unwoken() {
        let counter = Arc::new(Counter::default());
        let mut after = Aftermath::default();
        after.wakers.extend([Arc::clone(&counter).into(), Arc::new(Panicking).into(), Arc::clone(&counter).into()]);
        assert!(catch_unwind(AssertUnwindSafe(move || after.settle())).is_err());
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
    }
}
