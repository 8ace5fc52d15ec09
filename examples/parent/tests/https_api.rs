//! What the API answers, over real HTTPS.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use chain_signers::Encoding;
use http::{Method, StatusCode};
use signer_protocol::client::RawAnswer;
use signer_protocol::code;
use signer_protocol::method::{DescribeKey, GenerateKey, Health, Sign};
use signer_protocol::record::{KeyId, Record, SpkiDigest};

use crate::support::{Harness, problem, problem_of, refused};

const POLICY: &[u8] = br#"{"version": 1,  "rules": []}"#;
const REFERENCE: &str = r#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#;

#[tokio::test]
async fn key_is_created_stored_listed_and_shown() {
    let harness = Harness::start().await;
    let created = harness.client.create_key("eip155", POLICY).await.unwrap();
    assert_eq!(created.family, "eip155");
    assert_eq!(created.revision, 0);
    // The record that ties the digest to the public key comes with the answer, and the policy arrived untouched.
    let record = Record::from_bytes(created.record.as_deref().unwrap()).unwrap();
    assert_eq!(record.digest(), created.record_digest);
    assert_eq!(record.header().public_key, created.public_key);
    assert_eq!(record.header().policy, POLICY);
    assert_eq!(created.birth_document.as_deref(), Some(&b"not a real attestation document"[..]));

    assert_eq!(harness.client.show_key(&created.id).await.unwrap(), created);
    let page = harness.client.list_keys().await.unwrap();
    assert_eq!(page.keys.len(), 1);
    assert_eq!(page.keys[0].address, created.address);
    assert_eq!(page.keys[0].record, None);
    harness.shutdown().await;
}

#[tokio::test]
async fn key_for_callers_names_them_everywhere_but_in_lists() {
    let harness = Harness::start().await;
    let callers = [SpkiDigest::from_bytes([7; 32]), SpkiDigest::from_bytes([8; 32])];
    let created = harness.client.create_key_for("eip155", POLICY, &callers).await.unwrap();
    assert_eq!(created.callers.as_deref(), Some(&callers[..]));
    assert_eq!(Record::from_bytes(created.record.as_deref().unwrap()).unwrap().header().callers, callers);
    assert_eq!(harness.client.show_key(&created.id).await.unwrap(), created);
    assert_eq!(harness.client.list_keys().await.unwrap().keys[0].callers, None);
    harness.shutdown().await;
}

