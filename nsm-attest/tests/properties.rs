//! What holds for all documents: an independent reader agrees with the decoder, and encoding inverts decoding.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/reasons.rs"]
mod reasons;
#[path = "support/reencode.rs"]
mod reencode;
mod support;

use std::sync::LazyLock;

use ciborium::Value;
use nsm_attest::{AttestationRequest, Error, Malformed, PcrIndex, Policy, Rejection, UnverifiedDocument, UserData};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use support::{BOOT, Setup, assert_ciborium_agrees, encode, payload_entries, set};

static SETUP: LazyLock<Setup> = LazyLock::new(Setup::new);

fn optional_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(vec(any::<u8>(), 0..=1024))
}

fn request() -> impl Strategy<Value = AttestationRequest> {
    (optional_bytes(), optional_bytes(), optional_bytes())
        .prop_map(|(public_key, user_data, nonce)| AttestationRequest { public_key, user_data, nonce })
}

fn registers() -> impl Strategy<Value = Vec<(Value, Value)>> {
    let value = prop::sample::select(vec![32_usize, 48, 64]).prop_flat_map(|len| vec(any::<u8>(), len));
    let entries = btree_map(0_u8..32, value, 1..=32).prop_map(|map| map.into_iter().collect::<Vec<_>>());
    entries
        .prop_shuffle()
        .prop_map(|entries| entries.into_iter().map(|(index, value)| (index.into(), Value::Bytes(value))).collect())
}

/// CBOR of the kinds documents use, and some that they do not.
fn item() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        vec(any::<u8>(), 0..60).prop_map(Value::Bytes),
        "[a-z_]{0,12}".prop_map(Value::Text),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Float),
    ];
    leaf.prop_recursive(3, 40, 10, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..10).prop_map(Value::Array),
            vec((inner.clone(), inner.clone()), 0..10).prop_map(Value::Map),
            (any::<u64>(), inner).prop_map(|(tag, value)| Value::Tag(tag, Box::new(value))),
        ]
    })
}

/// Choices among the encodings of a payload; there are about three for each item.
fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..300), Just(vec![])]
}

/// One change of a document's fields that may break a rule.
fn alteration() -> impl Strategy<Value = (Value, Option<Value>)> {
    let names = ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "user_data", "nonce"];
    let name = prop_oneof![
        6 => prop::sample::select(names.to_vec()).prop_map(Value::from),
        1 => prop::sample::select(vec!["nitrotpm_pcrs", "Nonce", ""]).prop_map(Value::from),
        1 => item(),
    ];
    let pcrs = vec((prop_oneof![0_u64..40, any::<u64>()], prop::sample::select(vec![0_usize, 32, 47, 48, 64])), 0..35);
    let pcrs = pcrs.prop_map(|pcrs| {
        Value::Map(pcrs.into_iter().map(|(index, len)| (index.into(), Value::Bytes(vec![1; len]))).collect())
    });
    let long = (1020_usize..1030).prop_map(|len| Value::Bytes(vec![0; len]));
    let value = prop_oneof![
        item(),
        pcrs,
        long.clone(),
        vec(long, 0..3).prop_map(Value::Array),
        vec(Just(Value::Bytes(vec![1])), 0..20).prop_map(Value::Array),
        (0_u64..2).prop_map(Value::from),
        "(SHA384|sha384|SHA256|.{0,80})".prop_map(Value::from),
    ];
    (name, prop::option::weighted(0.9, value))
}

