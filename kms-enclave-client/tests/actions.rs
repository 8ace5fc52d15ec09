//! Every action of the client against the simulated KMS, with its keys, aliases, policies, and what is injected.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::AsDer as _;
use kms_enclave_client::sim::{AdminClient, Failure, Injection, KeySpec, KeyUsage, KmsSimulator};
use kms_enclave_client::{
    BuildError, DataKeyPairSpec, DataKeySpec, DecryptRequest, DeriveSharedSecretRequest, EncryptRequest,
    EncryptionAlgorithm, Error, GenerateDataKeyPairRequest, GenerateDataKeyRequest, GenerateRandomRequest, KeyArn,
    KeyId, KmsClient, KmsClientBuilder, RetryPolicy, ServiceErrorCode, TcpTransport,
};
use nsm_attest::Clock;
use nsm_attest::sim::{Authority, pcr0};
use support::*;

/// A simulator in which the enclave "signer" may do everything to every key, and nobody without attestation.
struct World {
    clock: Clock,
    authority: Authority,
    kms: KmsSimulator,
    admin: AdminClient,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::settable(start_of_time());
        let authority = Authority::generate(clock.now()).unwrap();
        let image = pcr0(b"signer", b"configuration");
        let identity_policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}},
                {{"Effect":"Allow","Action":["kms:Decrypt","kms:DeriveSharedSecret","kms:GenerateDataKey",
                    "kms:GenerateDataKeyPair","kms:GenerateRandom"],"Resource":"*","Condition":{{
                    "StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{image}"}}}}}}]}}"#
        );
        let kms = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .clock(clock.clone())
            .administrator(administrator_credentials(), ADMINISTRATOR)
            .principal_with_policy(enclave_credentials(), ENCLAVE_ROLE, identity_policy)
            .start()
            .await
            .unwrap();
        let transport = Arc::new(TcpTransport::new(kms.local_addr()));
        let roots = kms.tls_roots();
        let admin = AdminClient::new(REGION, transport, &roots, clock.clone(), administrator_credentials()).unwrap();
        Self { clock, authority, kms, admin }
    }

    async fn symmetric_key(&self) -> KeyArn {
        self.admin.create_key().await.unwrap()
    }

    fn client<'a>(&self, permitted: impl IntoIterator<Item = &'a KeyArn>) -> KmsClient {
        self.client_of(b"signer", permitted)
    }

    fn client_of<'a>(&self, executable: &[u8], permitted: impl IntoIterator<Item = &'a KeyArn>) -> KmsClient {
        let builder = self.builder(executable);
        permitted.into_iter().fold(builder, |builder, key| builder.permit_key(key.clone())).build().unwrap()
    }

    fn builder(&self, executable: &[u8]) -> KmsClientBuilder {
        KmsClient::builder()
            .region(REGION)
            .nsm(nsm(&self.authority, &self.clock, executable))
            .transport(Arc::new(TcpTransport::new(self.kms.local_addr())))
            .clock(self.clock.clone())
            .tls_roots(self.kms.tls_roots())
            .retry(RetryPolicy::none())
            .credentials(enclave_credentials())
    }
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> ServiceErrorCode {
    match result {
        Err(Error::Service(error)) => error.code().clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_encrypted_is_decrypted_under_the_same_context_only() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let client = world.client([&key]);
    let bound = context(&[("purpose", "record-v1")]);
    let encrypt = EncryptRequest::new(&key, b"secret").encryption_context(bound.clone());
    let encrypted = client.encrypt(encrypt).await.unwrap();
    assert_eq!(encrypted.key_arn, key);
    let blob = &encrypted.ciphertext_blob;
    for request in [DecryptRequest::new(&key, blob), DecryptRequest::for_any_permitted_key(blob)] {
        let decrypted = client.decrypt(request.clone().encryption_context(bound.clone())).await.unwrap();
        assert_eq!((decrypted.plaintext.as_bytes(), &decrypted.key_arn), (&b"secret"[..], &key));
        assert_eq!(code(client.decrypt(request).await), ServiceErrorCode::InvalidCiphertext);
    }
}

#[tokio::test]
async fn data_keys_of_every_size_decrypt_to_themselves() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let client = world.client([&key]);
    for (request, len) in [
        (GenerateDataKeyRequest::new(&key), 32),
        (GenerateDataKeyRequest::new(&key).key_spec(DataKeySpec::Aes128), 16),
        (GenerateDataKeyRequest::new(&key).number_of_bytes(1), 1),
        (GenerateDataKeyRequest::new(&key).number_of_bytes(1024), 1024),
    ] {
        let made = client.generate_data_key(request).await.unwrap();
        assert_eq!((made.plaintext.as_bytes().len(), &made.key_arn), (len, &key));
        let again = client.decrypt(DecryptRequest::new(&key, &made.ciphertext_blob)).await.unwrap();
        assert_eq!(again.plaintext, made.plaintext);
    }
}

