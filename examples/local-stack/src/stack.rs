//! The stack: KMS, enclave and parent as processes, set up in the order an operator follows.
//!
//! The KMS key comes first, because the enclave's configuration names it and is measured; the key policy comes after
//! the measurement, because it names PCR0.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
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
use tokio::time::Instant;
use vsock_rpc::Addr;
use zeroize::Zeroizing;

use crate::child::{ProcessId, Processes};
use crate::hardware::{Addresses, Hardware, Measured, Site, run_folder};
use crate::narrator::Narrator;
use crate::role::{
    EnclaveBootstrap, EnclaveReady, KmsBootstrap, KmsReady, ParentBootstrap, ParentReady, Principal, Role,
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
        let ground = Self {
            folder: TempDir::with_prefix("nitro-signer-").context("cannot make a temporary folder")?,
            processes: Processes::default(),
            attestation_root: authority.trust_anchor(),
            attestation_root_der: authority.root_certificate().to_vec(),
            authority: Zeroizing::new(hex::encode(&*authority.to_bytes())),
            hardware,
            administrator: principal("kms-administrator")?,
            parent_role: principal("signer-parent")?,
        };
        for site in Site::ALL {
            std::fs::create_dir(run_folder(&ground, site)).context("cannot make a folder for an enclave")?;
        }
        Ok(ground)
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

    /// Stops every process and every machine; says what could not be.
    pub(crate) async fn stop_all(&self) -> anyhow::Result<()> {
        let machines = match &self.hardware {
            Hardware::Emulated(emulation) => emulation.stop_all().await,
            Hardware::Simulated | Hardware::Unsigned => Ok(()),
        };
        self.processes.stop_all().await.and(machines)
    }

    /// Stops every process and removes the folder; says what could not be done.
    pub(crate) async fn clear(self) -> anyhow::Result<()> {
        let stopped = self.stop_all().await;
        stopped.and(self.folder.close().context("cannot remove the temporary folder"))
    }
}

/// Everything running, set up in an operator's order.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) kms: Kms,
    pub(crate) kms_key: KeyArn,
    pub(crate) pcr0: PcrValue,
    /// Bytes of the enclave's image beside its kernel, where there is an image.
    pub(crate) image_len: Option<u64>,
    /// When the enclave's start began.
    pub(crate) booted_at: Instant,
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

        let configuration = configuration(ground, &kms, vec![kms_key.clone()], Site::Genuine)?;
        let measured = ground.measure(Site::Genuine, configuration)?;
        let pcr0 = measured.pcr0;
        narrator.step("the enclave's configuration names that key and is measured with the program");
        narrator.detail("PCR0", pcr0);
        if let Some(len) = measured.image_len {
            narrator.detail("image", format!("{len} bytes beside its kernel"));
        }
        kms.admit(ground, &kms_key, &pcr0).await?;
        narrator.step("the key policy admits this PCR0 alone");

        let parent = Parent::start(ground, &kms).await?;
        let booted_at = Instant::now();
        Enclave::start(ground, &kms, &measured).await?;
        narrator.step("parent and enclave run");
        narrator.detail("HTTPS", parent.addr);
        Ok(Self { kms, kms_key, pcr0, image_len: measured.image_len, booted_at, parent })
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
            accept_unsigned: !ground.hardware.signs(),
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
pub(crate) enum Enclave {
    /// A process of the stack.
    Process(ProcessId),
    /// A machine of the emulator.
    Machine(Site),
}

impl Enclave {
    /// Starts what was measured, and waits until it serves.
    pub(crate) async fn start(ground: &Ground, kms: &Kms, measured: &Measured) -> anyhow::Result<Self> {
        if let Hardware::Emulated(emulation) = &ground.hardware {
            emulation.boot(ground, measured.site).await?;
            return Ok(Self::Machine(measured.site));
        }
        let bootstrap = EnclaveBootstrap {
            authority: ground.authority.clone(),
            kms_tls_root: kms.tls_root.clone(),
            configuration: measured.configuration.clone(),
            unsigned: !ground.hardware.signs(),
        };
        let (process, EnclaveReady { pcr0 }) = ground.processes.start(Role::Enclave, &bootstrap).await?;
        ensure!(pcr0 == measured.pcr0, "the enclave reports PCR0 {pcr0}, not {}", measured.pcr0);
        Ok(Self::Process(process))
    }

    pub(crate) async fn stop(self, ground: &Ground) -> anyhow::Result<()> {
        match (self, &ground.hardware) {
            (Self::Process(process), _) => ground.processes.stop(process).await,
            (Self::Machine(site), Hardware::Emulated(emulation)) => emulation.kill(site).await,
            (Self::Machine(_), _) => bail!("only the emulator has machines"),
        }
    }
}

/// The measured configuration of this stack's enclave: one KMS key, a parent that may administer and call, and sessions.
pub(crate) fn configuration(ground: &Ground, kms: &Kms, key_arns: Vec<KeyArn>, site: Site) -> anyhow::Result<String> {
    let addresses = ground.guest_side(site)?;
    let configuration = Configuration {
        version: NonZeroU32::MIN,
        kms: KmsConfiguration { region: REGION.to_owned(), key_arns, relay: addresses.kms_relay },
        parent_port: addresses.parent_port,
        heartbeat: ground.heartbeat(),
        parent_may: ParentPermissions { administer: true, sign: true },
        sessions: Some(SessionConfiguration { port: addresses.sessions, clients: SessionClients::Any }),
        danger: ground.danger(kms)?,
    };
    Ok(serde_json::to_string_pretty(&configuration)?)
}

/// A running parent, and a client that trusts its certificate.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) client: ParentClient,
    pub(crate) addr: SocketAddr,
}

impl Parent {
    pub(crate) async fn start(ground: &Ground, kms: &Kms) -> anyhow::Result<Self> {
        let Addresses { parent_port, sessions, .. } = ground.host_side(Site::Genuine)?;
        let kms_relays = Site::ALL.map(|site| Ok(ground.host_side(site)?.kms_relay));
        let bootstrap = ParentBootstrap {
            enclave: parent_port,
            store: ground.store(),
            kms_relays: kms_relays.into_iter().collect::<anyhow::Result<_>>()?,
            kms: kms.addr,
            session_relay: ground.socket(SESSION_RELAY)?,
            sessions,
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

/// The parent's socket for callers, from which it relays to the enclave's.
pub(crate) const SESSION_RELAY: &str = "sessions.sock";
