//! `attestation verify` over simulated documents: every exit code, every option, every way to waive a check.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use nsm_attest::sim::Defect;
use nsm_attest::{AttestationRequest, PcrIndex, PcrValue, Purpose, UserData};
use serde_json::json;
use support::{Enclave, attestation};

const ZERO: PcrValue = PcrValue::ZERO;

fn plain() -> AttestationRequest {
    AttestationRequest::new()
}

#[tokio::test]
async fn strict_verification_is_exit_code_0() {
    let enclave = Enclave::new();
    let document = enclave.document(&plain().with_nonce(b"challenge"));
    let nonce = hex::encode("challenge");
    let text = enclave.verify(&document, &format!("--nonce {nonce}")).await;
    assert_eq!((text.code, text.stderr.as_str()), (0, ""), "{text:?}");
    assert_eq!(text.stdout.lines().next(), Some("verified"));
    assert!(text.stdout.contains("NOT AWS's Nitro root G1") && text.stdout.contains("PCR0, nonce"), "{}", text.stdout);
    let object = enclave.verify(&document, &format!("--nonce 0x{nonce} --json")).await.json();
    assert_eq!(object["verified"], true);
    assert_eq!(object["danger"], json!([]));
    assert_eq!((&object["freshness"], &object["max_age_seconds"]), (&json!("checked"), &json!(300)));
    assert_eq!((&object["compared_pcrs"], &object["compared_fields"]), (&json!([0]), &json!(["nonce"])));
    assert_eq!(object["is_trust_anchor_aws_nitro_g1"], false);
    assert_eq!(object["trust_anchor"], object["certificates"][0]["sha256"]);
    assert_eq!((&object["encoding"], &object["len"]), (&json!("binary"), &json!(document.len())));
    assert_eq!(object["nonce"]["hex"], nonce);
}

