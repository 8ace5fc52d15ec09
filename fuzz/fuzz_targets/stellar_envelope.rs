//! Stellar envelopes: what decodes re-encodes to the same bytes, only for the network it was said to be for, and does
//! something at a known price.
#![no_main]

use std::sync::LazyLock;

use chain_signers::stellar::Stellar;
use chain_signers::{Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(Stellar.decode(&Payload::new(Encoding::Binary, data)).is_err(), "an envelope names no network");
    if let Ok(transaction) = Stellar.decode(&Payload::new(Encoding::Binary, data).on_chain(&PUBNET)) {
        assert_eq!(transaction.to_bytes(), data);
        let summary = transaction.summary();
        assert_eq!(summary.chain_id, *PUBNET);
        assert!(!summary.actions.is_empty() && summary.fee_ceiling.is_some());
    }
});

static PUBNET: LazyLock<ChainId> = LazyLock::new(|| "stellar:pubnet".parse().expect("a chain id"));
