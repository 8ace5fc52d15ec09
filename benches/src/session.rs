//! Sessions over a unix socket, with evidence that costs next to nothing, beside bare TLS, and calls in a session beside
//! calls without one.

/// TLS as a session has it, and nothing more.
pub mod bare;

use aws_lc_rs::hmac;
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use vsock_rpc::session::{
    AllowedClients, BoxFuture, ClientKey, Evidence, EvidenceError, EvidenceRequest, ExpectedEvidence, Freshness,
    SessionConnector, SessionKeys, SessionServer, VerifyEvidence,
};
use vsock_rpc::{Addr, Client, Listener, ServerHandle};

use self::bare::BareTls;
use crate::attested::Failure;
use crate::echo::{self, PAYLOAD_LEN};

/// Servers and clients of the same echo, inside of sessions and outside, on a runtime of one thread.
#[derive(Debug)]
pub struct Sessions {
    connector: SessionConnector,
    inside: Client,
    outside: Client,
    bare: BareTls,
    payload: ByteBuf,
    runtime: Runtime,
    #[expect(dead_code, reason = "held so that they serve")]
    servers: [ServerHandle; 2],
    #[expect(dead_code, reason = "held because the sockets are in it")]
    folder: TempDir,
}

impl Sessions {
    /// Starts everything.
    ///
    /// # Errors
    /// If a key cannot be made, or a socket not be bound.
    pub fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let path = |name| folder.path().join(name);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (key, evidence) = (ClientKey::generate_p256()?, Authenticated(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])));
        let address = Addr::unix(path("session"))?;
        let (servers, bare) = runtime.block_on(async {
            let clients = AllowedClients::only([key.identity()]);
            let sessions = SessionServer::builder(SessionKeys::generate()?, evidence.clone(), clients).build();
            let inside = sessions.serve(Listener::bind(&address).await?, echo::server());
            let outside = echo::serve(&path("plain")).await?;
            Ok::<_, Failure>(([inside, outside], BareTls::start(path("bare"))?))
        })?;
        let connector = SessionConnector::builder(address, &key, evidence).build();
        let (inside, outside) = (Client::builder(connector.clone()).build(), echo::client(&path("plain")));
        let payload = ByteBuf::from([0x5a; PAYLOAD_LEN]);
        Ok(Self { connector, inside, outside, bare, payload, runtime, servers, folder })
    }

    /// Opens a session, evidence verified, and drops it.
    ///
    /// # Errors
    /// If none opens.
    pub fn open(&self) -> Result<(), Failure> {
        let session = self.runtime.block_on(self.connector.connect())?;
        drop(session);
        Ok(())
    }

    /// Shakes hands in bare TLS.
    ///
    /// # Errors
    /// If that fails.
    pub fn shake_hands(&self) -> Result<(), Failure> {
        self.runtime.block_on(self.bare.shake_hands())
    }

    /// A call in an open session.
    ///
    /// # Errors
    /// If it fails, or brings something else back.
    pub fn call_inside(&self) -> Result<(), Failure> {
        self.call(&self.inside)
    }

    /// The same call without a session.
    ///
    /// # Errors
    /// If it fails, or brings something else back.
    pub fn call_outside(&self) -> Result<(), Failure> {
        self.call(&self.outside)
    }

    fn call(&self, client: &Client) -> Result<(), Failure> {
        let answer = self.runtime.block_on(echo::call(client, &self.payload))?;
        if answer == self.payload { Ok(()) } else { Err("another answer".into()) }
    }
}

/// Evidence for measurements: what it says is authenticated under a key that both sides have. Microseconds, where an
/// attestation document takes milliseconds.
#[derive(Clone, Debug)]
struct Authenticated(hmac::Key);

impl Authenticated {
    fn statement(public_key: &[u8], nonce: &[u8; 32]) -> Vec<u8> {
        [nonce, public_key].concat()
    }
}

impl Evidence for Authenticated {
    fn evidence<'a>(&'a self, request: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
        Box::pin(async move {
            let nonce = request.nonce().ok_or("fresh only")?;
            Ok(hmac::sign(&self.0, &Self::statement(request.public_key(), nonce)).as_ref().to_vec())
        })
    }
}

impl VerifyEvidence for Authenticated {
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        let Freshness::Nonce(nonce) = expected.freshness() else { return Err("fresh only".into()) };
        hmac::verify(&self.0, &Self::statement(expected.public_key(), nonce), evidence)
            .map_err(|_| "not for this session".into())
    }
}
