//! [`KmsSimulator`]: its listener, its [memory transport](KmsSimulator::memory_transport), and their limits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::sim::builder::KmsSimulatorBuilder;
use crate::sim::http::answer;
use crate::sim::injection::{Injection, InjectionError};
use crate::sim::service::Service;
use crate::tls::TlsRoots;
use crate::transport::{BoxFuture, ByteStream, Transport};

/// A running simulator. It ends with [`shutdown`](Self::shutdown) or when dropped, and its keys with it.
#[derive(Debug)]
pub struct KmsSimulator {
    local_addr: SocketAddr,
    tls_root_der: Vec<u8>,
    service: Arc<Service>,
    memory: MemoryTransport,
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
        let (opened, in_memory) = mpsc::channel(1);
        let service = Arc::new(service);
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let incoming = Incoming { listener, in_memory };
        let accept_loop = tokio::spawn(accept(incoming, acceptor, Arc::clone(&service), limits, stopped));
        let memory = MemoryTransport { opened };
        Self { local_addr, tls_root_der, service, memory, stop: Some(stop), accept_loop }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A way to it that needs no socket, for clients in the same process. TLS and everything above are the same as over
    /// TCP, and connections of both kinds count together. The simulator listens on its loopback port all the same.
    #[must_use]
    pub fn memory_transport(&self) -> MemoryTransport {
        self.memory.clone()
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

/// A [`Transport`] to a [`KmsSimulator`] in the same process.
///
/// Connecting waits while the simulator has as many connections as it may. When it has ended, connecting fails with [`ConnectionRefused`](io::ErrorKind::ConnectionRefused).
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    opened: mpsc::Sender<DuplexStream>,
}

impl Transport for MemoryTransport {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let place = self.opened.reserve().await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
            let (ours, theirs) = tokio::io::duplex(MEMORY_STREAM_CAPACITY);
            place.send(theirs);
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

/// Where connections come from.
#[derive(Debug)]
struct Incoming {
    listener: TcpListener,
    in_memory: mpsc::Receiver<DuplexStream>,
}

impl Incoming {
    /// The next connection. Dropped before it is ready, it has taken none.
    async fn next(&mut self) -> io::Result<Box<dyn ByteStream>> {
        tokio::select! {
            accepted = self.listener.accept() => {
                let (stream, _) = accepted?;
                // Without it answers are late, and right.
                let _late = stream.set_nodelay(true);
                Ok(Box::new(stream) as Box<dyn ByteStream>)
            }
            // The simulator holds a sender for as long as this loop runs.
            Some(stream) = self.in_memory.recv() => Ok(Box::new(stream) as Box<dyn ByteStream>),
        }
    }
}

async fn accept(
    mut incoming: Incoming,
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
            (slot, incoming.next().await)
        };
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            (slot, accepted) = next => match accepted {
                Ok(stream) => {
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
async fn serve(stream: Box<dyn ByteStream>, tls: TlsAcceptor, service: Arc<Service>, read_timeout: Duration) {
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
/// In each direction: four TLS records.
const MEMORY_STREAM_CAPACITY: usize = 64 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
