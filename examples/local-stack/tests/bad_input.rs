//! Bad input over HTTPS to the real parent, enclave and KMS simulator: each gets its status, and the next request works.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use signer_protocol::client::{KeyAnswer, ParentClient, RawAnswer};
use tempfile::TempDir;

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
            r#"{"family":"bip122","policy":{"version":1,"rules":[]}}"#.into(),
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

/// A stack that serves until it is dropped.
struct Stack {
    process: Child,
    client: ParentClient,
    _folder: TempDir,
}

impl Stack {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_local-stack"))
            .arg("serve")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told: Vec<String> = told.take_while(|line| !line.contains("ready")).collect();
        let words = |what: &str| {
            let after = told.iter().find_map(|line| line.split_once(what)).map(|(_, after)| after.trim());
            after.and_then(|after| after.split(' ').next()).unwrap_or_else(|| panic!("{what} in {told:?}")).to_owned()
        };
        let certificate = CertificateDer::from_pem_file(words("--ca")).unwrap();
        let client = ParentClient::builder(words("HTTPS:"), "localhost").roots([certificate]).build().unwrap();
        Self { process, client, _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> RawAnswer {
        let (content_type, body) = match body {
            "" => (None, Vec::new()),
            json => (Some("application/json"), json.as_bytes().to_vec()),
        };
        self.client.request(method, path, content_type, body).await.unwrap()
    }

    async fn sign_reference(&self, key: &KeyAnswer) -> StatusCode {
        let body = format!(r#"{{"transaction_payload":{REFERENCE},"secret_id":"{}"}}"#, key.id);
        self.ask(Method::POST, "/", &body).await.status
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.process.wait().unwrap();
    }
}

const REFERENCE: &str = r#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#;
const POLICY: &str = r#"{"version":1,"rules":[{"name":"reference","effect":"allow","chains":["eip155:4"],"destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]}]}"#;
