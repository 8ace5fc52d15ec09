//! The session port: what callers reach over sessions that end here, with evidence of what they end in.

use std::io;
use std::sync::Arc;

use nsm_attest::{AttestationRequest, Purpose, UserData};
use signer_protocol::method::{DescribeKey, SESSION_PORT_MAX_PAYLOAD_LEN, Sign};
use signer_protocol::record::SpkiDigest;
use vsock_rpc::session::{
    BoxFuture, Evidence, EvidenceError, EvidenceRequest, SessionError, SessionKeys, SessionServer,
};
use vsock_rpc::transport::Peer;
use vsock_rpc::{CallContext, Listener, RemoteError, Router, Server, ServerHandle};

use crate::caller::Caller;
use crate::configuration::SessionConfiguration;
use crate::service::Service;

/// The methods that callers reach. A record serves the callers that it names, whatever `parent_may` says: nobody else has it
/// described, or signs with it.
#[must_use]
pub fn session_port(service: Arc<Service>) -> Router<Service> {
    Router::from_shared(service)
        .parallel_method::<DescribeKey, _, _>(async |service, context, request| {
            Ok(service.describe_key(caller(&context)?, &request.record).await?)
        })
        .parallel_method::<Sign, _, _>(async |service, context, request| {
            Ok(service.sign(caller(&context)?, request).await?)
        })
}

/// Listens for sessions, under a key that is made here and never leaves.
pub(crate) async fn serve(service: Arc<Service>, configuration: &SessionConfiguration) -> io::Result<ServerHandle> {
    let listener = Listener::bind(&configuration.port).await?;
    let keys = SessionKeys::generate().map_err(io::Error::other)?;
    tracing::info!(port = %configuration.port, key = %keys.identity(), "listening for sessions");
    let evidence = Documents(Arc::clone(&service));
    let sessions = SessionServer::builder(keys, evidence, configuration.clients.allowed()).on_failure(report).build();
    let server = Server::builder(session_port(service))
        .max_payload_len(SESSION_PORT_MAX_PAYLOAD_LEN)
        .max_connections(MAX_SESSIONS)
        .max_in_flight(MAX_IN_FLIGHT_OF_ONE)
        .max_in_flight_total(MAX_IN_FLIGHT)
        .build();
    Ok(sessions.serve(listener, server))
}

/// Evidence of this enclave: documents of its NSM, made off the runtime, a bounded number at a time. They carry the key
/// that signs the session's handshakes, and a purpose for which nothing else makes any.
struct Documents(Arc<Service>);

impl Evidence for Documents {
    fn evidence<'a>(&'a self, request: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
        let document = AttestationRequest::new()
            .with_public_key(request.public_key())
            .with_user_data(UserData::over(Purpose::Session, request.public_key()));
        let document = match request.nonce() {
            Some(nonce) => document.with_nonce(nonce.as_slice()),
            None => document,
        };
        Box::pin(async move { Ok(self.0.attest(document).await?) })
    }
}

/// Who calls: the key that the session's client has proved to hold.
fn caller(context: &CallContext) -> Result<Caller, RemoteError> {
    let identity = context.peer().identity().ok_or_else(RemoteError::internal)?;
    Ok(Caller::Session(SpkiDigest::from_bytes(*identity.as_bytes())))
}

/// Anybody can have a session fail, so this is no warning. What is said names keys and limits, and nothing that was sent.
fn report(peer: &Peer, error: &SessionError) {
    tracing::info!(peer = ?peer.addr(), %error, "a session was not opened");
}

/// Sessions that are open at a time. With [`SESSION_PORT_MAX_PAYLOAD_LEN`] and the two bounds below, all clients together
/// can have the enclave hold less than 32 MiB: 21 of frames that are arriving, 9 of requests and answers (the sum is in the
/// README of `vsock-rpc`), 2 of the sessions themselves. Anybody who reaches the port may be such a client where the
/// configuration says so, and a guest of 128 MiB has less than 60 for all that the service does. Honest ones come to a few
/// KiB each.
const MAX_SESSIONS: usize = 16;

/// Requests at work and answers unwritten, of all sessions.
const MAX_IN_FLIGHT: usize = 8;

/// Of those, what one session may have, so that none alone takes them all.
const MAX_IN_FLIGHT_OF_ONE: usize = 4;
