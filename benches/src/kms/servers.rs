//! The simulator with one key and one caller, and a server that answers everything with the same bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use kms_enclave_client::sim::{AdminClient, KmsSimulator};
use kms_enclave_client::{Credentials, CredentialsError, TcpTransport};
use nsm_attest::{Clock, TrustAnchor};
use serde::{Deserialize, Serialize};

use super::bare::BareServer;
use crate::attested::Failure;
use crate::child::Service;

/// What to serve, and for whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The certificate, in DER, under which attestation documents are believed.
    pub attestation_root: Vec<u8>,
    /// PCR0 of the image that the key admits, in hexadecimal.
    pub image: String,
    /// How many bytes the bare server answers with.
    pub reply_len: usize,
}

/// What is served, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// The simulator's address.
    pub kms: SocketAddr,
    /// The certificate, in DER, under which the simulator is KMS.
    pub kms_root: Vec<u8>,
    /// The key's ARN.
    pub key: String,
    /// The bare server's address.
    pub bare: SocketAddr,
    /// Its certificate, in DER.
    pub bare_root: Vec<u8>,
}

/// Both servers, until dropped.
#[derive(Debug)]
pub struct Servers {
    offer: Offer,
    kms: KmsSimulator,
    bare: BareServer,
}

impl Servers {
    /// The simulator, from this process.
    #[must_use]
    pub const fn kms(&self) -> &KmsSimulator {
        &self.kms
    }

    /// The bare server, from this process.
    #[must_use]
    pub const fn bare(&self) -> &BareServer {
        &self.bare
    }
}

impl Service for Servers {
    const NAME: &'static str = "kms";
    type Order = Order;
    type Offer = Offer;

    /// And makes the key.
    ///
    /// # Errors
    /// If a server does not start, or the key cannot be made.
    async fn start(order: &Order) -> Result<Self, Failure> {
        let operator = Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, None, None)?;
        let kms = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(TrustAnchor::from_der(&order.attestation_root)?)
            .administrator(operator.clone(), OPERATOR)
            .credentials(enclave_credentials()?, ENCLAVE)
            .start()
            .await?;
        let transport = Arc::new(TcpTransport::new(kms.local_addr()));
        let admin = AdminClient::new(REGION, transport, &kms.tls_roots(), Clock::system(), operator)?;
        let key = admin.create_key().await?;
        admin.put_key_policy(&key, &policy(&order.image)).await?;
        let bare = BareServer::start(order.reply_len).await?;
        let offer = Offer {
            kms: kms.local_addr(),
            kms_root: kms.tls_root_der().to_vec(),
            key: key.to_string(),
            bare: bare.local_addr(),
            bare_root: bare.root_der().to_vec(),
        };
        Ok(Self { offer, kms, bare })
    }

    fn offer(&self) -> &Offer {
        &self.offer
    }
}

/// Temporary ones, as a role has them. (AWS's documented example, not real ones.)
///
/// # Errors
/// Never: they are right.
pub fn enclave_credentials() -> Result<Credentials, CredentialsError> {
    Credentials::new("ASIAIOSFODNN7EXAMPLE", SECRET, Some(SESSION_TOKEN.repeat(20)), None)
}

fn policy(image: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{OPERATOR}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"AWS":"{ENCLAVE}"}},
              "Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*",
              "Condition":{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{image}"}}}}}}]}}"#
    )
}

/// The region of everything here.
pub const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "111122223333";
const OPERATOR: &str = "arn:aws:iam::111122223333:role/operator";
const ENCLAVE: &str = "arn:aws:iam::111122223333:role/enclave";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// A twentieth of one: real ones have some 800 characters and more.
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLEwAaCXVzLWVhc3QtMSJHMEUC";