#[tokio::test]
async fn data_key_pairs_of_every_kind_decrypt_to_themselves() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let client = world.client([&key]);
    for spec in [
        DataKeyPairSpec::EccNistEdwards25519,
        DataKeyPairSpec::EccNistP256,
        DataKeyPairSpec::EccNistP384,
        DataKeyPairSpec::EccNistP521,
        DataKeyPairSpec::EccSecgP256K1,
        DataKeyPairSpec::Rsa2048,
    ] {
        let bound = context(&[("spec", spec.as_str())]);
        let request = GenerateDataKeyPairRequest::new(&key, spec).encryption_context(bound.clone());
        let made = client.generate_data_key_pair(request).await.unwrap();
        assert_eq!((&made.key_arn, made.key_pair_spec), (&key, spec));
        let request = DecryptRequest::new(&key, &made.private_key_ciphertext_blob).encryption_context(bound);
        assert_eq!(client.decrypt(request).await.unwrap().plaintext, made.private_key, "{spec}");
    }
}

#[tokio::test]
async fn random_bytes_are_as_many_as_were_asked_for_and_differ() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let client = world.client([&key]);
    for len in [1, 32, 1024] {
        assert_eq!(client.generate_random(GenerateRandomRequest::new(len)).await.unwrap().as_bytes().len(), len);
    }
    let draw = async || client.generate_random(GenerateRandomRequest::new(32)).await.unwrap();
    assert_ne!(draw().await, draw().await);
    // Only the identity policy stands in the way of another enclave: there is no key.
    let other = world.client_of(b"another program", [&key]);
    assert_eq!(code(other.generate_random(GenerateRandomRequest::new(32)).await), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_client_without_keys_is_one_on_purpose_and_draws_random_bytes_only() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    assert!(matches!(world.builder(b"signer").build(), Err(BuildError::Missing { what: "permitted key" })));
    let client = world.builder(b"signer").permit_no_key().build().unwrap();
    assert_eq!(client.generate_random(GenerateRandomRequest::new(32)).await.unwrap().as_bytes().len(), 32);
    let refused = client.encrypt(EncryptRequest::new(&key, b"secret")).await;
    assert!(matches!(refused, Err(Error::KeyNotPermitted { .. })), "{refused:?}");
}

#[tokio::test]
async fn both_sides_of_a_key_agreement_have_the_same_secret() {
    let world = World::new().await;
    for (spec, algorithm) in [
        (KeySpec::EccNistP256, &agreement::ECDH_P256),
        (KeySpec::EccNistP384, &agreement::ECDH_P384),
        (KeySpec::EccNistP521, &agreement::ECDH_P521),
    ] {
        let key = world.admin.create_key_with(spec, KeyUsage::KeyAgreement).await.unwrap();
        let client = world.client([&key]);
        let peer = agreement::PrivateKey::generate(algorithm).unwrap();
        let public = peer.compute_public_key().unwrap();
        let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = public.as_der().unwrap();
        let agreed = client.derive_shared_secret(DeriveSharedSecretRequest::new(&key, public.as_ref())).await.unwrap();
        assert_eq!(agreed.key_arn, key);
        let of_kms = world.admin.get_public_key(&key).await.unwrap();
        let of_kms = agreement::UnparsedPublicKey::new(algorithm, of_kms);
        let ours = agreement::agree(&peer, of_kms, (), |secret| Ok(secret.to_vec())).unwrap();
        assert_eq!(agreed.shared_secret.as_bytes(), ours);
    }
}

#[tokio::test]
async fn an_rsa_key_decrypts_by_the_algorithm_that_it_is_told() {
    let world = World::new().await;
    let key = world.admin.create_key_with(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).await.unwrap();
    let client = world.client([&key]);
    for algorithm in [EncryptionAlgorithm::RsaesOaepSha1, EncryptionAlgorithm::RsaesOaepSha256] {
        let request = EncryptRequest::new(&key, b"secret").encryption_algorithm(algorithm);
        let blob = client.encrypt(request).await.unwrap().ciphertext_blob;
        let request = DecryptRequest::new(&key, &blob);
        let decrypted = client.decrypt(request.clone().encryption_algorithm(algorithm)).await.unwrap();
        assert_eq!(decrypted.plaintext.as_bytes(), b"secret");
        assert!(matches!(client.decrypt(request).await, Err(Error::Service(_))));
    }
}

