//! Requests that are given up leave no work piling up behind them.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use enclave::{Configuration, RelayTransport, Service, boot};
use kms_enclave_client::TlsRoots;
use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{AttestationRequest, Clock, Nsm, NsmDescription, NsmError, PcrDescription, PcrIndex, PcrValue};
use signer_protocol::method::{AwsCredentials, GenerateKeyRequest};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

#[tokio::test]
async fn cancelled_requests_leave_a_bounded_amount_of_work() {
    let (arrived, mut arrivals) = unbounded_channel();
    let gate = Arc::new(Gate::new(arrived));
    let service = service(&gate);
    gate.set_open(false);
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let service = Arc::clone(&service);
        requests.spawn(async move { service.generate_key(asked()).await });
    }
    for _ in 0..PLACES {
        arrivals.recv().await.unwrap();
    }
    requests.shutdown().await;
    gate.set_open(true);
    // Gets a place once the work that was left behind is done; there is no KMS, so it ends there.
    service.generate_key(asked()).await.unwrap_err();
    assert_eq!(gate.key_ids.load(Ordering::SeqCst), PLACES + 1);
}

fn asked() -> GenerateKeyRequest {
    GenerateKeyRequest { family: "eip155".into(), policy: br#"{"version":1,"rules":[]}"#.to_vec(), callers: Vec::new() }
}

/// An NSM that answers for key ids only while it is open.
#[derive(Debug)]
struct Gate {
    nsm: SimulatedNsm,
    open: Mutex<bool>,
    changed: Condvar,
    arrived: UnboundedSender<()>,
    key_ids: AtomicUsize,
}

impl Gate {
    fn new(arrived: UnboundedSender<()>) -> Self {
        let clock = Clock::system();
        let nsm =
            SimulatedNsm::builder(Authority::generate(clock.now()).unwrap()).measure(b"program", b"").clock(clock);
        Self {
            nsm: nsm.build().unwrap(),
            open: Mutex::new(true),
            changed: Condvar::new(),
            arrived,
            key_ids: AtomicUsize::new(0),
        }
    }

    fn set_open(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.changed.notify_all();
    }
}

impl Nsm for Gate {
    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        self.nsm.attest(request)
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError> {
        if buffer.len() == KEY_ID_LEN {
            self.key_ids.fetch_add(1, Ordering::SeqCst);
            // Nobody listens any more once the test has seen enough.
            let _ = self.arrived.send(());
            drop(self.changed.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
        }
        self.nsm.random(buffer)
    }

    fn describe(&self) -> Result<NsmDescription, NsmError> {
        self.nsm.describe()
    }

    fn describe_pcr(&self, index: PcrIndex) -> Result<PcrDescription, NsmError> {
        self.nsm.describe_pcr(index)
    }

    fn extend_pcr(&self, index: PcrIndex, data: &[u8]) -> Result<PcrValue, NsmError> {
        self.nsm.extend_pcr(index, data)
    }

    fn lock_pcr(&self, index: PcrIndex) -> Result<(), NsmError> {
        self.nsm.lock_pcr(index)
    }

    fn lock_pcrs(&self, range: u16) -> Result<(), NsmError> {
        self.nsm.lock_pcrs(range)
    }
}

fn service(gate: &Arc<Gate>) -> Arc<Service> {
    let configuration = Configuration::from_json(
        br#"{"version":1,"kms":{"region":"us-east-1","relay":"unix:/nonexistent","key_arns":
        ["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"]},"parent_port":"unix:/nonexistent"}"#,
    )
    .unwrap();
    let transport = Arc::new(RelayTransport::new(configuration.kms.relay.clone()));
    let nsm: Arc<dyn Nsm> = gate.clone();
    let service = boot(configuration, nsm, transport, TlsRoots::amazon()).unwrap();
    let credentials = AwsCredentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "fake-secret-for-tests-only-of-40-letters".into(),
        session_token: None,
        expires_at_ms: None,
    };
    service.set_credentials(&credentials).unwrap();
    service
}

/// Calls to the NSM that the service lets run at a time.
const PLACES: usize = 4;

const KEY_ID_LEN: usize = 16;
