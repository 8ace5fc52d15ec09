//! `attestation` over real documents, read from the folder named by `NITRO_VECTORS`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;
use serde_json::json;
use support::{Enclave, attestation};

#[derive(Deserialize)]
struct Vector {
    file: String,
    module_id: String,
    timestamp_ms: u64,
    pcr_count: usize,
    pcr0: String,
    pcr1: String,
    pcr2: String,
    pcr3: String,
    pcr4: String,
    pcr8: String,
    debug_mode: bool,
    public_key: Option<String>,
    verdict: String,
}

impl Vector {
    /// `verify FILE` as of the document's time, with all registers that the index names.
    fn verify(&self, folder: &Path) -> String {
        let (file, [pcr0, pcr1, pcr2, pcr3, pcr4, pcr8]) =
            (folder.join(&self.file), [&self.pcr0, &self.pcr1, &self.pcr2, &self.pcr3, &self.pcr4, &self.pcr8]);
        let (file, pcrs) = (file.display(), format!("--pcr 0={pcr0} --pcr 1={pcr1} --pcr 2={pcr2} --pcr 3={pcr3}"));
        format!("verify {file} --time document {pcrs} --pcr 4={pcr4} --pcr 8={pcr8} --json")
    }
}

/// The folder and its index; `None` if no folder is named. A folder that is named must be readable.
fn vectors(test: &str) -> Option<(PathBuf, Vec<Vector>)> {
    let Some(folder) = env::var_os("NITRO_VECTORS") else {
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        let skipped = writeln!(io::stderr(), "{test} skipped: NITRO_VECTORS is not set");
        skipped.expect("standard error is open");
        return None;
    };
    assert!(!folder.is_empty(), "NITRO_VECTORS is set, but names no folder");
    let folder = Path::new(&folder).join("attestation");
    let index = fs::read(folder.join("index.json")).expect("NITRO_VECTORS names a folder with attestation/index.json");
    let vectors: Vec<Vector> = serde_json::from_slice(&index).unwrap();
    assert!(vectors.iter().filter(|vector| vector.verdict == "REAL").count() >= 13);
    assert!(vectors.iter().any(|vector| vector.debug_mode) && vectors.iter().any(|vector| !vector.debug_mode));
    Some((folder, vectors))
}

#[tokio::test]
async fn real_documents_are_shown_and_never_as_verified() {
    let Some((folder, vectors)) = vectors("real_documents_are_shown_and_never_as_verified") else { return };
    for vector in vectors {
        let line = format!("inspect {}", folder.join(&vector.file).display());
        let text = attestation(&line).await;
        let object = attestation(&format!("{line} --json")).await.json();
        // One of the negative documents is no COSE_Sign1 of this form.
        if vector.verdict != "REAL" && text.code == 2 {
            assert_eq!(object["error"]["kind"], "malformed");
            continue;
        }
        assert_eq!(text.code, 0, "{}: {}", vector.file, text.stderr);
        assert!(text.stdout.starts_with("NOT VERIFIED"), "{}", text.stdout);
        assert_eq!(text.stdout.contains("DEBUG MODE"), vector.debug_mode, "{}", vector.file);
        let expected = (&json!(false), &json!(vector.module_id), &json!(vector.timestamp_ms));
        assert_eq!((&object["verified"], &object["module_id"], &object["timestamp_ms"]), expected);
        assert_eq!(object["pcrs"].as_array().unwrap().len(), vector.pcr_count);
        assert_eq!(object["pcrs"][0]["value"], vector.pcr0);
        assert_eq!(object["is_root_aws_nitro_g1"], true);
        assert!(vector.module_id.starts_with(object["instance_id"].as_str().unwrap()));
        let spki = &object["public_key"]["spki"];
        match vector.public_key.is_some_and(|described| described.ends_with("SPKI RSAPublicKey 2048")) {
            true => assert_eq!(spki, &json!({"algorithm": "RSA", "bits": 2048})),
            false => assert_eq!(spki, &json!(null), "{}", vector.file),
        }
    }
}

#[tokio::test]
async fn real_documents_verify_at_their_time_and_debug_ones_in_danger_only() {
    let test = "real_documents_verify_at_their_time_and_debug_ones_in_danger_only";
    let Some((folder, vectors)) = vectors(test) else { return };
    for vector in vectors.iter().filter(|vector| vector.verdict == "REAL") {
        let strict = attestation(&vector.verify(&folder)).await;
        if !vector.debug_mode {
            let object = strict.json();
            assert_eq!((strict.code, &object["verified"]), (0, &json!(true)), "{}: {}", vector.file, strict.stderr);
            assert_eq!((&object["freshness"], &object["danger"]), (&json!("not_checked"), &json!([])));
            assert_eq!(object["is_trust_anchor_aws_nitro_g1"], true);
            continue;
        }
        // Where all registers named are zero the policy pins nothing, else the document is refused.
        let is_usage = strict.code == 64 && strict.error()["reason"] == "ImageNotPinned";
        let is_rejected = strict.code == 1 && strict.error()["reason"] == "DebugMode";
        assert!(is_usage || is_rejected, "{}: {strict:?}", vector.file);
        let danger = attestation(&format!("{} --danger-allow-debug", vector.verify(&folder))).await;
        assert_eq!(danger.code, 0, "{}: {}", vector.file, danger.stderr);
        let object = danger.json();
        assert_eq!((&object["verified"], &object["danger"]), (&json!(false), &json!(["debug mode accepted"])));
    }
}

#[tokio::test]
async fn real_documents_are_refused_under_another_root_with_another_register_and_now() {
    let test = "real_documents_are_refused_under_another_root_with_another_register_and_now";
    let Some((folder, vectors)) = vectors(test) else { return };
    let root = Enclave::new();
    let dangers = "--danger-allow-debug --danger-allow-any-pcrs";
    for vector in vectors.iter().filter(|vector| vector.verdict == "REAL") {
        let verify = format!("{} {dangers}", vector.verify(&folder));
        for (more, reason) in [
            (format!("--trust-anchor {}", root.path("root.pem")), "UntrustedRoot"),
            (format!("--pcr 5={}", "ab".repeat(48)), "PcrMismatch"),
            ("--nonce ff".to_owned(), "NonceMismatch"),
        ] {
            let refused = attestation(&format!("{verify} {more}")).await;
            assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!(reason)), "{}", vector.file);
        }
        let now = attestation(&verify.replace("--time document", "--time now")).await;
        assert_eq!((now.code, &now.error()["reason"]), (1, &json!("CertificateExpired")), "{}", vector.file);
    }
}

#[tokio::test]
async fn negative_documents_are_refused_even_in_danger() {
    let Some((folder, vectors)) = vectors("negative_documents_are_refused_even_in_danger") else { return };
    let negative: Vec<_> = vectors.iter().filter(|vector| vector.verdict != "REAL").collect();
    assert!(negative.len() >= 2);
    for vector in negative {
        let file = folder.join(&vector.file);
        let line =
            format!("verify {} --time document --danger-allow-debug --danger-allow-any-pcrs --json", file.display());
        let refused = attestation(&line).await;
        assert!(matches!(refused.code, 1 | 2), "{}: {refused:?}", vector.file);
        assert!(refused.error()["reason"].is_string());
    }
}
