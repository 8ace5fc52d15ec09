//! A client takes a new key only if it is what was asked for.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

mod support;

use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{AttestationRequest, Clock, Nsm, PcrIndex, Policy, Purpose, UserData};
use signer_protocol::birth::{Asked, BirthError, BornKey, verify_birth};
use signer_protocol::record::{MalformedRecord, Record, RecordHeader, SpkiDigest};

use crate::support::{header, sealed};

#[test]
fn a_key_made_as_asked_is_accepted() {
    let born = Birth::of(&sealed(header())).verify(&ASKED).unwrap();
    assert_eq!(born.header, header());
    assert_eq!(born.record_digest, sealed(header()).digest());
}

#[test]
fn a_key_made_for_another_policy_is_not_accepted() {
    let mut wider = header();
    wider.policy = br#"{"version":1,"rules":["everything"]}"#.to_vec();
    assert_eq!(Birth::of(&sealed(wider)).verify(&ASKED), Err(BirthError::Policy));
}

#[test]
fn a_key_for_other_callers_is_not_accepted() {
    let (mine, parents) = (SpkiDigest::from_bytes([1; 32]), SpkiDigest::from_bytes([2; 32]));
    let asked = Asked { callers: &[mine], ..ASKED };
    for actual in [vec![], vec![parents], vec![mine, parents]] {
        let made = Birth::of(&sealed(RecordHeader { callers: actual.clone(), ..header() }));
        let expected = vec![mine];
        assert_eq!(made.verify(&asked), Err(BirthError::Callers { expected, actual }));
    }
    let made = Birth::of(&sealed(RecordHeader { callers: vec![mine], ..header() }));
    assert_eq!(made.verify(&asked).unwrap().header.callers, [mine]);
    assert!(matches!(made.verify(&ASKED), Err(BirthError::Callers { .. })));
}

#[test]
fn a_key_of_another_family_is_not_accepted() {
    let family = BirthError::Family { expected: "solana".into(), actual: "eip155".into() };
    assert_eq!(Birth::of(&sealed(header())).verify(&Asked { family: "solana", ..ASKED }), Err(family));
}

#[test]
fn a_document_about_another_record_or_for_another_purpose_is_not_accepted() {
    let mut other = header();
    other.revision = 1;
    let mut swapped = Birth::of(&sealed(header()));
    swapped.document = Birth::of(&sealed(other)).document;
    assert!(matches!(swapped.verify(&ASKED), Err(BirthError::Document(_))));
    let mut inspected = Birth::of(&sealed(header()));
    inspected.document = inspected.attest(Purpose::Inspect, sealed(header()).digest().as_bytes());
    assert!(matches!(inspected.verify(&ASKED), Err(BirthError::Document(_))));
}

#[test]
fn a_document_of_another_image_is_not_accepted() {
    let birth = Birth::of(&sealed(header()));
    let pcrs = Policy::builder().pcr(PcrIndex::IMAGE, [pcr0(b"another program", b"")]);
    let anchor = birth.authority.trust_anchor();
    let now = Clock::system().now();
    let outcome = verify_birth(&birth.record, &birth.document, &ASKED, &anchor, pcrs, now);
    assert!(matches!(outcome, Err(BirthError::Document(_))));
}

#[test]
fn bytes_that_are_no_record_or_no_document_are_named() {
    let mut birth = Birth::of(&sealed(header()));
    birth.document = b"none".to_vec();
    assert!(matches!(birth.verify(&ASKED), Err(BirthError::Document(_))));
    birth.record = b"none".to_vec();
    let none = MalformedRecord::Encoding { part: "record" };
    assert_eq!(birth.verify(&ASKED), Err(BirthError::MalformedRecord(none)));
}

/// What a parent hands to the client.
struct Birth {
    authority: Authority,
    nsm: SimulatedNsm,
    record: Vec<u8>,
    document: Vec<u8>,
}

impl Birth {
    fn of(record: &Record) -> Self {
        let clock = Clock::system();
        let authority = Authority::generate(clock.now()).unwrap();
        let nsm = SimulatedNsm::builder(authority.clone()).measure(b"program", b"").clock(clock).build().unwrap();
        let mut birth = Self { authority, nsm, record: record.to_bytes(), document: Vec::new() };
        birth.document = birth.attest(Purpose::Birth, record.digest().as_bytes());
        birth
    }

    fn attest(&self, purpose: Purpose, digest: &[u8; 32]) -> Vec<u8> {
        let user_data = UserData { purpose, digest: *digest };
        self.nsm.attest(&AttestationRequest::new().with_user_data(user_data.encode())).unwrap()
    }

    fn verify(&self, asked: &Asked<'_>) -> Result<BornKey, BirthError> {
        let pcrs = Policy::builder().pcr(PcrIndex::IMAGE, [pcr0(b"program", b"")]);
        let anchor = self.authority.trust_anchor();
        verify_birth(&self.record, &self.document, asked, &anchor, pcrs, Clock::system().now())
    }
}

/// White space around the policy is the parent's to drop.
const ASKED: Asked<'_> = Asked { family: "eip155", policy: b" {\"version\":1,\"rules\":[]}\n", callers: &[] };
