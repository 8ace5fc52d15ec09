//! [`KmsClient`]: attest, sign, send, open.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use nsm_attest::{AttestationRequest, Clock, Nsm, Purpose, UserData};
use tokio::sync::Semaphore;

use crate::channel::{Channel, ChannelParts, DEFAULT_MAX_CONNECTIONS};
use crate::credentials::{Credentials, ProvideCredentials};
use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::error::{Error, LocalFailure};
use crate::key_arn::{KeyArn, is_region};
use crate::recipient::RecipientKeyPair;
use crate::retry::RetryPolicy;
use crate::tls::TlsRoots;
use crate::transport::Transport;

/// KMS as an enclave uses it: every answer is encrypted to a key that an attestation document vouches for.
///
/// Clones are cheap and share everything, credentials included.
#[derive(Clone, Debug)]
pub struct KmsClient {
    channel: Channel,
    nsm: Arc<dyn Nsm>,
    permitted_keys: Arc<BTreeSet<KeyArn>>,
    deadline: Duration,
    /// Blocking work of calls that were given up still runs to its end: this bounds how much of it there can be.
    recipients: Arc<Semaphore>,
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

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn check_permitted(&self, key: &KeyArn) -> Result<(), Error> {
        if self.permitted_keys.contains(key) { Ok(()) } else { Err(Error::KeyNotPermitted { key: key.clone() }) }
    }

    /// Does what a call consists of, under the deadline that begins now.
    pub(crate) async fn within_deadline<T, F>(&self, call: impl FnOnce(Deadline) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Deadline::after(self.deadline);
        deadline.bound(call(deadline)).await
    }

    /// A fresh key pair and a document over it. Both block, so they run on a blocking thread.
    pub(crate) async fn recipient(&self) -> Result<(RecipientKeyPair, Vec<u8>), Error> {
        self.channel.check_credentials()?;
        let permit = Arc::clone(&self.recipients).acquire_owned().await;
        let permit = permit.map_err(|_| Error::Local(LocalFailure::Worker))?;
        let nsm = Arc::clone(&self.nsm);
        let work = tokio::task::spawn_blocking(move || {
            let recipient = attested_pair(&*nsm);
            drop(permit);
            recipient
        });
        work.await.unwrap_or(Err(Error::Local(LocalFailure::Worker)))
    }
}

fn attested_pair(nsm: &dyn Nsm) -> Result<(RecipientKeyPair, Vec<u8>), Error> {
    let pair = RecipientKeyPair::generate()?;
    let user_data = UserData { purpose: Purpose::KmsRecipient, digest: *pair.identifier() };
    let request = AttestationRequest::new().with_public_key(pair.public_key_der()).with_user_data(user_data);
    let document = nsm.attest(&request).map_err(Error::Attestation)?;
    if document.len() > MAX_ATTESTATION_DOCUMENT_LEN {
        return Err(Error::AttestationTooLong { len: document.len(), max: MAX_ATTESTATION_DOCUMENT_LEN });
    }
    Ok((pair, document))
}

/// Collects what a [`KmsClient`] needs.
///
/// Region, at least one permitted key, NSM, transport and clock have no default. The clock has none because inside an
/// enclave the system's is the parent's: take [`Clock::from_nsm`].
#[derive(Debug, Default)]
#[must_use]
pub struct KmsClientBuilder {
    region: Option<String>,
    permitted_keys: BTreeSet<KeyArn>,
    nsm: Option<Arc<dyn Nsm>>,
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

    /// The module that vouches for the recipient keys.
    pub fn nsm(mut self, nsm: Arc<dyn Nsm>) -> Self {
        self.nsm = Some(nsm);
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
    /// Connections are kept for the next calls, for 20 seconds. Each call that waits holds its request, so whoever makes
    /// calls for others bounds how many there are.
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
        if self.permitted_keys.is_empty() {
            return Err(BuildError::Missing { what: "permitted key" });
        }
        if let Some(key) = self.permitted_keys.iter().find(|key| key.region() != region) {
            return Err(BuildError::KeyInAnotherRegion { key: key.clone(), region });
        }
        let deadline = self.deadline.unwrap_or(DEFAULT_DEADLINE);
        if deadline.is_zero() {
            return Err(BuildError::ZeroDeadline);
        }
        let nsm = self.nsm.ok_or(BuildError::Missing { what: "NSM" })?;
        let transport = self.transport.ok_or(BuildError::Missing { what: "transport" })?;
        let clock = self.clock.ok_or(BuildError::Missing { what: "clock" })?;
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint,
            None => Endpoint::regional(&region).map_err(|_| BuildError::BadRegion)?,
        };
        if endpoint.region().is_some_and(|of_endpoint| of_endpoint != region) {
            return Err(BuildError::EndpointInAnotherRegion { endpoint: endpoint.authority().to_owned(), region });
        }
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
        Ok(KmsClient {
            channel,
            nsm,
            permitted_keys: Arc::new(self.permitted_keys),
            deadline,
            recipients: Arc::new(Semaphore::new(MAX_BLOCKING_RECIPIENTS)),
        })
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
/// The limit of the `AttestationDocument` field in KMS's API.
const MAX_ATTESTATION_DOCUMENT_LEN: usize = 262_144;
const MAX_BLOCKING_RECIPIENTS: usize = 32;
