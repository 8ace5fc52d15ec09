//! Attestation documents: what decodes, encodes and decodes to the same again. The input is tried as a whole document
//! and as the payload of one, because a fuzzer seldom gets past the envelope.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsm_attest::UnverifiedDocument;

fuzz_target!(|data: &[u8]| {
    check(data);
    if data.len() <= UnverifiedDocument::MAX_LEN {
        check(&enveloped(data));
    }
});

fn check(bytes: &[u8]) {
    let Ok(first) = UnverifiedDocument::from_bytes(bytes) else { return };
    assert_eq!(first.as_bytes(), bytes, "what was signed is kept as it came");
    let again = UnverifiedDocument::from_bytes(&enveloped(&first.unverified().encode())).expect("own output decodes");
    assert_eq!(first.unverified(), again.unverified());
}

/// An untagged COSE_Sign1 with ES384 and a signature of zeros.
fn enveloped(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];
    // The wrapper's lengths have one spelling, the shortest.
    let len = u16::try_from(payload.len()).expect("a payload of at most MAX_LEN bytes");
    match len.to_be_bytes() {
        [0, len @ ..24] => bytes.push(0x40 + len),
        [0, len] => bytes.extend([0x58, len]),
        [high, low] => bytes.extend([0x59, high, low]),
    }
    bytes.extend(payload);
    bytes.extend([0x58, 96]);
    bytes.extend([0; 96]);
    bytes
}
