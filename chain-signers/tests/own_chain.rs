//! A crate outside this one brings its own chain. Its transactions are plain messages, which makes it the way to hold
//! ed25519 against the published answers of RFC 8032.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Action, Chain, ChainId, ChainSigner, Curve, DecodeError, KeyError, Payload, Registry, RegistryError, SignError,
    Signature, SignedTransaction, SigningKey, SigningPayload, Summary, Transaction, VerifyingKey, policy::Policy,
};

/// RFC 8032, section 7.1: secret key, public key, message, signature.
const RFC_8032: [(&str, &str, &str, &str); 3] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
         d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
         387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659\
         4a7c15e9716ed28dc027beceea1ec40a",
    ),
];

#[test]
fn ed25519_signatures_match_rfc_8032() {
    for (secret, public, message, expected) in RFC_8032 {
        let key = SigningKey::from_secret_bytes(Curve::Ed25519, &hex::decode(secret).unwrap()).unwrap();
        assert_eq!(hex::encode(key.verifying_key().to_bytes()), public);
        let message = hex::decode(message).unwrap();
        let signer = ChainSigner::new(Arc::new(Notary { hashes: false }), key).unwrap();
        let note = signer.chain().decode(&Payload::new(chain_signers::Encoding::Binary, &message)).unwrap();
        let signed = signer.sign(note.as_ref()).unwrap();
        assert_eq!(hex::encode(&signed.bytes), expected);
        let signature = Signature::from_bytes(Curve::Ed25519, &signed.bytes, None).unwrap();
        let payload = SigningPayload::message(message);
        assert_eq!(signer.verifying_key().verify(&payload, &signature), Ok(()));
        assert!(signer.verifying_key().verify(&SigningPayload::message(vec![1]), &signature).is_err());
    }
}

#[test]
fn a_registry_takes_each_namespace_once() {
    let mut registry = Registry::with_enabled_chains();
    registry.register(Arc::new(Notary { hashes: false })).unwrap();
    let taken = RegistryError::NamespaceTaken { namespace: "notary".to_owned() };
    assert_eq!(registry.register(Arc::new(Notary { hashes: false })), Err(taken));
    let id: ChainId = "notary:desk-1".parse().unwrap();
    assert_eq!(registry.for_chain_id(&id).unwrap().namespace(), "notary");
    assert!(registry.namespaces().any(|namespace| namespace == "notary"));
}

#[test]
fn a_chain_spells_an_address_alike_on_all_its_chains_unless_it_says_otherwise() {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &[3; 32]).unwrap().verifying_key();
    let notary = Notary { hashes: false };
    assert_eq!(notary.address_on(&key, &"notary:desk-2".parse().unwrap()), notary.address(&key));
}

#[test]
fn the_policy_judges_a_foreign_chain_and_never_permits_what_it_cannot_name() {
    let note = Notary { hashes: false }.decode(&Payload::new(chain_signers::Encoding::Binary, b"sell all")).unwrap();
    let policy = Policy::from_json(
        br#"{"version":1,"rules":[{"name":"all","effect":"allow","chains":["notary:desk-1"],"destinations":["*"]}]}"#,
    )
    .unwrap();
    let decision = policy.evaluate(note.summary());
    assert!(!decision.allowed, "{decision:?}");
    assert_eq!(decision.reason, "no rule allows a note of 8 bytes on notary:desk-1");
}

#[test]
fn a_signer_refuses_other_chains_curves_and_payload_kinds() {
    let key = |curve| SigningKey::from_secret_bytes(curve, &[3; 32]).unwrap();
    let refused = ChainSigner::new(Arc::new(Notary { hashes: false }), key(Curve::Secp256k1)).unwrap_err();
    assert_eq!(refused, SignError::CurveMismatch { expected: Curve::Ed25519, actual: Curve::Secp256k1 });
    // A chain that hashes on a curve that takes messages is a defect of that chain; nothing is signed.
    let signer = ChainSigner::new(Arc::new(Notary { hashes: true }), key(Curve::Ed25519)).unwrap();
    let note = signer.chain().decode(&Payload::new(chain_signers::Encoding::Binary, b"hi")).unwrap();
    assert_eq!(signer.sign(note.as_ref()), Err(SignError::PayloadKind { curve: Curve::Ed25519 }));
    let debug = format!("{signer:?}");
    assert!(debug.contains("Notary") && !debug.contains("key"), "{debug}");
}

#[cfg(feature = "solana")]
#[test]
fn a_signer_refuses_a_transaction_of_another_kind_of_chain() {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &[3; 32]).unwrap();
    let signer = ChainSigner::new(Arc::new(chain_signers::solana::Solana), key).unwrap();
    let note = Notary { hashes: false }.decode(&Payload::new(chain_signers::Encoding::Binary, b"hi")).unwrap();
    let refused = signer.sign(note.as_ref()).unwrap_err();
    let actual = "notary:desk-1".parse().unwrap();
    assert_eq!(refused, SignError::NamespaceMismatch { expected: "solana".to_owned(), actual });
}

#[derive(Debug)]
struct Notary {
    hashes: bool,
}

impl Chain for Notary {
    fn namespace(&self) -> &str {
        "notary"
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        Ok(hex::encode(key.to_bytes()))
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let description = format!("a note of {} bytes", payload.bytes.len());
        let summary = Summary {
            chain_id: ChainId::new("notary", "desk-1").unwrap(),
            text: description.clone(),
            actions: vec![Action::Unknown { description }],
            fee_ceiling: None,
        };
        Ok(Box::new(Note { bytes: payload.bytes.to_vec(), summary, hashes: self.hashes }))
    }
}

#[derive(Debug)]
struct Note {
    bytes: Vec<u8>,
    summary: Summary,
    hashes: bool,
}

impl Transaction for Note {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, _signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        Ok(vec![match self.hashes {
            false => SigningPayload::message(self.bytes.clone()),
            true => SigningPayload::hashed(self.bytes.clone(), chain_signers::Sighash::new([1; 32])),
        }])
    }

    fn assemble(&self, _signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        let bytes = signatures[0].to_bytes().to_vec();
        Ok(SignedTransaction { id: hex::encode(&bytes[..8]), bytes })
    }
}
