//! What goes wrong on purpose: each failure as a client meets it, and no more often than asked for.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::cms::EnvelopedData;
use kms_enclave_client::sim::{AdminClient, Failure, Injection, InjectionError, KmsSimulator};
use kms_enclave_client::{Error, KeyArn, RecipientKeyPair, ServiceErrorCode, TcpTransport};
use nsm_attest::sim::Authority;
use nsm_attest::{AttestationRequest, Clock, Nsm};
use raw::{RawReply, Signed, connect, exchange, read_reply};
use serde_json::{Value, json};
use support::*;
use tokio::io::AsyncWriteExt;

struct World {
    authority: Authority,
    clock: Clock,
    kms: KmsSimulator,
    admin: AdminClient,
    key: KeyArn,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::settable(start_of_time());
        let authority = Authority::generate(clock.now()).unwrap();
        let kms = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .clock(clock.clone())
            .administrator(administrator_credentials(), ADMINISTRATOR)
            .start()
            .await
            .unwrap();
        let transport = Arc::new(TcpTransport::new(kms.local_addr()));
        let admin =
            AdminClient::new(REGION, transport, &kms.tls_roots(), clock.clone(), administrator_credentials()).unwrap();
        let key = admin.create_key().await.unwrap();
        Self { authority, clock, kms, admin, key }
    }

    fn inject(&self, failure: Failure, action: &str) {
        self.kms.inject(Injection::new(failure).action(action)).unwrap();
    }

    fn recipient(&self) -> (RecipientKeyPair, Value) {
        let pair = RecipientKeyPair::generate().unwrap();
        let request = AttestationRequest::new().with_public_key(pair.public_key_der());
        let document = nsm(&self.authority, &self.clock, b"signer").attest(&request).unwrap();
        let field = json!({
            "AttestationDocument": STANDARD.encode(document),
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        });
        (pair, field)
    }

    fn data_key(&self, recipient: Option<&Value>) -> Signed {
        let mut body = json!({"KeyId": self.key, "KeySpec": "AES_256"});
        if let Some(recipient) = recipient {
            body["Recipient"] = recipient.clone();
        }
        Signed::new("GenerateDataKey", &body)
    }

    async fn send(&self, signed: &Signed) -> RawReply {
        exchange(&self.kms, &signed.bytes()).await
    }

    /// What came before the connection ended, if it ended.
    async fn send_until_closed(&self, signed: &Signed) -> Result<RawReply, Vec<u8>> {
        let mut stream = connect(&self.kms).await;
        stream.write_all(&signed.bytes()).await.unwrap();
        stream.flush().await.unwrap();
        read_reply(&mut stream).await
    }

    async fn assert_all_is_well(&self) {
        assert_eq!(self.kms.injections_left(), 0);
        let (pair, recipient) = self.recipient();
        let reply = self.send(&self.data_key(Some(&recipient))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(open(&reply, &pair).unwrap().len(), 32);
        assert_eq!(reply.json()["KeyId"], self.key.as_str());
        assert!(reply.json().get("Plaintext").is_none());
    }
}

fn envelope(reply: &RawReply) -> Vec<u8> {
    STANDARD.decode(reply.json()["CiphertextForRecipient"].as_str().unwrap()).unwrap()
}

fn open(reply: &RawReply, pair: &RecipientKeyPair) -> Option<Vec<u8>> {
    let opened = EnvelopedData::from_bytes(&envelope(reply)).ok()?.open(pair).ok()?;
    Some(opened.as_bytes().to_vec())
}

