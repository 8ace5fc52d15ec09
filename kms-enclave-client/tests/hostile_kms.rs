//! A KMS, or somebody in its place, that answers what it should not: each answer has its named error.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/hostile.rs"]
mod hostile;
mod support;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hostile::{Answer, Asked, HostileKms, Identity, ok, reply};
use kms_enclave_client::cms::MalformedCms;
use kms_enclave_client::sim::envelop;
use kms_enclave_client::{
    BoxFuture, ByteStream, DataKey, DecryptRequest, Decrypted, Error, GenerateDataKeyRequest, KeyArn, KmsClient,
    KmsClientBuilder, MalformedReply, RecipientKeyPair, RecipientPool, ServiceErrorCode, TcpTransport, Transport,
};
use nsm_attest::Clock;
use nsm_attest::sim::Authority;
use serde_json::{Value, json};
use support::*;

const NAME: &str = "kms.eu-west-1.amazonaws.com";
const REAL_KMS: Identity = Identity { name: NAME, years: (2020, 2100) };

fn key() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

fn builder() -> KmsClientBuilder {
    let clock = Clock::settable(start_of_time());
    let authority = Authority::generate(clock.now()).unwrap();
    KmsClient::builder()
        .region(REGION)
        .permit_key(key())
        .nsm(nsm(&authority, &clock, b"signer"))
        .clock(clock)
        .credentials(enclave_credentials())
        .deadline(Duration::from_secs(60))
}

fn client(kms: &HostileKms) -> KmsClient {
    builder().transport(Arc::new(TcpTransport::new(kms.address))).tls_roots(kms.roots.clone()).build().unwrap()
}

/// A client whose recipient keys are used once.
fn client_with_a_key_a_call(kms: &HostileKms) -> KmsClient {
    let clock = Clock::settable(start_of_time());
    let nsm = nsm(&Authority::generate(clock.now()).unwrap(), &clock, b"signer");
    let pool = RecipientPool::builder(nsm, clock).max_uses(1).ready(0).build().unwrap();
    let transport = Arc::new(TcpTransport::new(kms.address));
    builder().recipient_pool(pool).transport(transport).tls_roots(kms.roots.clone()).build().unwrap()
}

/// Calls Decrypt against a KMS that answers so.
async fn decrypt(answer: impl Fn(Asked) -> Answer + Send + Sync + 'static) -> Result<Decrypted, Error> {
    let kms = HostileKms::start(REAL_KMS, answer).await;
    client(&kms).decrypt(DecryptRequest::new(key(), b"blob")).await
}

/// Calls GenerateDataKey against a KMS that answers so.
async fn generate(answer: impl Fn(Asked) -> Answer + Send + Sync + 'static) -> Result<DataKey, Error> {
    let kms = HostileKms::start(REAL_KMS, answer).await;
    client(&kms).generate_data_key(GenerateDataKeyRequest::new(key())).await
}

/// What an honest KMS would answer.
fn honest(asked: &Asked, plaintext: &[u8]) -> Value {
    let sealed = envelop(plaintext, &asked.recipient()).unwrap();
    json!({
        "KeyId": asked.key_id(),
        "CiphertextForRecipient": STANDARD.encode(sealed),
        "CiphertextBlob": STANDARD.encode(b"blob"),
    })
}

/// An honest answer with some members replaced.
fn with(asked: &Asked, changes: Value) -> Value {
    let mut reply = honest(asked, &[7; 32]);
    for (name, value) in changes.as_object().unwrap() {
        reply[name] = value.clone();
    }
    reply
}

#[tokio::test]
async fn an_honest_answer_is_accepted_so_the_others_are_refused_for_their_defect() {
    let decrypted = decrypt(|asked| ok(&honest(&asked, b"secret"))).await.unwrap();
    assert_eq!((decrypted.plaintext.as_bytes(), decrypted.key_arn), (&b"secret"[..], key()));
    let made = generate(|asked| ok(&honest(&asked, &[7; 32]))).await.unwrap();
    assert_eq!((made.plaintext.as_bytes(), made.ciphertext_blob.as_slice()), (&[7; 32][..], &b"blob"[..]));
    // Null and empty plaintexts are how KMS says that there is none; fields to come are not for this client.
    for none in [json!({"Plaintext": null}), json!({"Plaintext": ""}), json!({"KeyMaterialId": "0123"})] {
        assert!(decrypt(move |asked| ok(&with(&asked, none.clone()))).await.is_ok());
    }
}

