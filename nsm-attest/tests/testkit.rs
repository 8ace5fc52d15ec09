//! The testkit: every stored case has its expected outcome, and so has every case made afresh.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;
#[path = "support/testkit/mod.rs"]
mod testkit;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nsm_attest::ChainCache;
use testkit::chain::RESTRICTED;
use testkit::{
    ANCHOR_FILE, DOCUMENT_FILE, Demands, EXPECTATION_FILE, Expectation, Kit, NOW, ROOT_FILE, cache, cases, describe,
    folder, verify,
};

/// The names of the stored cases.
fn stored() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn expectation(case: &Path) -> Expectation {
    Expectation::from_toml(&fs::read_to_string(case.join(EXPECTATION_FILE)).unwrap())
}

#[test]
fn every_stored_case_has_its_outcome() {
    let root = fs::read(folder().join(ROOT_FILE)).unwrap();
    let (mut refused, mut wrong) = (0, Vec::new());
    let cache = warm(&fs::read(folder().join(HONEST).join(DOCUMENT_FILE)).unwrap(), &root);
    for name in stored() {
        let case = folder().join(&name);
        let (document, expected) = (fs::read(case.join(DOCUMENT_FILE)).unwrap(), expectation(&case));
        let anchor = if expected.anchor { fs::read(case.join(ANCHOR_FILE)).unwrap() } else { root.clone() };
        let outcome =
            describe(&verify(&document, &anchor, &expected.demands, expected.time, &cache), &anchor, &document);
        refused += usize::from(expected.outcome.kind != "accepted");
        if outcome != expected.outcome {
            wrong.push(format!("{name}: {outcome:?} instead of {:?}", expected.outcome));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused >= 60, "only {refused} negative cases");
}

#[test]
fn cases_made_afresh_are_the_stored_ones_and_have_the_same_outcomes() {
    let kit = Kit::new();
    let (cache, mut made) = (warm(&kit.chain(|_| {}), &kit.root), BTreeSet::new());
    for case in cases(&kit) {
        let root = case.anchor.as_deref().unwrap_or(&kit.root);
        let outcome = verify(&case.document, root, &case.demands, case.time, &cache);
        assert_eq!(outcome, case.outcome, "{}", case.name);
        let stored = folder().join(&case.name);
        assert!(stored.is_dir(), "{} is not stored", case.name);
        assert_eq!(case.expectation(&kit.root), expectation(&stored), "{}", case.name);
        assert!(made.insert(case.name), "two cases of one name");
    }
    assert_eq!(made, stored());
}

#[test]
fn every_case_says_why_and_belongs_to_an_area() {
    for name in stored() {
        let expected = expectation(&folder().join(&name));
        let area = name.split_once('_').map(|(area, _)| area);
        assert!(AREAS.contains(&area.unwrap()), "{name}");
        assert!(!expected.why.is_empty(), "{name}");
        assert_eq!(expected.outcome.error.is_none(), expected.outcome.kind == "accepted", "{name}");
        assert!(["accepted", "malformed", "rejected"].contains(&expected.outcome.kind.as_str()), "{name}");
    }
}

const AREAS: [&str; 7] = ["cbor", "chain", "cose", "field", "pcr", "policy", "signature"];

#[test]
fn a_bundle_that_restricts_names_is_never_remembered() {
    let root = fs::read(folder().join(ROOT_FILE)).unwrap();
    let document = fs::read(folder().join(RESTRICTED).join(DOCUMENT_FILE)).unwrap();
    let cache = cache();
    verify(&document, &root, &Demands::default(), NOW, &cache).unwrap();
    assert!(cache.is_empty());
}

/// A cache that knows the authorities of the honest chain, and so those of every case that does not alter them.
fn warm(honest: &[u8], root: &[u8]) -> ChainCache {
    let cache = cache();
    verify(honest, root, &Demands::default(), NOW, &cache).unwrap();
    assert_eq!(cache.len(), 1);
    cache
}

const HONEST: &str = "chain_honest";
