//! What the session tests share: evidence that a toy authority signs, a server in memory, and TLS in the hands of an
//! attacker. The bytes of the preamble and the binding are written out here again, apart from the crate.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use vsock_rpc::client::Connector;
use vsock_rpc::session::{
    AllowedClients, BoxFuture, ClientKey, Evidence, EvidenceError, EvidenceRequest, ExpectedEvidence, Freshness,
    SessionConnector, SessionConnectorBuilder, SessionError, SessionKeys, SessionServer, SessionServerBuilder,
    VerifyEvidence,
};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallError, Client, Listener, Peer, PeerIdentity, Server, ServerHandle};

use crate::common::{LONG, SECOND, State, router};

pub(crate) mod tls;

/// The image that clients want to speak to.
pub(crate) const IMAGE: u8 = 7;
/// Another image, as genuine.
pub(crate) const OTHER_IMAGE: u8 = 8;

/// Signs evidence, as a hypervisor's security module does, and knows the time.
#[derive(Clone)]
pub(crate) struct Authority {
    key: Arc<Ed25519KeyPair>,
    began: Instant,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self { key: Arc::new(Ed25519KeyPair::generate().unwrap()), began: Instant::now() }
    }

    pub(crate) fn enclave(&self, image: u8) -> Arc<Enclave> {
        Arc::new(Enclave {
            authority: self.clone(),
            image,
            behaviour: Mutex::default(),
            requests: Mutex::default(),
            asked: Notify::new(),
            gate: Semaphore::new(0),
        })
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        let authority = UnparsedPublicKey::new(&ED25519, self.key.public_key().as_ref().to_vec());
        Arc::new(Verifier { authority, began: self.began, images: vec![IMAGE], verified: AtomicUsize::new(0) })
    }

    /// Signature, image, seconds since the authority began, nonce or zeros, public key.
    pub(crate) fn sign(&self, image: u8, public_key: &[u8], nonce: Option<&[u8; 32]>) -> Vec<u8> {
        let seconds = self.began.elapsed().as_secs().to_be_bytes();
        let statement = [&[image][..], &seconds, nonce.unwrap_or(&[0; 32]), public_key].concat();
        [self.key.sign(&statement).as_ref(), &statement].concat()
    }
}

/// What an enclave's source of evidence does when asked.
#[derive(Clone, Debug, Default)]
pub(crate) enum Behaviour {
    #[default]
    Honest,
    /// Answers with these bytes.
    Bytes(Vec<u8>),
    Fails,
    /// Answers honestly once let through the gate.
    Gated,
    Hangs,
    Panics,
}

/// A public key, and the nonce if there was one.
pub(crate) type Asked = (Vec<u8>, Option<[u8; 32]>);

pub(crate) struct Enclave {
    authority: Authority,
    image: u8,
    pub(crate) behaviour: Mutex<Behaviour>,
    /// The public keys and nonces asked for.
    pub(crate) requests: Mutex<Vec<Asked>>,
    pub(crate) asked: Notify,
    pub(crate) gate: Semaphore,
}

impl Enclave {
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl Evidence for Enclave {
    fn evidence<'a>(&'a self, request: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
        let behaviour = self.behaviour.lock().unwrap().clone();
        self.requests.lock().unwrap().push((request.public_key().to_vec(), request.nonce().copied()));
        self.asked.notify_one();
        let honest = move || self.authority.sign(self.image, request.public_key(), request.nonce());
        Box::pin(async move {
            match behaviour {
                Behaviour::Honest => Ok(honest()),
                Behaviour::Bytes(bytes) => Ok(bytes),
                Behaviour::Fails => Err("the security module is broken".into()),
                Behaviour::Gated => {
                    self.gate.acquire().await?.forget();
                    Ok(honest())
                }
                Behaviour::Hangs => std::future::pending().await,
                Behaviour::Panics => panic!("this panic belongs to the test"),
            }
        })
    }
}

/// Why the toy verifier says no.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    BadSignature,
    Malformed,
    NonceMismatch,
    PublicKeyMismatch,
    TooOld,
    WrongImage,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Rejection {}

pub(crate) struct Verifier {
    authority: UnparsedPublicKey<Vec<u8>>,
    began: Instant,
    pub(crate) images: Vec<u8>,
    pub(crate) verified: AtomicUsize,
}

impl Verifier {
    fn judge(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), Rejection> {
        let (signature, statement) = evidence.split_at_checked(64).ok_or(Rejection::Malformed)?;
        self.authority.verify(statement, signature).map_err(|_| Rejection::BadSignature)?;
        let (image, rest) = statement.split_first().ok_or(Rejection::Malformed)?;
        let (seconds, rest) = rest.split_first_chunk::<8>().ok_or(Rejection::Malformed)?;
        let (nonce, public_key) = rest.split_first_chunk::<32>().ok_or(Rejection::Malformed)?;
        if !self.images.contains(image) {
            return Err(Rejection::WrongImage);
        }
        if public_key != expected.public_key() {
            return Err(Rejection::PublicKeyMismatch);
        }
        match expected.freshness() {
            Freshness::Nonce(expected) if nonce == expected => Ok(()),
            Freshness::Nonce(_) => Err(Rejection::NonceMismatch),
            Freshness::MaxAge(max_age) => {
                let made_at = Duration::from_secs(u64::from_be_bytes(*seconds));
                if self.began.elapsed() - made_at <= max_age { Ok(()) } else { Err(Rejection::TooOld) }
            }
        }
    }
}