#[tokio::test]
async fn exceptions_and_bare_statuses_are_answered_as_often_as_asked() {
    let world = World::new().await;
    let throttled = Injection::new(Failure::exception("ThrottlingException")).action("GenerateDataKey");
    world.kms.inject(throttled.requests(2)).unwrap();
    let busy = Failure::Exception { name: "KMSInternalException".into(), message: "later".into(), status: 500 };
    world.inject(busy, "GenerateDataKey");
    world.kms.inject(Injection::new(Failure::Bare { status: 400 })).unwrap();
    // Another action takes what is for any action, and leaves the rest.
    let described = world.send(&Signed::new("DescribeKey", &json!({"KeyId": world.key}))).await;
    assert_eq!((described.status, described.text.as_str()), (400, ""));
    assert_eq!(world.kms.injections_left(), 3);
    for expected in [
        (400, r#"{"__type":"ThrottlingException"}"#),
        (400, r#"{"__type":"ThrottlingException"}"#),
        (500, r#"{"__type":"KMSInternalException","message":"later"}"#),
    ] {
        let reply = world.send(&world.data_key(None)).await;
        assert_eq!((reply.status, reply.text.as_str()), expected);
        assert!(reply.header("x-amzn-requestid").is_some());
    }
    world.assert_all_is_well().await;
}

#[tokio::test]
async fn whoever_is_refused_uses_up_no_injection() {
    let world = World::new().await;
    world.inject(Failure::exception("ThrottlingException"), "GenerateDataKey");
    let forged = world.data_key(None).body(b"{}");
    assert_eq!(world.send(&forged).await.json()["__type"], "InvalidSignatureException");
    let incomplete = Signed::new("GenerateDataKey", &json!({}));
    assert_eq!(world.send(&incomplete).await.json()["__type"], "SerializationException");
    assert_eq!(world.kms.injections_left(), 1);
    world.kms.clear_injections();
    world.assert_all_is_well().await;
}

#[tokio::test]
async fn connections_are_closed_before_after_and_within() {
    let world = World::new().await;
    let create = Signed::new("CreateAlias", &json!({"AliasName": "alias/a", "TargetKeyId": world.key}));
    let exists = async || !world.admin.list_aliases(None).await.unwrap().is_empty();
    world.inject(Failure::ClosedBeforeRequest, "CreateAlias");
    assert_eq!(world.send_until_closed(&create).await.unwrap_err(), b"");
    assert!(!exists().await, "nothing was performed");
    world.inject(Failure::ClosedAfterRequest, "CreateAlias");
    assert_eq!(world.send_until_closed(&create).await.unwrap_err(), b"");
    assert!(exists().await, "it was performed");
    assert_eq!(world.kms.requests_seen("CreateAlias"), 2);

    world.inject(Failure::ClosedWithinReply, "DescribeKey");
    let describe = Signed::new("DescribeKey", &json!({"KeyId": world.key}));
    let whole = {
        let part = world.send_until_closed(&describe).await.unwrap_err();
        let whole = world.send(&describe).await;
        let part = String::from_utf8(part).unwrap();
        let (head, half) = part.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains(&format!("content-length: {}", whole.text.len())), "{head}");
        assert_eq!(half, &whole.text[..whole.text.len() / 2]);
        whole
    };
    assert_eq!(whole.status, 200);
    world.assert_all_is_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_delayed_for_as_long_as_asked() {
    // Time is paused: whoever waits for nothing else sees it pass.
    let world = World::new().await;
    world.inject(Failure::Delay(Duration::from_secs(7)), "DescribeKey");
    let describe = Signed::new("DescribeKey", &json!({"KeyId": world.key}));
    for (at_least, at_most) in [(7, 8), (0, 7)] {
        let start = tokio::time::Instant::now();
        assert_eq!(world.send(&describe).await.status, 200);
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(at_least) && took < Duration::from_secs(at_most), "{took:?}");
    }
}

#[tokio::test]
async fn envelopes_are_missing_truncated_for_a_stranger_or_beside_the_plaintext() {
    let world = World::new().await;
    let (pair, recipient) = world.recipient();
    let request = world.data_key(Some(&recipient));
    world.inject(Failure::EnvelopeMissing, "GenerateDataKey");
    assert_eq!(world.send(&request).await.members(), ["CiphertextBlob", "KeyId"]);
    for len in [0, 1, 200, 492] {
        world.inject(Failure::EnvelopeTruncated { len }, "GenerateDataKey");
        let reply = world.send(&request).await;
        assert_eq!((envelope(&reply).len(), open(&reply, &pair)), (len, None));
    }
    world.inject(Failure::EnvelopeForAnotherRecipient, "GenerateDataKey");
    let reply = world.send(&request).await;
    assert_eq!((envelope(&reply).len(), open(&reply, &pair)), (493, None));
    world.inject(Failure::PlaintextBesideEnvelope, "GenerateDataKey");
    let reply = world.send(&request).await;
    let plaintext = STANDARD.decode(reply.json()["Plaintext"].as_str().unwrap()).unwrap();
    assert_eq!(open(&reply, &pair), Some(plaintext));
    world.assert_all_is_well().await;
}

#[tokio::test]
async fn the_plaintext_stands_in_each_action_s_own_field() {
    let world = World::new().await;
    let (_, recipient) = world.recipient();
    for (action, body, field) in [
        ("GenerateRandom", json!({"NumberOfBytes": 3}), "Plaintext"),
        ("GenerateDataKeyPair", json!({"KeyId": world.key, "KeyPairSpec": "ECC_NIST_P256"}), "PrivateKeyPlaintext"),
    ] {
        world.inject(Failure::PlaintextBesideEnvelope, action);
        let mut body = body;
        body["Recipient"] = recipient.clone();
        let reply = world.send(&Signed::new(action, &body)).await.json();
        assert!(reply[field].is_string() && reply["CiphertextForRecipient"].is_string(), "{reply}");
    }
}

#[tokio::test]
async fn a_key_id_is_that_of_another_key() {
    let world = World::new().await;
    let other = world.admin.create_key().await.unwrap();
    world.inject(Failure::KeyIdOf(other.clone()), "GenerateDataKey");
    assert_eq!(world.send(&world.data_key(None)).await.json()["KeyId"], other.as_str());
    world.assert_all_is_well().await;
}

#[tokio::test]
async fn the_last_reply_to_the_same_recipient_is_replayed() {
    let world = World::new().await;
    let (one, two) = (world.recipient(), world.recipient());
    world.inject(Failure::ReplyReplayed, "GenerateDataKey");
    let first = world.send(&world.data_key(Some(&one.1))).await;
    // Nothing was there to be replayed, nor is there anything for another recipient or without one.
    let for_another = world.send(&world.data_key(Some(&two.1))).await;
    let plain = world.send(&world.data_key(None)).await;
    assert_eq!(world.kms.injections_left(), 1);
    assert!(open(&first, &one.0).is_some() && for_another.text != first.text && plain.status == 200);
    let replayed = world.send(&world.data_key(Some(&two.1))).await;
    assert_eq!(replayed.text, for_another.text);
    assert_ne!(replayed.header("x-amzn-requestid"), for_another.header("x-amzn-requestid"));
    assert_ne!(world.send(&world.data_key(Some(&two.1))).await.text, replayed.text);
    world.assert_all_is_well().await;
}

#[tokio::test]
async fn a_client_of_this_crate_meets_them_as_its_own_errors() {
    let world = World::new().await;
    world.inject(Failure::exception("AccessDeniedException"), "DescribeKey");
    let denied = world.admin.describe_key(&world.key).await;
    assert!(matches!(denied, Err(Error::Service(error)) if error.code() == &ServiceErrorCode::AccessDenied));
    world.inject(Failure::Bare { status: 400 }, "DescribeKey");
    let bare = world.admin.describe_key(&world.key).await;
    assert!(matches!(bare, Err(Error::Service(error)) if error.code() == &ServiceErrorCode::Unnamed));
    // What can be repeated is.
    let before = world.kms.requests_seen("DescribeKey");
    world.inject(Failure::exception("KMSInternalException"), "DescribeKey");
    world.inject(Failure::ClosedBeforeRequest, "DescribeKey");
    world.admin.describe_key(&world.key).await.unwrap();
    assert_eq!(world.kms.requests_seen("DescribeKey"), before + 3);
}

#[tokio::test]
async fn injections_that_can_befall_nothing_are_refused_and_their_number_is_bounded() {
    let world = World::new().await;
    let refused = |injection: Injection| world.kms.inject(injection).unwrap_err();
    let bare = |status| Injection::new(Failure::Bare { status });
    for (injection, expected) in [
        (bare(200), InjectionError::BadStatus { status: 200 }),
        (bare(600), InjectionError::BadStatus { status: 600 }),
        (bare(400).action("ListKeys"), InjectionError::UnknownAction { action: "ListKeys".to_owned() }),
        (
            Injection::new(Failure::EnvelopeMissing).action("DescribeKey"),
            InjectionError::Inapplicable { action: "DescribeKey".to_owned() },
        ),
        (
            Injection::new(Failure::KeyIdOf(world.key.clone())).action("GenerateRandom"),
            InjectionError::Inapplicable { action: "GenerateRandom".to_owned() },
        ),
        (
            Injection::new(Failure::Delay(Duration::from_secs(61))),
            InjectionError::DelayTooLong { max: Duration::from_secs(60) },
        ),
    ] {
        assert_eq!(refused(injection), expected);
    }
    world.kms.inject(bare(400).requests(0)).unwrap();
    for _ in 0..256 {
        world.kms.inject(bare(400)).unwrap();
    }
    assert_eq!(refused(bare(400)), InjectionError::TooMany { max: 256 });
    assert_eq!(world.kms.injections_left(), 256);
    world.kms.clear_injections();
    world.assert_all_is_well().await;
}
