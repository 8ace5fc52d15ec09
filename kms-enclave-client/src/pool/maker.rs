//! The task that makes recipients.

use std::sync::{Arc, Weak};
use std::time::Duration;

use nsm_attest::{AsyncNsm, AttestationRequest, Clock, Purpose, UserData};
use tokio::sync::Notify;
use tokio::task;
use tokio::time::timeout;

use super::state::{Failure, MAX_ATTESTATION_DOCUMENT_LEN, Moment, Next};
use super::{PooledRecipient, Shared};
use crate::error::{Error, LocalFailure};
use crate::recipient::RecipientKeyPair;

/// Makes recipients one after the other, for as long as there is somebody to use them.
pub(super) struct Maker {
    /// Weak, so that the pool ends with its last clone; that aborts this task.
    shared: Weak<Shared>,
    nsm: AsyncNsm,
    clock: Clock,
    wake: Arc<Notify>,
    /// A pair that is still without document, because the NSM failed.
    pair: Option<RecipientKeyPair>,
}

impl Maker {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            nsm: shared.nsm.clone(),
            clock: shared.clock.clone(),
            wake: Arc::clone(&shared.wake),
            pair: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut backoff = MIN_BACKOFF;
        while let Some(next) = self.next() {
            if let Next::Wait(time) = next {
                self.wait(time).await;
                continue;
            }
            let made = self.make().await;
            let is_made = made.is_ok();
            if !self.hand_over(made) {
                return;
            }
            if is_made {
                backoff = MIN_BACKOFF;
            } else {
                self.wait(backoff).await;
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
    }

    /// What there is to do. `None` if nobody uses the pool any more.
    fn next(&self) -> Option<Next> {
        let shared = self.shared.upgrade()?;
        let now = shared.now();
        let next = shared.state().next(now);
        Some(next)
    }

    /// Waits for so long, or until somebody calls.
    async fn wait(&self, time: Duration) {
        // Both ends are the same to it: to look what there is to do.
        let _called_or_not = timeout(time, self.wake.notified()).await;
    }

    /// Makes a recipient, and says when its document was asked for.
    async fn make(&mut self) -> Result<(PooledRecipient, Moment), Failure> {
        let pair = match self.pair.take() {
            Some(pair) => pair,
            None => generate().await?,
        };
        let user_data = UserData { purpose: Purpose::KmsRecipient, digest: *pair.identifier() };
        let request = AttestationRequest::new().with_public_key(pair.public_key_der()).with_user_data(user_data);
        // Not before the key is made: half of the greatest age is left whatever the module's deadline lets it take.
        let asked_at = Moment::now(&self.clock);
        match self.nsm.attest(request).await {
            Ok(document) if document.len() <= MAX_ATTESTATION_DOCUMENT_LEN => {
                Ok((PooledRecipient::new(pair, &document), asked_at))
            }
            Ok(document) => {
                self.pair = Some(pair);
                Err(Failure::TooLong { len: document.len() })
            }
            Err(error) => {
                self.pair = Some(pair);
                Err(Failure::Attestation(error))
            }
        }
    }

    /// Says whether anybody is left to hand over to.
    fn hand_over(&self, made: Result<(PooledRecipient, Moment), Failure>) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        match made {
            Ok((recipient, asked_at)) => shared.state().add(recipient, asked_at),
            Err(failure) => shared.state().add_failure(failure),
        }
        shared.changed.notify_waiters();
        true
    }
}

impl Drop for Maker {
    /// However the task ended: whoever waits has to see to a new one.
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let mut state = shared.state();
            if std::thread::panicking() {
                state.add_failure(Failure::Local(LocalFailure::Worker));
            }
            state.maker_ended();
            drop(state);
            shared.changed.notify_waiters();
        }
    }
}

async fn generate() -> Result<RecipientKeyPair, Failure> {
    match task::spawn_blocking(RecipientKeyPair::generate).await {
        Ok(Ok(pair)) => Ok(pair),
        Ok(Err(Error::Local(failure))) => Err(Failure::Local(failure)),
        Ok(Err(_)) => Err(Failure::Local(LocalFailure::KeyGeneration)),
        Err(_) => Err(Failure::Local(LocalFailure::Worker)),
    }
}

const MIN_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