impl VerifyEvidence for Verifier {
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        self.judge(evidence, expected)?;
        self.verified.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A session server in memory, the enclave behind it, and what a client needs.
pub(crate) struct SessionRig {
    pub(crate) authority: Authority,
    pub(crate) enclave: Arc<Enclave>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) state: Arc<State>,
    pub(crate) keys: SessionKeys,
    pub(crate) sessions: SessionServer,
    pub(crate) connector: MemoryConnector,
    pub(crate) client_key: ClientKey,
    pub(crate) server: ServerHandle,
    pub(crate) failures: Failures,
}

/// What the server reported of sessions that it did not open.
#[derive(Clone, Default)]
pub(crate) struct Failures {
    seen: Arc<Mutex<Vec<SessionError>>>,
    added: Arc<Notify>,
}

impl Failures {
    fn report(&self, _: &Peer, error: &SessionError) {
        self.seen.lock().unwrap().push(error.clone());
        self.added.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The next one, in order.
    pub(crate) async fn next(&self) -> SessionError {
        loop {
            let added = self.added.notified();
            {
                let mut seen = self.seen.lock().unwrap();
                if !seen.is_empty() {
                    return seen.remove(0);
                }
            }
            added.await;
        }
    }
}

impl SessionRig {
    pub(crate) fn new() -> Self {
        Self::with(AllowedClients::any(), |sessions| sessions)
    }

    /// Its server serves cached evidence to those who accept it.
    pub(crate) fn caching() -> Self {
        Self::with(AllowedClients::any(), |sessions| sessions.serve_cached_evidence(60 * SECOND))
    }

    pub(crate) fn with(
        clients: AllowedClients,
        configure: impl FnOnce(SessionServerBuilder) -> SessionServerBuilder,
    ) -> Self {
        Self::under(&Authority::new(), IMAGE, clients, configure)
    }

    pub(crate) fn under(
        authority: &Authority,
        image: u8,
        clients: AllowedClients,
        configure: impl FnOnce(SessionServerBuilder) -> SessionServerBuilder,
    ) -> Self {
        let state = Arc::new(State::default());
        let enclave = authority.enclave(image);
        let keys = SessionKeys::generate().unwrap();
        let failures = Failures::default();
        let reported = failures.clone();
        let builder = SessionServer::builder(keys.clone(), Arc::clone(&enclave), clients)
            .on_failure(move |peer, error| reported.report(peer, error));
        let sessions = configure(builder).build();
        let (listener, connector) = Listener::memory(64 * 1024);
        let server = Server::builder(router(&state)).max_payload_len(2 << 20).max_connections(1024).build();
        let server = sessions.serve(listener, server);
        Self {
            authority: authority.clone(),
            enclave,
            verifier: authority.verifier(),
            state,
            keys,
            sessions,
            connector,
            client_key: ClientKey::generate_p256().unwrap(),
            server,
            failures,
        }
    }

    /// Opens sessions through `connector`, as an honest client does.
    pub(crate) fn through(&self, connector: impl Into<Connector>) -> SessionConnectorBuilder {
        SessionConnector::builder(connector, &self.client_key, Arc::clone(&self.verifier))
    }

    pub(crate) fn connector(&self) -> SessionConnector {
        self.through(self.connector.clone()).build()
    }

    pub(crate) fn client(&self) -> Client {
        client(self.connector())
    }
}

pub(crate) fn client(sessions: SessionConnector) -> Client {
    // Longer than opening a session may take, so that it is the session that says what went wrong.
    Client::builder(sessions).max_payload_len(2 << 20).connect_timeout(LONG).build()
}

/// The session error behind a call that did not reach anyone.
pub(crate) fn cause(error: &CallError) -> &SessionError {
    assert!(!error.may_have_run(), "{error}");
    SessionError::find(error).unwrap_or_else(|| panic!("no session error in {error:?}"))
}

/// The verifier's reason in a session error.
pub(crate) fn rejection(error: &SessionError) -> &Rejection {
    let SessionError::EvidenceRejected(reason) = error else { panic!("not rejected: {error:?}") };
    reason.downcast_ref().expect("the verifier's own error")
}

/// The hello: 1 for fresh evidence, 2 for cached, and the nonce.
pub(crate) fn hello(wants: u8, nonce: [u8; 32]) -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[0] = wants;
    bytes[4..].copy_from_slice(&nonce);
    bytes
}

/// The head of an answer: 1 for fresh evidence, 2 for cached.
pub(crate) fn answer(kind: u8, evidence: &[u8]) -> Vec<u8> {
    let len = u16::try_from(evidence.len()).unwrap();
    [&[kind, 0][..], &len.to_be_bytes(), evidence].concat()
}

/// The nonce that evidence for a session contains.
pub(crate) fn session_nonce(exported: &[u8; 32], nonce: &[u8; 32]) -> [u8; 32] {
    let preimage = [b"vsock-rpc/1 session evidence nonce\0", &nonce[..], exported].concat();
    digest::digest(&digest::SHA256, &preimage).as_ref().try_into().unwrap()
}

pub(crate) fn identity_of(spki: &[u8]) -> PeerIdentity {
    PeerIdentity::from_bytes(digest::digest(&digest::SHA256, spki).as_ref().try_into().unwrap())
}
