//! [`SessionServer`]: opens sessions with clients, and hands them to a [`Server`](crate::Server).

mod accept_loop;
mod builder;
mod evidence_source;
mod openings;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use self::builder::SessionServerBuilder;
use self::builder::{Limits, OnFailure};
use self::evidence_source::EvidenceSource;
use self::openings::{Opening, Openings};
use super::budgeted::Budgeted;
use super::keys::ServerKey;
use super::preamble::{Answer, Hello, Wants};
use super::stream::Carrier;
use super::{
    AllowedClients, BUFFER_LIMIT, Evidence, MAX_EVIDENCE_LEN, SessionError, SessionKeys, SessionStream, binding, tls,
};
use crate::Server;
use crate::server::ServerHandle;
use crate::transport::{ByteStream, Listener, Peer, PeerIdentity};

type ServerTls = tokio_rustls::server::TlsStream<Carrier>;

/// Opens sessions: the server's half of the exchange that the [module](super) draws. Clones share their limits.
#[derive(Clone)]
pub struct SessionServer {
    inner: Arc<Inner>,
}

struct Inner {
    keys: SessionKeys,
    /// Without a key of its own: each session gets that of the moment it begins.
    config: ServerConfig,
    evidence: Arc<EvidenceSource>,
    clients: AllowedClients,
    limits: Limits,
    openings: Arc<Openings>,
    on_failure: Option<Arc<OnFailure>>,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    displaced: AtomicU64,
    failed: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// What a session server has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounters {
    /// Openings that lost their place to another client.
    pub displaced: u64,
    /// Openings that failed otherwise.
    pub failed: u64,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions that are being opened now.
    pub opening: u64,
    /// Connections closed at once because too many sessions were being opened.
    pub refused: u64,
}

impl SessionServer {
    /// A server that signs handshakes with `keys`, shows `evidence` for them, and opens sessions with `clients`.
    pub fn builder(
        keys: SessionKeys,
        evidence: impl Evidence + 'static,
        clients: AllowedClients,
    ) -> SessionServerBuilder {
        SessionServerBuilder::new(keys, Arc::new(evidence), clients)
    }

    /// Opens a session with everyone who connects, and lets `server` serve those that are open, until the handle is
    /// shut down or dropped.
    ///
    /// The limits of `server` hold for open sessions alone. Shutting down ends those that are being opened at once,
    /// and waits for evidence that is being made for the cache.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(&self, listener: Listener, server: Server) -> ServerHandle {
        let sessions = self.clone();
        ServerHandle::accepting(listener, |listener, shutdown| sessions.accept_loop(listener, server, shutdown))
    }

    /// Opens a session over one stream that was accepted elsewhere; returns it, and `peer` with the client's identity,
    /// for [`Server::serve_stream`].
    ///
    /// # Errors
    /// Why there is no session. The stream is closed then.
    pub async fn accept<T>(&self, stream: T, peer: Peer) -> Result<(SessionStream, Peer), SessionError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let place = self.admit()?;
        let session = self.open(Box::new(stream), place).await?;
        let peer = peer.with_identity(session.peer_identity());
        Ok((session, peer))
    }

    /// What has been done so far.
    #[must_use]
    pub fn counters(&self) -> SessionCounters {
        let totals = &self.inner.totals;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SessionCounters {
            displaced: read(&totals.displaced),
            failed: read(&totals.failed),
            opened: read(&totals.opened),
            opening: self.inner.openings.taken() as u64,
            refused: read(&totals.refused),
        }
    }

    /// The keys, for instance to [`rotate`](SessionKeys::rotate) them.
    #[must_use]
    pub fn keys(&self) -> &SessionKeys {
        &self.inner.keys
    }

    fn new(builder: SessionServerBuilder) -> Self {
        let SessionServerBuilder { keys, evidence, clients, limits, on_failure } = builder;
        let config = tls::server_config(keys.current().resolver());
        let evidence = EvidenceSource::new(evidence, limits.evidence_timeout, limits.cached_evidence_age);
        let openings = Openings::new(limits.max_openings, limits.opening_grace);
        let totals = Totals::default();
        Self { inner: Arc::new(Inner { keys, config, evidence, clients, limits, openings, on_failure, totals }) }
    }

    fn admit(&self) -> Result<Opening, SessionError> {
        let place = self.inner.openings.admit();
        if place.is_none() {
            count(&self.inner.totals.refused);
        }
        place.ok_or(SessionError::TooManyOpenings)
    }

    async fn open(&self, stream: Box<dyn ByteStream>, place: Opening) -> Result<SessionStream, SessionError> {
        let limit = self.inner.limits.opening_timeout;
        let opened = tokio::select! {
            biased;
            () = place.displaced() => Err(SessionError::Displaced),
            opened = timeout(limit, self.inner.negotiate(stream, &place)) => {
                opened.unwrap_or(Err(SessionError::TimedOut { limit }))
            }
        };
        let totals = &self.inner.totals;
        count(match &opened {
            Ok(_) => &totals.opened,
            Err(SessionError::Displaced) => &totals.displaced,
            Err(_) => &totals.failed,
        });
        opened
    }
}

