//! The service against a simulated NSM and KMS: what it signs, and what a hostile parent gets.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::sync::Arc;
use std::time::Duration;

use chain_signers::{Encoding, evm};
use enclave::{Caller, Configuration, RelayTransport, Service, ServiceError, boot, serve};
use kms_enclave_client::sim::{AdminClient, KmsSimulator};
use kms_enclave_client::{Credentials, KeyArn, TcpTransport, TlsRoots};
use nsm_attest::sim::{self, Authority, SimulatedNsm};
use nsm_attest::{Clock, NsmError, PcrIndex, Policy, Purpose, UnixTime, UnverifiedDocument, UserData};
use signer_protocol::code;
use signer_protocol::method::{
    AwsCredentials, ExpectedKey, GenerateKeyRequest, GenerateKeyResponse, Health, HealthRequest, MAX_TRANSACTION_LEN,
    PARENT_PORT_MAX_PAYLOAD_LEN, Sign, SignRequest,
};
use signer_protocol::record::{Record, SpkiDigest};
use tokio::task::JoinSet;
use vsock_rpc::{Addr, Client};

#[tokio::test]
async fn a_generated_key_signs_what_its_policy_allows() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let signed = world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap();
    let recovered = evm::recover_sender(&signed.signed_transaction).unwrap();
    assert_eq!(recovered, key.description.address);
    assert_eq!(signed.rule, "reference");
    assert_eq!(world.service.describe_key(Caller::Parent, &key.record).await.unwrap(), key.description);
}

#[tokio::test]
async fn signing_again_gives_the_same_bytes() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let first = world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap();
    assert_eq!(world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap(), first);
}

#[tokio::test]
async fn the_birth_document_attests_this_record_and_carries_no_key() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let digest = Record::from_bytes(&key.record).unwrap().digest();
    let born = UserData { purpose: Purpose::Birth, digest: *digest.as_bytes() };
    let policy = Policy::builder().pcr(PcrIndex::IMAGE, [sim::pcr0(b"program", b"")]).user_data(born.encode()).build();
    let document = UnverifiedDocument::from_bytes(&key.birth_document).unwrap();
    let verified = document.verify(&world.authority.trust_anchor(), &policy, Clock::system().now()).unwrap();
    assert_eq!(verified.public_key, None);
}

#[tokio::test]
async fn what_the_policy_does_not_name_is_denied() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let elsewhere = REFERENCE.replace("0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", OTHER);
    let other_chain = REFERENCE.replace("\"chainId\":4", "\"chainId\":1");
    for transaction in [elsewhere, other_chain] {
        let error = world.service.sign(Caller::Parent, request(&key, &transaction)).await.unwrap_err();
        assert_eq!(error.code(), code::POLICY_DENIED, "{error}");
    }
    world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.expect("the next request works");
}

#[tokio::test]
async fn limits_over_time_are_counted_in_the_enclave() {
    let world = World::new().await;
    let limits = r#","limits":[{"seconds":3600,"signatures":2}]}]}"#;
    let policy = format!("{}{limits}", POLICY.strip_suffix("}]}").unwrap());
    let (key, other) = (
        world.service.generate_key(asked(&policy)).await.unwrap(),
        world.service.generate_key(asked(&policy)).await.unwrap(),
    );
    for _ in 0..2 {
        world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap();
    }
    let error = world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap_err();
    assert_eq!(error.code(), code::POLICY_DENIED, "{error}");
    world.service.sign(Caller::Parent, request(&other, REFERENCE)).await.expect("another key has its own limit");
}

