//! What enclaves run on, and where the stack's processes and its enclaves reach each other then.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use eif::emulator::{Boot, EmulatedEnclave, Emulator};
use enclave::{Configuration, DangerConfiguration};
use nsm_attest::{PcrIndex, PcrValue};
use signer_protocol::method::{Health, HealthRequest};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use vsock_rpc::{Addr, Client};

use crate::role::measure;
use crate::stack::{Ground, Kms};

/// What stands in for AWS's hardware.
#[derive(Debug)]
pub(crate) enum Hardware {
    /// The enclave is a process with a simulated NSM, which signs under a root of its own.
    Simulated,
    /// A process with an NSM that signs nothing, as that of QEMU. Everybody here who believes it says so
    /// ([`crate::unsigned`]).
    Unsigned,
    /// The enclave's image in QEMU's emulated enclave: a real kernel, `/dev/nsm` and vsock. Its NSM signs nothing either.
    Emulated(Emulation),
}

impl Hardware {
    /// Whether its documents can be told from forged ones.
    pub(crate) fn signs(&self) -> bool {
        matches!(self, Self::Simulated)
    }
}

/// An emulator, the program for its images, and the machines that run.
#[derive(Debug)]
pub(crate) struct Emulation {
    emulator: Emulator,
    program: Vec<u8>,
    /// Registered as soon as they exist, so that none outlives [`stop_all`](Self::stop_all).
    machines: Mutex<Vec<(&'static str, EmulatedEnclave)>>,
}

/// An enclave of the stack, by the name of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// The one that the story is about.
    Genuine,
    /// Another image, run by a hostile parent.
    Changed,
}

impl Site {
    pub(crate) const ALL: [Self; 2] = [Self::Genuine, Self::Changed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Genuine => "enclave",
            Self::Changed => "changed",
        }
    }

    /// Machines that run side by side need context ids of their own.
    const fn cid(self) -> u32 {
        match self {
            Self::Genuine => 16,
            Self::Changed => 17,
        }
    }
}

/// Addresses as one side names them.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) parent_port: Addr,
    pub(crate) sessions: Addr,
    pub(crate) kms_relay: Addr,
}

/// An image or what stands for one, measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) site: Site,
    pub(crate) configuration: String,
    pub(crate) pcr0: PcrValue,
    /// Bytes of the image beside its kernel; none of a process.
    pub(crate) image_len: Option<u64>,
}

impl Emulation {
    /// Sets the emulator up if need be, and builds the enclave's program unless `program` is one.
    pub(crate) async fn prepare(program: Option<&Path>) -> anyhow::Result<Self> {
        let emulator = Emulator::from_environment()?;
        emulator.set_up().await?;
        let program = match program {
            Some(program) => read(program)?,
            None => build_program().await?,
        };
        Ok(Self { emulator, program, machines: Mutex::default() })
    }

    /// The program with one byte changed that its kernel does not look at: in the table of its sections, at its end.
    pub(crate) fn changed_program(&self) -> anyhow::Result<Vec<u8>> {
        let mut program = self.program.clone();
        *program.last_mut().context("the program is empty")? ^= 1;
        Ok(program)
    }

    /// Builds and measures the image of a site.
    fn measure(&self, ground: &Ground, site: Site, configuration: String) -> anyhow::Result<Measured> {
        let program = match site {
            Site::Genuine => self.program.clone(),
            Site::Changed => self.changed_program()?,
        };
        let at = Configuration::PATH.parse().context("the configuration's path")?;
        let image = self.emulator.image(program, [(at, configuration.clone().into_bytes())])?;
        let measured = image.measure().pcrs();
        let pcr0 = *measured.get(PcrIndex::IMAGE).context("an image has a PCR0")?;
        let path = image_path(ground, site);
        let mut file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        image.write(&mut file).with_context(|| format!("cannot write {}", path.display()))?;
        let image_len = file.metadata()?.len() - image.kernel().len() as u64;
        Ok(Measured { site, configuration, pcr0, image_len: Some(image_len) })
    }

    /// Boots the image of a site, and waits until its parent port answers.
    pub(crate) async fn boot(&self, ground: &Ground, site: Site) -> anyhow::Result<()> {
        let boot = Boot {
            image: image_path(ground, site),
            run_folder: run_folder(ground, site),
            memory_mib: MEMORY_MIB,
            cid: site.cid(),
            ports: vec![PARENT_PORT, SESSION_PORT],
        };
        self.lock().push((site.name(), self.emulator.boot(&boot)?));
        let client = Client::builder(ground.host_side(site)?.parent_port).build();
        let until = Instant::now() + BOOT_DEADLINE;
        while let Err(error) = client.call::<Health>(&HealthRequest {}, HEALTH_DEADLINE).await {
            let ended = self.ended(site)?;
            if ended.is_some() || Instant::now() > until {
                let why = ended.map_or_else(|| error.to_string(), |status| format!("it has ended with {status}"));
                let console =
                    self.console(site).unwrap_or_else(|error| format!("nothing that can be read ({error:#})"));
                bail!("the emulated enclave does not serve: {why}; its console says: {console}");
            }
            // Nothing tells the host when the guest listens.
            sleep(RETRY).await;
        }
        Ok(())
    }

    /// How the machine of a site ended, if it did.
    fn ended(&self, site: Site) -> anyhow::Result<Option<ExitStatus>> {
        let mut machines = self.lock();
        let at = position(&machines, site)?;
        Ok(machines[at].1.try_wait()?)
    }

    /// What the guest of a site has written to its console.
    fn console(&self, site: Site) -> anyhow::Result<String> {
        let machines = self.lock();
        Ok(machines[position(&machines, site)?].1.console()?)
    }

