//! Exit codes of what needs no parent.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io;

use support::run_with;

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
        let run = run_with(command, io::empty()).await;
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{command:?}");
        assert!(!run.stderr.is_empty());
    }
    for command in [&["--help"][..], &["--version"], &["keys", "generate", "--help"]] {
        let run = run_with(command, io::empty()).await;
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command:?}");
        assert!(!run.stdout.is_empty());
    }
}

#[tokio::test]
async fn key_policy_that_cannot_be_used_is_exit_code_2() {
    let pcr0 = "ab".repeat(48);
    let command = ["key-policy", "render", "--account", "1", "--role", "r", "--pcr0", &pcr0, "--admin-arn", "a"];
    let run = run_with(&[&command[..], &["--json"]].concat(), io::empty()).await;
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(run.error()["kind"], "malformed");
}
