//! Whether a refusal is true of a payload, judged by what an independent reader, ciborium, finds there.

#![allow(unreachable_pub, reason = "helpers of tests")]

use ciborium::Value;
use nsm_attest::{Field, Malformed};

/// Whether `payload`, which ciborium reads as `value`, has the defect. Where ciborium reads something, "cut off" and
/// "bytes follow" are never true.
pub fn is_true(defect: &Malformed, payload: &[u8], value: &Value) -> bool {
    let entries = value.as_map().map_or(&[][..], Vec::as_slice);
    let all = |field: Field| entries.iter().filter(move |(key, _)| key.as_text() == Some(field.as_str()));
    let some = |field: Field, is_so: &dyn Fn(&Value) -> bool| all(field).any(|(_, value)| is_so(value));
    let pcrs = || all(Field::Pcrs).filter_map(|(_, value)| value.as_map()).flatten();
    match defect {
        Malformed::CertificateCount { actual, .. } => {
            !(1..=16).contains(actual)
                && some(Field::Cabundle, &|value| value.as_array().map(Vec::len) == Some(*actual))
        }
        Malformed::Digest => some(Field::Digest, &|value| value.as_text().is_some_and(|text| text != "SHA384")),
        Malformed::DuplicateField { field } => all(*field).count() > 1,
        Malformed::DuplicatePcr { index } => {
            pcrs().filter(|(key, _)| number(key) == Some(index.as_u8().into())).count() > 1
        }
        Malformed::FieldLength { field, actual, min, max } => {
            !(min..=max).contains(&actual) && some(*field, &|value| lengths(value).contains(actual))
        }
        Malformed::KeyType => entries.iter().any(|(key, _)| !key.is_text()),
        Malformed::MissingField { field } => all(*field).next().is_none(),
        Malformed::NitroTpm => entries.iter().any(|(key, _)| key.as_text() == Some("nitrotpm_pcrs")),
        Malformed::NotCbor { offset } => payload.get(*offset).is_some_and(|head| is_unsupported(*head)),
        Malformed::PayloadType => !value.is_map(),
        Malformed::PcrCount { actual } => {
            !(1..=32).contains(actual) && some(Field::Pcrs, &|value| value.as_map().map(Vec::len) == Some(*actual))
        }
        Malformed::PcrIndexOutOfRange { index } => *index > 31 && pcrs().any(|(key, _)| number(key) == Some(*index)),
        Malformed::PcrLength { index, actual } => pcrs().any(|(key, value)| {
            number(key) == Some(index.as_u8().into()) && value.as_bytes().map(Vec::len) == Some(*actual)
        }),
        Malformed::TimestampZero => some(Field::Timestamp, &|value| number(value) == Some(0)),
        Malformed::TooDeep { max } => depth(value) > *max,
        Malformed::TooManyItems { max } => count(value) > *max,
        // ciborium makes integers of the tags of big ones.
        Malformed::UnexpectedTag { tag: 2 | 3 } => true,
        Malformed::UnexpectedTag { tag } => has_tag(value, *tag),
        Malformed::UnknownField { name } => {
            let known = |key: &str| FIELDS.iter().any(|field| field.as_str() == key);
            entries.iter().filter_map(|(key, _)| key.as_text()).any(|key| !known(key) && key.starts_with(name.as_str()))
        }
        Malformed::WrongType { field } => some(*field, &|value| !has_type(*field, value)),
        _ => false,
    }
}

/// Floats, simple values other than false, true and null, and these three in two bytes.
fn is_unsupported(head: u8) -> bool {
    (0xe0..=0xff).contains(&head) && !(0xf4..=0xf6).contains(&head)
}

fn has_type(field: Field, value: &Value) -> bool {
    let bytes = Value::is_bytes;
    match field {
        Field::ModuleId | Field::Digest => value.is_text(),
        Field::Timestamp => number(value).is_some(),
        Field::Certificate => bytes(value),
        Field::Cabundle => value.as_array().is_some_and(|items| items.iter().all(bytes)),
        Field::Pcrs => value
            .as_map()
            .is_some_and(|entries| entries.iter().all(|(key, value)| number(key).is_some() && bytes(value))),
        _ => bytes(value) || value.is_null(),
    }
}

/// Of a string, or of each string in an array.
fn lengths(value: &Value) -> Vec<usize> {
    match value {
        Value::Bytes(bytes) => vec![bytes.len()],
        Value::Text(text) => vec![text.len()],
        Value::Array(items) => items.iter().flat_map(lengths).collect(),
        _ => Vec::new(),
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|number| u64::try_from(number).ok())
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        Value::Tag(_, value) => vec![value],
        _ => Vec::new(),
    }
}

fn depth(value: &Value) -> usize {
    let below = children(value).into_iter().map(depth).max().unwrap_or(0);
    below + usize::from(value.is_array() || value.is_map())
}

fn count(value: &Value) -> usize {
    1 + children(value).into_iter().map(count).sum::<usize>()
}

fn has_tag(value: &Value, tag: u64) -> bool {
    matches!(value, Value::Tag(number, _) if *number == tag)
        || children(value).into_iter().any(|child| has_tag(child, tag))
}

const FIELDS: [Field; 9] = [
    Field::Cabundle,
    Field::Certificate,
    Field::Digest,
    Field::ModuleId,
    Field::Nonce,
    Field::Pcrs,
    Field::PublicKey,
    Field::Timestamp,
    Field::UserData,
];