    /// Kills the machine of a site, as a parent can at any time.
    pub(crate) async fn kill(&self, site: Site) -> anyhow::Result<()> {
        let machine = {
            let mut machines = self.lock();
            let at = position(&machines, site)?;
            machines.remove(at).1
        };
        Ok(machine.kill().await?)
    }

    /// Kills every machine.
    pub(crate) async fn stop_all(&self) -> anyhow::Result<()> {
        let machines = std::mem::take(&mut *self.lock());
        let mut outcome = Ok(());
        for (name, machine) in machines {
            let killed = machine.kill().await.with_context(|| format!("the machine of {name}"));
            outcome = outcome.and(killed);
        }
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, EmulatedEnclave)>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ground {
    /// Addresses as the enclave of a site names them, in its measured configuration.
    pub(crate) fn guest_side(&self, site: Site) -> anyhow::Result<Addresses> {
        match self.hardware {
            Hardware::Simulated | Hardware::Unsigned => self.host_side(site),
            Hardware::Emulated(_) => Ok(Addresses {
                parent_port: Addr::Vsock { cid: Addr::CID_ANY, port: PARENT_PORT },
                sessions: Addr::Vsock { cid: Addr::CID_ANY, port: SESSION_PORT },
                kms_relay: Addr::Vsock { cid: HOST_CID, port: KMS_RELAY_PORT },
            }),
        }
    }

    /// Addresses as everybody else names them.
    pub(crate) fn host_side(&self, site: Site) -> anyhow::Result<Addresses> {
        let name = site.name();
        match self.hardware {
            Hardware::Simulated | Hardware::Unsigned => Ok(Addresses {
                parent_port: self.socket(&format!("{name}.sock"))?,
                sessions: self.socket(&format!("{name}-sessions.sock"))?,
                kms_relay: self.socket(&format!("{name}-kms.sock"))?,
            }),
            Hardware::Emulated(_) => {
                let folder = run_folder(self, site);
                Ok(Addresses {
                    parent_port: unix(&EmulatedEnclave::guest_socket(&folder, PARENT_PORT))?,
                    sessions: unix(&EmulatedEnclave::guest_socket(&folder, SESSION_PORT))?,
                    kms_relay: unix(&EmulatedEnclave::host_socket(&folder, KMS_RELAY_PORT))?,
                })
            }
        }
    }

    /// Where the enclave announces that it has booted; nobody listens where it is a process.
    pub(crate) fn heartbeat(&self) -> Addr {
        Addr::Vsock { cid: HOST_CID, port: HEARTBEAT_PORT }
    }

    /// What the measured configuration must weaken: an emulated enclave reads its configuration as a real one does, and is
    /// to trust this stack's KMS.
    pub(crate) fn danger(&self, kms: &Kms) -> anyhow::Result<Option<DangerConfiguration>> {
        Ok(match self.hardware {
            // The role hands the root over beside the configuration.
            Hardware::Simulated | Hardware::Unsigned => None,
            Hardware::Emulated(_) => {
                let root = enclave::RootCertificate::from_der(hex::decode(&kms.tls_root)?);
                Some(DangerConfiguration { kms_tls_roots: vec![root] })
            }
        })
    }

    /// Measures what runs at a site with a configuration: what an operator computes before anything runs.
    pub(crate) fn measure(&self, site: Site, configuration: String) -> anyhow::Result<Measured> {
        match &self.hardware {
            Hardware::Simulated | Hardware::Unsigned => {
                let pcr0 = measure(configuration.as_bytes())?;
                Ok(Measured { site, configuration, pcr0, image_len: None })
            }
            Hardware::Emulated(emulation) => emulation.measure(self, site, configuration),
        }
    }
}

/// Where the sockets and the console's log of a machine are. Made before anybody listens there.
pub(crate) fn run_folder(ground: &Ground, site: Site) -> PathBuf {
    ground.file(site.name())
}

/// Where the machine of a site is among those that run.
fn position(machines: &[(&'static str, EmulatedEnclave)], site: Site) -> anyhow::Result<usize> {
    machines.iter().position(|(name, _)| *name == site.name()).context("no such machine runs")
}

fn image_path(ground: &Ground, site: Site) -> PathBuf {
    ground.file(&format!("{}.eif", site.name()))
}

fn unix(path: &Path) -> anyhow::Result<Addr> {
    Addr::unix(path).with_context(|| format!("no socket can have the path {}", path.display()))
}

/// The enclave's program, static, as `examples/eif/build-enclave` builds it.
async fn build_program() -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::TempDir::with_prefix("nitro-signer-program-").context("cannot make a temporary folder")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../eif/build-enclave");
    let mut build = Command::new(&script);
    build.arg(folder.path()).kill_on_drop(true).stdout(std::io::stderr());
    let status = build.status().await.with_context(|| format!("cannot run {}", script.display()))?;
    anyhow::ensure!(status.success(), "{} ended with {status}", script.display());
    read(&folder.path().join("enclave"))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

const PARENT_PORT: u32 = 5000;
const SESSION_PORT: u32 = 5001;
const KMS_RELAY_PORT: u32 = 8000;
const HEARTBEAT_PORT: u32 = 9000;
/// The emulated parent: its device carries what is for CID 2, and drops 3, a real one's.
const HOST_CID: u32 = 2;
/// What the guest has to do with.
pub(crate) const MEMORY_MIB: u32 = 128;
const BOOT_DEADLINE: Duration = Duration::from_secs(120);
const HEALTH_DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(100);
