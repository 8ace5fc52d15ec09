//! Sui transactions: what decodes re-encodes to the same bytes, only for the network it was said to be for, at a known
//! price.
#![no_main]

use std::sync::LazyLock;

use chain_signers::sui::Sui;
use chain_signers::{Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(Sui.decode(&Payload::new(Encoding::Binary, data)).is_err(), "a transaction names no network");
    if let Ok(transaction) = Sui.decode(&Payload::new(Encoding::Binary, data).on_chain(&MAINNET)) {
        assert_eq!(transaction.to_bytes(), data);
        assert_eq!(transaction.summary().chain_id, *MAINNET);
        assert!(transaction.summary().fee_ceiling.is_some());
    }
});

static MAINNET: LazyLock<ChainId> = LazyLock::new(|| "sui:mainnet".parse().expect("a chain id"));
