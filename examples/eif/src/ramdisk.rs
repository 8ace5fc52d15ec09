//! A ramdisk: files by their paths, and the archive of them.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use thiserror::Error;

use crate::cpio::{self, CpioEntry};
use crate::guest_path::GuestPath;
use crate::section::MAX_IMAGE_LEN;

/// The files of a ramdisk.
///
/// ```
/// use eif::{Entry, Ramdisk};
///
/// let mut ramdisk = Ramdisk::boot();
/// ramdisk.insert("/init".parse()?, Entry::File { mode: 0o755, content: b"#!/bin/sh".to_vec() })?;
/// assert_eq!(ramdisk.to_cpio(), ramdisk.clone().to_cpio());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ramdisk {
    nodes: BTreeMap<GuestPath, Node>,
    /// Bytes in the files.
    len: u64,
}

/// What is at a path. Modes are permissions, 0 to 0o7777; all belongs to user and group 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A character device.
    CharacterDevice {
        /// Permissions.
        mode: u32,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A directory.
    Directory {
        /// Permissions.
        mode: u32,
    },
    /// A file.
    File {
        /// Permissions.
        mode: u32,
        /// What is in it.
        content: Vec<u8>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads: 1 to 1023 bytes without NUL.
        target: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    entry: Entry,
    /// Nobody named it: it may be named once.
    is_implied: bool,
}

impl Ramdisk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the first ramdisk of an image begins with: `/dev/console` and `/dev/null`, and the empty directories `/proc`,
    /// `/run`, `/sys` and `/tmp`. Each can be inserted again with another mode.
    ///
    /// # Panics
    /// Never: these are paths.
    #[must_use]
    pub fn boot() -> Self {
        let mut ramdisk = Self::new();
        for (path, entry) in [
            ("dev", DIRECTORY),
            ("dev/console", Entry::CharacterDevice { mode: 0o600, major: 5, minor: 1 }),
            ("dev/null", Entry::CharacterDevice { mode: 0o666, major: 1, minor: 3 }),
            ("proc", DIRECTORY),
            ("run", DIRECTORY),
            ("sys", DIRECTORY),
            ("tmp", DIRECTORY),
        ] {
            let path = format!("/{path}").parse().expect("these are paths");
            ramdisk.nodes.insert(path, Node { entry, is_implied: true });
        }
        ramdisk
    }

    /// Puts `entry` at `path`, with the directories above it (mode 0755) that nobody has put there.
    ///
    /// # Errors
    /// [`RamdiskError`] if something is there already, or no directory is above it, or a limit is passed.
    pub fn insert(&mut self, path: GuestPath, entry: Entry) -> Result<(), RamdiskError> {
        check(&path, &entry)?;
        let len = self.len.saturating_add(entry.content().len() as u64);
        if len > MAX_IMAGE_LEN {
            return Err(RamdiskError::TooLong { actual: len, max: MAX_IMAGE_LEN });
        }
        match self.nodes.get(&path) {
            Some(Node { entry: there, is_implied: true }) if there.kind() == entry.kind() => {}
            Some(_) => return Err(RamdiskError::Duplicate { path }),
            None => {}
        }
        self.insert_parents(&path)?;
        if self.nodes.len() >= MAX_ENTRIES {
            return Err(RamdiskError::TooManyEntries { max: MAX_ENTRIES });
        }
        self.nodes.insert(path, Node { entry, is_implied: false });
        self.len = len;
        Ok(())
    }

    /// Bytes in all files.
    #[must_use]
    pub const fn content_len(&self) -> u64 {
        self.len
    }

    /// Everything in it, in the order of the paths.
    pub fn entries(&self) -> impl Iterator<Item = (&GuestPath, &Entry)> + Clone {
        self.nodes.iter().map(|(path, node)| (path, &node.entry))
    }

    /// What is at a path.
    #[must_use]
    pub fn get(&self, path: &GuestPath) -> Option<&Entry> {
        self.nodes.get(path).map(|node| &node.entry)
    }

    /// The archive: newc, in the order of the paths, all times 0. The same files give the same bytes.
    #[must_use]
    pub fn to_cpio(&self) -> Vec<u8> {
        cpio::archive(self.entries().map(|(path, entry)| CpioEntry {
            name: path.as_relative(),
            mode: entry.kind() | entry.mode(),
            device: entry.device(),
            content: entry.content(),
        }))
    }

    /// The archive in gzip, as small as it gets. The same files give the same bytes with the same version of the library
    /// that compresses, which `Cargo.lock` fixes.
    ///
    /// # Panics
    /// Never: memory takes what is written to it.
    #[must_use]
    pub fn to_cpio_gz(&self) -> Vec<u8> {
        // No name, no time, and "unknown" for the system: nothing of the machine.
        let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
        encoder.write_all(&self.to_cpio()).expect("memory takes what is written to it");
        encoder.finish().expect("memory takes what is written to it")
    }

    fn insert_parents(&mut self, path: &GuestPath) -> Result<(), RamdiskError> {
        let mut missing = Vec::new();
        let mut above = path.parent();
        while let Some(parent) = above {
            match self.get(&parent) {
                Some(Entry::Directory { .. }) => break,
                Some(_) => return Err(RamdiskError::NotDirectory { path: path.clone(), parent }),
                None => {}
            }
            above = parent.parent();
            missing.push(parent);
        }
        if self.nodes.len() + missing.len() >= MAX_ENTRIES {
            return Err(RamdiskError::TooManyEntries { max: MAX_ENTRIES });
        }
        self.nodes.extend(missing.into_iter().map(|path| (path, Node { entry: DIRECTORY, is_implied: true })));
        Ok(())
    }
}

