//! The file systems that the kernel makes up.

use std::fs;
use std::io::ErrorKind;

use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::init::InitError;

/// Mounts all of them. One that is there already is left as it is: some kernels mount `/dev` themselves.
pub(super) fn mount_all() -> Result<(), InitError> {
    MOUNTS.iter().try_for_each(Mount::mount)
}

struct Mount {
    kind: &'static str,
    path: &'static str,
    flags: MountFlags,
    options: Option<&'static std::ffi::CStr>,
}

impl Mount {
    fn mount(&self) -> Result<(), InitError> {
        let Self { kind, path, flags, options } = *self;
        match fs::create_dir(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(InitError::Folder { path, error }),
            _ => {}
        }
        match rustix::mount::mount(kind, path, kind, flags, options) {
            Ok(()) | Err(Errno::BUSY) => Ok(()),
            Err(error) => Err(InitError::Mount { kind, path, error }),
        }
    }
}

/// Nothing on these may be run or act as another user, and only `/dev` has devices.
const HARMLESS: MountFlags = MountFlags::NODEV.union(MountFlags::NOEXEC).union(MountFlags::NOSUID);

/// `/proc` and `/sys` are read by the runtime and by AWS-LC; `/tmp` and `/run` are small because they take the memory that
/// the service needs, and nothing of the service writes there.
const MOUNTS: [Mount; 5] = [
    Mount { kind: "proc", path: "/proc", flags: HARMLESS, options: None },
    Mount { kind: "sysfs", path: "/sys", flags: HARMLESS, options: None },
    Mount {
        kind: "devtmpfs",
        path: "/dev",
        flags: MountFlags::NOEXEC.union(MountFlags::NOSUID),
        options: Some(c"mode=0755"),
    },
    Mount { kind: "tmpfs", path: "/tmp", flags: HARMLESS, options: Some(c"mode=1777,size=4m") },
    Mount { kind: "tmpfs", path: "/run", flags: HARMLESS, options: Some(c"mode=0755,size=4m") },
];
