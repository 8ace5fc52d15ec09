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

/// Where one key is, or will be.
type KeyCell = OnceCell<Arc<UnsealedKey>>;

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
    key: Arc<KeyCell>,
    since: Instant,
    used: Instant,
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
        let waiting = Waiting { cache: self, hash, cell: Some(self.cell(hash)) };
        let cell = waiting.cell();
        if let Some(key) = cell.get() {
            return Ok(Arc::clone(key));
        }
        let key = cell.get_or_try_init(async || unseal().await.map(Arc::new)).await.cloned()?;
        self.make_room();
        Ok(key)
    }

    /// The cell to wait on: the one that others wait on already, or a new one.
    fn cell(&self, hash: RecordHash) -> Arc<KeyCell> {
        let now = Instant::now();
        let young = |entry: &Entry| now.duration_since(entry.since) < MAX_AGE;
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(&hash).filter(|entry| young(entry)) {
            entry.used = now;
            return Arc::clone(&entry.key);
        }
        entries.retain(|_, entry| young(entry));
        let key = Arc::new(OnceCell::new());
        entries.insert(hash, Entry { key: Arc::clone(&key), since: now, used: now });
        key
    }

    /// Drops the keys above the capacity that were not used for longest: not those that are in use, whoever else comes
    /// with however many.
    ///
    /// Only keys count, not records that are being opened: those are bounded by the requests in flight, and a flood of
    /// records that do not open must not drive out keys that do.
    fn make_room(&self) {
        let mut entries = self.lock();
        let held = entries.values().filter(|entry| entry.key.initialized()).count();
        for _ in self.capacity..held {
            let keys = entries.iter().filter(|(_, entry)| entry.key.initialized());
            let idlest = keys.min_by_key(|(_, entry)| entry.used).map(|(hash, _)| *hash);
            idlest.and_then(|hash| entries.remove(&hash));
        }
    }

    /// The map stays whole whatever panicked while it was held: each change to it is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<RecordHash, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits for a key.
///
/// When the last of them goes without one, because the record did not open or because its caller gave up, the entry goes
/// too: otherwise a parent that asks and cancels would fill the map with records that nobody opens.
struct Waiting<'a> {
    cache: &'a KeyCache,
    hash: RecordHash,
    /// Taken only when this is dropped.
    cell: Option<Arc<KeyCell>>,
}

impl Waiting<'_> {
    fn cell(&self) -> &KeyCell {
        self.cell.as_deref().expect("taken only when dropped")
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Under the lock, where cells are handed out too: of several that leave at once, one is the last.
        let mut entries = self.cache.lock();
        drop(self.cell.take());
        let is_abandoned = |entry: &Entry| Arc::strong_count(&entry.key) == 1 && !entry.key.initialized();
        if entries.get(&self.hash).is_some_and(is_abandoned) {
            entries.remove(&self.hash);
        }
    }
}

/// Longest life of an unsealed key, counted from before KMS was asked.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn requests_that_are_given_up_or_fail_leave_nothing_in_the_cache() {
        let cache = KeyCache::new(2);
        let mut context = Context::from_waker(Waker::noop());
        for number in 0..100 {
            let mut first = Box::pin(cache.get_or_unseal([number; 32], pending));
            let mut second = Box::pin(cache.get_or_unseal([number; 32], pending));
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
            drop(first);
            assert_eq!(cache.lock().len(), 1, "another one still waits");
            drop(second);
            assert!(cache.lock().is_empty());
        }
        let failing = pin!(cache.get_or_unseal([0; 32], async || Err(ServiceError::RecordRejected)));
        assert!(failing.poll(&mut context).is_ready());
        assert!(cache.lock().is_empty());
    }
}
