//! The enclave as the parent sees it: calls with a deadline, and credentials kept fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use signer_protocol::code;
use signer_protocol::method::{
    AwsCredentials, Health, HealthRequest, HealthResponse, PARENT_PORT_MAX_PAYLOAD_LEN, SetCredentials,
};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vsock_rpc::{Addr, CallError, Client, Method, RemoteError};

use crate::credentials::{CredentialsError, CredentialsSource};

/// Calls the enclave's parent port.
#[derive(Debug)]
pub(crate) struct Enclave {
    client: Client,
    source: Arc<CredentialsSource>,
    /// Held while credentials are pushed: one push serves everyone who waits for it.
    push: Mutex<()>,
    /// How many pushes succeeded.
    pushes: AtomicU64,
    /// Expiry of the credentials pushed last, in milliseconds since the Unix epoch; 0 if they do not expire.
    expires_at_ms: AtomicU64,
}

impl Enclave {
    pub(crate) fn new(addr: &Addr, source: CredentialsSource) -> Self {
        let client = Client::builder(addr.clone())
            .max_payload_len(PARENT_PORT_MAX_PAYLOAD_LEN)
            // An enclave that restarts is back within seconds; waiting longer between attempts gains nothing.
            .backoff(Duration::from_millis(50), Duration::from_secs(1))
            .build();
        Self {
            client,
            source: Arc::new(source),
            push: Mutex::new(()),
            pushes: AtomicU64::new(0),
            expires_at_ms: AtomicU64::new(0),
        }
    }

    /// Calls `M`, and hands the enclave credentials if that is what it lacks.
    ///
    /// An enclave without credentials stops before it does anything, so the call may be made again.
    pub(crate) async fn call<M: Method>(
        &self,
        request: &M::Request,
        deadline: Instant,
    ) -> Result<M::Response, EnclaveError> {
        let pushes = self.pushes.load(Ordering::Acquire);
        match self.client.call::<M>(request, remaining(deadline)).await {
            Err(CallError::Remote(error)) if error.code() == code::CREDENTIALS_MISSING => {
                self.push_unless_pushed_since(pushes, deadline).await?;
                Ok(self.client.call::<M>(request, remaining(deadline)).await?)
            }
            result => Ok(result?),
        }
    }

    /// Asks how the enclave is.
    pub(crate) async fn health(&self, deadline: Instant) -> Result<HealthResponse, EnclaveError> {
        Ok(self.client.call::<Health>(&HealthRequest {}, remaining(deadline)).await?)
    }

    /// Keeps the enclave supplied, until the future is dropped: after a start or restart of either side, and before
    /// credentials expire.
    pub(crate) async fn keep_supplied(&self, interval: Duration) {
        let mut wait = FIRST_RETRY.min(interval);
        loop {
            wait = match self.supply(interval).await {
                Ok(()) => interval,
                Err(error) => {
                    tracing::warn!(%error, "the enclave has no fresh credentials");
                    (wait * 2).min(interval)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Pushes credentials if the enclave has none, or they are about to expire.
    async fn supply(&self, timeout: Duration) -> Result<(), EnclaveError> {
        let pushes = self.pushes.load(Ordering::Acquire);
        let deadline = Instant::now() + timeout;
        if self.health(deadline).await?.credentials_fresh && !self.expire_soon() {
            return Ok(());
        }
        self.push_unless_pushed_since(pushes, deadline).await
    }

    fn expire_soon(&self) -> bool {
        let expires_at_ms = self.expires_at_ms.load(Ordering::Acquire);
        // The parent's own clock decides only when to renew; whether credentials are fresh is the enclave's judgement.
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        expires_at_ms != 0 && now_ms + RENEWAL_MARGIN.as_millis() >= u128::from(expires_at_ms)
    }

    async fn push_unless_pushed_since(&self, pushes: u64, deadline: Instant) -> Result<(), EnclaveError> {
        let Ok(_turn) = tokio::time::timeout_at(deadline, self.push.lock()).await else {
            return Err(CallError::DeadlineExceeded { may_have_run: false }.into());
        };
        if self.pushes.load(Ordering::Acquire) != pushes {
            return Ok(());
        }
        let credentials = self.load().await?;
        let pushed = self.client.call::<SetCredentials>(&credentials, remaining(deadline)).await;
        pushed.map_err(|error| match error {
            CallError::Remote(error) => EnclaveError::CredentialsRefused(error),
            error => error.into(),
        })?;
        self.expires_at_ms.store(credentials.expires_at_ms.unwrap_or(0), Ordering::Release);
        self.pushes.fetch_add(1, Ordering::AcqRel);
        tracing::info!(expires_at_ms = credentials.expires_at_ms, "pushed credentials to the enclave");
        Ok(())
    }

    /// Reads the credentials where reading a file may block.
    async fn load(&self) -> Result<AwsCredentials, EnclaveError> {
        let source = Arc::clone(&self.source);
        let loaded = tokio::task::spawn_blocking(move || source.load()).await;
        Ok(loaded.map_err(|_| EnclaveError::ShuttingDown)??)
    }
}

/// Why the enclave did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum EnclaveError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There are no credentials to give it.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// It does not take the ones that this side has.
    #[error("the enclave refuses the credentials: {0}")]
    CredentialsRefused(RemoteError),
    /// The runtime ended.
    #[error("the parent is shutting down")]
    ShuttingDown,
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// First wait after the enclave could not be supplied: it usually is about to listen.
const FIRST_RETRY: Duration = Duration::from_millis(100);

/// Credentials are renewed this long before they expire.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);
