//! An enclave's parent port without an enclave: records are sealed under a key that the tests know, and every answer
//! can be turned into an error.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use chain_signers::Curve;
use rand_core::{TryCryptoRng, TryRng};
use signer_protocol::code;
use signer_protocol::method::{
    AwsCredentials, DescribeKey, DescribeKeyRequest, GenerateKey, GenerateKeyRequest, GenerateKeyResponse, Health,
    HealthRequest, HealthResponse, KeyDescription, PARENT_PORT_MAX_PAYLOAD_LEN, SetCredentials, SetCredentialsResponse,
    Sign, SignRequest, SignResponse,
};
use signer_protocol::record::{ContentKey, Creator, DataKey, KeyId, Origin, Record, RecordHeader, SpkiDigest};
use tokio::sync::Semaphore;
use vsock_rpc::{Addr, CallContext, Listener, Method, RemoteError, Router, Server, ServerHandle};

/// The fake, and what it was asked.
pub struct FakeEnclave {
    pub state: Arc<State>,
    path: PathBuf,
    server: ServerHandle,
}

#[derive(Debug)]
pub struct State {
    /// Credentials as they were set, all of them.
    pub credentials: Mutex<Vec<AwsCredentials>>,
    /// Errors that methods answer with, by method name.
    pub errors: Mutex<HashMap<&'static str, (&'static str, &'static str)>>,
    /// The last request to sign.
    pub signed: Mutex<Option<SignRequest>>,
    /// Whether credentials are forgotten, as by an enclave that restarted.
    pub require_credentials: Mutex<bool>,
    /// What is described instead of the truth.
    pub described_address: Mutex<Option<String>>,
    /// Signing takes one permit each; taken away, signing waits.
    pub may_sign: Semaphore,
    /// Requests to sign that have arrived.
    pub arrived: Semaphore,
    /// Whom new keys are for besides those that were asked for.
    pub added_caller: Mutex<Option<SpkiDigest>>,
    next_id: Mutex<u8>,
}

impl FakeEnclave {
    pub async fn start(path: PathBuf) -> Self {
        Self::start_with_ids_from(path, 1).await
    }

    /// Starts one whose first key has an id of bytes `first`.
    pub async fn start_with_ids_from(path: PathBuf, first: u8) -> Self {
        let state = Arc::new(State {
            credentials: Mutex::default(),
            errors: Mutex::default(),
            signed: Mutex::default(),
            require_credentials: Mutex::new(true),
            described_address: Mutex::default(),
            may_sign: Semaphore::new(10_000),
            arrived: Semaphore::new(0),
            added_caller: Mutex::default(),
            next_id: Mutex::new(first),
        });
        let router = Router::from_shared(Arc::clone(&state))
            .method::<Health, _, _>(health)
            .method::<SetCredentials, _, _>(set_credentials)
            .method::<GenerateKey, _, _>(generate_key)
            .method::<DescribeKey, _, _>(describe_key)
            .method::<Sign, _, _>(sign);
        let listener = Listener::bind(&Addr::unix(&path).unwrap()).await.unwrap();
        let server = Server::builder(router).max_payload_len(PARENT_PORT_MAX_PAYLOAD_LEN).serve(listener);
        Self { state, path, server }
    }

    pub async fn stop(self) {
        self.server.shutdown().await;
    }

    /// An enclave that starts anew and knows nothing.
    pub async fn restart(self) -> Self {
        let path = self.path.clone();
        self.stop().await;
        Self::start(path).await
    }

    /// Lets `M` fail from now on.
    pub fn fail<M: Method>(&self, code: &'static str) {
        self.state.errors.lock().unwrap().insert(M::NAME, (code, "told to fail"));
    }

    pub fn succeed(&self) {
        self.state.errors.lock().unwrap().clear();
    }

    /// How often credentials were set.
    pub fn pushes(&self) -> usize {
        self.state.credentials.lock().unwrap().len()
    }
}

impl State {
    fn enter<M: Method>(&self, needs_credentials: bool) -> Result<(), RemoteError> {
        if let Some((code, message)) = self.errors.lock().unwrap().get(M::NAME) {
            return Err(RemoteError::new(*code, *message));
        }
        if needs_credentials && !self.credentials_fresh() {
            return Err(RemoteError::new(code::CREDENTIALS_MISSING, "no credentials"));
        }
        Ok(())
    }

    fn credentials_fresh(&self) -> bool {
        !*self.require_credentials.lock().unwrap() || !self.credentials.lock().unwrap().is_empty()
    }
}

