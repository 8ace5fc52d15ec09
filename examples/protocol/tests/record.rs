//! A record opens as it was sealed, or not at all.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

mod support;

use chain_signers::Curve;
use proptest::prelude::*;
use signer_protocol::record::{
    ContentKey, DataKey, KeyId, MAX_POLICY_LEN, MAX_RECORD_LEN, MalformedRecord, OpenError, Record, RecordHeader,
    SealError, SpkiDigest,
};

use crate::support::{ARN, Counter, SECRET, data_key, header, sealed, try_seal};

#[test]
fn a_record_opens_with_its_data_key_and_survives_encoding() {
    let record = sealed(header());
    let again = Record::from_bytes(&record.to_bytes()).unwrap();
    assert_eq!(again, record);
    assert_eq!(again.digest(), record.digest());
    assert_eq!(again.header().encryption_context()["revision"], "0");
    assert_eq!(again.open(0, &data_key()).unwrap().as_bytes(), &SECRET);
}

#[test]
fn another_data_key_or_wrap_does_not_open_it() {
    let record = sealed(header());
    let other = DataKey::from_bytes(&[9; 32]).unwrap();
    assert_eq!(record.open(0, &other).unwrap_err(), OpenError);
    assert_eq!(record.open(1, &data_key()).unwrap_err(), OpenError);
    assert_eq!(DataKey::from_bytes(&[7; 31]).unwrap_err(), OpenError);
}

#[test]
fn no_byte_of_a_record_can_be_changed() {
    let bytes = sealed(header()).to_bytes();
    for position in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[position] ^= flip;
            let Ok(record) = Record::from_bytes(&changed) else { continue };
            assert_eq!(record.open(0, &data_key()).unwrap_err(), OpenError, "byte {position} ^ {flip:#x}");
        }
    }
}

#[test]
fn a_wrap_of_one_record_does_not_serve_another() {
    let (first, mut other) = (header(), header());
    other.policy = br#"{"version":1,"rules":["everything"]}"#.to_vec();
    let content_key = ContentKey::generate(&mut Counter(1)).unwrap();
    let wrap = content_key.wrap(&first, ARN, &data_key(), vec![1; 64], &mut Counter(2)).unwrap();
    let forged = Record::seal(other, vec![wrap], &SECRET, content_key, &mut Counter(3)).unwrap();
    assert_eq!(forged.open(0, &data_key()).unwrap_err(), OpenError);
}

#[test]
fn every_field_of_the_header_changes_the_digest() {
    let digest = sealed(header()).digest();
    let changes: [fn(&mut RecordHeader); 7] = [
        |h| h.key_id = KeyId::from_bytes([2; 16]),
        |h| h.family = "solana".into(),
        |h| h.curve = Curve::Ed25519,
        |h| h.public_key[5] ^= 1,
        |h| h.policy.push(b' '),
        |h| h.callers = vec![SpkiDigest::from_bytes([1; 32])],
        |h| h.revision = 1,
    ];
    for change in changes {
        let mut changed = header();
        change(&mut changed);
        assert_ne!(sealed(changed).digest(), digest);
    }
}

#[test]
fn limits_are_named() {
    let mut long = header();
    long.policy = vec![b' '; MAX_POLICY_LEN + 1];
    let refused = MalformedRecord::Length { field: "policy", min: 1, max: MAX_POLICY_LEN, actual: MAX_POLICY_LEN + 1 };
    assert_eq!(try_seal(long, 1).unwrap_err(), SealError::Malformed(refused));
    assert!(matches!(
        try_seal(header(), 9).unwrap_err(),
        SealError::Malformed(MalformedRecord::Length { field: "wraps", actual: 9, .. })
    ));
    let twice = RecordHeader { callers: vec![SpkiDigest::from_bytes([7; 32]); 2], ..header() };
    let repeated = MalformedRecord::RepeatedCaller { caller: SpkiDigest::from_bytes([7; 32]) };
    assert_eq!(try_seal(twice, 1).unwrap_err(), SealError::Malformed(repeated));
    let huge = vec![0; MAX_RECORD_LEN + 1];
    assert!(matches!(Record::from_bytes(&huge), Err(MalformedRecord::Length { field: "record", .. })));
}

#[test]
fn another_encoding_of_the_same_record_is_refused() {
    let mut trailing = sealed(header()).to_bytes();
    trailing.push(0);
    assert_eq!(Record::from_bytes(&trailing), Err(MalformedRecord::Encoding { part: "record" }));

    // 0xb8 0x05 is a map of five entries as well, with its length in a byte of its own.
    let mut longer = sealed(header()).to_bytes();
    assert_eq!(longer[0], 0xa5);
    longer.splice(0..1, [0xb8, 0x05]);
    assert_eq!(Record::from_bytes(&longer), Err(MalformedRecord::Encoding { part: "record" }));
}

#[test]
fn nothing_secret_is_printed() {
    let content_key = ContentKey::generate(&mut Counter(1)).unwrap();
    assert_eq!(format!("{content_key:?}"), "ContentKey { .. }");
    assert_eq!(format!("{:?}", data_key()), "DataKey { .. }");
    let secret = sealed(header()).open(0, &data_key()).unwrap();
    assert_eq!(format!("{secret:?}"), "UnsealedSecret { .. }");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Record::from_bytes(&bytes).is_err());
    }

    #[test]
    fn decoding_yields_what_was_sealed(policy in proptest::collection::vec(any::<u8>(), 1..2048), revision: u32, id: [u8; 16]) {
        let header = RecordHeader { policy, revision, key_id: KeyId::from_bytes(id), ..header() };
        let record = sealed(header.clone());
        let again = Record::from_bytes(&record.to_bytes()).unwrap();
        prop_assert_eq!(again.header(), &header);
        prop_assert_eq!(again.to_bytes(), record.to_bytes());
    }
}
