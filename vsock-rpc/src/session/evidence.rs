//! The joints: where evidence comes from ([`Evidence`]), and who judges it ([`VerifyEvidence`]).

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A future on the heap, as object-safe traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an implementation reports; it is carried as it is in [`SessionError`](super::SessionError).
pub type EvidenceError = Box<dyn Error + Send + Sync>;

/// Gets evidence that a server's public key belongs to what it claims to be: in a Nitro Enclave, an attestation
/// document. Object-safe; see the [module](super) for an implementation.
pub trait Evidence: Send + Sync {
    /// Evidence of at most [`MAX_EVIDENCE_LEN`](super::MAX_EVIDENCE_LEN) bytes over exactly what is requested.
    ///
    /// It is given up after [`evidence_timeout`](super::SessionServerBuilder::evidence_timeout), and when the peer
    /// that it is for leaves. As many requests are made at a time as there are sessions being opened.
    ///
    /// # Errors
    /// The client is told that there is no evidence, and nothing of the error; this side gets it as
    /// [`SessionError::EvidenceSource`](super::SessionError::EvidenceSource).
    fn evidence<'a>(&'a self, request: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>>;
}

/// Judges a server's evidence. Object-safe.
pub trait VerifyEvidence: Send + Sync {
    /// Accepts `evidence` only if it proves all that is expected, and that what made it is what this client wants to
    /// speak to, such as an enclave of a certain image.
    ///
    /// It runs on the connection's task and should not take longer than checking signatures does.
    ///
    /// # Errors
    /// Why not. The session is not opened; the error becomes
    /// [`SessionError::EvidenceRejected`](super::SessionError::EvidenceRejected).
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError>;
}

const _: (Option<&dyn Evidence>, Option<&dyn VerifyEvidence>) = (None, None);

impl<T: Evidence + ?Sized> Evidence for Arc<T> {
    fn evidence<'a>(&'a self, request: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
        (**self).evidence(request)
    }
}

impl<T: VerifyEvidence + ?Sized> VerifyEvidence for Arc<T> {
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        (**self).verify(evidence, expected)
    }
}

/// What evidence must be over. No peer chooses any of it: the key is this server's, and the nonce a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceRequest<'a> {
    public_key: &'a [u8],
    nonce: Option<&'a [u8; 32]>,
}

impl<'a> EvidenceRequest<'a> {
    /// A request for one session.
    #[must_use]
    pub fn fresh(public_key: &'a [u8], nonce: &'a [u8; 32]) -> Self {
        Self { public_key, nonce: Some(nonce) }
    }

    /// A request for evidence that will be shown to several clients.
    #[must_use]
    pub fn cached(public_key: &'a [u8]) -> Self {
        Self { public_key, nonce: None }
    }

    /// The SubjectPublicKeyInfo (DER) of the key with which the server signs handshakes: 91 bytes.
    #[must_use]
    pub fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// The nonce that binds the evidence to one session; `None` if it is to be cached.
    #[must_use]
    pub fn nonce(&self) -> Option<&'a [u8; 32]> {
        self.nonce
    }
}

/// What evidence must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedEvidence<'a> {
    public_key: &'a [u8],
    freshness: Freshness<'a>,
}

/// How evidence must prove that it is not old.
///
/// Exhaustive on purpose: a verifier that does not know a kind must not compile, rather than pass what it cannot judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness<'a> {
    /// It must be no older than this by the verifier's own clock. Only clients that accept cached evidence meet this.
    MaxAge(Duration),
    /// It must contain exactly this nonce, which belongs to this session alone.
    Nonce(&'a [u8; 32]),
}

impl<'a> ExpectedEvidence<'a> {
    /// What evidence for one session must prove.
    #[must_use]
    pub fn fresh(public_key: &'a [u8], nonce: &'a [u8; 32]) -> Self {
        Self { public_key, freshness: Freshness::Nonce(nonce) }
    }

    /// What cached evidence must prove.
    #[must_use]
    pub fn cached(public_key: &'a [u8], max_age: Duration) -> Self {
        Self { public_key, freshness: Freshness::MaxAge(max_age) }
    }

    /// The SubjectPublicKeyInfo (DER) that the evidence must name: that of the key which signed this handshake.
    #[must_use]
    pub fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// How it must prove that it is not old.
    #[must_use]
    pub fn freshness(&self) -> Freshness<'a> {
        self.freshness
    }
}
