//! The simulator at the level of HTTP: requests that no client of ours would send, each refused, the next one served.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::time::Duration;

use kms_enclave_client::Transport;
use kms_enclave_client::sim::KmsSimulator;
use nsm_attest::sim::Authority;
use nsm_attest::{AttestationRequest, Clock, Nsm};
use raw::*;
use serde_json::{Value, json};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

const TARGET: &str = "TrentService.CreateKey";

struct World {
    authority: Authority,
    clock: Clock,
    kms: KmsSimulator,
}

impl World {
    async fn new() -> Self {
        Self::with(Duration::from_secs(10), 256).await
    }

    async fn with(read_timeout: Duration, max_connections: usize) -> Self {
        let clock = Clock::settable(start_of_time());
        let authority = Authority::generate(clock.now()).unwrap();
        let kms = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .clock(clock.clone())
            .administrator(administrator_credentials(), ADMINISTRATOR)
            .read_timeout(read_timeout)
            .max_connections(max_connections)
            .start()
            .await
            .unwrap();
        Self { authority, clock, kms }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        connect(&self.kms).await
    }

    /// Sends bytes on a connection of their own and reads one reply.
    async fn raw(&self, bytes: &[u8]) -> (u16, Value) {
        let reply = exchange(&self.kms, bytes).await;
        (reply.status, reply.json())
    }

    async fn send(&self, signed: &Signed) -> (u16, Value) {
        self.raw(&signed.bytes()).await
    }

    /// The exception that the request gives.
    async fn exception(&self, signed: &Signed) -> String {
        let (status, body) = self.send(signed).await;
        assert!((400..500).contains(&status), "{status} {body}");
        body["__type"].as_str().unwrap().to_owned()
    }

