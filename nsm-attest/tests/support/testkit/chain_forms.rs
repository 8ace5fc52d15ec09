//! The certificates' form: encoding, version, algorithms, extensions. What is wrong within is signed by its issuer.

use nsm_attest::ChainPosition::{self, Cabundle, EndEntity};
use nsm_attest::Rejection::{
    CertificateSignatureInvalid, EndEntityIsAuthority, KeyUsageMissing, NotAuthority, PathInvalid, SignatureInvalid,
    UnsupportedAlgorithm,
};
use nsm_attest::{Error, Malformed};

use super::chain::altered;
use super::key::{Key, SECP384R1, spki};
use super::kit::Kit;
use super::x509::{
    BASIC_CONSTRAINTS, DIGITAL_SIGNATURE, ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, Extension, KEY_CERT_SIGN, KEY_USAGE,
    NAME_CONSTRAINTS, Template, UNKNOWN_EXTENSION, key_usage,
};
use super::{Case, der};

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = encodings(kit);
    cases.extend(algorithms(kit));
    cases.extend(keys(kit));
    cases.extend(extensions(kit));
    cases.extend(versions(kit));
    cases
}

/// A case with an altered link, by its place's name.
fn case(
    kit: &Kit,
    name: &str,
    position: ChainPosition,
    alter: impl FnOnce(&mut Template),
    error: impl Into<Error>,
    why: &'static str,
) -> Case {
    altered(kit, name.to_owned(), position, alter, error, why)
}

fn encodings(kit: &Kit) -> Vec<Case> {
    let certificates = kit.certificates();
    let with = |name: &str, place: usize, certificate: Vec<u8>, error: Error, why| {
        let mut certificates = certificates.clone();
        certificates[place] = certificate;
        Case::refused(name, kit.document_below(certificates), error, why)
    };
    let malformed = |position| Error::from(Malformed::Certificate { position });
    let (end, instance) = (&certificates[4], &certificates[3]);
    let mut flipped = end.clone();
    *flipped.last_mut().unwrap() ^= 1;
    // 30 80 .. 00 00: indefinite length, which is BER.
    let indefinite = [&[der::SEQUENCE, 0x80], &end[4..], &[0, 0]].concat();
    let pem = [&b"-----BEGIN CERTIFICATE-----\n"[..], &end[..300]].concat();
    vec![
        with("chain_end_entity_garbage", 4, vec![0xa5; 400], malformed(EndEntity), DER),
        with("chain_end_entity_truncated", 4, end[..200].to_vec(), malformed(EndEntity), DER),
        with("chain_end_entity_trailing_byte", 4, [end, &[0][..]].concat(), malformed(EndEntity), DER),
        with("chain_end_entity_in_ber", 4, indefinite, malformed(EndEntity), DER),
        with("chain_end_entity_in_pem", 4, pem, malformed(EndEntity), DER),
        with("chain_instance_empty_sequence", 3, der::sequence(&[]), malformed(Cabundle(3)), DER),
        with("chain_instance_truncated", 3, instance[..100].to_vec(), malformed(Cabundle(3)), DER),
        with("chain_end_entity_signature_flipped", 4, flipped, CertificateSignatureInvalid.into(), SIGNED),
    ]
}

fn algorithms(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 2.1: Nitro's PKI signs with ECDSA and SHA-384; nothing weaker is its";
    let unsupported = |position| UnsupportedAlgorithm { position };
    let sha256 = |link: &mut Template| link.algorithms = [ECDSA_WITH_SHA256; 2];
    let mixed = "RFC 5280 4.1.1.2: both names of the signature's algorithm are the same";
    vec![
        case(kit, "chain_end_entity_with_sha256", EndEntity, sha256, unsupported(EndEntity), why),
        case(kit, "chain_zonal_with_sha256", Cabundle(2), sha256, unsupported(Cabundle(2)), why),
        case(
            kit,
            "chain_algorithms_differ_outside",
            EndEntity,
            |link| link.algorithms = [ECDSA_WITH_SHA384, ECDSA_WITH_SHA256],
            unsupported(EndEntity),
            mixed,
        ),
        case(
            kit,
            "chain_algorithms_differ_inside",
            EndEntity,
            |link| link.algorithms = [ECDSA_WITH_SHA256, ECDSA_WITH_SHA384],
            PathInvalid,
            mixed,
        ),
    ]
}

