//! The server has processors of its own, as an enclave has: what is measured is how it treats its peers, and not how the
//! machine divides its time between server and attackers.

use std::io;

use rustix::process::nice;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Whose processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Clients,
}

/// While this lives, the thread that made it, and what that starts, have the processors of the clients.
#[derive(Debug)]
pub(super) struct Confined {
    before: CpuSet,
}

impl Confined {
    /// If there is but one processor, both sides share it.
    pub(super) fn to_clients() -> io::Result<Self> {
        let before = sched_getaffinity(None)?;
        sched_setaffinity(None, &half(&before, Side::Clients))?;
        Ok(Self { before })
    }

    /// The processors that a server may be confined to.
    pub(super) fn servers(&self) -> Vec<usize> {
        members(&half(&self.before, Side::Server))
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        // It cannot fail: the thread had these processors before.
        let _restored = sched_setaffinity(None, &self.before);
    }
}

/// Has this thread, and what it starts, come after the good client where both want a processor: what is measured is the
/// server.
pub(super) fn come_after_others() -> io::Result<()> {
    nice(STEPS)?;
    Ok(())
}

/// Confines this thread, and what it starts, to these.
pub(super) fn confine_to(processors: &[usize]) -> io::Result<()> {
    Ok(sched_setaffinity(None, &set(processors))?)
}

/// The first half of them is the server's.
fn half(all: &CpuSet, side: Side) -> CpuSet {
    let members = members(all);
    let middle = members.len() / 2;
    match (side, members.len()) {
        (_, ..2) => *all,
        (Side::Server, _) => set(&members[..middle]),
        (Side::Clients, _) => set(&members[middle..]),
    }
}

fn members(all: &CpuSet) -> Vec<usize> {
    (0..CpuSet::MAX_CPU).filter(|&processor| all.is_set(processor)).collect()
}

fn set(processors: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    processors.iter().for_each(|&processor| set.set(processor));
    set
}

/// Ten steps of priority: nine tenths of a processor for which both compete.
const STEPS: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_half_of_the_processors_and_shares_a_single_one() {
        let halves = |all: &[usize]| [Side::Server, Side::Clients].map(|side| members(&half(&set(all), side)));
        assert_eq!(halves(&[0, 1]), [[0], [1]]);
        assert_eq!(halves(&[2, 3, 6]), [vec![2], vec![3, 6]]);
        assert_eq!(halves(&[4]), [[4], [4]]);
    }

    #[test]
    fn a_thread_gets_its_processors_back() {
        let before = members(&sched_getaffinity(None).unwrap());
        let confined = Confined::to_clients().unwrap();
        let servers = confined.servers();
        assert!(!servers.is_empty() && servers.iter().all(|processor| before.contains(processor)));
        drop(confined);
        assert_eq!(members(&sched_getaffinity(None).unwrap()), before);
    }
}
