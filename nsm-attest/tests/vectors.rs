//! Real documents, read from the folder named by `NITRO_VECTORS`, and the negative ones among them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/cose_library.rs"]
mod cose_library;
#[path = "support/reader.rs"]
mod reader;
#[path = "support/real/mod.rs"]
mod real;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};
use std::{env, fs};

use nsm_attest::danger::{self, Relaxations};
use nsm_attest::{
    ChainCache, Error, PcrIndex, PcrValue, Policy, Rejection, TrustAnchor, UnixTime, UnverifiedDocument, measure,
};
use real::mutation::{Part, Subject, Tally};
use real::{real_vectors, validity, vectors};

/// Longer than any certificate is valid.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_real_document_verifies_at_its_time_with_its_registers() {
    let anchor = TrustAnchor::aws_nitro_g1();
    for (vector, document) in real_vectors(every_real_document_verifies_at_its_time_with_its_registers) {
        let verified = vector.verify(document, &anchor, &vector.policy().build(), vector.time());
        let verified = verified.unwrap_or_else(|error| panic!("{}: {error}", vector.file));
        assert_eq!((verified.module_id, verified.pcrs.len()), (vector.module_id, vector.pcr_count));
        for (field, expected) in [
            (verified.public_key, vector.public_key),
            (verified.user_data, vector.user_data),
            (verified.nonce, vector.nonce),
        ] {
            let len = expected.map(|text| text.split(' ').next().unwrap().parse::<usize>().unwrap());
            assert_eq!(field.map(|bytes| bytes.len()), len, "{}", vector.file);
        }
    }
}

#[test]
fn real_debug_documents_are_refused_without_danger() {
    let anchor = TrustAnchor::aws_nitro_g1();
    let mut seen = 0;
    for (vector, document) in real_vectors(real_debug_documents_are_refused_without_danger)
        .into_iter()
        .filter(|(vector, _)| vector.debug_mode)
    {
        let image = PcrValue::from([1; 48]);
        let policy = Policy::builder().pcr(PcrIndex::INSTANCE, [vector.pcr4]).pcr(PcrIndex::IMAGE, [image]).build();
        assert_eq!(document.verify(&anchor, &policy, vector.time()), Err(Rejection::DebugMode.into()));
        seen += 1;
    }
    assert!(seen > 0 || env::var_os("NITRO_VECTORS").is_none());
}

#[test]
fn real_documents_are_refused_with_another_register() {
    let anchor = TrustAnchor::aws_nitro_g1();
    for (vector, document) in real_vectors(real_documents_are_refused_with_another_register) {
        for (index, actual) in vector.pcrs() {
            let mut bytes = <[u8; 48]>::try_from(actual.as_bytes()).unwrap();
            bytes[47] ^= 1;
            let expected = vec![PcrValue::from(bytes)];
            let others = vector.pcrs().into_iter().filter(|(other, _)| *other != index);
            let policy = others.fold(Policy::builder(), |policy, (other, value)| policy.pcr(other, [value]));
            let policy = policy.pcr(index, expected.clone()).build();
            let refused = vector.verify(document.clone(), &anchor, &policy, vector.time());
            assert_eq!(refused.unwrap_err(), Rejection::PcrMismatch { index, expected, actual }.into());
        }
    }
}

#[test]
fn real_documents_are_refused_one_second_outside_every_certificate_s_validity() {
    let anchor = TrustAnchor::aws_nitro_g1();
    for (vector, document) in real_vectors(real_documents_are_refused_one_second_outside_every_certificate_s_validity) {
        let policy = vector.policy().max_age(CENTURY).clock_skew(CENTURY).build();
        let verify = |now| vector.verify(document.clone(), &anchor, &policy, now).map(drop);
        let periods = validity::periods(document.unverified());
        let leaf = periods.last().unwrap();
        let time = |text: &Option<String>| text.as_ref().unwrap().parse::<UnixTime>().unwrap();
        assert_eq!((leaf.not_before, leaf.not_after), (time(&vector.leaf_not_before), time(&vector.leaf_not_after)));

        let begin = periods.iter().map(|period| period.not_before).max().unwrap();
        let end = periods.iter().map(|period| period.not_after).min().unwrap();
        verify(begin).unwrap();
        verify(end).unwrap();
        for period in &periods {
            for now in [period.not_before.saturating_sub(SECOND), period.not_after.saturating_add(SECOND)] {
                let expected = validity::first_rejection(&periods, now).expect("outside one of them");
                assert_eq!(verify(now), Err(expected.into()), "{} at {now}", vector.file);
            }
        }
    }
}

#[test]
fn real_documents_are_refused_when_old_or_from_the_future() {
    let anchor = TrustAnchor::aws_nitro_g1();
    for (vector, document) in real_vectors(real_documents_are_refused_when_old_or_from_the_future) {
        let verify = |now| vector.verify(document.clone(), &anchor, &vector.policy().build(), now).map(drop);
        let late = vector.time().saturating_add(Policy::DEFAULT_MAX_AGE + Duration::from_millis(1));
        // A certificate may end before the document is too old.
        assert!(matches!(
            verify(late).unwrap_err(),
            Error::Rejected(Rejection::Expired { .. } | Rejection::CertificateExpired { .. })
        ));
        let early = vector.time().saturating_sub(Policy::DEFAULT_CLOCK_SKEW + Duration::from_millis(1));
        // A certificate may begin with the document.
        assert!(matches!(
            verify(early).unwrap_err(),
            Error::Rejected(Rejection::IssuedInFuture { .. } | Rejection::CertificateNotYetValid { .. })
        ));
    }
}

