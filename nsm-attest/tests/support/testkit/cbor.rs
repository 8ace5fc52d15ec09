//! The payload's CBOR, signed as it stands.

use ciborium::Value;
use nsm_attest::Malformed;
use nsm_attest::Malformed::{
    KeyType, NotCbor, PayloadType, TooDeep, TooManyItems, TrailingBytes, Truncated, UnexpectedTag,
};

use super::Case;
use super::kit::Kit;
use crate::support::encode;

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = accepted_forms(kit);
    cases.extend(unsupported_items(kit));
    cases.extend(broken_strings(kit));
    cases.extend(sizes(kit));
    cases.extend(shapes(kit));
    cases
}

/// The specification asks for no deterministic encoding, and the signature covers the bytes as they are.
fn accepted_forms(kit: &Kit) -> Vec<Case> {
    let why = "RFC 8949 3.2, 4.1: well-formed, if not preferred; the signature covers these very bytes";
    let fields = kit.fields();
    let entries: Vec<u8> = fields.iter().flat_map(|(key, value)| [encode(key), encode(value)].concat()).collect();
    let indefinite = [&[0xbf], &entries[..], &[0xff]].concat();
    let long_head = [&[0xb9, 0, 9], &entries[..]].concat();
    vec![
        Case::accepted("cbor_indefinite_map", kit.sign(&indefinite), "real documents since 2025-08 have this form"),
        Case::accepted("cbor_non_minimal_map", kit.sign(&long_head), why),
        Case::accepted("cbor_non_minimal_integer", kit.with_raw("timestamp", TIMESTAMP_IN_9_BYTES), why),
        Case::accepted("cbor_text_in_chunks", kit.with_raw("digest", b"\x7f\x63SHA\x60\x63384\xff"), why),
        Case::accepted("cbor_bytes_in_chunks", kit.with_raw("nonce", b"\x5f\x41a\x58\x02bc\xff"), why),
    ]
}

/// Every item is the value of a field that comes first, so that its offset is known.
fn unsupported_items(kit: &Kit) -> Vec<Case> {
    let items: [(&str, &str, &[u8]); 11] = [
        ("cbor_float_half", "timestamp", b"\xf9\x7b\xff"),
        ("cbor_float_single", "timestamp", b"\xfa\x4e\x7d\x5f\x00"),
        ("cbor_float_double", "timestamp", b"\xfb\x42\x78\xbc\xfe\x56\x80\x00\x00"),
        ("cbor_undefined", "nonce", b"\xf7"),
        ("cbor_simple_value", "nonce", b"\xe0"),
        ("cbor_null_in_two_bytes", "nonce", b"\xf8\x16"),
        ("cbor_reserved_head", "timestamp", b"\x1c"),
        ("cbor_indefinite_integer", "timestamp", b"\x1f"),
        ("cbor_stray_break", "nonce", b"\xff"),
        ("cbor_break_in_definite_array", "cabundle", b"\x81\xff"),
        ("cbor_break_for_a_value", "pcrs", b"\xbf\x00\xff"),
    ];
    let why = "RFC 8949 3: not well-formed, or of a kind that attestation_process.md 3.2.2.2 gives no field";
    let mut cases: Vec<_> = items
        .into_iter()
        .map(|(name, field, item)| {
            // The last two break at an item within.
            let within = match name {
                "cbor_break_in_definite_array" => 1,
                "cbor_break_for_a_value" => 2,
                _ => 0,
            };
            Case::refused(name, kit.with_raw(field, item), NotCbor { offset: value_at(field) + within }, why)
        })
        .collect();
    let tagged = |name: &str, field: &str, item: &[u8], tag| {
        let why = "attestation_process.md 3.1: one tag is known, 18, around the whole";
        Case::refused(name, kit.with_raw(field, item), UnexpectedTag { tag }, why)
    };
    cases.push(tagged("cbor_tagged_time", "timestamp", &[&[0xc1], TIMESTAMP_IN_9_BYTES].concat(), 1));
    cases.push(tagged("cbor_bignum", "timestamp", b"\xc2\x46\x01\x8b\xcf\xe5\x68\x00", 2));
    cases.push(tagged("cbor_tagged_bytes", "nonce", b"\xd8\x40\x41a", 64));
    cases
}

fn broken_strings(kit: &Kit) -> Vec<Case> {
    let why = "RFC 8949 3.1, 3.2.3: text is UTF-8, and the chunks of a string are definite strings of its type";
    let refused = |name: &str, field: &str, item: &[u8], within: usize| {
        Case::refused(name, kit.with_raw(field, item), NotCbor { offset: value_at(field) + within }, why)
    };
    vec![
        refused("cbor_chunk_of_other_type", "nonce", b"\x5f\x61a\xff", 1),
        refused("cbor_chunk_in_chunks", "nonce", b"\x5f\x5f\x41a\xff\xff", 1),
        refused("cbor_chunk_is_integer", "digest", b"\x7f\x01\xff", 1),
        // The library counts to where the text went wrong, not to its head.
        refused("cbor_text_not_utf8", "module_id", b"\x63i-\xff", 3),
        refused("cbor_text_surrogate", "module_id", b"\x63\xed\xa0\x80", 1),
    ]
}

