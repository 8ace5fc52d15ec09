//! [`KmsSimulatorBuilder`]: who may call, and where to listen.

use std::hint::black_box;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nsm_attest::sim::UnsignedDocument;
use nsm_attest::{Clock, TrustAnchor};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::sim::SIMULATION_MARKER;
use crate::sim::authenticate::{Registered, is_usable_secret};
use crate::sim::policy::{Policy, PolicyError, PolicyKind};
use crate::sim::principal::{Caller, Principal, is_account};
use crate::sim::recipient::{Recipients, UnsignedObserver};
use crate::sim::server::{KmsSimulator, Limits};
use crate::sim::service::Service;
use crate::sim::vault::Place;

/// Collects what a [`KmsSimulator`] needs. The trust anchor for attestation documents has no default.
#[derive(Debug)]
#[must_use]
pub struct KmsSimulatorBuilder {
    region: String,
    account_id: String,
    anchor: Option<TrustAnchor>,
    unsigned: Option<UnsignedObserver>,
    clock: Clock,
    principals: Vec<Registration>,
    listen: SocketAddr,
    limits: Limits,
}

/// A principal to be: credentials, ARN and identity policies.
#[derive(Debug)]
struct Registration {
    credentials: Credentials,
    arn: String,
    policy: Option<String>,
}

impl KmsSimulatorBuilder {
    pub(super) fn new(region: String, account_id: String) -> Self {
        Self {
            region,
            account_id,
            anchor: None,
            unsigned: None,
            clock: Clock::system(),
            principals: Vec::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            limits: Limits { max_connections: MAX_CONNECTIONS, read_timeout: READ_TIMEOUT },
        }
    }

    /// Who vouches for enclaves: the simulated NSM's authority.
    pub fn attestation_anchor(mut self, anchor: TrustAnchor) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// Accepts documents that say that nobody signed them, as those of QEMU's emulated NSM do, besides documents that verify.
    /// Without this they are refused, as KMS does. Their registers are what key policies are held against, and answers are
    /// encrypted to their key, as ever.
    ///
    /// `observer` hears of each request whose document is accepted so, on a thread that may block: a program that calls this
    /// should say loudly that what it proves is proved of a simulation.
    ///
    /// # Security
    /// Anybody can write such a document, so this KMS answers everybody who has credentials.
    pub fn accept_unsigned_documents(mut self, observer: impl Fn(&UnsignedDocument) + Send + Sync + 'static) -> Self {
        self.unsigned = Some(UnsignedObserver(Arc::new(observer)));
        self
    }

