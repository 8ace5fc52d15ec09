//! `kms` against LocalStack, which the stage `peers` of `.ci/run` starts and describes in the folder that `NITRO_PEERS`
//! names: see the test of this name in kms-enclave-client.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::{self, Write as _};
use std::path::Path;
use std::{env, fs};

use serde_json::{Value, json};
use support::run_with;

#[tokio::test]
async fn localstack_encrypts_and_decrypts_at_its_endpoint_under_its_root() {
    let Some(folder) = env::var_os("NITRO_PEERS") else {
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        let test = "localstack_encrypts_and_decrypts_at_its_endpoint_under_its_root";
        let skipped = writeln!(io::stderr(), "{test} skipped: NITRO_PEERS is not set");
        return skipped.expect("standard error is open");
    };
    let folder = Path::new(&folder);
    let described = fs::read(folder.join("peers.json")).expect("NITRO_PEERS names a folder with peers.json");
    let localstack = serde_json::from_slice::<Value>(&described).unwrap()["localstack"].clone();
    let (address, key) = (localstack["address"].as_str().unwrap(), localstack["keys"][0].as_str().unwrap());
    let (endpoint, ca) = (format!("https://{address}"), folder.join("ca.pem").into_os_string().into_string().unwrap());
    let run = async |command: &[&str], stdin: &str| {
        let way = ["--key-arn", key, "--endpoint", &endpoint, "--ca", &ca, "--credentials", "-", "--json"];
        run_with(&[&["kms"][..], command, &way].concat(), stdin.as_bytes()).await
    };
    // LocalStack does not look at them. (AWS's documented example.)
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let credentials =
        format!("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {secret}\n");

    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(&input, b"secret").unwrap();
    let input = input.path().to_str().unwrap();
    let encrypted = run(&["encrypt", "--in", input, "--encryption-context", "purpose=test"], &credentials).await;
    let blob = encrypted.json()["ciphertext"].as_str().unwrap().to_owned();
    let decrypt = ["decrypt", "--nsm", "simulated", "--ciphertext", &blob, "--encryption-context"];
    let decrypted = run(&[&decrypt[..], &["purpose=test"]].concat(), &credentials).await;
    let expected = json!({"key_arn": key, "plaintext": "c2VjcmV0", "nsm": "simulated"});
    assert_eq!(decrypted.json(), expected, "{}", decrypted.stderr);
    let refused = run(&[&decrypt[..], &["purpose=other"]].concat(), &credentials).await;
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("InvalidCiphertextException")), "{refused:?}");
}