#[tokio::test]
async fn the_request_is_what_kms_expects() {
    let seen = Arc::new(Mutex::new(None));
    let record = Arc::clone(&seen);
    let answer = move |asked: Asked| {
        let reply = ok(&honest(&asked, b"secret"));
        *record.lock().unwrap() = Some(asked);
        reply
    };
    let kms = HostileKms::start(REAL_KMS, answer).await;
    let bound = context(&[("purpose", "record-v1")]);
    let key = key();
    let request = DecryptRequest::new(&key, b"blob").encryption_context(bound);
    client(&kms).decrypt(request).await.unwrap();
    let asked = seen.lock().unwrap().take().unwrap();
    assert!(asked.head.starts_with("POST / HTTP/1.1\r\n"), "{}", asked.head);
    for line in [
        "host: kms.eu-west-1.amazonaws.com",
        "content-type: application/x-amz-json-1.1",
        "x-amz-target: TrentService.Decrypt",
        "x-amz-security-token: FakeSessionTokenForTests",
    ] {
        assert!(asked.head.lines().any(|header| header == line), "{line} in {}", asked.head);
    }
    assert_eq!(asked.body["KeyId"], key.as_str());
    assert_eq!(asked.body["CiphertextBlob"], STANDARD.encode(b"blob"));
    assert_eq!(asked.body["EncryptionContext"], json!({"purpose": "record-v1"}));
    assert_eq!(asked.body["Recipient"]["KeyEncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
    // The document binds the key, and says what it is for.
    let document = STANDARD.decode(asked.body["Recipient"]["AttestationDocument"].as_str().unwrap()).unwrap();
    let document = nsm_attest::UnverifiedDocument::from_bytes(&document).unwrap();
    let user_data = nsm_attest::UserData::decode(document.unverified().user_data.as_ref().unwrap()).unwrap();
    assert_eq!(user_data, nsm_attest::UserData::over(nsm_attest::Purpose::KmsRecipient, &asked.recipient()));
    assert_eq!(document.unverified().nonce, None);
}

#[tokio::test]
async fn a_recipient_key_serves_several_calls_unless_each_shall_have_its_own() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&keys);
    let kms = HostileKms::start(REAL_KMS, move |asked| {
        record.lock().unwrap().push(asked.recipient());
        ok(&honest(&asked, &[7; 32]))
    })
    .await;
    for client in [client(&kms), client_with_a_key_a_call(&kms)] {
        for _ in 0..2 {
            client.generate_data_key(GenerateDataKeyRequest::new(key())).await.unwrap();
        }
    }
    let keys = keys.lock().unwrap();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[2], keys[3]);
}

#[tokio::test]
async fn another_key_id_is_refused() {
    let other = "arn:aws:kms:eu-west-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab";
    for key_id in [other, "1234abcd-12ab-34cd-56ef-1234567890ab", "alias/wallet", ""] {
        let changes = json!({ "KeyId": key_id });
        let decrypted = decrypt({
            let changes = changes.clone();
            move |asked| ok(&with(&asked, changes.clone()))
        });
        assert!(matches!(decrypted.await, Err(Error::KeyIdMismatch { actual, .. }) if actual == key_id));
        let made = generate(move |asked| ok(&with(&asked, changes.clone())));
        assert!(matches!(made.await, Err(Error::KeyIdMismatch { actual, .. }) if actual == key_id));
    }
}

