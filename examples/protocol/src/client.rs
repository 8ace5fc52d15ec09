//! The parent's HTTPS API from Rust.
//!
//! TLS is always verified: against Mozilla's roots, or against the roots the caller gives. One deadline covers a whole
//! request (connecting, the handshake, the answer's body), and no answer longer than [`MAX_ANSWER_LEN`] is read.
//!
//! What this client returns is what the *parent* says. Who must not trust the parent verifies the birth document of a
//! key, and compares the sender of a signed transaction with the address it covers.

mod connection;
mod error;

use std::sync::Arc;
use std::time::Duration;

use chain_signers::Encoding;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Bytes;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use self::connection::Connector;
pub use self::error::ClientError;
use crate::api::{CreateKeyBody, SignBody};
pub use crate::api::{HealthAnswer, KeyAnswer, KeyPage, Problem, ReferenceAnswer, SignAnswer, UnreadableKey};
use crate::record::{KeyId, SpkiDigest};

/// Longest answer that is read, in bytes: 1 MiB.
pub const MAX_ANSWER_LEN: usize = 1024 * 1024;

/// A client of one parent. Cheap to clone; clones share a few idle connections.
#[derive(Clone, Debug)]
pub struct ParentClient {
    connector: Arc<Connector>,
    deadline: Duration,
}

impl ParentClient {
    /// A client of the parent at `address` (`host:port`), whose certificate is for `server_name`.
    pub fn builder(address: impl Into<String>, server_name: impl Into<String>) -> ParentClientBuilder {
        ParentClientBuilder {
            address: address.into(),
            server_name: server_name.into(),
            roots: None,
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// Creates a key of the chain family `family` under `policy`, a JSON document, whose caller is the parent.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::MalformedInput`] if `policy` is not JSON.
    pub async fn create_key(&self, family: &str, policy: &[u8]) -> Result<KeyAnswer, ClientError> {
        self.create_key_for(family, policy, &[]).await
    }

    /// Creates a key of the chain family `family` under `policy`, a JSON document, with which `callers` alone may sign, and
    /// only over sessions of their own.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::MalformedInput`] if `policy` is not JSON.
    pub async fn create_key_for(
        &self,
        family: &str,
        policy: &[u8],
        callers: &[SpkiDigest],
    ) -> Result<KeyAnswer, ClientError> {
        let (family, policy) = (family.to_owned(), raw_json("the policy", policy)?);
        let body = encode(&CreateKeyBody { family, policy, callers: callers.to_vec() })?;
        self.exchange(Method::POST, "/v1/keys", Some(body), StatusCode::CREATED).await
    }

    /// Every key of the parent's store, page after page, and the ids of those it cannot read.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_keys(&self) -> Result<KeyPage, ClientError> {
        let mut all = KeyPage::default();
        loop {
            let page = self.list_keys_after(all.next.as_ref(), PAGE_LEN).await?;
            // A parent that sends the same page forever must not keep this loop alive.
            let ahead = page.next > all.next;
            all.keys.extend(page.keys);
            all.unreadable.extend(page.unreadable);
            all.next = page.next;
            if all.next.is_none() {
                return Ok(all);
            }
            if !ahead || all.keys.len() + all.unreadable.len() > MAX_LISTED_KEYS {
                return Err(ClientError::UnexpectedAnswer {
                    status: StatusCode::OK,
                    detail: format!("the list of keys does not end within {MAX_LISTED_KEYS} keys"),
                });
            }
        }
    }

    /// At most `limit` keys, in the order of their ids, starting behind `after`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_keys_after(&self, after: Option<&KeyId>, limit: usize) -> Result<KeyPage, ClientError> {
        let path = match after {
            Some(after) => format!("/v1/keys?limit={limit}&after={after}"),
            None => format!("/v1/keys?limit={limit}"),
        };
        self.exchange(Method::GET, &path, None, StatusCode::OK).await
    }

