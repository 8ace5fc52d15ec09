//! Sessions with the real signing service: what a named caller gets, and what everybody else does not.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chain_signers::evm;
use enclave::{Configuration, Ports, RelayTransport, Service, boot, serve};
use kms_enclave_client::sim::{AdminClient, KmsSimulator};
use kms_enclave_client::{Credentials, KeyArn, TcpTransport};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{Clock, PcrIndex, PcrValue, Policy};
use signer_protocol::method::{
    AwsCredentials, ExpectedKey, GenerateKeyRequest, GenerateKeyResponse, PARENT_PORT_MAX_PAYLOAD_LEN, Sign,
    SignRequest,
};
use signer_protocol::record::{Record, SpkiDigest};
use signer_protocol::{RecordDigest, code};
use signerctl::session::{ClientKey, EnclaveSession, Encoding, NitroEvidence, SessionCallError, Transaction};
use support::{Run, run_with};
use tempfile::TempDir;
use vsock_rpc::session::{
    AllowedClients, BoxFuture, Evidence, EvidenceError, EvidenceRequest, SessionConnector, SessionError, SessionKeys,
    SessionServer,
};
use vsock_rpc::{Addr, Client, Listener, Router, Server};

#[tokio::test]
async fn a_named_caller_signs_and_describes_over_its_session() {
    let world = World::start("").await;
    let (caller, key) = world.key_for_a_caller().await;
    let session = world.session(&caller);
    assert_eq!(session.describe_key(&key.record).await.unwrap(), key.description);
    assert_eq!(key.description.callers, [digest(&caller)]);
    let signed = session.sign(&key.record, &expected(&key), REFERENCE).await.unwrap();
    assert_eq!(evm::recover_sender(&signed.signed_transaction).unwrap(), key.description.address);
    assert_eq!(signed.rule, "reference");

    let elsewhere =
        String::from_utf8_lossy(REFERENCE.payload).replace("a5D3241A1591061F2a4bB69CA0215F66520E67cf", DEAD);
    let denied = session.sign(&key.record, &expected(&key), json(elsewhere.as_bytes())).await.unwrap_err();
    assert_eq!(remote_code(&denied), code::POLICY_DENIED);
    session.sign(&key.record, &expected(&key), REFERENCE).await.expect("the next request works");
}

#[tokio::test]
async fn a_caller_that_the_record_does_not_name_signs_and_is_told_nothing() {
    let world = World::start("").await;
    let (_, key) = world.key_for_a_caller().await;
    let stranger = world.session(&ClientKey::generate_ed25519().unwrap());
    let refused = stranger.sign(&key.record, &expected(&key), REFERENCE).await.unwrap_err();
    assert_eq!(remote_code(&refused), code::NOT_PERMITTED);
    // Nor with a record that is the parent's, even where the parent may sign.
    let parents = world.key(Vec::new()).await;
    let refused = stranger.sign(&parents.record, &expected(&parents), REFERENCE).await.unwrap_err();
    assert_eq!(remote_code(&refused), code::NOT_PERMITTED);
    for key in [key, parents] {
        let refused = stranger.describe_key(&key.record).await.unwrap_err();
        assert_eq!(remote_code(&refused), code::NOT_PERMITTED);
    }
}

