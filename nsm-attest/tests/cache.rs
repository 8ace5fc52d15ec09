//! A cache of authorities changes no answer.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use ciborium::Value;
use nsm_attest::danger::{self, Relaxations};
use nsm_attest::sim::{Authority, Defect};
use nsm_attest::{ChainCache, ChainPosition, Error, Rejection, TrustAnchor, UnverifiedDocument};
use support::{BOOT, Setup, get, set};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn cache(capacity: usize) -> ChainCache {
    ChainCache::new(NonZeroUsize::new(capacity).unwrap())
}

/// A cache that knows the setup's authorities.
fn warm(setup: &Setup) -> ChainCache {
    let cache = cache(16);
    setup.document().verify_cached(&setup.anchor, &setup.policy().build(), BOOT, &cache).unwrap();
    assert_eq!(cache.len(), 1);
    cache
}

#[test]
fn every_defect_is_refused_alike_with_a_cache_and_without() {
    let defects = [
        Defect::CertificateSignature,
        Defect::CriticalExtension,
        Defect::EndEntityAuthority,
        Defect::EndEntityExpired,
        Defect::EndEntityFuture,
        Defect::EndEntityKeyUsage,
        Defect::ExtendedKeyUsage,
        Defect::IssuerExpired,
        Defect::IssuerKeyUsage,
        Defect::IssuerNotAuthority,
        Defect::IssuerOrder,
        Defect::LongChain,
        Defect::NameConstraint,
        Defect::NotCertificate,
        Defect::OtherCurve,
        Defect::OtherRoot,
        Defect::PathLen,
        Defect::RepeatedName,
        Defect::Signature,
        Defect::SwappedSignature,
    ];
    for defect in defects {
        let setup = Setup::with_defect(defect);
        let (policy, document, cache) = (setup.policy().build(), setup.document(), cache(16));
        let refused = document.clone().verify(&setup.anchor, &policy, BOOT).unwrap_err();
        for _ in 0..2 {
            let cached = document.clone().verify_cached(&setup.anchor, &policy, BOOT, &cache);
            assert_eq!(cached.unwrap_err(), refused, "{defect:?}");
        }
        assert!(cache.is_empty(), "{defect:?}: nothing is learnt from a document that is not signed");
    }
}

#[test]
fn known_authorities_are_refused_in_the_second_after_their_last() {
    let setup = Setup::new();
    let cache = warm(&setup);
    let policy = setup.policy().max_age(1000 * HOUR).build();
    // Certificates are renewed with the module's clock, so this document keeps its old ones.
    let document = setup.document();
    let end = BOOT.saturating_add(3 * HOUR);
    document.clone().verify_cached(&setup.anchor, &policy, end, &cache).unwrap();
    for (late, position) in [(3 * HOUR + SECOND, ChainPosition::EndEntity), (24 * HOUR, ChainPosition::Cabundle(3))] {
        let now = BOOT.saturating_add(late);
        let refused = document.clone().verify_cached(&setup.anchor, &policy, now, &cache).unwrap_err();
        assert_eq!(refused, document.clone().verify(&setup.anchor, &policy, now).unwrap_err());
        assert!(
            matches!(refused, Error::Rejected(Rejection::CertificateExpired { position: at, .. }) if at == position),
            "{refused:?}"
        );
        assert_eq!(cache.len(), usize::from(position == ChainPosition::EndEntity), "forgotten with its last second");
    }
}

