//! [`Channel`]: signed requests to KMS and their replies. The client and the simulator's administrator speak through it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use nsm_attest::{Clock, UnixTime};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connections::Connections;
use crate::credentials::{Credentials, CredentialsStore, ProvideCredentials};
use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::error::{Error, MalformedReply, printable};
use crate::json_object::Object;
use crate::retry::{Retries, RetryPolicy};
use crate::service_error::{ServiceError, ServiceErrorCode};
use crate::sigv4::{Payload, Signer};
use crate::skew::ClockSkew;
use crate::tls::{TlsRoots, client_config};
use crate::transport::{Connector, Transport};

/// What a [`Channel`] is made of.
#[derive(Debug)]
pub(crate) struct ChannelParts {
    pub(crate) endpoint: Endpoint,
    /// The region that requests are signed for.
    pub(crate) region: String,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) roots: TlsRoots,
    pub(crate) clock: Clock,
    /// Credentials to begin with.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) provider: Option<Arc<dyn ProvideCredentials>>,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_connections: usize,
    pub(crate) max_reply_len: usize,
}

/// The way to one endpoint. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connections: Connections,
    credentials: CredentialsStore,
    clock: Clock,
    skew: ClockSkew,
    signer: Signer,
    retries: Retries,
}

impl Channel {
    pub(crate) fn new(parts: ChannelParts) -> Result<Self, rustls::Error> {
        let tls = client_config(&parts.roots, &parts.clock)?;
        let name = parts.endpoint.server_name().clone();
        let connector = Connector::new(parts.transport, tls, name, parts.max_reply_len);
        let shared = Shared {
            connections: Connections::new(connector, parts.max_connections),
            credentials: CredentialsStore::new(parts.credentials, parts.provider, parts.clock.clone()),
            clock: parts.clock,
            skew: ClockSkew::default(),
            signer: Signer::new(&parts.endpoint, &parts.region),
            retries: Retries::new(parts.retry),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(crate) fn set_credentials(&self, credentials: Credentials) {
        self.shared.credentials.set(credentials);
    }

    /// Whether the next call could sign, so that no work is done in vain.
    pub(crate) fn check_credentials(&self) -> Result<(), Error> {
        self.shared.credentials.check()
    }

    /// Calls `action` and reads its reply.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        action: &str,
        request: &impl Serialize,
        deadline: Deadline,
    ) -> Result<R, Error> {
        let reply = self.shared.exchange(action, request, deadline).await?;
        let reply: Object<R> =
            serde_json::from_slice(reply.body()).map_err(|_| Error::MalformedReply(MalformedReply::Json))?;
        Ok(reply.0)
    }

    /// Calls an action whose successful reply has no content.
    #[cfg(feature = "sim")]
    pub(crate) async fn call_for_nothing(
        &self,
        action: &str,
        request: &impl Serialize,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let reply = self.shared.exchange(action, request, deadline).await?;
        match reply.body().as_ref() {
            b"" | b"{}" => Ok(()),
            _ => Err(Error::MalformedReply(MalformedReply::Json)),
        }
    }
}

impl Shared {
    async fn exchange(
        &self,
        action: &str,
        request: &impl Serialize,
        deadline: Deadline,
    ) -> Result<Response<Bytes>, Error> {
        let payload = Payload::new(action, request)?;
        let reply = deadline.bound(self.persist(&payload, deadline)).await;
        reply.inspect_err(|error| self.close_silent(error))
    }

    /// Attempts until one succeeds, fails for good, or there may be no more.
    async fn persist(&self, payload: &Payload, deadline: Deadline) -> Result<Response<Bytes>, Error> {
        let mut attempts = self.retries.attempts();
        let mut was_remedied = false;
        loop {
            let failed = match self.attempt(payload).await {
                Ok(reply) => {
                    attempts.succeeded();
                    return Ok(reply);
                }
                Err(failed) => failed,
            };
            // What was wrong on this side and is put right is tried again at once, but not twice.
            if failed.is_remedied && !was_remedied {
                was_remedied = true;
                continue;
            }
            let Some(wait) = attempts.retry_after(&failed.error, deadline) else { return Err(failed.error) };
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, payload: &Payload) -> Result<Response<Bytes>, Failed> {
        let credentials = self.credentials.current().await?;
        let slot = self.connections.slot().await?;
        let mut signed_at = UnixTime::from_secs(0);
        let exchange = self.connections.exchange(slot, || {
            let now = self.clock.now();
            credentials.check(now)?;
            signed_at = self.skew.corrected(now);
            self.signer.sign(payload, &credentials, signed_at)
        });
        let reply = self.retries.bound(exchange).await.inspect_err(|error| self.close_silent(error))?;
        match reply.status() {
            StatusCode::OK => Ok(reply),
            status if status.is_client_error() || status.is_server_error() => {
                let error = service_error(&reply);
                let is_remedied = (error.is_about_time()
                    && self.skew.learn(reply.headers(), signed_at, self.clock.now()))
                    || (error.code == ServiceErrorCode::ExpiredToken && self.credentials.reject(&credentials));
                Err(Failed { error: error.into(), is_remedied })
            }
            status => Err(Error::MalformedReply(MalformedReply::Status { status: status.as_u16() }).into()),
        }
    }

    /// Closes the idle connections if one gave no answer in time. The others have been kept for as long: neither another
    /// attempt nor another call must wait for each of them in turn.
    fn close_silent(&self, error: &Error) {
        if matches!(error, Error::AttemptTimedOut { .. } | Error::DeadlineExceeded { .. }) {
            self.connections.close_idle();
        }
    }
}

/// An attempt that gave no result.
struct Failed {
    error: Error,
    /// The cause was on this side and is removed.
    is_remedied: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, is_remedied: false }
    }
}

/// Reads what can be read of an error reply. Its absence is itself an answer: KMS is silent about some refusals.
fn service_error(reply: &Response<Bytes>) -> ServiceError {
    let Object(body): Object<ErrorBody> = serde_json::from_slice(reply.body()).unwrap_or_default();
    let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
    let name = body.exception.as_deref().or_else(|| header("x-amzn-errortype")).unwrap_or_default();
    // `com.amazonaws.kms#NotFoundException`, `NotFoundException:http://…` and the bare name all occur at AWS.
    let name = name.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
    ServiceError {
        code: ServiceErrorCode::from_name(name),
        message: printable(&body.message.or(body.message_capital).unwrap_or_default(), MAX_MESSAGE_LEN),
        request_id: header("x-amzn-requestid").map(|id| printable(id, MAX_REQUEST_ID_LEN)),
        status: reply.status().as_u16(),
        image: None,
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
pub(crate) const DEFAULT_MAX_CONNECTIONS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &'static str, error_type: Option<&str>) -> Response<Bytes> {
        let mut builder = Response::builder().status(400).header("x-amzn-requestid", "7f3c");
        if let Some(name) = error_type {
            builder = builder.header("x-amzn-errortype", name);
        }
        builder.body(Bytes::from_static(body.as_bytes())).unwrap()
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
        for body in ["", "<html>", "[]", r#"["AccessDeniedException","no",null]"#, r#"{"__type":7}"#] {
            let error = service_error(&reply(body, None));
            assert_eq!(error.code(), &ServiceErrorCode::Unnamed);
            assert!(error.to_string().contains("attestation document"), "{error}");
        }
    }
}
