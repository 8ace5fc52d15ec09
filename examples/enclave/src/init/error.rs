//! Why an enclave cannot start.

use std::path::PathBuf;
use std::time::Duration;

use nsm_attest::NsmError;
use rustix::io::Errno;
use thiserror::Error;

/// Why the first process cannot make its kernel habitable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The console cannot be used for output.
    #[error("init: the console {path} cannot be opened: {error}")]
    Console {
        /// The device.
        path: &'static str,
        /// Why.
        error: Errno,
    },
    /// A folder to mount on cannot be made.
    #[error("init: {path} cannot be made: {error}")]
    Folder {
        /// The folder.
        path: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// The kernel refused loopback's interface.
    #[error("init: the interface {interface} cannot be brought up: {error}")]
    Loopback {
        /// The interface.
        interface: &'static str,
        /// Why.
        error: Errno,
    },
    /// The kernel's answer about loopback's interface is none.
    #[error("init: the kernel's answer about the interface {interface}, of {len} bytes, cannot be read")]
    LoopbackAnswer {
        /// The interface.
        interface: &'static str,
        /// Length of the answer, bytes.
        len: usize,
    },
    /// The kernel refused a module.
    #[error("init: the module {} cannot be loaded: {error}", path.display())]
    Module {
        /// The module's file.
        path: PathBuf,
        /// Why.
        error: Errno,
    },
    /// The folder of modules cannot be listed.
    #[error("init: the modules in {path} cannot be listed: {error}")]
    Modules {
        /// The folder.
        path: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// A file system cannot be mounted.
    #[error("init: {kind} cannot be mounted on {path}: {error}")]
    Mount {
        /// The file system's type.
        kind: &'static str,
        /// Where it should be.
        path: &'static str,
        /// Why.
        error: Errno,
    },
    /// The kernel has not enough randomness, in spite of the NSM's.
    #[error("init: the kernel gave no randomness within {deadline:?} of being seeded")]
    NoRandomness {
        /// How long it was waited for.
        deadline: Duration,
    },
    /// The NSM gave no randomness.
    #[error("init: the NSM gave no randomness: {0}")]
    Nsm(#[from] NsmError),
    /// The kernel did not take the NSM's randomness, or cannot be asked for its own.
    #[error("init: {path} cannot be seeded: {error}")]
    Seed {
        /// The device, or the system call.
        path: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// More modules than an image has.
    #[error("init: {path} holds more than {max} modules")]
    TooManyModules {
        /// The folder.
        path: &'static str,
        /// Most modules.
        max: usize,
    },
}
