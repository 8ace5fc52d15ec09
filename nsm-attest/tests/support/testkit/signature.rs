//! The document's signature.

use nsm_attest::Malformed::SignatureLength;
use nsm_attest::Rejection::SignatureInvalid;

use super::Case;
use super::key::{self, Key, ORDER, SCALAR_LEN, negate, to_asn1};
use super::kit::{Kit, PROTECTED, byte_string, join, sig_structure};

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = scalars(kit);
    cases.extend(other_messages(kit));
    cases.extend(other_keys(kit));
    cases.extend(lengths(kit));
    cases
}

/// Makes another signature of r and s.
type Change<'a> = dyn Fn(&[u8], &[u8]) -> Vec<u8> + 'a;

/// The honest document with another signature in place of its own.
fn resigned(kit: &Kit, signature: impl FnOnce(&[u8], &[u8]) -> Vec<u8>) -> Vec<u8> {
    let good = kit.document();
    let (front, rest) = good.split_at(good.len() - 2 * SCALAR_LEN);
    let (r, s) = rest.split_at(SCALAR_LEN);
    [&front[..front.len() - 2], &byte_string(&signature(r, s))].concat()
}

fn scalars(kit: &Kit) -> Vec<Case> {
    let zero = [0; SCALAR_LEN];
    let changed = |name: &str, change: &Change<'_>| Case::refused(name, resigned(kit, change), SignatureInvalid, ECDSA);
    vec![
        changed("signature_bit_of_r", &|r, s| [&[r[0] ^ 1], &r[1..], s].concat()),
        changed("signature_bit_of_s", &|r, s| [r, &s[..47], &[s[47] ^ 1]].concat()),
        changed("signature_zeros", &|_, _| vec![0; 2 * SCALAR_LEN]),
        changed("signature_r_zero", &|_, s| [&zero, s].concat()),
        changed("signature_s_zero", &|r, _| [r, &zero].concat()),
        changed("signature_r_is_order", &|_, s| [&ORDER, s].concat()),
        changed("signature_s_is_order", &|r, _| [r, &ORDER].concat()),
        changed("signature_s_all_ones", &|r, _| [r, &[0xff; SCALAR_LEN]].concat()),
        changed("signature_r_negated", &|r, s| [&negate(r)[..], s].concat()),
        changed("signature_halves_swapped", &|r, s| [s, r].concat()),
        Case::accepted(
            "signature_s_negated",
            resigned(kit, |r, s| [r, &negate(s)].concat()),
            "FIPS 186-5 6.4.2: (r, n - s) is valid wherever (r, s) is; documents are identified by their payload",
        ),
    ]
}

fn other_messages(kit: &Kit) -> Vec<Case> {
    let payload = kit.payload_below(kit.certificates());
    let parts = kit.sign1(PROTECTED, &payload);
    let over = |name: &str, message: &[u8]| {
        let mut parts = parts.clone();
        parts[3] = byte_string(&kit.end_entity.sign(message));
        Case::refused(name, join(&parts), SignatureInvalid, "RFC 9052 4.4: the Sig_structure is what is signed")
    };
    let mut sha256 = parts.clone();
    sha256[3] = byte_string(&kit.end_entity.sign_sha256(&sig_structure("Signature1", PROTECTED, &payload)));
    let other = kit.with("nonce", super::policy::bytes(b"another document's nonce"));
    let other = &other[other.len() - 2 * SCALAR_LEN..];
    vec![
        over("signature_over_payload_alone", &payload),
        over("signature_over_other_context", &sig_structure("Signature", PROTECTED, &payload)),
        over("signature_over_other_header", &sig_structure("Signature1", b"\xa1\x01\x26", &payload)),
        Case::refused("signature_with_sha256", join(&sha256), SignatureInvalid, "RFC 9053 2.1: ES384 is with SHA-384"),
        Case::refused(
            "signature_of_another_document",
            resigned(kit, |_, _| other.to_vec()),
            SignatureInvalid,
            "attestation_process.md 3.2: the document was signed as it stands",
        ),
    ]
}

fn other_keys(kit: &Kit) -> Vec<Case> {
    let payload = kit.payload_below(kit.certificates());
    let parts = kit.sign1(PROTECTED, &payload);
    let by = |name: &str, key: &Key| {
        let mut parts = parts.clone();
        parts[3] = byte_string(&key.sign(&sig_structure("Signature1", PROTECTED, &payload)));
        Case::refused(name, join(&parts), SignatureInvalid, "attestation_process.md 2.2: signed by certificate's key")
    };
    vec![by("signature_by_other_key", &Key::generate()), by("signature_by_instance_key", &kit.authorities[3])]
}

fn lengths(kit: &Kit) -> Vec<Case> {
    let of = |name: &str, actual, change: &Change<'_>| {
        let why = "RFC 9053 2.1: r and s as 48 bytes each";
        Case::refused(name, resigned(kit, change), SignatureLength { actual }, why)
    };
    vec![
        of("signature_empty", 0, &|_, _| Vec::new()),
        of("signature_of_95_bytes", 95, &|r, s| [&r[1..], s].concat()),
        of("signature_of_97_bytes", 97, &|r, s| [&[0], r, s].concat()),
        of("signature_of_p256_length", 64, &|r, s| [&r[16..], &s[16..]].concat()),
        // Only as long as DER makes these numbers; the length is part of the expectation.
        of("signature_in_der", 104, &|_, _| der_of_104_bytes(kit)),
    ]
}

/// A right signature of some message whose halves both have their top bit set.
fn der_of_104_bytes(kit: &Kit) -> Vec<u8> {
    let mut signatures = std::iter::repeat_with(|| to_asn1(&kit.end_entity.sign(key::SECP384R1.as_bytes())));
    signatures.find(|signature| signature.len() == 104).unwrap()
}

const ECDSA: &str = "FIPS 186-5 6.4.2: r and s lie in 1..n and fit key and message";