#[tokio::test]
async fn the_parent_signs_with_no_record_that_names_callers_whatever_it_may() {
    let world = World::start(r#","parent_may":{"administer":true,"sign":true}"#).await;
    let (_, key) = world.key_for_a_caller().await;
    let parents = world.key(Vec::new()).await;
    let parent = Client::builder(world.parent_port.clone()).max_payload_len(PARENT_PORT_MAX_PAYLOAD_LEN).build();
    let ask = |key: &GenerateKeyResponse| SignRequest {
        record: key.record.clone(),
        expected: expected(key),
        chain_id: None,
        encoding: Encoding::Json,
        payload: REFERENCE.payload.to_vec(),
    };
    let refused = parent.call::<Sign>(&ask(&key), DEADLINE).await.unwrap_err();
    assert_eq!(refused.as_remote().unwrap().code(), code::NOT_PERMITTED);
    parent.call::<Sign>(&ask(&parents), DEADLINE).await.expect("with its own key it may");
    // A parent that takes the callers out of the record has a record that does not open.
    let altered = without_its_caller(&key.record);
    let read = Record::from_bytes(&altered).unwrap();
    assert_eq!(read.header().callers, []);
    let expected = ExpectedKey { public_key: read.header().public_key.clone(), record_digest: read.digest() };
    let request = SignRequest { record: altered, expected, ..ask(&key) };
    let refused = parent.call::<Sign>(&request, DEADLINE).await.unwrap_err();
    assert_eq!(refused.as_remote().unwrap().code(), code::RECORD_REJECTED);
}

#[tokio::test]
async fn limits_over_time_are_counted_for_each_caller_alone() {
    let world = World::start("").await;
    let (first, second) = (ClientKey::generate_p256().unwrap(), ClientKey::generate_p256().unwrap());
    let limited = POLICY.replace("}]}", r#","limits":[{"seconds":3600,"signatures":1}]}]}"#);
    let callers = vec![digest(&first), digest(&second)];
    let key = world.key_under(&limited, callers).await;
    for caller in [&first, &second] {
        let session = world.session(caller);
        session.sign(&key.record, &expected(&key), REFERENCE).await.unwrap();
        let denied = session.sign(&key.record, &expected(&key), REFERENCE).await.unwrap_err();
        assert_eq!(remote_code(&denied), code::POLICY_DENIED);
    }
}

#[tokio::test]
async fn an_enclave_of_another_image_or_under_another_root_is_told_nothing() {
    let world = World::start("").await;
    let (caller, key) = world.key_for_a_caller().await;
    let other_root = Authority::generate(Clock::system().now()).unwrap().trust_anchor();
    let image = |value| Policy::builder().pcr(PcrIndex::IMAGE, [value]);
    for (evidence, variant) in [
        (NitroEvidence::new(world.authority.trust_anchor(), image(pcr0(b"another", b""))), "PcrMismatch"),
        (NitroEvidence::new(other_root, image(world.pcr0())), "UntrustedRoot"),
        (NitroEvidence::new(world.authority.trust_anchor(), Policy::builder()), "ImageNotPinned"),
    ] {
        let session = EnclaveSession::new(world.sessions.clone(), &caller, evidence);
        let refused = session.sign(&key.record, &expected(&key), REFERENCE).await.unwrap_err();
        let Some(SessionError::EvidenceRejected(reason)) = refused.as_session() else { panic!("{refused:?}") };
        assert!(format!("{reason:?}").contains(variant), "{reason:?}");
    }
}

#[tokio::test]
async fn a_man_in_the_middle_with_the_enclaves_own_evidence_is_told_nothing() {
    let world = World::start("").await;
    let (caller, key) = world.key_for_a_caller().await;
    // He ends the session under a key of his own, and shows what the enclave attests to him: for another session, over
    // another key.
    let listen = Addr::unix(world.folder.path().join("middle.sock")).unwrap();
    let listener = Listener::bind(&listen).await.unwrap();
    let evidence = Stolen(world.sessions.clone());
    let middle = SessionServer::builder(SessionKeys::generate().unwrap(), evidence, AllowedClients::any()).build();
    let _handle = middle.serve(listener, Server::builder(Router::new(())).build());
    let session = EnclaveSession::new(listen, &caller, world.evidence());
    let refused = session.sign(&key.record, &expected(&key), REFERENCE).await.unwrap_err();
    let Some(SessionError::EvidenceRejected(reason)) = refused.as_session() else { panic!("{refused:?}") };
    assert!(format!("{reason:?}").contains("Mismatch"), "{reason:?}");
}

#[tokio::test]
async fn a_client_that_the_configuration_does_not_name_gets_no_session() {
    let named = ClientKey::generate_p256().unwrap();
    let world = World::start_for(&format!(r#"["{}"]"#, named.identity()), "").await;
    let key = world.key(vec![digest(&named)]).await;
    world.session(&named).sign(&key.record, &expected(&key), REFERENCE).await.unwrap();
    let stranger = world.session(&ClientKey::generate_p256().unwrap());
    let refused = stranger.describe_key(&key.record).await.unwrap_err();
    assert!(matches!(refused.as_session(), Some(SessionError::ClientKeyNotAllowed { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_record_that_is_not_the_expected_one_is_not_sent() {
    let world = World::start("").await;
    let (caller, key) = world.key_for_a_caller().await;
    let other = world.key(vec![digest(&caller)]).await;
    let nobody = Addr::unix("/nonexistent/enclave.sock").unwrap();
    let session = EnclaveSession::new(nobody, &caller, world.evidence());
    let refused = session.sign(&other.record, &expected(&key), REFERENCE).await;
    assert!(matches!(refused, Err(SessionCallError::KeyMismatch)), "{refused:?}");
    let refused = session.sign(b"none", &expected(&key), REFERENCE).await;
    assert!(matches!(refused, Err(SessionCallError::MalformedRecord(_))), "{refused:?}");
}

#[tokio::test]
async fn a_long_transaction_is_signed_beside_the_runtime() {
    let world = World::start("").await;
    let (caller, key) = world.key_for_a_caller().await;
    // White space is JSON's, and makes it long.
    let padded = [REFERENCE.payload, &[b' '; 8 * 1024]].concat();
    let signed = world.session(&caller).sign(&key.record, &expected(&key), json(&padded)).await.unwrap();
    assert_eq!(evm::recover_sender(&signed.signed_transaction).unwrap(), key.description.address);
}

#[tokio::test]
async fn the_command_line_makes_a_key_describes_and_signs() {
    let world = World::start("").await;
    let key_file = world.path("caller.pem");
    let made = run(&format!("keygen --out {key_file} --json")).await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let identity = made.json()["identity"].as_str().unwrap().to_owned();
    assert_eq!(run(&format!("keygen --out {key_file}")).await.code, 3, "it is there already");
    let key = world.key(vec![identity.parse().unwrap()]).await;
    let record = world.write("record", &key.record);
    let transaction = world.write("transaction.json", REFERENCE.payload);
    let options = world.options(&key_file, &record);

    let described = run(&format!("describe {options} --json")).await;
    assert_eq!(described.json()["address"], key.description.address.as_str(), "{}", described.stderr);
    assert_eq!(described.json()["callers"], serde_json::json!([identity]));
    let text = run(&format!("describe {options}")).await;
    assert!(text.stdout.contains(&identity), "{}", text.stdout);

    let digest = key.description.record_digest;
    let signed = run(&format!("sign {options} --record-digest {digest} {transaction} --json")).await.json();
    let bytes = hex::decode(signed["signed_transaction"].as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    assert_eq!(evm::recover_sender(&bytes).unwrap(), key.description.address);
    let other = RecordDigest::from_bytes([0; 32]);
    assert_eq!(run(&format!("sign {options} --record-digest {other} {transaction}")).await.code, 1);
}

/// A record whose header names nobody instead of one caller, as CBOR has it: an array of one string of 32 bytes becomes an
/// empty one, and the header's length is what it then is.
fn without_its_caller(record: &[u8]) -> Vec<u8> {
    let after = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|at| at == text).unwrap() + text.len();
    let mut altered = record.to_vec();
    let callers = after(&altered, b"\x67callers");
    assert_eq!(altered[callers..callers + 3], [0x81, 0x58, 0x20]);
    altered.splice(callers..callers + 35, [0x80]);
    let len = after(&altered, b"\x66header\x59");
    let shorter = u16::from_be_bytes([altered[len], altered[len + 1]]) - 34;
    altered[len..len + 2].copy_from_slice(&shorter.to_be_bytes());
    altered
}

/// The one in the middle asks a parent, and there is none here: of that it is tested that its words are understood.
#[tokio::test]
async fn commands_of_the_readme_run() {
    let world = World::start("").await;
    world.write("policy.json", POLICY.as_bytes());
    world.write("transaction.json", REFERENCE.payload);
    let is_here = |line: &&str| line.starts_with("signerctl session ") || line.contains(" --caller ");
    let commands: Vec<_> = include_str!("../README.md").lines().filter(is_here).collect();
    let [keygen, generate, sign] = commands[..] else { panic!("{commands:?}") };

    let made = run_with(&world.filled(&format!("{keygen} --json"), ""), io::empty()).await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let identity = made.json()["identity"].as_str().unwrap().to_owned();
    let asked = run_with(&world.filled(generate, &identity), io::empty()).await;
    assert_eq!(asked.code, 3, "the parent cannot be reached: {}", asked.stderr);
    let key = world.key(vec![identity.parse().unwrap()]).await;
    world.write("record.b64", BASE64_STANDARD.encode(&key.record).as_bytes());
    let signed = run_with(&world.filled(sign, ""), io::empty()).await;
    assert_eq!(signed.code, 0, "{}", signed.stderr);
}

#[tokio::test]
async fn the_command_line_tells_refusals_apart() {
    let world = World::start("").await;
    let (stranger, key_file) = (world.path("stranger.pem"), world.path("caller.pem"));
    for file in [&stranger, &key_file] {
        assert_eq!(run(&format!("keygen --out {file}")).await.code, 0);
    }
    let identity = run(&format!("keygen --out {} --json", world.path("named.pem"))).await.json()["identity"].clone();
    let key = world.key(vec![identity.as_str().unwrap().parse().unwrap()]).await;
    let (record, transaction) =
        (world.write("record", &key.record), world.write("transaction.json", REFERENCE.payload));
    let named = world.options(&world.path("named.pem"), &record);
    let wrong_image = named.replace(&world.pcr0().to_string(), &"ab".repeat(48));
    let no_root = named.split(" --trust-anchor").next().unwrap().to_owned();
    let nowhere = named.replace(&world.sessions.to_string(), "unix:/nonexistent/enclave.sock");
    let none = named.replace(&record, &transaction);
    let public = world.path("public.pem");
    std::fs::copy(&stranger, &public).unwrap();
    std::fs::set_permissions(&public, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (options, code, kind, reason) in [
        (&world.options(&stranger, &record), 1, "refused", Some("not_permitted")),
        (&wrong_image, 1, "rejected", Some("PcrMismatch")),
        (&no_root, 1, "rejected", Some("UntrustedRoot")),
        (&nowhere, 3, "unreadable", None),
        (&none, 2, "malformed", None),
        (&world.options(&public, &record), 3, "unreadable", None),
    ] {
        let run = run(&format!("sign {options} {transaction} --json")).await;
        let error = run.error();
        assert_eq!((run.code, error["kind"].as_str()), (code, Some(kind)), "{options}: {}", run.stderr);
        assert_eq!(error["reason"].as_str(), reason, "{error}");
    }
}

/// A KMS whose key admits the program `program`, and the service in an enclave that runs it.
struct World {
    folder: TempDir,
    authority: Authority,
    service: Arc<Service>,
    parent_port: Addr,
    sessions: Addr,
    _kms: KmsSimulator,
    _ports: Ports,
}

impl World {
    async fn start(more: &str) -> Self {
        Self::start_for("\"any\"", more).await
    }

    async fn start_for(clients: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::generate(Clock::system().now()).unwrap();
        std::fs::write(folder.path().join("root.der"), authority.root_certificate()).unwrap();
        let (kms, key) = kms(&authority).await;
        let socket = |name: &str| Addr::unix(folder.path().join(name)).unwrap();
        let (parent_port, sessions) = (socket("parent.sock"), socket("sessions.sock"));
        let json = format!(
            r#"{{"version":1,"kms":{{"region":"us-east-1","key_arns":["{key}"],"relay":"tcp:{}"}},
            "parent_port":"{parent_port}","sessions":{{"port":"{sessions}","clients":{clients}}}{more}}}"#,
            kms.local_addr()
        );
        let configuration = Configuration::from_json(json.as_bytes()).unwrap();
        let again = serde_json::to_vec(&configuration).unwrap();
        assert_eq!(Configuration::from_json(&again).unwrap(), configuration);
        let nsm = SimulatedNsm::builder(authority.clone()).measure(b"program", b"").build().unwrap();
        let transport = Arc::new(RelayTransport::new(configuration.kms.relay.clone()));
        let service = boot(configuration, Arc::new(nsm), transport, kms.tls_roots()).unwrap();
        service
            .set_credentials(&AwsCredentials {
                access_key_id: PARENT_KEY.into(),
                secret_access_key: SECRET.into(),
                session_token: None,
                expires_at_ms: None,
            })
            .unwrap();
        let ports = serve(Arc::clone(&service)).await.unwrap();
        Self { folder, authority, service, parent_port, sessions, _kms: kms, _ports: ports }
    }

    async fn key_under(&self, policy: &str, callers: Vec<SpkiDigest>) -> GenerateKeyResponse {
        let request = GenerateKeyRequest { family: "eip155".into(), policy: policy.into(), callers };
        self.service.generate_key(request).await.unwrap()
    }

    async fn key(&self, callers: Vec<SpkiDigest>) -> GenerateKeyResponse {
        self.key_under(POLICY, callers).await
    }

    async fn key_for_a_caller(&self) -> (ClientKey, GenerateKeyResponse) {
        let caller = ClientKey::generate_p256().unwrap();
        let key = self.key(vec![digest(&caller)]).await;
        (caller, key)
    }

    fn pcr0(&self) -> PcrValue {
        pcr0(b"program", b"")
    }

    fn evidence(&self) -> NitroEvidence {
        NitroEvidence::new(self.authority.trust_anchor(), Policy::builder().pcr(PcrIndex::IMAGE, [self.pcr0()]))
    }

    fn session(&self, caller: &ClientKey) -> EnclaveSession {
        EnclaveSession::new(self.sessions.clone(), caller, self.evidence())
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).into_os_string().into_string().unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self.path(name)
    }

    /// The words of a command of the README behind `signerctl`, up to a pipe, with what this world has in place of `…` and of
    /// names.
    fn filled(&self, line: &str, identity: &str) -> Vec<String> {
        let words: Vec<_> = line.split(' ').take_while(|word| *word != "|").collect();
        let fill = |pair: &[&str]| match (pair[0], pair[1]) {
            ("--enclave", _) => self.sessions.to_string(),
            ("--pcr0", _) => self.pcr0().to_string(),
            ("--trust-anchor", _) => self.path("root.der"),
            ("--url", _) => "https://localhost:1".to_owned(),
            ("--ca", _) => self.path("no-such-root.pem"),
            (_, "IDENTITY") => identity.to_owned(),
            (_, file) if file.ends_with(".json") || file.ends_with(".pem") || file.ends_with(".b64") => self.path(file),
            (_, word) => word.to_owned(),
        };
        words.windows(2).map(fill).collect()
    }

    fn options(&self, key_file: &str, record: &str) -> String {
        format!(
            "--enclave {} --client-key {key_file} --record {record} --pcr0 {} --trust-anchor {}",
            self.sessions,
            self.pcr0(),
            self.path("root.der")
        )
    }
}

/// What the genuine enclave attests to whoever opens a session with it.
struct Stolen(Addr);

impl Evidence for Stolen {
    fn evidence<'a>(&'a self, _: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
        Box::pin(async move {
            let (sender, receiver) = std::sync::mpsc::channel();
            let keep = Keep(std::sync::Mutex::new(sender));
            let own = ClientKey::generate_p256()?;
            SessionConnector::builder(self.0.clone(), &own, keep).build().connect().await?;
            Ok(receiver.recv()?)
        })
    }
}

struct Keep(std::sync::Mutex<std::sync::mpsc::Sender<Vec<u8>>>);

impl vsock_rpc::session::VerifyEvidence for Keep {
    fn verify(&self, evidence: &[u8], _: &vsock_rpc::session::ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        Ok(self.0.lock().unwrap().send(evidence.to_vec())?)
    }
}

async fn kms(authority: &Authority) -> (KmsSimulator, KeyArn) {
    let credentials = |access_key_id: &str| Credentials::new(access_key_id, SECRET, None, None).unwrap();
    let kms = KmsSimulator::builder("us-east-1", ACCOUNT)
        .attestation_anchor(authority.trust_anchor())
        .administrator(credentials(ADMIN_KEY), format!("arn:aws:iam::{ACCOUNT}:role/kms-administrator"))
        .credentials(credentials(PARENT_KEY), format!("arn:aws:iam::{ACCOUNT}:role/signer-parent"))
        .start()
        .await
        .unwrap();
    let transport = Arc::new(TcpTransport::new(kms.local_addr()));
    let clock = Clock::system();
    let admin = AdminClient::new("us-east-1", transport, &kms.tls_roots(), clock, credentials(ADMIN_KEY)).unwrap();
    let key = admin.create_key().await.unwrap();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:role/kms-administrator"}},
              "Action":["kms:PutKeyPolicy","kms:GetKeyPolicy","kms:DescribeKey"],"Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:role/signer-parent"}},
              "Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{{"StringEqualsIgnoreCase":
              {{"kms:RecipientAttestation:ImageSha384":"{}"}}}}}}]}}"#,
        pcr0(b"program", b"")
    );
    admin.put_key_policy(&key, &policy).await.unwrap();
    (kms, key)
}

