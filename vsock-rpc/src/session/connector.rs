//! [`SessionConnector`]: the client's half of opening sessions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::budgeted::Budgeted;
use super::evidence::{ExpectedEvidence, VerifyEvidence};
use super::preamble::{Answer, Hello, Wants};
use super::stream::Carrier;
use super::{BUFFER_LIMIT, ClientKey, MAX_EVIDENCE_LEN, SessionError, SessionStream, binding, tls};
use crate::client::Connector;
use crate::limits::cut_to_max_timeout;
use crate::transport::{ByteStream, PeerIdentity};

type ClientTls = tokio_rustls::client::TlsStream<Carrier>;

/// Opens sessions with a server whose evidence it verifies. Clones are cheap.
///
/// Give it to [`Client::builder`](crate::Client::builder): every connection that the client makes, the first and each
/// after a loss, is then a session of its own with evidence of its own. Or [`connect`](Self::connect) by hand.
#[derive(Clone)]
pub struct SessionConnector {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    config: Arc<ClientConfig>,
    identity: PeerIdentity,
    verifier: Arc<dyn VerifyEvidence>,
    cached_max_age: Option<Duration>,
    opening_timeout: Duration,
}

/// Sets up a [`SessionConnector`].
///
/// Every timeout is cut to 30 days.
#[derive(Clone)]
#[must_use]
pub struct SessionConnectorBuilder {
    connector: Connector,
    key: ClientKey,
    verifier: Arc<dyn VerifyEvidence>,
    cached_max_age: Option<Duration>,
    opening_timeout: Duration,
}

impl SessionConnectorBuilder {
    /// Accepts evidence that the server has from earlier sessions, if the verifier finds it no older than `max_age`.
    ///
    /// # Security
    /// Such evidence says that the server's key was an enclave's at most `max_age` ago. That the server holds the key
    /// now is still proved by each handshake. What is lost is that the enclave is still the one, in the state, that
    /// the evidence describes: registers extended since, or a key that left the enclave since, are not seen.
    pub fn accept_cached_evidence(mut self, max_age: Duration) -> Self {
        self.cached_max_age = Some(max_age);
        self
    }

    /// How long opening a session may take, connecting included. Default 10 s.
    ///
    /// A [`Client`](crate::Client) also counts it as connecting: the shorter of this and its
    /// [`connect_timeout`](crate::client::ClientBuilder::connect_timeout) holds.
    pub fn opening_timeout(mut self, timeout: Duration) -> Self {
        self.opening_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// The connector.
    #[must_use]
    pub fn build(self) -> SessionConnector {
        let config = Arc::new(tls::client_config(self.key.pair()));
        let Self { connector, key, verifier, cached_max_age, opening_timeout } = self;
        let identity = key.identity();
        SessionConnector {
            inner: Arc::new(Inner { connector, config, identity, verifier, cached_max_age, opening_timeout }),
        }
    }
}

impl fmt::Debug for SessionConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionConnectorBuilder")
            .field("connector", &self.connector)
            .field("key", &self.key)
            .field("cached_max_age", &self.cached_max_age)
            .field("opening_timeout", &self.opening_timeout)
            .finish_non_exhaustive()
    }
}

impl SessionConnector {
    /// Opens sessions over the streams of `connector`, such as an [`Addr`](crate::Addr), as the client that `key`
    /// proves, with servers that `verifier` accepts.
    pub fn builder(
        connector: impl Into<Connector>,
        key: &ClientKey,
        verifier: impl VerifyEvidence + 'static,
    ) -> SessionConnectorBuilder {
        SessionConnectorBuilder {
            connector: connector.into(),
            key: key.clone(),
            verifier: Arc::new(verifier),
            cached_max_age: None,
            opening_timeout: Duration::from_secs(10),
        }
    }

    /// Opens a session. The stream is there only once the server's evidence is verified.
    ///
    /// # Errors
    /// Why there is no session. Nothing but the hello was sent.
    pub async fn connect(&self) -> Result<SessionStream, SessionError> {
        self.connect_within(Duration::MAX).await
    }