#[tokio::test]
async fn a_hash_is_signed_only_if_the_policy_says_blind_signing() {
    let world = World::new().await;
    let blind = POLICY.replace(r#""name""#, r#""blind_signing":true,"name""#);
    for (policy, is_permitted) in [(POLICY.to_owned(), false), (blind, true)] {
        let key = world.service.generate_key(asked(&policy)).await.unwrap();
        let (encoding, payload, chain_id) = (Encoding::Prehash, vec![7; 32], Some("eip155:4".to_owned()));
        let hash = SignRequest { encoding, payload, chain_id, ..request(&key, REFERENCE) };
        match world.service.sign(Caller::Parent, hash).await {
            Ok(signed) => assert!(is_permitted && signed.signed_transaction.len() == 65),
            Err(error) => assert!(!is_permitted && error.code() == code::POLICY_DENIED, "{error}"),
        }
    }
}

#[tokio::test]
async fn no_altered_record_opens_even_when_its_original_is_cached() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    world.service.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap();
    // One byte of the policy, of the last tag, and of what KMS must open: the parts that parse whatever they hold.
    let allowed = b"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
    let in_policy = key.record.windows(allowed.len()).position(|window| window == allowed).unwrap() + 2;
    for position in [in_policy, key.record.len() - 1] {
        let mut altered = key.record.clone();
        altered[position] ^= 1;
        let record = Record::from_bytes(&altered).unwrap();
        let expected = ExpectedKey { public_key: key.description.public_key.clone(), record_digest: record.digest() };
        let request = SignRequest { record: altered, expected, ..request(&key, REFERENCE) };
        let error = world.service.sign(Caller::Parent, request).await.unwrap_err();
        assert_eq!(error.code(), code::RECORD_REJECTED, "byte {position}: {error}");
    }
}

#[tokio::test]
async fn another_key_than_the_expected_one_is_not_used() {
    let world = World::new().await;
    let mine = world.service.generate_key(asked(POLICY)).await.unwrap();
    let other = world.service.generate_key(asked(POLICY)).await.unwrap();
    let swapped = SignRequest { record: other.record.clone(), ..request(&mine, REFERENCE) };
    assert!(matches!(world.service.sign(Caller::Parent, swapped).await, Err(ServiceError::KeyMismatch)));
    let mut wrong_digest = request(&mine, REFERENCE);
    wrong_digest.expected.record_digest = other.description.record_digest;
    assert!(matches!(world.service.sign(Caller::Parent, wrong_digest).await, Err(ServiceError::KeyMismatch)));
}

#[tokio::test]
async fn a_record_under_a_key_that_is_not_measured_is_refused_before_kms_is_asked() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let calls = world.calls();
    let arn = world.kms_key.as_str().as_bytes();
    let at = key.record.windows(arn.len()).position(|window| window == arn).unwrap();
    let mut moved = key.record.clone();
    let last = at + arn.len() - 1;
    moved[last] = if moved[last] == b'0' { b'1' } else { b'0' };
    let error = world.service.describe_key(Caller::Parent, &moved).await.unwrap_err();
    assert_eq!(error.code(), code::RECORD_REJECTED, "{error}");
    assert_eq!(world.calls(), calls);
}

#[tokio::test]
async fn whoever_the_record_turns_away_costs_no_call_to_kms() {
    let world = World::new().await;
    let (named, stranger) = (Caller::Session(identity(1)), Caller::Session(identity(2)));
    let callers = vec![identity(1)];
    let key = world.service.generate_key(GenerateKeyRequest { callers, ..asked(POLICY) }).await.unwrap();
    let parents = world.service.generate_key(asked(POLICY)).await.unwrap();
    let mistaken = SignRequest { expected: request(&parents, REFERENCE).expected, ..request(&key, REFERENCE) };
    let calls = world.calls();
    for is_cached in [false, true] {
        for (caller, key) in [(stranger, &key), (named, &parents), (Caller::Parent, &key)] {
            let error = world.service.sign(caller, request(key, REFERENCE)).await.unwrap_err();
            assert_eq!(error.code(), code::NOT_PERMITTED, "{error}");
        }
        for (caller, key) in [(stranger, &key), (named, &parents)] {
            let error = world.service.describe_key(caller, &key.record).await.unwrap_err();
            assert_eq!(error.code(), code::NOT_PERMITTED, "{error}");
        }
        let error = world.service.sign(named, mistaken.clone()).await.unwrap_err();
        assert_eq!(error.code(), code::KEY_MISMATCH, "{error}");
        assert_eq!(world.calls(), calls + if is_cached { 2 } else { 0 });
        world.service.sign(named, request(&key, REFERENCE)).await.expect("the record names it");
        for key in [&key, &parents] {
            assert_eq!(world.service.describe_key(Caller::Parent, &key.record).await.unwrap(), key.description);
        }
    }
}