#[test]
fn real_documents_are_refused_under_another_root() {
    for (vector, document) in real_vectors(real_documents_are_refused_under_another_root) {
        // A good certificate, and of AWS, but the one below the root.
        let other = TrustAnchor::from_der(&document.unverified().cabundle[1]).unwrap();
        let refused = vector.verify(document, &other, &vector.policy().build(), vector.time()).unwrap_err();
        assert!(matches!(refused, Error::Rejected(Rejection::UntrustedRoot { .. })), "{refused:?}");
    }
}

#[test]
fn negative_documents_are_refused_even_in_danger() {
    let Some((folder, vectors)) = vectors(negative_documents_are_refused_even_in_danger) else { return };
    let anchor = TrustAnchor::aws_nitro_g1();
    let negative: Vec<_> = vectors.into_iter().filter(|vector| vector.verdict != "REAL").collect();
    assert!(negative.len() >= 2);
    for vector in negative {
        let bytes = fs::read(folder.join(&vector.file)).unwrap();
        let Ok(document) = UnverifiedDocument::from_bytes(&bytes) else { continue };
        let relaxations = Relaxations::none().accept_debug_mode().accept_any_pcrs();
        let policy = Policy::builder().build();
        let refused = danger::verify(document, &anchor, &policy, vector.time(), relaxations).unwrap_err();
        assert!(matches!(refused, Error::Rejected(_)), "{}: {refused:?}", vector.file);
    }
}

#[test]
fn the_published_root_has_the_pinned_fingerprint() {
    let Some((folder, _)) = vectors(the_published_root_has_the_pinned_fingerprint) else { return };
    let pem = fs::read(folder.join("aws-nitro-root-g1.pem")).unwrap();
    assert_eq!(TrustAnchor::from_pem(&pem), Ok(TrustAnchor::aws_nitro_g1()));
    for (vector, document) in real_vectors(the_published_root_has_the_pinned_fingerprint) {
        let root = &document.unverified().cabundle[0];
        assert_eq!(TrustAnchor::from_der(root), Ok(TrustAnchor::aws_nitro_g1()), "{}", vector.file);
    }
}

#[test]
fn pcr4_of_real_documents_is_computed_from_the_instance_id() {
    for (vector, document) in real_vectors(pcr4_of_real_documents_is_computed_from_the_instance_id) {
        let (instance_id, _) = document.unverified().module_id.split_once("-enc").unwrap();
        let pcr4 = document.unverified().pcrs.get(PcrIndex::INSTANCE);
        assert_eq!(pcr4, Some(&measure::instance(instance_id)), "{}", vector.file);
    }
}

#[test]
fn the_cose_library_agrees_on_what_was_signed() {
    for (vector, document) in real_vectors(the_cose_library_agrees_on_what_was_signed) {
        assert_eq!(cose_library::signed_payload(&document).unwrap(), document.payload(), "{}", vector.file);
    }
}

#[test]
fn an_independent_reader_agrees_on_real_documents() {
    for (vector, document) in real_vectors(an_independent_reader_agrees_on_real_documents) {
        reader::assert_ciborium_agrees(&document);
        assert_eq!(UnverifiedDocument::from_bytes(&document.to_bytes()), Ok(document), "{}", vector.file);
    }
}

/// Two values for each byte of each document. Nothing is accepted, and nothing gets as far as the policy: not even a
/// byte that no signature covers can be changed.
#[test]
fn every_altered_byte_of_every_real_document_is_refused() {
    let began = Instant::now();
    let (cache, mut tally) = (ChainCache::new(NonZeroUsize::MIN.saturating_add(64)), Tally::default());
    let documents = real_vectors(every_altered_byte_of_every_real_document_is_refused).into_iter().enumerate();
    for (number, (vector, document)) in documents {
        // The first one without the cache: the answers are the same, but it takes twice as long.
        let subject = Subject::new(&vector, &document, (number > 0).then_some(&cache));
        for (part, error) in subject.alter_every_byte() {
            let is_right = match part {
                // Not signed, and of one permitted value each.
                Part::ArrayHead | Part::ProtectedHead | Part::UnprotectedHeader => matches!(error, Error::Malformed(_)),
                Part::PayloadHead | Part::SignatureHead => matches!(error, Error::Malformed(_)),
                // Signed, but checked before any signature.
                Part::ProtectedHeader => matches!(error, Error::Malformed(_)),
                Part::Payload => is_earlier_than_policy(&error),
                Part::Signature => error == Rejection::SignatureInvalid.into(),
            };
            assert!(is_right, "{}: {part:?}: {error:?}", vector.file);
            tally.count(part, &error);
        }
    }
    // Shown with --nocapture.
    println!("{tally}{:.1} s", began.elapsed().as_secs_f32());
}

/// Refused by the format, the path or the signature.
fn is_earlier_than_policy(error: &Error) -> bool {
    let Error::Rejected(rejection) = error else { return matches!(error, Error::Malformed(_)) };
    !matches!(
        rejection,
        Rejection::DebugMode
            | Rejection::Expired { .. }
            | Rejection::IssuedInFuture { .. }
            | Rejection::NonceMismatch
            | Rejection::PcrMismatch { .. }
            | Rejection::PcrMissing { .. }
            | Rejection::PublicKeyMismatch
            | Rejection::PublicKeyUnexpected { .. }
            | Rejection::PurposeMismatch { .. }
            | Rejection::UserDataMismatch
    )
}
