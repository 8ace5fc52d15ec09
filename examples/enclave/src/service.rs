//! What the enclave does with a request, whichever port it came from.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use chain_signers::policy::{Decision, Meter, Usage};
use chain_signers::{Chain, ChainId, Payload, Registry};
use kms_enclave_client::{Credentials, KmsClient};
use nsm_attest::{Clock, Nsm, UnixTime};
use signer_protocol::method::{
    AwsCredentials, ExpectedKey, GenerateKeyResponse, HealthResponse, KeyDescription, MAX_TRANSACTION_LEN, SignRequest,
    SignResponse,
};
use signer_protocol::record::{MAX_POLICY_LEN, Record};
use vsock_rpc::Addr;

use crate::cache::KeyCache;
use crate::configuration::{Configuration, ParentPermissions};
use crate::error::ServiceError;
use crate::seal::{self, UnsealedKey, Workshop};

/// The signing service. All its state is caches and credentials, so enclaves of one image are interchangeable.
#[derive(Debug)]
pub struct Service {
    configuration: Configuration,
    nsm: Arc<dyn Nsm>,
    clock: Clock,
    kms: KmsClient,
    registry: Registry,
    keys: KeyCache,
    meter: Meter,
    workshop: Workshop,
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
            meter: Meter::new(COUNTED_LIMITS),
            workshop: Workshop::new(NSM_CALLS),
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

    /// Creates a key of chain family `family`, held by `policy`.
    ///
    /// # Errors
    /// [`ServiceError`] says whose fault it is.
    pub async fn generate_key(&self, family: &str, policy: Vec<u8>) -> Result<GenerateKeyResponse, ServiceError> {
        within("policy", policy.len(), 1, MAX_POLICY_LEN)?;
        self.kms.check_credentials()?;
        let chain = self.chain(family)?;
        let new = seal::generate(&self.workshop, &self.nsm, &self.kms, &self.configuration.kms, &chain, policy).await?;
        Ok(GenerateKeyResponse {
            record: new.record.to_bytes(),
            description: new.description,
            birth_document: new.birth_document,
        })
    }

    /// Unseals a record and says which key it holds.
    ///
    /// # Errors
    /// [`ServiceError`] says whose fault it is.
    pub async fn describe_key(&self, record: &[u8]) -> Result<KeyDescription, ServiceError> {
        Ok(self.key(record).await?.description.clone())
    }

    /// Decodes a transaction, applies the key's policy, and signs.
    ///
    /// # Errors
    /// [`ServiceError`] says whose fault it is.
    pub async fn sign(&self, request: &SignRequest) -> Result<SignResponse, ServiceError> {
        within("payload", request.payload.len(), 1, MAX_TRANSACTION_LEN)?;
        within("expected.public_key", request.expected.public_key.len(), 32, 33)?;
        within("chain_id", request.chain_id.as_ref().map_or(0, String::len), 0, MAX_CHAIN_ID_LEN)?;
        let key = self.key(&request.record).await?;
        expect(&request.expected, &key.description)?;
        let chain_id = request.chain_id.as_deref().map(str::parse::<ChainId>).transpose();
        let chain_id = chain_id.map_err(ServiceError::MalformedChainId)?;
        let chain_id = chain_id.as_ref();
        self.sign_with(&key, &Payload { chain_id, ..Payload::new(request.encoding, &request.payload) })
    }

    /// Signs what the policy allows, and nothing else.
    fn sign_with(&self, key: &UnsealedKey, payload: &Payload<'_>) -> Result<SignResponse, ServiceError> {
        let transaction = key.signer.decode(payload).map_err(ServiceError::MalformedTransaction)?;
        let summary = transaction.summary();
        let rule = allowing_rule(key.policy.evaluate_metered(summary, self.usage(key)))?;
        let signed = key.signer.sign(&*transaction)?;
        Ok(SignResponse {
            signed_transaction: signed.bytes,
            transaction_id: signed.id,
            summary: summary.text.clone(),
            rule,
        })
    }

    /// What the key's limits count by: its public key, which no reseal and no eviction from the cache changes, the one
    /// caller that there is on the parent port, and the enclave's own time.
    fn usage<'a>(&'a self, key: &'a UnsealedKey) -> Usage<'a> {
        let now = Duration::from_millis(self.clock.now().as_millis());
        Usage { meter: &self.meter, key: &key.description.public_key, caller: PARENT, now }
    }

    /// The key of an encoded record, from the cache or through KMS.
    async fn key(&self, record: &[u8]) -> Result<Arc<UnsealedKey>, ServiceError> {
        let hash = digest::digest(&digest::SHA256, record).as_ref().try_into().expect("SHA-256 is 32 bytes");
        self.keys.get_or_unseal(hash, async || self.unseal(record).await).await
    }

    async fn unseal(&self, record: &[u8]) -> Result<UnsealedKey, ServiceError> {
        let record = Record::from_bytes(record)?;
        self.kms.check_credentials()?;
        let chain = self.chain(&record.header().family)?;
        seal::unseal(&self.kms, &self.configuration.kms, &chain, &record).await
    }

    fn chain(&self, family: &str) -> Result<Arc<dyn Chain>, ServiceError> {
        self.registry.get(family).cloned().ok_or(ServiceError::UnknownChain)
    }
}

/// The rule that allows a transaction. A decision that allows without naming one is none.
fn allowing_rule(decision: Decision) -> Result<String, ServiceError> {
    match decision {
        Decision { allowed: true, rule: Some(rule), .. } => Ok(rule),
        Decision { reason, .. } => Err(ServiceError::PolicyDenied { reason }),
    }
}

/// Refuses a record that is not the one the caller means.
fn expect(expected: &ExpectedKey, actual: &KeyDescription) -> Result<(), ServiceError> {
    if expected.public_key == actual.public_key && expected.record_digest == actual.record_digest {
        Ok(())
    } else {
        Err(ServiceError::KeyMismatch)
    }
}

fn within(field: &'static str, actual: usize, min: usize, max: usize) -> Result<(), ServiceError> {
    if (min..=max).contains(&actual) { Ok(()) } else { Err(ServiceError::MalformedField { field, min, max, actual }) }
}

/// Most keys held unsealed at a time.
const CACHED_KEYS: usize = 128;

/// Most combinations of key, caller and limit that are counted at a time: some 8 MiB.
const COUNTED_LIMITS: usize = 8192;

/// The caller that whoever speaks through the parent port is.
const PARENT: &[u8] = b"parent";

/// Most calls to the NSM at a time; the device answers them one by one anyway.
const NSM_CALLS: usize = 4;

/// Longest CAIP-2 chain id.
const MAX_CHAIN_ID_LEN: usize = 41;
