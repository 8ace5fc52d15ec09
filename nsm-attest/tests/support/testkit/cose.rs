//! The wrapper: COSE_Sign1. Headers that a signature covers are signed as they stand.

use nsm_attest::Malformed::{
    NonMinimalLength, NotCoseSign1, ProtectedHeader, TooLong, TrailingBytes, Truncated, UnexpectedTag,
    UnprotectedHeader, Unsigned,
};
use nsm_attest::UnverifiedDocument;

use super::Case;
use super::kit::{Kit, PROTECTED, byte_string, join};

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = heads(kit);
    cases.extend(protected_headers(kit));
    cases.extend(unprotected_headers(kit));
    cases.extend(payloads(kit));
    cases.extend(ends(kit));
    cases
}

fn heads(kit: &Kit) -> Vec<Case> {
    let good = kit.document();
    let headed = |head: &[u8]| [head, &good[1..]].concat();
    vec![
        Case::accepted("cose_untagged", good.clone(), "RFC 9052 4.2: COSE_Sign1 may stand without its tag"),
        Case::accepted("cose_tag_18", headed(b"\xd2\x84"), TAG),
        Case::refused("cose_tag_17", headed(b"\xd1\x84"), UnexpectedTag { tag: 17 }, TAG),
        Case::refused("cose_tag_98", headed(b"\xd8\x62\x84"), UnexpectedTag { tag: 98 }, TAG),
        Case::refused("cose_tag_18_twice", headed(b"\xd2\xd2\x84"), NotCoseSign1, TAG),
        Case::refused("cose_tag_18_in_two_bytes", headed(b"\xd8\x12\x84"), NonMinimalLength { offset: 0 }, ONE_SHAPE),
        Case::refused("cose_array_of_3", headed(b"\x83"), NotCoseSign1, ARRAY),
        Case::refused("cose_array_of_5", [&headed(b"\x85"), &[0xa0][..]].concat(), NotCoseSign1, ARRAY),
        Case::refused("cose_array_indefinite", [&headed(b"\x9f"), &[0xff][..]].concat(), NotCoseSign1, ONE_SHAPE),
        Case::refused("cose_array_in_two_bytes", headed(b"\x98\x04"), NonMinimalLength { offset: 0 }, ONE_SHAPE),
        Case::refused("cose_map", headed(b"\xa2"), NotCoseSign1, ARRAY),
    ]
}

fn protected_headers(kit: &Kit) -> Vec<Case> {
    let payload = kit.payload_below(kit.certificates());
    let under = |protected: &[u8]| kit.sign1(protected, &payload);
    let [_, _, payload_item, _] = under(PROTECTED);
    let unsigned = [byte_string(b"\xa1\x01\x20"), vec![0xa0], payload_item, byte_string(&[0; 64])];
    let mut in_unprotected = under(b"");
    in_unprotected[1] = PROTECTED.to_vec();
    let mut text = under(PROTECTED);
    text[0][0] = 0x64;
    let refused = |name: &str, parts: [Vec<u8>; 4]| Case::refused(name, join(&parts), ProtectedHeader, ALGORITHM);
    vec![
        refused("cose_algorithm_es256", under(b"\xa1\x01\x26")),
        refused("cose_algorithm_missing", under(b"\xa0")),
        refused("cose_algorithm_unprotected", in_unprotected),
        refused("cose_protected_extra_header", under(b"\xa2\x01\x38\x22\x04\x41k")),
        refused("cose_protected_critical_header", under(b"\xa2\x01\x38\x22\x02\x81\x18\x63")),
        refused("cose_protected_non_minimal", under(b"\xa1\x01\x39\x00\x22")),
        Case::refused("cose_unsigned_emulator", join(&unsigned), Unsigned, ALGORITHM),
        Case::refused("cose_protected_text", join(&text), NotCoseSign1, ARRAY),
    ]
}

fn unprotected_headers(kit: &Kit) -> Vec<Case> {
    let good = kit.document();
    let with = |header: &[u8]| [&good[..6], header, &good[7..]].concat();
    let why = "attestation_process.md 3.1: nothing in unprotected, which no signature covers";
    vec![
        Case::refused("cose_unprotected_key_id", with(b"\xa1\x04\x41k"), UnprotectedHeader, why),
        Case::refused("cose_unprotected_null", with(b"\xf6"), UnprotectedHeader, why),
        Case::refused("cose_unprotected_indefinite", with(b"\xbf\xff"), UnprotectedHeader, ONE_SHAPE),
    ]
}

fn payloads(kit: &Kit) -> Vec<Case> {
    let payload = kit.payload_below(kit.certificates());
    let [protected, unprotected, item, signature] = kit.sign1(PROTECTED, &payload);
    let with = |payload: Vec<u8>| join(&[protected.clone(), unprotected.clone(), payload, signature.clone()]);
    let chunks = [&[0x5f][..], &byte_string(&payload[..100]), &byte_string(&payload[100..]), &[0xff]].concat();
    let long_head = [&[0x5a, 0, 0], &item[1..]].concat();
    let huge_head = [b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", &item[3..]].concat();
    let at = NonMinimalLength { offset: 7 };
    vec![
        Case::refused("cose_payload_detached", with(vec![0xf6]), NotCoseSign1, "attestation_process.md 3.1: bstr"),
        Case::refused("cose_payload_in_chunks", with(chunks), NotCoseSign1, ONE_SHAPE),
        Case::refused("cose_payload_length_non_minimal", with(long_head), at, ONE_SHAPE),
        Case::refused(
            "cose_payload_length_huge",
            with(huge_head),
            Truncated { offset: 7 },
            "RFC 8949 3: not enough data",
        ),
        Case::refused(
            "cose_payload_empty",
            kit.sign(b""),
            Truncated { offset: 0 },
            "attestation_process.md 3.1: the payload has 1..16384 bytes",
        ),
    ]
}

fn ends(kit: &Kit) -> Vec<Case> {
    let good = kit.document();
    let max = UnverifiedDocument::MAX_LEN;
    let mut long = kit.document();
    long.resize(max + 1, 0);
    let trailing = [&good, &[0][..]].concat();
    vec![
        Case::refused("cose_truncated", good[..1000].to_vec(), Truncated { offset: 7 }, "RFC 8949 3: not enough data"),
        Case::refused("cose_trailing_byte", trailing, TrailingBytes { count: 1 }, "RFC 8949 5.3.1: one item, no more"),
        Case::refused(
            "cose_too_long",
            long,
            TooLong { actual: max + 1, max },
            "attestation_process.md 3.1: the payload ends at 16384 bytes",
        ),
    ]
}

const TAG: &str = "attestation_process.md 3.1, RFC 9052 4.2: tag 18 or none";
const ARRAY: &str = "RFC 9052 4.2: an array of protected bstr, unprotected map, payload, signature";
const ALGORITHM: &str = "attestation_process.md 3.1: the protected header is {1: -35}, ES384, and nothing else";
const ONE_SHAPE: &str = "RFC 8949 4.1: what no signature covers has its one preferred form, or it could be changed";
