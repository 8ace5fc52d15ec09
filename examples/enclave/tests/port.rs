//! The parent port over a real socket: what the measured configuration does not allow is refused, and bad input harms
//! only itself.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::sync::Arc;
use std::time::Duration;

use chain_signers::Encoding;
use enclave::{
    Configuration, DangerConfiguration, Ports, RelayTransport, RootCertificate, SessionClients, boot, serve,
};
use kms_enclave_client::TlsRoots;
use nsm_attest::Clock;
use nsm_attest::sim::{Authority, SimulatedNsm};
use signer_protocol::code;
use signer_protocol::method::{
    DescribeKey, DescribeKeyRequest, ExpectedKey, GenerateKey, GenerateKeyRequest, Health, HealthRequest,
    PARENT_PORT_MAX_PAYLOAD_LEN, Sign, SignRequest,
};
use signer_protocol::record::RecordDigest;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vsock_rpc::{Addr, CallError, Client, Method};

#[tokio::test]
async fn by_default_the_parent_neither_administers_nor_signs() {
    let port = Port::open("").await;
    for error in [port.generate().await, port.sign().await] {
        assert_eq!(error.as_ref().unwrap_err().as_remote().unwrap().code(), code::NOT_PERMITTED, "{error:?}");
    }
}

#[tokio::test]
async fn each_permission_stands_for_itself() {
    let administers = Port::open(r#","parent_may":{"administer":true}"#).await;
    assert_eq!(remote_code(administers.generate().await), code::CREDENTIALS_MISSING);
    assert_eq!(remote_code(administers.sign().await), code::NOT_PERMITTED);
    let signs = Port::open(r#","parent_may":{"sign":true}"#).await;
    assert_eq!(remote_code(signs.generate().await), code::NOT_PERMITTED);
    assert_eq!(remote_code(signs.sign().await), code::RECORD_REJECTED);
}

#[tokio::test]
async fn an_unknown_method_is_named_and_the_next_request_works() {
    let port = Port::open("").await;
    let error = port.client.call::<Unknown>(&(), DEADLINE).await;
    assert_eq!(remote_code(error.map(drop)), vsock_rpc::code::UNKNOWN_METHOD);
    port.client.call::<Health>(&HealthRequest {}, DEADLINE).await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_none_is_refused_and_the_next_request_works() {
    let port = Port::open("").await;
    let error = port.client.call::<DescribeKey>(&DescribeKeyRequest { record: vec![0; 70_000] }, DEADLINE).await;
    assert_eq!(remote_code(error.map(drop)), code::RECORD_REJECTED);
    let health = port.client.call::<Health>(&HealthRequest {}, DEADLINE).await.unwrap();
    for family in ["bip122", "cosmos", "eip155", "solana"] {
        assert!(health.families.iter().any(|known| known == family), "{family}");
    }
    assert!(!health.credentials_fresh);
}

#[tokio::test]
async fn half_a_frame_and_garbage_harm_nobody_else() {
    let port = Port::open("").await;
    let half = [0, 0, 0, 50, 1, 1, 0, 0];
    for bytes in [&half[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = port.addr.connect().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        port.client.call::<Health>(&HealthRequest {}, DEADLINE).await.unwrap();
    }
}

#[test]
fn configurations_outside_the_format_are_named() {
    for (change, part) in [
        (r#""version":2"#, "version 2"),
        (r#""version":1,"version":1"#, "duplicate field"),
        (r#""version":1,"tls_root":"00""#, "tls_root"),
        (r#""version":0"#, "nonzero"),
    ] {
        let json = configuration("tcp:127.0.0.1:1", "").replacen(r#""version":1"#, change, 1);
        let error = Configuration::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{change}: {error}");
    }
    let other_region = configuration("tcp:127.0.0.1:1", "").replacen("us-east-1", "eu-west-1", 1);
    assert!(Configuration::from_json(other_region.as_bytes()).unwrap_err().to_string().contains("kms.region"));
    let no_keys = configuration("tcp:127.0.0.1:1", "").replacen(&format!("\"{ARN}\""), "", 1);
    assert!(Configuration::from_json(no_keys.as_bytes()).unwrap_err().to_string().contains("kms.key_arns"));
    let long = configuration("tcp:127.0.0.1:1", &" ".repeat(65 * 1024));
    assert!(Configuration::from_json(long.as_bytes()).unwrap_err().to_string().contains("more than"));
}

#[test]
fn sessions_and_what_weakens_are_read_within_their_limits() {
    let parsed = |more: &str| Configuration::from_json(configuration("tcp:127.0.0.1:1", more).as_bytes());
    let sessions = |clients: &str| format!(r#","sessions":{{"port":"vsock:any:5001","clients":{clients}}}"#);
    let identity = |number: usize| format!("\"{number:064x}\"");
    let list = |count: usize| format!("[{}]", (0..count).map(identity).collect::<Vec<_>>().join(","));
    assert_eq!(parsed(&sessions("\"any\"")).unwrap().sessions.unwrap().clients, SessionClients::Any);
    for count in [1, 900] {
        let SessionClients::Only(clients) = parsed(&sessions(&list(count))).unwrap().sessions.unwrap().clients else {
            panic!("a list")
        };
        assert_eq!(clients.len(), count);
    }
    for (more, part) in [
        (sessions("[]"), "sessions.clients has 0 clients, outside 1..=1024"),
        (sessions(&format!("[{0},{0}]", identity(7))), "twice"),
        (sessions("\"all\""), "expected sessions.clients"),
        (sessions("[\"AB\"]"), "64 lower-case hexadecimal digits"),
        (sessions("\"any\"").replace("vsock:any:5001", "tcp:127.0.0.1:1"), "sessions.port is tcp:127.0.0.1:1"),
        (r#","sessions":{"port":"vsock:any:5001"}"#.into(), "missing field `clients`"),
        (r#","danger":{"kms_tls_roots":[]}"#.into(), "danger.kms_tls_roots has 0 certificates, outside 1..=8"),
        (r#","danger":{}"#.into(), "missing field `kms_tls_roots`"),
        (r#","danger":{"kms_tls_roots":["AAAA"]}"#.into(), "no X.509 certificate"),
        (r#","danger":{"kms_tls_roots":["?"]}"#.into(), "not base64"),
        (r#","danger":{"kms_tls_roots":["AAAA"],"debug":true}"#.into(), "unknown field `debug`"),
        (format!(r#","danger":{{"kms_tls_roots":[{}]}}"#, ["\"AAAA\""; 9].join(",")), "outside 1..=8"),
    ] {
        let error = parsed(&more).unwrap_err().to_string();
        assert!(error.contains(part), "{more}: {error}");
    }
}

#[test]
fn roots_in_place_of_amazons_are_trusted_alone() {
    let parsed = |more: &str| Configuration::from_json(configuration("tcp:127.0.0.1:1", more).as_bytes()).unwrap();
    assert_eq!(parsed("").kms_tls_roots().unwrap().len(), TlsRoots::amazon().len());
    let authority = Authority::generate(Clock::system().now()).unwrap();
    let root = RootCertificate::from_der(authority.root_certificate());
    let danger = serde_json::to_string(&DangerConfiguration { kms_tls_roots: vec![root] }).unwrap();
    let overridden = parsed(&format!(r#","danger":{danger}"#));
    assert_eq!(overridden.kms_tls_roots().unwrap().len(), 1);
    assert_eq!(Configuration::from_json(&serde_json::to_vec(&overridden).unwrap()).unwrap(), overridden);
}

struct Unknown;

impl Method for Unknown {
    const NAME: &'static str = "export_key";
    type Request = ();
    type Response = ();
}

/// An enclave's parent port, and a client of it.
struct Port {
    client: Client,
    addr: Addr,
    _server: Ports,
    _folder: TempDir,
}

impl Port {
    async fn open(parent_may: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let addr = Addr::unix(folder.path().join("enclave.sock")).unwrap();
        let configuration = Configuration::from_json(configuration(&addr.to_string(), parent_may).as_bytes()).unwrap();
        let clock = Clock::system();
        let authority = Authority::generate(clock.now()).unwrap();
        let nsm = SimulatedNsm::builder(authority).measure(b"program", b"").clock(clock).build().unwrap();
        let transport = Arc::new(RelayTransport::new(configuration.kms.relay.clone()));
        let service = boot(configuration, Arc::new(nsm), transport, TlsRoots::amazon()).unwrap();
        let server = serve(service).await.unwrap();
        let client = Client::builder(addr.clone()).max_payload_len(PARENT_PORT_MAX_PAYLOAD_LEN).build();
        Self { client, addr, _server: server, _folder: folder }
    }

    async fn generate(&self) -> Result<(), CallError> {
        let policy = br#"{"version":1,"rules":[]}"#.to_vec();
        let request = GenerateKeyRequest { family: "eip155".into(), policy, callers: Vec::new() };
        self.client.call::<GenerateKey>(&request, DEADLINE).await.map(drop)
    }

    async fn sign(&self) -> Result<(), CallError> {
        let expected = ExpectedKey { public_key: vec![2; 33], record_digest: RecordDigest::from_bytes([0; 32]) };
        let (encoding, payload) = (Encoding::Json, b"{}".to_vec());
        let request = SignRequest { record: b"none".to_vec(), expected, chain_id: None, encoding, payload };
        self.client.call::<Sign>(&request, DEADLINE).await.map(drop)
    }
}

fn remote_code(outcome: Result<(), CallError>) -> String {
    outcome.unwrap_err().as_remote().unwrap().code().to_owned()
}

fn configuration(parent_port: &str, parent_may: &str) -> String {
    format!(
        r#"{{"version":1,"kms":{{"region":"us-east-1","key_arns":["{ARN}"],"relay":"unix:/nonexistent"}},
        "parent_port":"{parent_port}"{parent_may}}}"#
    )
}

const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const DEADLINE: Duration = Duration::from_secs(20);
