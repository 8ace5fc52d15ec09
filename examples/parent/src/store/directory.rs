//! One file a key in a directory.
//!
//! A file's name is the key's id and `.json`. It is written under another name, flushed, linked to its own name only if
//! that is free, and then the directory is flushed: after a power failure there is the whole file or none.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use signer_protocol::KeyId;

use super::stored_key::{MAX_FILE_LEN, StoredKey};
use super::{Page, StoreError};

/// An open directory, which no other process opens as a store meanwhile.
#[derive(Debug)]
pub(super) struct DirectoryStore {
    path: PathBuf,
    /// Holds the lock, and is what is flushed after a file was linked.
    directory: File,
}

impl DirectoryStore {
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(io_error("make", &path))?;
        let directory = File::open(&path).map_err(io_error("open", &path))?;
        let mode = directory.metadata().map_err(io_error("examine", &path))?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::OpenToOthers { path, mode });
        }
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let store = Self { path, directory };
        store.remove_unfinished()?;
        Ok(store)
    }

    pub(super) fn create(&self, key: &StoredKey) -> Result<(), StoreError> {
        let id = key.description.key_id;
        let path = self.path_of(id);
        // Made with mode 600, and removed again if anything below fails.
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .tempfile_in(&self.path)
            .map_err(io_error("make a file in", &self.path))?;
        file.write_all(&key.to_json()).map_err(io_error("write", file.path()))?;
        file.as_file().sync_all().map_err(io_error("flush", file.path()))?;
        file.persist_noclobber(&path).map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::AlreadyExists { id },
            _ => io_error("link", &path)(refused.error),
        })?;
        self.directory.sync_all().map_err(io_error("flush", &self.path))
    }

    pub(super) fn read(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let path = self.path_of(id);
        let corrupted = |reason: String| StoreError::Corrupted { id, reason };
        // Neither a symbolic link nor a pipe may stand in for the file, or block here.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(corrupted("it is a symbolic link".to_owned()));
            }
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let metadata = file.metadata().map_err(io_error("examine", &path))?;
        if !metadata.is_file() || metadata.len() > MAX_FILE_LEN as u64 {
            return Err(corrupted(format!("it is not a file of at most {MAX_FILE_LEN} bytes")));
        }
        let mut json = Vec::new();
        file.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut json).map_err(io_error("read", &path))?;
        StoredKey::from_json(id, &json).map(Some).map_err(corrupted)
    }

    pub(super) fn list(&self, after: Option<KeyId>, limit: usize) -> Result<Page, StoreError> {
        let mut ids = self.ids_after(after, limit.saturating_add(1))?;
        let more = ids.len() > limit;
        if more {
            ids.pop_last();
        }
        let next = if more { ids.last().copied() } else { None };
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            match self.read(id) {
                Ok(Some(key)) => keys.push((id, Ok(key))),
                Ok(None) => {} // removed by hand since the directory was read
                Err(error) => keys.push((id, Err(error))),
            }
        }
        Ok(Page { keys, next })
    }

    /// The `limit` lowest ids above `after`. Memory is bounded by `limit`, whatever the directory holds.
    fn ids_after(&self, after: Option<KeyId>, limit: usize) -> Result<BTreeSet<KeyId>, StoreError> {
        let mut ids = BTreeSet::new();
        for entry in fs::read_dir(&self.path).map_err(io_error("list", &self.path))? {
            let name = entry.map_err(io_error("list", &self.path))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|id| id.parse().ok());
            let Some(id) = id else { continue };
            if after.is_none_or(|after| id > after) {
                ids.insert(id);
                if ids.len() > limit {
                    ids.pop_last();
                }
            }
        }
        Ok(ids)
    }

    /// Removes files that a process was writing when it ended: no caller was told of them.
    fn remove_unfinished(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.path).map_err(io_error("list", &self.path))? {
            let entry = entry.map_err(io_error("list", &self.path))?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED_PREFIX)) {
                fs::remove_file(entry.path()).map_err(io_error("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Only the text form of a parsed id ever becomes part of a path.
    fn path_of(&self, id: KeyId) -> PathBuf {
        self.path.join(format!("{id}{SUFFIX}"))
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

const SUFFIX: &str = ".json";

/// How the names of files begin that are being written.
const UNFINISHED_PREFIX: &str = ".unfinished-";
