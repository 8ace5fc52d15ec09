//! Real documents, read from the folder named by `NITRO_VECTORS`, and the negative ones among them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/reader.rs"]
mod reader;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{any, env, fs};

use nsm_attest::danger::{self, Relaxations};
use nsm_attest::{
    AttestationDocument, Error, PcrIndex, PcrValue, Policy, PolicyBuilder, Rejection, TrustAnchor, UnixTime,
    UnverifiedDocument, measure,
};
use serde::Deserialize;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Vector {
    file: String,
    bytes: usize,
    module_id: String,
    timestamp_ms: u64,
    pcr_count: usize,
    pcr0: PcrValue,
    pcr1: PcrValue,
    pcr2: PcrValue,
    pcr3: PcrValue,
    pcr4: PcrValue,
    pcr8: PcrValue,
    debug_mode: bool,
    public_key: Option<String>,
    user_data: Option<String>,
    nonce: Option<String>,
    leaf_not_before: Option<String>,
    leaf_not_after: Option<String>,
    verdict: String,
}

impl Vector {
    fn pcrs(&self) -> [(PcrIndex, PcrValue); 6] {
        [
            (PcrIndex::IMAGE, self.pcr0),
            (PcrIndex::KERNEL, self.pcr1),
            (PcrIndex::APPLICATION, self.pcr2),
            (PcrIndex::ROLE, self.pcr3),
            (PcrIndex::INSTANCE, self.pcr4),
            (PcrIndex::SIGNER, self.pcr8),
        ]
    }

    fn policy(&self) -> PolicyBuilder {
        self.pcrs().into_iter().fold(Policy::builder(), |policy, (index, value)| policy.pcr(index, [value]))
    }

    fn time(&self) -> UnixTime {
        UnixTime::from_millis(self.timestamp_ms)
    }

    fn document(&self, folder: &Path) -> UnverifiedDocument {
        let bytes = fs::read(folder.join(&self.file)).unwrap();
        assert_eq!(bytes.len(), self.bytes, "{}", self.file);
        UnverifiedDocument::from_bytes(&bytes).unwrap_or_else(|defect| panic!("{}: {defect}", self.file))
    }

    /// Verifies it as its mode allows.
    fn verify(
        &self,
        document: UnverifiedDocument,
        anchor: &TrustAnchor,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<AttestationDocument, Error> {
        if self.debug_mode {
            let relaxations = Relaxations::none().accept_debug_mode();
            danger::verify(document, anchor, policy, now, relaxations).map(|document| (*document).clone())
        } else {
            document.verify(anchor, policy, now).map(nsm_attest::VerifiedDocument::into_document)
        }
    }
}

/// The folder and its index; `None` if no folder is named. A folder that is named must be readable.
fn vectors<T>(test: T) -> Option<(PathBuf, Vec<Vector>)> {
    let Some(folder) = env::var_os("NITRO_VECTORS") else {
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        let skipped = writeln!(io::stderr(), "{} skipped: NITRO_VECTORS is not set", any::type_name_of_val(&test));
        skipped.expect("standard error is open");
        return None;
    };
    assert!(!folder.is_empty(), "NITRO_VECTORS is set, but names no folder");
    let folder = Path::new(&folder).join("attestation");
    let index = fs::read(folder.join("index.json")).expect("NITRO_VECTORS names a folder with attestation/index.json");
    let vectors: Vec<Vector> = serde_json::from_slice(&index).unwrap();
    assert!(vectors.iter().filter(|vector| vector.verdict == "REAL").count() >= 13);
    Some((folder, vectors))
}

fn real_vectors<T>(test: T) -> Vec<(Vector, UnverifiedDocument)> {
    let Some((folder, vectors)) = vectors(test) else { return Vec::new() };
    let real = vectors.into_iter().filter(|vector| vector.verdict == "REAL");
    real.map(|vector| {
        let document = vector.document(&folder);
        (vector, document)
    })
    .collect()
}

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
        let policy = Policy::builder().pcr(PcrIndex::INSTANCE, [vector.pcr4]).build();
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
            let policy = Policy::builder().pcr(index, expected.clone()).build();
            let refused = vector.verify(document.clone(), &anchor, &policy, vector.time());
            assert_eq!(refused.unwrap_err(), Rejection::PcrMismatch { index, expected, actual }.into());
        }
    }
}

#[test]
fn real_documents_are_refused_one_second_outside_their_certificate_s_validity() {
    let anchor = TrustAnchor::aws_nitro_g1();
    for (vector, document) in real_vectors(real_documents_are_refused_one_second_outside_their_certificate_s_validity) {
        let policy = vector.policy().max_age(DAY).clock_skew(DAY).build();
        let time = |text: &Option<String>| text.as_ref().unwrap().parse::<UnixTime>().unwrap();
        let (not_before, not_after) = (time(&vector.leaf_not_before), time(&vector.leaf_not_after));
        let verify = |now| vector.verify(document.clone(), &anchor, &policy, now).map(drop);
        verify(not_before).unwrap();
        verify(not_after).unwrap();
        let early = verify(not_before.saturating_sub(SECOND)).unwrap_err();
        assert!(matches!(early, Error::Rejected(Rejection::CertificateNotYetValid { .. })), "{early:?}");
        let late = verify(not_after.saturating_add(SECOND)).unwrap_err();
        assert!(matches!(late, Error::Rejected(Rejection::CertificateExpired { .. })), "{late:?}");
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
fn an_independent_reader_agrees_on_real_documents() {
    for (vector, document) in real_vectors(an_independent_reader_agrees_on_real_documents) {
        reader::assert_ciborium_agrees(&document);
        assert_eq!(UnverifiedDocument::from_bytes(&document.to_bytes()), Ok(document), "{}", vector.file);
    }
}

/// Every seventh byte, so that all parts are met in little time; the stride is no divisor of any field's length.
#[test]
fn altered_bytes_of_a_real_document_are_refused() {
    let anchor = TrustAnchor::aws_nitro_g1();
    let Some((vector, document)) =
        real_vectors(altered_bytes_of_a_real_document_are_refused).into_iter().find(|(vector, _)| !vector.debug_mode)
    else {
        return;
    };
    let (policy, original) = (vector.policy().build(), document.to_bytes());
    for at in (0..original.len()).step_by(7) {
        for change in [0x01, 0x80] {
            let mut bytes = original.clone();
            bytes[at] ^= change;
            let Ok(document) = UnverifiedDocument::from_bytes(&bytes) else { continue };
            let verified = document.verify(&anchor, &policy, vector.time());
            assert!(verified.is_err(), "byte {at} changed by {change:#04x} still verifies");
        }
    }
}
