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
use signer_protocol::method::KeyDescription;
use thiserror::Error;
use tokio::sync::Semaphore;

use self::directory::DirectoryStore;
pub(crate) use self::stored_key::StoredKey;
use crate::config::StoreConfig;

/// A store of key records. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    kind: Kind,
    workers: Workers,
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
                let workers = Workers::new(MAX_WORKERS);
                let store = workers.run(move || DirectoryStore::open(path)).await?;
                Ok(Self { kind: Kind::Directory(Arc::new(store)), workers })
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
                self.workers.run(move || store.create(&key)).await
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
                self.workers.run(move || store.read(id)).await
            }
        }
    }

    /// Descriptions of at most `limit` keys in the order of their ids, starting behind `after`. One that cannot be read takes its
    /// place among them as an error.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the store as a whole cannot be read.
    pub(crate) async fn list(&self, after: Option<KeyId>, limit: usize) -> Result<Page, StoreError> {
        match &self.kind {
            Kind::Directory(store) => {
                let store = Arc::clone(store);
                self.workers.run(move || store.list(after, limit)).await
            }
        }
    }
}

/// Some keys of a store, without their documents and records.
#[derive(Debug)]
pub(crate) struct Page {
    /// Keys in the order of their ids, readable or not.
    pub(crate) keys: Vec<(KeyId, Result<KeyDescription, StoreError>)>,
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

/// Runs file system work where it may block, a few pieces at once.
///
/// A piece that has begun runs to its end even if nobody waits for it any more, and keeps its place until then: callers
/// that ask and go away leave no more work behind than there are places.
#[derive(Clone, Debug)]
struct Workers {
    places: Arc<Semaphore>,
}

impl Workers {
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)) }
    }

    /// Waits for a place, for as long as the caller has time, and then for the work.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        match work.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::ShuttingDown),
            },
        }
    }
}

/// More would gain nothing from one disk, and each holds a record or a page of descriptions.
const MAX_WORKERS: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_keeps_its_place_until_it_ends() {
        let workers = Workers::new(1);
        let (begun, has_begun) = oneshot::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let workers = workers.clone();
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    Ok(())
                };
                workers.run(work).await
            }
        });
        has_begun.await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(workers.run(|| Ok(())).now_or_never().is_none());
        assert_eq!(workers.places.available_permits(), 0);
        end.send(()).unwrap();
        workers.run(|| Ok(())).await.unwrap();
    }
}