    /// The clock for signatures and documents; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Registers a principal without any identity policy: only what a key policy grants it by name is allowed.
    ///
    /// The ARN is `arn:aws:iam::<account>:root`, `…:user/<name>`, `…:role/<name>`, or
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`. As in AWS, the account's root user may do whatever a key
    /// policy leaves to the account, CreateKey included.
    pub fn credentials(self, credentials: Credentials, principal_arn: impl Into<String>) -> Self {
        self.register(credentials, principal_arn.into(), None)
    }

    /// Registers a principal whose identity policy allows `kms:*`: it may create keys and do whatever a key policy leaves
    /// to the account.
    pub fn administrator(self, credentials: Credentials, principal_arn: impl Into<String>) -> Self {
        self.principal_with_policy(credentials, principal_arn, ALLOW_ALL)
    }

    /// Registers a principal with an identity policy, in JSON: what it may do with keys whose policies leave that to the
    /// account, and what is about no key, as GenerateRandom. Its denials hold whatever a key policy says.
    ///
    /// All credentials of one user or role need the same policy.
    pub fn principal_with_policy(
        self,
        credentials: Credentials,
        principal_arn: impl Into<String>,
        policy_json: impl Into<String>,
    ) -> Self {
        self.register(credentials, principal_arn.into(), Some(policy_json.into()))
    }

    fn register(mut self, credentials: Credentials, arn: String, policy: Option<String>) -> Self {
        self.principals.push(Registration { credentials, arn, policy });
        self
    }

    /// Where to listen: a loopback address; 127.0.0.1 and a free port by default.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// How long a TLS handshake, a request's head and a request's body may each take. 10 seconds by default.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.limits.read_timeout = timeout;
        self
    }

    /// How many connections are served at a time; further ones wait. 256 by default, at least one.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.limits.max_connections = max.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Binds and serves.
    ///
    /// # Errors
    /// [`StartError`] names what is missing, wrong or unavailable.
    pub async fn start(self) -> Result<KmsSimulator, StartError> {
        let hosts = hosts(&self.region)?;
        if !is_account(&self.account_id) {
            return Err(StartError::BadAccount);
        }
        if !self.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback { address: self.listen });
        }
        let registered = register(self.principals, &self.account_id)?;
        let place = Place { partition: partition(&self.region), region: self.region, account: self.account_id };
        let recipients = Recipients::new(self.anchor.ok_or(StartError::MissingAnchor)?, self.unsigned);
        let service = Service::new(place, hosts, self.clock, registered.into(), recipients);
        let (tls, tls_root_der) = tls_identity(service.hosts.clone())?;
        let listener = TcpListener::bind(self.listen).await.map_err(StartError::Bind)?;
        let local_addr = listener.local_addr().map_err(StartError::Bind)?;
        Ok(KmsSimulator::serve(listener, local_addr, tls, tls_root_der, service, self.limits))
    }
}

/// Why a simulator did not start.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The account is not twelve digits.
    #[error("the account must be twelve digits")]
    BadAccount,
    /// An identity policy is not one.
    #[error("the identity policy of {arn} is refused")]
    BadPolicy {
        /// The principal's ARN.
        arn: String,
        /// What is wrong with it.
        #[source]
        source: PolicyError,
    },
    /// A principal's ARN is none, or of another account.
    #[error("{arn:?} is not a principal of the simulated account")]
    BadPrincipal {
        /// The ARN.
        arn: String,
    },
    /// The region does not look like one.
    #[error("the region must look like `eu-west-1`")]
    BadRegion,
    /// A secret access key has not the 40 characters that AWS's have.
    #[error("a secret access key must have 40 characters")]
    BadSecret,
    /// The address cannot be bound.
    #[error("cannot listen")]
    Bind(#[source] io::Error),
    /// One user or role, or two sessions of one role, were registered with different identity policies.
    #[error("{arn} was registered with another identity policy before")]
    ConflictingPolicies {
        /// The ARN of the later registration.
        arn: String,
    },
    /// Two registrations have the same access key id.
    #[error("an access key id is registered twice")]
    DuplicateAccessKey,
    /// No trust anchor for attestation documents was given.
    #[error("no attestation anchor was given")]
    MissingAnchor,
    /// The address is not a loopback address.
    #[error("{address} is not a loopback address")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A root user was given an identity policy: AWS attaches none to it.
    #[error("{arn} takes no identity policy")]
    PolicyOfRoot {
        /// The ARN.
        arn: String,
    },
    /// The TLS identity could not be made.
    #[error("the TLS identity could not be made")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn register(principals: Vec<Registration>, account: &str) -> Result<Vec<Registered>, StartError> {
    let mut registered: Vec<Registered> = Vec::new();
    for Registration { credentials, arn, policy } in principals {
        let principal = Principal::from_arn(&arn).filter(|principal| principal.account == account);
        let principal = principal.ok_or_else(|| StartError::BadPrincipal { arn: arn.clone() })?;
        if !is_usable_secret(credentials.secret_access_key()) {
            return Err(StartError::BadSecret);
        }
        if registered.iter().any(|other| other.credentials.access_key_id() == credentials.access_key_id()) {
            return Err(StartError::DuplicateAccessKey);
        }
        let text = match &policy {
            // A root user may do everything, and cannot be given a policy.
            None if principal.is_root => Some(ALLOW_ALL),
            Some(text) if principal.is_root && text != ALLOW_ALL => return Err(StartError::PolicyOfRoot { arn }),
            policy => policy.as_deref(),
        };
        let identity = text.map_or(Ok(Policy::none()), |text| Policy::parse(text, PolicyKind::Identity));
        let identity = identity.map_err(|source| StartError::BadPolicy { arn: arn.clone(), source })?;
        let is_same = |other: &Registered| other.caller.principal.policy_arn == principal.policy_arn;
        if registered.iter().any(|other| is_same(other) && *other.caller.identity != identity) {
            return Err(StartError::ConflictingPolicies { arn });
        }
        let caller = Caller { principal, identity: Arc::new(identity) };
        registered.push(Registered { credentials, caller });
    }
    Ok(registered)
}

fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The names that KMS has in a region.
fn hosts(region: &str) -> Result<Vec<String>, StartError> {
    let regional = Endpoint::regional(region).map_err(|_| StartError::BadRegion)?;
    // Regions in China have no FIPS endpoint.
    let fips = Endpoint::fips(region).ok();
    Ok([regional].into_iter().chain(fips).map(|endpoint| endpoint.authority().to_owned()).collect())
}

/// A root of its own and under it a certificate for these names.
fn tls_identity(names: Vec<String>) -> Result<(ServerConfig, Vec<u8>), StartError> {
    fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
        StartError::Tls(Box::new(error))
    }
    let mut root = CertificateParams::default();
    // Opaque to the compiler, which could take a short text apart: the marker must be found in the binary as it is.
    let name = black_box(SIMULATION_MARKER);
    root.distinguished_name.push(DnType::CommonName, name);
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().map_err(failed)?).map_err(failed)?;
    let mut end_entity = CertificateParams::new(names).map_err(failed)?;
    end_entity.distinguished_name.push(DnType::CommonName, name);
    end_entity.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let end_entity_key = KeyPair::generate().map_err(failed)?;
    let end_entity = end_entity.signed_by(&end_entity_key, &root).map_err(failed)?;
    let key =
        PrivateKeyDer::try_from(end_entity_key.serialize_der()).map_err(|error| failed(io::Error::other(error)))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![end_entity.der().clone()], key))
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, root.der().to_vec()))
}

const MAX_CONNECTIONS: usize = 256;
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
