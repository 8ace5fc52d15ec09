//! `attestation inspect`: what it shows, and what a hostile document cannot make it show.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use nsm_attest::{AttestationRequest, PcrIndex, Pcrs, Purpose, UserData};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P384_SHA384, PublicKeyData as _};
use serde_json::{Value, json};
use support::{Enclave, Run, attestation};

async fn inspect(enclave: &Enclave, document: &[u8], more: &str) -> Run {
    let file = enclave.write("document", document);
    attestation(format!("inspect {file} {more}").trim_end()).await
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn json_has_the_documented_keys() {
    let enclave = Enclave::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().subject_public_key_info();
    let user_data = UserData::over(Purpose::Session, &key);
    let request = AttestationRequest::new().with_public_key(key.clone()).with_user_data(user_data).with_nonce([7; 200]);
    let document = enclave.document(&request);
    let object = inspect(&enclave, &document, "--json").await.json();
    let mut expected = [
        "verified",
        "warning",
        "encoding",
        "len",
        "module_id",
        "instance_id",
        "enclave_id",
        "digest",
        "timestamp",
        "timestamp_ms",
        "now",
        "age_seconds",
        "debug_mode",
        "pcrs",
        "is_root_aws_nitro_g1",
        "certificates",
        "public_key",
        "user_data",
        "nonce",
    ];
    expected.sort_unstable();
    assert_eq!(keys(&object), expected);
    assert_eq!((&object["verified"], &object["debug_mode"]), (&json!(false), &json!(false)));
    assert_eq!(object["instance_id"], "i-0123456789abcdef0");
    assert_eq!(object["pcrs"].as_array().unwrap().len(), 16);
    let image = json!({"index": 0, "meaning": "image", "value": enclave.pcr0.to_string(), "is_zero": false});
    assert_eq!(object["pcrs"][0], image);
    let zero = json!({"index": 5, "meaning": null, "value": "0".repeat(96), "is_zero": true});
    assert_eq!(object["pcrs"][5], zero);

    let certificates = object["certificates"].as_array().unwrap();
    let positions: Vec<_> = certificates.iter().map(|certificate| certificate["position"].as_str().unwrap()).collect();
    assert_eq!(positions, ["cabundle[0]", "cabundle[1]", "cabundle[2]", "cabundle[3]", "certificate"]);
    let mut expected = [
        "position",
        "sha256",
        "subject",
        "issuer",
        "serial",
        "not_before",
        "not_after",
        "is_valid_now",
        "is_valid_at_timestamp",
    ];
    expected.sort_unstable();
    assert_eq!(keys(&certificates[4]), expected);
    assert!(certificates.iter().all(|certificate| certificate["is_valid_now"] == true));
    assert_eq!(object["is_root_aws_nitro_g1"], false);

    assert_eq!((&object["public_key"]["hex"], &object["public_key"]["len"]), (&json!(hex::encode(&key)), &json!(120)));
    assert_eq!(object["public_key"]["spki"], json!({"algorithm": "EC P-384", "bits": 384}));
    assert_eq!(object["public_key"]["sha256"], hex::encode(user_data.digest));
    assert_eq!(keys(&object["user_data"]), ["hex", "len", "purpose", "purpose_digest", "text"]);
    assert_eq!(object["user_data"]["purpose"], "session");
    assert_eq!(object["user_data"]["purpose_digest"], object["public_key"]["sha256"]);
    assert_eq!(object["nonce"], json!({"hex": "07".repeat(200), "len": 200}));
}

#[tokio::test]
async fn text_says_first_and_last_that_nothing_was_verified() {
    let enclave = Enclave::new();
    let user_data = UserData::over(Purpose::Birth, b"record");
    let request = AttestationRequest::new().with_user_data(user_data).with_nonce([7; 200]).with_public_key(b"key");
    let run = inspect(&enclave, &enclave.document(&request), "").await;
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(run.code, 0);
    for line in [lines.first(), lines.last()] {
        assert!(line.unwrap().starts_with("NOT VERIFIED: "), "{}", run.stdout);
    }
    for shown in [
        "instance   i-0123456789abcdef0",
        "enclave    enc",
        " s ago",
        &format!("PCR0   image                    {}", enclave.pcr0),
        "all zero: PCR3, PCR5-PCR15",
        "certificates 5, the first is NOT AWS's Nitro root G1",
        "CN=i-0123456789abcdef0.us-east-1.aws.nitro-enclaves",
        "valid now and when the document was issued",
        "public key   not a SubjectPublicKeyInfo",
        "user data    purpose birth",
        &format!("digest     {}", hex::encode(user_data.digest)),
        "nonce        07070707070707070707070707070707...07070707070707070707070707070707 (200 bytes)",
    ] {
        assert!(run.stdout.contains(shown), "{shown} in {}", run.stdout);
    }
    assert!(!run.stdout.contains("DEBUG"), "{}", run.stdout);
}

#[tokio::test]
async fn debug_mode_and_what_is_odd_are_pointed_out() {
    let debug = Enclave::debug_mode();
    let run = inspect(&debug, &debug.document(&AttestationRequest::new()), "").await;
    assert!(run.stdout.contains("!!! DEBUG MODE: PCR0 is zero."), "{}", run.stdout);
    assert!(run.stdout.contains("all zero: PCR0-PCR3, PCR5-PCR15"), "{}", run.stdout);

    let enclave = Enclave::new();
    let without_image = enclave.altered(|document| {
        document.pcrs = [(PcrIndex::SIGNER, enclave.pcr0)].into_iter().collect::<Pcrs>();
        document.module_id = "another form".to_owned();
    });
    let text = inspect(&enclave, &without_image, "").await.stdout;
    assert!(text.contains("PCR0 IS MISSING") && text.contains("(not in the usual form)"), "{text}");
    let object = inspect(&enclave, &without_image, "--json").await.json();
    assert_eq!((&object["debug_mode"], &object["instance_id"]), (&json!(null), &json!(null)));

    let tomorrow = std::time::Duration::from_secs(24 * 60 * 60);
    let ahead = enclave.altered(|document| {
        document.timestamp = document.timestamp.saturating_add(tomorrow);
        document.certificate = b"no certificate".to_vec();
        document.nonce = Some(Vec::new());
    });
    let text = inspect(&enclave, &ahead, "").await.stdout;
    assert!(text.contains("AHEAD of this computer's clock") && text.contains("nonce        empty"), "{text}");
    assert!(text.contains("valid now, but NOT when the document was issued"), "{text}");
    let object = inspect(&enclave, &ahead, "--json").await.json();
    assert_eq!(keys(&object["certificates"][4]), ["position", "problem", "sha256"]);
    assert!(object["age_seconds"].as_i64().unwrap() < 0);
}

#[tokio::test]
async fn hostile_strings_reach_no_terminal() {
    let enclave = Enclave::new();
    let document = enclave.altered(|document| {
        document.module_id = HOSTILE.to_owned();
        document.certificate = hostile_certificate();
        document.user_data = Some(HOSTILE_LINES.as_bytes().to_vec());
    });
    let text = inspect(&enclave, &document, "").await.stdout;
    assert_printable(&text);
    assert!(text.contains(r"CN=evil\u{202e}") && text.contains(r"module       \u{1b}[2J\u{202e}"), "{text}");
    assert!(text.contains(r"as text: line\nNOT VERIFIED\u{202e}"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("NOT VERIFIED")).count(), 2);
    let json = inspect(&enclave, &document, "--json").await;
    assert_printable(&json.stdout);
    let object = json.json();
    assert_eq!((&object["module_id"], &object["user_data"]["text"]), (&json!(HOSTILE), &json!(HOSTILE_LINES)));
    assert!(object["certificates"][4]["subject"].as_str().unwrap().contains("evil\u{202e}"));

    let module_id = enclave.altered(|document| {
        document.module_id = HOSTILE.to_owned();
        document.user_data = Some(HOSTILE_LINES.as_bytes().to_vec());
    });
    for more in ["", "--json"] {
        let run = enclave.verify(&module_id, more).await;
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_printable(&run.stdout);
    }
    // An unknown field is named in the error.
    let payload = [&b"\xa1\x6b"[..], "\x1b[2J\u{202e}\u{9b}xx".as_bytes(), b"\x00"].concat();
    for more in ["", "--json"] {
        let run = inspect(&enclave, &enclave.nsm.sign(&payload).unwrap(), more).await;
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains("unknown field"), "{}", run.stderr);
        assert_printable(&run.stderr);
        assert_printable(&run.stdout);
    }
}

fn assert_printable(text: &str) {
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text:?}");
}

fn hostile_certificate() -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "evil\u{202e}\x1b]0;title\x07\u{9b}31m\u{200b}");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

const HOSTILE: &str = "\x1b[2J\u{202e}i-0123-enc0\u{2066}\r\u{9b}";
const HOSTILE_LINES: &str = "line\nNOT VERIFIED\u{202e}\u{2028}\u{200f}";
