//! Issuers whose signatures were verified before.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};

use crate::anchor::{Fingerprint, TrustAnchor};
use crate::time::UnixTime;

/// Remembers which authorities lead up to a trust anchor, so that the next document under them costs two signature
/// verifications instead of five. Shared by reference among threads.
///
/// All that it remembers is that the signatures of a sequence of certificates, byte for byte this one and under this
/// anchor, were verified. Whatever depends on the time, on the policy or on a certificate's place is checked again for
/// every document, so that a cached issuer is refused in the very second in which it expires. Certificates that restrict
/// the names below them are never remembered: their demands concern certificates not yet seen.
///
/// Only authorities of a path that was verified to its end are taken in, hence nobody without certificates from the
/// anchor can fill the cache. When it is full, expired issuers go first, then those unused for longest.
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
/// assert_eq!(cache.len(), 3); // regional, zonal, instance
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChainCache {
    capacity: usize,
    issuers: Mutex<Issuers>,
}

#[derive(Default)]
struct Issuers {
    verified: HashMap<ChainId, Entry>,
    /// Counts uses, to tell which entry was used last.
    uses: u64,
}

struct Entry {
    /// The earliest end of validity from the anchor down to this issuer.
    not_after: UnixTime,
    last_use: u64,
}

impl ChainCache {
    /// An empty cache for at most `capacity` issuers. An AWS region has one regional authority, a few zonal ones and one
    /// for each parent instance; an entry takes about 64 bytes.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { capacity: capacity.get(), issuers: Mutex::default() }
    }

    /// How many issuers are remembered, expired ones included that were not looked up since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.issuers().verified.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.issuers().verified.clear();
    }

    /// Whether the signatures down to this issuer were verified and none of the certificates has expired.
    pub(crate) fn contains(&self, id: &ChainId, now: UnixTime) -> bool {
        let mut issuers = self.issuers();
        issuers.uses += 1;
        let uses = issuers.uses;
        match issuers.verified.get_mut(id) {
            Some(entry) if is_valid(entry, now) => {
                entry.last_use = uses;
                true
            }
            Some(_) => {
                issuers.verified.remove(id);
                false
            }
            None => false,
        }
    }

    /// Takes in an issuer at the end of a path that was verified.
    pub(crate) fn insert(&self, id: ChainId, not_after: UnixTime, now: UnixTime) {
        let mut issuers = self.issuers();
        issuers.uses += 1;
        let last_use = issuers.uses;
        if !issuers.verified.contains_key(&id) && issuers.verified.len() >= self.capacity {
            issuers.make_room(now);
        }
        issuers.verified.insert(id, Entry { not_after, last_use });
    }

    fn issuers(&self) -> MutexGuard<'_, Issuers> {
        // No code panics while it holds the lock half-way through a change.
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issuers {
    fn make_room(&mut self, now: UnixTime) {
        let before = self.verified.len();
        self.verified.retain(|_, entry| is_valid(entry, now));
        if self.verified.len() == before
            && let Some(oldest) = self.verified.iter().min_by_key(|(_, entry)| entry.last_use).map(|(id, _)| *id)
        {
            self.verified.remove(&oldest);
        }
    }
}

/// As for certificates, which count in seconds.
fn is_valid(entry: &Entry, now: UnixTime) -> bool {
    now.as_secs() <= entry.not_after.as_secs()
}

impl fmt::Debug for ChainCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainCache").field("capacity", &self.capacity).field("len", &self.len()).finish()
    }
}

/// Names a sequence of certificates from an anchor down: a hash over the hash of all before and the last one's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChainId([u8; 32]);

impl ChainId {
    /// The sequence that consists of the anchor alone.
    pub(crate) const fn of(anchor: &TrustAnchor) -> Self {
        Self(*anchor.fingerprint().as_bytes())
    }

    /// The sequence with one more certificate. Both inputs have a fixed length, so that no other sequence has this name.
    pub(crate) fn below(&self, certificate: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(Fingerprint::of(certificate).as_bytes());
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

    fn id(name: &[u8]) -> ChainId {
        ChainId::of(&TrustAnchor::aws_nitro_g1()).below(name)
    }

    #[test]
    fn an_issuer_is_forgotten_in_the_second_after_its_last() {
        let cache = cache(2);
        cache.insert(id(b"a"), LATER, NOW);
        assert!(cache.contains(&id(b"a"), UnixTime::from_millis(LATER.as_millis() + 999)));
        assert!(!cache.contains(&id(b"a"), UnixTime::from_millis(LATER.as_millis() + 1000)));
        assert!(cache.is_empty());
        assert!(!cache.contains(&id(b"a"), NOW), "a clock set back does not bring it back");
    }

    #[test]
    fn expired_issuers_make_room_before_used_ones() {
        let cache = cache(2);
        cache.insert(id(b"short"), NOW, NOW);
        cache.insert(id(b"long"), LATER, NOW);
        assert!(cache.contains(&id(b"short"), NOW), "the more recently used");
        cache.insert(id(b"new"), LATER, LATER);
        assert_eq!(cache.len(), 2);
        assert!(cache.contains(&id(b"long"), LATER) && cache.contains(&id(b"new"), LATER));
    }

    #[test]
    fn the_issuer_unused_for_longest_makes_room() {
        let cache = cache(3);
        for name in [b"a", b"b", b"c"] {
            cache.insert(id(name), LATER, NOW);
        }
        assert!(cache.contains(&id(b"a"), NOW));
        cache.insert(id(b"d"), LATER, NOW);
        assert_eq!([b"a", b"b", b"c", b"d"].map(|name| cache.contains(&id(name), NOW)), [true, false, true, true]);
        cache.insert(id(b"d"), LATER, NOW);
        assert_eq!(cache.len(), 3, "what is there already needs no room");
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn sequences_have_names_of_their_own() {
        let names = [
            id(b"ab"),
            id(b"ab").below(b"c"),
            id(b"a").below(b"bc"),
            id(b"a"),
            id(b"a").below(b"b").below(b"c"),
            ChainId::of(&TrustAnchor::aws_nitro_g1()),
        ];
        for (index, name) in names.iter().enumerate() {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "name {index}");
        }
    }
}
