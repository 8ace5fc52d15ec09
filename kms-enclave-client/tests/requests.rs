//! What the client sends for each action, and what it does not send.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/hostile.rs"]
mod hostile;
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hostile::{Answer, Asked, Identity, ScriptedKms, ok};
use kms_enclave_client::sim::envelop;
use kms_enclave_client::{
    DataKeyPairSpec, DataKeySpec, DecryptRequest, DeriveSharedSecretRequest, EncryptRequest, EncryptionAlgorithm,
    Error, GenerateDataKeyPairRequest, GenerateDataKeyRequest, GenerateRandomRequest, KeyArn, KeyId, KmsClient,
    RequestLimit,
};
use nsm_attest::Clock;
use nsm_attest::sim::Authority;
use rcgen::PublicKeyData as _;
use serde_json::{Value, json};
use support::*;

const REAL_KMS: Identity = Identity { name: "kms.eu-west-1.amazonaws.com", years: (2020, 2100) };
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const FOREIGN: &str = "arn:aws:kms:eu-west-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab";

static PAIR: LazyLock<rcgen::KeyPair> = LazyLock::new(|| rcgen::KeyPair::generate().unwrap());

/// A KMS that answers every action, and remembers what it was asked.
struct Scene {
    kms: Arc<ScriptedKms>,
    client: KmsClient,
    last: Arc<Mutex<Option<Asked>>>,
}

impl Scene {
    fn new() -> Self {
        let last = Arc::new(Mutex::new(None));
        let record = Arc::clone(&last);
        let kms = ScriptedKms::start(REAL_KMS, move |asked| {
            let answer = success(&asked);
            *record.lock().unwrap() = Some(asked);
            answer
        });
        let clock = Clock::settable(start_of_time());
        let authority = Authority::generate(clock.now()).unwrap();
        let client = KmsClient::builder()
            .region(REGION)
            .permit_key(KEY.parse().unwrap())
            .nsm(nsm(&authority, &clock, b"signer"))
            .clock(clock)
            .transport(kms.clone())
            .tls_roots(kms.roots.clone())
            .credentials(enclave_credentials())
            .build()
            .unwrap();
        Self { kms, client, last }
    }

