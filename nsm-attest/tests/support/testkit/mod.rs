//! The testkit: documents with one defect each, made afresh with keys of a simulated authority. `tests/vectors` holds
//! one stored set; see the README there.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, unreachable_pub, reason = "the test and the program that writes the cases each use their part")]

mod cbor;
pub mod chain;
mod chain_forms;
mod cose;
mod demands;
mod der;
mod expectation;
mod fields;
mod key;
mod kit;
mod pcrs;
mod policy;
mod signature;
mod x509;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use nsm_attest::{ChainCache, Error, Fingerprint, TrustAnchor, UnixTime, UnverifiedDocument};

pub use demands::Demands;
pub use expectation::{Expectation, describe};
pub use kit::Kit;

/// A document and what must become of it.
pub struct Case {
    /// `<area>_<defect>`, the name of its folder.
    pub name: String,
    pub document: Vec<u8>,
    pub outcome: Result<(), Error>,
    /// The source that says so.
    pub why: &'static str,
    pub time: UnixTime,
    pub demands: Demands,
    /// A root certificate other than the simulated one.
    pub anchor: Option<Vec<u8>>,
}

impl Case {
    /// A case that is verified at [`NOW`], under the simulated root, with the registers of its image demanded.
    pub fn new(name: impl Into<String>, document: Vec<u8>, outcome: Result<(), Error>, why: &'static str) -> Self {
        Self { name: name.into(), document, outcome, why, time: NOW, demands: Demands::default(), anchor: None }
    }

    /// A case that must be accepted.
    pub fn accepted(name: impl Into<String>, document: Vec<u8>, why: &'static str) -> Self {
        Self::new(name, document, Ok(()), why)
    }

    /// A case that must be refused for exactly this reason.
    pub fn refused(name: impl Into<String>, document: Vec<u8>, error: impl Into<Error>, why: &'static str) -> Self {
        Self::new(name, document, Err(error.into()), why)
    }

    pub fn demanding(mut self, demands: Demands) -> Self {
        self.demands = demands;
        self
    }

    /// Trusts the root that the document brings along.
    pub fn under_its_own_root(mut self) -> Self {
        let document = UnverifiedDocument::from_bytes(&self.document).unwrap();
        self.anchor = Some(document.unverified().cabundle[0].clone());
        self
    }

    /// What must become of it, in the words of `expect.toml`.
    pub fn expectation(&self, root: &[u8]) -> Expectation {
        Expectation {
            outcome: describe(&self.outcome, self.anchor.as_deref().unwrap_or(root), &self.document),
            why: self.why.to_owned(),
            time: self.time,
            anchor: self.anchor.is_some(),
            demands: self.demands.clone(),
        }
    }
}

/// What becomes of a document: the same whether the verifier has seen its issuers or not.
pub fn verify(
    document: &[u8],
    root: &[u8],
    demands: &Demands,
    time: UnixTime,
    cache: &ChainCache,
) -> Result<(), Error> {
    let anchor = TrustAnchor::from_der(root).unwrap();
    let (document, policy) = (UnverifiedDocument::from_bytes(document)?, demands.policy());
    let outcome = document.clone().verify(&anchor, &policy, time).map(drop);
    for _ in 0..2 {
        let cached = document.clone().verify_cached(&anchor, &policy, time, cache).map(drop);
        assert_eq!(cached, outcome, "with a cache");
    }
    outcome
}

/// All cases, made afresh below the kit's root.
pub fn cases(kit: &Kit) -> Vec<Case> {
    let areas =
        [cose::cases, cbor::cases, fields::cases, pcrs::cases, chain::cases, chain_forms::cases, signature::cases];
    let mut cases: Vec<_> = areas.into_iter().flat_map(|area| area(kit)).chain(policy::cases(kit)).collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// A cache that outlives many cases, so that what one of them leaves there could help the next.
pub fn cache() -> ChainCache {
    ChainCache::new(NonZeroUsize::MIN.saturating_add(1000))
}

/// The folder of the stored cases.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The root certificate of the stored cases, in their folder.
pub const ROOT_FILE: &str = "simulated-root.der";
pub const DOCUMENT_FILE: &str = "document.cbor";
pub const EXPECTATION_FILE: &str = "expect.toml";
pub const ANCHOR_FILE: &str = "anchor.der";

/// When the documents were issued, and when they are verified unless a case says otherwise.
pub const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn fingerprint(certificate: &[u8]) -> String {
    Fingerprint::of(certificate).to_string()
}
