//! Ethereum transactions: binary ones re-encode to the same bytes; JSON ones mean the same in their binary encoding.
#![no_main]

use chain_signers::evm::{Evm, recover_sender};
use chain_signers::{Chain, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(transaction) = Evm.decode(&Payload::new(Encoding::Binary, data)) {
        assert_eq!(transaction.to_bytes(), data);
    }
    if let Ok(transaction) = Evm.decode(&Payload::new(Encoding::Json, data)) {
        let bytes = transaction.to_bytes();
        let again = Evm.decode(&Payload::new(Encoding::Binary, &bytes)).expect("own output decodes");
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.summary(), transaction.summary());
    }
    // A signed one is held to its exact encoding inside.
    let _ = recover_sender(data);
});
