//! What the enclave does with a request, whichever port it came from.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use aws_lc_rs::digest;
use chain_signers::policy::{Decision, Meter, Usage};
use chain_signers::{Chain, ChainId, Payload, Registry};
use kms_enclave_client::{Credentials, KmsClient};
use nsm_attest::{AttestationRequest, Clock, Nsm, UnixTime};
use signer_protocol::method::{
    AwsCredentials, ExpectedKey, GenerateKeyRequest, GenerateKeyResponse, HealthResponse, KeyDescription,
    MAX_TRANSACTION_LEN, SignRequest, SignResponse,
};
use signer_protocol::record::{MAX_CALLERS, MAX_POLICY_LEN, Record, RecordDigest, SpkiDigest, check_callers};
use tokio::sync::Semaphore;
use vsock_rpc::Addr;

use crate::cache::KeyCache;
use crate::caller::Caller;
use crate::configuration::{Configuration, ParentPermissions, SessionConfiguration};
use crate::error::ServiceError;
use crate::seal::{self, Terms, UnsealedKey};
use crate::workshop::Workshop;

/// The signing service. All its state is caches and credentials, so enclaves of one image are interchangeable.
#[derive(Debug)]
pub struct Service {
    configuration: Configuration,
    nsm: Arc<dyn Nsm>,
    clock: Clock,
    kms: KmsClient,
    registry: Registry,
    keys: KeyCache,
    meter: Arc<Meter>,
    /// Places for records that are being opened for sessions.
    session_openings: Semaphore,
    /// Where calls to the NSM wait and run.
    nsm_workshop: Workshop,
    /// Where long transactions are decoded and signed.
    signing_workshop: Workshop,
}

impl Service {
    pub(crate) fn new(
        configuration: Configuration,
        nsm: Arc<dyn Nsm>,
        clock: Clock,
        kms: KmsClient,
        registry: Registry,
    ) -> Self {
        Self {
            configuration,
            nsm,
            clock,
            kms,
            registry,
            keys: KeyCache::new(CACHED_KEYS),
            meter: Arc::new(Meter::new(COUNTED_LIMITS).max_windows_of_key(COUNTED_LIMITS_OF_KEY)),
            session_openings: Semaphore::new(SESSION_OPENINGS),
            nsm_workshop: Workshop::new(NSM_CALLS),
            signing_workshop: Workshop::new(available_parallelism().map_or(1, usize::from)),
        }
    }

    /// What the measured configuration lets the parent do.
    #[must_use]
    pub fn parent_may(&self) -> ParentPermissions {
        self.configuration.parent_may
    }

    /// Where the measured configuration has the enclave listen for its parent.
    #[must_use]
    pub fn parent_port(&self) -> &Addr {
        &self.configuration.parent_port
    }

    /// Where the measured configuration has the enclave listen for sessions, and with whom it opens them.
    #[must_use]
    pub fn sessions(&self) -> Option<&SessionConfiguration> {
        self.configuration.sessions.as_ref()
    }

