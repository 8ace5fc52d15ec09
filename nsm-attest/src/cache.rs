//! Authorities whose certificates were verified before.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use x509_cert::name::Name;

use crate::time::UnixTime;

/// Remembers bundles of authorities whose signatures were verified, so that the next document under the same ones costs
/// two signature verifications instead of five. Shared by reference among threads.
///
/// An entry stands for one sequence of certificates, byte for byte and the anchor first, all of whose checks passed. It holds
/// only while every one of them is valid, to the second; outside that time, and for any other sequence, everything is
/// checked as without a cache, with the same answers. A document's own certificate and signature, its policy and its age
/// are never cached. Bundles in which a certificate restricts the names below it are not taken in: such demands concern
/// certificates not yet seen.
///
/// A bundle is taken in once the document that brought it was found to be signed, hence nobody without a key below the
/// anchor can fill the cache. When it is full, expired bundles go first, then those unused for longest.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use nsm_attest::ChainCache;
/// # #[cfg(feature = "sim")] {
/// # use nsm_attest::sim::{Authority, SimulatedNsm};
/// # use nsm_attest::{AttestationRequest, Clock, Nsm, PcrIndex, Policy, UnverifiedDocument};
/// # let clock = Clock::system();
/// # let authority = Authority::generate(clock.now())?;
/// # let anchor = authority.trust_anchor();
/// # let nsm = SimulatedNsm::builder(authority).measure(b"executable", b"configuration").build()?;
/// # let policy = Policy::builder().pcr(PcrIndex::IMAGE, [nsm.describe_pcr(PcrIndex::IMAGE)?.value]).build();
///
/// let cache = ChainCache::new(NonZeroUsize::new(64).ok_or("zero")?);
/// for _ in 0..2 {
///     let document = UnverifiedDocument::from_bytes(&nsm.attest(&AttestationRequest::new())?)?;
///     document.verify_cached(&anchor, &policy, clock.now(), &cache)?;
/// }
/// assert_eq!(cache.len(), 1); // one parent instance, one bundle
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChainCache {
    capacity: usize,
    bundles: Mutex<Bundles>,
}

#[derive(Default)]
struct Bundles {
    verified: HashMap<BundleId, Entry>,
    /// Counts uses, to tell which entry was used last.
    uses: u64,
}

struct Entry {
    bundle: VerifiedBundle,
    last_use: u64,
}

impl ChainCache {
    /// An empty cache for at most `capacity` bundles. A parent instance has one bundle a day; an entry takes about 1 KiB.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { capacity: capacity.get(), bundles: Mutex::default() }
    }

    /// How many bundles are remembered, expired ones included that were not looked up since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bundles().verified.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.bundles().verified.clear();
    }

    /// What is known of a bundle, if all of its certificates are valid now.
    pub(crate) fn get(&self, id: &BundleId, now: UnixTime) -> Option<VerifiedBundle> {
        let mut bundles = self.bundles();
        bundles.uses += 1;
        let uses = bundles.uses;
        let entry = bundles.verified.get_mut(id)?;
        if entry.bundle.has_expired(now) {
            bundles.verified.remove(id);
            return None;
        }
        // Not yet valid again, after a clock was set back.
        if now.as_secs() < entry.bundle.not_before.as_secs() {
            return None;
        }
        entry.last_use = uses;
        Some(entry.bundle.clone())
    }

    /// Takes in the authorities of a path that was verified.
    pub(crate) fn insert(&self, id: BundleId, bundle: VerifiedBundle, now: UnixTime) {
        let mut bundles = self.bundles();
        bundles.uses += 1;
        let last_use = bundles.uses;
        if !bundles.verified.contains_key(&id) && bundles.verified.len() >= self.capacity {
            bundles.make_room(now);
        }
        bundles.verified.insert(id, Entry { bundle, last_use });
    }

    fn bundles(&self) -> MutexGuard<'_, Bundles> {
        // No code panics while it holds the lock half-way through a change.
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bundles {
    fn make_room(&mut self, now: UnixTime) {
        let before = self.verified.len();
        self.verified.retain(|_, entry| !entry.bundle.has_expired(now));
        if self.verified.len() == before
            && let Some(oldest) = self.verified.iter().min_by_key(|(_, entry)| entry.last_use).map(|(id, _)| *id)
        {
            self.verified.remove(&oldest);
        }
    }
}