#[tokio::test]
async fn a_caller_that_writes_itself_into_a_record_has_none_that_opens() {
    let world = World::new().await;
    let callers = vec![identity(1)];
    let key = world.service.generate_key(GenerateKeyRequest { callers, ..asked(POLICY) }).await.unwrap();
    let at = key.record.windows(32).position(|bytes| bytes == identity(1).as_bytes()).unwrap();
    let mut record = key.record.clone();
    record[at..at + 32].copy_from_slice(identity(2).as_bytes());
    let altered = Record::from_bytes(&record).unwrap();
    let expected = ExpectedKey { public_key: key.description.public_key.clone(), record_digest: altered.digest() };
    let request = SignRequest { record, expected, ..request(&key, REFERENCE) };
    let error = world.service.sign(Caller::Session(identity(2)), request).await.unwrap_err();
    assert_eq!(error.code(), code::RECORD_REJECTED, "{error}");
}

#[tokio::test]
async fn an_enclave_measured_otherwise_is_refused_by_kms() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let changed = world.enclave(b"another program");
    let error = changed.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap_err();
    assert_eq!(error.code(), code::KMS_REFUSED, "{error}");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    let error = changed.generate_key(asked(POLICY)).await.unwrap_err();
    assert_eq!(error.code(), code::KMS_REFUSED, "{error}");
}

#[tokio::test]
async fn the_parent_gets_no_data_key_without_attestation() {
    let world = World::new().await;
    let parent = world.admin(world.parent_credentials());
    let context = std::collections::BTreeMap::from([("purpose".to_owned(), "record-v1".to_owned())]);
    let refused = parent.generate_data_key_without_recipient(&world.kms_key, &context).await.unwrap_err();
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
}

#[tokio::test]
async fn a_hundred_requests_for_a_cold_key_make_one_call_to_kms() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let cold = world.enclave(b"program");
    let before = world.calls();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (service, request) = (Arc::clone(&cold), request(&key, REFERENCE));
        requests.spawn(async move { service.sign(Caller::Parent, request).await.map(drop) });
    }
    while let Some(outcome) = requests.join_next().await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(world.calls() - before, 1);
}

#[tokio::test]
async fn without_fresh_credentials_nothing_reaches_kms() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let bare = world.enclave_without_credentials(b"program");
    let before = world.calls();
    let missing = bare.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap_err();
    assert_eq!(missing.code(), code::CREDENTIALS_MISSING);
    let mut expired = world.aws_credentials();
    expired.expires_at_ms = Some(1);
    bare.set_credentials(&expired).unwrap();
    assert!(!bare.health().credentials_fresh);
    assert_eq!(
        bare.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap_err().code(),
        code::CREDENTIALS_MISSING
    );
    assert_eq!(world.calls(), before);
    bare.set_credentials(&world.aws_credentials()).unwrap();
    bare.sign(Caller::Parent, request(&key, REFERENCE)).await.expect("fresh credentials are taken up");
}

#[tokio::test]
async fn a_failing_nsm_is_named_and_what_was_made_before_goes_on_serving() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let (cold, nsm) = world.enclave_and_nsm();
    nsm.set_fault(NsmError::InternalError);
    assert_eq!(cold.warm().await.unwrap_err().code(), code::NSM_UNAVAILABLE);
    let before = world.calls();
    assert_eq!(cold.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap_err().code(), code::NSM_UNAVAILABLE);
    assert_eq!(world.calls(), before);
    nsm.set_fault(None);
    cold.sign(Caller::Parent, request(&key, REFERENCE)).await.expect("the next request finds that the NSM works again");

    // To unseal, a warm enclave needs KMS, but no NSM: its recipient key and document are young enough.
    let (warm, nsm) = world.enclave_and_nsm();
    warm.warm().await.unwrap();
    nsm.set_fault(NsmError::InternalError);
    warm.sign(Caller::Parent, request(&key, REFERENCE)).await.unwrap();
}

