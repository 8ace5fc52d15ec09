//! This thread kept on one processor.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps the thread that made it on one processor, until dropped.
#[derive(Debug)]
pub struct Pinned {
    processor: usize,
    before: CpuSet,
}

impl Pinned {
    /// On the last processor that this thread may run on: the first has most of the interrupts.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn to_last() -> io::Result<Self> {
        let permitted = sched_getaffinity(None)?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|&processor| permitted.is_set(processor));
        Self::to(last.ok_or(io::ErrorKind::NotFound)?)
    }

    /// On this one.
    ///
    /// # Errors
    /// Whatever the operating system says, such as that there is no such processor.
    pub fn to(processor: usize) -> io::Result<Self> {
        let before = sched_getaffinity(None)?;
        let mut only = CpuSet::new();
        only.set(processor);
        sched_setaffinity(None, &only)?;
        Ok(Self { processor, before })
    }

    /// Which one.
    #[must_use]
    pub const fn processor(&self) -> usize {
        self.processor
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // What this thread was permitted before it still is.
        let _restored = sched_setaffinity(None, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_on_one_processor_until_the_guard_is_dropped() {
        let before = sched_getaffinity(None).unwrap();
        let pinned = Pinned::to_last().unwrap();
        let during = sched_getaffinity(None).unwrap();
        assert_eq!(during.count(), 1);
        assert!(during.is_set(pinned.processor()) && before.is_set(pinned.processor()));
        drop(pinned);
        assert!(sched_getaffinity(None).unwrap() == before);
    }
}
