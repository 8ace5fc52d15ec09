//! The demo as a user runs it: what it prints, and what it leaves behind.
//!
//! Every process of the stack inherits the demo's standard error, so that pipe ends when the last of them is gone.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use chain_signers::evm;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn the_demo_signs_and_refuses_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let output = demo(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(left_in(&folder), Vec::<String>::new());

    let stdout = String::from_utf8(output.stdout).unwrap();
    let outcome: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let text = |field: &str| outcome[field].as_str().unwrap_or_else(|| panic!("{field} in {outcome}")).to_owned();
    let transaction = hex::decode(text("transaction_signed").strip_prefix("0x").unwrap()).unwrap();
    assert_eq!(evm::recover_sender(&transaction).unwrap(), text("address"));
    assert_eq!(text("public_key").len(), 66);
    assert_eq!(text("transaction_hash").len(), 66);
    assert_eq!(text("pcr0").len(), 96);
    assert!(text("kms_key_arn").starts_with("arn:aws:kms:us-east-1:111122223333:key/"));
    assert!(text("refused_enclave_error").contains("AccessDenied"), "{outcome}");
    assert!(outcome["elapsed_ms"].as_u64().is_some_and(|ms| ms > 0), "{outcome}");
    assert_eq!(text("session_transaction_hash").len(), 66);
    assert_eq!(outcome.as_object().unwrap().len(), 10);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("UNSIGNED"));
}

#[test]
fn evidence_that_nobody_signed_is_taken_only_when_asked_for_and_each_time_announced() {
    let folder = TempDir::new().unwrap();
    let output = demo(folder.path()).arg("--unsigned").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    for who in ["KMS believed a document for kms-recipient", "a caller believed a document for session", "for birth"] {
        assert!(
            told.lines().any(|line| line.starts_with("UNSIGNED evidence accepted: ") && line.contains(who)),
            "{told}"
        );
    }
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

#[test]
fn a_signal_ends_every_process_and_removes_every_file() {
    for (step, signal, code) in [
        ("KMS answers", Signal::TERM, 143),
        ("parent and enclave run", Signal::TERM, 143),
        ("the reference request is signed", Signal::INT, 130),
    ] {
        let folder = TempDir::new().unwrap();
        let status = interrupt(&folder, step, signal);
        assert_eq!(status.code(), Some(code), "{signal:?} at {step}");
        assert_eq!(left_in(&folder), Vec::<String>::new(), "{signal:?} at {step}");
    }
}

#[test]
fn the_roles_end_when_their_owner_is_killed() {
    let folder = TempDir::new().unwrap();
    let status = interrupt(&folder, "parent and enclave run", Signal::KILL);
    assert_eq!(status.code(), None);
}

/// Sends `signal` once the demo has told `step`, and returns when all its processes are gone.
fn interrupt(folder: &TempDir, step: &str, signal: Signal) -> ExitStatus {
    let mut child = demo(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.lines().any(|line| line.contains(step)) {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "the demo ended early: {told}");
    }
    kill_process(pid(&child), signal).unwrap();
    stderr.read_to_string(&mut told).unwrap();
    let status = child.wait().unwrap();
    println!("{status} after:\n{told}"); // shown if the test fails
    status
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-stack"));
    command.args(["demo", "--json"]).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

fn left_in(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
