//! What the tests share: a simulated enclave, and documents altered field by field under a good signature.
#![allow(clippy::unwrap_used, reason = "a helper of tests")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use ciborium::Value;
use nsm_attest::sim::{Authority, Defect, SimulatedNsm};
use nsm_attest::{
    AttestationRequest, Clock, Error, Nsm, PcrIndex, PcrValue, Policy, PolicyBuilder, TrustAnchor, UnixTime,
    UnverifiedDocument, VerifiedDocument,
};

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

/// The payload as an independent reader sees it.
pub fn payload_entries(document: &UnverifiedDocument) -> Vec<(Value, Value)> {
    let payload: Value = ciborium::from_reader(document.payload()).unwrap();
    payload.into_map().unwrap()
}

pub fn set(entries: &mut Vec<(Value, Value)>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    match entries.iter_mut().find(|(key, _)| key.as_text() == Some(name)) {
        Some(entry) => entry.1 = value,
        None => entries.push((name.into(), value)),
    }
}

pub fn get<'a>(entries: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    entries.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

pub fn remove(entries: &mut Vec<(Value, Value)>, name: &str) {
    entries.retain(|(key, _)| key.as_text() != Some(name));
}

/// Holds every field against what ciborium reads.
pub fn assert_ciborium_agrees(document: &UnverifiedDocument) {
    let (fields, entries) = (document.unverified(), payload_entries(document));
    let field = |name| get(&entries, name).filter(|value| !value.is_null());
    let bytes = |name| field(name).map(|value| value.as_bytes().unwrap().clone());
    let number = |value: &Value| u64::try_from(value.as_integer().unwrap()).unwrap();

    assert_eq!(field("module_id").and_then(Value::as_text), Some(fields.module_id.as_str()));
    assert_eq!(field("digest").and_then(Value::as_text), Some("SHA384"));
    assert_eq!(field("timestamp").map(number), Some(fields.timestamp.as_millis()));
    assert_eq!(bytes("certificate").as_ref(), Some(&fields.certificate));
    let bundle = field("cabundle").and_then(Value::as_array).unwrap();
    assert_eq!(bundle.iter().map(|der| der.as_bytes().unwrap().clone()).collect::<Vec<_>>(), fields.cabundle);
    let mut pcrs: Vec<_> = field("pcrs").and_then(Value::as_map).unwrap().iter().collect();
    pcrs.sort_by_key(|(index, _)| number(index));
    let pcrs: Vec<_> = pcrs.iter().map(|(index, value)| (number(index), &value.as_bytes().unwrap()[..])).collect();
    let ours: Vec<_> = fields.pcrs.iter().map(|(index, value)| (u64::from(index.as_u8()), value.as_bytes())).collect();
    assert_eq!(pcrs, ours);
    assert_eq!(bytes("public_key"), fields.public_key);
    assert_eq!(bytes("user_data"), fields.user_data);
    assert_eq!(bytes("nonce"), fields.nonce);
}
