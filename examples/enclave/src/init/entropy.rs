//! The kernel's randomness, from the NSM's.
//!
//! A kernel that has just booted in an enclave has no disk, no network and no saved seed. AWS-LC, the hash maps and
//! everything else draw from `getrandom`, so it gets the NSM's bytes first, and must then answer without waiting.
//! (What is written to `/dev/random` is mixed into the pool but not counted: the count comes from the processor's own
//! generator and from the NSM's driver, which is one of the kernel's hardware generators.)

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nsm_attest::Nsm;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use crate::init::InitError;

/// Seeds the kernel with randomness of the NSM, and waits until the kernel gives randomness of its own.
///
/// # Errors
/// [`InitError::Nsm`], [`InitError::Seed`], and [`InitError::NoRandomness`] if the kernel still has too little after
/// ten seconds.
pub(super) fn seed_entropy(nsm: &dyn Nsm) -> Result<(), InitError> {
    let mut seed = Zeroizing::new([0; SEED_LEN]);
    nsm.random(&mut *seed)?;
    let failed = |error| InitError::Seed { path: POOL, error };
    let mut pool = OpenOptions::new().read(true).write(true).open(POOL).map_err(failed)?;
    pool.write_all(&*seed).map_err(failed)?;
    await_randomness(pool, DEADLINE, try_randomness)
}

/// Waits until `source` says that it can be read without waiting, at most `deadline`, unless the kernel is ready already.
fn await_randomness(
    source: impl AsFd,
    deadline: Duration,
    mut draw: impl FnMut() -> Result<(), Errno>,
) -> Result<(), InitError> {
    let until = Instant::now() + deadline;
    loop {
        match draw() {
            Err(Errno::AGAIN) => {}
            drawn => {
                return drawn.map_err(|error| InitError::Seed { path: "getrandom", error: io::Error::from(error) });
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(InitError::NoRandomness { deadline });
        }
        let timeout = Timespec::try_from(left).expect("the deadline is a few seconds");
        // A pool that is readable while `draw` finds nothing would make this loop spin. That cannot last: readable means
        // ready, which is what `draw` asks for; and the deadline bounds it.
        match poll(&mut [PollFd::new(&source, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(InitError::Seed { path: POOL, error: io::Error::from(error) }),
        }
    }
}

/// One byte of the kernel's randomness, or [`Errno::AGAIN`] while it would have to wait.
fn try_randomness() -> Result<(), Errno> {
    getrandom(&mut [0; 1], GetRandomFlags::NONBLOCK).map(drop)
}

const POOL: &str = "/dev/random";
/// Twice what the kernel's pool needs to count as full.
const SEED_LEN: usize = 512;
const DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use nsm_attest::Clock;
    use nsm_attest::sim::{Authority, SimulatedNsm};

    use super::*;

    #[test]
    fn a_kernel_that_is_ready_is_seeded_at_once() {
        let authority = Authority::generate(Clock::system().now()).unwrap();
        let nsm = SimulatedNsm::builder(authority).build().unwrap();
        let began = Instant::now();
        seed_entropy(&nsm).unwrap();
        assert!(began.elapsed() < DEADLINE);
    }

    #[test]
    fn a_kernel_that_becomes_ready_is_waited_for() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let mut answers = [Err(Errno::AGAIN), Err(Errno::AGAIN), Ok(())].into_iter();
        let ready = std::thread::spawn(move || writer.write_all(b"ready"));
        await_randomness(reader, DEADLINE, || answers.next().unwrap()).unwrap();
        ready.join().unwrap().unwrap();
        assert_eq!(answers.next(), None);
    }

    #[test]
    fn a_kernel_that_never_is_ready_ends_the_start() {
        let (reader, _writer) = UnixStream::pair().unwrap();
        let deadline = Duration::from_millis(30);
        let began = Instant::now();
        let error = await_randomness(reader, deadline, || Err(Errno::AGAIN)).unwrap_err();
        assert!(matches!(error, InitError::NoRandomness { deadline: said } if said == deadline), "{error}");
        assert!(began.elapsed() >= deadline);
    }
}
