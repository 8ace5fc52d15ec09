//! An operator with signerctl, before a parent that is not trusted.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

mod support;

use std::ffi::OsString;

use signerctl::Streams;

use crate::support::Stack;

#[tokio::test]
async fn a_new_key_is_accepted_from_the_measured_image_only() {
    let stack = Stack::start();
    let pcr0 = stack.word("PCR0:");
    let (code, told) = generate(&stack, &["--pcr0", &pcr0, "--trust-anchor", &stack.word("--trust-anchor")]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("verified: an enclave of this PCR0"), "{told}");

    let (anchor, caller) = (stack.word("--trust-anchor"), "5c".repeat(32));
    let (code, told) = generate(&stack, &["--pcr0", &pcr0, "--trust-anchor", &anchor, "--caller", &caller]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("caller         {caller}")) && told.contains("for these callers"), "{told}");

    let (code, told) = generate(&stack, &[]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("not verified"), "{told}");

    let other = "ab".repeat(48);
    let (code, told) = generate(&stack, &["--pcr0", &other, "--trust-anchor", &stack.word("--trust-anchor")]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("do not use this key"), "{told}");

    let (code, told) = generate(&stack, &["--pcr0", &pcr0]).await;
    assert_eq!(code, 1, "under AWS's root: {told}");
}

async fn generate(stack: &Stack, more: &[&str]) -> (u8, String) {
    let (url, ca, policy) = (stack.word("--url"), stack.word("--ca"), stack.word("--policy"));
    let mut args = vec!["signerctl", "--url", &url, "--ca", &ca, "keys", "generate", "--family", "eip155"];
    args.extend(["--policy", &policy]);
    args.extend(more);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams { stdin: std::io::empty(), stdout: &mut stdout, stderr: &mut stderr };
    let code = signerctl::run(args.into_iter().map(OsString::from), streams).await;
    stdout.extend(stderr);
    (code, String::from_utf8(stdout).unwrap())
}