#[tokio::test]
async fn bad_input_is_named_and_the_next_request_works() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let cases = [
        (
            world
                .service
                .generate_key(GenerateKeyRequest { family: "unheard".into(), ..asked(POLICY) })
                .await
                .map(drop),
            code::UNKNOWN_CHAIN,
        ),
        (world.service.generate_key(asked("{}")).await.map(drop), code::MALFORMED_POLICY),
        (world.service.generate_key(asked(&" ".repeat(17_000))).await.map(drop), code::MALFORMED_FIELD),
        (world.service.describe_key(Caller::Parent, b"no record").await.map(drop), code::RECORD_REJECTED),
        (world.service.sign(Caller::Parent, request(&key, "{}")).await.map(drop), code::MALFORMED_TRANSACTION),
        (world.service.sign(Caller::Parent, request(&key, "")).await.map(drop), code::MALFORMED_FIELD),
        (sign_on(&world, &key, "nonsense").await, code::MALFORMED_FIELD),
        (sign_on(&world, &key, "eip155:5").await, code::MALFORMED_TRANSACTION),
    ];
    for (outcome, expected) in cases {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), expected, "{error}");
    }
    sign_on(&world, &key, "eip155:4").await.unwrap();
}

#[tokio::test]
async fn records_that_sessions_have_opened_leave_room_for_others() {
    let world = World::new().await;
    let mut keys = Vec::new();
    for _ in 0..5 {
        let asked = GenerateKeyRequest { callers: vec![identity(1)], ..asked(POLICY) };
        keys.push(world.service.generate_key(asked).await.unwrap());
    }
    let (service, _silent) = world.enclave_with_silent_kms(world.configuration.clone());
    let mut calls = JoinSet::new();
    for key in keys {
        let service = Arc::clone(&service);
        calls.spawn(async move { service.describe_key(Caller::Session(identity(1)), &key.record).await });
    }
    let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code(), vsock_rpc::code::OVERLOADED, "{refused}");
    assert!(calls.try_join_next().is_none(), "four wait for KMS");
    calls.shutdown().await;
    let world_key = world.service.generate_key(GenerateKeyRequest { callers: vec![identity(1)], ..asked(POLICY) });
    let key = world_key.await.unwrap();
    let opening = service.describe_key(Caller::Session(identity(1)), &key.record);
    assert!(tokio::time::timeout(Duration::from_millis(50), opening).await.is_err(), "places are given back");
}

#[tokio::test]
async fn a_key_in_use_is_not_driven_out_of_the_cache_by_any_number_of_others() {
    let world = World::new().await;
    let used = world.service.generate_key(asked(POLICY)).await.unwrap();
    world.service.sign(Caller::Parent, request(&used, REFERENCE)).await.unwrap();
    for _ in 0..130 {
        let other = world.service.generate_key(asked(POLICY)).await.unwrap();
        world.service.describe_key(Caller::Parent, &other.record).await.unwrap();
        let calls = world.calls();
        world.service.sign(Caller::Parent, request(&used, REFERENCE)).await.unwrap();
        assert_eq!(world.calls(), calls);
    }
}

