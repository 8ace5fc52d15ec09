//! [`Error`]: everything a call can end with, sorted by whose fault it is.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nsm_attest::{AsyncNsmError, PcrValue, UnixTime};

use crate::cms::{DecryptError, MalformedCms};
use crate::key_arn::KeyArn;
use crate::key_id::KeyId;
use crate::service_error::ServiceError;

/// Why a call to KMS gave no result.
///
/// No variant carries a plaintext, a key or a credential.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An attempt took longer than the retry policy lets one take, and there was no other.
    #[error("an attempt to reach KMS took longer than {timeout:?}")]
    AttemptTimedOut {
        /// What the policy allows an attempt.
        timeout: Duration,
    },

    /// The NSM gave no attestation document, and no earlier one is young enough to be used.
    #[error("the NSM gave no attestation document")]
    Attestation(#[source] AsyncNsmError),

    /// The attestation document is longer than KMS accepts.
    #[error("the attestation document has {len} bytes, KMS accepts {max}")]
    AttestationTooLong {
        /// Bytes in the document.
        len: usize,
        /// The most that KMS accepts.
        max: usize,
    },

    /// The transport could not connect.
    #[error("cannot reach KMS")]
    Connect(#[source] io::Error),

    /// The credentials ended before the call.
    #[error("the credentials expired at {expired_at}, it is {now}")]
    CredentialsExpired {
        /// When they ended.
        expired_at: UnixTime,
        /// The client's time.
        now: UnixTime,
    },

    /// No credentials were set.
    #[error("no credentials are set")]
    CredentialsMissing,

    /// The provider gave no credentials, and there are none that still hold.
    #[error("the provider gave no credentials")]
    CredentialsUnavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),

    /// The call, from attestation to the last byte of the reply, took longer than its deadline.
    #[error("KMS gave no complete reply within {deadline:?}")]
    DeadlineExceeded {
        /// The deadline that was set.
        deadline: Duration,
    },

    /// `CiphertextForRecipient` could not be opened. There is deliberately no detail: see [`DecryptError`].
    #[error(transparent)]
    Decrypt(#[from] DecryptError),

    /// The HTTP exchange broke off or broke the rules.
    #[error("the HTTP exchange with KMS failed")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The reply names another key than the request: it is not from the key that was pinned.
    #[error("the reply is about key {actual:?}, not {expected}")]
    KeyIdMismatch {
        /// The key the request named.
        expected: KeyArn,
        /// The reply's `KeyId`, cut to 256 characters.
        actual: String,
    },

    /// The name is not of a key that this client was built to use, and cannot mean one. Nothing was sent.
    #[error("this client is not permitted to use key {key}")]
    KeyNotPermitted {
        /// What the caller named the key by.
        key: KeyId,
    },

    /// A local resource (random numbers, key generation, a worker) failed.
    #[error("a local resource failed: {0}")]
    Local(LocalFailure),

    /// `CiphertextForRecipient` is not the enveloped data that KMS makes.
    #[error("CiphertextForRecipient is malformed")]
    MalformedCiphertext(#[from] MalformedCms),

    /// The reply is not what the action answers with.
    #[error("the reply of KMS is malformed: {0}")]
    MalformedReply(MalformedReply),

    /// The reply carries no `CiphertextForRecipient`: whatever answered did not honour the attestation document.
    #[error("the reply has no CiphertextForRecipient")]
    MissingCiphertextForRecipient,

    /// The reply carries a `Plaintext`, `PrivateKeyPlaintext` or `SharedSecret`: the secret travelled outside the
    /// envelope, so it is not used.
    #[error("the reply has a plaintext outside the envelope")]
    PlaintextInReply,

    /// The reply's envelope, or one with the same content key, was opened before: it is the reply of another call.
    #[error("the reply has an envelope that was opened before")]
    ReplayedReply,

    /// The request left it to KMS which key to use, and KMS used one that this client was not built to use, or that the
    /// name in the request does not mean.
    #[error("the reply is about key {actual:?}, which is none that this client may use for {}", name_of(requested))]
    ReplyKeyNotPermitted {
        /// What the request named the key by, if it did.
        requested: Option<KeyId>,
        /// The reply's `KeyId`, cut to 256 characters.
        actual: String,
    },

    /// The reply is longer than the client accepts.
    #[error("the reply is longer than {max} bytes")]
    ReplyTooLong {
        /// The most that is read.
        max: usize,
    },

    /// The request breaks a limit of KMS. Nothing was sent.
    #[error("the request is outside the limits of KMS: {0}")]
    Request(RequestLimit),

    /// KMS answered with an error.
    #[error(transparent)]
    Service(#[from] ServiceError),

    /// The request could not be signed.
    #[error("the request could not be signed")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// TLS failed: the peer is not KMS under the configured roots, or the stream broke.
    #[error("TLS with {server_name} failed")]
    Tls {
        /// The name that the certificate had to bear.
        server_name: String,
        /// What rustls found.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed a little later: KMS is overloaded or ails, or a connection was lost.
    ///
    /// The client has then repeated the call as often as its [`RetryPolicy`](crate::RetryPolicy), its deadline and its
    /// bucket of tokens let it. Refusals, certificates that do not fit and malformed replies are not transient.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::AttemptTimedOut { .. } | Self::Connect(_) => true,
            Self::Http(source) => source.downcast_ref().is_some_and(is_connection_loss),
            Self::Service(error) => error.is_transient(),
            // What rustls finds wrong stays wrong; without its verdict, the stream broke.
            Self::Tls { source, .. } => !source.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()),
            _ => false,
        }
    }

    /// Tells a refusal of KMS which image it is about.
    pub(crate) fn with_image(self, image: PcrValue) -> Self {
        match self {
            Self::Service(error) => Self::Service(error.with_image(image)),
            other => other,
        }
    }
}

fn name_of(requested: &Option<KeyId>) -> &str {
    requested.as_ref().map_or("a request without key", KeyId::as_str)
}

/// Whether the stream ended, and not what was said on it was wrong.
fn is_connection_loss(error: &hyper::Error) -> bool {
    use std::error::Error as _;

    let is_malformed = error.source().and_then(|source| source.downcast_ref::<io::Error>()).is_some_and(|source| {
        // hyper's decoder of chunked bodies says so.
        matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    });
    !(is_malformed || error.is_parse() || error.is_user())
}

/// A local resource that failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalFailure {
    /// The RSA recipient key could not be made.
    KeyGeneration,
    /// The system's random numbers are unavailable.
    Random,
    /// A thread or task that works for the client ended abnormally: that of the NSM, or of a credentials provider.
    Worker,
}

