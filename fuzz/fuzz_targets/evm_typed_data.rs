//! Ethereum's typed data, and messages: what decodes means the same in its canonical form, and only its own signature fits.
#![no_main]

use chain_signers::evm::{Evm, recover_message_signer, recover_typed_data_signer};
use chain_signers::{Chain, ChainId, Encoding, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(typed) = Evm.decode(&Payload::new(Encoding::TypedData, data)) {
        let bytes = typed.to_bytes();
        let again = Evm.decode(&Payload::new(Encoding::TypedData, &bytes)).expect("own output decodes");
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.summary(), typed.summary());
        assert!(!typed.summary().text.contains(char::is_control));
        assert!(recover_typed_data_signer(data, &[27; 64]).is_err(), "a signature has 65 bytes");
    }
    let chain_id: ChainId = "eip155:1".parse().expect("a chain id");
    if let Ok(message) = Evm.decode(&Payload::new(Encoding::Message, data).on_chain(&chain_id)) {
        assert_eq!(message.to_bytes(), data);
        assert!(!message.summary().text.contains(char::is_control));
        assert!(Evm.decode(&Payload::new(Encoding::Binary, data)).is_err(), "no transaction");
        assert!(Evm.decode(&Payload::new(Encoding::Json, data)).is_err(), "no transaction");
    }
    if let Some((signature, message)) = data.split_at_checked(65) {
        let _ = recover_message_signer(message, signature);
    }
});