#[tokio::test]
async fn every_field_that_can_be_demanded_is() {
    let enclave = Enclave::new();
    let user_data = UserData::over(Purpose::Session, b"content").encode();
    let request = plain().with_public_key(b"key").with_user_data(user_data.clone()).with_nonce(b"nonce");
    let document = enclave.document(&request);
    let right = [
        ("--nonce", hex::encode("nonce")),
        ("--purpose", "session".to_owned()),
        ("--user-data", hex::encode(&user_data)),
        ("--public-key", hex::encode("key")),
    ];
    let all: Vec<_> = right.iter().map(|(option, value)| format!("{option} {value}")).collect();
    let run = enclave.verify(&document, &format!("{} --json", all.join(" "))).await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["compared_fields"], json!(["nonce", "purpose", "user_data", "public_key"]));
    let without = enclave.document(&plain());
    for ((option, value), (wrong, reason)) in right.iter().zip([
        ("ff", "NonceMismatch"),
        ("birth", "PurposeMismatch"),
        ("ff", "UserDataMismatch"),
        ("ff", "PublicKeyMismatch"),
    ]) {
        let refused = enclave.verify(&document, &format!("{option} {wrong} --json")).await;
        let error = refused.error();
        assert_eq!((refused.code, &error["kind"], &error["reason"]), (1, &json!("rejected"), &json!(reason)));
        assert_eq!((&error["expected"], &error["actual"]), (&json!([wrong]), &json!(value)), "{option}");
        let absent = enclave.verify(&without, &format!("{option} {value} --json")).await;
        assert_eq!((absent.code, &absent.error()["actual"]), (1, &json!(null)), "{option}");
        let text = enclave.verify(&without, &format!("{option} {value}")).await.stderr;
        assert!(
            text.contains(reason) && text.contains("\n  expected: ") && text.contains("\n  actual: none"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_pcr_is_compared_with_every_value_given_for_it() {
    let enclave = Enclave::new();
    let document = enclave.document(&plain());
    let (pcr0, first, second) = (enclave.pcr0, "11".repeat(48), "22".repeat(48));
    let accepted = enclave.verify_any(&document, &format!("--pcr 0={first} --pcr 0={pcr0} --pcr 0={second}")).await;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    let refused = enclave.verify_any(&document, &format!("--pcr 0={first} --pcr 0={second} --json")).await;
    let error = refused.error();
    assert_eq!((refused.code, &error["reason"]), (1, &json!("PcrMismatch")));
    assert_eq!((&error["expected"], &error["actual"]), (&json!([first, second]), &json!(pcr0.to_string())));
    let text = enclave.verify_any(&document, &format!("--pcr 0={first}")).await.stderr;
    assert!(text.contains(&format!("PCR0 is {pcr0}, not {first}")) && !text.contains("expected"), "said once: {text}");
    let text = enclave.verify_any(&document, &format!("--pcr 0={first} --pcr 0={second}")).await.stderr;
    for line in [format!("  expected: {first}"), format!("  expected: {second}"), format!("  actual: {pcr0}")] {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    // One register that is right does not make up for another.
    let refused = enclave.verify(&document, &format!("--pcr 1={first} --json")).await;
    assert_eq!(refused.error()["reason"], "PcrMismatch");
    let missing = enclave.verify(&document, &format!("--pcr 16={first} --json")).await;
    assert_eq!((missing.code, &missing.error()["reason"]), (1, &json!("PcrMissing")));
}

#[tokio::test]
async fn a_file_of_measurements_is_demanded_whole() {
    let enclave = Enclave::new();
    let document = enclave.document(&plain());
    let measured = |index| enclave.pcr(index).to_string();
    let (pcr0, pcr1, pcr2) = (measured(PcrIndex::IMAGE), measured(PcrIndex::KERNEL), measured(PcrIndex::APPLICATION));
    let right = json!({"Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": pcr0, "PCR1": pcr1, "PCR2": pcr2}});
    let file = enclave.write("measurements.json", right.to_string());
    let run = enclave.verify_any(&document, &format!("--pcr-file {file} --json")).await;
    assert_eq!((run.code, &run.json()["compared_pcrs"]), (0, &json!([0, 1, 2])));
    // A value from the command line is one more that is accepted.
    let both = format!("--pcr-file {file} --pcr 0={} --pcr 4={} --json", "33".repeat(48), measured(PcrIndex::INSTANCE));
    assert_eq!(enclave.verify_any(&document, &both).await.json()["compared_pcrs"], json!([0, 1, 2, 4]));
    let wrong = json!({"PCR0": pcr0, "PCR1": pcr1, "PCR2": pcr1});
    let file = enclave.write("measurements.json", wrong.to_string());
    let refused = enclave.verify_any(&document, &format!("--pcr-file {file} --json")).await;
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("PcrMismatch")));
    for bad in ["{}", "[]", "no JSON", r#"{"PCR0": "00", "PCR0": "00"}"#, r#"{"Image": 1}"#, r#"{"PCR32": ""}"#] {
        let file = enclave.write("measurements.json", bad);
        let run = enclave.verify(&document, &format!("--pcr-file {file} --json")).await;
        assert_eq!((run.code, &run.error()["kind"]), (2, &json!("malformed")), "{bad}");
    }
}

#[tokio::test]
async fn age_is_checked_at_the_time_given_and_not_at_the_documents_own() {
    let enclave = Enclave::new();
    let old = enclave.altered(|document| document.timestamp = document.timestamp.saturating_sub(AGE));
    assert!(enclave.verify(&old, "").await.stderr.contains("--time document"), "says what to do with an old one");
    let expired = enclave.verify(&old, "--json").await;
    assert_eq!((expired.code, &expired.error()["reason"]), (1, &json!("Expired")));
    assert_eq!(enclave.verify(&old, "--max-age 11m").await.code, 0);
    let object = enclave.verify(&old, "--max-age 1h --json").await.json();
    assert!(object["age_seconds"].as_i64().unwrap() >= 600, "{object}");

    let ahead = enclave.altered(|document| document.timestamp = document.timestamp.saturating_add(AGE));
    assert_eq!(enclave.verify(&ahead, "--json").await.error()["reason"], "IssuedInFuture");

    let document = enclave.document(&plain());
    let own = enclave.verify(&document, "--time document").await;
    assert_eq!((own.code, own.stdout.lines().next()), (0, Some("verified, AGE NOT CHECKED")));
    assert_eq!(enclave.verify(&document, "--time document --max-age 5m").await.code, 64);
    assert!(own.stdout.contains("freshness    NOT CHECKED") && !own.stdout.contains("before"), "{}", own.stdout);
    let own = enclave.verify(&document, "--time document --json").await.json();
    assert_eq!((&own["freshness"], &own["now"]), (&json!("not_checked"), &own["timestamp"]));
    assert_eq!(own["max_age_seconds"], json!(null));

    let issued = own["timestamp"].as_str().unwrap();
    let given = enclave.verify(&document, &format!("--time {issued} --json")).await;
    assert_eq!((given.code, &given.json()["freshness"]), (0, &json!("checked_at_given_time")));
    for (time, reason) in
        [("1971-01-01T00:00:00Z", "CertificateNotYetValid"), ("2999-01-01T00:00:00Z", "CertificateExpired")]
    {
        let refused = enclave.verify(&document, &format!("--time {time} --json")).await;
        assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!(reason)));
    }
}

