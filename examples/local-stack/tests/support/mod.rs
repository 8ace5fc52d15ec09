//! A stack that serves, for tests.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use signer_protocol::client::{KeyAnswer, ParentClient, RawAnswer};
use tempfile::TempDir;

/// A stack that serves until it is dropped.
pub(crate) struct Stack {
    process: Child,
    pub(crate) client: ParentClient,
    /// What it told until it was ready.
    told: Vec<String>,
    _folder: TempDir,
}

impl Stack {
    pub(crate) fn start() -> Self {
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
        let certificate = CertificateDer::from_pem_file(word(&told, "--ca")).unwrap();
        let client = ParentClient::builder(word(&told, "HTTPS:"), "localhost").roots([certificate]).build().unwrap();
        Self { process, client, told, _folder: folder }
    }

    /// The word that it told behind `what`.
    pub(crate) fn word(&self, what: &str) -> String {
        word(&self.told, what)
    }

    /// The words behind `signerctl` of the command that it told under `name`.
    pub(crate) fn command(&self, name: &str) -> Vec<String> {
        let name = format!(" {name}: ");
        let (_, command) = self.told.iter().find_map(|line| line.split_once(&name)).unwrap();
        command.split_once(" -- ").unwrap().1.split(' ').map(str::to_owned).collect()
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> RawAnswer {
        let (content_type, body) = match body {
            "" => (None, Vec::new()),
            json => (Some("application/json"), json.as_bytes().to_vec()),
        };
        self.client.request(method, path, content_type, body).await.unwrap()
    }

    pub(crate) async fn sign_reference(&self, key: &KeyAnswer) -> StatusCode {
        let body = format!(r#"{{"transaction_payload":{REFERENCE},"secret_id":"{}"}}"#, key.id);
        self.ask(Method::POST, "/", &body).await.status
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        if !std::thread::panicking() {
            assert_eq!(status.code(), Some(143), "a role that had to be killed");
        }
    }
}

fn word(told: &[String], what: &str) -> String {
    let after = told.iter().find_map(|line| line.split_once(what)).map(|(_, after)| after.trim());
    after.and_then(|after| after.split(' ').next()).unwrap_or_else(|| panic!("{what} in {told:?}")).to_owned()
}

pub(crate) const REFERENCE: &str = r#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#;
pub(crate) const POLICY: &str = r#"{"version":1,"rules":[{"name":"reference","effect":"allow","chains":["eip155:4"],"destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]}]}"#;
