//! Two crates that do not know each other: sessions of `vsock-rpc` whose evidence is an attestation document.
#![cfg(feature = "everything")]

use std::sync::Arc;
use std::time::Duration;

use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{
    AsyncNsm, AttestationRequest, Clock, Error, PcrIndex, PcrValue, Policy, Purpose, Rejection, TrustAnchor,
    UnverifiedDocument, UserData,
};
use vsock_rpc::session::{
    AllowedClients, BoxFuture, ClientKey, Evidence, EvidenceError, EvidenceRequest, ExpectedEvidence, Freshness,
    SessionConnector, SessionError, SessionKeys, SessionServer, VerifyEvidence,
};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallContext, Client, Listener, Method, RemoteError, Router, Server, ServerHandle};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// In the enclave.
struct Documents(AsyncNsm);

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

/// At the client.
struct Verifier {
    anchor: TrustAnchor,
    image: PcrValue,
    clock: Clock,
}

impl VerifyEvidence for Verifier {
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        let policy = Policy::builder()
            .pcr(PcrIndex::IMAGE, [self.image.clone()])
            .user_data(UserData::over(Purpose::Session, expected.public_key()))
            .public_key(expected.public_key());
        let policy = match expected.freshness() {
            Freshness::Nonce(nonce) => policy.nonce(nonce.as_slice()),
            Freshness::MaxAge(max_age) => policy.max_age(max_age),
        };
        UnverifiedDocument::from_bytes(evidence)?.verify(&self.anchor, &policy.build(), self.clock.now())?;
        Ok(())
    }
}

struct WhoAmI;
impl Method for WhoAmI {
    const NAME: &'static str = "who_am_i";
    type Request = ();
    type Response = String;
}

async fn who_am_i(_: Arc<()>, context: CallContext, (): ()) -> Result<String, RemoteError> {
    context.peer().identity().map(ToString::to_string).ok_or_else(RemoteError::internal)
}

fn enclave(authority: &Authority, configuration: &[u8]) -> Result<(ServerHandle, MemoryConnector)> {
    let nsm = SimulatedNsm::builder(authority.clone()).measure(b"executable", configuration).build()?;
    let documents = Documents(AsyncNsm::builder(nsm).build());
    let sessions = SessionServer::builder(SessionKeys::generate()?, documents, AllowedClients::any())
        .serve_cached_evidence(Duration::from_secs(60))
        .build();
    let (listener, connector) = Listener::memory(64 * 1024);
    let server = Server::builder(Router::new(()).method::<WhoAmI, _, _>(who_am_i)).build();
    Ok((sessions.serve(listener, server), connector))
}

#[tokio::test]
async fn a_session_is_opened_with_the_measured_enclave_alone() -> Result {
    let clock = Clock::system();
    let authority = Authority::generate(clock.now())?;
    let key = ClientKey::generate_p256()?;
    let connector = |to: &MemoryConnector| {
        let image = pcr0(b"executable", b"configuration");
        let verifier = Verifier { anchor: authority.trust_anchor(), image, clock: clock.clone() };
        SessionConnector::builder(to.clone(), &key, verifier)
    };

    let (_running, measured) = enclave(&authority, b"configuration")?;
    let fresh = connector(&measured).build();
    let cached = connector(&measured).accept_cached_evidence(Duration::from_secs(300)).build();
    for sessions in [fresh, cached.clone(), cached] {
        let client = Client::builder(sessions).build();
        let identity = client.call::<WhoAmI>(&(), Duration::from_secs(10)).await?;
        assert_eq!(identity, key.identity().to_string());
    }

    let (_running, changed) = enclave(&authority, b"another configuration")?;
    let client = Client::builder(connector(&changed).build()).build();
    let error = client.call::<WhoAmI>(&(), Duration::from_secs(10)).await.expect_err("another PCR0");
    let Some(SessionError::EvidenceRejected(reason)) = SessionError::find(&error) else { panic!("{error:?}") };
    let reason = reason.downcast_ref::<Error>().ok_or("the verifier's own error")?;
    assert!(matches!(reason, Error::Rejected(Rejection::PcrMismatch { .. })), "{reason}");
    Ok(())
}
