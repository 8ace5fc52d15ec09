//! What this crate signs, a verifier that shares no code with it accepts; and nothing else under the same signature.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::future::ready;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::sample::Index;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, SignatureError, SignatureOptions,
    VecSignedHeaderRequirements, service_for_signing_key_fn, sigv4_validate_request,
};

use super::*;

/// Everything that a request of this client can vary in.
#[derive(Clone, Debug)]
struct Case {
    region: String,
    endpoint: Endpoint,
    action: String,
    body: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    now: UnixTime,
}

impl Case {
    fn signed(&self) -> Request<Bytes> {
        let (id, secret) = (self.access_key_id.clone(), self.secret_access_key.clone());
        let credentials = Credentials::new(id, secret, self.session_token.clone(), None).unwrap();
        let payload = Payload::new(&self.action, &self.body).unwrap();
        let signed = Signer::new(&self.endpoint, &self.region).sign(&payload, &credentials, self.now).unwrap();
        let (head, body) = signed.into_parts();
        let body = runtime().block_on(body.collect()).unwrap().to_bytes();
        Request::from_parts(head, body)
    }

    /// Whether the signature is this caller's, over this request, `seconds` after it was made.
    fn verifies(&self, request: Request<Bytes>, seconds: i64) -> bool {
        let secret = <KSecretKey>::from_str(&self.secret_access_key).unwrap();
        let (id, token) = (self.access_key_id.clone(), self.session_token.clone());
        let look_up = move |request: GetSigningKeyRequest| {
            let is_caller = request.access_key() == id && request.session_token() == token.as_deref();
            let key = secret.to_ksigning(request.request_date(), request.region(), request.service());
            let key = GetSigningKeyResponse::builder().signing_key(key).build();
            ready(if is_caller {
                key.map_err(Into::into)
            } else {
                Err(SignatureError::InvalidClientTokenId("another caller".into()).into())
            })
        };
        let mut look_up = service_for_signing_key_fn(look_up);
        let mut must_be_signed = VecSignedHeaderRequirements::default();
        must_be_signed.add_always_present("content-type");
        must_be_signed.add_always_present("x-amz-target");
        must_be_signed.add_prefix("x-amz-");
        let now = i64::try_from(self.now.as_secs()).unwrap() + seconds;
        let now: DateTime<Utc> = DateTime::from_timestamp(now, 0).unwrap();
        let options = SignatureOptions::default();
        let verdict = sigv4_validate_request(request, &self.region, "kms", &mut look_up, now, &must_be_signed, options);
        runtime().block_on(verdict).is_ok()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        "(us|eu|ap)-(west|east|north)-[1-9]".prop_map(|region| Endpoint::regional(&region).unwrap()),
        "us-gov-(west|east)-[1-9]".prop_map(|region| Endpoint::fips(&region).unwrap()),
        ("[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9-]{0,20}[a-z0-9]){0,4}", 1..=u16::MAX)
            .prop_map(|(host, port)| Endpoint::custom(&host, port).unwrap()),
        (any::<std::net::IpAddr>(), 1..=u16::MAX)
            .prop_map(|(host, port)| Endpoint::custom(&host.to_string(), port).unwrap()),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let body = prop_oneof![any::<String>(), "[ -~]{0,200}", "[A-Za-z0-9+/]{4000,12000}"];
    // AWS's secrets have 40 characters, and the verifier insists. Times: 2000 to 2099.
    let keys = ("[A-Z0-9]{16,128}", "[!-~]{40}", proptest::option::of("[!-~]{1,2000}"));
    let place = ("[a-z]{2}-[a-z]{3,9}-[1-9]", endpoints(), "[A-Za-z]{1,30}");
    (place, body, keys, 946_684_800_000..4_070_908_800_000_u64).prop_map(
        |((region, endpoint, action), body, (access_key_id, secret_access_key, session_token), millis)| Case {
            region,
            endpoint,
            action,
            body,
            access_key_id,
            secret_access_key,
            session_token,
            now: UnixTime::from_millis(millis),
        },
    )
}

/// The parts of a request, each of which has bytes to change.
fn parts(request: &Request<Bytes>) -> Vec<Vec<u8>> {
    let mut parts = vec![request.method().as_str().into(), request.uri().to_string().into(), request.body().to_vec()];
    for (name, value) in request.headers() {
        parts.extend([name.as_str().into(), value.as_bytes().into()]);
    }
    parts
}

/// The request made of such parts, if it is one that HTTP knows: of the forms that a target can have, a server takes a
/// path.
fn request(parts: &[Vec<u8>]) -> Option<Request<Bytes>> {
    let mut builder = Request::builder().method(&*parts[0]).uri(&*parts[1]);
    for header in parts[3..].chunks(2) {
        builder = builder.header(&*header[0], &*header[1]);
    }
    builder.body(Bytes::copy_from_slice(&parts[2])).ok().filter(|request| request.uri().path().starts_with('/'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_request_verifies_and_with_any_byte_changed_does_not(
        case in cases(),
        changes in proptest::collection::vec((any::<Index>(), any::<Index>(), 1..=u8::MAX), 16),
    ) {
        let signed = case.signed();
        let intact = parts(&signed);
        prop_assert!(case.verifies(signed, 0), "intact");
        prop_assert!(case.verifies(request(&intact).unwrap(), 0), "taken apart and put together");
        for (part, position, flip) in changes {
            let mut parts = intact.clone();
            let part = part.index(parts.len());
            if parts[part].is_empty() {
                continue;
            }
            let position = position.index(parts[part].len());
            parts[part][position] ^= flip;
            // The case of a header's name means nothing.
            let is_name = part >= 3 && part % 2 == 1;
            if is_name && parts[part].eq_ignore_ascii_case(&intact[part]) {
                continue;
            }
            if let Some(changed) = request(&parts) {
                prop_assert!(!case.verifies(changed, 0), "{:?}", String::from_utf8_lossy(&parts[part]));
            }
        }
    }

    #[test]
    fn a_signature_holds_for_fifteen_minutes_in_its_region_and_for_its_caller(case in cases()) {
        for (seconds, holds) in [(-960, false), (-840, true), (840, true), (960, false)] {
            prop_assert_eq!(case.verifies(case.signed(), seconds), holds, "{}", seconds);
        }
        let elsewhere = Case { region: format!("{}0", case.region), ..case.clone() };
        prop_assert!(!elsewhere.verifies(case.signed(), 0));
        let other_secret = Case { secret_access_key: "x".repeat(40), ..case.clone() };
        prop_assert!(!other_secret.verifies(case.signed(), 0));
        let other_token = Case { session_token: Some("another".into()), ..case.clone() };
        prop_assert!(!other_token.verifies(case.signed(), 0));
    }
}