    /// Whether the enclave can work, and what time it has.
    #[must_use]
    pub fn health(&self) -> HealthResponse {
        HealthResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: self.clock.now().as_millis(),
            credentials_fresh: self.kms.check_credentials().is_ok(),
            families: self.registry.namespaces().map(str::to_owned).collect(),
        }
    }

    /// Replaces the AWS credentials.
    ///
    /// # Errors
    /// [`ServiceError::MalformedCredentials`] if one is not such as AWS issues.
    pub fn set_credentials(&self, credentials: &AwsCredentials) -> Result<(), ServiceError> {
        self.kms.set_credentials(Credentials::new(
            credentials.access_key_id.as_str(),
            credentials.secret_access_key.as_str(),
            credentials.session_token.clone(),
            credentials.expires_at_ms.map(UnixTime::from_millis),
        )?);
        Ok(())
    }

    /// Makes a recipient key and its attestation document before the first request needs them, and waits for both.
    ///
    /// # Errors
    /// [`ServiceError::Kms`] if the NSM gives no document. Requests will try again.
    pub async fn warm(&self) -> Result<(), ServiceError> {
        Ok(self.kms.warm().await?)
    }

    /// Has the NSM attest what `request` says, which nothing remote may have chosen but the nonce.
    pub(crate) async fn attest(&self, request: AttestationRequest) -> Result<Vec<u8>, ServiceError> {
        let nsm = Arc::clone(&self.nsm);
        self.nsm_workshop.run(move || Ok(nsm.attest(&request)?)).await
    }

    /// Creates a key as `request` asks.
    ///
    /// # Errors
    /// [`ServiceError`] says whose fault it is.
    pub async fn generate_key(&self, request: GenerateKeyRequest) -> Result<GenerateKeyResponse, ServiceError> {
        let GenerateKeyRequest { family, policy, callers } = request;
        within("policy", policy.len(), 1, MAX_POLICY_LEN)?;
        check_callers(&callers).map_err(ServiceError::MalformedCallers)?;
        self.kms.check_credentials()?;
        let (chain, terms) = (self.chain(&family)?, Terms { policy, callers });
        let (workshop, configuration) = (&self.nsm_workshop, &self.configuration.kms);
        let new = seal::generate(workshop, &self.nsm, &self.kms, configuration, &chain, terms).await?;
        Ok(GenerateKeyResponse {
            record: new.record.to_bytes(),
            description: new.description,
            birth_document: new.birth_document,
        })
    }

    /// Unseals a record and says which key it holds: any record to the parent, else those that name `caller`.
    ///
    /// # Errors
    /// [`ServiceError::NotCaller`] if the record does not name `caller`; else [`ServiceError`] says whose fault it is.
    pub async fn describe_key(&self, caller: Caller, record: &[u8]) -> Result<KeyDescription, ServiceError> {
        Ok(self.key(record, KeyUse::Describe(caller)).await?.description.clone())
    }

    /// Decodes a transaction, applies the key's policy for `caller`, and signs. The caller must be one that the record names;
    /// the parent may sign with records that name nobody.
    ///
    /// A long transaction is worked on beside the runtime, and to its end even if nobody waits for it any more; its limits
    /// over time have then counted it.
    ///
    /// # Errors
    /// [`ServiceError::NotCaller`] and [`ServiceError::KeyMismatch`] if the record is not this caller's, or not the key that
    /// the request expects; else [`ServiceError`] says whose fault it is.
    pub async fn sign(&self, caller: Caller, request: SignRequest) -> Result<SignResponse, ServiceError> {
        within("payload", request.payload.len(), 1, MAX_TRANSACTION_LEN)?;
        within("expected.public_key", request.expected.public_key.len(), 32, 33)?;
        within("chain_id", request.chain_id.as_ref().map_or(0, String::len), 0, MAX_CHAIN_ID_LEN)?;
        // Before the record is opened: a request that cannot be signed costs no call to KMS.
        let chain_id = request.chain_id.as_deref().map(str::parse::<ChainId>).transpose();
        let chain_id = chain_id.map_err(ServiceError::MalformedChainId)?;
        let key = self.key(&request.record, KeyUse::Sign(caller, &request.expected)).await?;
        let job = Signing { key, caller, meter: Arc::clone(&self.meter), clock: self.clock.clone(), chain_id, request };
        if job.is_short() { job.perform() } else { self.signing_workshop.run(move || job.perform()).await }
    }

    /// The key of an encoded record, from the cache or through KMS, if this use of it is permitted.
    async fn key(&self, record: &[u8], key_use: KeyUse<'_>) -> Result<Arc<UnsealedKey>, ServiceError> {
        let hash = digest::digest(&digest::SHA256, record).as_ref().try_into().expect("SHA-256 is 32 bytes");
        let key = self.keys.get_or_unseal(hash, async || self.unseal(record, key_use).await).await?;
        let KeyDescription { public_key, record_digest, callers, .. } = &key.description;
        key_use.check(public_key, *record_digest, callers)?;
        Ok(key)
    }

    async fn unseal(&self, record: &[u8], key_use: KeyUse<'_>) -> Result<UnsealedKey, ServiceError> {
        let record = Record::from_bytes(record)?;
        // Nobody has authenticated the header yet. It is asked so that whoever it turns away costs no call to KMS, and drives
        // no other key out of the cache.
        key_use.check(&record.header().public_key, record.digest(), &record.header().callers)?;
        self.kms.check_credentials()?;
        let chain = self.chain(&record.header().family)?;
        // Whoever writes itself into a header still has KMS asked. It must not have all places of the session port wait there.
        let _place = match key_use.caller() {
            Caller::Parent => None,
            Caller::Session(_) => Some(self.session_openings.try_acquire().map_err(|_| ServiceError::Overloaded)?),
        };
        seal::unseal(&self.kms, &self.configuration.kms, &chain, &record).await
    }

    fn chain(&self, family: &str) -> Result<Arc<dyn Chain>, ServiceError> {
        self.registry.get(family).cloned().ok_or(ServiceError::UnknownChain)
    }
}