async fn run(line: &str) -> Run {
    run_with(&["session"].into_iter().chain(line.split(' ')).collect::<Vec<_>>(), io::empty()).await
}

fn digest(caller: &ClientKey) -> SpkiDigest {
    SpkiDigest::from_bytes(*caller.identity().as_bytes())
}

fn expected(key: &GenerateKeyResponse) -> ExpectedKey {
    let description = &key.description;
    ExpectedKey { public_key: description.public_key.clone(), record_digest: description.record_digest }
}

fn remote_code(error: &SessionCallError) -> String {
    let SessionCallError::Call(error) = error else { panic!("{error:?}") };
    error.as_remote().unwrap_or_else(|| panic!("{error:?}")).code().to_owned()
}

const fn json(payload: &[u8]) -> Transaction<'_> {
    Transaction { encoding: Encoding::Json, payload, chain_id: None }
}

const REFERENCE: Transaction<'_> = json(br#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#);
const POLICY: &str = r#"{"version":1,"rules":[{"name":"reference","effect":"allow","chains":["eip155:4"],"destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]}]}"#;
const DEAD: &str = "000000000000000000000000000000000000dEaD";
const ACCOUNT: &str = "111122223333";
const DEADLINE: Duration = Duration::from_secs(30);

// Fake credentials, in the spelling of AWS's documentation.
const ADMIN_KEY: &str = "AKIAIADMINFAKEEXAMPLE";
const PARENT_KEY: &str = "AKIAIPARENTFAKEEXAMPLE";
const SECRET: &str = "fake-secret-for-tests-only-of-40-letters";
