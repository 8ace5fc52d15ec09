//! The payload's fields.

use ciborium::Value;
use nsm_attest::Malformed::{
    CertificateCount, Digest, DuplicateField, FieldLength, MissingField, TimestampZero, UnknownField, WrongType,
};
use nsm_attest::Rejection::IssuedInFuture;
use nsm_attest::{Field, Malformed, Policy, UnixTime};

use super::kit::Kit;
use super::{Case, NOW};
use crate::support::{get, remove, set};

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = presence(kit);
    cases.extend(types(kit));
    cases.extend(lengths(kit));
    cases.extend(contents(kit));
    cases.extend(optional_fields(kit));
    cases
}

fn presence(kit: &Kit) -> Vec<Case> {
    let mandatory =
        [Field::ModuleId, Field::Digest, Field::Timestamp, Field::Pcrs, Field::Certificate, Field::Cabundle];
    let missing = mandatory.into_iter().map(|field| {
        let document = kit.altered(|fields| remove(fields, field.as_str()));
        let why = "attestation_process.md 3.2.2.1: the field is mandatory";
        Case::refused(format!("field_{field}_missing"), document, MissingField { field }, why)
    });
    let repeated = [Field::ModuleId, Field::Timestamp, Field::Pcrs, Field::Certificate, Field::Nonce];
    let twice = repeated.into_iter().map(|field| {
        let document = kit.altered(|fields| {
            let value = get(fields, field.as_str()).cloned().unwrap();
            fields.push((field.as_str().into(), value));
        });
        let why = "RFC 8949 5.6: a map with duplicate keys is not valid";
        Case::refused(format!("field_{field}_twice"), document, DuplicateField { field }, why)
    });
    missing.chain(twice).collect()
}

fn types(kit: &Kit) -> Vec<Case> {
    let cases = [
        (Field::ModuleId, Value::Bytes(b"i-0-enc0".to_vec())),
        (Field::Digest, Value::Bytes(b"SHA384".to_vec())),
        (Field::Timestamp, "1700000000000".into()),
        (Field::Pcrs, Value::Array(vec![Value::Bytes(vec![1; 48])])),
        (Field::Certificate, "certificate".into()),
        (Field::Cabundle, Value::Bytes(vec![1; 10])),
        (Field::PublicKey, "key".into()),
        (Field::UserData, 1.into()),
        (Field::Nonce, Value::Bool(false)),
    ];
    let why = "attestation_process.md 3.2.2.2: the type of the field";
    let mut cases: Vec<_> = cases
        .into_iter()
        .map(|(field, value)| {
            let document = kit.with(field.as_str(), value);
            Case::refused(format!("field_{field}_wrong_type"), document, WrongType { field }, why)
        })
        .collect();
    let null = "attestation_process.md 3.2.2.1: no content can be null (real documents have null optional fields)";
    let certificate = WrongType { field: Field::Certificate };
    cases.push(Case::refused("field_certificate_null", kit.with("certificate", Value::Null), certificate, null));
    let entries = vec![Value::Text("certificate".to_owned())];
    let bundle = WrongType { field: Field::Cabundle };
    cases.push(Case::refused("field_cabundle_entry_wrong_type", kit.with("cabundle", entries), bundle, why));
    cases
}

fn lengths(kit: &Kit) -> Vec<Case> {
    let length = |field, actual, min, max| FieldLength { field, actual, min, max };
    let zeros = |len| Value::Bytes(vec![0; len]);
    let refused = |name: &str, field: &str, value: Value, defect: Malformed| {
        let why = "attestation_process.md 2.2 and 3.2.2.2: the length of the field";
        Case::refused(name, kit.with(field, value), defect, why)
    };
    vec![
        refused("field_module_id_empty", "module_id", "".into(), length(Field::ModuleId, 0, 1, 256)),
        refused("field_module_id_too_long", "module_id", "x".repeat(257).into(), length(Field::ModuleId, 257, 1, 256)),
        refused("field_certificate_empty", "certificate", zeros(0), length(Field::Certificate, 0, 1, 1024)),
        refused("field_certificate_too_long", "certificate", zeros(1025), length(Field::Certificate, 1025, 1, 1024)),
        refused("field_cabundle_empty", "cabundle", Value::Array(vec![]), CertificateCount { actual: 0, max: 16 }),
        refused(
            "field_cabundle_of_17",
            "cabundle",
            vec![zeros(1); 17].into(),
            CertificateCount { actual: 17, max: 16 },
        ),
        refused("field_cabundle_entry_empty", "cabundle", vec![zeros(0)].into(), length(Field::Cabundle, 0, 1, 1024)),
        refused(
            "field_cabundle_entry_too_long",
            "cabundle",
            vec![zeros(1025)].into(),
            length(Field::Cabundle, 1025, 1, 1024),
        ),
        refused("field_public_key_too_long", "public_key", zeros(1025), length(Field::PublicKey, 1025, 0, 1024)),
        refused("field_user_data_too_long", "user_data", zeros(1025), length(Field::UserData, 1025, 0, 1024)),
        refused("field_nonce_too_long", "nonce", zeros(1025), length(Field::Nonce, 1025, 0, 1024)),
    ]
}

fn contents(kit: &Kit) -> Vec<Case> {
    let digest = "attestation_process.md 3.2.2.2: digest is SHA384";
    let time = "attestation_process.md 3.2.2.2: timestamp is an integer above 0, of at most 64 bits";
    let unknown = "attestation_process.md 3.2.2.1: the list of allowed fields";
    let largest = UnixTime::from_millis(u64::MAX);
    let in_future = IssuedInFuture { issued_at: largest, now: NOW, clock_skew: Policy::DEFAULT_CLOCK_SKEW };
    let negative = WrongType { field: Field::Timestamp };
    let capital = UnknownField { name: "Nonce".to_owned() };
    let long = UnknownField { name: "x".repeat(64) };
    vec![
        Case::refused("field_digest_sha256", kit.with("digest", "SHA256"), Digest, digest),
        Case::refused("field_digest_lower_case", kit.with("digest", "sha384"), Digest, digest),
        Case::refused("field_timestamp_zero", kit.with("timestamp", 0), TimestampZero, time),
        Case::refused("field_timestamp_negative", kit.with("timestamp", -1), negative, time),
        Case::refused("field_timestamp_largest", kit.with("timestamp", u64::MAX), in_future, time),
        Case::refused("field_unknown", kit.with("Nonce", Value::Null), capital, unknown),
        Case::refused("field_unknown_of_300_bytes", kit.with(&"x".repeat(300), Value::Null), long, unknown),
    ]
}

fn optional_fields(kit: &Kit) -> Vec<Case> {
    let all = |value: Option<Value>| {
        kit.altered(|fields| {
            for name in ["public_key", "user_data", "nonce"] {
                match &value {
                    Some(value) => set(fields, name, value.clone()),
                    None => remove(fields, name),
                }
            }
        })
    };
    let longest = all(Some(Value::Bytes(vec![1; 1024])));
    let absent = "attestation_process.md 3.2.2.1: the field is optional";
    let null = "real documents have null here, although attestation_process.md 3.2.2.1 says they do not";
    let size = "attestation_process.md 2.2: 0..1024 bytes; real documents use it";
    vec![
        Case::accepted("field_optional_absent", all(None), absent),
        Case::accepted("field_optional_null", all(Some(Value::Null)), null),
        Case::accepted("field_optional_empty", all(Some(Value::Bytes(vec![]))), size),
        Case::accepted("field_optional_of_1024_bytes", longest, size),
    ]
}