#[test]
fn a_path_is_valid_as_long_as_a_verified_document_says_to_the_millisecond() {
    let setup = Setup::new();
    let cache = cache(1);
    let policy = setup.policy().max_age(1000 * HOUR).clock_skew(1000 * HOUR).build();
    let document = setup.document();
    let at = |now| document.clone().verify(&setup.anchor, &policy, now);
    let validity = at(BOOT).unwrap().path_validity();
    let (start, end) = (*validity.start(), *validity.end());
    assert!(validity.contains(&BOOT) && end.duration_since(start).is_some_and(|time| time < 24 * HOUR), "{validity:?}");
    for now in [start, end] {
        // Not known to the cache at first, then known.
        for _ in 0..2 {
            let cached = document.clone().verify_cached(&setup.anchor, &policy, now, &cache).unwrap();
            assert_eq!(cached.path_validity(), validity);
        }
        let relaxed = danger::verify(document.clone(), &setup.anchor, &policy, now, Relaxations::none()).unwrap();
        assert_eq!(relaxed.path_validity(), validity);
    }
    let early = at(start.saturating_sub(MILLISECOND)).unwrap_err();
    assert!(matches!(early, Error::Rejected(Rejection::CertificateNotYetValid { .. })), "{early:?}");
    let late = at(end.saturating_add(MILLISECOND)).unwrap_err();
    assert!(matches!(late, Error::Rejected(Rejection::CertificateExpired { .. })), "{late:?}");
}

#[test]
fn authorities_known_under_one_anchor_do_not_serve_another() {
    let setup = Setup::new();
    let cache = warm(&setup);
    for anchor in [TrustAnchor::aws_nitro_g1(), Authority::generate(BOOT).unwrap().trust_anchor()] {
        let refused = setup.document().verify_cached(&anchor, &setup.policy().build(), BOOT, &cache).unwrap_err();
        assert!(matches!(refused, Error::Rejected(Rejection::UntrustedRoot { .. })), "{refused:?}");
    }
}

#[test]
fn a_stranger_s_certificate_below_known_authorities_is_refused() {
    let (setup, other) = (Setup::new(), Setup::new());
    let cache = warm(&setup);
    let known: Vec<_> = setup.document().unverified().cabundle.iter().map(|der| Value::Bytes(der.clone())).collect();
    // Signed by the stranger's module, whose certificate names the same issuer.
    let grafted = other.altered(|entries| set(entries, "cabundle", known));
    let verified = UnverifiedDocument::from_bytes(&grafted).unwrap().verify_cached(
        &setup.anchor,
        &other.policy().build(),
        BOOT,
        &cache,
    );
    assert_eq!(verified, Err(Rejection::CertificateSignatureInvalid.into()));
}

#[test]
fn every_third_byte_changed_in_a_known_authority_is_refused() {
    let setup = Setup::new();
    let (cache, policy) = (warm(&setup), setup.policy().build());
    let instance = setup.document().unverified().cabundle[3].clone();
    for at in (0..instance.len()).step_by(3) {
        let mut changed = instance.clone();
        changed[at] ^= 1;
        let bytes = setup.altered(|entries| {
            let Some(Value::Array(mut bundle)) = get(entries, "cabundle").cloned() else { panic!("no cabundle") };
            bundle[3] = Value::Bytes(changed);
            set(entries, "cabundle", bundle);
        });
        let document = UnverifiedDocument::from_bytes(&bytes).unwrap();
        let cold = document.clone().verify(&setup.anchor, &policy, BOOT).unwrap_err();
        let cached = document.verify_cached(&setup.anchor, &policy, BOOT, &cache).unwrap_err();
        assert_eq!(cached, cold, "byte {at}");
    }
    assert_eq!(cache.len(), 1, "nothing that was refused is remembered");
}

#[test]
fn one_cache_serves_many_modules_and_threads_within_its_capacity() {
    let setups = [(); 6].map(|()| Setup::new());
    let cache = cache(5);
    thread::scope(|scope| {
        for setup in &setups {
            let cache = &cache;
            scope.spawn(move || {
                for _ in 0..8 {
                    let policy = setup.policy().build();
                    setup.document().verify_cached(&setup.anchor, &policy, BOOT, cache).unwrap();
                    assert!(cache.len() <= 5);
                }
            });
        }
    });
    assert_eq!(cache.len(), 5);
    assert_eq!(format!("{cache:?}"), "ChainCache { capacity: 5, len: 5 }");
}
