//! [`KmsSimulator`]: the listener, its limits, and HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nsm_attest::{Clock, TrustAnchor};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::credentials::Credentials;
use crate::endpoint::regional_host;
use crate::key_arn::is_region;
use crate::sigv4::CONTENT_TYPE;
use crate::sim::action::Service;
use crate::sim::authenticate::{Registered, authenticate, is_usable_secret};
use crate::sim::fault::Fault;
use crate::sim::keys::{Keys, new_key_id};
use crate::sim::policy::{Policy, PolicyError, PolicyKind};
use crate::sim::principal::{Caller, Principal};
use crate::tls::TlsRoots;

/// A running simulator. It ends with [`shutdown`](Self::shutdown) or when dropped, and its keys with it.
#[derive(Debug)]
pub struct KmsSimulator {
    local_addr: SocketAddr,
    tls_root_der: Vec<u8>,
    stop: Option<oneshot::Sender<()>>,
    accept_loop: JoinHandle<()>,
}

impl KmsSimulator {
    /// Starts building a simulator of one region's KMS for one account (twelve digits).
    pub fn builder(region: impl Into<String>, account_id: impl Into<String>) -> KmsSimulatorBuilder {
        KmsSimulatorBuilder {
            region: region.into(),
            account_id: account_id.into(),
            anchor: None,
            clock: Clock::system(),
            principals: Vec::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            limits: Limits { max_connections: MAX_CONNECTIONS, read_timeout: READ_TIMEOUT },
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The root, in DER, under which its certificate names KMS.
    #[must_use]
    pub fn tls_root_der(&self) -> &[u8] {
        &self.tls_root_der
    }

    /// The same root, as a client takes it.
    ///
    /// # Panics
    /// Never: the simulator made the certificate itself.
    #[must_use]
    pub fn tls_roots(&self) -> TlsRoots {
        TlsRoots::from_der([self.tls_root_der()]).expect("the simulator made this certificate")
    }

    /// Stops listening, ends all connections and waits until they are gone.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // The loop may have ended already: then there is nobody to tell.
            let _ended = stop.send(());
        }
        let _cancelled = (&mut self.accept_loop).await;
    }
}

impl Drop for KmsSimulator {
    fn drop(&mut self) {
        self.accept_loop.abort();
    }
}

/// Collects what a [`KmsSimulator`] needs. The trust anchor for attestation documents has no default.
#[derive(Debug)]
#[must_use]
pub struct KmsSimulatorBuilder {
    region: String,
    account_id: String,
    anchor: Option<TrustAnchor>,
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

/// What one client may take from the others.
#[derive(Clone, Copy, Debug)]
struct Limits {
    max_connections: usize,
    read_timeout: Duration,
}

impl KmsSimulatorBuilder {
    /// Who vouches for enclaves: the simulated NSM's authority.
    pub fn attestation_anchor(mut self, anchor: TrustAnchor) -> Self {
        self.anchor = Some(anchor);
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
        if !is_region(&self.region) {
            return Err(StartError::BadRegion);
        }
        if self.account_id.len() != 12 || !self.account_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StartError::BadAccount);
        }
        if !self.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback { address: self.listen });
        }
        let registered = register(self.principals, &self.account_id)?;
        let service = Service {
            partition: partition(&self.region),
            anchor: self.anchor.ok_or(StartError::MissingAnchor)?,
            account: self.account_id,
            region: self.region,
            clock: self.clock,
            registered: registered.into(),
            keys: Mutex::new(Keys::default()),
        };
        let (tls, tls_root_der) = tls_identity(&regional_host(&service.region))?;
        let listener = TcpListener::bind(self.listen).await.map_err(StartError::Bind)?;
        let local_addr = listener.local_addr().map_err(StartError::Bind)?;
        let (stop, stopped) = oneshot::channel();
        let accept_loop =
            tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), Arc::new(service), self.limits, stopped));
        Ok(KmsSimulator { local_addr, tls_root_der, stop: Some(stop), accept_loop })
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

