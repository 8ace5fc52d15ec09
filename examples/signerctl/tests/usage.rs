//! Exit codes of what needs no parent.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::ffi::OsString;

use serde_json::Value;
use signerctl::Streams;

#[tokio::test]
async fn wrong_usage_is_exit_code_64_and_help_is_0() {
    for command in [
        &["keys"][..],
        &["nonsense"],
        &["keys", "show", "../x", "--url", "https://localhost"],
        &["health", "--url", "http://localhost"],
        &["health", "--url", "https://localhost", "--timeout", "0"],
        &["health"],
        &["key-policy", "render", "--account", "111122223333"],
        &["key-policy", "render", "--account", "111122223333", "--role", "r", "--pcr0", "00", "--admin-arn", "a"],
    ] {
        let run = run_with(command, "").await;
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{command:?}");
        assert!(!run.stderr.is_empty());
    }
    for command in [&["--help"][..], &["--version"], &["keys", "generate", "--help"]] {
        let run = run_with(command, "").await;
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command:?}");
        assert!(!run.stdout.is_empty());
    }
}

#[tokio::test]
async fn key_policy_that_cannot_be_used_is_exit_code_2() {
    let pcr0 = "ab".repeat(48);
    let command = ["key-policy", "render", "--account", "1", "--role", "r", "--pcr0", &pcr0, "--admin-arn", "a"];
    let run = run_with(&[&command[..], &["--json"]].concat(), "").await;
    assert_eq!(run.code, 2, "{}", run.stderr);
    let object: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(object["error"]["kind"], "malformed");
}

/// What one run left behind.
struct Run {
    code: u8,
    stdout: String,
    stderr: String,
}

async fn run_with(args: &[&str], stdin: &str) -> Run {
    let args = ["signerctl"].iter().chain(args).map(OsString::from);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams { stdin: stdin.as_bytes(), stdout: &mut stdout, stderr: &mut stderr };
    let code = signerctl::run(args, streams).await;
    Run { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}
