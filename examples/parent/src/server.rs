//! The HTTPS server: connections, and everything that bounds them.
//!
//! HTTP/1.1 over TLS 1.2 or 1.3. A connection costs a place from the moment it is accepted; the handshake, each head,
//! each body, each answer and each write have their own time limit, so that none is held for nothing.

mod connection;
mod stall_guard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use self::connection::Context;
use crate::api::Api;
use crate::config::{Limits, Timeouts, TlsIdentity};

/// TLS with the server's identity.
///
/// # Errors
/// [`rustls::Error`] if the key is not that of the certificate, or either cannot be used.
pub(crate) fn tls_config(identity: TlsIdentity) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(identity.certificate_chain, identity.private_key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A running server.
#[derive(Debug)]
pub(crate) struct HttpsServer {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl HttpsServer {
    /// Serves `api` to the connections of `listener`, which is bound to `local_addr`.
    pub(crate) fn start(
        listener: TcpListener,
        local_addr: SocketAddr,
        tls: Arc<ServerConfig>,
        api: Arc<Api>,
        limits: &Limits,
        timeouts: Timeouts,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let context = Context { api, tls: TlsAcceptor::from(tls), timeouts, stopped };
        let places = Arc::new(Semaphore::new(limits.max_connections));
        let task = tokio::spawn(serve(listener, context, places));
        Self { local_addr, stop, task }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, lets requests in progress end within the time for it, and closes the rest.
    pub(crate) async fn shutdown(self) {
        // Nobody listens any more only if the task is gone already.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn serve(listener: TcpListener, mut context: Context, places: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = context.stopping() => break,
        };
        while connections.try_join_next().is_some() {}
        let context = context.clone();
        connections.spawn(async move {
            connection::serve(stream, context).await;
            drop(place);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(context.timeouts.shutdown, drained).await.is_err() {
        tracing::warn!("closing connections that did not end in time");
        connections.shutdown().await;
    }
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                // Either the peer is gone, or this process is out of file descriptors and must wait for some.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
