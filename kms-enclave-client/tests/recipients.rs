//! The recipient keys of a client's calls: made ahead, shared, replaced, and what is said of them.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/hostile.rs"]
mod hostile;
mod support;

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hostile::{Answer, Asked, Identity, ScriptedKms, exception, ok, reply};
use kms_enclave_client::sim::envelop;
use kms_enclave_client::{
    DecryptRequest, Decrypted, Error, GenerateRandomRequest, KeyArn, KmsClient, KmsClientBuilder, RecipientPool,
};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{AsyncNsmError, AttestationRequest, Clock, Nsm, NsmError};
use serde_json::json;
use support::*;
use tokio::task::JoinSet;

const REAL_KMS: Identity = Identity { name: "kms.eu-west-1.amazonaws.com", years: (2020, 2100) };
const MINUTE: Duration = Duration::from_secs(60);

fn key() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

/// A simulated module and a KMS that answers Decrypt.
struct Scene {
    clock: Clock,
    nsm: Arc<SimulatedNsm>,
    kms: Arc<ScriptedKms>,
    /// The public key of each request.
    keys: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Scene {
    fn new() -> Self {
        Self::answering(|asked| {
            let sealed = envelop(b"secret", &asked.recipient()).unwrap();
            ok(&json!({"KeyId": key().as_str(), "CiphertextForRecipient": STANDARD.encode(sealed)}))
        })
    }

    fn answering(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let clock = Clock::settable(start_of_time());
        let nsm = nsm(&Authority::generate(clock.now()).unwrap(), &clock, b"signer");
        let keys: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let record = Arc::clone(&keys);
        let kms = ScriptedKms::start(REAL_KMS, move |asked| {
            record.lock().unwrap().push(asked.recipient());
            answer(&asked)
        });
        Self { clock, nsm, kms, keys }
    }

    fn builder(&self) -> KmsClientBuilder {
        KmsClient::builder()
            .region(REGION)
            .permit_key(key())
            .nsm(self.nsm.clone())
            .clock(self.clock.clone())
            .transport(self.kms.clone())
            .tls_roots(self.kms.roots.clone())
            .credentials(enclave_credentials())
    }

    fn client(&self) -> KmsClient {
        self.builder().build().unwrap()
    }

    fn pool(&self, ready: usize) -> RecipientPool {
        RecipientPool::builder(self.nsm.clone(), self.clock.clone()).ready(ready).build().unwrap()
    }

    fn distinct_keys(&self) -> usize {
        self.keys.lock().unwrap().iter().collect::<HashSet<_>>().len()
    }
}

async fn decrypt(client: &KmsClient) -> Result<Decrypted, Error> {
    client.decrypt(DecryptRequest::new(key(), b"blob")).await
}

async fn concurrently(client: &KmsClient, calls: usize) -> Vec<Result<Decrypted, Error>> {
    let mut set = JoinSet::new();
    for _ in 0..calls {
        let client = client.clone();
        set.spawn(async move { decrypt(&client).await });
    }
    set.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_client_makes_no_call_wait_for_a_key() {
    let scene = Scene::new();
    let client = scene.client();
    client.warm().await.unwrap();
    assert_eq!((client.pool_stats().ready, client.pool_stats().made), (2, 2));
    for result in concurrently(&client, 100).await {
        assert_eq!(result.unwrap().plaintext.as_bytes(), b"secret");
    }
    let stats = client.pool_stats();
    assert_eq!((stats.made, stats.waited, scene.kms.requests(), scene.distinct_keys()), (2, 0, 100, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_cold_calls_wait_for_one_key() {
    let scene = Scene::new();
    let client = scene.builder().recipient_pool(scene.pool(0)).build().unwrap();
    for result in concurrently(&client, 100).await {
        result.unwrap();
    }
    let stats = client.pool_stats();
    assert_eq!((stats.made, scene.kms.requests(), scene.distinct_keys()), (1, 100, 1));
    assert!(stats.waited > 0);
}

#[tokio::test]
async fn calls_of_one_task_are_all_answered() {
    let scene = Scene::new();
    let client = scene.client();
    let mut calls: Vec<_> = (0..40).map(|_| Box::pin(decrypt(&client))).collect();
    let mut answered = 0;
    std::future::poll_fn(|context| {
        calls.retain_mut(|call| match call.as_mut().poll(context) {
            std::task::Poll::Ready(result) => {
                answered += usize::from(result.unwrap().plaintext.as_bytes() == b"secret");
                false
            }
            std::task::Poll::Pending => true,
        });
        if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(answered, 40);
}

#[tokio::test]
async fn clients_can_share_a_pool() {
    let scene = Scene::new();
    let pool = scene.pool(0);
    let clients = [0, 1].map(|_| scene.builder().recipient_pool(pool.clone()).build().unwrap());
    for client in &clients {
        decrypt(client).await.unwrap();
    }
    assert_eq!((pool.stats().made, scene.distinct_keys()), (1, 1));
    drop(clients);
    pool.warm().await.unwrap();
}

#[tokio::test]
async fn a_failing_module_fails_calls_until_it_works_again_and_nothing_is_sent() {
    let scene = Scene::new();
    let client = scene.client();
    scene.nsm.set_fault(NsmError::InternalError);
    assert!(matches!(client.warm().await, Err(Error::Attestation(AsyncNsmError::Nsm(NsmError::InternalError)))));
    for _ in 0..3 {
        let failed = decrypt(&client).await;
        assert!(matches!(failed, Err(Error::Attestation(AsyncNsmError::Nsm(NsmError::InternalError)))), "{failed:?}");
    }
    assert_eq!(scene.kms.dialled(), 0);
    scene.nsm.set_fault(None);
    decrypt(&client).await.unwrap();
}

#[tokio::test]
async fn when_the_module_fails_calls_go_on_while_a_document_is_young_enough() {
    let scene = Scene::new();
    let client = scene.client();
    client.warm().await.unwrap();
    scene.nsm.set_fault(NsmError::InternalError);
    let at = |age: Duration| scene.clock.set(start_of_time().saturating_add(age)).unwrap();
    at(4 * MINUTE - Duration::from_millis(1));
    decrypt(&client).await.unwrap();
    at(4 * MINUTE);
    assert!(matches!(decrypt(&client).await, Err(Error::Attestation(_))));
    scene.nsm.set_fault(None);
    decrypt(&client).await.unwrap();
    assert_eq!((scene.kms.requests(), scene.distinct_keys()), (2, 2));
}

#[tokio::test]
async fn a_module_that_hangs_costs_a_call_no_more_than_the_deadline_of_either() {
    let scene = Scene::new();
    let (release, go_on) = channel();
    let go_on: Mutex<Receiver<Vec<u8>>> = Mutex::new(go_on);
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(60));
    // Nobody sends: it goes on when the test is over.
    let attest = move |_: &AttestationRequest| go_on.lock().unwrap().recv().map_err(|_| NsmError::InternalError);
    let hanging: Arc<dyn Nsm> = Arc::new(AttestsSo(attest));
    let pool = |deadline| {
        RecipientPool::builder(hanging.clone(), scene.clock.clone()).ready(0).nsm_deadline(deadline).build().unwrap()
    };
    let client = scene.builder().recipient_pool(pool(short)).deadline(long).build().unwrap();
    let failed = decrypt(&client).await;
    assert!(
        matches!(failed, Err(Error::Attestation(AsyncNsmError::DeadlineExceeded { deadline })) if deadline == short),
        "{failed:?}"
    );
    let client = scene.builder().recipient_pool(pool(long)).deadline(short).build().unwrap();
    for failed in [client.warm().await.err(), decrypt(&client).await.err()] {
        assert!(matches!(failed, Some(Error::DeadlineExceeded { deadline }) if deadline == short), "{failed:?}");
    }
    assert_eq!(scene.kms.dialled(), 0);
    drop(release);
}

#[tokio::test]
async fn without_credentials_no_key_is_made() {
    let scene = Scene::new();
    let client = KmsClient::builder()
        .region(REGION)
        .permit_key(key())
        .nsm(scene.nsm.clone())
        .clock(scene.clock.clone())
        .transport(scene.kms.clone())
        .build()
        .unwrap();
    assert!(matches!(decrypt(&client).await, Err(Error::CredentialsMissing)));
    assert_eq!(client.pool_stats().made, 0);
    client.warm().await.unwrap();
}

#[tokio::test]
async fn a_refusal_says_which_image_was_refused() {
    let scene = Scene::answering(|asked| match asked.number {
        0 | 2 => exception("AccessDeniedException"),
        _ => reply(400, ""),
    });
    let client = scene.client();
    let image = pcr0(b"signer", b"configuration");
    for _ in 0..2 {
        let error = decrypt(&client).await.unwrap_err();
        assert!(error.to_string().contains(&image.to_string()), "{error}");
        let Error::Service(refused) = error else { panic!("{error:?}") };
        assert_eq!(refused.image(), Some(image));
    }
    let authority = Authority::generate(scene.clock.now()).unwrap();
    let debug = SimulatedNsm::builder(authority).debug_mode().clock(scene.clock.clone()).build().unwrap();
    let client = scene.builder().nsm(Arc::new(debug)).build().unwrap();
    for _ in 0..2 {
        let error = client.generate_random(GenerateRandomRequest::new(8)).await.unwrap_err();
        assert!(error.to_string().contains("debug mode"), "{error}");
    }
}

#[tokio::test]
async fn a_document_that_only_kms_can_judge_is_left_to_it() {
    let clock = Clock::settable(start_of_time());
    let authority = Authority::generate(clock.now()).unwrap();
    let nsm = nsm(&authority, &clock, b"signer");
    let garbled =
        AttestsSo(move |request: &AttestationRequest| nsm.attest(request).map(|document| [document, vec![0]].concat()));
    let kms = ScriptedKms::start(REAL_KMS, |_| exception("ValidationException"));
    let client = KmsClient::builder()
        .region(REGION)
        .permit_key(key())
        .nsm(Arc::new(garbled))
        .clock(clock)
        .tls_roots(kms.roots.clone())
        .transport(kms)
        .credentials(enclave_credentials())
        .build()
        .unwrap();
    let Err(Error::Service(refused)) = decrypt(&client).await else { panic!("KMS refuses it") };
    assert_eq!(refused.image(), None);
}
