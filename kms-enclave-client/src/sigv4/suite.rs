//! AWS's own test suite of Signature Version 4, as the package `aws-sigv4` ships it, through this crate's signing.
//!
//! Of its cases those count whose shape this client sends: POST, signature in the headers. The path, the query and the
//! further headers are the suite's.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use aws_sigv4::http_request::{PayloadChecksumKind, SessionTokenMode};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Context {
    credentials: Keys,
    normalize: bool,
    region: String,
    service: String,
    sign_body: bool,
    timestamp: String,
    #[serde(default)]
    omit_session_token: bool,
}

#[derive(Deserialize)]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

/// A request as the suite writes it.
struct Message {
    uri: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
}

impl Message {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.trim_start().lines();
        let uri = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase().parse().unwrap(), value.trim().parse().unwrap())
        });
        Self { uri, headers: headers.collect(), body: body.to_owned() }
    }

    fn sorted_headers(&self) -> Vec<(String, String)> {
        let pair = |(name, value): &(HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        let mut headers: Vec<_> = self.headers.iter().map(pair).collect();
        headers.sort();
        headers
    }
}

/// Where the sources of `aws-sigv4` lie.
fn suite() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "aws-sigv4").unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    manifest.with_file_name("aws-signing-test-suite").join("v4")
}

/// The headers of the request once it is signed.
fn sign(context: &Context, request: &Message) -> Vec<(HeaderName, HeaderValue)> {
    let mut settings = settings();
    if context.sign_body {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if context.omit_session_token {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    let Keys { access_key_id, secret_access_key, token } = &context.credentials;
    let credentials =
        aws_credential_types::Credentials::new(access_key_id, secret_access_key, token.clone(), None, "suite");
    assert_eq!(context.timestamp, "2015-08-30T12:36:00Z");
    let unsigned = Unsigned {
        region: &context.region,
        service: &context.service,
        uri: &request.uri,
        headers: &request.headers,
        digest: &hex::encode(digest::digest(&digest::SHA256, request.body.as_bytes())),
        settings,
    };
    let mut signed = Request::new(());
    signed.headers_mut().extend(request.headers.iter().cloned());
    let instructions = unsigned.sign(&credentials, UnixTime::from_secs(1_440_938_160)).unwrap();
    instructions.apply_to_request_http1x(&mut signed);
    signed.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn signs_as_aws_does_whatever_has_the_shape_of_our_requests() {
    let suite = suite();
    let mut ran = Vec::new();
    for entry in fs::read_dir(&suite).unwrap() {
        let case = entry.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file: &str| fs::read_to_string(case.join(file)).unwrap();
        let request = read("request.txt");
        // Two cases for the encoding of paths are in a format of their own, without context.
        if !(request.trim_start().starts_with("POST /") && case.join("context.json").exists()) {
            continue;
        }
        let request = Message::read(&request);
        let context: Context = serde_json::from_str(&read("context.json")).unwrap();
        assert!(context.normalize, "{name}: this client's only path needs no other choice");
        let signed = Message { headers: sign(&context, &request), ..request };
        assert_eq!(
            signed.sorted_headers(),
            Message::read(&read("header-signed-request.txt")).sorted_headers(),
            "{name}"
        );
        let authorization = signed.headers.iter().find(|(name, _)| name == header::AUTHORIZATION).unwrap();
        assert!(authorization.1.to_str().unwrap().ends_with(&read("header-signature.txt")), "{name}");
        ran.push((name, context));
    }
    let names: Vec<_> = ran.iter().map(|(name, _)| name.as_str()).collect();
    // Not `eprintln!`: the test harness swallows that of a test that passes.
    writeln!(io::stderr(), "{} cases of AWS's signing test suite ran: {}", names.len(), names.join(" ")).unwrap();
    assert!(ran.len() >= 10, "AWS has added cases, but not removed any");
    let count = |has: fn(&Context) -> bool| ran.iter().filter(|(_, context)| has(context)).count();
    assert!(count(|context| context.sign_body) >= 2 && count(|context| !context.sign_body) >= 2);
    assert!(count(|context| context.credentials.token.is_some() && !context.omit_session_token) >= 1);
}
