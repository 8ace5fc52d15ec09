//! [`Channel`]: one signed request to KMS, one reply. The client and the simulator's administrator both speak through it.

use std::sync::Arc;

use http::{Response, StatusCode};
use nsm_attest::{Clock, UnixTime};
use rustls::pki_types::{DnsName, ServerName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::credentials::{Credentials, CredentialsCell};
use crate::error::{Error, MalformedReply, ServiceError, ServiceErrorCode, printable};
use crate::sigv4::Unsigned;
use crate::tls::{TlsRoots, client_config};
use crate::transport::{Connector, Transport};

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    connector: Connector,
    credentials: CredentialsCell,
    clock: Clock,
    region: String,
    host: String,
}

impl Channel {
    pub(crate) fn new(
        region: &str,
        transport: Arc<dyn Transport>,
        roots: &TlsRoots,
        clock: Clock,
        max_reply_len: usize,
    ) -> Result<Self, rustls::Error> {
        let host = host(region);
        let name = DnsName::try_from(host.clone()).map_err(|_| rustls::Error::UnsupportedNameType)?;
        let connector =
            Connector::new(transport, client_config(roots, &clock)?, ServerName::DnsName(name), max_reply_len);
        let credentials = CredentialsCell::default();
        Ok(Self { connector, credentials, clock, region: region.to_owned(), host })
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(crate) fn set_credentials(&self, credentials: Credentials) {
        self.credentials.set(credentials);
    }

    /// Whether the next call could sign, so that no work is done in vain.
    pub(crate) fn check_credentials(&self) -> Result<(), Error> {
        self.credentials.current(self.now()).map(drop)
    }

    /// Calls `action` and reads its reply.
    pub(crate) async fn call<R: DeserializeOwned>(&self, action: &str, request: &impl Serialize) -> Result<R, Error> {
        let reply = self.exchange(action, request).await?;
        serde_json::from_slice(reply.body()).map_err(|_| Error::MalformedReply(MalformedReply::Json))
    }

    /// Calls an action whose successful reply has no content.
    #[cfg(feature = "sim")]
    pub(crate) async fn call_for_nothing(&self, action: &str, request: &impl Serialize) -> Result<(), Error> {
        let reply = self.exchange(action, request).await?;
        match reply.body().as_ref() {
            b"" | b"{}" => Ok(()),
            _ => Err(Error::MalformedReply(MalformedReply::Json)),
        }
    }

    async fn exchange(&self, action: &str, request: &impl Serialize) -> Result<Response<bytes::Bytes>, Error> {
        let body = serde_json::to_vec(request).map_err(|error| Error::Signing(Box::new(error)))?;
        let mut connection = self.connector.connect().await?;
        // The signature's date is taken once the connection stands: a slow one must not make it stale.
        let now = self.now();
        let credentials = self.credentials.current(now)?;
        let target = format!("TrentService.{action}");
        let unsigned = Unsigned { host: &self.host, region: &self.region, target: &target, body };
        let reply = connection.exchange(unsigned.sign(&credentials, now)?).await?;
        match reply.status() {
            StatusCode::OK => Ok(reply),
            status if status.is_client_error() || status.is_server_error() => Err(service_error(&reply).into()),
            status => Err(Error::MalformedReply(MalformedReply::Status { status: status.as_u16() })),
        }
    }
}

/// The name of KMS in a region.
pub(crate) fn host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("kms.{region}.{suffix}")
}

/// Reads what can be read of an error reply. Its absence is itself an answer: KMS is silent about some refusals.
fn service_error(reply: &Response<bytes::Bytes>) -> ServiceError {
    let body: ErrorBody = serde_json::from_slice(reply.body()).unwrap_or_default();
    let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
    let name = body.exception.as_deref().or_else(|| header("x-amzn-errortype")).unwrap_or_default();
    // `com.amazonaws.kms#NotFoundException`, `NotFoundException:http://…` and the bare name all occur at AWS.
    let name = name.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
    ServiceError {
        code: ServiceErrorCode::from_name(name),
        message: printable(&body.message.or(body.message_capital).unwrap_or_default(), MAX_MESSAGE_LEN),
        request_id: header("x-amzn-requestid").map(|id| printable(id, MAX_REQUEST_ID_LEN)),
        status: reply.status().as_u16(),
    }
}

#[derive(Default, serde::Deserialize)]
struct ErrorBody {
    #[serde(rename = "__type")]
    exception: Option<String>,
    message: Option<String>,
    #[serde(rename = "Message")]
    message_capital: Option<String>,
}

const MAX_MESSAGE_LEN: usize = 1024;
const MAX_REQUEST_ID_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &'static str, error_type: Option<&str>) -> Response<bytes::Bytes> {
        let mut builder = Response::builder().status(400).header("x-amzn-requestid", "7f3c");
        if let Some(name) = error_type {
            builder = builder.header("x-amzn-errortype", name);
        }
        builder.body(bytes::Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn reads_the_spellings_of_an_error() {
        for body in [
            r#"{"__type":"AccessDeniedException","message":"no"}"#,
            r#"{"__type":"com.amazonaws.kms#AccessDeniedException","Message":"no","Extra":1}"#,
        ] {
            let error = service_error(&reply(body, None));
            assert_eq!(error.code(), &ServiceErrorCode::AccessDenied);
            assert_eq!((error.message(), error.request_id(), error.status()), ("no", Some("7f3c"), 400));
        }
        let error = service_error(&reply("", Some("ThrottlingException:http://internal/")));
        assert_eq!(error.code(), &ServiceErrorCode::Throttling);
    }

    #[test]
    fn a_bare_400_is_an_unnamed_error_with_advice() {
        for body in ["", "<html>", "[]", r#"{"__type":7}"#] {
            let error = service_error(&reply(body, None));
            assert_eq!(error.code(), &ServiceErrorCode::Unnamed);
            assert!(error.to_string().contains("attestation document"), "{error}");
        }
    }

    #[test]
    fn names_the_host_of_each_partition() {
        assert_eq!(host("eu-west-1"), "kms.eu-west-1.amazonaws.com");
        assert_eq!(host("us-gov-west-1"), "kms.us-gov-west-1.amazonaws.com");
        assert_eq!(host("cn-north-1"), "kms.cn-north-1.amazonaws.com.cn");
    }
}