    async fn create_key(&self) -> String {
        let (status, reply) = self.send(&Signed::new("CreateKey", &json!({}))).await;
        assert_eq!(status, 200, "{reply}");
        reply["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    async fn assert_still_serves(&self) {
        self.create_key().await;
    }
}

#[tokio::test]
async fn a_request_must_be_signed_whole_and_for_here() {
    let world = World::new().await;
    let good = || Signed::new("CreateKey", &json!({}));
    assert_eq!(world.send(&good()).await.0, 200);
    let elsewhere = "kms.us-east-1.amazonaws.com";
    let create = || b"{}".to_vec();
    let target = TARGET;
    for (why, request, expected) in [
        ("unsigned", good().without("authorization"), "MissingAuthenticationTokenException"),
        (
            "another scheme",
            good().without("authorization").header("authorization", "Basic eDp5"),
            "IncompleteSignatureException",
        ),
        ("undated", good().without("x-amz-date"), "IncompleteSignatureException"),
        (
            "dated in another form",
            good().without("x-amz-date").header("x-amz-date", "2026-05-28T20:26:40Z"),
            "IncompleteSignatureException",
        ),
        ("changed body", good().body(br#"{"Description":"x"}"#), "InvalidSignatureException"),
        (
            "changed target",
            good().without("x-amz-target").header("x-amz-target", "TrentService.Encrypt"),
            "InvalidSignatureException",
        ),
        ("two targets", good().header("x-amz-target", "TrentService.Encrypt"), "IncompleteSignatureException"),
        ("two signatures", good().header("authorization", "AWS4-HMAC-SHA256 x=y"), "IncompleteSignatureException"),
        ("unsigned amz header", good().header("x-amz-meta", "x"), "InvalidSignatureException"),
        ("another host", good().without("host").header("host", elsewhere), "InvalidSignatureException"),
        (
            "signed for another host",
            Signed::with(target, create(), REGION, "kms", elsewhere),
            "InvalidSignatureException",
        ),
        ("another region", Signed::with(target, create(), "us-east-1", "kms", HOST), "InvalidSignatureException"),
        ("another service", Signed::with(target, create(), REGION, "s3", HOST), "InvalidSignatureException"),
        (
            "target not signed",
            Signed::signing(&[("host", HOST), ("content-type", "application/x-amz-json-1.1")], create(), REGION, "kms")
                .header("x-amz-target", target),
            "InvalidSignatureException",
        ),
        ("GET", good().line("GET / HTTP/1.1"), "UnknownOperationException"),
        ("a path", good().line("POST /x HTTP/1.1"), "UnknownOperationException"),
        ("a query", good().line("POST /?a=b HTTP/1.1"), "UnknownOperationException"),
    ] {
        assert_eq!(world.exception(&request).await, expected, "{why}");
    }
    world.assert_still_serves().await;
}

/// A reply of the real KMS as recorded: see the source of the simulator's HTTP.
#[tokio::test]
async fn replies_have_the_headers_of_kms_and_the_date_of_the_simulator_s_clock() {
    let world = World::new().await;
    let minute = Duration::from_secs(60);
    for (request, status) in
        [(Signed::new("CreateKey", &json!({})), 200), (Signed::new("DescribeKey", &json!({"KeyId": "x"})), 400)]
    {
        let reply = exchange(&world.kms, &request.bytes()).await;
        assert_eq!(reply.status, status);
        let names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
        let expected = "x-amzn-requestid cache-control expires pragma date content-type content-length";
        assert_eq!(names.join(" "), expected);
        for (name, value) in [
            ("cache-control", "no-cache, no-store, must-revalidate, private"),
            ("expires", "0"),
            ("pragma", "no-cache"),
            ("date", "Thu, 28 May 2026 20:26:40 GMT"),
            ("content-type", "application/x-amz-json-1.1"),
            ("content-length", &reply.text.len().to_string()),
        ] {
            assert_eq!(reply.header(name), Some(value));
        }
        let id = reply.header("x-amzn-requestid").unwrap();
        let lens: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lens, [8, 4, 4, 4, 12], "{id}");
    }
    world.clock.set(start_of_time().saturating_add(minute)).unwrap();
    let later = exchange(&world.kms, &Signed::new("CreateKey", &json!({})).bytes()).await;
    assert_eq!(later.header("date"), Some("Thu, 28 May 2026 20:27:40 GMT"));
}

/// KMS's wording and its five minutes, as in <https://github.com/aws/aws-sdk-js/issues/2340>.
#[tokio::test]
async fn a_signature_out_of_time_is_refused_in_aws_s_words() {
    let world = World::new().await;
    let sent = [("host", HOST), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", TARGET)];
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let now = start_of_time();
    let second = Duration::from_secs(1);
    let expired =
        "Signature expired: 20260528T202139Z is now earlier than 20260528T202140Z (20260528T202640Z - 5 min.)";
    let early =
        "Signature not yet current: 20260528T203141Z is still later than 20260528T203140Z (20260528T202640Z + 5 min.)";
    let expired_long_ago =
        "Signature expired: 20260528T192640Z is now earlier than 20260528T202140Z (20260528T202640Z - 5 min.)";
    for (time, expected) in [
        (now.saturating_sub(minutes(5)), None),
        (now.saturating_add(minutes(5)), None),
        (now.saturating_sub(minutes(5) + second), Some(expired)),
        (now.saturating_add(minutes(5) + second), Some(early)),
        (now.saturating_sub(minutes(60)), Some(expired_long_ago)),
    ] {
        let signed = Signed::signing_at(time, &sent, b"{}".to_vec(), REGION, "kms");
        let (status, body) = world.send(&signed).await;
        match expected {
            None => assert_eq!(status, 200, "{body}"),
            Some(message) => {
                assert_eq!((status, &body["__type"]), (400, &json!("InvalidSignatureException")));
                assert_eq!(body["message"], message);
            }
        }
    }
}

#[tokio::test]
async fn the_fips_endpoint_is_another_name_of_the_same_kms() {
    let world = World::new().await;
    let fips = Signed::with(TARGET, b"{}".to_vec(), REGION, "kms", "kms-fips.eu-west-1.amazonaws.com");
    assert_eq!(world.send(&fips).await.0, 200);
}

#[tokio::test]
async fn actions_and_fields_that_are_not_known_are_refused() {
    let world = World::new().await;
    let key = world.create_key().await;
    let text = |action: &str, body: &str| {
        Signed::with(&format!("TrentService.{action}"), body.as_bytes().to_vec(), REGION, "kms", HOST)
    };
    for (request, expected) in [
        (Signed::new("ListKeys", &json!({})), "UnknownOperationException"),
        (Signed::with("Decrypt", b"{}".to_vec(), REGION, "kms", HOST), "UnknownOperationException"),
        (Signed::new("CreateKey", &json!({"Tags": []})), "SerializationException"),
        (Signed::new("CreateKey", &json!({"KeySpec": "RSA_2048"})), "ValidationException"),
        (Signed::new("CreateKey", &json!({"KeySpec": "RSA_1024"})), "ValidationException"),
        (Signed::new("CreateKey", &json!({"KeyUsage": "SIGN_VERIFY"})), "ValidationException"),
        (
            Signed::new("CreateKey", &json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})),
            "UnsupportedOperationException",
        ),
        (
            Signed::new("CreateKey", &json!({"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "KEY_AGREEMENT"})),
            "ValidationException",
        ),
        (Signed::new("CreateKey", &json!({"MultiRegion": true})), "UnsupportedOperationException"),
        (Signed::new("CreateKey", &json!({"Origin": "EXTERNAL"})), "UnsupportedOperationException"),
        (Signed::new("DescribeKey", &json!({})), "SerializationException"),
        (Signed::new("DescribeKey", &json!({"KeyId": 7})), "SerializationException"),
        (Signed::new("DescribeKey", &json!({"KeyId": "alias/x"})), "NotFoundException"),
        (text("DescribeKey", r#"{"KeyId":"a","KeyId":"b"}"#), "SerializationException"),
        (text("CreateKey", "[null,null,null,null,null,null,null]"), "SerializationException"),
        (text("DescribeKey", ""), "SerializationException"),
        (text("DescribeKey", &"[".repeat(100_000)), "SerializationException"),
        (Signed::new("GetKeyPolicy", &json!({"KeyId": key, "PolicyName": "other"})), "NotFoundException"),
        (
            Signed::new("Encrypt", &json!({"KeyId": key, "Plaintext": "eA==", "Recipient": {}})),
            "SerializationException",
        ),
        (Signed::new("Encrypt", &json!({"KeyId": key, "Plaintext": "%"})), "SerializationException"),
        (Signed::new("Encrypt", &json!({"KeyId": key, "Plaintext": ""})), "ValidationException"),
        (
            Signed::new(
                "Encrypt",
                &json!({"KeyId": key, "Plaintext": "eA==", "EncryptionContext": {"a": "1", "A": "2"}}),
            ),
            "ValidationException",
        ),
        (
            Signed::new("Encrypt", &json!({"KeyId": key, "Plaintext": "eA==", "EncryptionContext": {"a": 1}})),
            "SerializationException",
        ),
        (Signed::new("GenerateDataKey", &json!({"KeyId": key})), "ValidationException"),
        (
            Signed::new("GenerateDataKey", &json!({"KeyId": key, "KeySpec": "AES_256", "NumberOfBytes": 32})),
            "ValidationException",
        ),
        (Signed::new("GenerateDataKey", &json!({"KeyId": key, "NumberOfBytes": 1025})), "ValidationException"),
        (Signed::new("Decrypt", &json!({"CiphertextBlob": "eA=="})), "InvalidCiphertextException"),
        (Signed::new("Decrypt", &json!({"KeyId": key, "CiphertextBlob": "eA=="})), "InvalidCiphertextException"),
        (
            Signed::new(
                "Decrypt",
                &json!({"KeyId": key, "CiphertextBlob": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
            ),
            "InvalidKeyUsageException",
        ),
    ] {
        let (asked, found) = (String::from_utf8_lossy(&request.body).into_owned(), world.exception(&request).await);
        assert_eq!(found, expected, "{}", &asked[..asked.len().min(200)]);
    }
    let plain = Signed::signing(
        &[("host", HOST), ("content-type", "application/json"), ("x-amz-target", "TrentService.CreateKey")],
        b"{}".to_vec(),
        REGION,
        "kms",
    );
    assert_eq!(world.exception(&plain).await, "UnknownOperationException");
    world.assert_still_serves().await;
}

#[tokio::test]
async fn a_recipient_must_ask_for_oaep_with_sha_256() {
    use base64::Engine as _;
    let world = World::new().await;
    let key = world.create_key().await;
    let pair = kms_enclave_client::RecipientKeyPair::generate().unwrap();
    let document = nsm(&world.authority, &world.clock, b"signer")
        .attest(&AttestationRequest::new().with_public_key(pair.public_key_der()))
        .unwrap();
    let document = base64::engine::general_purpose::STANDARD.encode(document);
    let request = |recipient: Value| {
        Signed::new("GenerateDataKey", &json!({"KeyId": key, "KeySpec": "AES_256", "Recipient": recipient}))
    };
    let good = json!({"AttestationDocument": document, "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"});
    let (status, reply) = world.send(&request(good)).await;
    assert_eq!(status, 200, "{reply}");
    assert!(reply.get("Plaintext").is_none() && reply["CiphertextForRecipient"].is_string(), "{reply}");
    let array = json!([document, "RSAES_OAEP_SHA_256"]);
    assert_eq!(world.exception(&request(array)).await, "SerializationException");
    let sha1 = json!({"AttestationDocument": document, "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_1"});
    assert_eq!(world.exception(&request(sha1)).await, "ValidationException");
    for incomplete in [json!({}), json!({"AttestationDocument": document}), json!("x")] {
        assert_eq!(world.exception(&request(incomplete)).await, "SerializationException");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_unread() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 10485760\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(read_reply(&mut stream).await.unwrap().status, 413);
    world.assert_still_serves().await;
}

#[tokio::test]
async fn a_chunked_body_is_cut_off_at_the_same_limit() {
    let world = World::new().await;
    let (mut reader, mut writer) = tokio::io::split(world.connect().await);
    let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let flood = tokio::spawn(async move {
        let chunk = [b"10000\r\n".to_vec(), vec![b' '; 65_536], b"\r\n".to_vec()].concat();
        // 10 MiB unless the server stops it.
        for _ in 0..160 {
            if writer.write_all(&chunk).await.is_err() {
                break;
            }
        }
    });
    let mut reply = Vec::new();
    while !reply.starts_with(b"HTTP/1.1 413") {
        assert_ne!(reader.read_buf(&mut reply).await.unwrap(), 0, "closed without 413: {reply:?}");
    }
    flood.abort();
    world.assert_still_serves().await;
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    let world = World::new().await;
    let mut many = Signed::new("CreateKey", &json!({}));
    for index in 0..100 {
        many = many.header(&format!("x-{index}"), "y");
    }
    assert_eq!(world.send(&many).await.0, 431);
    let long = Signed::new("CreateKey", &json!({})).header("x-long", &"y".repeat(64 * 1024));
    assert_eq!(world.send(&long).await.0, 431);
    assert_eq!(world.raw(b"nonsense\r\n\r\n").await.0, 400);
    world.assert_still_serves().await;
}

#[tokio::test]
async fn half_requests_are_closed_and_their_place_is_given_on() {
    // One place only: whoever holds it without asking anything must lose it.
    let world = World::with(Duration::from_millis(1500), 1).await;
    let whole = Signed::new("CreateKey", &json!({})).bytes();
    for part in [0, 30, whole.len() - 1] {
        let mut stream = world.connect().await;
        stream.write_all(&whole[..part]).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        // Ends only when the server closes.
        let _closed = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
        world.assert_still_serves().await;
    }
    // Nor does one that never begins TLS, or does not speak it.
    let mut silent = TcpStream::connect(world.kms.local_addr()).await.unwrap();
    let mut rest = Vec::new();
    let _closed = silent.read_to_end(&mut rest).await;
    let mut plain = TcpStream::connect(world.kms.local_addr()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _closed = plain.read_to_end(&mut rest).await;
    world.assert_still_serves().await;
}

#[tokio::test]
async fn connections_in_memory_count_among_the_others_and_have_their_time_limits() {
    let world = World::with(Duration::from_millis(1500), 1).await;
    let transport = world.kms.memory_transport();
    let mut silent = transport.connect().await.unwrap();
    // Only when the one before was accepted is there room in the queue for this one.
    let _queued = transport.connect().await.unwrap();
    world.assert_still_serves().await;
    // There is one place, so the silent one has lost it.
    let read = timeout(Duration::ZERO, silent.read(&mut [0])).await;
    assert!(matches!(read, Ok(Ok(0))), "{read:?}");
}
