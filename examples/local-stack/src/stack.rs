//! The stack: KMS, enclave and parent as processes, set up in the order an operator follows.
//!
//! The KMS key comes first, because the enclave's configuration names it and is measured; the key policy comes after
//! the measurement, because it names PCR0.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use aws_lc_rs::rand;
use enclave::{Configuration, KmsConfiguration, ParentPermissions, SessionClients, SessionConfiguration};
use kms_enclave_client::sim::AdminClient;
use kms_enclave_client::{KeyArn, TcpTransport, TlsRoots};
use nsm_attest::sim::Authority;
use nsm_attest::{Clock, PcrValue, TrustAnchor};
use rustls_pki_types::CertificateDer;
use signer_protocol::client::ParentClient;
use signerctl::key_policy::{KeyPolicyInput, render};
use tempfile::TempDir;
use vsock_rpc::Addr;
use zeroize::Zeroizing;

use crate::child::{ProcessId, Processes};
use crate::narrator::Narrator;
use crate::role::{
    EnclaveBootstrap, EnclaveReady, KmsBootstrap, KmsReady, ParentBootstrap, ParentReady, Principal, Role, measure,
};

/// What all roles share: a folder that goes away with this value, the simulated hardware, and who KMS knows.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    pub(crate) processes: Processes,
    /// What the simulated hardware signs with, as hexadecimal.
    pub(crate) authority: Zeroizing<String>,
    pub(crate) attestation_root: TrustAnchor,
    pub(crate) attestation_root_der: Vec<u8>,
    pub(crate) hardware: Hardware,
    administrator: Principal,
    /// The parent's role: what the enclave calls KMS as.
    pub(crate) parent_role: Principal,
}

impl Ground {
    pub(crate) fn prepare(hardware: Hardware) -> anyhow::Result<Self> {
        let authority = Authority::generate(Clock::system().now())?;
        Ok(Self {
            folder: TempDir::with_prefix("nitro-signer-").context("cannot make a temporary folder")?,
            processes: Processes::default(),
            attestation_root: authority.trust_anchor(),
            attestation_root_der: authority.root_certificate().to_vec(),
            authority: Zeroizing::new(hex::encode(&*authority.to_bytes())),
            hardware,
            administrator: principal("kms-administrator")?,
            parent_role: principal("signer-parent")?,
        })
    }

    /// A unix socket of this stack.
    pub(crate) fn socket(&self, name: &str) -> anyhow::Result<Addr> {
        let path = self.file(name);
        Addr::unix(&path).with_context(|| format!("no socket can have the path {}", path.display()))
    }

    /// Where the parent keeps its records.
    pub(crate) fn store(&self) -> PathBuf {
        self.file("records")
    }

    /// The parent's certificate, for clients outside this process.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("parent.pem")
    }

    /// A file of this stack.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stops every process and removes the folder; says what could not be done.
    pub(crate) async fn clear(self) -> anyhow::Result<()> {
        let stopped = self.processes.stop_all().await;
        stopped.and(self.folder.close().context("cannot remove the temporary folder"))
    }
}

/// What stands in for AWS's hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hardware {
    /// A simulated NSM, which signs under a root of its own.
    Simulated,
    /// One that signs nothing, as that of QEMU. Everybody here who believes it says so ([`crate::unsigned`]).
    Unsigned,
}

/// Everything running, set up in an operator's order.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) kms: Kms,
    pub(crate) kms_key: KeyArn,
    pub(crate) pcr0: PcrValue,
    pub(crate) parent: Parent,
}

impl Stack {
    /// Starts it all, telling each step.
    pub(crate) async fn start(narrator: &mut Narrator, ground: &Ground) -> anyhow::Result<Self> {
        let kms = Kms::start(ground).await?;
        narrator.step("KMS answers, trusting the simulated hardware's root");
        let kms_key = kms.admin.create_key().await.context("KMS made no key")?;
        narrator.step("the administrator creates a KMS key");
        narrator.detail("key", &kms_key);

        let measured = configuration(ground, vec![kms_key.clone()], PARENT_PORT)?;
        let pcr0 = measure(measured.as_bytes())?;
        narrator.step("the enclave's configuration names that key and is measured with the program");
        narrator.detail("PCR0", pcr0);
        kms.admit(ground, &kms_key, &pcr0).await?;
        narrator.step("the key policy admits this PCR0 alone");

        let enclave = Enclave::start(ground, &kms, &measured).await?;
        ensure!(enclave.pcr0 == pcr0, "the enclave reports PCR0 {}, not {pcr0}", enclave.pcr0);
        let parent = Parent::start(ground, &kms).await?;
        narrator.step("enclave and parent run");
        narrator.detail("HTTPS", parent.addr);
        Ok(Self { kms, kms_key, pcr0, parent })
    }
}

/// A running KMS and its administrator.
#[derive(Debug)]
pub(crate) struct Kms {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: AdminClient,
    /// DER of the root of its TLS certificate, as hexadecimal.
    pub(crate) tls_root: String,
}

