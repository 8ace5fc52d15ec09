//! Raw Aptos transactions: what decodes re-encodes to the same bytes, and says one thing at what price.
#![no_main]

use chain_signers::aptos::Aptos;
use chain_signers::{Chain, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(transaction) = Aptos.decode(&Payload::new(Encoding::Binary, data)) else { return };
    assert_eq!(transaction.to_bytes(), data);
    let summary = transaction.summary();
    assert_eq!(summary.actions.len(), 1);
    assert!(summary.fee_ceiling.is_some());
    let again = Aptos.decode(&Payload::new(Encoding::Binary, data).on_chain(&summary.chain_id)).expect("its own chain");
    assert_eq!(again.summary(), summary);
});