/// A root of its own and under it a certificate for the name that KMS has in this region.
fn tls_identity(name: &str) -> Result<(ServerConfig, Vec<u8>), StartError> {
    fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
        StartError::Tls(Box::new(error))
    }
    let mut root = CertificateParams::default();
    root.distinguished_name.push(DnType::CommonName, "KMS simulator");
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().map_err(failed)?).map_err(failed)?;
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    leaf.distinguished_name.push(DnType::CommonName, "KMS simulator");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let leaf_key = KeyPair::generate().map_err(failed)?;
    let leaf = leaf.signed_by(&leaf_key, &root).map_err(failed)?;
    let key = PrivateKeyDer::try_from(leaf_key.serialize_der()).map_err(|error| failed(io::Error::other(error)))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key))
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, root.der().to_vec()))
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<Service>,
    limits: Limits,
    mut stopped: oneshot::Receiver<()>,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    // Dropping the set ends its tasks, so no connection outlives this loop.
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            (slot, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let (tls, service) = (tls.clone(), Arc::clone(&service));
                    connections.spawn(async move {
                        let _over = timeout(MAX_CONNECTION_AGE, serve(stream, tls, service, limits.read_timeout)).await;
                        drop(slot);
                    });
                }
                // Typically out of file descriptors: wait for some to come back rather than spin.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    connections.shutdown().await;
}

/// Serves one connection. How it ends concerns its client alone.
async fn serve(stream: TcpStream, tls: TlsAcceptor, service: Arc<Service>, read_timeout: Duration) {
    let Ok(()) = stream.set_nodelay(true) else { return };
    let Ok(Ok(stream)) = timeout(read_timeout, tls.accept(stream)).await else { return };
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .max_buf_size(MAX_HEAD_LEN)
        .max_headers(MAX_HEADERS)
        .auto_date_header(true)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| {
                let service = Arc::clone(&service);
                async move { answer(request, service, read_timeout).await }
            }),
        )
        .await;
}

async fn answer(
    request: Request<Incoming>,
    service: Arc<Service>,
    read_timeout: Duration,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let (status, body) = match perform(request, service, read_timeout).await {
        Ok(None) => (StatusCode::OK, Vec::new()),
        Ok(Some(reply)) => (StatusCode::OK, reply.to_string().into_bytes()),
        Err(fault) => {
            let body = json!({ "__type": fault.exception, "message": fault.message });
            (fault.status, body.to_string().into_bytes())
        }
    };
    let mut reply = Response::builder().status(status).header("content-type", CONTENT_TYPE);
    if let Ok(id) = new_key_id() {
        reply = reply.header("x-amzn-requestid", id);
    }
    reply.body(Full::new(Bytes::from(body)))
}

async fn perform(
    request: Request<Incoming>,
    service: Arc<Service>,
    read_timeout: Duration,
) -> Result<Option<serde_json::Value>, Fault> {
    if request.method() != Method::POST {
        return Err(Fault::new("UnknownOperationException", "KMS takes POST"));
    }
    let (head, body) = request.into_parts();
    let body = read_body(body, read_timeout).await?;
    let host = regional_host(&service.region);
    let request = Request::from_parts(head, body);
    let now = service.clock.now();
    let (caller, headers, body) = authenticate(request, &service.registered, &service.region, &host, now).await?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if header("content-type") != CONTENT_TYPE {
        return Err(Fault::new("UnknownOperationException", "the content type must be application/x-amz-json-1.1"));
    }
    let target = header("x-amz-target");
    // Verifying a document and sealing an answer take a millisecond or two of computing.
    let work = tokio::task::spawn_blocking(move || service.perform(&target, &caller, &body));
    work.await.unwrap_or_else(|_| Err(Fault::internal()))
}

async fn read_body(body: Incoming, read_timeout: Duration) -> Result<Bytes, Fault> {
    let too_large = || Fault::too_large("the request is too large");
    if body.size_hint().lower() > u64::try_from(MAX_BODY_LEN).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let read = timeout(read_timeout, Limited::new(body, MAX_BODY_LEN).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Fault::new("SerializationException", "the request ended early")),
        Err(_) => {
            Err(Fault { status: StatusCode::REQUEST_TIMEOUT, ..Fault::new("SerializationException", "too slow") })
        }
    }
}

const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
/// An attestation document of 262,144 bytes in base64, and the rest of the largest request.
const MAX_BODY_LEN: usize = 384 * 1024;
const MAX_HEAD_LEN: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_CONNECTIONS: usize = 256;
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(300);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