fn sizes(kit: &Kit) -> Vec<Case> {
    let depth = TooDeep { max: 3 };
    let items = TooManyItems { max: 256 };
    let nested = "no document nests more than two deep; a parser's stack is finite";
    let finite = "RFC 8949 10: a claimed length is no reason to reserve memory";
    let many = "a document has 9 fields, up to 32 PCRs and 16 certificates";
    let huge = |name: &str, field: &str, head: &[u8]| {
        // Nothing follows, so that the end is reached at a known place.
        let payload = [&[0xa1], &encode(&field.into())[..], head].concat();
        let offset = if head[0] >> 5 < 4 { value_at(field) } else { payload.len() };
        Case::refused(name, kit.sign(&payload), Truncated { offset }, finite)
    };
    let all_ones = |head: u8| [&[head][..], &[0xff; 8]].concat();
    let zeros = vec![Value::from(0); 300];
    vec![
        Case::refused("cbor_nested_4_deep", kit.with_raw("nonce", &[0x81, 0x81, 0x81, 0x80]), depth.clone(), nested),
        Case::refused("cbor_nested_indefinite", kit.sign(&[0x9f; 1000]), depth.clone(), nested),
        Case::refused("cbor_nested_maps", kit.sign(&[0xa1; 1000]), TooDeep { max: 3 }, nested),
        Case::refused("cbor_too_many_items", kit.with("user_data", Value::Array(zeros)), items.clone(), many),
        Case::refused("cbor_too_many_items_indefinite", kit.sign(&[&[0x9f][..], &[0; 1000]].concat()), items, many),
        huge("cbor_huge_byte_string", "nonce", &all_ones(0x5b)),
        huge("cbor_huge_text", "module_id", &all_ones(0x7b)),
        huge("cbor_huge_array", "cabundle", &all_ones(0x9b)),
        huge("cbor_huge_map", "pcrs", &all_ones(0xbb)),
        huge("cbor_huge_byte_string_of_4_gib", "nonce", b"\x5a\xff\xff\xff\xff"),
    ]
}

fn shapes(kit: &Kit) -> Vec<Case> {
    let fields = kit.fields();
    let payload = encode(&Value::Map(fields.clone()));
    let last = fields.last().map(|(key, value)| encode(key).len() + encode(value).len()).unwrap();
    let first_value = value_at("module_id");
    let map = "attestation_process.md 2.2: a map of fields by their names";
    let one = "RFC 8949 5.3.1: one item, no more and no less";
    let refused =
        |name: &str, payload: &[u8], defect: Malformed, why| Case::refused(name, kit.sign(payload), defect, why);
    let keyed = |key: Value| kit.altered(|fields| fields.push((key, Value::Null)));
    vec![
        refused("cbor_payload_is_array", &encode(&Value::Array(vec![])), PayloadType, map),
        refused("cbor_payload_is_text", &encode(&"SHA384".into()), PayloadType, map),
        refused("cbor_payload_wrapped", &super::kit::byte_string(&payload), PayloadType, map),
        refused("cbor_payload_tagged", &[b"\xd9\xd9\xf7", &payload[..]].concat(), UnexpectedTag { tag: 55799 }, map),
        refused("cbor_trailing_byte", &[&payload[..], &[0]].concat(), TrailingBytes { count: 1 }, one),
        refused("cbor_second_item", &[&payload[..], &payload[..10]].concat(), TrailingBytes { count: 10 }, one),
        refused("cbor_map_too_short", &[&[0xa8], &payload[1..]].concat(), TrailingBytes { count: last }, one),
        refused("cbor_truncated", &payload[..first_value + 5], Truncated { offset: first_value }, one),
        Case::refused("cbor_key_is_number", keyed(1.into()), KeyType, map),
        Case::refused("cbor_key_is_bytes", keyed(Value::Bytes(b"nonce".to_vec())), KeyType, map),
        Case::refused("cbor_key_is_map", keyed(Value::Map(vec![])), KeyType, map),
    ]
}

/// Where the value of a payload's first field stands: after the map's head and the field's name.
fn value_at(field: &str) -> usize {
    1 + encode(&field.into()).len()
}

/// [`super::NOW`] in milliseconds, in the longest form.
const TIMESTAMP_IN_9_BYTES: &[u8] = b"\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00";
