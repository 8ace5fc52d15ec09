//! Attestation documents: what decodes says the same to another reader, and encodes and decodes to the same again; what
//! the other reader finds right and plainly encoded, decodes. The input is tried as a whole document and as the payload
//! of one, because a fuzzer seldom gets past the envelope.
#![no_main]

use ciborium::Value;
use fuzz::{Style, enveloped, hash, read, restructure};
use libfuzzer_sys::fuzz_target;
use nsm_attest::UnverifiedDocument;

fuzz_target!(|data: &[u8]| {
    check(data);
    if data.len() <= UnverifiedDocument::MAX_LEN && check(&enveloped(data)) {
        check_neighbour(data);
    }
});

/// A right payload is rare, hence worth a second try with some change, which the input chooses.
fn check_neighbour(payload: &[u8]) {
    let mut value: Value = ciborium::from_reader(payload).expect("another reader has read it");
    restructure(&mut value, hash(payload));
    let styles = Style::ALL;
    check(&enveloped(&styles[payload.len() % styles.len()].encode(&value)));
}

/// Whether the document is accepted, as it should be.
fn check(bytes: &[u8]) -> bool {
    let reading = payload_of(bytes).map(|payload| read(&payload));
    let first = match (UnverifiedDocument::from_bytes(bytes), reading) {
        (Ok(first), reading) => {
            let reading = reading.expect("another reader finds the envelope").expect("and the document in it");
            assert_same(&first, &reading);
            first
        }
        (Err(error), Some(Ok(reading))) if reading.is_plain && bytes.len() <= UnverifiedDocument::MAX_LEN => {
            panic!("refused, though nothing is wrong with it: {error}")
        }
        (Err(_), _) => return false,
    };
    assert_eq!(first.as_bytes(), bytes, "what was signed is kept as it came");
    let again = UnverifiedDocument::from_bytes(&enveloped(&first.unverified().encode())).expect("own output decodes");
    assert_eq!(first.unverified(), again.unverified());
    true
}

/// The payload of a COSE_Sign1 of the one shape that documents have, tagged or not.
fn payload_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let value: Value = ciborium::from_reader(&mut rest).ok()?;
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).ok()?;
    let items = match value {
        Value::Tag(18, inner) => inner.into_array(),
        value => value.into_array(),
    };
    match <[_; 4]>::try_from(items.ok()?).ok()? {
        [Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)]
            if protected == b"\xa1\x01\x38\x22"
                && unprotected.is_empty()
                && signature.len() == 96
                && rest.is_empty()
                && again == bytes =>
        {
            Some(payload)
        }
        _ => None,
    }
}

fn assert_same(document: &UnverifiedDocument, reading: &fuzz::Reading) {
    let document = document.unverified();
    assert_eq!(document.module_id, reading.module_id);
    assert_eq!(document.timestamp.as_millis(), reading.timestamp);
    let pcrs = document.pcrs.iter().map(|(index, value)| (index.as_u8(), value.as_bytes()));
    assert!(pcrs.eq(reading.pcrs.iter().map(|(index, value)| (*index, &**value))), "{:?}", document.pcrs);
    assert_eq!(document.certificate, reading.certificate);
    assert_eq!(document.cabundle, reading.cabundle);
    assert_eq!(document.public_key, reading.public_key);
    assert_eq!(document.user_data, reading.user_data);
    assert_eq!(document.nonce, reading.nonce);
}
