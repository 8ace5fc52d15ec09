//! Output, and what a panic leaves behind.
//!
//! A real enclave's console is read by `nitro-cli console`, in debug mode only.

use std::fs::OpenOptions;
use std::io::Write;
use std::panic;

use rustix::fs::{Mode, OFlags, open};

use crate::init::InitError;

/// Makes the console this process's standard streams. The kernel opened it as such if the image has the device node;
/// after `/dev` is mounted it is there in any case.
pub(super) fn take() -> Result<(), InitError> {
    let failed = |error| InitError::Console { path: CONSOLE, error };
    let console = open(CONSOLE, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    rustix::stdio::dup2_stdin(&console).map_err(failed)?;
    rustix::stdio::dup2_stdout(&console).map_err(failed)?;
    rustix::stdio::dup2_stderr(&console).map_err(failed)
}

/// From here on a panic says on the console, in one line, where it happened and why; if the console does not take it,
/// in the kernel's log. The panic then goes on as it would: one in a request's handler ends the request.
pub(super) fn report_panics() {
    panic::set_hook(Box::new(|info| {
        let line = format!("panic: {info}").replace('\n', " ");
        if writeln!(std::io::stderr(), "{line}").is_err() {
            // Nobody is left to be told if this fails too.
            let _ = OpenOptions::new().write(true).open(KERNEL_LOG).and_then(|mut log| writeln!(log, "<2>{line}"));
        }
    }));
}

const CONSOLE: &str = "/dev/console";
const KERNEL_LOG: &str = "/dev/kmsg";
