//! [`KmsClient`]: attest, sign, send, open.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nsm_attest::{Clock, Nsm};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::action::RecipientAction;
use crate::channel::{Channel, ChannelParts, DEFAULT_MAX_CONNECTIONS};
use crate::credentials::{Credentials, ProvideCredentials};
use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::key_arn::{KeyArn, is_region};
use crate::key_id::PermittedKeys;
use crate::pool::{PoolStats, RecipientPool};
use crate::retry::RetryPolicy;
use crate::tls::TlsRoots;
use crate::transport::Transport;

/// KMS as an enclave uses it: every answer is encrypted to a key that an attestation document vouches for.
///
/// Clones are cheap and share everything, credentials and recipient keys included.
///
/// An envelope is opened by the task that makes the call, which takes 0.2 ms of a processor with AVX-512 and 1.1 ms of one
/// without (`cargo run --release -p benches --bin scoreboard -- --only kms-open`): give calls that are made at the same time tasks of their own, and they use all threads of the runtime.
#[derive(Clone, Debug)]
pub struct KmsClient {
    channel: Channel,
    recipients: RecipientPool,
    permitted_keys: Arc<PermittedKeys>,
    deadline: Duration,
}

impl KmsClient {
    /// Starts building a client.
    pub fn builder() -> KmsClientBuilder {
        KmsClientBuilder::default()
    }

    /// Replaces the credentials that the next call of this client and all its clones signs with.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.channel.set_credentials(credentials);
    }

    /// Whether a call would find credentials that have not expired, by this client's clock.
    ///
    /// # Errors
    /// [`Error::CredentialsMissing`] or [`Error::CredentialsExpired`].
    pub fn check_credentials(&self) -> Result<(), Error> {
        self.channel.check_credentials()
    }

    /// Makes recipient keys and their documents before the first call needs one, and waits until they are ready.
    ///
    /// Without it the first call does so. Credentials are not needed yet.
    ///
    /// # Errors
    /// [`Error::Attestation`], [`Error::AttestationTooLong`] or [`Error::Local`] if one could not be made (the client
    /// goes on trying), [`Error::DeadlineExceeded`] if it took longer than a call may.
    pub async fn warm(&self) -> Result<(), Error> {
        Deadline::after(self.deadline).bound(self.recipients.warm()).await
    }

    /// How many recipient keys are ready, and whether calls had to wait for one.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.recipients.stats()
    }

    pub(crate) fn permitted_keys(&self) -> &PermittedKeys {
        &self.permitted_keys
    }

    /// Performs an action with a Recipient.
    pub(crate) async fn perform<A: RecipientAction>(&self, request: &A) -> Result<A::Answer, Error> {
        request.check(&self.permitted_keys)?;
        let deadline = Deadline::after(self.deadline);
        deadline.bound(self.attested(request, deadline)).await
    }

    /// Performs an action without one.
    pub(crate) async fn call<R: DeserializeOwned>(&self, action: &str, request: &impl Serialize) -> Result<R, Error> {
        self.channel.call(action, request, Deadline::after(self.deadline)).await
    }

    async fn attested<A: RecipientAction>(&self, request: &A, deadline: Deadline) -> Result<A::Answer, Error> {
        self.channel.check_credentials()?;
        let recipient = self.recipients.take().await?;
        let reply = self.channel.call(A::NAME, &request.body(recipient.as_field()), deadline).await;
        let reply = reply.map_err(|error| match recipient.image() {
            Some(image) => error.with_image(image),
            None => error,
        })?;
        let sealed = request.read(reply, &self.permitted_keys)?;
        // Here and now: handing it to another thread and back takes a good part of 0.2 ms, which it takes at best, and calls from tasks of their own are on all the runtime's threads anyway.
        sealed.open(|envelope, len| recipient.open(envelope, len))
    }
}

/// Collects what a [`KmsClient`] needs.
///
/// Region, at least one permitted key (or [the word](Self::permit_no_key) that there is none), NSM (or a pool over it),
/// transport and clock have no default. The clock has none because inside an enclave the system's is the parent's: take
/// [`Clock::from_nsm`].
#[derive(Debug, Default)]
#[must_use]
pub struct KmsClientBuilder {
    region: Option<String>,
    permitted_keys: BTreeSet<KeyArn>,
    is_without_keys: bool,
    recipients: Option<Recipients>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Clock>,
    tls_roots: TlsRoots,
    endpoint: Option<Endpoint>,
    credentials: Option<Credentials>,
    credentials_provider: Option<Arc<dyn ProvideCredentials>>,
    retry: RetryPolicy,
    max_connections: Option<usize>,
    deadline: Option<Duration>,
    max_reply_len: Option<usize>,
}

impl KmsClientBuilder {
    /// The region whose KMS is called.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Adds a key that the client may use. It is the measured configuration that should say so, never a request.
    pub fn permit_key(mut self, key: KeyArn) -> Self {
        self.permitted_keys.insert(key);
        self
    }

    /// Says that the client is to be built without a permitted key: for GenerateRandom, which has none. It refuses whatever
    /// has.
    pub fn permit_no_key(mut self) -> Self {
        self.is_without_keys = true;
        self
    }