impl fmt::Display for LocalFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyGeneration => "the RSA recipient key could not be made",
            Self::Random => "no random numbers",
            Self::Worker => "a worker thread or task ended abnormally",
        })
    }
}

/// What is wrong with a reply. The content is not repeated.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedReply {
    /// A base64 field is not base64.
    Base64 {
        /// The field's name.
        field: &'static str,
    },
    /// The body is not the JSON object that the action answers with.
    Json,
    /// A field has a length that KMS never produces.
    Length {
        /// The field's name.
        field: &'static str,
    },
    /// A field repeats a part of the request, and says something else.
    Mismatch {
        /// The field's name.
        field: &'static str,
    },
    /// The HTTP status is neither 200 nor an error.
    Status {
        /// The status.
        status: u16,
    },
}

impl fmt::Display for MalformedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 { field } => write!(f, "{field} is not base64"),
            Self::Json => f.write_str("the body is not the expected JSON object"),
            Self::Length { field } => write!(f, "{field} has an impossible length"),
            Self::Mismatch { field } => write!(f, "{field} is not what was asked for"),
            Self::Status { status } => write!(f, "unexpected HTTP status {status}"),
        }
    }
}

/// A limit of KMS that a request breaks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestLimit {
    /// The ciphertext blob is empty or longer than 6144 bytes.
    CiphertextBlob {
        /// Bytes in the blob.
        len: usize,
    },
    /// The encryption context has an empty key, or more than 8192 bytes altogether.
    EncryptionContext {
        /// Bytes in all keys and values.
        len: usize,
    },
    /// There is an encryption context, but the algorithm is that of an asymmetric key, which takes none.
    EncryptionContextForAsymmetricKey,
    /// A grant token is empty or longer than 8192 bytes.
    GrantToken {
        /// Bytes in the token.
        len: usize,
    },
    /// There are more than 10 grant tokens.
    GrantTokens {
        /// How many there are.
        count: usize,
    },
    /// The ciphertext of an asymmetric key does not say which one it is: the request must.
    KeyIdForAsymmetricKey,
    /// Less than 1 or more than 1024 random bytes are asked for.
    NumberOfBytes {
        /// How many are asked for.
        len: usize,
    },
    /// The plaintext for Encrypt is empty or longer than 4096 bytes.
    Plaintext {
        /// Bytes in the plaintext.
        len: usize,
    },
    /// The key policy is empty or longer than 32768 bytes.
    Policy {
        /// Bytes in the policy.
        len: usize,
    },
    /// The public key is empty or longer than 8192 bytes.
    PublicKey {
        /// Bytes in the key.
        len: usize,
    },
}

impl fmt::Display for RequestLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CiphertextBlob { len } => write!(f, "a ciphertext blob has 1 to 6144 bytes, this one has {len}"),
            Self::EncryptionContext { len } => write!(
                f,
                "an encryption context has non-empty keys and at most 8192 bytes, this one has an empty key or {len} bytes"
            ),
            Self::EncryptionContextForAsymmetricKey => f.write_str("an asymmetric key takes no encryption context"),
            Self::GrantToken { len } => write!(f, "a grant token has 1 to 8192 bytes, this one has {len}"),
            Self::GrantTokens { count } => write!(f, "a request has at most 10 grant tokens, this one has {count}"),
            Self::KeyIdForAsymmetricKey => f.write_str("an asymmetric key must be named in the request"),
            Self::NumberOfBytes { len } => write!(f, "KMS makes 1 to 1024 random bytes at a time, not {len}"),
            Self::Plaintext { len } => write!(f, "a plaintext has 1 to 4096 bytes, this one has {len}"),
            Self::Policy { len } => write!(f, "a key policy has 1 to 32768 bytes, this one has {len}"),
            Self::PublicKey { len } => write!(f, "a public key has 1 to 8192 bytes, this one has {len}"),
        }
    }
}

/// `text` cut to `max` characters, with control characters replaced: what a hostile peer says may end in a log.
pub(crate) fn printable(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_cut_and_cleaned() {
        assert_eq!(printable("a\r\n\u{1b}[2Jb", 64), "a\u{fffd}\u{fffd}\u{fffd}[2Jb");
        assert_eq!(printable(&"x".repeat(5000), 64).len(), 64);
    }
}
