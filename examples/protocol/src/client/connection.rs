//! Connections: HTTP/1.1 over TLS over TCP, a few kept open between requests.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{ClientError, MAX_ANSWER_LEN, RawAnswer};

/// Opens connections to one parent, and keeps a few.
pub(super) struct Connector {
    address: String,
    host: HeaderValue,
    server_name: ServerName<'static>,
    tls: TlsConnector,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Connector {
    pub(super) fn new(
        address: String,
        server_name: ServerName<'static>,
        roots: RootCertStore,
    ) -> Result<Self, ClientError> {
        let host = HeaderValue::from_str(&address).map_err(|error| ClientError::malformed("the address", error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::malformed("the TLS versions", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { address, host, server_name, tls, idle: Mutex::default() })
    }

    /// Sends one request and reads its whole answer. The caller sets the deadline.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<RawAnswer, ClientError> {
        let mut request = self.request(method, path, content_type, body)?;
        while let Some(mut connection) = self.take_idle() {
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return self.finish(connection, response).await,
                // The parent closed this idle connection before the request was written: it did not run.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::lost(error.into_error())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await.map_err(ClientError::lost)?;
        self.finish(connection, response).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let path = PathAndQuery::try_from(path).map_err(|error| ClientError::malformed("the path", error))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_str(content_type)
                .map_err(|error| ClientError::malformed("the content type", error))?;
            request.headers_mut().insert(CONTENT_TYPE, value);
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let tcp = TcpStream::connect(&self.address)
            .await
            .map_err(|source| ClientError::Unreachable { address: self.address.clone(), source })?;
        // Requests are written whole; waiting for more to send would only delay them.
        tcp.set_nodelay(true).map_err(ClientError::lost)?;
        let tls = self
            .tls
            .connect(self.server_name.clone(), tcp)
            .await
            .map_err(|source| ClientError::Tls { address: self.address.clone(), source })?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(ClientError::lost)?;
        // The task ends with the connection, which ends when its sender is dropped; errors reach the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn finish(
        &self,
        connection: SendRequest<Full<Bytes>>,
        response: http::Response<Incoming>,
    ) -> Result<RawAnswer, ClientError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_LEN).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ClientError::AnswerTooLong { max: MAX_ANSWER_LEN }
            } else {
                ClientError::lost(error)
            }
        })?;
        self.keep(connection);
        Ok(RawAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        if !connection.is_closed() && idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("address", &self.address)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// Connections kept open between requests.
const MAX_IDLE: usize = 16;