#[tokio::test]
async fn documents_under_another_root_or_with_a_defect_are_rejected() {
    let enclave = Enclave::new();
    let document = enclave.document(&plain());
    let file = enclave.write("document", &document);
    let aws = attestation(&format!("verify {file} --pcr 0={} --json", enclave.pcr0)).await;
    let error = aws.error();
    assert_eq!((aws.code, &error["reason"]), (1, &json!("UntrustedRoot")));
    assert!(error["expected"][0].as_str().unwrap().starts_with("641a0321"), "{error}");
    let other = Enclave::new();
    assert_eq!(other.verify(&document, "--json").await.error()["reason"], "UntrustedRoot");
    let der = format!("verify {file} --pcr 0={} --trust-anchor {}", enclave.pcr0, enclave.path("root.der"));
    assert_eq!(attestation(&der).await.code, 0);
    for (defect, reason) in [
        (Defect::Signature, "SignatureInvalid"),
        (Defect::CertificateSignature, "CertificateSignatureInvalid"),
        (Defect::EndEntityExpired, "CertificateExpired"),
        (Defect::EndEntityKeyUsage, "KeyUsageMissing"),
    ] {
        let enclave = Enclave::with_defect(defect);
        let document = enclave.document(&plain());
        for danger in ["", " --danger-allow-debug --danger-allow-any-pcrs"] {
            let refused = enclave.verify(&document, &format!("--json{danger}")).await;
            assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!(reason)), "{danger}");
        }
    }
    let enclave = Enclave::with_defect(Defect::NotCertificate);
    let malformed = enclave.verify(&enclave.document(&plain()), "--json").await;
    assert_eq!((malformed.code, &malformed.error()["reason"]), (2, &json!("Certificate")));
}

