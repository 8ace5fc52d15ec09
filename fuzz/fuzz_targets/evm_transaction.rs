//! Ethereum transactions and authorizations: binary ones re-encode to the same bytes; JSON ones mean the same in their
//! binary encoding.
#![no_main]

use chain_signers::evm::{Evm, recover_authority, recover_sender};
use chain_signers::{Chain, ChainId, Encoding, Payload, Transaction};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(transaction) = decode(Encoding::Binary, data) {
        assert_eq!(transaction.to_bytes(), data);
    }
    if let Some(transaction) = decode(Encoding::Json, data) {
        let bytes = transaction.to_bytes();
        let again = decode(Encoding::Binary, &bytes).expect("own output decodes");
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.summary(), transaction.summary());
    }
    // Signed ones are held to their exact encoding inside.
    let _ = recover_sender(data);
    let _ = recover_authority(data);
});

/// On the chain that it names, or on the main network if it is an authorization for all.
fn decode(encoding: Encoding, data: &[u8]) -> Option<Box<dyn Transaction>> {
    let main: ChainId = "eip155:1".parse().expect("a chain id");
    let payload = Payload::new(encoding, data);
    Evm.decode(&payload).or_else(|_| Evm.decode(&payload.on_chain(&main))).ok()
}