impl Entry {
    fn kind(&self) -> u32 {
        match self {
            Self::CharacterDevice { .. } => 0o020_000,
            Self::Directory { .. } => 0o040_000,
            Self::File { .. } => 0o100_000,
            Self::Link { .. } => 0o120_000,
        }
    }

    fn mode(&self) -> u32 {
        match self {
            Self::CharacterDevice { mode, .. } | Self::Directory { mode } | Self::File { mode, .. } => *mode,
            Self::Link { .. } => 0o777,
        }
    }

    fn device(&self) -> (u32, u32) {
        match self {
            Self::CharacterDevice { major, minor, .. } => (*major, *minor),
            _ => (0, 0),
        }
    }

    fn content(&self) -> &[u8] {
        match self {
            Self::File { content, .. } => content,
            Self::Link { target } => target.as_bytes(),
            Self::CharacterDevice { .. } | Self::Directory { .. } => &[],
        }
    }
}

fn check(path: &GuestPath, entry: &Entry) -> Result<(), RamdiskError> {
    match entry {
        _ if entry.mode() > 0o7777 => Err(RamdiskError::Mode { path: path.clone(), actual: entry.mode() }),
        Entry::Link { target } if target.is_empty() || target.len() > MAX_TARGET_LEN || target.contains('\0') => {
            Err(RamdiskError::LinkTarget { path: path.clone(), max: MAX_TARGET_LEN })
        }
        _ => Ok(()),
    }
}

/// Why something cannot be in a ramdisk.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RamdiskError {
    /// Something is at the path already.
    #[error("{path} is there already")]
    Duplicate {
        /// The path.
        path: GuestPath,
    },
    /// A link that leads nowhere, or too far.
    #[error("{path}: a link leads to 1 to {max} bytes without NUL")]
    LinkTarget {
        /// The link.
        path: GuestPath,
        /// Greatest length in bytes.
        max: usize,
    },
    /// More than permissions.
    #[error("{path}: mode {actual:o} is above 7777")]
    Mode {
        /// The path.
        path: GuestPath,
        /// The mode.
        actual: u32,
    },
    /// Something else than a directory is above the path.
    #[error("{path} cannot be there: {parent} is no directory")]
    NotDirectory {
        /// The path.
        path: GuestPath,
        /// What should be a directory.
        parent: GuestPath,
    },
    /// More bytes than an image may have.
    #[error("the files of a ramdisk have {actual} bytes, more than {max}")]
    TooLong {
        /// Their length in bytes.
        actual: u64,
        /// Greatest length.
        max: u64,
    },
    /// More entries than a ramdisk may have.
    #[error("a ramdisk has more than {max} entries")]
    TooManyEntries {
        /// Most entries.
        max: usize,
    },
}

const DIRECTORY: Entry = Entry::Directory { mode: 0o755 };
const MAX_ENTRIES: usize = 65_536;
const MAX_TARGET_LEN: usize = 1023;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GuestPath {
        text.parse().unwrap()
    }

    fn file(content: &[u8]) -> Entry {
        Entry::File { mode: 0o644, content: content.to_vec() }
    }

    #[test]
    fn what_is_there_stays_there() {
        let mut ramdisk = Ramdisk::boot();
        ramdisk.insert(path("/a/b"), file(b"")).unwrap();
        let mut refused = |at: &str, entry: Entry| ramdisk.insert(path(at), entry).unwrap_err();
        assert_eq!(refused("/a/b", file(b"")), RamdiskError::Duplicate { path: path("/a/b") });
        assert_eq!(refused("/a", file(b"")), RamdiskError::Duplicate { path: path("/a") });
        assert_eq!(refused("/dev/null", file(b"")), RamdiskError::Duplicate { path: path("/dev/null") });
        let expected = RamdiskError::NotDirectory { path: path("/a/b/c/d"), parent: path("/a/b") };
        assert_eq!(refused("/a/b/c/d", file(b"")), expected);
        let mode = Entry::Directory { mode: 0o10_000 };
        assert_eq!(refused("/x", mode), RamdiskError::Mode { path: path("/x"), actual: 0o10_000 });
        for target in ["".to_owned(), "a\0".to_owned(), "a".repeat(1024)] {
            assert_eq!(refused("/x", Entry::Link { target }), RamdiskError::LinkTarget { path: path("/x"), max: 1023 });
        }
    }

    #[test]
    fn what_nobody_named_can_be_named_once() {
        let mut ramdisk = Ramdisk::boot();
        let directory = Entry::Directory { mode: 0o1777 };
        ramdisk.insert(path("/tmp"), directory.clone()).unwrap();
        assert_eq!(ramdisk.get(&path("/tmp")), Some(&directory));
        assert_eq!(ramdisk.insert(path("/tmp"), directory), Err(RamdiskError::Duplicate { path: path("/tmp") }));
    }

    #[test]
    fn entries_are_bounded() {
        let mut ramdisk = Ramdisk::new();
        for at in 0..MAX_ENTRIES {
            ramdisk.insert(path(&format!("/{at}")), DIRECTORY).unwrap();
        }
        let expected = Err(RamdiskError::TooManyEntries { max: MAX_ENTRIES });
        assert_eq!(ramdisk.insert(path("/one-more"), DIRECTORY), expected);
        assert_eq!(ramdisk.insert(path("/one/more"), DIRECTORY), expected);
    }
}