#[tokio::test]
async fn a_plaintext_in_the_reply_is_refused_with_or_without_envelope() {
    let plaintext = json!({"Plaintext": STANDARD.encode([7; 32])});
    let beside = plaintext.clone();
    assert!(matches!(decrypt(move |asked| ok(&with(&asked, beside.clone()))).await, Err(Error::PlaintextInReply)));
    let mut instead = plaintext;
    instead["CiphertextForRecipient"] = Value::Null;
    assert!(matches!(generate(move |asked| ok(&with(&asked, instead.clone()))).await, Err(Error::PlaintextInReply)));
}

#[tokio::test]
async fn a_reply_without_envelope_is_refused() {
    for none in [json!({"CiphertextForRecipient": null}), json!({"CiphertextForRecipient": ""})] {
        let decrypted = decrypt(move |asked| ok(&with(&asked, none.clone()))).await;
        assert!(matches!(decrypted, Err(Error::MissingCiphertextForRecipient)), "{decrypted:?}");
    }
}

#[tokio::test]
async fn another_recipients_envelope_does_not_open() {
    let other = RecipientKeyPair::generate().unwrap();
    let sealed = envelop(&[7; 32], other.public_key_der()).unwrap();
    let changes = json!({"CiphertextForRecipient": STANDARD.encode(sealed)});
    let decrypted = decrypt(move |asked| ok(&with(&asked, changes.clone()))).await;
    assert!(matches!(decrypted, Err(Error::Decrypt(_))), "{decrypted:?}");
}

