//! Every defect of the format has its own name, also behind a good signature.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use ciborium::Value;
use nsm_attest::{Field, Malformed, PcrIndex, UnverifiedDocument};
use support::{BOOT, Setup, encode, get, remove, set};

fn malformed(bytes: &[u8]) -> Malformed {
    UnverifiedDocument::from_bytes(bytes).map(drop).unwrap_err()
}

fn bytes(len: usize) -> Value {
    Value::Bytes(vec![1; len])
}

fn pcr(index: u64, len: usize) -> (Value, Value) {
    (index.into(), bytes(len))
}

#[test]
fn every_field_is_held_against_its_limits() {
    let setup = Setup::new();
    let case = |name: &str, value: Value| malformed(&setup.altered(|entries| set(entries, name, value)));
    let length = |field, actual, min, max| Malformed::FieldLength { field, actual, min, max };

    assert_eq!(case("module_id", "".into()), length(Field::ModuleId, 0, 1, 256));
    assert_eq!(case("module_id", "x".repeat(257).into()), length(Field::ModuleId, 257, 1, 256));
    assert_eq!(case("digest", "SHA256".into()), Malformed::Digest);
    assert_eq!(case("timestamp", 0.into()), Malformed::TimestampZero);
    assert_eq!(case("certificate", bytes(0)), length(Field::Certificate, 0, 1, 1024));
    assert_eq!(case("certificate", bytes(1025)), length(Field::Certificate, 1025, 1, 1024));
    assert_eq!(case("cabundle", vec![bytes(0)].into()), length(Field::Cabundle, 0, 1, 1024));
    assert_eq!(case("cabundle", vec![bytes(1025)].into()), length(Field::Cabundle, 1025, 1, 1024));
    assert_eq!(case("cabundle", Value::Array(vec![])), Malformed::CertificateCount { actual: 0, max: 16 });
    assert_eq!(case("cabundle", vec![bytes(1); 17].into()), Malformed::CertificateCount { actual: 17, max: 16 });
    assert_eq!(case("public_key", bytes(1025)), length(Field::PublicKey, 1025, 0, 1024));
    assert_eq!(case("user_data", bytes(1025)), length(Field::UserData, 1025, 0, 1024));
    assert_eq!(case("nonce", bytes(1025)), length(Field::Nonce, 1025, 0, 1024));
}

#[test]
fn registers_are_held_against_their_limits() {
    let setup = Setup::new();
    let case = |pcrs: Vec<(Value, Value)>| malformed(&setup.altered(|entries| set(entries, "pcrs", Value::Map(pcrs))));
    let index = PcrIndex::KERNEL;

    assert_eq!(case(vec![]), Malformed::PcrCount { actual: 0 });
    assert_eq!(case((0..33).map(|index| pcr(index, 48)).collect()), Malformed::PcrCount { actual: 33 });
    assert_eq!(case(vec![pcr(0, 48), pcr(32, 48)]), Malformed::PcrIndexOutOfRange { index: 32 });
    assert_eq!(case(vec![pcr(u64::MAX, 48)]), Malformed::PcrIndexOutOfRange { index: u64::MAX });
    for actual in [0, 31, 33, 47, 49, 63, 65] {
        assert_eq!(case(vec![pcr(1, actual)]), Malformed::PcrLength { index, actual });
    }
    assert_eq!(case(vec![pcr(1, 48), pcr(0, 48), pcr(1, 48)]), Malformed::DuplicatePcr { index });
    let wrong_type = Malformed::WrongType { field: Field::Pcrs };
    assert_eq!(case(vec![((-1).into(), bytes(48))]), wrong_type);
    assert_eq!(case(vec![("0".into(), bytes(48))]), wrong_type);
    assert_eq!(case(vec![(0.into(), "x".repeat(48).into())]), wrong_type);
}

#[test]
fn every_field_has_its_type() {
    let setup = Setup::new();
    let fields = [
        (Field::ModuleId, bytes(3)),
        (Field::Digest, bytes(6)),
        (Field::Timestamp, "1700000000000".into()),
        (Field::Timestamp, (-1).into()),
        (Field::Timestamp, Value::Null),
        (Field::Pcrs, Value::Array(vec![])),
        (Field::Certificate, "der".into()),
        (Field::Certificate, Value::Null),
        (Field::Cabundle, bytes(10)),
        (Field::Cabundle, vec![Value::Null].into()),
        (Field::PublicKey, "text".into()),
        (Field::UserData, 1.into()),
        (Field::Nonce, Value::Bool(false)),
    ];
    for (field, value) in fields {
        let defect = malformed(&setup.altered(|entries| set(entries, field.as_str(), value)));
        assert_eq!(defect, Malformed::WrongType { field });
    }
}

#[test]
fn every_required_field_is_required() {
    let setup = Setup::new();
    let required = [Field::ModuleId, Field::Digest, Field::Timestamp, Field::Pcrs, Field::Certificate, Field::Cabundle];
    for field in required {
        let defect = malformed(&setup.altered(|entries| remove(entries, field.as_str())));
        assert_eq!(defect, Malformed::MissingField { field });
    }
}

#[test]
fn optional_fields_may_be_absent_null_or_empty() {
    let setup = Setup::new();
    for (value, expected) in [(None, None), (Some(Value::Null), None), (Some(bytes(0)), Some(vec![]))] {
        let altered = setup.altered(|entries| {
            for name in ["public_key", "user_data", "nonce"] {
                match &value {
                    Some(value) => set(entries, name, value.clone()),
                    None => remove(entries, name),
                }
            }
        });
        let document = UnverifiedDocument::from_bytes(&altered).unwrap();
        let verified = document.verify(&setup.anchor, &setup.policy().build(), BOOT).unwrap();
        assert_eq!((&verified.public_key, &verified.user_data, &verified.nonce), (&expected, &expected, &expected));
    }
}