    /// The same, for a caller who waits no longer than `patience`.
    async fn connect_within(&self, patience: Duration) -> Result<SessionStream, SessionError> {
        let limit = self.inner.opening_timeout;
        timeout(limit, self.inner.open(limit.min(patience))).await.unwrap_or(Err(SessionError::TimedOut { limit }))
    }
}

impl From<SessionConnector> for Connector {
    fn from(sessions: SessionConnector) -> Self {
        let target = Arc::clone(sessions.inner.connector.target());
        Self::within(target, move |timeout| {
            let sessions = sessions.clone();
            async move { Ok(sessions.connect_within(timeout).await?) }
        })
    }
}

impl fmt::Debug for SessionConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionConnector")
            .field("connector", &self.inner.connector)
            .field("identity", &self.inner.identity)
            .field("cached_max_age", &self.inner.cached_max_age)
            .field("opening_timeout", &self.inner.opening_timeout)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The exchange, up to the verdict on the evidence.
    async fn open(&self, timeout: Duration) -> Result<SessionStream, SessionError> {
        let stream = self.connector.connect(timeout).await.map_err(|error| SessionError::Io(Arc::new(error)))?;
        let mut tls = self.shake_hands(stream).await?;
        let server_key = tls::peer_key(tls.get_ref().1)?;
        let nonce = self.say_hello(&mut tls).await?;
        let (max_age, evidence) = self.read_answer(&mut tls).await?;
        let session_nonce = binding::nonce_of(tls.get_ref().1, &nonce)?;
        let expected = match max_age {
            Some(max_age) => ExpectedEvidence::cached(&server_key, max_age),
            None => ExpectedEvidence::fresh(&server_key, &session_nonce),
        };
        let verdict = self.verifier.verify(&evidence, &expected);
        verdict.map_err(|error| SessionError::EvidenceRejected(error.into()))?;
        Ok(SessionStream::opened(tls, PeerIdentity::of_public_key(&server_key)))
    }

    async fn shake_hands(&self, stream: Box<dyn ByteStream>) -> Result<ClientTls, SessionError> {
        let stream = Budgeted::new(stream, MAX_OPENING_LEN);
        let connecting =
            TlsConnector::from(Arc::clone(&self.config))
                .connect_with(tls::no_name(), stream, |connection| connection.set_buffer_limit(Some(BUFFER_LIMIT)));
        Ok(connecting.await?)
    }

    async fn say_hello(&self, tls: &mut ClientTls) -> Result<[u8; 32], SessionError> {
        let mut nonce = [0; 32];
        let no_random = |_| SessionError::from(rustls::Error::FailedToGetRandomBytes);
        aws_lc_rs::rand::fill(&mut nonce).map_err(no_random)?;
        let wants = if self.cached_max_age.is_some() { Wants::Cached } else { Wants::Fresh };
        tls.write_all(&Hello { wants, nonce }.to_bytes()).await?;
        tls.flush().await?;
        Ok(nonce)
    }

    /// The evidence, with the age that it may have; `None` if it says that it was made for this session.
    async fn read_answer(&self, tls: &mut ClientTls) -> Result<(Option<Duration>, Vec<u8>), SessionError> {
        let mut head = [0; Answer::LEN];
        tls.read_exact(&mut head).await?;
        let (max_age, len) = match Answer::from_bytes(head).ok_or(SessionError::MalformedAnswer)? {
            Answer::Cached { len } => {
                (Some(self.cached_max_age.ok_or(SessionError::CachedEvidence)?), usize::from(len))
            }
            Answer::Fresh { len } => (None, usize::from(len)),
            Answer::NotAllowed => return Err(SessionError::ClientKeyNotAllowed { identity: self.identity }),
            Answer::Unavailable => return Err(SessionError::EvidenceUnavailable),
        };
        match len {
            0 => Err(SessionError::EvidenceEmpty),
            1..=MAX_EVIDENCE_LEN => {
                let mut evidence = vec![0; len];
                tls.read_exact(&mut evidence).await?;
                Ok((max_age, evidence))
            }
            _ => Err(SessionError::EvidenceTooLong { len }),
        }
    }
}

/// The most that is read of a server before its session is open: evidence, and less than 4 KiB of handshake.
const MAX_OPENING_LEN: usize = 32 * 1024;
