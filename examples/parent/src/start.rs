//! Starting and stopping a parent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vsock_rpc::Addr;
use vsock_rpc::relay::Counters;

use crate::api::Api;
use crate::config::Config;
use crate::credentials::CredentialsError;
use crate::enclave::Enclave;
use crate::relays::Relays;
use crate::server::{self, HttpsServer};
use crate::store::{Store, StoreError};

/// A running parent. It stops when this is dropped, but only [`shutdown`](Self::shutdown) waits for it.
#[derive(Debug)]
#[must_use = "dropping it stops the parent"]
pub struct Parent {
    server: HttpsServer,
    relays: Relays,
    _supply: AbortOnDrop,
}

impl Parent {
    /// Starts the relays, the supply of credentials and the HTTPS server. The enclave need not be up yet: until it is,
    /// requests that need it are answered with status 503.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running, and what was bound is free again.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config { listen, tls, enclave, store, credentials, relays, limits, timeouts } = config;
        let tls = server::tls_config(tls).map_err(StartError::Tls)?;
        // Credentials that cannot be read now are an operator's mistake, which should not wait for the first request.
        credentials.load()?;
        let store = Store::open(&store).await?;
        let id = random_id()?;
        let cannot_listen = |source| StartError::Listen { addr: Addr::from(listen), source };
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let local_addr = listener.local_addr().map_err(cannot_listen)?;
        // The last step that can fail, so that no failure has anything to stop.
        let relays = Relays::start(relays, &limits).await?;
        let enclave = Arc::new(Enclave::new(&enclave, credentials));
        let api = Api::new(Arc::clone(&enclave), store, &limits, &timeouts, id);
        let server = HttpsServer::start(listener, local_addr, tls, Arc::new(api), &limits, timeouts);
        let supply = tokio::spawn(async move { enclave.keep_supplied(timeouts.health_interval).await });
        tracing::info!(https = %server.local_addr(), relays = relays.addrs().len(), "the parent serves");
        Ok(Self { server, relays, _supply: AbortOnDrop(supply) })
    }

    /// Where HTTPS is served, with the actual port.
    #[must_use]
    pub fn https_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Where each relay listens, with the actual port, in the order of the configuration.
    #[must_use]
    pub fn relay_addrs(&self) -> Vec<Addr> {
        self.relays.addrs().cloned().collect()
    }

    /// What each relay has carried, in the order of the configuration.
    #[must_use]
    pub fn relay_counters(&self) -> Vec<Counters> {
        self.relays.counters().collect()
    }

    /// Waits until a part of the parent ends for good, and logs which. None does while it can work; the others go on
    /// without it, but the enclave may then be cut off from KMS, so whoever runs a parent should stop it. Cancel safe.
    pub async fn failed(&mut self) -> RunError {
        let error = self.relays.failed().await;
        tracing::error!(%error, "a part of the parent has ended");
        error
    }

    /// Stops accepting, lets requests in progress end within the time for it, and stops the rest.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
        // Behind the server: requests in progress may still need KMS.
        self.relays.shutdown().await;
        tracing::info!("the parent has stopped");
    }
}

/// Why a parent does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The credentials cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: Addr,
        /// Why not.
        source: io::Error,
    },
    /// The operating system gives no randomness.
    #[error("no randomness")]
    Randomness,
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate and key cannot be used.
    #[error("the TLS certificate and key cannot be used: {0}")]
    Tls(#[source] rustls::Error),
}

/// Why a parent that runs cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The listener of a relay failed for good.
    #[error("the relay at {listen} has ended: {source}")]
    Relay {
        /// Where it listened.
        listen: Addr,
        /// Why it ended.
        source: io::Error,
    },
}

/// Tells the request ids of this process from those of others.
fn random_id() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(u64::from_be_bytes(bytes))
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
