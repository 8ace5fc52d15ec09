//! `kms open-recipient` over envelopes of the simulator and of the real KMS.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kms_enclave_client::sim::envelop;
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use serde_json::{Value, json};
use support::{Run, run_with};
use tempfile::TempDir;

/// Files, and the commands over them.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    async fn open(&self, key_pem: &str, envelope: &[u8]) -> Run {
        let (key, input) = (self.write("key.pem", key_pem), self.write("envelope", envelope));
        run_with(&["kms", "open-recipient", "--key", &key, "--in", &input, "--json"], io::empty()).await
    }
}

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The `RSAPrivateKey` in a `PrivateKeyInfo` without attributes.
fn pkcs1(pkcs8: &[u8]) -> &[u8] {
    &pkcs8[26..]
}

#[tokio::test]
async fn envelopes_open_in_every_spelling_of_key_and_envelope() {
    let (folder, key) = (Folder::new(), rsa());
    let envelope = envelop(b"\x00secret", &key.subject_public_key_info()).unwrap();
    let base64 = BASE64_STANDARD.encode(&envelope);
    let wrapped = base64.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n");
    let der = key.serialize_der();
    for key_pem in
        [pem("PRIVATE KEY", &der), pem("RSA PRIVATE KEY", pkcs1(&der)), format!("a key\n{}", key.serialize_pem())]
    {
        for spelling in [envelope.as_slice(), base64.as_bytes(), wrapped.as_bytes()] {
            let opened = folder.open(&key_pem, spelling).await;
            assert_eq!(opened.code, 0, "{}", opened.stderr);
            let object = opened.json();
            assert_eq!((&object["plaintext_hex"], &object["len"]), (&json!("00736563726574"), &json!(7)));
            assert_eq!(object["subject_key_identifier"].as_str().unwrap().len(), 64);
        }
    }
    let (key, input) = (folder.write("key.pem", key.serialize_pem()), folder.write("envelope", &envelope));
    for (line, stdin) in [
        (["kms", "open-recipient", "--key", &key, "--in", &input], Vec::new()),
        (["kms", "open-recipient", "--key", &key, "--in", "-"], envelope.clone()),
        (["kms", "open-recipient", "--key", "-", "--in", &input], fs::read(&key).unwrap()),
    ] {
        let text = run_with(&line, stdin.as_slice()).await;
        assert_eq!((text.code, text.stdout.as_str()), (0, "00736563726574\n"), "{}", text.stderr);
    }
}

#[tokio::test]
async fn what_does_not_open_is_refused_without_a_reason_and_what_is_no_envelope_with_one() {
    let (folder, key, other) = (Folder::new(), rsa(), rsa());
    let envelope = envelop(b"secret", &key.subject_public_key_info()).unwrap();
    let mut damaged = envelope.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let will_not = "the enveloped data cannot be opened with this key";
    let refused = folder.open(&other.serialize_pem(), &envelope).await;
    assert_eq!((refused.code, &refused.error()["message"]), (1, &json!(will_not)));
    let mut swapped = envelope.clone();
    swapped[250] ^= 1; // in the encrypted content key
    let refused = folder.open(&key.serialize_pem(), &swapped).await;
    assert_eq!((refused.code, &refused.error()["message"]), (1, &json!(will_not)));
    for bad in [&b""[..], b"MIAG", b"M*", &envelope[..envelope.len() - 1], &damaged, &vec![0x30; 40_000]] {
        let malformed = folder.open(&key.serialize_pem(), bad).await;
        assert_eq!((malformed.code, &malformed.error()["kind"]), (2, &json!("malformed")), "{malformed:?}");
    }
}

#[tokio::test]
async fn what_is_no_rsa_key_is_malformed_and_not_repeated() {
    let (folder, key) = (Folder::new(), rsa());
    let envelope = envelop(b"secret", &key.subject_public_key_info()).unwrap();
    let (pem8, der) = (key.serialize_pem(), key.serialize_der());
    let elliptic = KeyPair::generate().unwrap();
    for (pem, part) in [
        (String::new(), "no PEM"),
        (pem("CERTIFICATE", &der), "no PEM"),
        (pem("ENCRYPTED PRIVATE KEY", &der), "no PEM"),
        (format!("{pem8}{pem8}"), "more than one"),
        (elliptic.serialize_pem(), "no RSA key"),
        (pem("RSA PRIVATE KEY", &der), "no RSA key"),
        (pem("RSA PRIVATE KEY", b"\x30\x00"), "no RSA key"),
        (pem("PRIVATE KEY", pkcs1(&der)), "no RSA key"),
    ] {
        let run = folder.open(&pem, &envelope).await;
        let message = run.error()["message"].as_str().unwrap().to_owned();
        assert!(run.code == 2 && message.contains(part), "{part}: {run:?}");
        assert!(!run.stderr.contains(&BASE64_STANDARD.encode(&der)[..64]), "{run:?}");
    }
}

/// The real vectors; `None` if no folder is named. A folder that is named must be readable.
fn vectors(test: &str) -> Option<Vec<Value>> {
    let Some(folder) = env::var_os("NITRO_VECTORS") else {
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        let skipped = writeln!(io::stderr(), "{test} skipped: NITRO_VECTORS is not set");
        skipped.expect("standard error is open");
        return None;
    };
    assert!(!folder.is_empty(), "NITRO_VECTORS is set, but names no folder");
    let entries = fs::read_dir(Path::new(&folder).join("kms")).expect("NITRO_VECTORS names a folder with kms");
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    Some(paths.filter(is_json).map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect())
}

#[tokio::test]
async fn every_real_envelope_with_a_key_opens_to_its_plaintext() {
    let Some(vectors) = vectors("every_real_envelope_with_a_key_opens_to_its_plaintext") else { return };
    let folder = Folder::new();
    let mut formats = Vec::new();
    for vector in &vectors {
        let Some(key) = vector["key_der_base64"].as_str() else { continue };
        let format = vector["key_format"].as_str().unwrap();
        let label = if format == "pkcs1" { "RSA PRIVATE KEY" } else { "PRIVATE KEY" };
        let key = pem(label, &BASE64_STANDARD.decode(key).unwrap());
        let base64 = vector["cms_base64"].as_str().unwrap();
        for spelling in [base64.as_bytes(), &BASE64_STANDARD.decode(base64).unwrap()] {
            let opened = folder.open(&key, spelling).await;
            assert_eq!(opened.code, 0, "{}: {}", vector["name"], opened.stderr);
            let object = opened.json();
            let found = (&object["plaintext_hex"], &object["subject_key_identifier"]);
            assert_eq!(found, (&vector["plaintext_hex"], &vector["rid_value"]), "{}", vector["name"]);
        }
        formats.push(format);
    }
    assert!(formats.len() >= 3 && formats.contains(&"pkcs1") && formats.contains(&"pkcs8"), "{formats:?}");
}

#[tokio::test]
async fn the_real_envelope_with_sha_1_is_refused() {
    let Some(vectors) = vectors("the_real_envelope_with_sha_1_is_refused") else { return };
    let sha1 = vectors.iter().find(|vector| vector["name"].as_str().unwrap().contains("oaep-sha1"));
    let envelope = BASE64_STANDARD.decode(sha1.unwrap()["cms_base64"].as_str().unwrap()).unwrap();
    let refused = Folder::new().open(&rsa().serialize_pem(), &envelope).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.error()["message"].as_str().unwrap().contains("SHA-256"), "{refused:?}");
}
