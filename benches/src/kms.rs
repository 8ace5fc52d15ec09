//! A KMS to call: the simulator, with a key that admits one enclave, that enclave's client, and beside them what the calls
//! are held against: bare HTTP exchanges of the same size under the same TLS, and the RSA inside.

/// HTTP under TLS without anything around it.
pub mod bare;
/// The simulator and the bare server.
pub mod servers;

use std::cell::RefCell;
use std::sync::Arc;

use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use kms_enclave_client::{
    ByteStream, DecryptRequest, GenerateDataKeyRequest, KeyArn, KmsClient, RecipientPool, TcpTransport, TlsRoots,
    Transport,
};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{AttestationRequest, Clock, Nsm, Purpose, UserData};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use self::bare::BareClient;
use self::servers::{Offer, Order, REGION, Servers, enclave_credentials};
use crate::attested::Failure;
use crate::child::{ServerProcess, Service};
use crate::enveloped::Enveloped;

/// An enclave, its KMS, and a data key that the one has got from the other.
#[derive(Debug)]
pub struct World {
    enclave: Enclave,
    client: KmsClient,
    ciphertext_blob: Vec<u8>,
    data_key: Vec<u8>,
    bare: RefCell<BareClient>,
    enveloped: Arc<Enveloped>,
    runtime: Runtime,
    host: Host,
}

/// Where the servers are.
#[derive(Debug)]
enum Host {
    Here { _servers: Box<Servers> },
    Elsewhere { _process: ServerProcess },
}

/// How the client and the bare client reach the servers.
struct Route {
    kms: Arc<dyn Transport>,
    bare: Box<dyn ByteStream>,
}

/// How often the client uses a recipient before it takes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// As often as its pool does by default.
    Usual,
    /// As often as it may, so that none is made meanwhile.
    Lasting,
}

/// On which threads the runtime runs its tasks, blocking ones apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On that of the caller, while it waits.
    Own,
    /// On two workers.
    Two,
}

impl World {
    /// With the servers on the same runtime, reached in memory.
    ///
    /// # Errors
    /// If the simulator or a call fails.
    pub fn here(threads: Threads, recipients: Recipients) -> Result<Self, Failure> {
        let runtime = runtime(threads)?;
        let parts = Parts::new()?;
        let servers = runtime.block_on(Servers::start(&parts.order))?;
        let offer = servers.offer().clone();
        let route = Route {
            kms: Arc::new(servers.kms().memory_transport()),
            bare: Box::new(runtime.block_on(async { servers.bare().in_memory() })),
        };
        Self::enter(runtime, parts, &offer, route, recipients, Host::Here { _servers: Box::new(servers) })
    }

    /// With the servers in another process, reached over TCP.
    ///
    /// # Errors
    /// If the process, the simulator or a call fails.
    pub fn elsewhere(threads: Threads, recipients: Recipients) -> Result<Self, Failure> {
        let parts = Parts::new()?;
        let (process, offer) = ServerProcess::start::<Servers>(&parts.order)?;
        let runtime = runtime(threads)?;
        let bare = runtime.block_on(TcpTransport::new(offer.bare).connect())?;
        let route = Route { kms: Arc::new(TcpTransport::new(offer.kms)), bare };
        Self::enter(runtime, parts, &offer, route, recipients, Host::Elsewhere { _process: process })
    }

    fn enter(
        runtime: Runtime,
        parts: Parts,
        offer: &Offer,
        route: Route,
        recipients: Recipients,
        host: Host,
    ) -> Result<Self, Failure> {
        let Parts { nsm, clock, order, request_len } = parts;
        let key: KeyArn = offer.key.parse()?;
        let tls_roots = TlsRoots::from_der([&*offer.kms_root])?;
        let enclave = Enclave { nsm, clock, key, transport: route.kms, tls_roots };
        let pool = RecipientPool::builder(Arc::clone(&enclave.nsm), enclave.clock.clone());
        let pool = match recipients {
            Recipients::Usual => pool,
            Recipients::Lasting => pool.max_uses(65_536),
        };
        let client = enclave.client(pool.build()?)?;
        runtime.block_on(client.warm())?;
        let made = runtime.block_on(client.generate_data_key(GenerateDataKeyRequest::new(&enclave.key)))?;
        let bare = BareClient::connect(route.bare, &offer.bare_root, request_len, order.reply_len);
        let bare = runtime.block_on(bare)?;
        let world = Self {
            enclave,
            client,
            ciphertext_blob: made.ciphertext_blob,
            data_key: made.plaintext.as_bytes().to_vec(),
            bare: RefCell::new(bare),
            enveloped: Arc::new(Enveloped::new()?),
            runtime,
            host,
        };
        Ok(world)
    }

    /// Decrypts the data key, from the request to the plaintext.
    ///
    /// # Errors
    /// If that fails, or yields something else.
    pub fn decrypt(&self) -> Result<(), Failure> {
        self.runtime.block_on(self.decrypt_with(&self.client))
    }

    /// Decrypts the data key with a client that has nothing yet: no recipient, and no connection. Its pool makes the one
    /// recipient that is needed, and none beside it.
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub fn decrypt_cold(&self) -> Result<(), Failure> {
        let Enclave { nsm, clock, .. } = &self.enclave;
        let client = self.enclave.client(RecipientPool::builder(Arc::clone(nsm), clock.clone()).ready(0).build()?)?;
        self.runtime.block_on(self.decrypt_with(&client))
    }