/// What a key is asked for, and by whom.
#[derive(Clone, Copy)]
enum KeyUse<'a> {
    Describe(Caller),
    Sign(Caller, &'a ExpectedKey),
}

impl KeyUse<'_> {
    fn caller(self) -> Caller {
        match self {
            Self::Describe(caller) | Self::Sign(caller, _) => caller,
        }
    }

    /// Refuses a record that is not the one the caller means, or not the caller's.
    fn check(self, public_key: &[u8], digest: RecordDigest, callers: &[SpkiDigest]) -> Result<(), ServiceError> {
        match self {
            Self::Describe(Caller::Parent) => Ok(()),
            Self::Describe(caller) => caller.check(callers),
            Self::Sign(_, expected) if expected.public_key != public_key || expected.record_digest != digest => {
                Err(ServiceError::KeyMismatch)
            }
            Self::Sign(caller, _) => caller.check(callers),
        }
    }
}

/// One transaction to be signed, with all that it takes.
struct Signing {
    key: Arc<UnsealedKey>,
    caller: Caller,
    meter: Arc<Meter>,
    clock: Clock,
    chain_id: Option<ChainId>,
    request: SignRequest,
}

impl Signing {
    /// Whether another thread would cost more than it spares.
    fn is_short(&self) -> bool {
        self.request.payload.len() <= MAX_SHORT_PAYLOAD_LEN
    }

    /// Signs what the policy allows, and nothing else.
    fn perform(&self) -> Result<SignResponse, ServiceError> {
        let Self { key, request, .. } = self;
        let payload = Payload { chain_id: self.chain_id.as_ref(), ..Payload::new(request.encoding, &request.payload) };
        let transaction = key.signer.decode(&payload).map_err(ServiceError::MalformedTransaction)?;
        let summary = transaction.summary();
        let rule = allowing_rule(key.policy.evaluate_metered(summary, self.usage()))?;
        let signed = key.signer.sign(&*transaction)?;
        Ok(SignResponse {
            signed_transaction: signed.bytes,
            transaction_id: signed.id,
            summary: summary.text.clone(),
            rule,
        })
    }

    /// What the key's limits count by: its public key, which no reseal and no eviction from the cache changes, the caller,
    /// and the enclave's own time.
    fn usage(&self) -> Usage<'_> {
        let now = Duration::from_millis(self.clock.now().as_millis());
        let key = &self.key.description.public_key;
        Usage { meter: &self.meter, key, caller: self.caller.as_bytes(), now }
    }
}

/// The rule that allows a transaction. A decision that allows without naming one is none.
fn allowing_rule(decision: Decision) -> Result<String, ServiceError> {
    match decision {
        Decision { allowed: true, rule: Some(rule), .. } => Ok(rule),
        Decision { reason, .. } => Err(ServiceError::PolicyDenied { reason }),
    }
}

fn within(field: &'static str, actual: usize, min: usize, max: usize) -> Result<(), ServiceError> {
    if (min..=max).contains(&actual) { Ok(()) } else { Err(ServiceError::MalformedField { field, min, max, actual }) }
}

/// Most keys held unsealed at a time.
const CACHED_KEYS: usize = 128;

/// Most combinations of key, caller and limit that are counted at a time: some 8 MiB.
const COUNTED_LIMITS: usize = 8192;

/// Of those, what one key may have: eight limits for each of as many callers as a record names. Its policy chooses how many
/// they are, for up to a month, and so must not be able to take them all.
const COUNTED_LIMITS_OF_KEY: usize = 8 * MAX_CALLERS;

/// Most records that are being opened for sessions at a time: half of what the session port serves at a time, so that those
/// who need not wait for KMS find a place.
const SESSION_OPENINGS: usize = 4;

/// Most calls to the NSM at a time; the device answers them one by one anyway.
const NSM_CALLS: usize = 4;

/// Longest payload, in bytes, that is decoded and signed where its request arrived. Transfers and calls are shorter; a PSBT
/// of this length has some eight inputs, which take 2 to 3 ms, and one of a hundred inputs takes ten times as long.
const MAX_SHORT_PAYLOAD_LEN: usize = 1024;

/// Longest CAIP-2 chain id.
const MAX_CHAIN_ID_LEN: usize = 41;
