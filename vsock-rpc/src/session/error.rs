//! [`SessionError`]: why a session was not opened.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, PeerIncompatible, PeerMisbehaved};

use super::MAX_EVIDENCE_LEN;
use crate::transport::PeerIdentity;

/// Why a session was not opened. No request was sent, and none was read.
///
/// [`Client`](crate::Client) reports it inside [`CallError::Unreachable`](crate::CallError::Unreachable), where
/// [`find`](Self::find) finds it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer gave up with an alert.
    #[error("the peer sent the TLS alert {code}, {name}")]
    Alert {
        /// Its number (RFC 8446 §6).
        code: u8,
        /// Its name.
        name: &'static str,
    },
    /// The peer shows a public key whose private key did not sign this handshake.
    #[error("the handshake is not signed by the key that the peer shows")]
    BadSignature,
    /// The server offered evidence that was not made for this session, and the client asked for such.
    #[error("the server offered cached evidence where fresh was asked for")]
    CachedEvidence,
    /// The server has no session for this client.
    #[error("the client {identity} is not allowed")]
    ClientKeyNotAllowed {
        /// The client's key.
        identity: PeerIdentity,
    },
    /// The stream ended before the session was open.
    #[error("the stream ended before the session was open")]
    Closed,
    /// What arrived is not what the peer sent: a record that fails its authentication, or is none.
    #[error("what arrived is not what a peer sent: {0}")]
    Corrupted(#[source] Arc<dyn Error + Send + Sync>),
    /// The client took long, and had to leave its place to another.
    #[error("the session took so long to open that another client got its place")]
    Displaced,
    /// The evidence has no bytes.
    #[error("the evidence is empty")]
    EvidenceEmpty,
    /// The verifier did not accept the evidence.
    #[error("the evidence is rejected: {0}")]
    EvidenceRejected(#[source] Arc<dyn Error + Send + Sync>),
    /// The server's source of evidence failed. The client gets [`EvidenceUnavailable`](Self::EvidenceUnavailable).
    #[error("there is no evidence: {0}")]
    EvidenceSource(#[source] Arc<dyn Error + Send + Sync>),
    /// The server's source of evidence did not answer in time. The client gets
    /// [`EvidenceUnavailable`](Self::EvidenceUnavailable).
    #[error("there is no evidence within {limit:?}")]
    EvidenceTimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The evidence is too long.
    #[error("the evidence has {len} bytes, more than {max}", max = MAX_EVIDENCE_LEN)]
    EvidenceTooLong {
        /// Its length.
        len: usize,
    },
    /// The server says that it cannot get evidence.
    #[error("the server has no evidence")]
    EvidenceUnavailable,
    /// The stream failed, or could not be made.
    #[error("the stream failed: {0}")]
    Io(#[source] Arc<io::Error>),
    /// The server's answer to the hello has no form that is known.
    #[error("the server's answer to the hello is malformed")]
    MalformedAnswer,
    /// The client's hello has no form that is known, or more follows it before its answer.
    #[error("the client's hello is malformed")]
    MalformedHello,
    /// The peer shows no key.
    #[error("the peer shows no key")]
    NoPeerKey,
    /// The peer sent more bytes than opening a session takes.
    #[error("opening the session took more than {max} bytes of the peer")]
    OpeningTooLong {
        /// The limit.
        max: usize,
    },
    /// The peer speaks another protocol inside TLS.
    #[error("the peer does not speak this protocol")]
    OtherProtocol,
    /// The peer wants X.509 certificates.
    #[error("the peer does not use raw public keys")]
    RawKeyRequired,
    /// The handshake failed otherwise.
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] Arc<dyn Error + Send + Sync>),
    /// The session was not open in time.
    #[error("the session was not open within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// As many sessions as allowed are being opened.
    #[error("too many sessions are being opened")]
    TooManyOpenings,
    /// The peer's key is not P-256 or ed25519 (a server's: not P-256), or is encoded in an unusual way.
    #[error("the peer's key is of an unsupported kind")]
    UnsupportedKey,
    /// The peer does not offer TLS 1.3.
    #[error("the peer does not speak TLS 1.3")]
    UnsupportedVersion,
}

impl SessionError {
    /// The session error among the causes of `error`, such as a [`CallError`](crate::CallError) or an [`io::Error`].
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            let as_io = error.downcast_ref::<io::Error>();
            let io = as_io.or_else(|| error.downcast_ref::<Arc<io::Error>>().map(|shared| &**shared));
            // An io::Error's source is that of the error inside, not the error inside.
            next = match io.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn is_refusal(&self) -> bool {
        use SessionError::{BadSignature, CachedEvidence, ClientKeyNotAllowed, EvidenceRejected};
        matches!(self, BadSignature | CachedEvidence | ClientKeyNotAllowed { .. } | EvidenceRejected(_))
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<Self>()) {
            return error.clone();
        }
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return error.clone().into();
        }
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl From<rustls::Error> for SessionError {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error as Tls;
        match error {
            Tls::AlertReceived(alert) => Self::Alert { code: alert.into(), name: alert.as_str().unwrap_or("unknown") },
            Tls::InvalidCertificate(CertificateError::BadEncoding) => Self::UnsupportedKey,
            Tls::InvalidCertificate(CertificateError::BadSignature)
            | Tls::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => Self::BadSignature,
            Tls::NoApplicationProtocol | Tls::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
                Self::OtherProtocol
            }
            Tls::NoCertificatesPresented => Self::NoPeerKey,
            Tls::PeerIncompatible(incompatible) => from_incompatible(incompatible),
            Tls::DecryptError
            | Tls::InappropriateHandshakeMessage { .. }
            | Tls::InappropriateMessage { .. }
            | Tls::InvalidMessage(_)
            | Tls::PeerSentOversizedRecord => Self::Corrupted(Arc::new(error)),
            _ => Self::Tls(Arc::new(error)),
        }
    }
}

fn from_incompatible(incompatible: PeerIncompatible) -> SessionError {
    use PeerIncompatible::{
        IncorrectCertificateTypeExtension, ServerDoesNotSupportTls12Or13, ServerTlsVersionIsDisabledByOurConfig,
        SupportedVersionsExtensionRequired, Tls12NotOffered, Tls12NotOfferedOrEnabled,
    };
    match incompatible {
        IncorrectCertificateTypeExtension => SessionError::RawKeyRequired,
        ServerDoesNotSupportTls12Or13
        | ServerTlsVersionIsDisabledByOurConfig
        | SupportedVersionsExtensionRequired
        | Tls12NotOffered
        | Tls12NotOfferedOrEnabled => SessionError::UnsupportedVersion,
        _ => SessionError::Tls(Arc::new(rustls::Error::PeerIncompatible(incompatible))),
    }
}

impl From<SessionError> for io::Error {
    fn from(error: SessionError) -> Self {
        let kind = match &error {
            SessionError::Closed => io::ErrorKind::UnexpectedEof,
            SessionError::Io(error) => error.kind(),
            SessionError::TimedOut { .. } => io::ErrorKind::TimedOut,
            refusal if refusal.is_refusal() => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
