//! Signatures: made, verified, and spoilt.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use eif::{Architecture, CertificateError, EifImage, ImageError, Metadata, Rejection, SignError, Signer};
use nsm_attest::{PcrIndex, PcrValue, Pcrs, UnixTime, measure};
use rcgen::{CertificateParams, KeyPair};
use time::OffsetDateTime;

struct Pair {
    key: String,
    certificate: String,
    der: Vec<u8>,
}

/// Valid from the second 1000 to the second 2000 after the epoch.
fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> Pair {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::default();
    let seconds = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    (params.not_before, params.not_after) = (seconds(1000), seconds(2000));
    let certificate = params.self_signed(&key).unwrap();
    Pair { key: key.serialize_pem(), certificate: certificate.pem(), der: certificate.der().to_vec() }
}

fn p384() -> Pair {
    pair(&rcgen::PKCS_ECDSA_P384_SHA384)
}

fn signer(pair: &Pair) -> Signer {
    Signer::from_pem(pair.key.as_bytes(), pair.certificate.as_bytes()).unwrap()
}

fn image() -> EifImage {
    let ramdisks = vec![b"one".to_vec(), b"two".to_vec()];
    EifImage::new(Architecture::X86_64, b"kernel".to_vec(), "", &Metadata::new("a", "1"), ramdisks).unwrap()
}

const AT: UnixTime = UnixTime::from_secs(1500);

#[test]
fn a_signed_image_is_read_again_and_verified_and_its_other_registers_stay() {
    let pair = p384();
    let signed = image().sign(&signer(&pair)).unwrap();
    let again = EifImage::from_bytes(&signed.to_bytes()).unwrap();
    assert_eq!(again, signed);
    assert_eq!(again.measure().image, image().measure().image);
    assert_eq!(again.measure().signer, Some(measure::signer(&pair.der)));
    let expected = again.measure().pcrs();
    let verified = again.verify(&expected, AT).unwrap();
    assert_eq!(verified.signer().unwrap().as_der(), pair.der);
    assert_eq!(verified.measurements().pcrs(), expected);
}

#[test]
fn signing_again_replaces_the_signature() {
    let (first, second) = (p384(), p384());
    let image = image().sign(&signer(&first)).unwrap().sign(&signer(&second)).unwrap();
    assert_eq!(image.measure().signer, Some(measure::signer(&second.der)));
}

#[test]
fn signed_images_differ_in_checksum_and_signature_alone() {
    let pair = p384();
    let [one, two] = [(); 2].map(|()| image().sign(&signer(&pair)).unwrap().to_bytes());
    // As an array of numbers the same signature may take more or fewer bytes: up to the length of its section.
    assert_eq!(one[..284 + 4 * 8], two[..284 + 4 * 8]);
    let end = one.len().min(two.len());
    let signature_at = |bytes: &[u8]| bytes.windows(9).rposition(|window| window == b"signature").unwrap();
    let at = signature_at(&one);
    assert_eq!(at, signature_at(&two));
    assert_eq!(one[548..568], two[548..568]);
    assert!(at < end && one[at..] != two[at..]);
}

#[test]
fn a_certificate_is_valid_to_the_end_of_its_last_second_and_not_longer() {
    let signed = image().sign(&signer(&p384())).unwrap();
    let verify = |millis| signed.verify(&Pcrs::new(), UnixTime::from_millis(millis)).map(drop);
    let (not_before, not_after) = (UnixTime::from_secs(1000), UnixTime::from_secs(2000));
    let at = UnixTime::from_millis(999_999);
    assert_eq!(verify(999_999), Err(Rejection::CertificateNotYetValid { not_before, at }));
    assert_eq!(verify(1_000_000), Ok(()));
    assert_eq!(verify(2_000_999), Ok(()));
    let at = UnixTime::from_millis(2_001_000);
    assert_eq!(verify(2_001_000), Err(Rejection::CertificateExpired { not_after, at }));
}

#[test]
fn registers_that_differ_or_are_not_there_are_rejected() {
    let signed = image().sign(&signer(&p384())).unwrap();
    let zero = PcrValue::ZERO;
    for index in [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION, PcrIndex::SIGNER] {
        let actual = *signed.measure().pcrs().get(index).unwrap();
        let expected = Pcrs::from_iter([(index, zero)]);
        assert_eq!(
            signed.verify(&expected, AT),
            Err(Rejection::PcrMismatch { index, expected: Box::new(zero), actual: Box::new(actual) })
        );
        assert!(signed.verify(&Pcrs::from_iter([(index, actual)]), AT).is_ok());
    }
    let expected = Pcrs::from_iter([(PcrIndex::SIGNER, zero)]);
    assert_eq!(image().verify(&expected, AT), Err(Rejection::PcrMissing { index: PcrIndex::SIGNER }));
    let expected = Pcrs::from_iter([(PcrIndex::ROLE, zero)]);
    assert_eq!(image().verify(&expected, AT), Err(Rejection::PcrMissing { index: PcrIndex::ROLE }));
    assert_eq!(image().verify(&Pcrs::new(), AT).unwrap().signer(), None);
}