    /// The action and the body of the request that arrived, without the Recipient, which is looked at here.
    fn sent(&self) -> (String, Value) {
        let mut asked = self.last.lock().unwrap().take().expect("a request arrived");
        let action = asked.header("x-amz-target").strip_prefix("TrentService.").unwrap().to_owned();
        let recipient = asked.body.as_object_mut().unwrap().remove("Recipient");
        assert_eq!(recipient.is_none(), action == "Encrypt");
        if let Some(recipient) = recipient {
            let members: Vec<&String> = recipient.as_object().unwrap().keys().collect();
            assert_eq!(members, ["AttestationDocument", "KeyEncryptionAlgorithm"]);
            assert_eq!(recipient["KeyEncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
        }
        (action, asked.body)
    }

    /// That the call ended so, with nothing sent.
    fn refused<T: std::fmt::Debug>(&self, result: Result<T, Error>, expected: RequestLimit) {
        let Err(Error::Request(limit)) = result else { panic!("{expected:?}: {result:?}") };
        assert_eq!(limit, expected);
        assert_eq!(self.kms.requests(), 0);
    }
}

/// What an honest KMS would answer.
fn success(asked: &Asked) -> Answer {
    let action = asked.header("x-amz-target").strip_prefix("TrentService.").unwrap();
    let key_pair_spec = asked.body["KeyPairSpec"].clone();
    let mut reply = json!({"KeyId": KEY});
    let plaintext = match action {
        "Encrypt" => {
            reply["CiphertextBlob"] = json!(STANDARD.encode(b"blob"));
            return ok(&reply);
        }
        "GenerateDataKeyPair" => {
            reply["KeyPairSpec"] = key_pair_spec;
            reply["PublicKey"] = json!(STANDARD.encode(PAIR.subject_public_key_info()));
            reply["PrivateKeyCiphertextBlob"] = json!(STANDARD.encode(b"blob"));
            PAIR.serialize_der()
        }
        _ => {
            reply["CiphertextBlob"] = json!(STANDARD.encode(b"blob"));
            let len = match (&asked.body["NumberOfBytes"], &asked.body["KeySpec"]) {
                (Value::Number(len), _) => len.as_u64().unwrap(),
                (_, Value::String(spec)) if spec == "AES_128" => 16,
                _ => 32,
            };
            vec![7; usize::try_from(len).unwrap()]
        }
    };
    let asked = Asked { head: asked.head.clone(), body: asked.body.clone(), ..*asked };
    reply["CiphertextForRecipient"] = json!(STANDARD.encode(envelop(&plaintext, &asked.recipient()).unwrap()));
    ok(&reply)
}

fn key() -> KeyArn {
    KEY.parse().unwrap()
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn tokens(count: usize, len: usize) -> Vec<String> {
    vec!["t".repeat(len); count]
}

#[tokio::test]
async fn decrypt_as_it_is_sent() {
    let scene = Scene::new();
    scene.client.decrypt(DecryptRequest::new(key(), b"blob")).await.unwrap();
    let blob = STANDARD.encode(b"blob");
    assert_eq!(scene.sent(), ("Decrypt".to_owned(), json!({"KeyId": KEY, "CiphertextBlob": blob})));
    let request = DecryptRequest::new(key(), b"blob")
        .encryption_context(context(&[("purpose", "record-v1"), ("revision", "0")]))
        .grant_tokens(["one".to_owned(), "two".to_owned()]);
    scene.client.decrypt(request).await.unwrap();
    let expected = json!({
        "KeyId": KEY, "CiphertextBlob": blob, "GrantTokens": ["one", "two"],
        "EncryptionContext": {"purpose": "record-v1", "revision": "0"},
    });
    assert_eq!(scene.sent().1, expected);
    scene.client.decrypt(DecryptRequest::for_any_permitted_key(b"blob")).await.unwrap();
    assert_eq!(scene.sent().1, json!({"CiphertextBlob": blob}));
    for (algorithm, name) in [
        (EncryptionAlgorithm::RsaesOaepSha1, "RSAES_OAEP_SHA_1"),
        (EncryptionAlgorithm::RsaesOaepSha256, "RSAES_OAEP_SHA_256"),
    ] {
        scene.client.decrypt(DecryptRequest::new(key(), b"blob").encryption_algorithm(algorithm)).await.unwrap();
        assert_eq!(scene.sent().1, json!({"KeyId": KEY, "CiphertextBlob": blob, "EncryptionAlgorithm": name}));
    }
}

#[tokio::test]
async fn generate_data_key_as_it_is_sent() {
    let scene = Scene::new();
    let request = || GenerateDataKeyRequest::new(key());
    for (request, members) in [
        (request(), json!({"KeySpec": "AES_256"})),
        (request().key_spec(DataKeySpec::Aes128), json!({"KeySpec": "AES_128"})),
        (request().number_of_bytes(64), json!({"NumberOfBytes": 64})),
        (request().number_of_bytes(64).key_spec(DataKeySpec::Aes256), json!({"KeySpec": "AES_256"})),
        (
            request().encryption_context(context(&[("a", "b")])).grant_tokens(["one".to_owned()]),
            json!({"KeySpec": "AES_256", "EncryptionContext": {"a": "b"}, "GrantTokens": ["one"]}),
        ),
    ] {
        scene.client.generate_data_key(request).await.unwrap();
        let (action, mut sent) = scene.sent();
        assert_eq!(
            (action.as_str(), sent.as_object_mut().unwrap().remove("KeyId")),
            ("GenerateDataKey", Some(json!(KEY)))
        );
        assert_eq!(sent, members);
    }
}

#[tokio::test]
async fn the_other_actions_as_they_are_sent() {
    let scene = Scene::new();
    let pair = GenerateDataKeyPairRequest::new(key(), DataKeyPairSpec::EccNistP256)
        .encryption_context(context(&[("a", "b")]))
        .grant_tokens(["one".to_owned()]);
    scene.client.generate_data_key_pair(pair).await.unwrap();
    let expected = json!({
        "KeyId": KEY, "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": {"a": "b"}, "GrantTokens": ["one"],
    });
    assert_eq!(scene.sent(), ("GenerateDataKeyPair".to_owned(), expected));

    assert_eq!(scene.client.generate_random(GenerateRandomRequest::new(12)).await.unwrap().as_bytes(), [7; 12]);
    assert_eq!(scene.sent(), ("GenerateRandom".to_owned(), json!({"NumberOfBytes": 12})));

    let peer = PAIR.subject_public_key_info();
    let agree = DeriveSharedSecretRequest::new(key(), &peer).grant_tokens(["one".to_owned()]);
    scene.client.derive_shared_secret(agree).await.unwrap();
    let expected = json!({
        "KeyId": KEY, "KeyAgreementAlgorithm": "ECDH", "PublicKey": STANDARD.encode(&peer), "GrantTokens": ["one"],
    });
    assert_eq!(scene.sent(), ("DeriveSharedSecret".to_owned(), expected));

    let encrypt = EncryptRequest::new(key(), b"plaintext")
        .encryption_context(context(&[("a", "b")]))
        .grant_tokens(["one".to_owned()]);
    let encrypted = scene.client.encrypt(encrypt).await.unwrap();
    assert_eq!((encrypted.key_arn, encrypted.ciphertext_blob), (key(), b"blob".to_vec()));
    let expected = json!({
        "KeyId": KEY, "Plaintext": STANDARD.encode(b"plaintext"), "EncryptionContext": {"a": "b"},
        "GrantTokens": ["one"],
    });
    assert_eq!(scene.sent(), ("Encrypt".to_owned(), expected));
    let encrypt = EncryptRequest::new(key(), b"p").encryption_algorithm(EncryptionAlgorithm::RsaesOaepSha256);
    scene.client.encrypt(encrypt).await.unwrap();
    assert_eq!(scene.sent().1["EncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
}

#[tokio::test]
async fn every_name_of_a_key_is_sent_as_it_was_given() {
    let scene = Scene::new();
    for name in [KEY, &KEY[39..], "alias/wallet", "arn:aws:kms:eu-west-1:111122223333:alias/wallet"] {
        let encrypted = scene.client.encrypt(EncryptRequest::new(id(name), b"plaintext")).await.unwrap();
        assert_eq!((scene.sent().1["KeyId"].as_str(), encrypted.key_arn), (Some(name), key()));
        assert_eq!(scene.client.decrypt(DecryptRequest::new(id(name), b"blob")).await.unwrap().key_arn, key());
        assert_eq!(scene.sent().1["KeyId"], name);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_permitted_ones_are_not_asked_for() {
    let scene = Scene::new();
    let peer = PAIR.subject_public_key_info();
    for name in [FOREIGN, &FOREIGN[39..], "arn:aws:kms:eu-west-1:999999999999:alias/wallet"] {
        let refused = [
            scene.client.decrypt(DecryptRequest::new(id(name), b"blob")).await.map(drop),
            scene.client.encrypt(EncryptRequest::new(id(name), b"plaintext")).await.map(drop),
            scene.client.generate_data_key(GenerateDataKeyRequest::new(id(name))).await.map(drop),
            scene
                .client
                .generate_data_key_pair(GenerateDataKeyPairRequest::new(id(name), DataKeyPairSpec::Rsa2048))
                .await
                .map(drop),
            scene.client.derive_shared_secret(DeriveSharedSecretRequest::new(id(name), &peer)).await.map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(Error::KeyNotPermitted { key }) if key == id(name)));
        }
    }
    assert_eq!((scene.kms.requests(), scene.kms.dialled(), scene.client.pool_stats().made), (0, 0, 0));
}

#[tokio::test]
async fn ciphertexts_and_plaintexts_go_up_to_the_limits_of_kms() {
    let scene = Scene::new();
    for len in [1, 6144] {
        scene.client.decrypt(DecryptRequest::new(key(), &vec![1; len])).await.unwrap();
    }
    for len in [1, 4096] {
        scene.client.encrypt(EncryptRequest::new(key(), &vec![1; len])).await.unwrap();
    }
    for len in [1, 8192] {
        scene.client.derive_shared_secret(DeriveSharedSecretRequest::new(key(), &vec![1; len])).await.unwrap();
    }
    scene.kms.requests();
    for len in [0, 6145] {
        let refused = scene.client.decrypt(DecryptRequest::new(key(), &vec![1; len])).await;
        scene.refused(refused, RequestLimit::CiphertextBlob { len });
    }
    for len in [0, 4097] {
        let refused = scene.client.encrypt(EncryptRequest::new(key(), &vec![1; len])).await;
        scene.refused(refused, RequestLimit::Plaintext { len });
    }
    for len in [0, 8193] {
        let refused = scene.client.derive_shared_secret(DeriveSharedSecretRequest::new(key(), &vec![1; len])).await;
        scene.refused(refused, RequestLimit::PublicKey { len });
    }
}

#[tokio::test]
async fn random_bytes_go_up_to_the_limits_of_kms() {
    let scene = Scene::new();
    let data_key = |len| GenerateDataKeyRequest::new(key()).number_of_bytes(len);
    for len in [1, 1024] {
        let random = scene.client.generate_random(GenerateRandomRequest::new(len)).await.unwrap();
        let made = scene.client.generate_data_key(data_key(len)).await.unwrap();
        assert_eq!((random.as_bytes().len(), made.plaintext.as_bytes().len()), (len, len));
    }
    scene.kms.requests();
    for len in [0, 1025, usize::MAX] {
        let refused = scene.client.generate_random(GenerateRandomRequest::new(len)).await;
        scene.refused(refused, RequestLimit::NumberOfBytes { len });
        scene.refused(scene.client.generate_data_key(data_key(len)).await, RequestLimit::NumberOfBytes { len });
    }
}

/// Calls every action that has an encryption context with this one.
async fn with_context(client: &KmsClient, context: &BTreeMap<String, String>) -> [Result<(), Error>; 4] {
    let (key, context) = (key(), || context.clone());
    let pair = GenerateDataKeyPairRequest::new(&key, DataKeyPairSpec::EccNistP256);
    [
        client.decrypt(DecryptRequest::new(&key, b"blob").encryption_context(context())).await.map(drop),
        client.encrypt(EncryptRequest::new(&key, b"p").encryption_context(context())).await.map(drop),
        client.generate_data_key(GenerateDataKeyRequest::new(&key).encryption_context(context())).await.map(drop),
        client.generate_data_key_pair(pair.encryption_context(context())).await.map(drop),
    ]
}

#[tokio::test]
async fn an_encryption_context_goes_up_to_the_limit_of_kms_and_has_no_empty_key() {
    let scene = Scene::new();
    let value = |len: usize| "v".repeat(len);
    for accepted in [context(&[("k", &value(8191))]), context(&[("k", ""), ("l", &value(8190))])] {
        for result in with_context(&scene.client, &accepted).await {
            result.unwrap();
        }
    }
    scene.kms.requests();
    for (refused, len) in [
        (context(&[("k", &value(8192))]), 8193),
        (context(&[("k", ""), ("l", &value(8191))]), 8193),
        (context(&[("", "value")]), 5),
    ] {
        for result in with_context(&scene.client, &refused).await {
            scene.refused(result, RequestLimit::EncryptionContext { len });
        }
    }
}

/// Calls every action that has grant tokens with these.
async fn with_tokens(client: &KmsClient, tokens: &[String]) -> [Result<(), Error>; 5] {
    let (key, peer, tokens) = (key(), PAIR.subject_public_key_info(), || tokens.to_vec());
    let pair = GenerateDataKeyPairRequest::new(&key, DataKeyPairSpec::EccNistP256);
    [
        client.decrypt(DecryptRequest::new(&key, b"blob").grant_tokens(tokens())).await.map(drop),
        client.encrypt(EncryptRequest::new(&key, b"p").grant_tokens(tokens())).await.map(drop),
        client.generate_data_key(GenerateDataKeyRequest::new(&key).grant_tokens(tokens())).await.map(drop),
        client.generate_data_key_pair(pair.grant_tokens(tokens())).await.map(drop),
        client.derive_shared_secret(DeriveSharedSecretRequest::new(&key, &peer).grant_tokens(tokens())).await.map(drop),
    ]
}

#[tokio::test]
async fn grant_tokens_go_up_to_the_limits_of_kms() {
    let scene = Scene::new();
    for accepted in [tokens(10, 1), tokens(1, 8192)] {
        for result in with_tokens(&scene.client, &accepted).await {
            result.unwrap();
        }
        assert_eq!(scene.sent().1["GrantTokens"], json!(accepted));
    }
    scene.kms.requests();
    for (refused, expected) in [
        (tokens(11, 1), RequestLimit::GrantTokens { count: 11 }),
        (tokens(1, 0), RequestLimit::GrantToken { len: 0 }),
        (tokens(2, 8193), RequestLimit::GrantToken { len: 8193 }),
    ] {
        for result in with_tokens(&scene.client, &refused).await {
            scene.refused(result, expected);
        }
    }
}

#[tokio::test]
async fn an_asymmetric_key_must_be_named_and_takes_no_encryption_context() {
    let scene = Scene::new();
    for algorithm in [EncryptionAlgorithm::RsaesOaepSha1, EncryptionAlgorithm::RsaesOaepSha256] {
        let bound = || context(&[("a", "b")]);
        let decrypt = DecryptRequest::new(key(), b"blob").encryption_algorithm(algorithm).encryption_context(bound());
        scene.refused(scene.client.decrypt(decrypt).await, RequestLimit::EncryptionContextForAsymmetricKey);
        let encrypt = EncryptRequest::new(key(), b"p").encryption_algorithm(algorithm).encryption_context(bound());
        scene.refused(scene.client.encrypt(encrypt).await, RequestLimit::EncryptionContextForAsymmetricKey);
        let unnamed = DecryptRequest::for_any_permitted_key(b"blob").encryption_algorithm(algorithm);
        scene.refused(scene.client.decrypt(unnamed).await, RequestLimit::KeyIdForAsymmetricKey);
    }
}

#[tokio::test]
async fn an_encrypt_is_believed_only_about_the_key_that_was_asked_for() {
    let changes = Arc::new(Mutex::new(Value::Null));
    let answers = Arc::clone(&changes);
    let kms = ScriptedKms::start(REAL_KMS, move |_| {
        let mut reply = json!({"KeyId": KEY, "CiphertextBlob": STANDARD.encode(b"blob")});
        for (name, value) in answers.lock().unwrap().as_object().unwrap() {
            reply[name] = value.clone();
        }
        ok(&reply)
    });
    let clock = Clock::settable(start_of_time());
    let authority = Authority::generate(clock.now()).unwrap();
    let client = KmsClient::builder()
        .region(REGION)
        .permit_key(key())
        .nsm(nsm(&authority, &clock, b"signer"))
        .clock(clock)
        .tls_roots(kms.roots.clone())
        .transport(kms)
        .credentials(enclave_credentials())
        .build()
        .unwrap();
    let encrypt = async |name: &str, reply: Value| {
        *changes.lock().unwrap() = reply;
        client.encrypt(EncryptRequest::new(id(name), b"plaintext")).await.map(|encrypted| encrypted.key_arn)
    };
    assert_eq!(encrypt("alias/wallet", json!({})).await.unwrap(), key());
    let foreign = json!({"KeyId": FOREIGN});
    assert!(matches!(encrypt(KEY, foreign.clone()).await, Err(Error::KeyIdMismatch { .. })));
    assert!(matches!(encrypt("alias/wallet", foreign).await, Err(Error::ReplyKeyNotPermitted { .. })));
    for malformed in [
        json!({"KeyId": null}),
        json!({"CiphertextBlob": null}),
        json!({"CiphertextBlob": ""}),
        json!({"CiphertextBlob": STANDARD.encode(vec![1; 6145])}),
        json!({"EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}),
    ] {
        let refused = encrypt(KEY, malformed.clone()).await;
        assert!(matches!(refused, Err(Error::MalformedReply(_))), "{malformed}: {refused:?}");
    }
    assert_eq!(client.pool_stats().made, 0, "Encrypt needs no recipient");
    let shown = format!("{:?}", EncryptRequest::new(key(), b"plaintext"));
    assert!(!shown.contains("plaintext") && !shown.contains("112, 108"), "{shown}");
}
