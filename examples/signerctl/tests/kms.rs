//! `kms` against a simulated KMS: what it answers, what it refuses, and what is refused of it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/kms.rs"]
mod kms;
mod support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kms::{ACCESS_KEY_ID, Kms, SECRET, SESSION_TOKEN};
use kms_enclave_client::sim;
use serde_json::{Value, json};

/// What stands behind a label in a text answer.
fn line<'a>(text: &'a str, label: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix(": ")).unwrap()
}

fn bytes(base64: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_data_key_is_made_and_decrypted_as_text_as_json_and_into_a_file() {
    let kms = Kms::start().await;
    let options = format!("--key-arn {} --encryption-context purpose=test --encryption-context a=b=c", kms.key);
    let made = kms.run(&format!("generate-data-key {options}")).await;
    assert_eq!((made.code, made.stdout.lines().count()), (0, 2), "{}", made.stderr);
    let (blob, plaintext) = (line(&made.stdout, "CIPHERTEXT"), line(&made.stdout, "PLAINTEXT"));
    assert_eq!(BASE64_STANDARD.decode(plaintext).unwrap().len(), 32);
    // As kmstool-enclave-cli prints them, and nothing else.
    assert_eq!(made.stdout, format!("CIPHERTEXT: {blob}\nPLAINTEXT: {plaintext}\n"));

    let text = kms.run(&format!("decrypt {options} --ciphertext {blob}")).await;
    assert_eq!((text.code, text.stdout), (0, format!("PLAINTEXT: {plaintext}\n")), "{}", text.stderr);
    let object = kms.run(&format!("decrypt {options} --ciphertext {blob} --json")).await.json();
    assert_eq!(object, json!({"key_arn": kms.key.as_str(), "plaintext": plaintext, "nsm": "simulated"}));

    let out = kms.path("plaintext");
    let file = kms.run(&format!("decrypt {options} --ciphertext {blob} --out {out} --json")).await;
    let expected = json!({"key_arn": kms.key.as_str(), "out": out, "out_len": 32, "nsm": "simulated"});
    assert_eq!(file.json(), expected, "{}", file.stderr);
    assert_eq!(fs::read(&out).unwrap(), BASE64_STANDARD.decode(plaintext).unwrap());
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn data_keys_have_the_length_that_was_asked_for() {
    let kms = Kms::start().await;
    for (option, len) in [
        ("--key-spec AES_128", 16),
        ("--key-spec AES-256", 32),
        ("--number-of-bytes 1", 1),
        ("--number-of-bytes 1024", 1024),
    ] {
        let made = kms.run(&format!("generate-data-key --key-arn {} {option} --json", kms.key)).await.json();
        assert_eq!(bytes(&made["plaintext"]).len(), len, "{option}");
        let blob = made["ciphertext"].as_str().unwrap();
        let decrypt = format!("decrypt --key-arn {} --ciphertext {blob} --json", kms.key);
        assert_eq!(kms.run(&decrypt).await.json()["plaintext"], made["plaintext"]);
    }
}

#[tokio::test]
async fn random_bytes_need_a_region_and_no_key() {
    let kms = Kms::start().await;
    for len in [1, 32, 1024] {
        let drawn = kms.run(&format!("generate-random --region eu-west-1 --number-of-bytes {len}")).await;
        assert_eq!(drawn.code, 0, "{}", drawn.stderr);
        assert_eq!(BASE64_STANDARD.decode(line(&drawn.stdout, "PLAINTEXT")).unwrap().len(), len);
    }
    let out = kms.path("random");
    let drawn = kms.run(&format!("generate-random --region eu-west-1 --number-of-bytes 7 --out {out}")).await;
    assert_eq!((drawn.code, drawn.stdout), (0, format!("plaintext of 7 bytes is in {out:?}\n")), "{}", drawn.stderr);
    assert_eq!(fs::read(out).unwrap().len(), 7);
    let nowhere = kms.run("generate-random --number-of-bytes 7 --json").await;
    assert_eq!((nowhere.code, &nowhere.error()["kind"]), (64, &json!("usage")));
}

#[tokio::test]
async fn the_fips_endpoint_and_one_of_a_given_name_are_asked_by_their_names() {
    let kms = Kms::start().await;
    for option in ["--fips", "--endpoint https://kms-fips.eu-west-1.amazonaws.com"] {
        let run = kms.run(&format!("generate-random --region eu-west-1 --number-of-bytes 8 {option}")).await;
        assert_eq!(run.code, 0, "{option}: {}", run.stderr);
    }
}

#[tokio::test]
async fn what_was_encrypted_is_decrypted_however_its_ciphertext_is_given() {
    let kms = Kms::start().await;
    let (key, plaintext) = (&kms.key, [7; 4096]);
    let encrypt = format!("encrypt --key-arn {key} --encryption-context purpose=test");
    let from_stdin = kms.run_as_operator(&format!("{encrypt} --in - --json"), &plaintext[..]).await.json();
    assert_eq!((&from_stdin["key_arn"], &from_stdin["nsm"]), (&json!(key.as_str()), &json!(null)));
    let input = kms.write("input", plaintext);
    let (out, line_) = (kms.path("blob"), format!("{encrypt} --in {input} --out {}", kms.path("blob")));
    let from_file = kms.run_as_operator(&line_, io::empty()).await;
    assert_eq!(from_file.code, 0, "{}", from_file.stderr);
    let base64 = from_stdin["ciphertext"].as_str().unwrap().to_owned();
    let wrapped = base64.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    let (text, raw) = (kms.write("blob.b64", &wrapped), bytes(&from_stdin["ciphertext"]));
    for (option, stdin) in [
        (format!("--ciphertext {base64}"), &b""[..]),
        (format!("--ciphertext @{text}"), b""),
        (format!("--in {out}"), b""),
        ("--ciphertext -".to_owned(), wrapped.as_bytes()),
        ("--in -".to_owned(), &raw),
    ] {
        let decrypt = format!("decrypt --key-arn {key} --encryption-context purpose=test {option} --json");
        let decrypted = kms.run_with(&decrypt, stdin).await;
        assert_eq!(bytes(&decrypted.json()["plaintext"]), plaintext, "{option}: {}", decrypted.stderr);
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_check() {
    let kms = Kms::start().await;
    let made = kms.run(&format!("generate-data-key --key-arn {} --json", kms.key)).await.json();
    let decrypt = format!("decrypt --key-arn {} --ciphertext {} --json", kms.key, made["ciphertext"].as_str().unwrap());

    let context = kms.run(&format!("{decrypt} --encryption-context purpose=other")).await;
    assert_eq!((context.code, &context.error()["reason"]), (1, &json!("InvalidCiphertextException")));
    assert!(context.stderr.contains("encryption context"), "{}", context.stderr);

    let other_image = nsm_attest::sim::pcr0(b"another", b"image");
    kms.admit(other_image).await;
    let denied = kms.run(&decrypt).await;
    let error = denied.error();
    assert_eq!((denied.code, &error["kind"]), (1, &json!("refused")));
    assert_eq!(error["reason"], "AccessDeniedException");
    assert!(error["request_id"].is_string(), "{error}");
    let our_image = nsm_attest::sim::pcr0(b"signerctl", b"simulated").to_string();
    for part in ["check: ", "kms:RecipientAttestation:ImageSha384", &our_image, "region"] {
        assert!(denied.stderr.contains(part), "{part}: {}", denied.stderr);
    }
    assert_eq!(kms.run(&decrypt.replace(" --json", "")).await.stdout, "");
}

#[tokio::test]
async fn replies_that_cannot_be_believed_are_rejected() {
    let kms = Kms::start().await;
    let made = kms.run(&format!("generate-data-key --key-arn {} --json", kms.key)).await.json();
    let decrypt = format!("decrypt --key-arn {} --ciphertext {} --json", kms.key, made["ciphertext"].as_str().unwrap());
    let (other, out) = (kms.other_key().await, kms.path("out"));
    for (failure, reason) in [
        (sim::Failure::PlaintextBesideEnvelope, "PlaintextInReply"),
        (sim::Failure::EnvelopeMissing, "MissingCiphertextForRecipient"),
        (sim::Failure::EnvelopeForAnotherRecipient, "Decrypt"),
        (sim::Failure::EnvelopeTruncated { len: 100 }, "MalformedCiphertext"),
        (sim::Failure::KeyIdOf(other), "KeyIdMismatch"),
    ] {
        kms.simulator.inject(sim::Injection::new(failure).action("Decrypt")).unwrap();
        let rejected = kms.run(&format!("{decrypt} --out {out}")).await;
        let error = rejected.error();
        let expected = (1, &json!("rejected"), &json!(reason));
        assert_eq!((rejected.code, &error["kind"], &error["reason"]), expected, "{rejected:?}");
        assert!(!fs::exists(&out).unwrap());
    }
    kms.simulator.inject(sim::Injection::new(sim::Failure::Bare { status: 400 }).action("Decrypt")).unwrap();
    let bare = kms.run(&decrypt).await;
    assert_eq!((bare.code, &bare.error()["kind"]), (1, &json!("refused")));
    assert!(bare.stderr.contains("attestation document"), "{}", bare.stderr);
    assert_eq!(kms.run(&decrypt).await.json()["plaintext"], made["plaintext"]);
}

#[tokio::test]
async fn an_ailing_kms_is_out_of_reach_and_not_a_refusal() {
    let kms = Kms::start().await;
    for name in ["ThrottlingException", "KMSInternalException"] {
        let ails = sim::Injection::new(sim::Failure::exception(name)).action("GenerateDataKey").requests(4);
        kms.simulator.inject(ails).unwrap();
        let run = kms.run(&format!("generate-data-key --key-arn {} --json", kms.key)).await;
        let error = run.error();
        assert_eq!((run.code, &error["kind"], &error["reason"]), (3, &json!("unreadable"), &json!(name)), "{run:?}");
    }
}

#[tokio::test]
async fn without_a_word_the_enclaves_own_module_is_asked() {
    let kms = Kms::start().await;
    let decrypt = format!("decrypt --key-arn {} --ciphertext AQID --json", kms.key);
    let outside = kms.run_as_operator(&decrypt, io::empty()).await;
    assert!(!std::path::Path::new("/dev/nsm").exists(), "this test runs outside enclaves");
    assert_eq!((outside.code, &outside.error()["kind"]), (3, &json!("unreadable")));
    assert!(outside.stderr.contains("/dev/nsm"), "{}", outside.stderr);
}

#[tokio::test]
async fn simulated_evidence_is_called_so_and_believed_by_nobody_else() {
    let kms = Kms::start().await;
    let line = format!("generate-data-key --key-arn {} --nsm simulated --json", kms.key);
    let believed = kms.run(&format!("generate-data-key --key-arn {}", kms.key)).await;
    assert!(believed.stderr.starts_with("signerctl: SIMULATED NSM"), "{}", believed.stderr);
    // With an authority of its own.
    let credentials = ["--credentials", &kms.path("credentials")].map(str::to_owned);
    let refused = kms.run_as(&line, &credentials, io::empty()).await;
    assert_eq!((refused.code, &refused.error()["reason"]), (1, &json!("AccessDeniedException")), "{refused:?}");
}

#[tokio::test]
async fn limits_of_kms_are_named_before_anything_is_sent() {
    let kms = Kms::start().await;
    let (key, long) = (&kms.key, "x".repeat(8193));
    let blob = kms.write("blob", [1; 6145]);
    let decrypt = format!("decrypt --key-arn {key} --ciphertext AQID");
    let tokens = " --grant-token t".repeat(11);
    for (line, field, limit) in [
        (format!("decrypt --key-arn {key} --in {blob}"), "ciphertext blob", "6144"),
        (format!("{decrypt} --encryption-context a={long}"), "encryption context", "8192"),
        (format!("{decrypt}{tokens}"), "grant tokens", "10"),
        (format!("{decrypt} --grant-token {long}"), "grant token", "8192"),
        (format!("generate-data-key --key-arn {key} --number-of-bytes 0"), "bytes", "1024"),
        (format!("generate-data-key --key-arn {key} --number-of-bytes 1025"), "bytes", "1024"),
        ("generate-random --region eu-west-1 --number-of-bytes 1025".to_owned(), "bytes", "1024"),
    ] {
        let run = kms.run(&format!("{line} --json")).await;
        let error = run.error();
        assert_eq!((run.code, &error["kind"]), (2, &json!("malformed")), "{run:?}");
        assert_eq!(error["reason"], "Request", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(field) && message.contains(limit), "{message}");
    }
    let encrypt = format!("encrypt --key-arn {key} --in - --json");
    for (len, limit) in [(4097, "4096"), (0, "4096"), (100_000, "4096")] {
        let run = kms.run_as_operator(&encrypt, vec![7; len].as_slice()).await;
        assert_eq!((run.code, &run.error()["kind"]), (2, &json!("malformed")), "{run:?}");
        assert!(run.error()["message"].as_str().unwrap().contains(limit), "{run:?}");
    }
}

#[tokio::test]
async fn nothing_is_overwritten_and_nothing_asked_for_in_vain() {
    let kms = Kms::start().await;
    let out = kms.write("there", "already");
    // If KMS were asked it would refuse the ciphertext.
    for command in ["decrypt --ciphertext AQID", "generate-data-key"] {
        let run = kms.run(&format!("{command} --key-arn {} --out {out} --json", kms.key)).await;
        assert_eq!((run.code, &run.error()["kind"]), (3, &json!("unreadable")), "{run:?}");
        assert!(run.stderr.contains("not overwritten"), "{}", run.stderr);
    }
    assert_eq!(fs::read(&out).unwrap(), b"already");
    let nowhere = kms.path("no/such/folder");
    let run = kms.run(&format!("generate-data-key --key-arn {} --out {nowhere}", kms.key)).await;
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
}

#[tokio::test]
async fn a_kms_that_cannot_be_reached_or_believed_is_exit_code_3() {
    let kms = Kms::start().await;
    let evidence = ["--nsm", "simulated", "--credentials", &kms.path("credentials"), "--json"];
    let at = format!("tcp:{}", kms.simulator.local_addr());
    let key = kms.key.as_str().to_owned();
    let (other_root, closed) = (kms.path("other.pem"), closed_port());
    fs::write(&other_root, rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()).unwrap();
    for (way, reason) in [
        (vec!["--via", &closed, "--ca", &kms.path("root.pem")], "Connect"),
        // Under Amazon's roots, and under somebody's.
        (vec!["--via", &at], "Tls"),
        (vec!["--via", &at, "--ca", &other_root], "Tls"),
        // Under the right root, but for another name.
        (vec!["--via", &at, "--ca", &kms.path("root.pem"), "--endpoint", "https://localhost"], "Tls"),
    ] {
        let command = ["kms", "generate-data-key", "--timeout", "5", "--key-arn", &key];
        let run = support::run_with(&[&command[..], &evidence, &way].concat(), io::empty()).await;
        let error = run.error();
        assert_eq!((run.code, &error["kind"], &error["reason"]), (3, &json!("unreadable"), &json!(reason)), "{run:?}");
    }
}

/// An address at which nobody listens.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp:{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn credentials_come_from_the_environment_too() {
    let kms = Kms::start().await;
    let variables = [("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let session = ("AWS_SESSION_TOKEN", SESSION_TOKEN);
    let past = ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    for (set, code, reason) in [
        (&[variables[0], variables[1], session][..], 0, Value::Null),
        (&variables, 1, json!("UnrecognizedClientException")),
        (&[variables[0], variables[1], session, past], 2, json!("CredentialsExpired")),
        (&[variables[0], session], 64, Value::Null),
        (&[], 64, Value::Null),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signerctl"));
        command.args(["kms", "generate-random", "--region", kms::REGION, "--number-of-bytes", "32", "--json"]);
        command.args(["--nsm", "simulated", "--simulated-authority", &kms.path("authority")]).args(kms.way());
        command.env_clear().envs(set.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text =
            format!("{}{}", String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{text}");
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((object["error"]["reason"].clone(), object["plaintext"].is_string()), (reason, code == 0), "{text}");
        assert!(![SECRET, SESSION_TOKEN, ACCESS_KEY_ID].iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[tokio::test]
async fn credentials_that_others_can_read_or_that_are_none_are_refused() {
    let kms = Kms::start().await;
    let evidence = ["--nsm", "simulated"].map(str::to_owned);
    let json = format!(
        r#"{{"Version": 1, "AccessKeyId": "{ACCESS_KEY_ID}", "SecretAccessKey": "{SECRET}", "SessionToken": "{SESSION_TOKEN}"}}"#
    );
    let with = async |options: &[&str], stdin: &[u8]| {
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let authority = ["--simulated-authority", &kms.path("authority")].map(str::to_owned);
        let line = "generate-random --region eu-west-1 --number-of-bytes 8 --json";
        kms.run_as(line, &[&evidence[..], &authority, &options].concat(), stdin).await
    };
    let process = kms.write("process.json", &json);
    assert_eq!(with(&["--credentials", &process], b"").await.code, 0);
    assert_eq!(with(&["--credentials", "-"], json.as_bytes()).await.code, 0);
    let open = kms.write("open.json", &json);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let broken = kms.write("broken", format!("[default]\naws_secret_access_key = {SECRET}\n{SESSION_TOKEN}\n"));
    let credentials = kms.path("credentials");
    for (options, code, part) in [
        (&["--credentials", &open][..], 3, "chmod 600"),
        (&["--credentials", &kms.path("nowhere")], 3, "nowhere"),
        (&["--credentials", &broken], 2, "line 3"),
        (&["--credentials", &credentials, "--profile", "nobody"], 2, "no profile"),
        (&["--credentials", &process, "--profile", "default"], 2, "profiles"),
        (&["--profile", "default"], 64, "--credentials"),
    ] {
        let run = with(options, b"").await;
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
}

#[tokio::test]
async fn wrong_usage_is_exit_code_64_and_what_is_no_input_2_or_3() {
    let kms = Kms::start().await;
    let (key, nowhere) = (&kms.key, kms.path("nowhere"));
    let elsewhere = key.as_str().replace("eu-west-1", "us-east-1");
    for line in [
        format!("decrypt --key-arn {key}"),
        format!("decrypt --key-arn {key} --ciphertext AQID --in file"),
        "decrypt --ciphertext AQID".to_owned(),
        "decrypt --key-arn alias/key --ciphertext AQID".to_owned(),
        "generate-random --region eu-west-1".to_owned(),
        "generate-random --region nowhere --number-of-bytes 1".to_owned(),
        format!("generate-data-key --key-arn {key} --region us-east-1"),
        format!("generate-data-key --key-arn {elsewhere} --region eu-west-1"),
        format!("generate-data-key --key-arn {key} --key-spec AES_128 --number-of-bytes 16"),
        format!("generate-data-key --key-arn {key} --encryption-context a=1 --encryption-context a=1"),
        format!("generate-data-key --key-arn {key} --encryption-context purpose"),
        format!("generate-data-key --key-arn {key} --fips --endpoint https://localhost"),
        format!("generate-data-key --key-arn {key} --endpoint http://localhost"),
        format!("generate-data-key --key-arn {key} --secret-access-key {nowhere}"),
    ] {
        let run = kms.run(&line).await;
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{line}: {run:?}");
        assert!(!run.stderr.is_empty());
    }
    let simulated = ["--nsm", "simulated", "--credentials", "-"].map(str::to_owned);
    for line in [format!("encrypt --key-arn {key}"), format!("encrypt --key-arn {key} --plaintext secret")] {
        assert_eq!(kms.run_as_operator(&line, io::empty()).await.code, 64, "{line}");
    }
    for input in ["--in -", "--ciphertext -"] {
        let twice = kms.run_as(&format!("decrypt --key-arn {key} {input}"), &simulated, io::empty()).await;
        assert_eq!(twice.code, 64, "{twice:?}");
        assert!(twice.stderr.contains("standard input"), "{}", twice.stderr);
    }
    for (line, code) in [
        (format!("decrypt --key-arn {key} --ciphertext *"), 2),
        (format!("decrypt --key-arn {key} --ciphertext @{nowhere}"), 3),
        (format!("decrypt --key-arn {key} --in {nowhere}"), 3),
    ] {
        let run = kms.run(&format!("{line} --json")).await;
        assert_eq!(run.code, code, "{line}: {run:?}");
    }
}
