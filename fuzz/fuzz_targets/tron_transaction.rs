//! TRON transactions: what decodes re-encodes to the same bytes, and only for the chain it was said to be for.
#![no_main]

use std::sync::LazyLock;

use chain_signers::tron::Tron;
use chain_signers::{Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(Tron.decode(&Payload::new(Encoding::Binary, data)).is_err(), "a transaction names no chain");
    if let Ok(transaction) = Tron.decode(&Payload::new(Encoding::Binary, data).on_chain(&MAINNET)) {
        assert_eq!(transaction.to_bytes(), data);
        assert_eq!(transaction.summary().chain_id, *MAINNET);
        assert!(!transaction.summary().actions.is_empty());
    }
});

static MAINNET: LazyLock<ChainId> = LazyLock::new(|| "tron:728126428".parse().expect("a chain id"));