    /// One key, with its birth document and its sealed record.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn show_key(&self, id: &KeyId) -> Result<KeyAnswer, ClientError> {
        self.exchange(Method::GET, &format!("/v1/keys/{id}"), None, StatusCode::OK).await
    }

    /// Has the key `id` sign `transaction`: a JSON document or the chain's unsigned encoding, as `encoding` says.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::MalformedInput`] if the transaction should be JSON and is not.
    pub async fn sign(
        &self,
        id: &KeyId,
        encoding: Encoding,
        transaction: &[u8],
        chain_id: Option<&str>,
    ) -> Result<SignAnswer, ClientError> {
        let chain_id = chain_id.map(str::to_owned);
        let body = if matches!(encoding, Encoding::Json | Encoding::TypedData) {
            encode(&SignBody { encoding, transaction: raw_json("the transaction", transaction)?, chain_id })?
        } else {
            let quoted = format!("\"0x{}\"", hex::encode(transaction));
            encode(&SignBody { encoding, transaction: raw_json("the transaction", quoted.as_bytes())?, chain_id })?
        };
        self.exchange(Method::POST, &format!("/v1/keys/{id}/sign"), Some(body), StatusCode::OK).await
    }

    /// Sends `body` to `POST /`, in the form of the reference system: `{transaction_payload, secret_id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sign_reference(&self, body: impl Into<Bytes>) -> Result<ReferenceAnswer, ClientError> {
        self.exchange(Method::POST, "/", Some(body.into()), StatusCode::OK).await
    }

    /// Whether the parent and its enclave can sign. A service that cannot is a [`ClientError::Problem`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn health(&self) -> Result<HealthAnswer, ClientError> {
        self.exchange(Method::GET, "/healthz", None, StatusCode::OK).await
    }

    /// Sends one request as it is given and returns the answer as it came, whatever its status.
    ///
    /// # Errors
    /// [`ClientError`] if there is no whole answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<RawAnswer, ClientError> {
        let exchange = self.connector.exchange(method, path, content_type, body.into());
        match tokio::time::timeout(self.deadline, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::DeadlineExceeded { deadline: self.deadline }),
        }
    }

    async fn exchange<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        expected: StatusCode,
    ) -> Result<A, ClientError> {
        let content_type = body.is_some().then_some("application/json");
        let answer = self.request(method, path, content_type, body.unwrap_or_default()).await?;
        answer.decode(expected)
    }
}

/// Makes a [`ParentClient`].
#[derive(Clone, Debug)]
pub struct ParentClientBuilder {
    address: String,
    server_name: String,
    roots: Option<Vec<CertificateDer<'static>>>,
    deadline: Duration,
}

impl ParentClientBuilder {
    /// Trusts these root certificates, and no others. Without this: Mozilla's roots.
    #[must_use]
    pub fn roots(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.roots = Some(roots.into_iter().collect());
        self
    }

    /// Longest time one request may take as a whole. Without this: 30 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Makes the client; it connects with its first request.
    ///
    /// # Errors
    /// [`ClientError::MalformedInput`] names what cannot be used.
    pub fn build(self) -> Result<ParentClient, ClientError> {
        let server_name = ServerName::try_from(self.server_name.clone())
            .map_err(|error| ClientError::malformed("the server name", error))?;
        let roots = match self.roots {
            Some(roots) => store_of(roots)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let connector = Connector::new(self.address, server_name, roots)?;
        Ok(ParentClient { connector: Arc::new(connector), deadline: self.deadline })
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RawAnswer {
    /// Status code.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body, at most [`MAX_ANSWER_LEN`] bytes.
    pub body: Bytes,
}

impl RawAnswer {
    /// The body as JSON, if the status is the expected one; otherwise the problem it carries.
    fn decode<A: DeserializeOwned>(&self, expected: StatusCode) -> Result<A, ClientError> {
        let unexpected = |detail: String| ClientError::UnexpectedAnswer { status: self.status, detail };
        if self.status == expected {
            return serde_json::from_slice(&self.body).map_err(|error| unexpected(error.to_string()));
        }
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) if problem.status == self.status.as_u16() => Err(ClientError::Problem(Box::new(problem))),
            Ok(problem) => Err(unexpected(format!("its problem document says status {}", problem.status))),
            Err(error) => Err(unexpected(format!("not a problem document: {error}"))),
        }
    }
}

fn store_of(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| ClientError::malformed("a root certificate", error))?;
    }
    if roots.is_empty() {
        return Err(ClientError::malformed("the root certificates", "there is none"));
    }
    Ok(roots)
}

fn encode(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| ClientError::malformed("the request", error))
}

fn raw_json<'a>(what: &'static str, json: &'a [u8]) -> Result<&'a RawValue, ClientError> {
    serde_json::from_slice(json).map_err(|error| ClientError::malformed(what, error))
}

/// Time a request may take, unless the caller says otherwise.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Keys asked for at once.
const PAGE_LEN: usize = 500;

/// Keys [`ParentClient::list_keys`] holds at most.
const MAX_LISTED_KEYS: usize = 100_000;
