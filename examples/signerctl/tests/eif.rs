//! `signerctl eif` is the command line of the package `eif`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io;

use support::run_with;

#[tokio::test]
async fn an_image_is_built_and_verified_with_the_same_exit_codes_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    fs::write(path("kernel"), b"kernel").unwrap();
    fs::write(path("enclave"), b"enclave").unwrap();
    let (kernel, init, image) = (path("kernel"), format!("/init={}", path("enclave")), path("image.eif"));
    let inputs = ["--kernel", &kernel, "--cmdline", "console=ttyS0", "--file", &init, "--output", &image];
    let built = run_with(&[&["eif", "build", "--version", "1"], &inputs[..]].concat(), io::empty()).await;
    assert_eq!(built.code, 0, "{}", built.stderr);
    let measured = run_with(&["eif", "measure", &image, "--json"], io::empty()).await;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(&built.stdout), json(&measured.stdout));
    let pcr0 = json(&measured.stdout)["Measurements"]["PCR0"].as_str().unwrap().to_owned();
    let verified = run_with(&["eif", "verify", &image, "--pcr0", &pcr0], io::empty()).await;
    assert!(verified.code == 0 && verified.stdout.starts_with("verified: "), "{}", verified.stderr);

    // What `eif measure` prints is what `attestation verify` takes.
    fs::write(path("measurements.json"), &built.stdout).unwrap();
    fs::write(path("document"), b"").unwrap();
    let taken = ["attestation", "verify", &path("document"), "--pcr-file", &path("measurements.json"), "--json"];
    assert_eq!(run_with(&taken, io::empty()).await.error()["kind"], "malformed", "the document is, not the file");

    let other = run_with(&["eif", "verify", &image, "--pcr0", &"11".repeat(48), "--json"], io::empty()).await;
    assert_eq!((other.code, &other.error()["kind"]), (1, &"rejected".into()));
    assert_eq!(other.error()["reason"], "PcrMismatch");
    let no_image = run_with(&["eif", "describe", &kernel, "--json"], io::empty()).await;
    assert_eq!((no_image.code, &no_image.error()["reason"]), (2, &"Truncated".into()));
    assert_eq!(run_with(&["eif", "measure", &path("missing")], io::empty()).await.code, 3);
    assert_eq!(run_with(&["eif", "build"], io::empty()).await.code, 64);
}
