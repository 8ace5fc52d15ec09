//! A probe in an emulated enclave.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eif::Signer;
use eif::emulator::{Boot, EmulatedEnclave, Emulator};
use emulator_probe::{Bytes, Echo, End, Ending, MAX_PAYLOAD_LEN, PORT};
use nsm_attest::{PcrIndex, PcrValue};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use vsock_rpc::{Addr, Client};

/// A guest that answers.
pub(crate) struct Guest {
    pub(crate) client: Client,
    /// PCR0, PCR1, PCR2 and PCR8 as they were computed from the image's file.
    pub(crate) measured: Vec<(PcrIndex, PcrValue)>,
    boot: Boot,
    machine: Option<EmulatedEnclave>,
    emulator: Emulator,
    folder: TempDir,
}

impl Guest {
    /// Boots the probe that `NITRO_EMULATOR_PROBE` names (as `examples/eif/build-enclave --package emulator-probe` builds
    /// it), with this many MiB; says so if there is none.
    pub(crate) async fn boot(memory_mib: u32) -> Option<Self> {
        let Some(probe) = std::env::var_os("NITRO_EMULATOR_PROBE") else {
            // Not `println!`: the test harness swallows that of a test that passes.
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            let skipped = writeln!(io::stderr(), "{test} skipped: NITRO_EMULATOR_PROBE is not set");
            skipped.expect("standard error is open");
            return None;
        };
        let emulator = Emulator::from_environment().unwrap();
        emulator.set_up().await.unwrap();
        let folder = TempDir::with_prefix("probe-").unwrap();
        let image = folder.path().join("probe.eif");
        let measured = build(Path::new(&probe), &emulator, &image);
        // Machines that run side by side need context ids of their own.
        static NEXT_CID: AtomicU32 = AtomicU32::new(16);
        let cid = NEXT_CID.fetch_add(1, Ordering::SeqCst);
        let boot = Boot { image, run_folder: folder.path().to_owned(), memory_mib, cid, ports: vec![PORT] };
        let socket = Addr::unix(EmulatedEnclave::guest_socket(folder.path(), PORT)).unwrap();
        let client = Client::builder(socket).max_payload_len(MAX_PAYLOAD_LEN).max_in_flight(128).build();
        let mut guest = Self { client, measured, boot, machine: None, emulator, folder };
        guest = guest.boot_again().await;
        Some(guest)
    }

    /// Boots the same image in the same folder, and waits until it answers.
    pub(crate) async fn boot_again(mut self) -> Self {
        assert!(self.machine.is_none(), "it runs already");
        self.machine = Some(self.emulator.boot(&self.boot).unwrap());
        let began = Instant::now();
        while let Err(error) = self.client.call::<Echo>(&Bytes(Vec::new()), DEADLINE).await {
            let console = || self.machine.as_ref().unwrap().console();
            assert!(began.elapsed() < BOOT_DEADLINE, "{error}; the guest's console: {:?}", console());
            tokio::time::sleep(RETRY).await;
        }
        println!("the probe answers after {:?}", began.elapsed());
        self
    }

    pub(crate) async fn kill(&mut self) {
        self.machine.take().unwrap().kill().await.unwrap();
    }

    /// Lets the guest power off, as init does when its program ends.
    pub(crate) async fn power_off(self) {
        self.end(Ending::Cleanly).await;
    }

    /// Lets the guest's program end, waits until the guest has powered off, and returns what was on its console.
    pub(crate) async fn end(mut self, ending: Ending) -> String {
        self.client.call::<End>(&ending, DEADLINE).await.unwrap();
        let mut machine = self.machine.take().unwrap();
        machine.wait(DEADLINE).await.unwrap_or_else(|error| panic!("{error}: {:?}", machine.console()));
        machine.console().unwrap()
    }

    pub(crate) fn run_folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Writes the probe's image, signed by a key of this run, and says what the file measures.
fn build(probe: &Path, emulator: &Emulator, path: &Path) -> Vec<(PcrIndex, PcrValue)> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let signer = Signer::from_pem(key.serialize_pem().as_bytes(), certificate.pem().as_bytes()).unwrap();
    let image = emulator.image(std::fs::read(probe).unwrap(), []).unwrap().sign(&signer).unwrap();
    image.write(&mut std::fs::File::create(path).unwrap()).unwrap();
    let measured = eif::EifImage::from_bytes(&std::fs::read(path).unwrap()).unwrap().measure();
    measured.pcrs().iter().map(|(index, value)| (index, *value)).collect()
}

/// Waits, within a deadline, until something that another task does is done.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < BOOT_DEADLINE, "not within {BOOT_DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
const BOOT_DEADLINE: Duration = Duration::from_secs(180);

/// Between two attempts to reach a guest that boots; nothing tells the host when it listens.
const RETRY: Duration = Duration::from_millis(200);
