//! The commands on transactions, attestation documents and KMS in the README run as they stand there.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/kms.rs"]
mod kms;
mod support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kms::Kms;
use nsm_attest::{AttestationRequest, Purpose, UserData};
use serde_json::json;
use support::{Enclave, run_with};

#[tokio::test]
async fn commands_of_the_readme_run() {
    let enclave = Enclave::new();
    let request = AttestationRequest::new().with_user_data(UserData::over(Purpose::Birth, b"record"));
    enclave.write("birth.b64", BASE64_STANDARD.encode(enclave.document(&request)) + "\n");
    enclave.write("measurements.json", json!({"PCR0": enclave.pcr0}).to_string());
    fs::rename(enclave.path("root.der"), enclave.path("attestation-root.der")).unwrap();

    let readme = include_str!("../README.md");
    let commands: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("signerctl attestation ")).collect();
    let headlines = ["NOT VERIFIED: ", "verified, AGE NOT CHECKED\n"];
    assert_eq!(commands.len(), headlines.len());
    for (command, headline) in commands.into_iter().zip(headlines) {
        let in_folder = |word: &str| match enclave.folder.path().join(word) {
            path if path.exists() => path.into_os_string().into_string().unwrap(),
            _ => word.to_owned(),
        };
        let args: Vec<_> = ["attestation".to_owned()].into_iter().chain(command.split(' ').map(in_folder)).collect();
        let run = run_with(&args, io::empty()).await;
        assert_eq!(run.code, 0, "{command}: {}", run.stderr);
        assert!(run.stdout.starts_with(headline), "{}", run.stdout);
    }
}

#[tokio::test]
async fn commands_of_the_readme_on_transactions_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let to = "0x3535353535353535353535353535353535353535";
    let transaction =
        json!({"to": to, "value": 1, "nonce": 9, "chainId": 1, "gas": 21000, "gasPrice": 20_000_000_000_u64});
    let rule = json!({"name": "payroll", "effect": "allow", "chains": ["eip155:1"], "destinations": [to]});
    fs::write(path("transaction.json"), transaction.to_string()).unwrap();
    fs::write(path("policy.json"), json!({"version": 1, "rules": [rule]}).to_string()).unwrap();
    fs::write(path("key"), "46".repeat(32)).unwrap(); // EIP-155's example
    fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();

    let readme = include_str!("../README.md");
    // Those on sessions run in the test of sessions.
    let is_whole =
        |line: &&str| !line.starts_with("session ") && (line.ends_with(" transaction.json") || line.ends_with(" key"));
    let commands: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("signerctl ")).filter(is_whole).collect();
    assert_eq!(commands.len(), 4);
    for (at, command) in commands.into_iter().enumerate() {
        let in_folder = |word: &str| match path(word) {
            path if path.is_file() => path.into_os_string().into_string().unwrap(),
            _ => word.to_owned(),
        };
        let run = run_with(&command.split(' ').map(in_folder).collect::<Vec<_>>(), io::empty()).await;
        assert_eq!(run.code, 0, "{command}: {}", run.stderr);
        assert!(at > 0 || readme.contains(&run.stdout), "{}", run.stdout);
    }
}

#[tokio::test]
async fn commands_of_the_readme_on_kms_run() {
    let kms = Kms::start().await;
    let secret = kms.write("secret.bin", b"secret");
    let readme = include_str!("../README.md");
    let commands: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("signerctl kms ")).collect();
    assert_eq!(commands.len(), 4);
    let mut blob = String::new();
    for command in commands {
        // Where a simulated KMS is stands in for where the parent's relay is.
        let line = command.replace(" --via vsock:3:8000", "").replace("ARN", kms.key.as_str());
        let line = line.replace("BLOB", &blob).replace("secret.bin", &secret);
        let run = match line.starts_with("encrypt") {
            true => kms.run_as_operator(&line, io::empty()).await,
            false => kms.run(&line).await,
        };
        assert_eq!(run.code, 0, "{command}: {}", run.stderr);
        if let Some(made) = run.stdout.lines().find_map(|line| line.strip_prefix("CIPHERTEXT: ")) {
            blob = made.to_owned();
        }
    }
}
