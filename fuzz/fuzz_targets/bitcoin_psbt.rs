//! PSBTs of one signer: they re-encode to the same bytes, are signed, and give a transaction. The same bytes as a message
//! are a message or a transaction, and never both.
#![no_main]

use std::sync::{Arc, LazyLock};

use chain_signers::{
    Chain, ChainId, ChainSigner, Curve, Encoding, Payload, SigningKey,
    bitcoin::{AddressType, Bitcoin, extract},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let decoded = Bitcoin::default().decode(&payload(Encoding::Binary, data));
    if let Ok(transaction) = &decoded {
        assert_eq!(transaction.to_bytes(), data);
        assert!(!transaction.summary().actions.is_empty());
        let signed = SIGNER.sign(transaction.as_ref()).expect("it is the signer's");
        extract(&signed.bytes).expect("own output is final");
        let again = Bitcoin::default().decode(&payload(Encoding::Binary, &signed.bytes));
        assert!(again.is_err(), "nothing is signed twice");
    }
    let message = Bitcoin::with_address_type(AddressType::P2tr).decode(&payload(Encoding::Message, data));
    if let Ok(message) = message {
        assert!(decoded.is_err());
        assert_eq!(message.to_bytes(), data);
    }
    let _ = extract(data);
});

fn payload(encoding: Encoding, bytes: &[u8]) -> Payload<'_> {
    Payload::new(encoding, bytes).on_chain(&CHAIN).for_signer(SIGNER.verifying_key())
}

static CHAIN: LazyLock<ChainId> =
    LazyLock::new(|| "bip122:000000000019d6689c085ae165831e93".parse().expect("the main network"));

/// The key of the seeds.
static SIGNER: LazyLock<ChainSigner> = LazyLock::new(|| {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32]).expect("a scalar");
    ChainSigner::new(Arc::new(Bitcoin::default()), key).expect("a key with an address")
});
