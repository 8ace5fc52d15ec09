//! Children: the first process inherits every orphan, and must fetch what they leave.

use std::io;

use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Fetches the status of children that have ended, for as long as it is polled. The service starts none; this is for
/// what the kernel itself starts.
///
/// # Errors
/// What listening for `SIGCHLD` answers. Only then it ends.
pub async fn reap_children() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    loop {
        reap();
        if ended.recv().await.is_none() {
            return Ok(());
        }
    }
}

/// Fetches all that have ended by now, and how many those were.
fn reap() -> usize {
    let mut count = 0;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => count += 1,
            Err(Errno::INTR) => {}
            // The others still run, or there are none.
            Ok(None) | Err(_) => return count,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "they are what is fetched")]
    fn every_child_that_ended_is_fetched() {
        for _ in 0..3 {
            let child = Command::new("true").spawn().unwrap();
            let pid = rustix::process::Pid::from_child(&child);
            // Waits until it has ended, and leaves it to be fetched.
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        }
        assert_eq!(reap(), 3);
        assert_eq!(reap(), 0);
    }
}