#[test]
fn no_field_appears_twice() {
    let setup = Setup::new();
    for name in
        ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"]
    {
        let defect = malformed(&setup.altered(|entries| {
            let value = get(entries, name).cloned().unwrap();
            entries.push((name.into(), value));
        }));
        assert!(matches!(defect, Malformed::DuplicateField { field } if field.as_str() == name), "{defect:?}");
    }
}

#[test]
fn documents_of_instances_and_unknown_fields_are_refused() {
    let setup = Setup::new();
    let registers = |entries: &Vec<(Value, Value)>| get(entries, "pcrs").cloned().unwrap();
    let instead = setup.altered(|entries| {
        let pcrs = registers(entries);
        remove(entries, "pcrs");
        set(entries, "nitrotpm_pcrs", pcrs);
    });
    assert_eq!(malformed(&instead), Malformed::NitroTpm);
    let beside = setup.altered(|entries| {
        let pcrs = registers(entries);
        set(entries, "nitrotpm_pcrs", pcrs);
    });
    assert_eq!(malformed(&beside), Malformed::NitroTpm);

    let unknown = |name: &str| malformed(&setup.altered(|entries| set(entries, name, Value::Null)));
    assert_eq!(unknown("Nonce"), Malformed::UnknownField { name: "Nonce".to_owned() });
    assert_eq!(unknown(&"é".repeat(500)), Malformed::UnknownField { name: "é".repeat(64) });
    let number = setup.altered(|entries| entries.push((1.into(), Value::Null)));
    assert_eq!(malformed(&number), Malformed::KeyType);
}

#[test]
fn the_payload_is_one_map() {
    let setup = Setup::new();
    let payload = setup.document().payload().to_vec();
    let sign = |payload: &[u8]| malformed(&setup.nsm.sign(payload).unwrap());
    assert_eq!(sign(&encode(&Value::Array(vec![]))), Malformed::PayloadType);
    assert_eq!(sign(&[]), Malformed::Truncated { offset: 0 });
    assert_eq!(sign(&[&payload[..], &[0]].concat()), Malformed::TrailingBytes { count: 1 });
    assert_eq!(sign(&[&[0xc1], &payload[..]].concat()), Malformed::UnexpectedTag { tag: 1 });
    assert!(matches!(sign(&payload[..payload.len() - 1]), Malformed::Truncated { .. }));
    assert_eq!(sign(&[0xf7]), Malformed::NotCbor { offset: 0 });
    assert_eq!(sign(&[0x81; 64]), Malformed::TooDeep { max: 3 });
    assert_eq!(sign(&encode(&Value::Array(vec![0.into(); 300]))), Malformed::TooManyItems { max: 256 });
}

#[test]
fn indefinite_and_definite_payloads_say_the_same() {
    let setup = Setup::new();
    let document = setup.document();
    let mut indefinite = vec![0xbf];
    for (key, value) in support::payload_entries(&document) {
        indefinite.extend(encode(&key));
        match value {
            Value::Map(entries) => {
                indefinite.push(0xbf);
                entries.iter().for_each(|(key, value)| indefinite.extend([encode(key), encode(value)].concat()));
                indefinite.push(0xff);
            }
            Value::Array(items) => {
                indefinite.push(0x9f);
                items.iter().for_each(|item| indefinite.extend(encode(item)));
                indefinite.push(0xff);
            }
            Value::Text(text) => {
                indefinite.push(0x7f);
                indefinite.extend([encode(&text[..2].into()), encode(&text[2..].into())].concat());
                indefinite.push(0xff);
            }
            other => indefinite.extend(encode(&other)),
        }
    }
    indefinite.push(0xff);
    let again = UnverifiedDocument::from_bytes(&setup.nsm.sign(&indefinite).unwrap()).unwrap();
    assert_eq!(again.unverified(), document.unverified());
    again.verify(&setup.anchor, &setup.policy().build(), BOOT).unwrap();
}

#[test]
fn the_wrapper_has_one_shape() {
    let setup = Setup::new();
    let good = setup.document().to_bytes();
    let replaced = |at: usize, old: &[u8], new: &[u8]| {
        assert_eq!(&good[at..at + old.len()], old);
        malformed(&[&good[..at], new, &good[at + old.len()..]].concat())
    };
    assert_eq!(malformed(&[]), Malformed::Truncated { offset: 0 });
    assert_eq!(malformed(&vec![0; 16 * 1024 + 1]), Malformed::TooLong { actual: 16 * 1024 + 1, max: 16 * 1024 });
    assert_eq!(replaced(0, &[0x84], &[0x85]), Malformed::NotCoseSign1);
    assert_eq!(replaced(0, &[0x84], &[0xd1, 0x84]), Malformed::UnexpectedTag { tag: 17 });
    assert_eq!(replaced(1, b"\x44\xa1\x01\x38\x22", b"\x43\xa1\x01\x26"), Malformed::ProtectedHeader);
    assert_eq!(replaced(6, &[0xa0], &[0xa1, 0x04, 0x40]), Malformed::UnprotectedHeader);
    assert_eq!(replaced(7, &[0x59], &[0x5a, 0, 0]), Malformed::NonMinimalLength { offset: 7 });
    let signature = good.len() - 98;
    assert_eq!(replaced(signature, &[0x58, 96], &[0x58, 95]), Malformed::SignatureLength { actual: 95 });
    assert_eq!(malformed(&[&good[..], &[0]].concat()), Malformed::TrailingBytes { count: 1 });
    for len in 0..good.len() {
        assert!(matches!(malformed(&good[..len]), Malformed::Truncated { .. }), "prefix of {len} bytes");
    }
}
