//! KMS's role: the simulator, trusting the simulated hardware's root as KMS trusts AWS's.

use std::fmt;
use std::net::SocketAddr;

use kms_enclave_client::sim::KmsSimulator;
use kms_enclave_client::{Credentials, CredentialsError};
use nsm_attest::{Clock, Purpose, TrustAnchor};
use serde::{Deserialize, Serialize};
use signer_protocol::method::AwsCredentials;

use super::{announce, released};
use crate::child::read_line;
use crate::unsigned;

/// What KMS is started with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KmsBootstrap {
    pub(crate) region: String,
    pub(crate) account: String,
    /// DER of the root that attestation documents must chain to, as hexadecimal.
    pub(crate) attestation_root: String,
    /// May create keys and write their policies.
    pub(crate) administrator: Principal,
    /// May do what a key policy grants them by name.
    pub(crate) principals: Vec<Principal>,
    /// Whether to believe documents that nobody signed.
    pub(crate) accept_unsigned: bool,
}

/// A caller that KMS knows. The credentials are made up for one run and worth nothing anywhere else.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Principal {
    pub(crate) arn: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl Principal {
    pub(crate) fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let token = Some(self.session_token.clone());
        Credentials::new(self.access_key_id.as_str(), self.secret_access_key.as_str(), token, None)
    }

    /// The same as the parent hands them to the enclave.
    pub(crate) fn aws_credentials(&self) -> AwsCredentials {
        AwsCredentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: Some(self.session_token.clone()),
            expires_at_ms: None,
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// KMS answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KmsReady {
    pub(crate) addr: SocketAddr,
    /// DER of the root of its TLS certificate, as hexadecimal.
    pub(crate) tls_root: String,
}

pub(super) async fn run() -> anyhow::Result<()> {
    let bootstrap: KmsBootstrap = read_line(tokio::io::stdin()).await?;
    let anchor = TrustAnchor::from_der(&hex::decode(&bootstrap.attestation_root)?)?;
    let mut builder = KmsSimulator::builder(&bootstrap.region, &bootstrap.account)
        .attestation_anchor(anchor)
        .clock(Clock::system())
        .administrator(bootstrap.administrator.credentials()?, &bootstrap.administrator.arn);
    if bootstrap.accept_unsigned {
        builder = builder.accept_unsigned_documents(|_| unsigned::announce("KMS", Purpose::KmsRecipient));
    }
    for principal in &bootstrap.principals {
        builder = builder.credentials(principal.credentials()?, &principal.arn);
    }
    let kms = builder.start().await?;
    announce(&KmsReady { addr: kms.local_addr(), tls_root: hex::encode(kms.tls_root_der()) })?;
    released().await?;
    kms.shutdown().await;
    Ok(())
}
