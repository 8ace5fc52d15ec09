//! Boots images in an emulated Nitro Enclave: QEMU's `nitro-enclave` machine, driven by the scripts in `emulator/`.
//!
//! [`Emulator::set_up`] builds the emulator once, into a cache; [`Emulator::boot`] starts an image. The machine has a
//! real kernel with a real `/dev/nsm` and a real vsock, but its security module signs nothing: see `nsm_attest::sim` for
//! what that means to whoever verifies.
//!
//! The scripts belong to this repository, and are found where this crate was compiled.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::{Architecture, EifImage, Entry, GuestPath, ImageError, Metadata, Ramdisk, RamdiskError};

/// The emulator's cache folder: QEMU, its firmware, a guest kernel and that kernel's modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    folder: PathBuf,
}

impl Emulator {
    /// The emulator in the folder that `NITRO_EMULATOR` names, by default `nitro-signer/emulator` in the user's cache
    /// folder (`XDG_CACHE_HOME`, or `.cache` in `HOME`).
    ///
    /// # Errors
    /// [`EmulatorError::NoCacheFolder`] if none of these variables is set.
    pub fn from_environment() -> Result<Self, EmulatorError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cached = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        let folder = set("NITRO_EMULATOR").or_else(|| cached().map(|cache| cache.join("nitro-signer/emulator")));
        Ok(Self { folder: folder.ok_or(EmulatorError::NoCacheFolder)? })
    }

    /// Builds what the cache does not have yet: about five minutes on two cores the first time, nothing afterwards. What
    /// it does is told on standard error.
    ///
    /// # Errors
    /// [`EmulatorError::Setup`] if the script fails; it has said why. [`EmulatorError::Start`] if it cannot be started;
    /// [`EmulatorError::Wait`] if the operating system does not say how it ended.
    pub async fn set_up(&self) -> Result<(), EmulatorError> {
        let mut setup = script("setup");
        setup.env("NITRO_EMULATOR", &self.folder).stdin(Stdio::null()).stdout(std::io::stderr());
        let mut setup = setup.spawn().map_err(|source| EmulatorError::Start { script: "setup", source })?;
        let status = setup.wait().await.map_err(|source| EmulatorError::Wait { script: "setup", source })?;
        if status.success() { Ok(()) } else { Err(EmulatorError::Setup { status }) }
    }

    /// The guest's kernel.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("kernel/vmlinuz")
    }

    /// The modules that the guest's kernel needs, in the order in which they load.
    ///
    /// # Errors
    /// [`EmulatorError::NotSetUp`] if the cache does not have them.
    pub fn modules(&self) -> Result<Vec<PathBuf>, EmulatorError> {
        let folder = self.folder.join("kernel/modules");
        let not_set_up = |source| EmulatorError::NotSetUp { path: folder.clone(), source };
        let entries = std::fs::read_dir(&folder).map_err(not_set_up)?;
        let mut modules = Vec::new();
        for entry in entries {
            let path = entry.map_err(not_set_up)?.path();
            if path.extension().is_some_and(|extension| extension == "ko") {
                modules.push(path);
            }
        }
        modules.sort();
        Ok(modules)
    }

    /// An image for this emulator: `init` and the kernel's modules in the first ramdisk, `files` in the second. The same
    /// input gives the same image, from the same cache.
    ///
    /// # Errors
    /// [`EmulatorError::NotSetUp`] if the cache has no kernel; [`EmulatorError::Image`] or [`EmulatorError::Ramdisk`] if a
    /// limit is passed.
    pub fn image(
        &self,
        init: Vec<u8>,
        files: impl IntoIterator<Item = (GuestPath, Vec<u8>)>,
    ) -> Result<EifImage, EmulatorError> {
        let mut boot = Ramdisk::boot();
        boot.insert(path("/init"), Entry::File { mode: 0o755, content: init })?;
        for module in self.modules()? {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            let at = format!("/lib/modules/{name}").parse().map_err(|_| EmulatorError::NotSetUp {
                path: module.clone(),
                source: io::ErrorKind::InvalidFilename.into(),
            })?;
            boot.insert(at, Entry::File { mode: 0o644, content: read(&module)? })?;
        }
        let mut application = Ramdisk::new();
        for (at, content) in files {
            application.insert(at, Entry::File { mode: 0o644, content })?;
        }
        let ramdisks = vec![boot.to_cpio_gz(), application.to_cpio_gz()];
        let metadata = Metadata::new("emulated", env!("CARGO_PKG_VERSION"));
        let kernel = read(&self.kernel())?;
        Ok(EifImage::new(Architecture::X86_64, kernel, COMMAND_LINE, &metadata, ramdisks)?)
    }

    /// Starts a machine. It ends when the value that this returns is dropped, or its process dies.
    ///
    /// # Errors
    /// [`EmulatorError::Start`] if the script cannot be started. What goes wrong later ends the machine.
    pub fn boot(&self, boot: &Boot) -> Result<EmulatedEnclave, EmulatorError> {
        let mut command = script("boot");
        command.env("NITRO_EMULATOR", &self.folder).arg(&boot.image).arg(&boot.run_folder);
        let ports = boot.ports.iter().map(|port| ("--forward", *port));
        for (option, value) in [("--memory", boot.memory_mib), ("--cid", boot.cid)].into_iter().chain(ports) {
            command.arg(option).arg(value.to_string());
        }
        let start = |source| EmulatorError::Start { script: "boot", source };
        // The script ends with its standard input, whatever becomes of this process; a killed script would leave QEMU.
        command.arg("--until-stdin-ends").stdin(Stdio::piped()).stdout(io::stderr());
        let mut process = command.spawn().map_err(start)?;
        let stdin = process.stdin.take();
        Ok(EmulatedEnclave { process, stdin, run_folder: boot.run_folder.clone() })
    }
}