fn keys(kit: &Kit) -> Vec<Case> {
    let why = "RFC 5480 2, RFC 9053 2.1: an uncompressed point on secp384r1";
    let p256 = Key::generate_p256();
    let other_curve = p256.spki();
    let point = kit.end_entity.point().to_vec();
    let compressed = spki(SECP384R1, &[&[0x02 | (point[96] & 1)], &point[1..49]].concat());
    let mut off_curve = point.clone();
    off_curve[96] ^= 1;
    let unnamed = der::sequence(&[
        &der::sequence(&[&der::oid("1.2.840.10045.2.1"), &der::tlv(der::NULL, &[])]),
        &der::bits(&point),
    ]);
    let renamed = spki("1.3.132.0.10", &point);
    let keyed = |name: &str, key: Vec<u8>, error: nsm_attest::Rejection| {
        case(kit, name, EndEntity, |link| link.spki = key, error, why)
    };
    let position = EndEntity;
    let instance_p256 = kit.chain(|plan| {
        plan.link(Cabundle(3)).spki = other_curve.clone();
        plan.link(EndEntity).algorithms = [ECDSA_WITH_SHA256; 2];
        plan.signers.push((4, p256));
    });
    vec![
        keyed("chain_end_entity_on_p256", other_curve.clone(), UnsupportedAlgorithm { position }),
        keyed("chain_end_entity_on_secp256k1", renamed, UnsupportedAlgorithm { position }),
        keyed("chain_end_entity_curve_unnamed", unnamed, UnsupportedAlgorithm { position }),
        keyed("chain_end_entity_compressed", compressed, UnsupportedAlgorithm { position }),
        keyed("chain_end_entity_off_curve", spki(SECP384R1, &off_curve), SignatureInvalid),
        Case::refused("chain_instance_on_p256", instance_p256, UnsupportedAlgorithm { position: Cabundle(3) }, why),
    ]
}

fn extensions(kit: &Kit) -> Vec<Case> {
    let critical = "RFC 5280 4.2: a critical extension that is not recognised";
    let once = "RFC 5280 4.2: no extension appears twice";
    let unknown = || Extension::critical(UNKNOWN_EXTENSION, der::tlv(der::NULL, &[]));
    let add = |extension: Extension| move |link: &mut Template| link.extensions.push(extension);
    let again = |link: &mut Template| link.extensions.push(link.extensions[1].clone());
    let malformed = |position| Error::from(Malformed::Certificate { position });
    let broken = |link: &mut Template| link.set_extension(KEY_USAGE, vec![0xff]);
    let twice = |link: &mut Template| {
        let ignored = Extension { critical: false, ..unknown() };
        link.extensions.extend([ignored.clone(), ignored]);
    };
    let unreadable = add(Extension::critical(NAME_CONSTRAINTS, vec![0x30, 0x80]));
    let may_issue = |link: &mut Template| link.set_extension(KEY_USAGE, key_usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN));
    let lenient = |link: &mut Template| link.set_critical(BASIC_CONSTRAINTS, false);
    let harmless = kit.chain(|plan| {
        plan.link(EndEntity).extensions.push(Extension { critical: false, ..unknown() });
    });
    vec![
        case(kit, "chain_end_entity_critical_extension", EndEntity, add(unknown()), PathInvalid, critical),
        case(kit, "chain_zonal_critical_extension", Cabundle(2), add(unknown()), PathInvalid, critical),
        Case::accepted("chain_end_entity_unknown_extension", harmless, "RFC 5280 4.2: not critical, so ignored"),
        case(kit, "chain_end_entity_key_usage_twice", EndEntity, again, malformed(EndEntity), once),
        case(kit, "chain_instance_key_usage_twice", Cabundle(3), again, malformed(Cabundle(3)), once),
        case(kit, "chain_end_entity_key_usage_garbage", EndEntity, broken, malformed(EndEntity), DER),
        case(kit, "chain_end_entity_unknown_extension_twice", EndEntity, twice, malformed(EndEntity), once),
        case(kit, "chain_zonal_unknown_extension_twice", Cabundle(2), twice, malformed(Cabundle(2)), once),
        case(kit, "chain_instance_name_constraints_garbage", Cabundle(3), unreadable, PathInvalid, DER),
        case(
            kit,
            "chain_end_entity_key_cert_sign",
            EndEntity,
            may_issue,
            EndEntityIsAuthority,
            "attestation_process.md \
            3.2.3.3, RFC 5280 4.2.1.3: keyCertSign is for authorities only",
        ),
        case(
            kit,
            "chain_zonal_basic_constraints_not_critical",
            Cabundle(2),
            lenient,
            NotAuthority { position: Cabundle(2) },
            "attestation_process.md 3.2.3.2, RFC 5280 4.2.1.9: basicConstraints is critical in an authority's certificate",
        ),
    ]
}

fn versions(kit: &Kit) -> Vec<Case> {
    let why = "RFC 5280 4.1.2.1: extensions make a certificate v3";
    let usage = |position, required| KeyUsageMissing { position, required };
    let v1 = |link: &mut Template| {
        link.version = None;
        link.extensions.clear();
    };
    vec![
        case(kit, "chain_end_entity_v1", EndEntity, v1, usage(EndEntity, "digitalSignature"), why),
        case(kit, "chain_instance_v1", Cabundle(3), v1, usage(Cabundle(3), "keyCertSign"), why),
        case(kit, "chain_end_entity_v1_with_extensions", EndEntity, |link| link.version = None, PathInvalid, why),
        case(kit, "chain_end_entity_v2", EndEntity, |link| link.version = Some(1), PathInvalid, why),
    ]
}

const DER: &str = "attestation_process.md 2.2, RFC 5280 4.1: DER of a certificate, and nothing else";
const SIGNED: &str = "RFC 5280 6.1.3 (a)(1): each certificate is signed by its issuer's key";
