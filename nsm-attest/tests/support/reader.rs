//! Documents as an independent reader, ciborium, sees them. Nothing here needs the simulator.
#![allow(clippy::unwrap_used, reason = "a helper of tests")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use ciborium::Value;
use nsm_attest::UnverifiedDocument;

/// Holds every field against what ciborium reads.
pub fn assert_ciborium_agrees(document: &UnverifiedDocument) {
    let (fields, entries) = (document.unverified(), payload_entries(document));
    let field = |name| get(&entries, name).filter(|value| !value.is_null());
    let bytes = |name| field(name).map(|value| value.as_bytes().unwrap().clone());
    let number = |value: &Value| u64::try_from(value.as_integer().unwrap()).unwrap();

    assert_eq!(field("module_id").and_then(Value::as_text), Some(fields.module_id.as_str()));
    assert_eq!(field("digest").and_then(Value::as_text), Some("SHA384"));
    assert_eq!(field("timestamp").map(number), Some(fields.timestamp.as_millis()));
    assert_eq!(bytes("certificate").as_ref(), Some(&fields.certificate));
    let bundle = field("cabundle").and_then(Value::as_array).unwrap();
    assert_eq!(bundle.iter().map(|der| der.as_bytes().unwrap().clone()).collect::<Vec<_>>(), fields.cabundle);
    let mut pcrs: Vec<_> = field("pcrs").and_then(Value::as_map).unwrap().iter().collect();
    pcrs.sort_by_key(|(index, _)| number(index));
    let pcrs: Vec<_> = pcrs.iter().map(|(index, value)| (number(index), &value.as_bytes().unwrap()[..])).collect();
    let ours: Vec<_> = fields.pcrs.iter().map(|(index, value)| (u64::from(index.as_u8()), value.as_bytes())).collect();
    assert_eq!(pcrs, ours);
    assert_eq!(bytes("public_key"), fields.public_key);
    assert_eq!(bytes("user_data"), fields.user_data);
    assert_eq!(bytes("nonce"), fields.nonce);
}

/// The payload as an independent reader sees it.
pub fn payload_entries(document: &UnverifiedDocument) -> Vec<(Value, Value)> {
    let payload: Value = ciborium::from_reader(document.payload()).unwrap();
    payload.into_map().unwrap()
}

pub fn get<'a>(entries: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    entries.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}
