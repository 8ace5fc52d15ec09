//! Every command of signerctl against a parent over real HTTPS, with its exit code.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::ffi::OsString;

use serde_json::Value;
use signer_protocol::code;
use signer_protocol::method::Sign;
use signerctl::Streams;

use crate::support::{Harness, TestTls};

const POLICY: &str = r#"{"version":1,"rules":[]}"#;

#[tokio::test]
async fn key_is_generated_listed_and_shown() {
    let operator = Operator::start().await;
    let policy = operator.file("policy.json", POLICY);
    let generated = operator.json(&["keys", "generate", "--family", "eip155", "--policy", &policy]).await.ok();
    let id = generated["id"].as_str().unwrap();
    assert_eq!(generated["family"], "eip155");
    assert!(generated["birth_document"].is_string() && generated["record"].is_string());
    let shown = operator.json(&["keys", "show", id]).await.ok();
    assert_eq!(shown, generated);
    let listed = operator.json(&["keys", "list"]).await.ok();
    assert_eq!(listed["keys"][0]["address"], generated["address"]);

    for command in [&["keys", "list"][..], &["keys", "show", id]] {
        let run = operator.run(command, "").await;
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains(id) && run.stdout.contains(generated["address"].as_str().unwrap()));
    }
    operator.stop().await;
}

#[tokio::test]
async fn transaction_is_signed_from_a_file_standard_input_json_and_binary() {
    let operator = Operator::start().await;
    let key = operator.key().await;
    let transaction = operator.file("transaction.json", r#"{"value": 0.010}"#);
    let signed = operator.json(&["sign", "--key", &key, &transaction]).await.ok();
    assert_eq!(signed["signed_transaction"], "0x7b2276616c7565223a20302e3031307d");
    assert_eq!(signed["rule"], "everything");

    let run =
        operator.run(&["sign", "--key", &key, "--encoding", "binary", "--chain-id", "eip155:4", "-"], "0x02c0\n").await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("0x02c0") && run.stdout.contains("2 bytes of binary"), "{}", run.stdout);
    operator.stop().await;
}

#[tokio::test]
async fn health_tells_what_the_enclave_signs_for() {
    let operator = Operator::start().await;
    operator.key().await; // makes sure that credentials were pushed
    assert_eq!(operator.json(&["health"]).await.ok()["status"], "ok");
    let run = operator.run(&["health"], "").await;
    assert!(run.stdout.contains("eip155, solana"), "{}", run.stdout);
    operator.stop().await;
}

#[tokio::test]
async fn refusal_is_exit_code_1_with_the_problem() {
    let operator = Operator::start().await;
    let key = operator.key().await;
    operator.harness.enclave.fail::<Sign>(code::POLICY_DENIED);
    let run = operator.json_with_stdin(&["sign", "--key", &key, "-"], "{}").await;
    assert_eq!(run.code, 1);
    let object: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(object["error"]["kind"], "refused");
    assert_eq!(object["error"]["problem"]["type"], "/problems/policy-denied");
    assert!(run.stderr.contains("policy"), "{}", run.stderr);
    operator.harness.enclave.fail::<Sign>(code::KMS_REFUSED);
    assert_eq!(operator.json_with_stdin(&["sign", "--key", &key, "-"], "{}").await.code, 1);
    assert_eq!(operator.json(&["keys", "show", &"00".repeat(16)]).await.code, 1);
    operator.stop().await;
}