#[tokio::test]
async fn the_reply_of_an_earlier_call_is_refused_and_does_not_open_under_another_key() {
    for has_a_key_a_call in [false, true] {
        let first = Arc::new(Mutex::new(None));
        let kms = HostileKms::start(REAL_KMS, move |asked| {
            ok(first.lock().unwrap().get_or_insert_with(|| honest(&asked, &[7; 32])))
        })
        .await;
        let client = if has_a_key_a_call { client_with_a_key_a_call(&kms) } else { client(&kms) };
        assert!(client.generate_data_key(GenerateDataKeyRequest::new(key())).await.is_ok());
        for _ in 0..2 {
            let replayed = client.generate_data_key(GenerateDataKeyRequest::new(key())).await.unwrap_err();
            match has_a_key_a_call {
                false => assert!(matches!(replayed, Error::ReplayedReply), "{replayed:?}"),
                true => assert!(matches!(replayed, Error::Decrypt(_)), "{replayed:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_data_key_of_another_length_does_not_open() {
    for len in [0, 16, 31, 33, 64] {
        let made = generate(move |asked| ok(&honest(&asked, &vec![7; len]))).await;
        assert!(matches!(made, Err(Error::Decrypt(_))), "{len}: {made:?}");
    }
}

#[tokio::test]
async fn a_truncated_or_padded_envelope_is_malformed() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 4] = [
        |sealed| sealed.truncate(400),
        |sealed| sealed.truncate(sealed.len() - 1),
        |sealed| sealed.push(0),
        |sealed| sealed.extend([0x30, 0x00]),
    ];
    for damage in damages {
        let decrypted = decrypt(move |asked| {
            let mut sealed = envelop(&[7; 32], &asked.recipient()).unwrap();
            damage(&mut sealed);
            ok(&with(&asked, json!({"CiphertextForRecipient": STANDARD.encode(sealed)})))
        })
        .await;
        assert!(matches!(decrypted, Err(Error::MalformedCiphertext(MalformedCms::Ber))), "{decrypted:?}");
    }
    let long = json!({"CiphertextForRecipient": STANDARD.encode(vec![0x30; 9000])});
    let decrypted = decrypt(move |asked| ok(&with(&asked, long.clone()))).await;
    assert!(matches!(decrypted, Err(Error::MalformedCiphertext(MalformedCms::TooLong { .. }))), "{decrypted:?}");
}

#[tokio::test]
async fn fields_that_are_not_what_they_should_be_are_malformed() {
    let decrypted = decrypt(|asked| ok(&with(&asked, json!({"CiphertextForRecipient": "%%%"})))).await;
    let expected = MalformedReply::Base64 { field: "CiphertextForRecipient" };
    assert!(matches!(decrypted, Err(Error::MalformedReply(found)) if found == expected));
    for (blob, expected) in [
        (json!(null), MalformedReply::Length { field: "CiphertextBlob" }),
        (json!(""), MalformedReply::Length { field: "CiphertextBlob" }),
        (json!(STANDARD.encode(vec![1; 6145])), MalformedReply::Length { field: "CiphertextBlob" }),
        (json!("%"), MalformedReply::Base64 { field: "CiphertextBlob" }),
    ] {
        let changes = json!({ "CiphertextBlob": blob });
        let made = generate(move |asked| ok(&with(&asked, changes.clone()))).await;
        assert!(matches!(made, Err(Error::MalformedReply(found)) if found == expected), "{blob}");
    }
    let twice = r#"{"KeyId":"a","KeyId":"b"}"#;
    for body in ["", "null", "[]", "{}", "<html>", r#"{"KeyId":7}"#, twice, &"[".repeat(10_000)] {
        let body = body.to_owned();
        let decrypted = decrypt(move |_| reply(200, &body)).await;
        assert!(matches!(decrypted, Err(Error::MalformedReply(MalformedReply::Json))), "{decrypted:?}");
    }
}

#[tokio::test]
async fn statuses_that_kms_does_not_use_are_malformed_and_nothing_is_followed() {
    for status in [204, 206, 302] {
        let answer =
            format!("HTTP/1.1 {status} X\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n");
        let decrypted = decrypt(move |_| Answer::Bytes(answer.clone().into_bytes())).await;
        let expected = MalformedReply::Status { status };
        assert!(matches!(decrypted, Err(Error::MalformedReply(found)) if found == expected), "{decrypted:?}");
    }
}

#[tokio::test]
async fn errors_are_typed_and_a_bare_400_says_what_to_check() {
    for (status, body, code) in [
        (400, r#"{"__type":"ThrottlingException","message":"slow down"}"#, ServiceErrorCode::Throttling),
        (500, r#"{"__type":"KMSInternalException"}"#, ServiceErrorCode::KmsInternal),
        (400, r#"{"__type":"com.amazonaws.kms#NotFoundException","Message":"no"}"#, ServiceErrorCode::NotFound),
        (400, "", ServiceErrorCode::Unnamed),
        (400, "{}", ServiceErrorCode::Unnamed),
    ] {
        let error = decrypt(move |_| reply(status, body)).await.unwrap_err();
        let Error::Service(service) = &error else { panic!("{error:?}") };
        assert_eq!((service.code(), service.status(), service.request_id()), (&code, status, Some("7f3c")));
        if code == ServiceErrorCode::Unnamed {
            assert!(error.to_string().contains("five minutes"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_announced_gibibyte_is_refused_unread() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    let decrypted = decrypt(|_| Answer::Bytes(head.to_vec())).await;
    assert!(matches!(decrypted, Err(Error::ReplyTooLong { max: 65_536 })), "{decrypted:?}");
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let decrypted = decrypt(|_| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        Answer::Flood(head, [b"1000\r\n".to_vec(), vec![b' '; 4096], b"\r\n".to_vec()].concat())
    })
    .await;
    assert!(matches!(decrypted, Err(Error::ReplyTooLong { .. })), "{decrypted:?}");
}

#[tokio::test]
async fn an_endless_or_broken_head_is_cut_off() {
    let decrypted = decrypt(|_| Answer::Flood(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-more: y\r\n".to_vec())).await;
    assert!(matches!(decrypted, Err(Error::Http(_))), "{decrypted:?}");
    let decrypted = decrypt(|_| Answer::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await;
    assert!(matches!(decrypted, Err(Error::Http(_))), "{decrypted:?}");
    let decrypted = decrypt(|_| Answer::Close(Vec::new())).await;
    assert!(matches!(decrypted, Err(Error::Http(_))), "{decrypted:?}");
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
    let decrypted = decrypt(|_| Answer::Close(half.to_vec())).await;
    assert!(matches!(decrypted, Err(Error::Http(_))), "{decrypted:?}");
}

#[tokio::test]
async fn a_slow_body_hits_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n";
    let mut kms = HostileKms::start(REAL_KMS, |_| Answer::Trickle(head.to_vec())).await;
    let deadline = Duration::from_secs(4);
    let transport = Arc::new(TcpTransport::new(kms.address));
    let client = builder().transport(transport).tls_roots(kms.roots.clone()).deadline(deadline).build().unwrap();
    let decrypted = client.decrypt(DecryptRequest::new(key(), b"blob")).await;
    assert!(matches!(decrypted, Err(Error::DeadlineExceeded { deadline: found }) if found == deadline));
    kms.arrived.try_recv().expect("the deadline passed while the body was being read");
}

/// Connects to nothing: the stream never says a word.
#[derive(Debug)]
struct Silence;

impl Transport for Silence {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async {
            let (ours, theirs) = tokio::io::duplex(64);
            // Kept open for ever, so that the handshake waits rather than fails.
            std::mem::forget(theirs);
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

/// Cannot connect, or never does.
#[derive(Debug)]
struct Unreachable {
    is_refused: bool,
}

impl Transport for Unreachable {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        if self.is_refused {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        } else {
            Box::pin(std::future::pending())
        }
    }
}

#[tokio::test]
async fn connecting_and_the_tls_handshake_are_under_the_deadline_too() {
    let deadline = Duration::from_millis(500);
    let silent: [Arc<dyn Transport>; 2] = [Arc::new(Silence), Arc::new(Unreachable { is_refused: false })];
    for transport in silent {
        let client = builder().transport(transport).deadline(deadline).build().unwrap();
        let decrypted = client.decrypt(DecryptRequest::new(key(), b"blob")).await;
        assert!(matches!(decrypted, Err(Error::DeadlineExceeded { .. })), "{decrypted:?}");
    }
    let client = builder().transport(Arc::new(Unreachable { is_refused: true })).build().unwrap();
    let decrypted = client.decrypt(DecryptRequest::new(key(), b"blob")).await;
    assert!(matches!(decrypted, Err(Error::Connect(_))), "{decrypted:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_another_time_or_root_is_refused() {
    for identity in [
        Identity { name: "kms.us-east-1.amazonaws.com", ..REAL_KMS },
        Identity { name: "*.amazonaws.com", ..REAL_KMS },
        Identity { name: "localhost", ..REAL_KMS },
        // The enclave's clock stands in 2026.
        Identity { name: NAME, years: (2020, 2025) },
        Identity { name: NAME, years: (2030, 2040) },
    ] {
        let name = identity.name;
        let mut kms = HostileKms::start(identity, |asked| ok(&honest(&asked, b"secret"))).await;
        let decrypted = client(&kms).decrypt(DecryptRequest::new(key(), b"blob")).await;
        assert!(
            matches!(&decrypted, Err(Error::Tls { server_name, .. }) if server_name == NAME),
            "{name}: {decrypted:?}"
        );
        assert!(kms.arrived.try_recv().is_err(), "no request was sent");
    }
    let kms = HostileKms::start(REAL_KMS, |asked| ok(&honest(&asked, b"secret"))).await;
    let transport = Arc::new(TcpTransport::new(kms.address));
    let amazon = builder().transport(transport).build().unwrap().decrypt(DecryptRequest::new(key(), b"blob")).await;
    assert!(matches!(amazon, Err(Error::Tls { .. })), "{amazon:?}");
}

#[tokio::test]
async fn nothing_secret_is_in_what_debug_shows() {
    let kms = HostileKms::start(REAL_KMS, |asked| ok(&honest(&asked, b"secret plaintext"))).await;
    let builder = builder().transport(Arc::new(TcpTransport::new(kms.address))).tls_roots(kms.roots.clone());
    let mut shown = format!("{builder:?}");
    let client = builder.build().unwrap();
    let decrypted = client.decrypt(DecryptRequest::new(key(), b"blob")).await.unwrap();
    shown += &format!("{client:?} {decrypted:?} {decrypted:#?}");
    for secret in ["secret plaintext", SECRET, SESSION_TOKEN, ENCLAVE_KEY, "115, 101, 99"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
