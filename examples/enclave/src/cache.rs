//! Unsealed keys, for a bounded time.
//!
//! An entry is found under SHA-256 of the *whole* record, so nothing that differs in a byte can reach it, and it
//! carries the policy that was authenticated with the key. Its life is absolute, not extended by use: when KMS starts
//! to deny, the enclave stops signing within [`MAX_AGE`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::error::ServiceError;
use crate::seal::UnsealedKey;

/// SHA-256 of an encoded record.
pub(crate) type RecordHash = [u8; 32];

/// Bounded, with one unsealing at a time per record: a hundred requests for a cold key make one KMS call.
#[derive(Debug)]
pub(crate) struct KeyCache {
    entries: Mutex<HashMap<RecordHash, Entry>>,
    capacity: usize,
}

#[derive(Debug)]
struct Entry {
    key: Arc<OnceCell<Arc<UnsealedKey>>>,
    since: Instant,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Mutex::new(HashMap::new()), capacity }
    }

    /// The key of the record with this hash; `unseal` runs if it is not held, once however many ask.
    pub(crate) async fn get_or_unseal(
        &self,
        hash: RecordHash,
        unseal: impl AsyncFnOnce() -> Result<UnsealedKey, ServiceError>,
    ) -> Result<Arc<UnsealedKey>, ServiceError> {
        let cell = self.cell(hash);
        if let Some(key) = cell.get() {
            return Ok(Arc::clone(key));
        }
        let outcome = cell.get_or_try_init(async || unseal().await.map(Arc::new)).await.cloned();
        match outcome {
            Ok(_) => self.make_room(),
            Err(_) => self.forget(hash, &cell),
        }
        outcome
    }

    /// The cell to wait on: the one that others wait on already, or a new one.
    fn cell(&self, hash: RecordHash) -> Arc<OnceCell<Arc<UnsealedKey>>> {
        let now = Instant::now();
        let young = |entry: &Entry| now.duration_since(entry.since) < MAX_AGE;
        let mut entries = self.lock();
        if let Some(entry) = entries.get(&hash).filter(|entry| young(entry)) {
            return Arc::clone(&entry.key);
        }
        entries.retain(|_, entry| young(entry));
        let key = Arc::new(OnceCell::new());
        entries.insert(hash, Entry { key: Arc::clone(&key), since: now });
        key
    }

    /// Drops the oldest keys above the capacity.
    ///
    /// Only keys count, not records that are being opened: those are bounded by the requests in flight, and a flood of
    /// records that do not open must not drive out keys that do.
    fn make_room(&self) {
        let mut entries = self.lock();
        let held = entries.values().filter(|entry| entry.key.initialized()).count();
        for _ in self.capacity..held {
            let keys = entries.iter().filter(|(_, entry)| entry.key.initialized());
            let oldest = keys.min_by_key(|(_, entry)| entry.since).map(|(hash, _)| *hash);
            oldest.and_then(|hash| entries.remove(&hash));
        }
    }

    /// Drops an entry whose unsealing failed, so that records that do not open take no room.
    fn forget(&self, hash: RecordHash, cell: &Arc<OnceCell<Arc<UnsealedKey>>>) {
        let mut entries = self.lock();
        if entries.get(&hash).is_some_and(|entry| Arc::ptr_eq(&entry.key, cell) && !cell.initialized()) {
            entries.remove(&hash);
        }
    }

    /// The map stays whole whatever panicked while it was held: each change to it is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<RecordHash, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest life of an unsealed key, counted from before KMS was asked.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(600);