#[tokio::test]
async fn callers_outside_their_limits_are_422_and_other_callers_than_asked_for_are_502() {
    let harness = Harness::start().await;
    let hex = |number: usize| format!("\"{number:064x}\"");
    let many: Vec<_> = (0..65).map(hex).collect();
    for bad in [many.join(","), [hex(1), hex(1)].join(","), "\"ab\"".into(), hex(10).to_uppercase(), "7".into()] {
        let body = format!(r#"{{"family":"eip155","policy":{{"version":1,"rules":[]}},"callers":[{bad}]}}"#);
        let answer = post(&harness, "/v1/keys", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let body = r#"{"family":"eip155","policy":{"version":1,"rules":[]},"callers":[]}"#;
    assert_eq!(post(&harness, "/v1/keys", body).await.status, StatusCode::CREATED);
    *harness.enclave.state.added_caller.lock().unwrap() = Some(SpkiDigest::from_bytes([9; 32]));
    assert_eq!(refused(harness.client.create_key("eip155", POLICY).await), problem(502, "enclave-failed"));
    harness.shutdown().await;
}

#[tokio::test]
async fn creation_answers_201_with_the_place_of_the_key() {
    let harness = Harness::start().await;
    let body = r#"{"family":"eip155","policy":{"version":1,"rules":[]}}"#;
    let answer = post(&harness, "/v1/keys", body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let key: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.headers["location"].to_str().unwrap(), format!("/v1/keys/{}", key["id"].as_str().unwrap()));
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(key["curve"], "secp256k1");
    assert_eq!(key["public_key"], "02".repeat(33));
    harness.shutdown().await;
}

#[tokio::test]
async fn list_goes_on_where_the_page_before_ended() {
    let harness = Harness::start().await;
    for _ in 0..5 {
        harness.client.create_key("eip155", POLICY).await.unwrap();
    }
    let first = harness.client.list_keys_after(None, 2).await.unwrap();
    assert_eq!((first.keys.len(), first.next), (2, Some(first.keys[1].id)));
    let rest = harness.client.list_keys_after(first.next.as_ref(), 3).await.unwrap();
    assert_eq!((rest.keys.len(), rest.next), (3, None));
    assert!(first.keys[1].id < rest.keys[0].id);
    for query in ["limit=0", "limit=1001", "limit=x", "after=..%2f", "after=AA", "limit=1&limit=2", "page=1"] {
        let answer = get(&harness, &format!("/v1/keys?{query}")).await;
        assert_eq!(problem_of(&answer).kind, "/problems/invalid-field", "{query}");
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
    harness.shutdown().await;
}

#[tokio::test]
async fn key_that_the_enclave_describes_differently_is_not_acknowledged() {
    let harness = Harness::start().await;
    *harness.enclave.state.described_address.lock().unwrap() = Some("elsewhere".into());
    assert_eq!(refused(harness.client.create_key("eip155", POLICY).await), problem(502, "enclave-failed"));
    *harness.enclave.state.described_address.lock().unwrap() = None;
    harness.enclave.fail::<DescribeKey>(code::RECORD_REJECTED);
    assert_eq!(refused(harness.client.create_key("eip155", POLICY).await), problem(500, "record-rejected"));
    // Records that were stored before that are kept: a parent deletes no key.
    assert_eq!(harness.client.list_keys().await.unwrap().keys.len(), 2);
    harness.shutdown().await;
}

#[tokio::test]
async fn record_that_cannot_be_stored_is_not_acknowledged() {
    let harness = Harness::start().await;
    // The fake's first key has this id; something is there already, and must stay as it is.
    let taken = harness.store_dir().join(format!("{}.json", "01".repeat(16)));
    std::fs::write(&taken, "taken").unwrap();
    let (status, _) = refused(harness.client.create_key("eip155", POLICY).await);
    assert_eq!(status, 500);
    assert_eq!(std::fs::read(&taken).unwrap(), b"taken");
    let page = harness.client.list_keys().await.unwrap();
    assert_eq!((page.keys.len(), page.unreadable.len()), (0, 1));
    harness.shutdown().await;
}

#[tokio::test]
async fn stored_key_that_is_corrupted_hides_no_other() {
    let harness = Harness::start().await;
    let first = harness.client.create_key("eip155", POLICY).await.unwrap();
    let second = harness.client.create_key("eip155", POLICY).await.unwrap();
    let path = harness.store_dir().join(format!("{}.json", first.id));
    let text = std::fs::read_to_string(&path).unwrap().replace("address-of", "address+of");
    std::fs::write(&path, text.replace("\"record\": \"", "\"record\": \"AAAA")).unwrap();
    assert_eq!(refused(harness.client.show_key(&first.id).await), problem(500, "record-rejected"));
    let page = harness.client.list_keys().await.unwrap();
    assert_eq!(page.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [second.id]);
    assert_eq!(page.unreadable[0].id, first.id);
    harness.shutdown().await;
}

#[tokio::test]
async fn reference_request_reaches_the_enclave_byte_for_byte() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    // Spaces, order and the decimal must arrive as they were written.
    let payload = REFERENCE.replace("0.01", "  0.0100 ");
    let body = format!(r#"{{"transaction_payload":{payload},"secret_id":"{}"}}"#, key.id);
    let answer = harness.client.sign_reference(body.clone()).await.unwrap();
    assert_eq!(answer.transaction_signed, payload.as_bytes());
    assert_eq!(answer.transaction_hash, "0x0123");
    let request = harness.enclave.state.signed.lock().unwrap().clone().unwrap();
    assert_eq!((request.encoding, request.chain_id), (Encoding::Json, None));
    assert_eq!(request.payload, payload.as_bytes());
    assert_eq!(request.expected.record_digest, key.record_digest);

    // The reference system's own client sends no content type.
    let untyped = harness.client.request(Method::POST, "/", None, body).await.unwrap();
    assert_eq!(untyped.status, StatusCode::OK);
    let answer: serde_json::Value = serde_json::from_slice(&untyped.body).unwrap();
    assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["transaction_hash", "transaction_signed"]);
    harness.shutdown().await;
}

#[tokio::test]
async fn reference_request_for_another_chain_family_is_refused() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("solana", POLICY).await.unwrap();
    let body = format!(r#"{{"transaction_payload":{{}},"secret_id":"{}"}}"#, key.id);
    assert_eq!(refused(harness.client.sign_reference(body).await), problem(422, "invalid-field"));
    harness.shutdown().await;
}

#[tokio::test]
async fn transactions_are_signed_in_both_encodings() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let json = harness.client.sign(&key.id, Encoding::Json, REFERENCE.as_bytes(), None).await.unwrap();
    assert_eq!(json.signed_transaction, REFERENCE.as_bytes());
    assert_eq!(json.rule, "everything");
    let binary = harness.client.sign(&key.id, Encoding::Binary, &[0x02, 0xc0], Some("eip155:4")).await.unwrap();
    assert_eq!(binary.signed_transaction, [0x02, 0xc0]);
    assert_eq!(binary.summary, "2 bytes of binary");
    let request = harness.enclave.state.signed.lock().unwrap().clone().unwrap();
    assert_eq!((request.encoding, request.chain_id.as_deref()), (Encoding::Binary, Some("eip155:4")));
    harness.shutdown().await;
}

#[tokio::test]
async fn malformed_json_is_400_and_the_connection_goes_on() {
    let harness = Harness::start().await;
    let sign = format!("/v1/keys/{}/sign", "00".repeat(16));
    for path in ["/", "/v1/keys", &sign] {
        for body in ["", "{", "nonsense", r#"{"a":}"#, "{}}", "\u{0}"] {
            let answer = post(&harness, path, body).await;
            assert_eq!(problem_of(&answer).kind, "/problems/malformed-json", "{path} {body}");
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        }
    }
    assert!(harness.client.create_key("eip155", POLICY).await.is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn fields_that_are_unknown_missing_or_of_the_wrong_type_are_422() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    let (id, sign) = (key.id, format!("/v1/keys/{}/sign", key.id));
    let long_policy = format!(r#"{{"family":"eip155","policy":{{"a":"{}"}}}}"#, "x".repeat(16 * 1024));
    let long_chain = format!(r#"{{"encoding":"json","transaction":{{}},"chain_id":"{}"}}"#, "x".repeat(42));
    let long_transaction = format!(r#"{{"encoding":"json","transaction":{{"a":"{}"}}}}"#, "x".repeat(512 * 1024));
    let unknown_root = format!(r#"{{"transaction_payload":{{}},"secret_id":"{id}","extra":1}}"#);
    let repeated = format!(r#"{{"transaction_payload":{{}},"secret_id":"{id}","secret_id":"{id}"}}"#);
    let not_object = format!(r#"{{"transaction_payload":"0x00","secret_id":"{id}"}}"#);
    for (path, body) in [
        ("/", "{}"),
        ("/", "[]"),
        ("/", r#"{"transaction_payload":{},"secret_id":7}"#),
        ("/", r#"{"transaction_payload":{},"secret_id":"../../etc/passwd"}"#),
        ("/", &unknown_root),
        ("/", &repeated),
        ("/", &not_object),
        ("/v1/keys", r#"{"family":"eip155"}"#),
        ("/v1/keys", r#"{"family":"EIP155","policy":{}}"#),
        ("/v1/keys", r#"{"family":"eip155:1","policy":{}}"#),
        ("/v1/keys", r#"{"family":["eip155"],"policy":{}}"#),
        ("/v1/keys", r#"{"family":"eip155","policy":[]}"#),
        ("/v1/keys", r#"["eip155",{}]"#),
        ("/v1/keys", &long_policy),
        (&sign, r#"{"transaction":{}}"#),
        (&sign, r#"{"encoding":"yaml","transaction":{}}"#),
        (&sign, r#"{"encoding":"json","transaction":"{}"}"#),
        (&sign, r#"{"encoding":"binary","transaction":{}}"#),
        (&sign, r#"{"encoding":"binary","transaction":"02c0"}"#),
        (&sign, r#"{"encoding":"binary","transaction":"0x2c0"}"#),
        (&sign, &long_chain),
        (&sign, &long_transaction),
    ] {
        let answer = post(&harness, path, body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(problem_of(&answer).kind, "/problems/invalid-field", "{path} {shown}");
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {shown}");
    }
    assert!(harness.enclave.state.signed.lock().unwrap().is_none(), "nothing of that reached the enclave");
    harness.shutdown().await;
}

#[tokio::test]
async fn body_that_is_not_json_by_its_media_type_is_415() {
    let harness = Harness::start().await;
    let body = r#"{"family":"eip155","policy":{}}"#;
    for (path, content_type) in [
        ("/v1/keys", None),
        ("/v1/keys", Some("text/plain")),
        ("/v1/keys", Some("application/x-www-form-urlencoded")),
        ("/v1/keys", Some("application/json; charset=utf-16")),
        ("/", Some("text/plain")),
    ] {
        let answer = harness.client.request(Method::POST, path, content_type, body).await.unwrap();
        assert_eq!(problem_of(&answer).kind, "/problems/unsupported-media-type", "{content_type:?}");
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let answer = harness.client.request(Method::POST, "/v1/keys", Some("Application/JSON; charset=UTF-8"), body).await;
    assert_eq!(answer.unwrap().status, StatusCode::CREATED);
    harness.shutdown().await;
}

#[tokio::test]
async fn unknown_key_or_path_is_404() {
    let harness = Harness::start().await;
    let absent = KeyId::from_bytes([9; 16]);
    assert_eq!(refused(harness.client.show_key(&absent).await), problem(404, "not-found"));
    assert_eq!(refused(harness.client.sign(&absent, Encoding::Json, b"{}", None).await), problem(404, "not-found"));
    let reference = format!(r#"{{"transaction_payload":{{}},"secret_id":"{absent}"}}"#);
    assert_eq!(refused(harness.client.sign_reference(reference).await), problem(404, "not-found"));
    for path in ["/nothing", "/v1", "/v1/keys/x", "/v1/keys/..%2f..%2fetc%2fpasswd", "/v1/keys/a/b/c", "/V1/keys"] {
        assert_eq!(get(&harness, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(problem_of(&get(&harness, "/nothing").await).kind, "/problems/not-found");
    harness.shutdown().await;
}

#[tokio::test]
async fn wrong_method_is_405_and_says_which_are_right() {
    let harness = Harness::start().await;
    let sign = format!("/v1/keys/{}/sign", "00".repeat(16));
    let show = format!("/v1/keys/{}", "00".repeat(16));
    for (method, path, allowed) in [
        (Method::GET, "/", "POST"),
        (Method::DELETE, "/v1/keys", "GET,HEAD,POST"),
        (Method::DELETE, &show, "GET,HEAD"),
        (Method::GET, &sign, "POST"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let answer = harness.client.request(method.clone(), path, Some("application/json"), "").await.unwrap();
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(problem_of(&answer).kind, "/problems/method-not-allowed");
        assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
    }
    harness.shutdown().await;
}

#[tokio::test]
async fn each_error_of_the_enclave_has_its_status() {
    let harness = Harness::start().await;
    let key = harness.client.create_key("eip155", POLICY).await.unwrap();
    for (code, status, slug) in [
        (code::KEY_MISMATCH, 500, "record-rejected"),
        (code::KMS_REFUSED, 502, "kms-refused"),
        (code::KMS_UNAVAILABLE, 504, "kms-unavailable"),
        (code::MALFORMED_FIELD, 422, "invalid-field"),
        (code::MALFORMED_TRANSACTION, 422, "malformed-transaction"),
        (code::NOT_PERMITTED, 403, "not-permitted"),
        (code::NSM_UNAVAILABLE, 503, "nsm-unavailable"),
        (code::POLICY_DENIED, 403, "policy-denied"),
        (code::RECORD_REJECTED, 500, "record-rejected"),
        (code::SIGNING_FAILED, 502, "enclave-failed"),
        (code::UNKNOWN_CHAIN, 422, "invalid-field"),
        (vsock_rpc::code::DEADLINE_EXCEEDED, 504, "deadline-exceeded"),
        (vsock_rpc::code::INTERNAL, 502, "enclave-failed"),
        (vsock_rpc::code::OVERLOADED, 503, "overloaded"),
        (vsock_rpc::code::UNKNOWN_METHOD, 502, "enclave-failed"),
        ("a_code_of_the_future", 502, "enclave-failed"),
    ] {
        harness.enclave.fail::<Sign>(code);
        let result = harness.client.sign(&key.id, Encoding::Json, b"{}", None).await;
        assert_eq!(refused(result), problem(status, slug), "{code}");
    }
    for (code, status, slug) in
        [(code::MALFORMED_POLICY, 422, "malformed-policy"), (code::NOT_PERMITTED, 403, "not-permitted")]
    {
        harness.enclave.fail::<GenerateKey>(code);
        assert_eq!(refused(harness.client.create_key("eip155", POLICY).await), problem(status, slug));
    }
    harness.enclave.succeed();
    assert!(harness.client.sign(&key.id, Encoding::Json, b"{}", None).await.is_ok());
    harness.shutdown().await;
}

#[tokio::test]
async fn health_is_200_or_a_503_that_says_why() {
    let harness =
        Harness::start_with(|config| config.timeouts.health_interval = std::time::Duration::from_secs(60)).await;
    harness.client.create_key("eip155", POLICY).await.unwrap(); // has pushed credentials
    let health = harness.client.health().await.unwrap();
    assert_eq!((health.status.as_str(), health.families.len()), ("ok", 2));
    harness.enclave.state.credentials.lock().unwrap().clear();
    assert_eq!(refused(harness.client.health().await), problem(503, "credentials-unavailable"));
    harness.enclave.fail::<Health>(vsock_rpc::code::INTERNAL);
    assert_eq!(refused(harness.client.health().await), problem(502, "enclave-failed"));
    let Harness { parent, enclave, client, dir: _dir, .. } = harness;
    enclave.stop().await;
    assert_eq!(refused(client.health().await), problem(503, "enclave-unreachable"));
    let key = KeyId::from_bytes([1; 16]);
    assert_eq!(refused(client.sign(&key, Encoding::Json, b"{}", None).await), problem(503, "enclave-unreachable"));
    parent.shutdown().await;
}

async fn get(harness: &Harness, path: &str) -> RawAnswer {
    harness.client.request(Method::GET, path, None, "").await.unwrap()
}

async fn post(harness: &Harness, path: &str, body: &str) -> RawAnswer {
    harness.client.request(Method::POST, path, Some("application/json"), body.to_owned()).await.unwrap()
}
