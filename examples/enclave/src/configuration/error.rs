//! What is wrong with a configuration.

use kms_enclave_client::KeyArn;
use signer_protocol::record::SpkiDigest;
use thiserror::Error;
use vsock_rpc::Addr;

/// A configuration that no enclave starts with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Not JSON, or not this JSON.
    #[error("configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// Too few or too many keys.
    #[error("configuration: kms.key_arns has {actual} keys, outside 1..={max}")]
    KeyCount {
        /// Keys found.
        actual: usize,
        /// Most keys.
        max: usize,
    },
    /// JSON, and no object.
    #[error("configuration: it is no JSON object")]
    NotObject,
    /// A session port that is the parent's as well.
    #[error("configuration: sessions.port is {port}, which is parent_port")]
    PortTwice {
        /// The port.
        port: Addr,
    },
    /// A key of another Region.
    #[error("configuration: kms.key_arns holds {arn}, which is not in kms.region {region}")]
    Region {
        /// The configured Region.
        region: String,
        /// The key.
        arn: KeyArn,
    },
    /// A client of sessions that is listed twice.
    #[error("configuration: sessions.clients holds {client} twice")]
    RepeatedClient {
        /// The client.
        client: SpkiDigest,
    },
    /// A root of TLS to KMS that is none.
    #[error("configuration: danger.kms_tls_roots holds what is no X.509 certificate in DER")]
    RootCertificate,
    /// Too few or too many roots of TLS to KMS.
    #[error("configuration: danger.kms_tls_roots has {actual} certificates, outside 1..={max}")]
    RootCount {
        /// Certificates found.
        actual: usize,
        /// Most certificates.
        max: usize,
    },
    /// Too few or too many clients of sessions.
    #[error("configuration: sessions.clients has {actual} clients, outside 1..={max}")]
    SessionClientCount {
        /// Clients found.
        actual: usize,
        /// Most clients.
        max: usize,
    },
    /// Longer than a configuration may be.
    #[error("configuration: {actual} bytes, more than {max}")]
    TooLong {
        /// Length found.
        actual: usize,
        /// Greatest length.
        max: usize,
    },
    /// A version this program does not know.
    #[error("configuration: version {actual} is not 1")]
    Version {
        /// Version found.
        actual: u32,
    },
}
