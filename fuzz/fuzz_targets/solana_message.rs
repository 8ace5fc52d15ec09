//! Solana messages: what decodes re-encodes to the same bytes, and only for the chain it was said to be for.
#![no_main]

use std::sync::LazyLock;

use chain_signers::solana::Solana;
use chain_signers::{Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(Solana.decode(&Payload::new(Encoding::Binary, data)).is_err(), "a message names no cluster");
    if let Ok(transaction) = Solana.decode(&Payload::new(Encoding::Binary, data).on_chain(&MAINNET)) {
        assert_eq!(transaction.to_bytes(), data);
        assert_eq!(transaction.summary().chain_id, *MAINNET);
    }
});

static MAINNET: LazyLock<ChainId> =
    LazyLock::new(|| "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp".parse().expect("a chain id"));
