//! Where sealed key records are kept.
//!
//! What is kept is ciphertext that only the enclave opens, so a store needs no secrecy; it needs durability, because a
//! record that is lost is a key that is lost. Nothing here deletes a record.

mod directory;
mod stored_key;
#[cfg(test)]
mod testing;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use signer_protocol::KeyId;
use thiserror::Error;

use self::directory::DirectoryStore;
pub(crate) use self::stored_key::StoredKey;
use crate::config::StoreConfig;

/// A store of key records. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    kind: Kind,
}

/// The kinds of store. One more is one more variant here and in [`StoreConfig`]; callers do not change.
#[derive(Clone, Debug)]
enum Kind {
    Directory(Arc<DirectoryStore>),
}

impl Store {
    /// Opens the store, and makes it if it does not exist.
    ///
    /// # Errors
    /// [`StoreError`]; a directory that others may change, or that another process serves, is refused.
    pub(crate) async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        match config {
            StoreConfig::Directory(path) => {
                let path = path.clone();
                let store = blocking(move || DirectoryStore::open(path)).await?;
                Ok(Self { kind: Kind::Directory(Arc::new(store)) })
            }
        }
    }

    /// Keeps a new key. It is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] if the id is taken; what was there stays as it is.
    pub(crate) async fn create(&self, key: StoredKey) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Directory(store) => {
                let store = Arc::clone(store);
                blocking(move || store.create(&key)).await
            }
        }
    }

    /// Reads one key, if it is there.
    ///
    /// # Errors
    /// [`StoreError::Corrupted`] if what is there cannot be used.
    pub(crate) async fn read(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        match &self.kind {
            Kind::Directory(store) => {
                let store = Arc::clone(store);
                blocking(move || store.read(id)).await
            }
        }
    }

    /// At most `limit` keys in the order of their ids, starting behind `after`. One that cannot be read takes its
    /// place among them as an error.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the store as a whole cannot be read.
    pub(crate) async fn list(&self, after: Option<KeyId>, limit: usize) -> Result<Page, StoreError> {
        match &self.kind {
            Kind::Directory(store) => {
                let store = Arc::clone(store);
                blocking(move || store.list(after, limit)).await
            }
        }
    }
}

/// Some keys of a store.
#[derive(Debug)]
pub(crate) struct Page {
    /// Keys in the order of their ids, readable or not.
    pub(crate) keys: Vec<(KeyId, Result<StoredKey, StoreError>)>,
    /// Behind which id the next page starts, if there is one.
    pub(crate) next: Option<KeyId>,
}

/// Why a store did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A key of this id is there already.
    #[error("key {id} is stored already")]
    AlreadyExists {
        /// The key.
        id: KeyId,
    },
    /// What is stored is not what was once written.
    #[error("the stored form of key {id} cannot be used: {reason}")]
    Corrupted {
        /// The key.
        id: KeyId,
        /// What is wrong with it.
        reason: String,
    },
    /// The enclave's answer cannot be stored.
    #[error("key {id} cannot be stored: {reason}")]
    Inconsistent {
        /// The key.
        id: KeyId,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves this store.
    #[error("the store {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Group or others may read or change the directory.
    #[error("the store {} has mode {mode:03o}; it must be 700", path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The runtime shut down before the store was asked.
    #[error("the parent is shutting down")]
    ShuttingDown,
}

/// Runs file system work where it may block. It runs to its end even if nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::ShuttingDown),
        },
    }
}
