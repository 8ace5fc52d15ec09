//! AWS Signature Version 4 on KMS requests.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use nsm_attest::UnixTime;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;

/// One call's target and body, which all its attempts share. Not `Debug`: an administrator's body may hold a plaintext.
pub(crate) struct Payload {
    target: HeaderValue,
    /// Wiped when the last attempt is over.
    body: Bytes,
    /// SHA-256 of the body, in hexadecimal.
    digest: String,
}

impl Payload {
    pub(crate) fn new(action: &str, request: &impl Serialize) -> Result<Self, Error> {
        let body = to_json(request).map_err(signing_failure)?;
        let digest = hex::encode(digest::digest(&digest::SHA256, &body));
        let target = HeaderValue::try_from(format!("TrentService.{action}")).map_err(signing_failure)?;
        Ok(Self { target, body: Bytes::from_owner(body), digest })
    }
}

/// Writes JSON that is wiped, all of it: memory that grew would leave what it held before behind. So there is enough from
/// the start or, for the few requests that are longer, from the start of another try.
fn to_json(request: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut capacity = BODY_CAPACITY;
    loop {
        let mut body = Zeroizing::new(Vec::with_capacity(capacity));
        match serde_json::to_writer(WithinCapacity(&mut body), request) {
            Ok(()) => return Ok(body),
            Err(error) if error.io_error_kind() == Some(io::ErrorKind::WriteZero) => capacity *= 2,
            Err(error) => return Err(error),
        }
    }
}

/// Writes to the end of a vector, as far as it can without growing.
struct WithinCapacity<'a>(&'a mut Vec<u8>);

impl io::Write for WithinCapacity<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.capacity() - self.0.len();
        let fitting = &bytes[..bytes.len().min(room)];
        self.0.extend_from_slice(fitting);
        Ok(fitting.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Signs requests to one endpoint.
#[derive(Debug)]
pub(crate) struct Signer {
    host: HeaderValue,
    region: String,
}

impl Signer {
    pub(crate) fn new(endpoint: &Endpoint, region: &str) -> Self {
        let host = HeaderValue::from_str(endpoint.authority()).expect("an endpoint's authority is graphic ASCII");
        Self { host, region: region.to_owned() }
    }

    /// Signs host, content type, target, date and session token, and the body's digest.
    pub(crate) fn sign(
        &self,
        payload: &Payload,
        credentials: &Credentials,
        now: UnixTime,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let headers = [
            (header::HOST, self.host.clone()),
            (header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE)),
            (HeaderName::from_static(TARGET), payload.target.clone()),
        ];
        let unsigned = Unsigned {
            region: &self.region,
            service: "kms",
            uri: "/",
            headers: &headers,
            digest: &payload.digest,
            settings: settings(),
        };
        let instructions = unsigned.sign(credentials.parts(), now)?;
        let mut request = Request::new(Full::new(payload.body.clone()));
        *request.method_mut() = Method::POST;
        request.headers_mut().extend(headers);
        instructions.apply_to_request_http1x(&mut request);
        debug_assert!(request.headers().contains_key(header::AUTHORIZATION), "signing adds the Authorization header");
        Ok(request)
    }
}

/// A POST request as Signature Version 4 sees it.
struct Unsigned<'a> {
    region: &'a str,
    service: &'a str,
    /// Path and query.
    uri: &'a str,
    headers: &'a [(HeaderName, HeaderValue)],
    /// SHA-256 of the body, in hexadecimal.
    digest: &'a str,
    settings: SigningSettings,
}

impl Unsigned<'_> {
    /// Gives the headers to add.
    fn sign(
        self,
        credentials: &aws_credential_types::Credentials,
        now: UnixTime,
    ) -> Result<SigningInstructions, Error> {
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_millis(now.as_millis()))
            .settings(self.settings)
            .build()
            .map_err(signing_failure)?
            .into();
        let headers = self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        // Only the digest is handed over: the signer can be told by an environment variable to log bodies.
        let digest = SignableBody::Precomputed(self.digest.to_owned());
        let signable = SignableRequest::new("POST", self.uri, headers, digest).map_err(signing_failure)?;
        let (instructions, _signature) = sign(signable, &params).map_err(signing_failure)?.into_parts();
        Ok(instructions)
    }
}

/// Every header is signed, for this client sends none that a proxy may change.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    settings
}

fn signing_failure(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Signing(Box::new(error))
}

pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "x-amz-target";
/// An attestation document of 5 to 8 KB in base64, and the rest of a request.
const BODY_CAPACITY: usize = 16 * 1024;

#[cfg(test)]
mod suite;
#[cfg(all(test, feature = "sim"))]
mod verified;

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(token: Option<&str>) -> Request<Full<Bytes>> {
        // AWS's documented example, not a real key.
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            token.map(str::to_owned),
            None,
        )
        .unwrap();
        let signer = Signer::new(&Endpoint::regional("us-east-1").unwrap(), "us-east-1");
        let payload = Payload::new("Decrypt", &serde_json::json!({})).unwrap();
        signer.sign(&payload, &credentials, UnixTime::from_secs(1_440_938_160)).unwrap()
    }

    #[test]
    fn signs_every_header_it_sends() {
        let request = signed(Some("FakeSessionToken"));
        let authorization = request.headers()[header::AUTHORIZATION].to_str().unwrap();
        assert!(
            authorization.contains("Credential=AKIAIOSFODNN7EXAMPLE/20150830/us-east-1/kms/aws4_request")
                && authorization
                    .contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target"),
            "{authorization}"
        );
        assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
        assert_eq!(request.headers()["x-amz-security-token"], "FakeSessionToken");
        assert_eq!(request.uri(), "/");
    }

    #[test]
    fn the_secret_is_in_no_header() {
        let text = format!("{:?}", signed(Some("FakeSessionToken")));
        assert!(!text.contains("wJalr") && !text.contains("FakeSessionToken"), "{text}");
    }

    #[test]
    fn a_body_of_any_length_lies_in_memory_that_never_moved() {
        for (len, capacity) in [
            (0, BODY_CAPACITY),
            (BODY_CAPACITY - 2, BODY_CAPACITY),
            (BODY_CAPACITY - 1, 2 * BODY_CAPACITY),
            (5 * BODY_CAPACITY, 8 * BODY_CAPACITY),
        ] {
            let text = "x".repeat(len);
            let body = to_json(&text).unwrap();
            assert_eq!(*body, format!("\"{text}\"").into_bytes());
            assert_eq!(body.capacity(), capacity, "as much as was asked for at first");
        }
        assert!(to_json(&std::collections::BTreeMap::from([(vec![1], 1)])).is_err(), "no JSON");
    }

    #[test]
    fn without_a_session_token_none_is_sent() {
        assert!(!signed(None).headers().contains_key("x-amz-security-token"));
    }
}
