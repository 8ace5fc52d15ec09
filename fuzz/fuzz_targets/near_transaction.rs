//! NEAR transactions: what decodes re-encodes to the same bytes, only for the network it was said to be for, and does
//! something.
#![no_main]

use std::sync::LazyLock;

use chain_signers::near::Near;
use chain_signers::{Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(Near.decode(&Payload::new(Encoding::Binary, data)).is_err(), "a transaction names no network");
    if let Ok(transaction) = Near.decode(&Payload::new(Encoding::Binary, data).on_chain(&MAINNET)) {
        assert_eq!(transaction.to_bytes(), data);
        assert_eq!(transaction.summary().chain_id, *MAINNET);
        assert!(!transaction.summary().actions.is_empty());
    }
});

static MAINNET: LazyLock<ChainId> = LazyLock::new(|| "near:mainnet".parse().expect("a chain id"));
