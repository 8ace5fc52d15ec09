//! The enclave's role: the real service over a simulated NSM that measures this executable and its configuration.

use std::sync::Arc;

use anyhow::Context;
use enclave::{Configuration, RelayTransport, boot, serve};
use kms_enclave_client::TlsRoots;
use nsm_attest::sim::{self, Authority, SimulatedNsm};
use nsm_attest::{Clock, Nsm, PcrIndex, PcrValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{announce, released};
use crate::child::read_line;

/// What the enclave is started with.
#[derive(Serialize, Deserialize)]
pub(crate) struct EnclaveBootstrap {
    /// The simulated hardware's certificate authority, as hexadecimal. Real hardware holds it; no enclave sees it.
    pub(crate) authority: Zeroizing<String>,
    /// DER of the root of the simulated KMS's TLS certificate, as hexadecimal, in place of Amazon's roots.
    pub(crate) kms_tls_root: String,
    /// The measured configuration, to the byte.
    pub(crate) configuration: String,
    /// Whether its NSM signs nothing.
    pub(crate) unsigned: bool,
}

/// The enclave listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EnclaveReady {
    /// PCR0 as its NSM reports it.
    pub(crate) pcr0: PcrValue,
}

/// PCR0 of this executable with `configuration`: what an operator computes before anything runs.
pub(crate) fn measure(configuration: &[u8]) -> anyhow::Result<PcrValue> {
    Ok(sim::pcr0(&executable()?, configuration))
}

pub(super) async fn run() -> anyhow::Result<()> {
    let bootstrap: EnclaveBootstrap = read_line(tokio::io::stdin()).await?;
    let authority = Authority::from_bytes(&hex::decode(&bootstrap.authority)?)?;
    let nsm = SimulatedNsm::builder(authority)
        .measure(&executable()?, bootstrap.configuration.as_bytes())
        .clock(Clock::system());
    let nsm = if bootstrap.unsigned { nsm.unsigned() } else { nsm }.build()?;
    let pcr0 = nsm.describe_pcr(PcrIndex::IMAGE)?.value;
    let configuration = Configuration::from_json(bootstrap.configuration.as_bytes())?;
    let transport = Arc::new(RelayTransport::new(configuration.kms.relay.clone()));
    let tls_roots = TlsRoots::from_der([&*hex::decode(&bootstrap.kms_tls_root)?])?;
    let server = serve(boot(configuration, Arc::new(nsm), transport, tls_roots)?).await?;
    announce(&EnclaveReady { pcr0 })?;
    released().await?;
    server.shutdown().await;
    Ok(())
}

fn executable() -> anyhow::Result<Vec<u8>> {
    let path = std::env::current_exe().context("cannot find this executable")?;
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