    async fn decrypt_with(&self, client: &KmsClient) -> Result<(), Failure> {
        let decrypted = client.decrypt(DecryptRequest::new(&self.enclave.key, &self.ciphertext_blob)).await?;
        if decrypted.plaintext.as_bytes() == self.data_key { Ok(()) } else { Err("another data key".into()) }
    }

    /// Decrypts the data key so many times at once.
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub fn decrypt_at_once(&self, calls: usize) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for _ in 0..calls {
                let (client, key, blob) = (self.client.clone(), self.enclave.key.clone(), self.ciphertext_blob.clone());
                running.spawn(async move {
                    let decrypted = client.decrypt(DecryptRequest::new(&key, &blob)).await;
                    decrypted.map(|decrypted| decrypted.plaintext)
                });
            }
            while let Some(plaintext) = running.join_next().await {
                if plaintext??.as_bytes() != self.data_key {
                    return Err("another data key".into());
                }
            }
            Ok(())
        })
    }

    /// What a call with a warm pool costs at least: one RSA decryption, and one exchange of as many bytes over TLS.
    ///
    /// # Errors
    /// If either fails.
    pub fn least(&self) -> Result<(), Failure> {
        decrypt_rsa(&self.enveloped)?;
        self.runtime.block_on(self.bare.borrow_mut().exchange())
    }

    /// The RSA inside so many calls, each a task on the runtime as a call is: the decryption by the enclave, and the
    /// encryption by KMS where that is in this process too.
    ///
    /// # Errors
    /// If one fails.
    pub fn rsa_at_once(&self, calls: usize) -> Result<(), Failure> {
        let encrypts = matches!(self.host, Host::Here { .. });
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for _ in 0..calls {
                let enveloped = Arc::clone(&self.enveloped);
                running.spawn(async move {
                    let is_encrypted = !encrypts || enveloped.oaep.encrypt() == Some(256);
                    is_encrypted && decrypt_rsa(&enveloped).is_ok()
                });
            }
            while let Some(is_done) = running.join_next().await {
                if !is_done? {
                    return Err("the key does not encrypt or decrypt".into());
                }
            }
            Ok(())
        })
    }
}

/// Makes an RSA key like that of a recipient.
///
/// # Errors
/// If AWS-LC cannot.
pub fn generate_rsa() -> Result<(), Failure> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
    if key.key_size_bits() == 2048 { Ok(()) } else { Err("another size".into()) }
}

fn decrypt_rsa(enveloped: &Enveloped) -> Result<(), Failure> {
    if enveloped.oaep.decrypt() == Some(32) { Ok(()) } else { Err("the key does not decrypt".into()) }
}

/// What a client is made of.
#[derive(Debug)]
struct Enclave {
    nsm: Arc<dyn Nsm>,
    clock: Clock,
    key: KeyArn,
    transport: Arc<dyn Transport>,
    tls_roots: TlsRoots,
}

impl Enclave {
    fn client(&self, pool: RecipientPool) -> Result<KmsClient, Failure> {
        Ok(KmsClient::builder()
            .region(REGION)
            .permit_key(self.key.clone())
            .recipient_pool(pool)
            .clock(self.clock.clone())
            .transport(self.transport.clone())
            .tls_roots(self.tls_roots.clone())
            .credentials(enclave_credentials()?)
            .build()?)
    }
}

/// What there is before there are servers.
struct Parts {
    nsm: Arc<dyn Nsm>,
    clock: Clock,
    order: Order,
    /// Of the body of a Decrypt request.
    request_len: usize,
}

impl Parts {
    fn new() -> Result<Self, Failure> {
        let clock = Clock::system();
        let authority = Authority::generate(clock.now())?;
        let attestation_root = authority.root_certificate().to_vec();
        let nsm = SimulatedNsm::builder(authority).measure(EXECUTABLE, CONFIGURATION).clock(clock.clone()).build()?;
        // As the client's pool asks for them.
        let enveloped = Enveloped::new()?;
        let public_key = enveloped.recipient.public_key_der();
        let user_data = UserData { purpose: Purpose::KmsRecipient, digest: *enveloped.recipient.identifier() };
        let document = nsm.attest(&AttestationRequest::new().with_public_key(public_key).with_user_data(user_data))?;
        let request_len = base64_len(document.len()) + base64_len(CIPHERTEXT_BLOB_LEN) + REST_OF_REQUEST.len();
        let reply_len = base64_len(enveloped.bytes.len()) + REST_OF_REPLY.len();
        let order = Order { attestation_root, image: pcr0(EXECUTABLE, CONFIGURATION).to_string(), reply_len };
        Ok(Self { nsm: Arc::new(nsm), clock, order, request_len })
    }
}

fn runtime(threads: Threads) -> std::io::Result<Runtime> {
    match threads {
        Threads::Own => Builder::new_current_thread().enable_all().build(),
        Threads::Two => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    }
}

const fn base64_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

const EXECUTABLE: &[u8] = b"an executable";
const CONFIGURATION: &[u8] = b"its configuration";
/// Of a data key of 32 bytes, by the simulator.
const CIPHERTEXT_BLOB_LEN: usize = 80;
const REST_OF_REQUEST: &str = r#"{"KeyId":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","CiphertextBlob":"","Recipient":{"AttestationDocument":"","KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}"#;
const REST_OF_REPLY: &str = r#"{"CiphertextForRecipient":"","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","KeyId":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}"#;
