//! The parent's role: the real parent, with a certificate made for this run and credentials that the simulator knows.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use parent::{Config, CredentialsSource, Parent, RelayConfig, StoreConfig, TlsIdentity};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use serde::{Deserialize, Serialize};
use vsock_rpc::{Addr, HostPort};

use super::{Principal, announce, released};
use crate::child::read_line;

/// What the parent is started with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ParentBootstrap {
    /// Where the enclave listens.
    pub(crate) enclave: Addr,
    /// Where records are kept.
    pub(crate) store: PathBuf,
    /// Where enclaves find the relay to KMS.
    pub(crate) kms_relays: Vec<Addr>,
    /// KMS.
    pub(crate) kms: SocketAddr,
    /// Where callers find the relay to the enclave.
    pub(crate) session_relay: Addr,
    /// Where the enclave listens for sessions.
    pub(crate) sessions: Addr,
    /// The role that the enclave calls KMS as.
    pub(crate) role: Principal,
}

/// The parent answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ParentReady {
    pub(crate) addr: SocketAddr,
    /// DER of its certificate, as hexadecimal.
    pub(crate) tls_root: String,
    /// The same as PEM, for clients outside this stack.
    pub(crate) certificate_pem: String,
}

pub(super) async fn run() -> anyhow::Result<()> {
    let bootstrap: ParentBootstrap = read_line(tokio::io::stdin()).await?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let tls = TlsIdentity {
        certificate_chain: vec![cert.der().clone()],
        private_key: PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?,
    };
    let mut config = Config::new(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        tls,
        bootstrap.enclave,
        StoreConfig::Directory(bootstrap.store),
        CredentialsSource::Fixed(bootstrap.role.aws_credentials()),
    );
    let kms = HostPort::new(&bootstrap.kms.ip().to_string(), bootstrap.kms.port())?;
    for listen in bootstrap.kms_relays {
        config.relays.push(RelayConfig { listen, target: Addr::Tcp(kms.clone()) });
    }
    config.relays.push(RelayConfig { listen: bootstrap.session_relay, target: bootstrap.sessions });
    let mut parent = Parent::start(config).await?;
    announce(&ParentReady {
        addr: parent.https_addr(),
        tls_root: hex::encode(cert.der()),
        certificate_pem: cert.pem(),
    })?;
    let ended = tokio::select! {
        released = released() => released,
        error = parent.failed() => Err(error.into()),
    };
    parent.shutdown().await;
    ended
}