#[tokio::test]
async fn dangers_are_named_in_the_answer_and_never_look_verified() {
    let enclave = Enclave::debug_mode();
    let document = enclave.document(&plain());
    let instance = format!("--pcr 4={}", enclave.pcr(PcrIndex::INSTANCE));
    let refused = enclave.verify_any(&document, &format!("{instance} --pcr 0={} --json", "5c".repeat(48))).await;
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("DebugMode")));
    let refused = enclave.verify_any(&document, "--danger-allow-any-pcrs --json").await;
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("DebugMode")));
    let (debug, any) = ("debug mode accepted", "any PCRs accepted");
    for (options, danger) in [
        (format!("{instance} --pcr 0={ZERO} --danger-allow-debug"), &[debug][..]),
        (format!("--pcr 0={ZERO} --danger-allow-debug"), &[debug]),
        ("--danger-allow-debug --danger-allow-any-pcrs".to_owned(), &[debug, any]),
    ] {
        let text = enclave.verify_any(&document, &options).await;
        assert_eq!(text.code, 0, "{}", text.stderr);
        let headline = format!("DANGER, accepted with checks waived: {}", danger.join("; "));
        assert_eq!(text.stdout.lines().next(), Some(headline.as_str()));
        assert!(text.stdout.lines().all(|line| !line.starts_with("verified")) && text.stdout.contains("DEBUG MODE"));
        let object = enclave.verify_any(&document, &format!("{options} --json")).await.json();
        assert_eq!((&object["verified"], &object["danger"]), (&json!(false), &json!(danger)));
        assert_eq!(object["debug_mode"], true);
    }
    // Not even where nothing had to be waived.
    let enclave = Enclave::new();
    let run = enclave.verify(&enclave.document(&plain()), "--danger-allow-any-pcrs --json").await;
    assert_eq!((run.code, &run.json()["verified"], &run.json()["danger"]), (0, &json!(false), &json!([any])));
}

#[tokio::test]
async fn a_policy_that_pins_no_image_is_wrong_usage() {
    let enclave = Enclave::new();
    let document = enclave.document(&plain());
    let zeros = enclave.write("zeros.json", json!({"PCR0": ZERO}).to_string());
    for options in [
        "--json".to_owned(),
        "--nonce 00 --json".to_owned(),
        "--danger-allow-debug --json".to_owned(),
        format!("--pcr 0={ZERO} --json"),
        // What the parent of an enclave chooses, and half an image.
        format!("--pcr 4={} --json", enclave.pcr(PcrIndex::INSTANCE)),
        format!("--pcr 1={} --json", enclave.pcr(PcrIndex::KERNEL)),
        format!("--pcr-file {zeros} --json"),
    ] {
        let run = enclave.verify_any(&document, &options).await;
        assert_eq!((run.code, &run.error()["kind"]), (64, &json!("usage")), "{options}");
        assert_eq!(run.error()["reason"], "ImageNotPinned");
        for named in ["--pcr N=HEX", "--pcr-file FILE", "--danger-allow-any-pcrs"] {
            assert!(run.stderr.contains(named), "{}", run.stderr);
        }
    }
    // Known before any file is read.
    assert_eq!(attestation("verify nowhere").await.code, 64);
}

#[tokio::test]
async fn values_that_options_do_not_take_are_wrong_usage() {
    let pcr = format!("--pcr 0={}", "5c".repeat(48));
    for options in [
        "--pcr 0",
        "--pcr 0=",
        "--pcr 0=00",
        "--pcr 32=HEX",
        "--pcr x=HEX",
        "--pcr =HEX",
        "--pcr PCR0=HEX",
        "--pcr",
        "--nonce 0",
        "--nonce xy",
        "--nonce 0x",
        "--nonce 00 --nonce 00",
        "--user-data zz",
        "--public-key zz",
        "--purpose none",
        "--purpose Birth",
        "--max-age 5",
        "--max-age 0s",
        "--max-age -1s",
        "--max-age 1y",
        "--max-age 99999999999999999999d",
        "--time yesterday",
        "--time 1700000000",
        "--time 2026-01-31",
        "--danger",
        "--danger-allow-debug=yes",
        "--pcr-file - --trust-anchor -",
        "- --pcr-file -",
        "FILE2",
    ] {
        let options = options.replace("HEX", &"5c".repeat(48));
        let file = if options.starts_with("- ") { "" } else { "nowhere " };
        let run = attestation(&format!("verify {file}{options} {pcr}")).await;
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{options}: {}", run.stderr);
        assert!(!run.stderr.is_empty());
    }
    for line in ["verify", "inspect", "nonsense", "inspect a b", "inspect --pcr 0=00 a"] {
        assert_eq!(attestation(line).await.code, 64, "{line}");
    }
}

const AGE: std::time::Duration = std::time::Duration::from_secs(10 * 60);
