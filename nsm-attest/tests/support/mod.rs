//! What the tests share: a simulated enclave, and documents altered field by field under a good signature.
#![allow(clippy::unwrap_used, reason = "a helper of tests")]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses its part of it")]

pub mod reader;

use ciborium::Value;
use nsm_attest::sim::{Authority, Defect, SimulatedNsm};
use nsm_attest::{
    AttestationRequest, Clock, Error, Nsm, PcrIndex, PcrValue, Policy, PolicyBuilder, TrustAnchor, UnixTime,
    UnverifiedDocument, VerifiedDocument,
};

pub use reader::{assert_ciborium_agrees, get, payload_entries};

/// When the simulated enclaves of the tests boot.
pub const BOOT: UnixTime = UnixTime::from_secs(1_700_000_000);

pub struct Setup {
    pub anchor: TrustAnchor,
    pub clock: Clock,
    pub nsm: SimulatedNsm,
}

impl Setup {
    pub fn new() -> Self {
        Self::with_defect(None)
    }

    pub fn with_defect(defect: impl Into<Option<Defect>>) -> Self {
        let clock = Clock::settable(BOOT);
        let authority = Authority::generate(BOOT).unwrap();
        let anchor = authority.trust_anchor();
        let builder = SimulatedNsm::builder(authority).measure(b"executable", b"configuration").clock(clock.clone());
        let nsm = match defect.into() {
            Some(defect) => builder.defect(defect),
            None => builder,
        };
        Self { anchor, clock, nsm: nsm.build().unwrap() }
    }

    pub fn pcr(&self, index: PcrIndex) -> PcrValue {
        self.nsm.describe_pcr(index).unwrap().value
    }

    /// A policy that pins this enclave's image.
    pub fn policy(&self) -> PolicyBuilder {
        Policy::builder().pcr(PcrIndex::IMAGE, [self.pcr(PcrIndex::IMAGE)])
    }

    pub fn document(&self) -> UnverifiedDocument {
        self.document_for(&AttestationRequest::new())
    }

    pub fn document_for(&self, request: &AttestationRequest) -> UnverifiedDocument {
        UnverifiedDocument::from_bytes(&self.nsm.attest(request).unwrap()).unwrap()
    }

    pub fn verify(&self, policy: &Policy) -> Result<VerifiedDocument, Error> {
        self.document().verify(&self.anchor, policy, self.clock.now())
    }

    /// This enclave's document with its payload altered, signed by its key.
    pub fn altered(&self, alter: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
        let mut entries = payload_entries(&self.document());
        alter(&mut entries);
        self.sign(&Value::Map(entries))
    }

    pub fn sign(&self, payload: &Value) -> Vec<u8> {
        self.nsm.sign(&encode(payload)).unwrap()
    }
}

pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

pub fn set(entries: &mut Vec<(Value, Value)>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    match entries.iter_mut().find(|(key, _)| key.as_text() == Some(name)) {
        Some(entry) => entry.1 = value,
        None => entries.push((name.into(), value)),
    }
}

pub fn remove(entries: &mut Vec<(Value, Value)>, name: &str) {
    entries.retain(|(key, _)| key.as_text() != Some(name));
}
