//! [`EvidenceSource`]: gets evidence within its limits, and keeps some for the clients that accept it cached.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::time::{Instant, timeout};

use crate::session::evidence::{BoxFuture, Evidence, EvidenceRequest};
use crate::session::keys::ServerKey;
use crate::session::{MAX_EVIDENCE_LEN, SessionError};
use crate::tasks::Tasks;

/// An [`Evidence`] with a deadline, a bound on its length, and a cache.
pub(super) struct EvidenceSource {
    evidence: Arc<dyn Evidence>,
    timeout: Duration,
    cache_age: Duration,
    cache: Mutex<Cache>,
    making: Tasks,
}

/// Evidence that was made for one key and no session.
#[derive(Default)]
struct Cache {
    kept: Option<Kept>,
    making: Option<Making>,
    makings: u64,
}

struct Kept {
    key: Arc<ServerKey>,
    /// When it was asked for: it is at most as old as that says.
    asked_at: Instant,
    evidence: Arc<[u8]>,
}

/// Several sessions wait for what is being made once.
struct Making {
    key: Arc<ServerKey>,
    number: u64,
    outcome: Shared<BoxFuture<'static, Outcome>>,
}

type Outcome = Result<Arc<[u8]>, SessionError>;

impl EvidenceSource {
    pub(super) fn new(evidence: Arc<dyn Evidence>, timeout: Duration, cache_age: Duration) -> Arc<Self> {
        Arc::new(Self { evidence, timeout, cache_age, cache: Mutex::default(), making: Tasks::default() })
    }

    /// Evidence for one session.
    pub(super) async fn fresh(&self, key: &ServerKey, nonce: &[u8; 32]) -> Result<Vec<u8>, SessionError> {
        self.make(EvidenceRequest::fresh(key.spki(), nonce)).await
    }

    /// Evidence for a key, made now or within the age of the cache.
    ///
    /// What is being made is made to its end, though the sessions that wait for it end: peers that come and go cause
    /// no more of it than peers that stay.
    pub(super) async fn cached(self: &Arc<Self>, key: &Arc<ServerKey>) -> Outcome {
        let outcome = {
            let mut cache = self.lock();
            if let Some(kept) = cache.kept.as_ref().filter(|kept| kept.serves(key, self.cache_age)) {
                return Ok(Arc::clone(&kept.evidence));
            }
            match &cache.making {
                Some(making) if Arc::ptr_eq(&making.key, key) => making.outcome.clone(),
                _ => self.begin(&mut cache, key),
            }
        };
        outcome.await
    }

    /// Waits until none is being made for the cache, which no longer takes than any does.
    pub(super) async fn made(&self) {
        // Others that share this source may have begun again.
        let _ = timeout(self.timeout, self.making.ended()).await;
    }

    fn begin(self: &Arc<Self>, cache: &mut Cache, key: &Arc<ServerKey>) -> Shared<BoxFuture<'static, Outcome>> {
        cache.makings += 1;
        let number = cache.makings;
        let (alive, making) = (self.making.alive(), Arc::clone(self).make_for_cache(Arc::clone(key), number));
        let task = tokio::spawn(async move {
            let _alive = alive;
            making.await
        });
        let outcome =
            async move { task.await.unwrap_or_else(|ended| Err(SessionError::EvidenceSource(Arc::new(ended)))) };
        let outcome = outcome.boxed().shared();
        cache.making = Some(Making { key: Arc::clone(key), number, outcome: outcome.clone() });
        outcome
    }

    async fn make_for_cache(self: Arc<Self>, key: Arc<ServerKey>, number: u64) -> Outcome {
        let _end = EndOfMaking { source: &self, number };
        let asked_at = Instant::now();
        let evidence: Arc<[u8]> = self.make(EvidenceRequest::cached(key.spki())).await?.into();
        let mut cache = self.lock();
        // Another key's evidence is wanted by now: that of an older key must not take its place.
        if cache.making.as_ref().is_some_and(|making| making.number == number) {
            cache.kept = Some(Kept { key: Arc::clone(&key), asked_at, evidence: Arc::clone(&evidence) });
        }
        Ok(evidence)
    }

    async fn make(&self, request: EvidenceRequest<'_>) -> Result<Vec<u8>, SessionError> {
        let limit = self.timeout;
        let made = timeout(limit, self.evidence.evidence(request)).await;
        let evidence = made.map_err(|_elapsed| SessionError::EvidenceTimedOut { limit })?;
        let evidence = evidence.map_err(|error| SessionError::EvidenceSource(error.into()))?;
        match evidence.len() {
            0 => Err(SessionError::EvidenceEmpty),
            len if len > MAX_EVIDENCE_LEN => Err(SessionError::EvidenceTooLong { len }),
            _ => Ok(evidence),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EvidenceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvidenceSource")
            .field("timeout", &self.timeout)
            .field("cache_age", &self.cache_age)
            .finish_non_exhaustive()
    }
}

impl Kept {
    fn serves(&self, key: &Arc<ServerKey>, max_age: Duration) -> bool {
        Arc::ptr_eq(&self.key, key) && self.asked_at.elapsed() < max_age
    }
}

/// However making ends, by a panic too, the next client that asks begins another.
struct EndOfMaking<'a> {
    source: &'a EvidenceSource,
    number: u64,
}

impl Drop for EndOfMaking<'_> {
    fn drop(&mut self) {
        let mut cache = self.source.lock();
        cache.making.take_if(|making| making.number == self.number);
    }
}
