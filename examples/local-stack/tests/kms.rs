//! A person with signerctl, before the KMS of a stack that serves.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

mod support;

use std::ffi::OsString;

use signerctl::Streams;

use crate::support::Stack;

#[tokio::test]
async fn the_printed_commands_make_a_data_key_and_decrypt_it() {
    let stack = Stack::start();
    let made = run(stack.command("a data key of KMS")).await;
    let (blob, plaintext) = (line(&made, "CIPHERTEXT: "), line(&made, "PLAINTEXT: "));

    let mut decrypt = stack.command("the same, decrypted");
    assert_eq!(decrypt.pop().as_deref(), Some("BLOB"));
    decrypt.push(blob.to_owned());
    assert_eq!(line(&run(decrypt).await, "PLAINTEXT: "), plaintext);
}

fn line<'a>(told: &'a str, label: &str) -> &'a str {
    told.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("{label} in {told}"))
}

async fn run(words: Vec<String>) -> String {
    let args = std::iter::once("signerctl".to_owned()).chain(words).map(OsString::from);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams { stdin: std::io::empty(), stdout: &mut stdout, stderr: &mut stderr };
    let code = signerctl::run(args, streams).await;
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
