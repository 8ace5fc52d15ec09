//! Solana messages: what decodes re-encodes to the same bytes, and only for the chain it was said to be for; its fee is
//! known; and what comes from a lookup table is at most an account of a call.
#![no_main]

use std::sync::LazyLock;

use chain_signers::solana::Solana;
use chain_signers::{Action, Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(Solana.decode(&Payload::new(Encoding::Binary, data)).is_err(), "a message names no cluster");
    if let Ok(transaction) = Solana.decode(&Payload::new(Encoding::Binary, data).on_chain(&MAINNET)) {
        assert_eq!(transaction.to_bytes(), data);
        let summary = transaction.summary();
        assert_eq!(summary.chain_id, *MAINNET);
        assert!(summary.fee_ceiling.is_some());
        for action in &summary.actions {
            assert!(is_in_the_message(action), "{action:?}");
        }
    }
});

fn is_in_the_message(action: &Action) -> bool {
    let named = |names: &[&String]| names.iter().all(|name| !name.starts_with("lookup:"));
    match action {
        Action::Transfer { to, .. } => named(&[to]),
        Action::TokenTransfer { token, to, .. } => named(&[token, to]),
        Action::TokenApproval { token, spender, .. } => named(&[token, spender]),
        Action::ProgramCall { program, .. } => named(&[program]),
        Action::Exception { name } => ["durable_nonce", "memo"].contains(&&**name),
        _ => false,
    }
}

static MAINNET: LazyLock<ChainId> =
    LazyLock::new(|| "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp".parse().expect("a chain id"));