/// What verification needs to know of authorities that it need not look at again.
#[derive(Clone)]
pub(crate) struct VerifiedBundle {
    /// The latest begin and the earliest end of their validity, in whole seconds as certificates count.
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    /// Their subjects, the root's first.
    pub(crate) subjects: Arc<[Name]>,
}

impl VerifiedBundle {
    fn has_expired(&self, now: UnixTime) -> bool {
        now.as_secs() > self.not_after.as_secs()
    }
}

impl fmt::Debug for ChainCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainCache").field("capacity", &self.capacity).field("len", &self.len()).finish()
    }
}

/// Names a sequence of certificates: a digest over all of them. The first is the anchor, so that bundles under different
/// anchors have different names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BundleId([u8; 32]);

impl BundleId {
    pub(crate) fn of(cabundle: &[Vec<u8>]) -> Self {
        let mut context = Context::new(&SHA256);
        for certificate in cabundle {
            // The length keeps (ab, c) and (a, bc) apart.
            context.update(&certificate.len().to_be_bytes());
            context.update(certificate);
        }
        let mut id = [0; 32];
        id.copy_from_slice(context.finish().as_ref());
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
    const LATER: UnixTime = UnixTime::from_secs(1_700_000_060);

    fn cache(capacity: usize) -> ChainCache {
        ChainCache::new(NonZeroUsize::new(capacity).unwrap())
    }

    fn id(name: &[u8]) -> BundleId {
        BundleId::of(&[name.to_vec()])
    }

    fn until(not_after: UnixTime) -> VerifiedBundle {
        VerifiedBundle { not_before: NOW, not_after, subjects: Arc::new([]) }
    }

    #[test]
    fn a_bundle_is_forgotten_in_the_second_after_its_last() {
        let cache = cache(2);
        cache.insert(id(b"a"), until(LATER), NOW);
        assert!(cache.get(&id(b"a"), UnixTime::from_millis(LATER.as_millis() + 999)).is_some());
        assert!(cache.get(&id(b"a"), UnixTime::from_millis(LATER.as_millis() + 1000)).is_none());
        assert!(cache.is_empty());
        assert!(cache.get(&id(b"a"), NOW).is_none(), "a clock set back does not bring it back");
    }

    #[test]
    fn a_bundle_does_not_hold_before_its_first_second() {
        let cache = cache(2);
        cache.insert(id(b"a"), until(LATER), NOW);
        assert!(cache.get(&id(b"a"), UnixTime::from_millis(NOW.as_millis() - 1)).is_none());
        assert!(cache.get(&id(b"a"), NOW).is_some());
    }

    #[test]
    fn expired_bundles_make_room_before_used_ones() {
        let cache = cache(2);
        cache.insert(id(b"short"), until(NOW), NOW);
        cache.insert(id(b"long"), until(LATER), NOW);
        assert!(cache.get(&id(b"short"), NOW).is_some(), "the more recently used");
        cache.insert(id(b"new"), until(LATER), LATER);
        assert_eq!(cache.len(), 2);
        assert!(cache.get(&id(b"long"), LATER).is_some() && cache.get(&id(b"new"), LATER).is_some());
    }

    #[test]
    fn the_bundle_unused_for_longest_makes_room() {
        let cache = cache(3);
        for name in [b"a", b"b", b"c"] {
            cache.insert(id(name), until(LATER), NOW);
        }
        assert!(cache.get(&id(b"a"), NOW).is_some());
        cache.insert(id(b"d"), until(LATER), NOW);
        let known = [b"a", b"b", b"c", b"d"].map(|name| cache.get(&id(name), NOW).is_some());
        assert_eq!(known, [true, false, true, true]);
        cache.insert(id(b"d"), until(LATER), NOW);
        assert_eq!(cache.len(), 3, "what is there already needs no room");
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn every_sequence_has_a_name_of_its_own() {
        let bundles: [&[&[u8]]; 6] = [&[], &[b""], &[b"ab"], &[b"ab", b"c"], &[b"a", b"bc"], &[b"c", b"ab"]];
        let names = bundles.map(|bundle| BundleId::of(&bundle.iter().map(|der| der.to_vec()).collect::<Vec<_>>()));
        for (index, name) in names.iter().enumerate() {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "name {index}");
        }
    }
}
