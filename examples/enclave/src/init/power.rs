//! The end of the enclave.

use rustix::system::{RebootCommand, reboot};

/// Ends the enclave: whatever is buffered is written, and the machine is reset.
///
/// Reset, not switched off: an enclave's machine has no power to switch, and the hypervisor takes a reset (through the
/// keyboard controller, which the kernel is told by `reboot=k`) for the enclave's end. AWS's own init does the same.
///
/// A process that may not do that ends with exit status 1. Of the first process the kernel takes this for a panic, which
/// ends the enclave too.
pub(super) fn power_off() -> ! {
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::Restart) {
        eprintln!("init: the enclave cannot be ended: {error}");
    }
    std::process::exit(1)
}
