//! The rendered key policy under the KMS simulator: what it admits, and everything that it does not.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kms_enclave_client::sim::{AdminClient, KmsSimulator};
use kms_enclave_client::{
    Credentials, DecryptRequest, Error, GenerateDataKeyRequest, KeyArn, KmsClient, ServiceErrorCode, TcpTransport,
};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{Clock, UnixTime};
use signerctl::key_policy::{KeyPolicyInput, render};

const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "111122223333";
const ADMINISTRATOR: &str = "arn:aws:iam::111122223333:role/key-admin";
const ROLE: &str = "arn:aws:iam::111122223333:role/parent";

#[tokio::test]
async fn listed_image_makes_and_opens_data_keys_for_records_only() {
    let world = World::start().await;
    let enclave = world.enclave(b"signer");
    let record = context("record-v1");
    let made = enclave.generate_data_key(generate(&world.key, &record)).await.unwrap();
    let opened = enclave.decrypt(decrypt(&world.key, &made.ciphertext_blob, &record)).await.unwrap();
    assert_eq!(opened.plaintext.as_bytes(), made.plaintext.as_bytes());
    for other in [context("record-v2"), BTreeMap::new()] {
        assert_denied(enclave.generate_data_key(generate(&world.key, &other)).await);
        assert_denied(enclave.decrypt(decrypt(&world.key, &made.ciphertext_blob, &other)).await);
    }
    world.kms.shutdown().await;
}

#[tokio::test]
async fn another_image_is_refused() {
    let world = World::start().await;
    let record = context("record-v1");
    let made = world.enclave(b"signer").generate_data_key(generate(&world.key, &record)).await.unwrap();
    let stranger = world.enclave(b"another program");
    assert_denied(stranger.generate_data_key(generate(&world.key, &record)).await);
    assert_denied(stranger.decrypt(decrypt(&world.key, &made.ciphertext_blob, &record)).await);
    world.kms.shutdown().await;
}

#[tokio::test]
async fn nobody_uses_the_key_without_attestation_or_forges_a_record() {
    let world = World::start().await;
    let record = context("record-v1");
    let made = world.enclave(b"signer").generate_data_key(generate(&world.key, &record)).await.unwrap();
    for caller in [&world.administrator, &world.parent] {
        assert_denied(caller.generate_data_key_without_recipient(&world.key, &record).await);
        assert_denied(caller.decrypt_without_recipient(&world.key, &made.ciphertext_blob, &record).await);
        assert_denied(caller.encrypt(&world.key, b"forged", &record).await);
    }
    world.kms.shutdown().await;
}

#[tokio::test]
async fn denials_hold_against_a_later_statement_that_allows_everything() {
    let world = World::start().await;
    let record = context("record-v1");
    let made = world.enclave(b"signer").generate_data_key(generate(&world.key, &record)).await.unwrap();
    let rendered = world.administrator.get_key_policy(&world.key).await.unwrap();
    let mut policy: serde_json::Value = serde_json::from_str(&rendered).unwrap();
    let everything = serde_json::json!({
        "Sid": "Later", "Effect": "Allow", "Principal": {"AWS": [ROLE, ADMINISTRATOR]}, "Action": "kms:*", "Resource": "*"
    });
    policy["Statement"].as_array_mut().unwrap().push(everything);
    world.administrator.put_key_policy(&world.key, &policy.to_string()).await.unwrap();
    for caller in [&world.administrator, &world.parent] {
        assert_denied_explicitly(caller.generate_data_key_without_recipient(&world.key, &record).await);
        assert_denied_explicitly(caller.decrypt_without_recipient(&world.key, &made.ciphertext_blob, &record).await);
        assert_denied_explicitly(caller.encrypt(&world.key, b"forged", &record).await);
    }
    let stranger = world.enclave(b"another program");
    assert_denied_explicitly(stranger.generate_data_key(generate(&world.key, &record)).await);
    assert_denied_explicitly(stranger.decrypt(decrypt(&world.key, &made.ciphertext_blob, &record)).await);
    world.enclave(b"signer").decrypt(decrypt(&world.key, &made.ciphertext_blob, &record)).await.unwrap();
    world.kms.shutdown().await;
}

