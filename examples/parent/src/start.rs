//! Starting and stopping a parent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::task::JoinHandle;
use vsock_rpc::relay::{Allowlist, Counters, Relay, RelayHandle};
use vsock_rpc::{Addr, Listener};

use crate::api::Api;
use crate::config::{Config, Limits, RelayConfig, Timeouts};
use crate::credentials::CredentialsError;
use crate::enclave::Enclave;
use crate::server::{self, HttpsServer};
use crate::store::{Store, StoreError};

/// A running parent. It stops when this is dropped, but only [`shutdown`](Self::shutdown) waits for it.
#[derive(Debug)]
#[must_use = "dropping it stops the parent"]
pub struct Parent {
    server: HttpsServer,
    relays: Vec<RelayHandle>,
    _supply: AbortOnDrop,
}

impl Parent {
    /// Starts the relays, the supply of credentials and the HTTPS server. The enclave need not be up yet: until it is,
    /// requests that need it are answered with status 503.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config { listen, tls, enclave, store, credentials, relays, limits, timeouts } = config;
        let tls = server::tls_config(tls).map_err(StartError::Tls)?;
        // Credentials that cannot be read now are an operator's mistake, which should not wait for the first request.
        credentials.load()?;
        let store = Store::open(&store).await?;
        let relays = start_relays(relays, &limits, &timeouts).await?;
        let enclave = Arc::new(Enclave::new(&enclave, credentials));
        let api = Api::new(Arc::clone(&enclave), store, &limits, &timeouts, random_id()?);
        let server = HttpsServer::start(listen, tls, Arc::new(api), &limits, timeouts)
            .await
            .map_err(|source| StartError::Listen { addr: Addr::from(listen), source })?;
        let supply = tokio::spawn(async move { enclave.keep_supplied(timeouts.health_interval).await });
        tracing::info!(https = %server.local_addr(), relays = relays.len(), "the parent serves");
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
        self.relays.iter().filter_map(|relay| relay.local_addr().cloned()).collect()
    }

    /// What each relay has carried, in the order of the configuration.
    #[must_use]
    pub fn relay_counters(&self) -> Vec<Counters> {
        self.relays.iter().map(RelayHandle::counters).collect()
    }

    /// Stops accepting, lets requests in progress end within the time for it, and stops the rest.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
        // Behind the server: requests in progress may still need KMS.
        for relay in self.relays {
            relay.shutdown().await;
        }
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

async fn start_relays(
    configs: Vec<RelayConfig>,
    limits: &Limits,
    timeouts: &Timeouts,
) -> Result<Vec<RelayHandle>, StartError> {
    let allowlist: Allowlist = configs.iter().map(|config| Addr::Tcp(config.target.clone())).collect();
    let mut relays = Vec::with_capacity(configs.len());
    for RelayConfig { listen, target } in configs {
        let failed = |source| StartError::Listen { addr: listen.clone(), source };
        let listener = Listener::bind(&listen).await.map_err(failed)?;
        let relay = Relay::new(Addr::Tcp(target), allowlist.clone())
            .max_connections(limits.max_relay_connections)
            .drain_timeout(timeouts.shutdown)
            .serve(listener)
            .map_err(failed)?;
        relays.push(relay);
    }
    Ok(relays)
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