async fn health(state: Arc<State>, _: CallContext, _: HealthRequest) -> Result<HealthResponse, RemoteError> {
    state.enter::<Health>(false)?;
    Ok(HealthResponse {
        version: "0.0.0-fake".into(),
        time_ms: 1_795_356_000_000,
        credentials_fresh: state.credentials_fresh(),
        families: vec!["eip155".into(), "solana".into()],
    })
}

async fn set_credentials(
    state: Arc<State>,
    _: CallContext,
    credentials: AwsCredentials,
) -> Result<SetCredentialsResponse, RemoteError> {
    state.enter::<SetCredentials>(false)?;
    state.credentials.lock().unwrap().push(credentials);
    Ok(SetCredentialsResponse {})
}

async fn generate_key(
    state: Arc<State>,
    _: CallContext,
    request: GenerateKeyRequest,
) -> Result<GenerateKeyResponse, RemoteError> {
    state.enter::<GenerateKey>(true)?;
    let id = {
        let mut next = state.next_id.lock().unwrap();
        *next += 1;
        KeyId::from_bytes([*next - 1; 16])
    };
    let mut callers = request.callers;
    callers.extend(*state.added_caller.lock().unwrap());
    let record = record_for(id, &request.family, request.policy, callers);
    Ok(GenerateKeyResponse {
        description: description(&record),
        record: record.to_bytes(),
        birth_document: b"not a real attestation document".to_vec(),
    })
}

async fn describe_key(
    state: Arc<State>,
    _: CallContext,
    request: DescribeKeyRequest,
) -> Result<KeyDescription, RemoteError> {
    state.enter::<DescribeKey>(true)?;
    let record = opened(&request.record)?;
    let mut description = description(&record);
    if let Some(address) = &*state.described_address.lock().unwrap() {
        description.address.clone_from(address);
    }
    Ok(description)
}

/// "Signs" by handing the payload back, so that tests see what arrived.
async fn sign(state: Arc<State>, _: CallContext, request: SignRequest) -> Result<SignResponse, RemoteError> {
    state.enter::<Sign>(true)?;
    state.arrived.add_permits(1);
    let _permit = state.may_sign.acquire().await.map_err(|_| RemoteError::internal())?;
    let record = opened(&request.record)?;
    if record.header().public_key != request.expected.public_key || record.digest() != request.expected.record_digest {
        return Err(RemoteError::new(code::KEY_MISMATCH, "another key was expected"));
    }
    let response = SignResponse {
        signed_transaction: request.payload.clone(),
        transaction_id: "0x0123".into(),
        summary: format!("{} bytes of {}", request.payload.len(), request.encoding),
        rule: "everything".into(),
    };
    *state.signed.lock().unwrap() = Some(request);
    Ok(response)
}

fn opened(record: &[u8]) -> Result<Record, RemoteError> {
    let rejected = || RemoteError::new(code::RECORD_REJECTED, "the record does not open");
    let record = Record::from_bytes(record).map_err(|_| rejected())?;
    record.open(0, &data_key()).map_err(|_| rejected())?;
    Ok(record)
}

fn description(record: &Record) -> KeyDescription {
    let header = record.header();
    KeyDescription {
        key_id: header.key_id,
        family: header.family.clone(),
        curve: header.curve,
        public_key: header.public_key.clone(),
        address: format!("address-of-{}", header.key_id),
        revision: header.revision,
        record_digest: record.digest(),
        callers: header.callers.clone(),
    }
}

/// A record that opens with [`data_key`].
pub fn record(key_id: KeyId, family: &str, policy: Vec<u8>) -> Record {
    record_for(key_id, family, policy, Vec::new())
}

fn record_for(key_id: KeyId, family: &str, policy: Vec<u8>, callers: Vec<SpkiDigest>) -> Record {
    let header = RecordHeader {
        key_id,
        family: family.into(),
        curve: Curve::Secp256k1,
        public_key: vec![2; 33],
        policy,
        callers,
        administrators: Vec::new(),
        origin: Origin::Generated,
        creator: Creator::Parent,
        revision: 0,
    };
    let mut bytes = NotRandom(7);
    let content_key = ContentKey::generate(&mut bytes).unwrap();
    let wrap = content_key.wrap(&header, ARN, &data_key(), vec![1; 64], &mut bytes).unwrap();
    Record::seal(header, vec![wrap], &[0x42; 32], content_key, &mut bytes).unwrap()
}

fn data_key() -> DataKey {
    DataKey::from_bytes(&[7; 32]).unwrap()
}

/// Deterministic bytes; for tests only.
struct NotRandom(u64);

impl TryRng for NotRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        for byte in buffer {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = self.0.to_be_bytes()[0];
        }
        Ok(())
    }
}

impl TryCryptoRng for NotRandom {}

const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
