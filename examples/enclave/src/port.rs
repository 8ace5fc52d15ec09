//! The ports: what the parent reaches and what the measured configuration allows of it, and both of them listening.

use std::io;
use std::sync::Arc;

use signer_protocol::code;
use signer_protocol::method::{
    DescribeKey, GenerateKey, Health, PARENT_PORT_MAX_PAYLOAD_LEN, SetCredentials, SetCredentialsResponse, Sign,
};
use vsock_rpc::{Listener, RemoteError, Router, Server, ServerHandle};

use crate::caller::Caller;
use crate::service::Service;
use crate::session;

/// The methods the parent reaches. Those that the configuration does not permit answer `not_permitted`.
#[must_use]
pub fn parent_port(service: Arc<Service>) -> Router<Service> {
    Router::from_shared(service)
        .method::<Health, _, _>(async |service, _, _| Ok(service.health()))
        .method::<SetCredentials, _, _>(async |service, _, credentials| {
            service.set_credentials(&credentials)?;
            Ok(SetCredentialsResponse {})
        })
        .parallel_method::<GenerateKey, _, _>(async |service, _, request| {
            permit(service.parent_may().administer, "parent_may.administer")?;
            Ok(service.generate_key(request).await?)
        })
        .parallel_method::<DescribeKey, _, _>(async |service, _, request| {
            Ok(service.describe_key(Caller::Parent, &request.record).await?)
        })
        .parallel_method::<Sign, _, _>(async |service, _, request| {
            permit(service.parent_may().sign, "parent_may.sign")?;
            Ok(service.sign(Caller::Parent, request).await?)
        })
}

/// Listens for the parent and, if the configuration has a port for them, for sessions; makes ready in the background what
/// the first request would else wait for.
///
/// # Errors
/// What binding the ports answers, and [`KeyError`](vsock_rpc::session::KeyError) if the key of sessions cannot be made.
pub async fn serve(service: Arc<Service>) -> io::Result<Ports> {
    let listener = Listener::bind(service.parent_port()).await?;
    let sessions = match service.sessions() {
        Some(configuration) => Some(session::serve(Arc::clone(&service), configuration).await?),
        None => None,
    };
    tokio::spawn(warm(Arc::clone(&service)));
    let server = Server::builder(parent_port(service))
        .max_payload_len(PARENT_PORT_MAX_PAYLOAD_LEN)
        .max_connections(MAX_CONNECTIONS)
        .max_in_flight_total(MAX_IN_FLIGHT)
        .max_in_flight_bytes(MAX_IN_FLIGHT_BYTES);
    Ok(Ports { parent: server.serve(listener), sessions })
}

/// The ports of an enclave that serves. They close when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it closes the ports"]
pub struct Ports {
    parent: ServerHandle,
    sessions: Option<ServerHandle>,
}

impl Ports {
    /// Waits until a port ends by itself, which none does while it can serve. Cancel safe.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn wait(&mut self) -> io::Result<()> {
        match &mut self.sessions {
            Some(sessions) => tokio::select! {
                ended = self.parent.wait() => ended,
                ended = sessions.wait() => ended,
            },
            None => self.parent.wait().await,
        }
    }

    /// Stops accepting, and lets calls in progress end.
    pub async fn shutdown(self) {
        let sessions = async {
            if let Some(sessions) = self.sessions {
                sessions.shutdown().await;
            }
        };
        tokio::join!(self.parent.shutdown(), sessions);
    }
}

/// An enclave that has just booted serves all the same if this fails: each request tries again, and says why not.
async fn warm(service: Arc<Service>) {
    if let Err(error) = service.warm().await {
        tracing::warn!(%error, "no recipient key was made ahead");
    }
}

fn permit(allowed: bool, switch: &str) -> Result<(), RemoteError> {
    if allowed {
        return Ok(());
    }
    Err(RemoteError::new(code::NOT_PERMITTED, format!("the measured configuration has {switch} = false")))
}

/// There is one parent; a few connections let it reconnect while an old one drains.
const MAX_CONNECTIONS: usize = 4;

/// What a client of `vsock-rpc` has in flight by default.
const MAX_IN_FLIGHT: usize = 64;

/// Most bytes of all requests in flight, so that a hostile parent cannot fill a small enclave's memory with long ones. It can
/// have 9 MiB of frames held that are arriving (the sum is in the README of `vsock-rpc`) and 17 of requests, since what they
/// decode to may have grown by doubling; answers of some 24 more, of up to three times what they answer, if it may sign and
/// has a key for that. Honest requests have a few KiB, and one that finds no room may be repeated.
const MAX_IN_FLIGHT_BYTES: usize = 8 * PARENT_PORT_MAX_PAYLOAD_LEN;
