//! A parent over real HTTPS, before an enclave that does as it is told.
#![allow(dead_code, unreachable_pub, reason = "each test program includes this and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

pub mod fake_enclave;
pub mod raw;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parent::{Config, CredentialsSource, Parent, StoreConfig, TlsIdentity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use signer_protocol::client::{ClientError, ParentClient, Problem, RawAnswer};
use signer_protocol::method::AwsCredentials;
use tempfile::TempDir;
use vsock_rpc::Addr;

pub use self::fake_enclave::FakeEnclave;

/// A running parent and what belongs to it.
pub struct Harness {
    pub parent: Parent,
    pub enclave: FakeEnclave,
    pub client: ParentClient,
    pub tls: TestTls,
    /// Removed when dropped.
    pub dir: TempDir,
}

impl Harness {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a parent whose configuration `change` has changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let enclave = FakeEnclave::start(dir.path().join("enclave.sock")).await;
        let tls = TestTls::generate();
        let mut config = config(&dir, &tls);
        change(&mut config);
        let parent = Parent::start(config).await.unwrap();
        let client = tls.client(parent.https_addr());
        Self { parent, enclave, client, tls, dir }
    }

    pub fn store_dir(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    pub async fn shutdown(self) {
        self.parent.shutdown().await;
        self.enclave.stop().await;
    }
}

/// A configuration whose files are all in `dir`.
pub fn config(dir: &TempDir, tls: &TestTls) -> Config {
    let mut config = Config::new(
        "127.0.0.1:0".parse().unwrap(),
        tls.identity(),
        Addr::unix(dir.path().join("enclave.sock")).unwrap(),
        StoreConfig::Directory(dir.path().join("keys")),
        CredentialsSource::Fixed(credentials()),
    );
    config.timeouts.shutdown = Duration::from_secs(2);
    config
}

/// Obviously fake; the id is AWS's documented example.
pub fn credentials() -> AwsCredentials {
    AwsCredentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "fake-secret-for-tests".into(),
        session_token: Some("fake-token-for-tests".into()),
        expires_at_ms: None,
    }
}

/// A root of its own and a certificate for `localhost` under it.
pub struct TestTls {
    pub root: CertificateDer<'static>,
    pub root_pem: String,
    pub certificate_pem: String,
    pub key_pem: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl TestTls {
    pub fn generate() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        Self {
            root: issuer.der().clone(),
            root_pem: issuer.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    pub fn identity(&self) -> TlsIdentity {
        TlsIdentity { certificate_chain: vec![self.certificate.clone()], private_key: self.key.clone_key() }
    }

    pub fn client(&self, addr: SocketAddr) -> ParentClient {
        ParentClient::builder(addr.to_string(), "localhost").roots([self.root.clone()]).build().unwrap()
    }
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, content: &str) {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

/// What `future` gives. A test that would wait forever fails instead, and says what for.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {DEADLINE:?} in vain until {what}"),
    }
}

/// The problem of an answer, after checking that it is one in every respect.
pub fn problem_of(answer: &RawAnswer) -> Problem {
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{answer:?}");
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem.status, answer.status.as_u16());
    assert!(problem.kind.starts_with("/problems/") && !problem.title.is_empty() && !problem.detail.is_empty());
    assert_eq!(answer.headers["x-request-id"].to_str().unwrap(), problem.request_id);
    problem
}

/// Status and kind of a call's problem.
pub fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, String) {
    match result {
        Err(ClientError::Problem(problem)) => (problem.status, problem.kind),
        other => panic!("expected a problem, got {other:?}"),
    }
}

/// What [`refused`] gives.
pub fn problem(status: u16, slug: &str) -> (u16, String) {
    (status, format!("/problems/{slug}"))
}

/// Far above what any wait of a test takes, and below what the test runner allows.
const DEADLINE: Duration = Duration::from_secs(30);