/// The sections of a signed image, put together again with another kernel or another signature section.
fn reassembled(image: &EifImage, kernel: &[u8], change: impl Fn(&mut Vec<u8>)) -> Result<EifImage, ImageError> {
    let mut sections: Vec<(u16, Vec<u8>)> =
        [1, 2, 5, 3, 3, 4].into_iter().zip(image.sections().into_iter().map(|(_, content)| content.to_vec())).collect();
    sections[0].1 = kernel.to_vec();
    change(&mut sections[5].1);
    let sections: Vec<_> = sections.iter().map(|(kind, content)| (*kind, &**content)).collect();
    EifImage::from_bytes(&support::assemble(4, &sections))
}

#[test]
fn the_signature_of_another_image_is_rejected() {
    let signed = image().sign(&signer(&p384())).unwrap();
    let other = reassembled(&signed, b"other kernel", |_| ()).unwrap();
    assert_eq!(other.verify(&Pcrs::new(), AT), Err(Rejection::SignedOther));
    assert_eq!(other.describe().signature_check, Some(false));
    assert_eq!(signed.describe().signature_check, Some(true));
}

#[test]
fn a_signature_by_another_key_is_rejected() {
    let pairs = [p384(), p384()];
    let [one, two] = pairs.each_ref().map(|pair| image().sign(&signer(pair)).unwrap());
    let (one_pem, two_pem) = (numbers(pairs[0].certificate.as_bytes()), numbers(pairs[1].certificate.as_bytes()));
    let exchanged = reassembled(&one, b"kernel", |section| {
        let at = section.windows(one_pem.len()).position(|window| window == one_pem).unwrap();
        section.splice(at..at + one_pem.len(), two_pem.iter().copied());
    })
    .unwrap();
    assert_eq!(exchanged.measure().signer, two.measure().signer);
    assert_eq!(exchanged.verify(&Pcrs::new(), AT), Err(Rejection::Signature));
}

/// As an array of numbers in CBOR: head, then one byte below 24, else two.
fn numbers(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let number = |byte: &u8| if *byte < 24 { vec![*byte] } else { vec![0x18, *byte] };
    [0x99].into_iter().chain(len.to_be_bytes()).chain(bytes.iter().flat_map(number)).collect()
}

#[test]
fn a_signature_section_in_another_spelling_or_with_more_in_it_is_malformed() {
    let signed = image().sign(&signer(&p384())).unwrap();
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 5] = [
        |section| section.push(0),
        |section| section[0] = 0x82,
        |section| {
            section.splice(0..1, [0x98, 1]);
        },
        |section| section.truncate(section.len() - 1),
        |section| {
            let twice = section[1..].to_vec();
            section[0] = 0x82;
            section.extend(twice);
        },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let error = reassembled(&signed, b"kernel", change).unwrap_err();
        assert!(matches!(error, ImageError::Signature { .. }), "{at}: {error}");
    }
}

#[test]
fn keys_and_certificates_that_do_not_sign_are_refused() {
    let (one, two, p256) = (p384(), p384(), pair(&rcgen::PKCS_ECDSA_P256_SHA256));
    let make = |key: &str, certificate: &str| Signer::from_pem(key.as_bytes(), certificate.as_bytes()).map(drop);
    assert_eq!(make(&one.key, &one.certificate), Ok(()));
    assert_eq!(make(&one.key, &two.certificate), Err(SignError::KeyMismatch));
    assert_eq!(make("", &one.certificate), Err(SignError::KeyNotPem));
    assert_eq!(make(&one.certificate, &one.certificate), Err(SignError::KeyNotPem));
    assert_eq!(make(&p256.key, &one.certificate), Err(SignError::KeyNotP384));
    assert_eq!(make(&one.key, &p256.certificate), Err(SignError::Certificate(CertificateError::NotP384)));
    assert_eq!(make(&one.key, &one.key), Err(SignError::Certificate(CertificateError::NotPem)));
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(make(&one.key, no_certificate), Err(SignError::Certificate(CertificateError::NotX509)));
}
