//! The files of `attestation`: every spelling of a document, and what is none, too long or unreadable.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::{self, Read};

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD, Engine as _};
use nsm_attest::AttestationRequest;
use serde_json::json;
use support::{Enclave, attestation, run_with};

#[tokio::test]
async fn every_spelling_of_a_file_is_read_also_from_standard_input() {
    let enclave = Enclave::new();
    let document = enclave.document(&AttestationRequest::new());
    let tagged = [&[0xd2][..], &document].concat();
    let mut spellings = vec![("binary", document.clone()), ("binary", tagged.clone())];
    for document in [&document, &tagged] {
        let hex = hex::encode(document);
        let lines: Vec<_> = hex.as_bytes().chunks(60).map(String::from_utf8_lossy).collect();
        spellings.extend(
            [hex.clone(), hex.to_uppercase(), format!("0x{hex}\n"), lines.join("\n")].map(|text| ("hex", text.into())),
        );
        for engine in [BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(document);
            let lines: Vec<_> = text.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
            spellings.extend([text.clone(), lines.join("\r\n")].map(|text| ("base64", text.into())));
        }
    }
    let (root, pcr) = (enclave.path("root.pem"), format!("0={}", enclave.pcr0));
    for (encoding, content) in spellings {
        let file = enclave.verify(&content, "--json").await;
        assert_eq!((file.code, &file.json()["encoding"]), (0, &json!(encoding)), "{}", file.stderr);
        let command = ["attestation", "verify", "-", "--trust-anchor", &root, "--pcr", &pcr, "--json"];
        let stdin = run_with(&command, content.as_slice()).await;
        assert_eq!((stdin.code, &stdin.json()["encoding"]), (0, &json!(encoding)), "{}", stdin.stderr);
        let inspected = run_with(&["attestation", "inspect", "-", "--json"], content.as_slice()).await;
        assert_eq!((inspected.code, &inspected.json()["verified"]), (0, &json!(false)));
    }
}

#[tokio::test]
async fn what_is_no_document_is_malformed_and_what_cannot_be_read_unreadable() {
    let enclave = Enclave::new();
    let document = enclave.document(&AttestationRequest::new());
    let mut trailing = document.clone();
    trailing.push(0);
    for (content, reason) in [
        (Vec::new(), json!(null)),
        (b"neither".to_vec(), json!(null)),
        (b"84zz".to_vec(), json!(null)),
        (document[..document.len() - 1].to_vec(), json!("Truncated")),
        (trailing, json!("TrailingBytes")),
        (vec![0x84; 17 * 1024], json!("TooLong")),
        (vec![b' '; 65 * 1024], json!(null)),
    ] {
        let pcr = "--danger-allow-any-pcrs --json";
        for run in [
            enclave.verify_any(&content, pcr).await,
            attestation(&format!("inspect {} --json", enclave.write("document", &content))).await,
        ] {
            let error = run.error();
            assert_eq!((run.code, &error["kind"], &error["reason"]), (2, &json!("malformed"), &reason), "{run:?}");
        }
    }
    let (nowhere, folder) = (enclave.path("nowhere"), enclave.path(""));
    let file = enclave.write("document", &document);
    let pcr = format!("--pcr 0={} --json", enclave.pcr0);
    for line in [
        format!("inspect {nowhere} --json"),
        format!("inspect {folder} --json"),
        format!("verify {nowhere} {pcr}"),
        format!("verify {file} {pcr} --trust-anchor {nowhere}"),
        format!("verify {file} {pcr} --pcr-file {nowhere}"),
    ] {
        let run = attestation(&line).await;
        assert_eq!((run.code, &run.error()["kind"]), (3, &json!("unreadable")), "{line}");
    }
    let run = attestation(&format!("verify {file} {pcr} --trust-anchor {file}")).await;
    assert_eq!((run.code, &run.error()["kind"]), (2, &json!("malformed")));
    let broken = run_with(&["attestation", "inspect", "-"], Broken).await;
    assert_eq!((broken.code, broken.stdout.as_str()), (3, ""));
}

#[tokio::test]
async fn no_more_than_the_limit_is_read() {
    let mut endless = Counted { read: 0 };
    let run = run_with(&["attestation", "inspect", "-"], &mut endless).await;
    assert_eq!((run.code, endless.read), (2, 64 * 1024 + 1), "{}", run.stderr);
}

/// Standard input that fails.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken"))
    }
}

/// Standard input without end, which knows how much of it was taken.
struct Counted {
    read: usize,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(b'8');
        self.read += buffer.len();
        Ok(buffer.len())
    }
}