#[tokio::test]
async fn an_alias_counts_by_the_key_that_it_names_when_it_is_used() {
    let world = World::new().await;
    let (ours, second, foreign) =
        (world.symmetric_key().await, world.symmetric_key().await, world.symmetric_key().await);
    let client = world.client([&ours, &second]);
    world.admin.create_alias("alias/wallet", &ours).await.unwrap();
    let names = || [id("alias/wallet"), id(&format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/wallet"))];
    let made = client.generate_data_key(GenerateDataKeyRequest::new(id(ours.key_id()))).await.unwrap();
    for name in names() {
        let decrypted = client.decrypt(DecryptRequest::new(&name, &made.ciphertext_blob)).await.unwrap();
        assert_eq!((decrypted.key_arn, decrypted.plaintext == made.plaintext), (ours.clone(), true));
    }
    world.admin.update_alias("alias/wallet", &second).await.unwrap();
    for name in names() {
        assert_eq!(client.generate_data_key(GenerateDataKeyRequest::new(&name)).await.unwrap().key_arn, second);
        let decrypted = client.decrypt(DecryptRequest::new(&name, &made.ciphertext_blob)).await;
        assert_eq!(code(decrypted), ServiceErrorCode::IncorrectKey);
    }
    // KMS would do it; that it did so under another key than those in the image is what the client does not take.
    world.admin.update_alias("alias/wallet", &foreign).await.unwrap();
    for name in names() {
        for refused in [
            client.generate_data_key(GenerateDataKeyRequest::new(&name)).await.map(drop),
            client.encrypt(EncryptRequest::new(&name, b"secret")).await.map(drop),
        ] {
            let Err(Error::ReplyKeyNotPermitted { requested, actual }) = refused else { panic!("{refused:?}") };
            assert_eq!((requested, actual.as_str()), (Some(name.clone()), foreign.as_str()));
        }
    }
    let elsewhere = world.client([&foreign]).encrypt(EncryptRequest::new(&foreign, b"secret")).await.unwrap();
    let refused = client.decrypt(DecryptRequest::for_any_permitted_key(&elsewhere.ciphertext_blob)).await;
    assert!(matches!(refused, Err(Error::ReplyKeyNotPermitted { requested: None, .. })), "{refused:?}");
}

#[tokio::test]
async fn grant_tokens_and_unknown_names_are_for_kms_to_judge() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let client = world.client([&key]);
    let request = GenerateDataKeyRequest::new(&key).grant_tokens(["bm8gZ3JhbnQ=".to_owned()]);
    assert!(matches!(client.generate_data_key(request).await, Err(Error::Service(_))));
    let unknown = client.generate_data_key(GenerateDataKeyRequest::new(id("alias/nobody"))).await;
    assert_eq!(code(unknown), ServiceErrorCode::NotFound);
}

/// One call of each action that has a Recipient.
async fn call_each(client: &KmsClient, keys: &[KeyArn; 2], blob: &[u8], peer: &[u8]) -> [Result<(), Error>; 5] {
    let [symmetric, agreeing] = keys;
    let pair = GenerateDataKeyPairRequest::new(symmetric, DataKeyPairSpec::EccNistP256);
    [
        client.decrypt(DecryptRequest::new(symmetric, blob)).await.map(drop),
        client.derive_shared_secret(DeriveSharedSecretRequest::new(agreeing, peer)).await.map(drop),
        client.generate_data_key(GenerateDataKeyRequest::new(symmetric)).await.map(drop),
        client.generate_data_key_pair(pair).await.map(drop),
        client.generate_random(GenerateRandomRequest::new(32)).await.map(drop),
    ]
}

#[tokio::test]
async fn whatever_is_wrong_with_a_reply_of_any_action_has_its_name() {
    let world = World::new().await;
    let keys = [
        world.symmetric_key().await,
        world.admin.create_key_with(KeySpec::EccNistP256, KeyUsage::KeyAgreement).await.unwrap(),
    ];
    let peer = world.admin.get_public_key(&keys[1]).await.unwrap();
    let client = world.client(&keys);
    let blob = client.encrypt(EncryptRequest::new(&keys[0], b"secret")).await.unwrap().ciphertext_blob;
    for result in call_each(&client, &keys, &blob, &peer).await {
        result.unwrap();
    }
    let other: KeyArn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{}", keys[0].key_id()).parse().unwrap();
    type IsNamed = fn(&Error) -> bool;
    let failures: [(Failure, IsNamed); 6] = [
        (Failure::EnvelopeForAnotherRecipient, |error| matches!(error, Error::Decrypt(_))),
        (Failure::EnvelopeMissing, |error| matches!(error, Error::MissingCiphertextForRecipient)),
        (Failure::EnvelopeTruncated { len: 400 }, |error| matches!(error, Error::MalformedCiphertext(_))),
        (Failure::PlaintextBesideEnvelope, |error| matches!(error, Error::PlaintextInReply)),
        (Failure::ReplyReplayed, |error| matches!(error, Error::ReplayedReply)),
        (Failure::KeyIdOf(other), |error| matches!(error, Error::KeyIdMismatch { .. })),
    ];
    for (failure, is_named) in failures {
        let befallen = if matches!(failure, Failure::KeyIdOf(_)) { 4 } else { 5 };
        world.kms.inject(Injection::new(failure.clone()).requests(befallen)).unwrap();
        for result in &call_each(&client, &keys, &blob, &peer).await[..befallen as usize] {
            let error = result.as_ref().unwrap_err();
            assert!(is_named(error), "{failure:?}: {error:?}");
        }
        for result in call_each(&client, &keys, &blob, &peer).await {
            result.unwrap();
        }
    }
    assert_eq!(client.pool_stats().failed, 0);
}