/// What a machine is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The enclave image.
    pub image: PathBuf,
    /// A folder for the machine's sockets and its console's log; a short path, as sockets have at most 107 bytes.
    pub run_folder: PathBuf,
    /// The guest's memory in MiB.
    pub memory_mib: u32,
    /// The guest's context id.
    pub cid: u32,
    /// The guest's vsock ports that the host reaches.
    pub ports: Vec<u32>,
}

/// A machine that runs.
#[derive(Debug)]
pub struct EmulatedEnclave {
    process: Child,
    /// Open for as long as the machine shall run.
    stdin: Option<ChildStdin>,
    run_folder: PathBuf,
}

impl EmulatedEnclave {
    /// The unix socket through which the host reaches the guest's `port`, one of [`Boot::ports`].
    #[must_use]
    pub fn guest_socket(run_folder: &Path, port: u32) -> PathBuf {
        run_folder.join(format!("enclave-{port}.sock"))
    }

    /// The unix socket at which what the guest sends to the host's `port` arrives: whoever serves it listens there.
    #[must_use]
    pub fn host_socket(run_folder: &Path, port: u32) -> PathBuf {
        run_folder.join(format!("vsock_{port}"))
    }

    /// What the guest has written to its console.
    ///
    /// # Errors
    /// What reading the file answers.
    pub fn console(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.run_folder.join("console.log"))?).into_owned())
    }

    /// Waits until the guest powers off or the machine fails.
    ///
    /// # Errors
    /// [`EmulatorError::Ended`] unless the guest powered off; [`EmulatorError::StillRunning`] if it did not within
    /// `deadline`; [`EmulatorError::Wait`] if the operating system does not say how it ended.
    pub async fn wait(&mut self, deadline: Duration) -> Result<(), EmulatorError> {
        let Ok(status) = timeout(deadline, self.process.wait()).await else {
            return Err(EmulatorError::StillRunning { deadline });
        };
        let status = status.map_err(|source| EmulatorError::Wait { script: "boot", source })?;
        if status.success() { Ok(()) } else { Err(EmulatorError::Ended { status }) }
    }

    /// How the machine has ended, if it has: successfully where the guest powered off.
    ///
    /// # Errors
    /// [`EmulatorError::Wait`] if the operating system does not say.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, EmulatorError> {
        self.process.try_wait().map_err(|source| EmulatorError::Wait { script: "boot", source })
    }

    /// Ends the machine at once, as a parent can: the guest is not asked.
    ///
    /// # Errors
    /// [`EmulatorError::StillRunning`] if it does not end within ten seconds; [`EmulatorError::Wait`] if the operating
    /// system does not say whether it did.
    pub async fn kill(mut self) -> Result<(), EmulatorError> {
        drop(self.stdin.take());
        match self.wait(STOP_DEADLINE).await {
            Ok(()) | Err(EmulatorError::Ended { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Why there is no emulator, or no machine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The machine ended otherwise than by the guest's power-off.
    #[error("the emulated enclave ended with {status}")]
    Ended {
        /// How the script ended.
        status: ExitStatus,
    },
    /// The image breaks a limit.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No place for the cache.
    #[error("none of NITRO_EMULATOR, XDG_CACHE_HOME and HOME says where the emulator is")]
    NoCacheFolder,
    /// The cache has no emulator, or not all of it.
    #[error("no emulator is set up: {} cannot be read: {source}", path.display())]
    NotSetUp {
        /// The file or folder.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
    /// A file cannot go into the image.
    #[error(transparent)]
    Ramdisk(#[from] RamdiskError),
    /// The setup failed.
    #[error("setting up the emulator failed with {status}")]
    Setup {
        /// How the script ended.
        status: ExitStatus,
    },
    /// A script cannot be run.
    #[error("cannot run emulator/{script}: {source}")]
    Start {
        /// Which.
        script: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The machine did not end in time.
    #[error("the emulated enclave still runs after {deadline:?}")]
    StillRunning {
        /// The time it had.
        deadline: Duration,
    },
    /// The operating system does not say how a script ended.
    #[error("cannot wait for emulator/{script}: {source}")]
    Wait {
        /// Which.
        script: &'static str,
        /// Why not.
        source: io::Error,
    },
}

fn path(text: &str) -> GuestPath {
    text.parse().expect("this is a path")
}

fn read(path: &Path) -> Result<Vec<u8>, EmulatorError> {
    std::fs::read(path).map_err(|source| EmulatorError::NotSetUp { path: path.to_owned(), source })
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator").join(name))
}

/// The kernel restarts where it would halt, which ends the machine; a panic does so at once.
const COMMAND_LINE: &str = "reboot=k panic=-1 console=ttyS0 quiet";
const STOP_DEADLINE: Duration = Duration::from_secs(10);