#[tokio::test]
async fn administrator_keeps_the_policy_in_hand_and_the_parent_does_not_get_it() {
    let world = World::start().await;
    let policy = world.administrator.get_key_policy(&world.key).await.unwrap();
    world.administrator.put_key_policy(&world.key, &policy).await.unwrap();
    world.administrator.describe_key(&world.key).await.unwrap();
    assert_denied(world.parent.get_key_policy(&world.key).await);
    assert_denied(world.parent.put_key_policy(&world.key, &policy).await);
    world.kms.shutdown().await;
}

/// A simulator with one key under the rendered policy.
struct World {
    authority: Authority,
    clock: Clock,
    kms: KmsSimulator,
    administrator: AdminClient,
    parent: AdminClient,
    key: KeyArn,
}

impl World {
    async fn start() -> Self {
        let clock = Clock::settable(UnixTime::from_secs(1_780_000_000));
        let authority = Authority::generate(clock.now()).unwrap();
        let kms = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .clock(clock.clone())
            .administrator(credentials("AKIAIOSFODNN7EXAMPLE"), ADMINISTRATOR)
            .credentials(credentials("ASIAIOSFODNN7EXAMPLE"), ROLE)
            .start()
            .await
            .unwrap();
        let client = |id| {
            let transport = Arc::new(TcpTransport::new(kms.local_addr()));
            AdminClient::new(REGION, transport, &kms.tls_roots(), clock.clone(), credentials(id)).unwrap()
        };
        let (administrator, parent) = (client("AKIAIOSFODNN7EXAMPLE"), client("ASIAIOSFODNN7EXAMPLE"));
        let key = administrator.create_key().await.unwrap();
        let policy = render(&KeyPolicyInput {
            account: ACCOUNT,
            roles: &[ROLE.to_owned()],
            images: &[pcr0(b"signer", b"configuration")],
            administrators: &[ADMINISTRATOR.to_owned()],
        })
        .unwrap();
        administrator.put_key_policy(&key, &policy).await.unwrap();
        Self { authority, clock, kms, administrator, parent, key }
    }

    fn enclave(&self, executable: &[u8]) -> KmsClient {
        let nsm = SimulatedNsm::builder(self.authority.clone()).measure(executable, b"configuration");
        KmsClient::builder()
            .region(REGION)
            .permit_key(self.key.clone())
            .nsm(Arc::new(nsm.clock(self.clock.clone()).build().unwrap()))
            .transport(Arc::new(TcpTransport::new(self.kms.local_addr())))
            .clock(self.clock.clone())
            .tls_roots(self.kms.tls_roots())
            .credentials(credentials("ASIAIOSFODNN7EXAMPLE"))
            .build()
            .unwrap()
    }
}

fn generate(key: &KeyArn, context: &BTreeMap<String, String>) -> GenerateDataKeyRequest {
    GenerateDataKeyRequest::new(key).encryption_context(context.clone())
}

fn decrypt<'a>(key: &'a KeyArn, blob: &'a [u8], context: &BTreeMap<String, String>) -> DecryptRequest<'a> {
    DecryptRequest::new(key, blob).encryption_context(context.clone())
}

/// AWS's documented example secret: fake.
fn credentials(id: &str) -> Credentials {
    Credentials::new(id, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None).unwrap()
}

fn context(purpose: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("purpose".to_owned(), purpose.to_owned())])
}

/// Denied by a Deny statement: not merely for want of an Allow.
#[track_caller]
fn assert_denied_explicitly<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result.unwrap_err() {
        Error::Service(error) => assert!(error.message().contains("explicit deny"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_denied<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result.unwrap_err() {
        Error::Service(error) => assert_eq!(*error.code(), ServiceErrorCode::AccessDenied, "{error}"),
        other => panic!("{other:?}"),
    }
}
