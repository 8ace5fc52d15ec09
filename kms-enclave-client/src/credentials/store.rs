//! [`CredentialsStore`]: the credentials that the next request signs with, and their refresh.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nsm_attest::{Clock, UnixTime};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Credentials, ProvideCredentials};
use crate::error::{Error, LocalFailure};

/// A client's credentials, shared by all its clones.
#[derive(Clone, Debug)]
pub(crate) struct CredentialsStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    provider: Option<Arc<dyn ProvideCredentials>>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Credentials>>,
    /// KMS says that the current ones have ended, whatever the enclave's clock says.
    is_rejected: bool,
    /// The refresh that is going on, if its sender still lives.
    refresh: Option<watch::Receiver<Outcome>>,
    refreshed_at: Option<Instant>,
}

/// What a refresh ended with; `None` while it goes on.
type Outcome = Option<Result<Arc<Credentials>, Arc<dyn std::error::Error + Send + Sync>>>;

enum Found {
    Usable(Arc<Credentials>),
    Awaited(watch::Receiver<Outcome>),
}

impl CredentialsStore {
    pub(crate) fn new(
        credentials: Option<Credentials>,
        provider: Option<Arc<dyn ProvideCredentials>>,
        clock: Clock,
    ) -> Self {
        let state = State { current: credentials.map(Arc::new), ..State::default() };
        Self { shared: Arc::new(Shared { provider, clock, state: Mutex::new(state) }) }
    }

    /// Replaces the credentials.
    pub(crate) fn set(&self, credentials: Credentials) {
        self.shared.lock().replace(Arc::new(credentials));
    }

    /// Whether [`current`](Self::current) has something to give, or somebody to ask.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let usable = self.shared.lock().usable(&self.shared.clock).map(drop);
        if self.shared.provider.is_some() { Ok(()) } else { usable }
    }

    /// Credentials that hold now; waits for the provider if there are none.
    pub(crate) async fn current(&self) -> Result<Arc<Credentials>, Error> {
        let mut awaited = match self.find()? {
            Found::Usable(credentials) => return Ok(credentials),
            Found::Awaited(outcome) => outcome,
        };
        // A refresh that ends without outcome panicked, or its runtime is gone.
        let outcome = awaited.wait_for(Option::is_some).await.map_err(|_| Error::Local(LocalFailure::Worker))?;
        let Some(provided) = outcome.clone() else { return Err(Error::Local(LocalFailure::Worker)) };
        let credentials = provided.map_err(Error::CredentialsUnavailable)?;
        credentials.check(self.shared.clock.now())?;
        Ok(credentials)
    }

    /// Takes note that KMS calls `used` expired. Gives whether there are others by now, or somebody to ask for them.
    pub(crate) fn reject(&self, used: &Arc<Credentials>) -> bool {
        let mut state = self.shared.lock();
        let is_current = state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, used));
        let can_ask = self.shared.provider.is_some();
        // Without a provider they stay, so that later calls tell what KMS says of them, too.
        state.is_rejected |= is_current && can_ask;
        !is_current || can_ask
    }

    fn find(&self) -> Result<Found, Error> {
        let mut state = self.shared.lock();
        let usable = state.usable(&self.shared.clock);
        let Some(provider) = &self.shared.provider else { return usable.map(Found::Usable) };
        let Ok(credentials) = usable else { return Ok(Found::Awaited(self.refresh(&mut state, provider))) };
        let soon = self.shared.clock.now().saturating_add(REFRESH_AHEAD);
        let has_rested = state.refreshed_at.is_none_or(|at| at.elapsed() >= REFRESH_PAUSE);
        if has_rested && credentials.check(soon).is_err() {
            // Nobody waits for this one.
            let _outcome = self.refresh(&mut state, provider);
        }
        Ok(Found::Usable(credentials))
    }

    /// Joins the refresh that is going on, or begins one: a task of its own, so that no caller's end is its end.
    fn refresh(&self, state: &mut State, provider: &Arc<dyn ProvideCredentials>) -> watch::Receiver<Outcome> {
        if let Some(outcome) = state.refresh.as_ref().filter(|outcome| outcome.has_changed().is_ok()) {
            return outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        state.refresh = Some(outcome.clone());
        state.refreshed_at = Some(Instant::now());
        let (shared, provider, before) = (Arc::clone(&self.shared), Arc::clone(provider), state.current.clone());
        tokio::spawn(async move {
            let provided = timeout(REFRESH_TIMEOUT, provider.provide()).await;
            let provided = provided.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            let outcome = provided.map(Arc::new).map_err(Arc::from);
            let mut state = shared.lock();
            if let Ok(credentials) = &outcome {
                state.take_in(credentials, before.as_ref(), shared.clock.now());
            }
            state.refresh = None;
            sender.send_replace(Some(outcome));
        });
        outcome
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn replace(&mut self, credentials: Arc<Credentials>) {
        self.current = Some(credentials);
        self.is_rejected = false;
    }

    /// Takes what the provider gave, who was asked when `before` were the current ones. What has ended replaces nothing, and
    /// what was set in the meantime stays.
    fn take_in(&mut self, provided: &Arc<Credentials>, before: Option<&Arc<Credentials>>, now: UnixTime) {
        let is_unchanged = self.current.as_ref().map(Arc::as_ptr) == before.map(Arc::as_ptr);
        if is_unchanged && provided.check(now).is_ok() {
            self.replace(Arc::clone(provided));
        }
    }

    fn usable(&self, clock: &Clock) -> Result<Arc<Credentials>, Error> {
        let credentials = self.current.as_ref().ok_or(Error::CredentialsMissing)?;
        let now = clock.now();
        credentials.check(now)?;
        if self.is_rejected {
            return Err(Error::CredentialsExpired { expired_at: now, now });
        }
        Ok(Arc::clone(credentials))
    }
}

/// How long before their expiry credentials are replaced.
const REFRESH_AHEAD: Duration = Duration::from_secs(5 * 60);
/// How long a refresh may take.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(30);
/// The least time between two refreshes that nobody waits for: a provider that fails is not asked with every call.
const REFRESH_PAUSE: Duration = Duration::from_secs(5);
