//! Cosmos transactions: binary ones re-encode to themselves; JSON ones mean the same in their canonical form.
#![no_main]

use chain_signers::cosmos::Cosmos;
use chain_signers::{Chain, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(transaction) = Cosmos.decode(&Payload::new(Encoding::Binary, data)) {
        assert_eq!(transaction.to_bytes(), data);
        assert!(!transaction.summary().actions.is_empty());
    }
    if let Ok(transaction) = Cosmos.decode(&Payload::new(Encoding::Json, data)) {
        let bytes = transaction.to_bytes();
        let again = Cosmos.decode(&Payload::new(Encoding::Json, &bytes)).expect("own output decodes");
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.summary(), transaction.summary());
    }
});
