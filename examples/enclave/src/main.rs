//! The production enclave: the signing service over `/dev/nsm` and vsock.
//!
//! As the first process of an enclave's kernel it is its own init; started otherwise, as under a supervisor, it is an
//! ordinary program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use enclave::{Configuration, RelayTransport, boot, init, serve};
use nsm_attest::Device;
use tokio::signal::unix::{SignalKind, signal};
use vsock_rpc::Addr;

fn main() -> anyhow::Result<()> {
    // Since the start, not since 1970: an enclave's wall clock is its parent's to set, and wrong.
    tracing_subscriber::fmt().json().with_target(false).with_timer(tracing_subscriber::fmt::time::uptime()).init();
    if init::is_first_process() {
        // Its arguments are the kernel's leftovers, and not read.
        init::run(|nsm| {
            let configuration = read_configuration(Path::new(Configuration::PATH))?;
            let heartbeat = configuration.heartbeat.clone();
            run(&configuration, nsm, Some(heartbeat))
        });
    }
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(Configuration::PATH), PathBuf::from);
    ensure!(
        !path.to_string_lossy().starts_with('-'),
        "usage: enclave [CONFIGURATION], {} by default",
        Configuration::PATH
    );
    let nsm = Device::open().context("cannot open the NSM")?;
    run(&read_configuration(&path)?, nsm, None)
}

fn read_configuration(path: &Path) -> anyhow::Result<Configuration> {
    let json = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Configuration::from_json(&json)?)
}

/// Serves until told to end. `heartbeat` is where the first process announces itself.
fn run(configuration: &Configuration, nsm: Device, heartbeat: Option<Addr>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        if heartbeat.is_some() {
            tokio::spawn(reap_children());
        }
        serve_until_told(configuration.clone(), nsm, heartbeat).await
    });
    // A call to the NSM that hangs does not keep the enclave.
    runtime.shutdown_timeout(LAST_CALLS);
    outcome
}

async fn announce(heartbeat: Addr) {
    match init::announce(&heartbeat).await {
        Ok(()) => tracing::info!(%heartbeat, "the parent knows that the enclave has booted"),
        Err(error) => tracing::warn!(%heartbeat, %error, "the parent may not know that the enclave has booted"),
    }
}

/// Orphans that nobody fetches take a place in the kernel's table each: worth a word, and no reason to stop signing.
async fn reap_children() {
    if let Err(error) = init::reap_children().await {
        tracing::warn!(%error, "children that end are not fetched");
    }
}

async fn serve_until_told(configuration: Configuration, nsm: Device, heartbeat: Option<Addr>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let transport = Arc::new(RelayTransport::new(configuration.kms.relay.clone()));
    let kms_roots = configuration.kms_tls_roots()?;
    if configuration.danger.is_some() {
        tracing::warn!(
            "DANGER: the measured configuration has danger.kms_tls_roots: whoever holds a key under these roots is taken for KMS and learns every key; this image is for emulators and tests"
        );
    }
    let service = boot(configuration, Arc::new(nsm), transport, kms_roots)?;
    let mut server = serve(service).await.context("cannot listen for the parent")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    // Not before: whoever waits for it would take an enclave for booted that then fails its self-test.
    if let Some(heartbeat) = heartbeat {
        tokio::spawn(announce(heartbeat));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // A deaf enclave is of no use to anyone: end, so that its supervisor starts another.
        ended = server.wait() => return ended.context("the parent port is gone"),
    }
    server.shutdown().await;
    Ok(())
}

/// How long blocking calls may go on after the service has ended.
const LAST_CALLS: Duration = Duration::from_secs(2);
