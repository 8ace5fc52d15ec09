//! [`KmsSimulator`]: the listener and its limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::sim::builder::KmsSimulatorBuilder;
use crate::sim::http::answer;
use crate::sim::injection::{Injection, InjectionError};
use crate::sim::service::Service;
use crate::tls::TlsRoots;

/// A running simulator. It ends with [`shutdown`](Self::shutdown) or when dropped, and its keys with it.
#[derive(Debug)]
pub struct KmsSimulator {
    local_addr: SocketAddr,
    tls_root_der: Vec<u8>,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    accept_loop: JoinHandle<()>,
}

/// What one client may take from the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_connections: usize,
    pub(super) read_timeout: Duration,
}

impl KmsSimulator {
    /// Starts building a simulator of one region's KMS for one account (twelve digits).
    pub fn builder(region: impl Into<String>, account_id: impl Into<String>) -> KmsSimulatorBuilder {
        KmsSimulatorBuilder::new(region.into(), account_id.into())
    }

    pub(super) fn serve(
        listener: TcpListener,
        local_addr: SocketAddr,
        tls: ServerConfig,
        tls_root_der: Vec<u8>,
        service: Service,
        limits: Limits,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let service = Arc::new(service);
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let accept_loop = tokio::spawn(accept(listener, acceptor, Arc::clone(&service), limits, stopped));
        Self { local_addr, tls_root_der, service, stop: Some(stop), accept_loop }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The root, in DER, under which its certificate names KMS.
    #[must_use]
    pub fn tls_root_der(&self) -> &[u8] {
        &self.tls_root_der
    }

    /// The same root, as a client takes it.
    ///
    /// # Panics
    /// Never: the simulator made the certificate itself.
    #[must_use]
    pub fn tls_roots(&self) -> TlsRoots {
        TlsRoots::from_der([self.tls_root_der()]).expect("the simulator made this certificate")
    }

    /// Lets something go wrong with requests to come. Injections are taken in order, at most one a request, and several
    /// can wait: at most 256.
    ///
    /// # Errors
    /// [`InjectionError`] if it can befall no request, or too many wait.
    pub fn inject(&self, injection: Injection) -> Result<(), InjectionError> {
        self.service.injections.push(injection)
    }

    /// To how many requests something is still to happen.
    #[must_use]
    pub fn injections_left(&self) -> u64 {
        self.service.injections.requests_left()
    }

    /// Forgets all injections that wait.
    pub fn clear_injections(&self) {
        self.service.injections.clear();
    }

    /// How many requests of an action, say `Decrypt`, have arrived since the start: also those that were refused, and those
    /// to which something happened.
    #[must_use]
    pub fn requests_seen(&self, action: &str) -> u64 {
        self.service.counters.of(action)
    }

    /// How many requests have arrived since the start.
    #[must_use]
    pub fn requests_seen_in_all(&self) -> u64 {
        self.service.counters.total()
    }

    /// Stops listening, ends all connections and waits until they are gone.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // The loop may have ended already: then there is nobody to tell.
            let _ended = stop.send(());
        }
        let _cancelled = (&mut self.accept_loop).await;
    }
}

impl Drop for KmsSimulator {
    fn drop(&mut self) {
        self.accept_loop.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<Service>,
    limits: Limits,
    mut stopped: oneshot::Receiver<()>,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    // Dropping the set ends its tasks, so no connection outlives this loop.
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            (slot, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let (tls, service) = (tls.clone(), Arc::clone(&service));
                    connections.spawn(async move {
                        let _over = timeout(MAX_CONNECTION_AGE, serve(stream, tls, service, limits.read_timeout)).await;
                        drop(slot);
                    });
                }
                // Typically out of file descriptors: wait for some to come back rather than spin.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    connections.shutdown().await;
}

/// Serves one connection. How it ends concerns its client alone.
async fn serve(stream: TcpStream, tls: TlsAcceptor, service: Arc<Service>, read_timeout: Duration) {
    let Ok(()) = stream.set_nodelay(true) else { return };
    let Ok(Ok(stream)) = timeout(read_timeout, tls.accept(stream)).await else { return };
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .max_buf_size(MAX_HEAD_LEN)
        .max_headers(MAX_HEADERS)
        // The simulator's clock says it, not the system's.
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(request, Arc::clone(&service), read_timeout)),
        )
        .await;
}

const MAX_HEAD_LEN: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(300);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