#[tokio::test]
async fn long_requests_beyond_eight_mebibytes_are_refused_while_those_are_held() {
    let world = World::new().await;
    let key = world.service.generate_key(asked(POLICY)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut configuration = world.configuration.clone();
    configuration.parent_port = Addr::unix(folder.path().join("port.sock")).unwrap();
    configuration.parent_may.sign = true;
    let port = configuration.parent_port.clone();
    let (service, _silent) = world.enclave_with_silent_kms(configuration);
    let _ports = serve(service).await.unwrap();

    let client = Client::builder(port).max_payload_len(PARENT_PORT_MAX_PAYLOAD_LEN).build();
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        let request = SignRequest { payload: vec![b' '; MAX_TRANSACTION_LEN], ..request(&key, REFERENCE) };
        calls.spawn(client.call::<Sign>(&request, Duration::from_secs(60)));
    }
    let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.as_remote().unwrap().code(), vsock_rpc::code::OVERLOADED, "{refused}");
    assert!(!refused.may_have_run());
    client.call::<Health>(&HealthRequest {}, Duration::from_secs(60)).await.expect("a short one finds room");
    assert!(calls.try_join_next().is_none(), "the others are held");
}

#[tokio::test]
async fn an_enclave_with_a_clock_that_cannot_be_does_not_boot() {
    let world = World::new().await;
    let long_ago = Clock::settable(UnixTime::from_secs(1_500_000_000));
    let authority = Authority::generate(long_ago.now()).unwrap();
    let nsm = SimulatedNsm::builder(authority).measure(b"program", b"").clock(long_ago).build().unwrap();
    let transport = Arc::new(RelayTransport::new(Addr::unix("/nonexistent").unwrap()));
    let error = boot(world.configuration.clone(), Arc::new(nsm), transport, TlsRoots::amazon()).unwrap_err();
    assert!(matches!(error, enclave::BootError::ClockImplausible { .. }), "{error}");
}

async fn sign_on(world: &World, key: &GenerateKeyResponse, chain_id: &str) -> Result<(), ServiceError> {
    let request = SignRequest { chain_id: Some(chain_id.into()), ..request(key, REFERENCE) };
    world.service.sign(Caller::Parent, request).await.map(drop)
}

fn identity(number: u8) -> SpkiDigest {
    SpkiDigest::from_bytes([number; 32])
}

fn asked(policy: &str) -> GenerateKeyRequest {
    GenerateKeyRequest { family: "eip155".into(), policy: policy.into(), callers: Vec::new() }
}

fn request(key: &GenerateKeyResponse, transaction: &str) -> SignRequest {
    let description = &key.description;
    let expected = ExpectedKey { public_key: description.public_key.clone(), record_digest: description.record_digest };
    SignRequest {
        record: key.record.clone(),
        expected,
        chain_id: None,
        encoding: Encoding::Json,
        payload: transaction.into(),
    }
}

/// A KMS whose key admits the program `program`, and an enclave that runs it.
struct World {
    service: Arc<Service>,
    authority: Authority,
    configuration: Configuration,
    kms: KmsSimulator,
    kms_key: KeyArn,
}