    /// The module that vouches for the recipient keys, which are kept in a [`RecipientPool`] with its default options.
    pub fn nsm(mut self, nsm: Arc<dyn Nsm>) -> Self {
        self.recipients = Some(Recipients::From(nsm));
        self
    }

    /// A pool with options of its own, or one that several clients share, in place of [`nsm`](Self::nsm).
    pub fn recipient_pool(mut self, pool: RecipientPool) -> Self {
        self.recipients = Some(Recipients::In(pool));
        self
    }

    /// What connects to KMS.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The clock for signatures, certificates and expiry.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Roots in place of Amazon's: see [`TlsRoots::from_der`].
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.tls_roots = roots;
        self
    }

    /// Credentials to begin with; [`KmsClient::set_credentials`] replaces them.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// What gives the client its credentials when those it has are about to end, or it has none.
    pub fn credentials_provider(mut self, provider: Arc<dyn ProvideCredentials>) -> Self {
        self.credentials_provider = Some(provider);
        self
    }

    /// Another endpoint than the public one of the region.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// How failed attempts are repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many connections there are at most; further calls wait, within their deadline. 16 by default, at least one.
    ///
    /// Connections are kept for the next calls, for 20 seconds. Each call that waits holds its request, so whoever
    /// makes calls for others bounds how many there are.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = Some(max);
        self
    }

    /// How long a call may take altogether: attestation, connecting, TLS, request, reply, and whatever is repeated of
    /// these. 10 seconds by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The most bytes of a reply's body that are read. 64 KiB by default.
    pub fn max_reply_len(mut self, len: usize) -> Self {
        self.max_reply_len = Some(len);
        self
    }

    /// Builds the client. Nothing is connected yet.
    ///
    /// # Errors
    /// [`BuildError`] names what is missing or does not fit together.
    pub fn build(self) -> Result<KmsClient, BuildError> {
        let region = self.region.ok_or(BuildError::Missing { what: "region" })?;
        if !is_region(&region) {
            return Err(BuildError::BadRegion);
        }
        if self.permitted_keys.is_empty() && !self.is_without_keys {
            return Err(BuildError::Missing { what: "permitted key" });
        }
        if let Some(key) = self.permitted_keys.iter().find(|key| key.region() != region) {
            return Err(BuildError::KeyInAnotherRegion { key: key.clone(), region });
        }
        let deadline = self.deadline.unwrap_or(DEFAULT_DEADLINE);
        if deadline.is_zero() {
            return Err(BuildError::ZeroDeadline);
        }
        let recipients = self.recipients.ok_or(BuildError::Missing { what: "NSM" })?;
        let transport = self.transport.ok_or(BuildError::Missing { what: "transport" })?;
        let clock = self.clock.ok_or(BuildError::Missing { what: "clock" })?;
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint,
            None => Endpoint::regional(&region).map_err(|_| BuildError::BadRegion)?,
        };
        if endpoint.region().is_some_and(|of_endpoint| of_endpoint != region) {
            return Err(BuildError::EndpointInAnotherRegion { endpoint: endpoint.authority().to_owned(), region });
        }
        let recipients = recipients.into_pool(&clock);
        let channel = Channel::new(ChannelParts {
            endpoint,
            region,
            transport,
            roots: self.tls_roots,
            clock,
            credentials: self.credentials,
            provider: self.credentials_provider,
            retry: self.retry,
            max_connections: self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
            max_reply_len: self.max_reply_len.unwrap_or(DEFAULT_MAX_REPLY_LEN),
        })
        .map_err(|error| BuildError::Tls(Box::new(error)))?;
        let permitted_keys = Arc::new(PermittedKeys::new(self.permitted_keys));
        Ok(KmsClient { channel, recipients, permitted_keys, deadline })
    }
}

/// Where a client's recipient keys come from.
#[derive(Debug)]
enum Recipients {
    From(Arc<dyn Nsm>),
    In(RecipientPool),
}

impl Recipients {
    fn into_pool(self, clock: &Clock) -> RecipientPool {
        match self {
            Self::From(nsm) => RecipientPool::with_defaults(nsm, clock.clone()),
            Self::In(pool) => pool,
        }
    }
}

/// Why a [`KmsClient`] cannot be built.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The region does not look like one.
    #[error("the region must look like `eu-west-1`")]
    BadRegion,
    /// The endpoint belongs to another region than the client's.
    #[error("endpoint {endpoint} is not in region {region}")]
    EndpointInAnotherRegion {
        /// The endpoint.
        endpoint: String,
        /// The client's region.
        region: String,
    },
    /// A permitted key lies in another region than the client calls.
    #[error("key {key} is not in region {region}")]
    KeyInAnotherRegion {
        /// The key.
        key: KeyArn,
        /// The client's region.
        region: String,
    },
    /// A part without default was not given.
    #[error("no {what} was given")]
    Missing {
        /// The part.
        what: &'static str,
    },
    /// The TLS configuration is unusable.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A deadline of zero would let no call succeed.
    #[error("the deadline must not be zero")]
    ZeroDeadline,
}

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
const DEFAULT_MAX_REPLY_LEN: usize = 64 * 1024;