impl Kms {
    pub(crate) async fn start(ground: &Ground) -> anyhow::Result<Self> {
        let bootstrap = KmsBootstrap {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            attestation_root: hex::encode(&ground.attestation_root_der),
            administrator: ground.administrator.clone(),
            principals: vec![ground.parent_role.clone()],
            accept_unsigned: ground.hardware == Hardware::Unsigned,
        };
        let (_, KmsReady { addr, tls_root }) = ground.processes.start(Role::Kms, &bootstrap).await?;
        let roots = TlsRoots::from_der([&*hex::decode(&tls_root)?])?;
        let transport = Arc::new(TcpTransport::new(addr));
        let credentials = ground.administrator.credentials()?;
        let admin = AdminClient::new(REGION, transport, &roots, Clock::system(), credentials)?;
        Ok(Self { addr, admin, tls_root })
    }

    /// Admits the image measured as `pcr0`, running under the parent's role, to `key`, and nobody else.
    pub(crate) async fn admit(&self, ground: &Ground, key: &KeyArn, pcr0: &PcrValue) -> anyhow::Result<()> {
        let policy = render(&KeyPolicyInput {
            account: ACCOUNT,
            roles: std::slice::from_ref(&ground.parent_role.arn),
            images: &[*pcr0],
            administrators: std::slice::from_ref(&ground.administrator.arn),
        })?;
        self.admin.put_key_policy(key, &policy).await.context("KMS refused the key policy")
    }
}

/// A running enclave.
#[derive(Debug)]
pub(crate) struct Enclave {
    pub(crate) process: ProcessId,
    pub(crate) pcr0: PcrValue,
}

impl Enclave {
    pub(crate) async fn start(ground: &Ground, kms: &Kms, configuration: &str) -> anyhow::Result<Self> {
        let bootstrap = EnclaveBootstrap {
            authority: ground.authority.clone(),
            kms_tls_root: kms.tls_root.clone(),
            configuration: configuration.to_owned(),
            unsigned: ground.hardware == Hardware::Unsigned,
        };
        let (process, EnclaveReady { pcr0 }) = ground.processes.start(Role::Enclave, &bootstrap).await?;
        Ok(Self { process, pcr0 })
    }
}

/// The measured configuration of this stack's enclave: one KMS key, a parent that may administer and call, and sessions.
pub(crate) fn configuration(ground: &Ground, key_arns: Vec<KeyArn>, port: &str) -> anyhow::Result<String> {
    let configuration = Configuration {
        version: NonZeroU32::MIN,
        kms: KmsConfiguration { region: REGION.to_owned(), key_arns, relay: ground.socket(KMS_RELAY)? },
        parent_port: ground.socket(port)?,
        heartbeat: Configuration::HEARTBEAT_OF_NITRO_CLI,
        parent_may: ParentPermissions { administer: true, sign: true },
        sessions: Some(SessionConfiguration { port: session_port(ground, port)?, clients: SessionClients::Any }),
        danger: None,
    };
    Ok(serde_json::to_string_pretty(&configuration)?)
}

/// Where the enclave whose parent port is `port` listens for sessions.
fn session_port(ground: &Ground, port: &str) -> anyhow::Result<Addr> {
    ground.socket(&format!("sessions-{port}"))
}

/// A running parent, and a client that trusts its certificate.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) client: ParentClient,
    pub(crate) addr: SocketAddr,
}

impl Parent {
    pub(crate) async fn start(ground: &Ground, kms: &Kms) -> anyhow::Result<Self> {
        let bootstrap = ParentBootstrap {
            enclave: ground.socket(PARENT_PORT)?,
            store: ground.store(),
            kms_relay: ground.socket(KMS_RELAY)?,
            kms: kms.addr,
            session_relay: ground.socket(SESSION_RELAY)?,
            sessions: session_port(ground, PARENT_PORT)?,
            role: ground.parent_role.clone(),
        };
        let (_, ParentReady { addr, tls_root, certificate_pem }) =
            ground.processes.start(Role::Parent, &bootstrap).await?;
        let root = CertificateDer::from(hex::decode(tls_root)?);
        std::fs::write(ground.certificate(), certificate_pem).context("cannot write the parent's certificate")?;
        let client = ParentClient::builder(addr.to_string(), "localhost").roots([root]).build()?;
        Ok(Self { client, addr })
    }
}

/// A caller that KMS will know for one run.
fn principal(name: &str) -> anyhow::Result<Principal> {
    let mut secret = [0; 20];
    rand::fill(&mut secret).context("no randomness")?;
    Ok(Principal {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        access_key_id: format!("ASIAFAKE{}", hex::encode_upper(&secret[..6])),
        secret_access_key: format!("fake-secret-{}", hex::encode(&secret[6..])),
        session_token: format!("fake-session-token-of-{name}"),
    })
}

pub(crate) const REGION: &str = "us-east-1";

/// AWS's account number for documentation.
pub(crate) const ACCOUNT: &str = "111122223333";

/// AWS's reference request, with the chain that the policy names.
pub(crate) const REFERENCE_REQUEST: &str = r#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#;

/// A key's policy: the reference request's chain and destination, and nothing else.
pub(crate) const POLICY: &str = r#"{"version":1,"rules":[{"name":"reference","effect":"allow","chains":["eip155:4"],"destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]}]}"#;

/// The enclave's socket for its parent.
pub(crate) const PARENT_PORT: &str = "enclave.sock";

/// The parent's socket for callers, from which it relays to the enclave's.
pub(crate) const SESSION_RELAY: &str = "sessions.sock";

const KMS_RELAY: &str = "kms.sock";