impl fmt::Debug for SessionServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionServer")
            .field("keys", &self.inner.keys)
            .field("clients", &self.inner.clients)
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The exchange, from the first byte to the last of the evidence.
    async fn negotiate(&self, stream: Box<dyn ByteStream>, place: &Opening) -> Result<SessionStream, SessionError> {
        let key = self.keys.current();
        let mut tls = self.shake_hands(&key, stream).await?;
        let client = PeerIdentity::of_public_key(&tls::peer_key(tls.get_ref().1)?);
        let mut hello = [0; Hello::LEN];
        tls.read_exact(&mut hello).await?;
        let hello = Hello::from_bytes(&hello).ok_or(SessionError::MalformedHello)?;
        if !self.clients.allows(&client) {
            refuse(&mut tls, Answer::NotAllowed).await;
            return Err(SessionError::ClientKeyNotAllowed { identity: client });
        }
        let nonce = binding::nonce_of(tls.get_ref().1, &hello.nonce)?;
        place.set_ours(true);
        let answer = tokio::select! {
            biased;
            answer = self.answer(&key, hello.wants, &nonce) => answer,
            // Evidence costs the NSM's time and this place: neither is for a peer that has left.
            interrupted = interruption(&mut tls) => return Err(interrupted),
        };
        place.set_ours(false);
        match answer {
            Ok(answer) => send(&mut tls, &answer).await?,
            Err(error) => {
                refuse(&mut tls, Answer::Unavailable).await;
                return Err(error);
            }
        }
        Ok(SessionStream::opened(tls, client))
    }

    async fn shake_hands(&self, key: &ServerKey, stream: Box<dyn ByteStream>) -> Result<ServerTls, SessionError> {
        let mut config = self.config.clone();
        config.cert_resolver = key.resolver();
        let stream = Budgeted::new(stream, MAX_OPENING_LEN);
        let accepting = TlsAcceptor::from(Arc::new(config))
            .accept_with(stream, |connection| connection.set_buffer_limit(Some(BUFFER_LIMIT)));
        Ok(accepting.await?)
    }

    /// The answer to a hello, with evidence.
    async fn answer(&self, key: &Arc<ServerKey>, wants: Wants, nonce: &[u8; 32]) -> Result<Vec<u8>, SessionError> {
        let caches = !self.limits.cached_evidence_age.is_zero();
        // A key that was replaced is none to cache evidence for.
        if wants == Wants::Cached && caches && Arc::ptr_eq(key, &self.keys.current()) {
            let evidence = self.evidence.cached(key).await?;
            return encode(|len| Answer::Cached { len }, &evidence);
        }
        let evidence = self.evidence.fresh(key, nonce).await?;
        encode(|len| Answer::Fresh { len }, &evidence)
    }
}

fn encode(answer: impl FnOnce(u16) -> Answer, evidence: &[u8]) -> Result<Vec<u8>, SessionError> {
    let len = evidence.len();
    let announced = u16::try_from(len).map_err(|_| SessionError::EvidenceTooLong { len })?;
    Ok([&answer(announced).to_bytes()[..], evidence].concat())
}

/// Waits until the client, whose turn it is not, leaves or says something.
async fn interruption(tls: &mut ServerTls) -> SessionError {
    match tls.read(&mut [0]).await {
        Ok(0) => SessionError::Closed,
        Ok(_) => SessionError::MalformedHello,
        Err(error) => error.into(),
    }
}

async fn send(tls: &mut ServerTls, bytes: &[u8]) -> Result<(), SessionError> {
    tls.write_all(bytes).await?;
    Ok(tls.flush().await?)
}

/// Tells the client why, if it still listens; the refusal stands either way.
async fn refuse(tls: &mut ServerTls, answer: Answer) {
    if send(tls, &answer.to_bytes()).await.is_ok() {
        let _ = tls.shutdown().await;
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

const _: () = assert!(MAX_EVIDENCE_LEN <= u16::MAX as usize);
/// The most that is read of a client before its session is open. A client of this crate sends less than 3 KiB.
const MAX_OPENING_LEN: usize = 8 * 1024;
