//! What holds for all documents: an independent reader agrees with the decoder, and encoding inverts decoding.

mod support;

use std::sync::LazyLock;

use ciborium::Value;
use nsm_attest::{AttestationRequest, UnverifiedDocument, UserData};
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
