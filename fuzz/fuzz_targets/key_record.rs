//! Key records: what decodes re-encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signer_protocol::Record;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = Record::from_bytes(data) {
        assert_eq!(record.to_bytes(), data);
    }
});
