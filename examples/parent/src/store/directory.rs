//! One file a key in a directory.
//!
//! A file's name is the key's id and `.json`. It is written under another name, flushed, linked to its own name only if
//! that is free, and then the directory is flushed: after a power failure there is the whole file or none.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use signer_protocol::KeyId;

use super::stored_key::{MAX_FILE_LEN, StoredKey};
use super::{Page, StoreError};
use crate::permissions::mode_open_to_others;

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
        if let Some(mode) = mode_open_to_others(&directory).map_err(io_error("examine", &path))? {
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
                // Only the description is kept: a page of whole keys would take megabytes.
                Ok(Some(key)) => keys.push((id, Ok(key.description))),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use signer_protocol::method::GenerateKeyResponse;

    use super::super::testing::answer;
    use super::*;

    fn key(id: u8) -> StoredKey {
        StoredKey::from_answer(answer(id)).unwrap()
    }

    fn id(byte: u8) -> KeyId {
        KeyId::from_bytes([byte; 16])
    }

    fn store() -> (tempfile::TempDir, DirectoryStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(dir.path().join("a/keys")).unwrap();
        (dir, store)
    }

    #[test]
    fn what_was_created_is_read_back_after_the_store_is_opened_again() {
        let (dir, store) = store();
        assert_eq!(store.read(id(1)).unwrap(), None);
        store.create(&key(1)).unwrap();
        assert_eq!(store.read(id(1)).unwrap(), Some(key(1)));
        drop(store);
        let store = DirectoryStore::open(dir.path().join("a/keys")).unwrap();
        assert_eq!(store.read(id(1)).unwrap(), Some(key(1)));
    }

    #[test]
    fn second_key_of_an_id_is_refused_and_leaves_nothing_behind() {
        let (_dir, store) = store();
        store.create(&key(1)).unwrap();
        let before = fs::read(store.path_of(id(1))).unwrap();
        assert!(matches!(store.create(&key(1)), Err(StoreError::AlreadyExists { id: taken }) if taken == id(1)));
        assert_eq!(fs::read(store.path_of(id(1))).unwrap(), before);
        assert_eq!(fs::read_dir(&store.path).unwrap().count(), 1);
    }

    #[test]
    fn list_is_in_order_page_by_page_and_sees_keys_only() {
        let (_dir, store) = store();
        for byte in [5, 1, 4, 2, 3] {
            store.create(&key(byte)).unwrap();
        }
        fs::write(store.path.join("README"), "not a key").unwrap();
        fs::write(store.path.join(".unfinished-1"), "not a key").unwrap();
        fs::write(store.path.join(format!("{}.json", "AB".repeat(16))), "another spelling").unwrap();
        let ids = |page: &Page| page.keys.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let first = store.list(None, 2).unwrap();
        assert_eq!((ids(&first), first.next), (vec![id(1), id(2)], Some(id(2))));
        let last = store.list(first.next, 3).unwrap();
        assert_eq!((ids(&last), last.next), (vec![id(3), id(4), id(5)], None));
    }

    #[test]
    fn file_that_is_not_what_was_written_is_corrupted_and_named() {
        let (_dir, store) = store();
        store.create(&key(1)).unwrap();
        let path = store.path_of(id(1));
        let good = fs::read_to_string(&path).unwrap();
        let digest = key(1).description.record_digest.to_string();
        for bad in [
            String::new(),
            good.replace("\"version\": 1", "\"version\": 2"),
            good.replace("\"revision\": 0", "\"revision\": 1"),
            good.replace("eip155", "solana"),
            good.replace("secp256k1", "ed25519"),
            good.replace(&digest, &"00".repeat(32)),
            good.replace("\"record\": \"", "\"record\": \"AAAA"),
            good.replace("\"birth_document\": \"", "\"birth_document\": \"!"),
            good.replacen('{', "{\"extra\": 1,", 1),
            good[..good.len() / 2].to_owned(),
            " ".repeat(MAX_FILE_LEN + 1),
        ] {
            assert_ne!(bad, good);
            fs::write(&path, &bad).unwrap();
            let error = store.read(id(1)).unwrap_err();
            assert!(matches!(error, StoreError::Corrupted { .. }) && error.to_string().contains(&id(1).to_string()));
        }
    }

    #[test]
    fn key_of_another_file_a_link_and_a_pipe_are_not_read() {
        let (_dir, store) = store();
        store.create(&key(1)).unwrap();
        fs::copy(store.path_of(id(1)), store.path_of(id(2))).unwrap();
        symlink(store.path_of(id(1)), store.path_of(id(3))).unwrap();
        fs::create_dir(store.path_of(id(4))).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            store.path_of(id(5)),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        for byte in 2..=5 {
            assert!(matches!(store.read(id(byte)), Err(StoreError::Corrupted { .. })), "{byte}");
        }
        let page = store.list(None, 10).unwrap();
        assert_eq!(page.keys.iter().filter(|(_, key)| key.is_ok()).count(), 1);
        assert_eq!(page.keys.len(), 5);
    }

    #[test]
    fn answer_whose_parts_do_not_belong_together_is_not_stored() {
        let changes: [fn(&mut GenerateKeyResponse); 6] = [
            |answer| answer.description.key_id = KeyId::from_bytes([9; 16]),
            |answer| answer.description.public_key[0] ^= 1,
            |answer| answer.description.revision = 1,
            |answer| answer.description.address.clear(),
            |answer| answer.birth_document.clear(),
            |answer| answer.record.push(0),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = answer(1);
            change(&mut changed);
            assert!(StoredKey::from_answer(changed).is_err(), "change {number}");
        }
    }
}
