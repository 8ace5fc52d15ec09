//! AWS Signature Version 4 on KMS requests.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use nsm_attest::UnixTime;

use crate::credentials::Credentials;
use crate::error::Error;

/// A KMS request that awaits its signature. Not `Debug`: an administrator's body may hold a plaintext.
pub(crate) struct Unsigned<'a> {
    /// The host, which is both TLS name and `Host` header.
    pub(crate) host: &'a str,
    pub(crate) region: &'a str,
    /// `x-amz-target`.
    pub(crate) target: &'a str,
    pub(crate) body: Vec<u8>,
}

impl Unsigned<'_> {
    /// Signs host, content type, target, date and session token, and the body's digest.
    pub(crate) fn sign(self, credentials: &Credentials, now: UnixTime) -> Result<Request<Full<Bytes>>, Error> {
        let identity = aws_credential_types::Credentials::new(
            credentials.access_key_id(),
            credentials.secret_access_key(),
            credentials.session_token().map(str::to_owned),
            None,
            "kms-enclave-client",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("kms")
            .time(UNIX_EPOCH + Duration::from_millis(now.as_millis()))
            .settings(SigningSettings::default())
            .build()
            .map_err(signing_failure)?
            .into();
        let headers = [("host", self.host), ("content-type", CONTENT_TYPE), ("x-amz-target", self.target)];
        // Only the digest is handed over: the signer can be told by an environment variable to log bodies.
        let digest = SignableBody::Precomputed(hex::encode(digest::digest(&digest::SHA256, &self.body)));
        let uri = format!("https://{}/", self.host);
        let signable = SignableRequest::new("POST", uri, headers.into_iter(), digest).map_err(signing_failure)?;
        let (instructions, _signature) = sign(signable, &params).map_err(signing_failure)?.into_parts();
        let mut request = Request::post("/").body(Full::new(Bytes::from(self.body))).map_err(signing_failure)?;
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_str(value).map_err(signing_failure)?);
        }
        instructions.apply_to_request_http1x(&mut request);
        debug_assert!(request.headers().contains_key(header::AUTHORIZATION), "signing adds the Authorization header");
        Ok(request)
    }
}

fn signing_failure(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Signing(Box::new(error))
}

pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

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
        let unsigned = Unsigned {
            host: "kms.us-east-1.amazonaws.com",
            region: "us-east-1",
            target: "TrentService.Decrypt",
            body: b"{}".to_vec(),
        };
        unsigned.sign(&credentials, UnixTime::from_secs(1_440_938_160)).unwrap()
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
    fn without_a_session_token_none_is_sent() {
        assert!(!signed(None).headers().contains_key("x-amz-security-token"));
    }
}
