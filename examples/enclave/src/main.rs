//! The production enclave: the signing service over `/dev/nsm` and vsock.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use enclave::{Configuration, RelayTransport, boot, serve};
use nsm_attest::Device;
use tokio::signal::unix::{SignalKind, signal};

/// Where the image keeps its configuration, unless the first argument names another file of the image.
const CONFIGURATION: &str = "/etc/nitro-signer/enclave.json";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().with_target(false).init();
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(CONFIGURATION), PathBuf::from);
    ensure!(!path.to_string_lossy().starts_with('-'), "usage: enclave [CONFIGURATION], {CONFIGURATION} by default");
    let json = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let configuration = Configuration::from_json(&json)?;
    let transport = Arc::new(RelayTransport::new(configuration.kms.relay.clone()));
    let nsm = Arc::new(Device::open().context("cannot open the NSM")?);
    let mut terminate = signal(SignalKind::terminate())?;
    let kms_roots = configuration.kms_tls_roots()?;
    if configuration.danger.is_some() {
        tracing::warn!(
            "DANGER: the measured configuration has danger.kms_tls_roots: whoever holds a key under these roots is taken for KMS and learns every key; this image is for emulators and tests"
        );
    }
    let service = boot(configuration, nsm, transport, kms_roots)?;
    let mut server = serve(service).await.context("cannot listen for the parent")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    tokio::select! {
        _ = terminate.recv() => {}
        // A deaf enclave is of no use to anyone: end, so that its supervisor starts another.
        ended = server.wait() => return ended.context("the parent port is gone"),
    }
    server.shutdown().await;
    Ok(())
}
