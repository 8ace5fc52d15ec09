//! What a parent needs to know, resolved and checked.
//!
//! The binary reads a [`Config`] from a file ([`Config::from_file`]); a program that embeds the parent makes one in
//! memory ([`Config::new`]) and changes the fields it needs.

mod error;
mod file;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use vsock_rpc::Addr;

pub use self::error::ConfigError;
use crate::credentials::CredentialsSource;

/// Everything a parent is started with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where HTTPS is served.
    pub listen: SocketAddr,
    /// Certificate and key of the HTTPS server.
    pub tls: TlsIdentity,
    /// The enclave's parent port.
    pub enclave: Addr,
    /// Where key records are kept.
    pub store: StoreConfig,
    /// Where the AWS credentials come from that the enclave calls KMS with.
    pub credentials: CredentialsSource,
    /// Byte relays: out of the enclave, the only way it reaches the network, and in, for sessions that end in it.
    pub relays: Vec<RelayConfig>,
    /// How much is served at once.
    pub limits: Limits,
    /// How long is waited.
    pub timeouts: Timeouts,
}

impl Config {
    /// The enclave's parent port, unless configured otherwise: `vsock:16:5000`.
    pub const DEFAULT_ENCLAVE: Addr = Addr::Vsock { cid: 16, port: 5000 };

    /// A configuration without relays, with default limits and timeouts.
    #[must_use]
    pub fn new(
        listen: SocketAddr,
        tls: TlsIdentity,
        enclave: Addr,
        store: StoreConfig,
        credentials: CredentialsSource,
    ) -> Self {
        let (limits, timeouts) = (Limits::default(), Timeouts::default());
        Self { listen, tls, enclave, store, credentials, relays: Vec::new(), limits, timeouts }
    }
}

/// The certificate chain and private key of the HTTPS server.
pub struct TlsIdentity {
    /// The end-entity certificate first.
    pub certificate_chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub private_key: PrivateKeyDer<'static>,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("certificates", &self.certificate_chain.len()).finish_non_exhaustive()
    }
}

/// Where key records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreConfig {
    /// One file a key in this directory, which is made if it does not exist.
    Directory(PathBuf),
}

/// One relay: whatever connects to `listen` is connected to `target`, and to nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Where the enclave connects to, or its callers.
    pub listen: Addr,
    /// Where their bytes go: a host of the network, or a port of the enclave.
    pub target: Addr,
}

/// How much is served at once; what is above waits or is refused.
///
/// Every connection may be sending a body, so bodies take up to `max_connections * max_body_len` bytes of memory: 1 GiB
/// with the defaults. An instance with less to spare needs lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// HTTPS connections; further ones wait to be accepted.
    pub max_connections: usize,
    /// Requests being worked on, counted from when their body has arrived; further ones are refused with status 503.
    pub max_in_flight: usize,
    /// Longest request body in bytes; a longer one is refused with status 413.
    pub max_body_len: usize,
    /// Connections of each relay.
    pub max_relay_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_connections: 1024, max_in_flight: 256, max_body_len: 1024 * 1024, max_relay_connections: 128 }
    }
}

/// How long is waited for each thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// A TLS handshake.
    pub handshake: Duration,
    /// The head of a request, also the next one on a connection that is kept open.
    pub header: Duration,
    /// A request's body.
    pub body: Duration,
    /// A whole request, from its head to its answer.
    pub request: Duration,
    /// A client to take some bytes of its answer.
    pub write: Duration,
    /// Requests in progress when the parent shuts down.
    pub shutdown: Duration,
    /// Between two looks at the enclave's health and credentials.
    pub health_interval: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(15),
            body: Duration::from_secs(10),
            request: Duration::from_secs(20),
            write: Duration::from_secs(10),
            shutdown: Duration::from_secs(10),
            health_interval: Duration::from_secs(5),
        }
    }
}