/// Accepted, the payload says what ciborium reads there; refused although ciborium reads it, it has the defect that the
/// error names.
fn assert_ciborium_explains(payload: &[u8]) {
    let mut rest = payload;
    let read = ciborium::from_reader::<Value, _>(&mut rest).ok().filter(|_| rest.is_empty());
    match UnverifiedDocument::from_bytes(&SETUP.nsm.sign(payload).unwrap()) {
        Ok(document) => {
            assert!(read.is_some(), "accepted what ciborium cannot read");
            assert_ciborium_agrees(&document);
        }
        Err(Malformed::TooLong { actual, max }) => assert!(actual > max),
        Err(defect) => {
            let is_true = read.is_none_or(|value| reasons::is_true(&defect, payload, &value));
            assert!(is_true, "{defect:?}, but ciborium sees no such defect");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ciborium_agrees_on_documents(request in request()) {
        let document = SETUP.document_for(&request);
        assert_ciborium_agrees(&document);
        let fields = document.unverified();
        prop_assert_eq!(&fields.public_key, &request.public_key);
        prop_assert_eq!(&fields.user_data, &request.user_data);
        prop_assert_eq!(&fields.nonce, &request.nonce);
        prop_assert!(document.verify(&SETUP.anchor, &SETUP.policy().build(), BOOT).is_ok());
    }

    #[test]
    fn ciborium_agrees_on_registers_and_order(
        pcrs in registers(),
        entries in Just(payload_entries(&SETUP.document())).prop_shuffle(),
        timestamp in 1_u64..,
    ) {
        let mut entries = entries;
        set(&mut entries, "pcrs", Value::Map(pcrs));
        set(&mut entries, "timestamp", timestamp);
        let document = UnverifiedDocument::from_bytes(&SETUP.sign(&Value::Map(entries))).unwrap();
        assert_ciborium_agrees(&document);
    }

    #[test]
    fn every_encoding_of_a_document_says_the_same(
        request in request(),
        pcrs in registers(),
        timestamp in 1_u64..,
        choices in choices(),
    ) {
        let mut entries = payload_entries(&SETUP.document_for(&request));
        set(&mut entries, "pcrs", Value::Map(pcrs));
        set(&mut entries, "timestamp", timestamp);
        let payload = Value::Map(entries);
        let plain = UnverifiedDocument::from_bytes(&SETUP.sign(&payload)).unwrap();
        let again = reencode::reencode(&payload, &mut choices.into_iter().cycle());
        prop_assert_eq!(ciborium::from_reader::<Value, _>(&again[..]).unwrap(), payload);
        let again = UnverifiedDocument::from_bytes(&SETUP.nsm.sign(&again).unwrap()).unwrap();
        prop_assert_eq!(again.unverified(), plain.unverified());
        assert_ciborium_agrees(&again);
        // Whatever the encoding, the signature is over these bytes.
        let policy = Policy::builder().pcr(PcrIndex::IMAGE, [[1; 48].into()]).build();
        let refused = again.verify(&SETUP.anchor, &policy, BOOT).map(drop);
        let is_genuine = matches!(
            &refused,
            Err(Error::Rejected(
                Rejection::Expired { .. }
                    | Rejection::IssuedInFuture { .. }
                    | Rejection::DebugMode
                    | Rejection::PcrMismatch { .. }
                    | Rejection::PcrMissing { .. }
            ))
        );
        prop_assert!(is_genuine, "{:?}", refused);
    }

    #[test]
    fn whatever_is_refused_has_the_defect_that_the_error_names(
        alterations in vec((alteration(), any::<bool>()), 0..3),
        entries in Just(payload_entries(&SETUP.document())).prop_shuffle(),
        choices in choices(),
    ) {
        let mut entries = entries;
        for ((name, value), beside) in alterations {
            match value {
                Some(value) if beside => entries.push((name, value)),
                Some(value) => match entries.iter_mut().find(|(key, _)| *key == name) {
                    Some(entry) => entry.1 = value,
                    None => entries.push((name, value)),
                },
                None => entries.retain(|(key, _)| *key != name),
            }
        }
        assert_ciborium_explains(&reencode::reencode(&Value::Map(entries), &mut choices.into_iter().cycle()));
    }

    #[test]
    fn whatever_ciborium_reads_of_altered_bytes_is_accepted_or_has_a_named_defect(
        choices in choices(),
        alterations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let payload = Value::Map(payload_entries(&SETUP.document()));
        let mut payload = reencode::reencode(&payload, &mut choices.into_iter().cycle());
        for (at, byte) in alterations {
            // Mostly before the certificates, in which any byte will do.
            let at = at.index(payload.len().min(600));
            payload[at] = byte;
        }
        assert_ciborium_explains(&payload);
    }

    #[test]
    fn encoding_inverts_decoding(request in request()) {
        let document = SETUP.document_for(&request);
        prop_assert_eq!(UnverifiedDocument::from_bytes(&document.to_bytes()), Ok(document.clone()));
        prop_assert_eq!(document.unverified().encode(), document.payload());
    }

    #[test]
    fn whatever_is_accepted_reads_the_same_elsewhere(name in "[a-z_]{1,11}", value in item(), at in 0_usize..9) {
        let mut entries = payload_entries(&SETUP.document());
        let names: Vec<_> = entries.iter().map(|(key, _)| key.as_text().unwrap().to_owned()).collect();
        let name = names.get(at).filter(|_| name.len() > 2).unwrap_or(&name);
        set(&mut entries, name, value);
        if let Ok(document) = UnverifiedDocument::from_bytes(&SETUP.sign(&Value::Map(entries))) {
            assert_ciborium_agrees(&document);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), payload in item()) {
        let _ = UnverifiedDocument::from_bytes(&bytes);
        let _ = UnverifiedDocument::from_bytes(&SETUP.nsm.sign(&bytes).unwrap());
        let _ = UnverifiedDocument::from_bytes(&SETUP.nsm.sign(&encode(&payload)).unwrap());
    }

    #[test]
    fn user_data_decodes_to_what_encodes_it(bytes in vec(any::<u8>(), 0..80), at in 0_usize..70, change in 1_u8..) {
        if let Ok(user_data) = UserData::decode(&bytes) {
            prop_assert_eq!(user_data.encode(), bytes);
        }
        let mut bytes = UserData::over(nsm_attest::Purpose::Session, b"x").encode();
        let at = at % bytes.len();
        bytes[at] ^= change;
        if let Ok(user_data) = UserData::decode(&bytes) {
            prop_assert_eq!(user_data.encode(), bytes);
        }
    }
}
