//! The enclave as its kernel's first process (PID 1): what an operating system would do for it, and no more.
//!
//! The image holds this program as `/init`, its configuration, and the kernel's modules. [`run`] mounts what the program
//! needs, takes the console for its output, loads the modules, brings loopback up, and gives the kernel randomness of the
//! NSM before anything draws from it. Then the service runs as it would anywhere, with [`reap_children`] and [`announce`]
//! beside it, and at its end, whatever that was, the enclave is powered off.
//!
//! ```text
//! kernel ──► /init ──► set up ──► Device::open ──► seed entropy ──► configuration ──► serve ──► power off
//!                      mounts                      getrandom           announce to the parent
//!                      console                     no longer blocks
//!                      modules
//!                      loopback
//! ```
//!
//! Everything here happens before a second thread exists, except where a function is `async`. System calls go through
//! rustix, so that none of it is unsafe code.

mod announce;
mod children;
mod console;
mod entropy;
mod error;
mod loopback;
mod modules;
mod mounts;
mod power;

pub use announce::{AnnounceError, announce};
pub use children::reap_children;
pub use error::InitError;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Context;
use nsm_attest::Device;

/// Whether this process is the kernel's first.
#[must_use]
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Makes a bare kernel habitable, runs `work` with the NSM, and powers off, whatever came of it. A failure or panic is on the
/// console first.
pub fn run(work: impl FnOnce(Device) -> anyhow::Result<()>) -> ! {
    console::report_panics();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        set_up()?;
        let nsm = Device::open().context("cannot open the NSM")?;
        entropy::seed_entropy(&nsm)?;
        work(nsm)
    }));
    match outcome {
        Ok(Ok(())) => tracing::info!("ending"),
        Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "ending"),
        Err(_) => tracing::error!("ending after a panic"),
    }
    power::power_off()
}

/// What was done before a step that fails stays done.
fn set_up() -> Result<(), InitError> {
    mounts::mount_all()?;
    console::take()?;
    modules::load_all()?;
    loopback::bring_up()
}
