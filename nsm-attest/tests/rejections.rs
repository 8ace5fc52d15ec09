//! Each check refuses what it is there for, and the order of the checks is the documented one.

mod support;

use std::time::Duration;

use ciborium::Value;
use nsm_attest::danger::{self, Relaxations};
use nsm_attest::sim::{Authority, Defect};
use nsm_attest::{
    AttestationRequest, ChainPosition, Error, Fingerprint, Malformed, Misuse, PcrIndex, PcrValue, Policy, Purpose,
    Rejection, TrustAnchor, UnverifiedDocument, UserData,
};
use support::{BOOT, Setup, get, set};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const END_ENTITY: ChainPosition = ChainPosition::EndEntity;

fn rejection(setup: &Setup, policy: &Policy) -> Rejection {
    match setup.verify(policy) {
        Err(Error::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn every_defect_of_the_path_or_signature_has_its_rejection() {
    let position = END_ENTITY;
    let zonal = ChainPosition::Cabundle(2);
    let instance = ChainPosition::Cabundle(3);
    let cases = [
        (Defect::CertificateSignature, Rejection::CertificateSignatureInvalid),
        (Defect::CriticalExtension, Rejection::PathInvalid),
        (Defect::EndEntityAuthority, Rejection::EndEntityIsAuthority),
        (
            Defect::EndEntityExpired,
            Rejection::CertificateExpired { position, not_after: BOOT.saturating_sub(HOUR), now: BOOT },
        ),
        (
            Defect::EndEntityFuture,
            Rejection::CertificateNotYetValid { position, not_before: BOOT.saturating_add(HOUR), now: BOOT },
        ),
        (Defect::EndEntityKeyUsage, Rejection::KeyUsageMissing { position, required: "digitalSignature" }),
        (Defect::ExtendedKeyUsage, Rejection::ExtendedKeyUsage { position }),
        (
            Defect::IssuerExpired,
            Rejection::CertificateExpired { position: zonal, not_after: BOOT.saturating_sub(HOUR), now: BOOT },
        ),
        (Defect::IssuerKeyUsage, Rejection::KeyUsageMissing { position: instance, required: "keyCertSign" }),
        (Defect::IssuerNotAuthority, Rejection::NotAuthority { position: instance }),
        (Defect::IssuerOrder, Rejection::IssuerMismatch { position: zonal }),
        (Defect::LongChain, Rejection::ChainTooLong { len: 8, max: 6 }),
        (Defect::NameConstraint, Rejection::PathInvalid),
        (Defect::OtherCurve, Rejection::UnsupportedAlgorithm { position }),
        (Defect::PathLen, Rejection::PathLenExceeded { position: zonal, allowed: 0, actual: 1 }),
        (Defect::RepeatedName, Rejection::IssuerMismatch { position: instance }),
        (Defect::Signature, Rejection::SignatureInvalid),
        (Defect::SwappedSignature, Rejection::SignatureInvalid),
    ];
    for (defect, expected) in cases {
        let setup = Setup::with_defect(defect);
        let policy = setup.policy().build();
        assert_eq!(rejection(&setup, &policy), expected, "{defect:?}");
        let relaxed = Relaxations::none().accept_debug_mode().accept_any_pcrs();
        let danger = danger::verify(setup.document(), &setup.anchor, &policy, BOOT, relaxed);
        assert_eq!(danger, Err(expected.into()), "{defect:?} is no smaller in danger");
    }
}

#[test]
fn what_is_no_certificate_is_malformed() {
    let setup = Setup::with_defect(Defect::NotCertificate);
    let expected = Malformed::Certificate { position: END_ENTITY };
    assert_eq!(setup.verify(&setup.policy().build()), Err(expected.into()));
}

#[test]
fn a_module_under_another_root_of_the_same_name_is_refused() {
    let setup = Setup::with_defect(Defect::OtherRoot);
    let root = setup.document().unverified().cabundle[0].clone();
    let (expected, actual) = (setup.anchor.fingerprint(), Fingerprint::of(&root));
    let policy = setup.policy().build();
    assert_eq!(rejection(&setup, &policy), Rejection::UntrustedRoot { expected, actual });
    // It is a good chain under the root that it brings along, so nothing but the anchor tells them apart.
    let own = TrustAnchor::from_der(&root).unwrap();
    setup.document().verify(&own, &policy, BOOT).unwrap();
}

#[test]
fn another_root_is_refused() {
    let setup = Setup::new();
    let other = Authority::generate(BOOT).unwrap().trust_anchor();
    for anchor in [TrustAnchor::aws_nitro_g1(), other] {
        let actual = Fingerprint::of(&setup.document().unverified().cabundle[0]);
        let expected = Rejection::UntrustedRoot { expected: anchor.fingerprint(), actual };
        assert_eq!(setup.document().verify(&anchor, &setup.policy().build(), BOOT), Err(expected.into()));
    }
}

#[test]
fn another_authority_s_chain_below_the_pinned_root_is_refused() {
    let (setup, other) = (Setup::new(), Setup::new());
    let root = setup.document().unverified().cabundle[0].clone();
    let grafted = other.altered(|entries| {
        let Some(Value::Array(mut bundle)) = get(entries, "cabundle").cloned() else { panic!("no cabundle") };
        bundle[0] = Value::Bytes(root);
        set(entries, "cabundle", bundle);
    });
    let verified =
        UnverifiedDocument::from_bytes(&grafted).unwrap().verify(&setup.anchor, &other.policy().build(), BOOT);
    assert_eq!(verified, Err(Rejection::CertificateSignatureInvalid.into()));
}

#[test]
fn every_certificate_is_held_against_the_time_including_the_anchor() {
    let setup = Setup::new();
    let day = 24 * HOUR;
    let cases = [
        (BOOT.saturating_sub(SECOND), END_ENTITY, false),
        (BOOT.saturating_add(3 * HOUR + SECOND), END_ENTITY, true),
        (BOOT.saturating_add(24 * HOUR), ChainPosition::Cabundle(3), true),
        (BOOT.saturating_add(7 * day), ChainPosition::Cabundle(2), true),
        (BOOT.saturating_sub(day + SECOND), ChainPosition::Cabundle(0), false),
        (BOOT.saturating_add(31 * 365 * day), ChainPosition::Cabundle(0), true),
    ];
    let policy = setup.policy().max_age(100 * 365 * day).clock_skew(100 * 365 * day).build();
    for (now, place, late) in cases {
        match setup.document().verify(&setup.anchor, &policy, now) {
            Err(Error::Rejected(Rejection::CertificateExpired { position, now: at, .. })) if late => {
                assert_eq!((position, at), (place, now));
            }
            Err(Error::Rejected(Rejection::CertificateNotYetValid { position, now: at, .. })) if !late => {
                assert_eq!((position, at), (place, now));
            }
            other => panic!("at {now}: {other:?}"),
        }
    }
    for now in [BOOT, BOOT.saturating_add(3 * HOUR), BOOT.saturating_add(3 * HOUR + SECOND - MILLISECOND)] {
        setup.document().verify(&setup.anchor, &policy, now).unwrap();
    }
}

#[test]
fn age_and_skew_end_at_their_millisecond() {
    let setup = Setup::new();
    // Later than the certificate's first second, so that a verifier whose clock is behind gets past the path.
    setup.document();
    setup.clock.set(BOOT.saturating_add(HOUR)).unwrap();
    let issued_at = setup.clock.now();
    let policy = setup.policy().build();
    let verify = |now| setup.document().verify(&setup.anchor, &policy, now);
    let (oldest, earliest) = (issued_at.saturating_add(5 * 60 * SECOND), issued_at.saturating_sub(30 * SECOND));
    verify(oldest).unwrap();
    verify(earliest).unwrap();
    let now = oldest.saturating_add(MILLISECOND);
    assert_eq!(verify(now), Err(Rejection::Expired { issued_at, now, max_age: Policy::DEFAULT_MAX_AGE }.into()));
    let (now, clock_skew) = (earliest.saturating_sub(MILLISECOND), Policy::DEFAULT_CLOCK_SKEW);
    assert_eq!(verify(now), Err(Rejection::IssuedInFuture { issued_at, now, clock_skew }.into()));
}

#[test]
fn a_policy_that_pins_no_image_is_refused_before_anything_else() {
    let setup = Setup::with_defect(Defect::Signature);
    let index = PcrIndex::SIGNER;
    let value = PcrValue::from([1; 48]);
    let only =
        |indices: &[PcrIndex]| indices.iter().fold(Policy::builder(), |policy, index| policy.pcr(*index, [value]));
    // What a parent chooses, what an enclave extends itself, and halves of images.
    let unlocked = PcrIndex::new(16).unwrap();
    let [kernel, application] = [PcrIndex::KERNEL, PcrIndex::APPLICATION];
    for indices in [&[PcrIndex::ROLE, PcrIndex::INSTANCE, unlocked][..], &[kernel], &[application]] {
        assert_eq!(setup.verify(&only(indices).build()), Err(Misuse::ImageNotPinned.into()), "{indices:?}");
    }
    for indices in [&[PcrIndex::IMAGE][..], &[index], &[kernel, application]] {
        assert_eq!(setup.verify(&only(indices).build()), Err(Rejection::SignatureInvalid.into()), "{indices:?}");
    }
    for (policy, misuse) in [
        (Policy::builder().nonce(b"n"), Misuse::ImageNotPinned),
        (Policy::builder().pcr(index, [PcrValue::ZERO]), Misuse::ImageNotPinned),
        (Policy::builder().pcr(index, [PcrValue::ZERO, [1; 48].into()]), Misuse::ImageNotPinned),
        (setup.policy().pcr(index, []), Misuse::NoPcrValue { index }),
        (setup.policy().nonce(b""), Misuse::EmptyNonce),
    ] {
        assert_eq!(setup.verify(&policy.build()), Err(misuse.into()));
    }
}

#[test]
fn registers_are_compared_with_their_sets() {
    let setup = Setup::new();
    let (index, old, new) = (PcrIndex::IMAGE, PcrValue::from([1; 48]), PcrValue::from([2; 48]));
    let actual = setup.pcr(index);
    setup.verify(&Policy::builder().pcr(index, [old, actual]).build()).unwrap();
    setup.verify(&Policy::builder().pcr(index, [old]).pcr(index, [actual]).build()).unwrap();
    let expected = vec![old, new];
    let policy = Policy::builder().pcr(index, expected.clone()).build();
    assert_eq!(rejection(&setup, &policy), Rejection::PcrMismatch { index, expected, actual });

    let unlocked = PcrIndex::new(16).unwrap();
    let policy = setup.policy().pcr(unlocked, [PcrValue::ZERO]).build();
    assert_eq!(rejection(&setup, &policy), Rejection::PcrMissing { index: unlocked });

    let expected = vec![PcrValue::from([1; 48])];
    let policy = setup.policy().pcr(PcrIndex::ROLE, expected.clone()).build();
    let mismatch = Rejection::PcrMismatch { index: PcrIndex::ROLE, expected, actual: PcrValue::ZERO };
    assert_eq!(rejection(&setup, &policy), mismatch);
}

#[test]
fn debug_mode_is_refused_unless_danger_accepts_it() {
    let clock = nsm_attest::Clock::settable(BOOT);
    let authority = Authority::generate(BOOT).unwrap();
    let anchor = authority.trust_anchor();
    let nsm = nsm_attest::sim::SimulatedNsm::builder(authority).debug_mode().clock(clock.clone()).build().unwrap();
    let setup = Setup { anchor, clock, nsm };
    let instance = || Policy::builder().pcr(PcrIndex::INSTANCE, [setup.pcr(PcrIndex::INSTANCE)]);
    let policy = instance().pcr(PcrIndex::IMAGE, [[1; 48].into()]).build();
    assert_eq!(rejection(&setup, &policy), Rejection::DebugMode);

    let relaxed =
        |policy: &Policy, relaxations| danger::verify(setup.document(), &setup.anchor, policy, BOOT, relaxations);
    let debug = Relaxations::none().accept_debug_mode();
    assert_eq!(relaxed(&instance().build(), debug), Err(Misuse::ImageNotPinned.into()));
    let document = relaxed(&instance().pcr(PcrIndex::IMAGE, [PcrValue::ZERO]).build(), debug).unwrap();
    assert!(document.is_debug_mode());
    assert_eq!(document.relaxations(), debug);
    assert_eq!(relaxed(&policy, Relaxations::none()), Err(Rejection::DebugMode.into()));
    assert_eq!(relaxed(&policy, Relaxations::none().accept_any_pcrs()), Err(Rejection::DebugMode.into()));

    // As a KMS key policy for debugging does it.
    let zeros = Policy::builder().pcr(PcrIndex::IMAGE, [PcrValue::ZERO]).build();
    relaxed(&zeros, debug).unwrap();
    assert_eq!(setup.verify(&zeros), Err(Misuse::ImageNotPinned.into()));
}

#[test]
fn an_empty_policy_passes_in_danger_only_and_keeps_the_other_demands() {
    let setup = Setup::new();
    let any = Relaxations::none().accept_any_pcrs();
    let verify = |policy: Policy| danger::verify(setup.document(), &setup.anchor, &policy, BOOT, any);
    assert!(!verify(Policy::builder().build()).unwrap().is_debug_mode());
    assert_eq!(verify(Policy::builder().nonce(b"n").build()), Err(Rejection::NonceMismatch.into()));
}

#[test]
fn a_document_without_pcr0_cannot_hide_debug_mode() {
    let setup = Setup::new();
    let bytes = setup.altered(|entries| {
        let Some(Value::Map(pcrs)) = get(entries, "pcrs").cloned() else { panic!("no pcrs") };
        set(entries, "pcrs", Value::Map(pcrs[1..].to_vec()));
    });
    let document = UnverifiedDocument::from_bytes(&bytes).unwrap();
    let [kernel, application] = [PcrIndex::KERNEL, PcrIndex::APPLICATION];
    let policy = Policy::builder().pcr(kernel, [setup.pcr(kernel)]).pcr(application, [setup.pcr(application)]).build();
    let expected = Rejection::PcrMissing { index: PcrIndex::IMAGE };
    assert_eq!(document.verify(&setup.anchor, &policy, BOOT), Err(expected.into()));
}

#[test]
fn demanded_fields_must_be_there_and_equal() {
    let setup = Setup::new();
    let request = AttestationRequest::new().with_nonce(b"nonce").with_user_data(b"data").with_public_key(b"key");
    let verify = |request: &AttestationRequest, policy: Policy| {
        setup.document_for(request).verify(&setup.anchor, &policy, BOOT).map(drop)
    };
    let (none, all) = (AttestationRequest::new(), setup.policy().nonce(b"nonce").user_data(b"data").public_key(b"key"));
    verify(&request, all.build()).unwrap();
    let empty = [
        (setup.policy().user_data(b""), Rejection::UserDataMismatch),
        (setup.policy().public_key(b""), Rejection::PublicKeyMismatch),
    ];
    for (policy, expected) in empty {
        assert_eq!(verify(&request, policy.build()), Err(expected.into()));
    }
    for wrong in [&b"nonc"[..], b"nonces", b"noncf", b"dat", b"datb", b"ke", b"kez"] {
        let cases = [
            (setup.policy().nonce(wrong), Rejection::NonceMismatch),
            (setup.policy().user_data(wrong), Rejection::UserDataMismatch),
            (setup.policy().public_key(wrong), Rejection::PublicKeyMismatch),
        ];
        for (policy, expected) in cases {
            assert_eq!(verify(&request, policy.clone().build()), Err(expected.clone().into()));
            assert_eq!(verify(&none, policy.build()), Err(expected.into()));
        }
    }
}

#[test]
fn evidence_for_one_purpose_is_none_for_another() {
    let setup = Setup::new();
    let verify = |user_data: Vec<u8>, key: Option<&[u8]>, purpose| {
        let mut request = AttestationRequest::new().with_user_data(user_data);
        request.public_key = key.map(<[u8]>::to_vec);
        setup.document_for(&request).verify(&setup.anchor, &setup.policy().purpose(purpose).build(), BOOT).map(drop)
    };
    let purposes = [Purpose::KmsRecipient, Purpose::Session, Purpose::Birth, Purpose::Inspect];
    for actual in purposes {
        for expected in purposes {
            let mismatch = Rejection::PurposeMismatch { expected, actual: Some(actual) };
            let wanted = if actual == expected { Ok(()) } else { Err(mismatch.into()) };
            assert_eq!(verify(UserData::over(actual, b"x").encode(), None, expected), wanted);
        }
        let nothing = Rejection::PurposeMismatch { expected: actual, actual: None };
        assert_eq!(verify(b"another protocol's".to_vec(), None, actual), Err(nothing.into()));
    }
    let purpose = Purpose::Inspect;
    let inspect = UserData::over(purpose, b"").encode();
    let unexpected = Rejection::PublicKeyUnexpected { purpose };
    assert_eq!(verify(inspect, Some(b"key"), purpose), Err(unexpected.into()));
}

#[test]
fn the_first_failure_in_the_documented_order_is_reported() {
    let setup = Setup::with_defect(Defect::Signature);
    let wrong = || Policy::builder().nonce(b"n").user_data(b"u").public_key(b"k").purpose(Purpose::Birth);
    let pinned = |policy: nsm_attest::PolicyBuilder| policy.pcr(PcrIndex::IMAGE, [[1; 48].into()]).build();
    let late = BOOT.saturating_add(2 * HOUR);
    let other = TrustAnchor::aws_nitro_g1();

    let verify = |setup: &Setup, anchor: &TrustAnchor, policy: &Policy, now| {
        setup.document().verify(anchor, policy, now).map(drop).unwrap_err()
    };
    assert_eq!(verify(&setup, &other, &wrong().build(), late), Misuse::ImageNotPinned.into());
    let untrusted = verify(&setup, &other, &pinned(wrong()), late);
    assert!(matches!(untrusted, Error::Rejected(Rejection::UntrustedRoot { .. })), "{untrusted:?}");
    let expired = verify(&setup, &setup.anchor, &pinned(wrong()), BOOT.saturating_add(4 * HOUR));
    assert!(matches!(expired, Error::Rejected(Rejection::CertificateExpired { .. })), "{expired:?}");
    assert_eq!(verify(&setup, &setup.anchor, &pinned(wrong()), late), Rejection::SignatureInvalid.into());

    let setup = Setup::new();
    let old = verify(&setup, &setup.anchor, &pinned(wrong()), late);
    assert!(matches!(old, Error::Rejected(Rejection::Expired { .. })), "{old:?}");
    let mismatch = verify(&setup, &setup.anchor, &pinned(wrong()), BOOT);
    assert!(matches!(mismatch, Error::Rejected(Rejection::PcrMismatch { .. })), "{mismatch:?}");

    let image = setup.pcr(PcrIndex::IMAGE);
    let pinned = |policy: nsm_attest::PolicyBuilder| policy.pcr(PcrIndex::IMAGE, [image]).build();
    assert_eq!(verify(&setup, &setup.anchor, &pinned(wrong()), BOOT), Rejection::NonceMismatch.into());
    let request = AttestationRequest::new().with_nonce(b"n");
    let verify = |request: &AttestationRequest| {
        setup.document_for(request).verify(&setup.anchor, &pinned(wrong()), BOOT).map(drop).unwrap_err()
    };
    let no_purpose = Rejection::PurposeMismatch { expected: Purpose::Birth, actual: None };
    assert_eq!(verify(&request), no_purpose.into());
    let request = request.with_user_data(UserData::over(Purpose::Birth, b""));
    assert_eq!(verify(&request), Rejection::UserDataMismatch.into());
}