#[tokio::test]
async fn malformed_input_is_exit_code_2() {
    let operator = Operator::start().await;
    let key = operator.key().await;
    let not_json = operator.file("policy.json", "{");
    let long = operator.file("long.json", &" ".repeat(16 * 1024 + 1));
    for command in [
        &["sign", "--key", &key, "-"][..], // standard input is empty: no JSON
        &["sign", "--key", &key, "--encoding", "binary", "-", "--chain-id", &"x".repeat(50)],
        &["keys", "generate", "--family", "eip155", "--policy", &not_json],
        &["keys", "generate", "--family", "eip155", "--policy", &long],
        &["keys", "generate", "--family", "EIP155", "--policy", &operator.file("good.json", POLICY)],
    ] {
        let run = operator.json(command).await;
        assert_eq!(run.code, 2, "{command:?}: {}", run.stderr);
        let object: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(object["error"]["kind"], "malformed");
    }
    operator.harness.enclave.fail::<Sign>(code::MALFORMED_TRANSACTION);
    assert_eq!(operator.json_with_stdin(&["sign", "--key", &key, "-"], "{}").await.code, 2);
    operator.stop().await;
}

#[tokio::test]
async fn unreadable_and_unreachable_are_exit_code_3() {
    let operator = Operator::start().await;
    let key = operator.key().await;
    assert_eq!(operator.json(&["sign", "--key", &key, "/nonexistent"]).await.code, 3);
    operator.harness.enclave.fail::<Sign>(code::SIGNING_FAILED);
    assert_eq!(operator.json_with_stdin(&["sign", "--key", &key, "-"], "{}").await.code, 3);
    // A stored key that cannot be read is listed, and the exit code says so.
    let path = operator.harness.store_dir().join(format!("{key}.json"));
    std::fs::write(&path, "{}").unwrap();
    let run = operator.json(&["keys", "list"]).await;
    assert_eq!(run.code, 3);
    let page: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(page["unreadable"][0]["id"], key.as_str());
    // A parent under another root.
    let stranger = operator.file("stranger.pem", &TestTls::generate().root_pem);
    let url = operator.url.clone();
    assert_eq!(run_with(&["--url", &url, "--ca", &stranger, "health"], "").await.code, 3);
    // Nobody at all.
    let Operator { harness, ca, .. } = operator;
    let dir = harness.dir.path().to_owned();
    harness.parent.shutdown().await;
    assert!(dir.exists());
    let run = run_with(&["--url", &url, "--ca", &ca, "--json", "health"], "").await;
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("unreadable") && run.stderr.contains("cannot be reached"), "{}", run.stderr);
    harness.enclave.stop().await;
}

/// Whoever has a parent and signerctl.
struct Operator {
    harness: Harness,
    url: String,
    ca: String,
}

impl Operator {
    async fn start() -> Self {
        let harness = Harness::start().await;
        let ca = harness.dir.path().join("ca.pem");
        std::fs::write(&ca, &harness.tls.root_pem).unwrap();
        let url = format!("https://localhost:{}", harness.parent.https_addr().port());
        Self { harness, url, ca: ca.to_str().unwrap().to_owned() }
    }

    async fn stop(self) {
        self.harness.shutdown().await;
    }

    async fn key(&self) -> String {
        let key = self.harness.client.create_key("eip155", POLICY.as_bytes()).await.unwrap();
        key.id.to_string()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.harness.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, command: &[&str], stdin: &str) -> Run {
        let args = [&["--url", &self.url, "--ca", &self.ca], command].concat();
        run_with(&args, stdin).await
    }

    async fn json(&self, command: &[&str]) -> Run {
        self.json_with_stdin(command, "").await
    }

    async fn json_with_stdin(&self, command: &[&str], stdin: &str) -> Run {
        self.run(&[command, &["--json"]].concat(), stdin).await
    }
}

/// What one run left behind.
struct Run {
    code: u8,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The one object of a run that succeeded.
    fn ok(self) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        serde_json::from_str(&self.stdout).unwrap()
    }
}

async fn run_with(args: &[&str], stdin: &str) -> Run {
    let args = ["signerctl"].iter().chain(args).map(OsString::from);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams { stdin: stdin.as_bytes(), stdout: &mut stdout, stderr: &mut stderr };
    let code = signerctl::run(args, streams).await;
    Run { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}