impl World {
    async fn new() -> Self {
        let authority = Authority::generate(Clock::system().now()).unwrap();
        let kms = KmsSimulator::builder("us-east-1", ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .administrator(credentials(ADMIN_KEY), format!("arn:aws:iam::{ACCOUNT}:role/kms-administrator"))
            .credentials(credentials(PARENT_KEY), format!("arn:aws:iam::{ACCOUNT}:role/signer-parent"))
            .start()
            .await
            .unwrap();
        let admin = admin(&kms, credentials(ADMIN_KEY));
        let kms_key = admin.create_key().await.unwrap();
        admin.put_key_policy(&kms_key, &key_policy(&sim::pcr0(b"program", b"").to_string())).await.unwrap();
        let configuration = Configuration::from_json(
            format!(
                r#"{{"version":1,"kms":{{"region":"us-east-1","key_arns":["{kms_key}"],"relay":"unix:/nonexistent"}},
                "parent_port":"unix:/nonexistent"}}"#
            )
            .as_bytes(),
        )
        .unwrap();
        let mut world = Self {
            service: start(&configuration, &kms, simulated(&authority, b"program")),
            authority,
            configuration,
            kms,
            kms_key,
        };
        world.service = world.enclave(b"program");
        world
    }

    fn enclave(&self, program: &[u8]) -> Arc<Service> {
        let service = self.enclave_without_credentials(program);
        service.set_credentials(&self.aws_credentials()).unwrap();
        service
    }

    fn enclave_without_credentials(&self, program: &[u8]) -> Arc<Service> {
        start(&self.configuration, &self.kms, simulated(&self.authority, program))
    }

    /// An enclave that runs the admitted program, and its NSM.
    fn enclave_and_nsm(&self) -> (Arc<Service>, Arc<SimulatedNsm>) {
        let nsm = simulated(&self.authority, b"program");
        let service = start(&self.configuration, &self.kms, Arc::clone(&nsm));
        service.set_credentials(&self.aws_credentials()).unwrap();
        (service, nsm)
    }

    /// An enclave whose KMS takes connections, and says nothing for as long as the other value lives.
    fn enclave_with_silent_kms(&self, configuration: Configuration) -> (Arc<Service>, std::net::TcpListener) {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let transport = Arc::new(TcpTransport::new(silent.local_addr().unwrap()));
        let nsm = simulated(&self.authority, b"program");
        let service = boot(configuration, nsm, transport, self.kms.tls_roots()).unwrap();
        service.set_credentials(&self.aws_credentials()).unwrap();
        (service, silent)
    }

    /// Calls that have arrived at KMS so far.
    fn calls(&self) -> u64 {
        self.kms.requests_seen_in_all()
    }

    fn admin(&self, credentials: Credentials) -> AdminClient {
        admin(&self.kms, credentials)
    }

    fn parent_credentials(&self) -> Credentials {
        credentials(PARENT_KEY)
    }

    fn aws_credentials(&self) -> AwsCredentials {
        AwsCredentials {
            access_key_id: PARENT_KEY.into(),
            secret_access_key: SECRET.into(),
            session_token: None,
            expires_at_ms: None,
        }
    }
}

fn simulated(authority: &Authority, program: &[u8]) -> Arc<SimulatedNsm> {
    let authority = Authority::from_bytes(&authority.to_bytes()).unwrap();
    Arc::new(SimulatedNsm::builder(authority).measure(program, b"").clock(Clock::system()).build().unwrap())
}

fn start(configuration: &Configuration, kms: &KmsSimulator, nsm: Arc<SimulatedNsm>) -> Arc<Service> {
    boot(configuration.clone(), nsm, Arc::new(TcpTransport::new(kms.local_addr())), kms.tls_roots()).unwrap()
}

fn admin(kms: &KmsSimulator, credentials: Credentials) -> AdminClient {
    let transport = Arc::new(TcpTransport::new(kms.local_addr()));
    AdminClient::new("us-east-1", transport, &kms.tls_roots(), Clock::system(), credentials).unwrap()
}

fn credentials(access_key_id: &str) -> Credentials {
    Credentials::new(access_key_id, SECRET, None, None).unwrap()
}

/// The least that this test needs; the policy that operators use is rendered by `signerctl key-policy`.
fn key_policy(pcr0: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:role/kms-administrator"}},
              "Action":["kms:PutKeyPolicy","kms:GetKeyPolicy","kms:DescribeKey"],"Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:role/signer-parent"}},
              "Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*",
              "Condition":{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{pcr0}"}}}}}}]}}"#
    )
}

const REFERENCE: &str = r#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#;
const POLICY: &str = r#"{"version":1,"rules":[{"name":"reference","effect":"allow","chains":["eip155:4"],"destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]}]}"#;
const OTHER: &str = "0x000000000000000000000000000000000000dEaD";
const ACCOUNT: &str = "111122223333";

// Fake credentials, in the spelling of AWS's documentation.
const ADMIN_KEY: &str = "AKIAIADMINFAKEEXAMPLE";
const PARENT_KEY: &str = "AKIAIPARENTFAKEEXAMPLE";
const SECRET: &str = "fake-secret-for-tests-only-of-40-letters";
