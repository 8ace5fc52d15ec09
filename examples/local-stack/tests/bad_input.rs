//! Bad input over HTTPS to the real parent, enclave and KMS simulator: each gets its status, and the next request works.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

mod support;

use http::{Method, StatusCode};

use crate::support::{POLICY, REFERENCE, Stack};

#[tokio::test]
async fn every_kind_of_bad_input_has_its_status_and_the_next_request_works() {
    let stack = Stack::start();
    let key = stack.client.create_key("eip155", POLICY.as_bytes()).await.unwrap();
    let sign = format!("/v1/keys/{}/sign", key.id);
    let of = |payload: &str| format!(r#"{{"transaction_payload":{payload},"secret_id":"{}"}}"#, key.id);
    let unknown_key = of(REFERENCE).replace(&key.id.to_string(), &"0".repeat(32));
    let cases: &[(&str, Method, &str, String, u16)] = &[
        ("malformed JSON", Method::POST, "/", "{".into(), 400),
        ("malformed JSON", Method::POST, "/v1/keys", r#"{"family":"eip155""#.into(), 400),
        ("unknown field", Method::POST, "/", of(REFERENCE).replacen('{', r#"{"extra":1,"#, 1), 422),
        ("unknown field", Method::POST, "/", of(&REFERENCE.replacen('{', r#"{"extra":1,"#, 1)), 422),
        ("duplicate field", Method::POST, "/", of(&REFERENCE.replacen('{', r#"{"nonce":1,"#, 1)), 422),
        ("wrong type", Method::POST, "/", r#"{"transaction_payload":{},"secret_id":7}"#.into(), 422),
        ("wrong type", Method::POST, "/", of(&REFERENCE.replace("\"nonce\":0", "\"nonce\":true")), 422),
        ("float of ether", Method::POST, "/", of(&REFERENCE.replace("0.01", "0.0000000000000000001")), 422),
        ("no chain", Method::POST, "/", of(&REFERENCE.replace("\"chainId\":4,", "")), 422),
        ("no policy", Method::POST, "/v1/keys", r#"{"family":"eip155","policy":{}}"#.into(), 422),
        (
            "unknown family",
            Method::POST,
            "/v1/keys",
            r#"{"family":"unheard","policy":{"version":1,"rules":[]}}"#.into(),
            422,
        ),
        ("bad hex", Method::POST, &sign, r#"{"encoding":"binary","transaction":"0xzz"}"#.into(), 422),
        ("bad RLP", Method::POST, &sign, r#"{"encoding":"binary","transaction":"0x02c0"}"#.into(), 422),
        ("unknown key", Method::POST, "/", unknown_key, 404),
        ("unknown path", Method::GET, "/v2/keys", String::new(), 404),
        ("wrong method", Method::DELETE, "/v1/keys", String::new(), 405),
        ("10 MiB", Method::POST, "/", of(&format!("\"{}\"", "a".repeat(10 * 1024 * 1024))), 413),
        ("outside the policy", Method::POST, "/", of(&REFERENCE.replace("\"chainId\":4", "\"chainId\":1")), 403),
    ];
    for (what, method, path, body, status) in cases {
        let answer = stack.ask(method.clone(), path, body).await;
        assert_eq!(answer.status.as_u16(), *status, "{what}: {}", String::from_utf8_lossy(&answer.body));
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["status"], *status, "{what}: {problem}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
        assert_eq!(stack.sign_reference(&key).await, StatusCode::OK, "after {what}");
    }
}
