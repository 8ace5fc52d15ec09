//! Keys and signatures against published answers.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::convert::Infallible;

use chain_signers::{
    Curve, GenerateError, KeyError, RecoveryId, Sighash, SignError, Signature, SigningKey, SigningPayload,
    VerifyingKey, hazmat,
};
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Published with RFC 6979 nonces for secp256k1 and SHA-256 at <https://bitcointalk.org/index.php?topic=285142.40>, and
/// repeated in the test suites of most Bitcoin libraries; S is the low one. (RFC 6979 itself has no secp256k1 answers.)
const RFC_6979: [(&str, &str, &str); 4] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "Satoshi Nakamoto",
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
         2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "All those moments will be lost in time, like tears in rain. Time to die...",
        "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b\
         547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
    ),
    (
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
        "Satoshi Nakamoto",
        "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0\
         6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
    ),
    (
        "f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181",
        "Alan Turing",
        "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c\
         58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea",
    ),
];

const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

#[test]
fn secp256k1_signatures_match_the_published_rfc_6979_answers() {
    for (secret, message, expected) in RFC_6979 {
        let key = secp256k1(secret);
        let prehash: [u8; 32] = Sha256::digest(message).into();
        let signature = hazmat::sign_prehash(&key, &prehash).unwrap();
        assert_eq!(hex::encode(signature.to_bytes()), expected, "{message}");
        assert_eq!(hazmat::sign_prehash(&key, &prehash).unwrap(), signature, "deterministic");
        assert_eq!(hazmat::verify_prehash(&key.verifying_key(), &prehash, &signature), Ok(()));
        assert_eq!(hazmat::recover(&prehash, &signature), Ok(key.verifying_key()));
    }
}

#[test]
fn a_signature_verifies_only_for_its_key_hash_and_recovery_id() {
    let (key, other) = (secp256k1(&"11".repeat(32)), secp256k1(&"22".repeat(32)));
    let signature = hazmat::sign_prehash(&key, &[7; 32]).unwrap();
    assert!(hazmat::verify_prehash(&other.verifying_key(), &[7; 32], &signature).is_err());
    assert!(hazmat::verify_prehash(&key.verifying_key(), &[8; 32], &signature).is_err());
    let right = signature.recovery_id().unwrap().to_byte();
    for wrong in (0..4).filter(|id| *id != right) {
        let id = RecoveryId::from_byte(wrong);
        let forged = Signature::from_bytes(Curve::Secp256k1, &signature.to_bytes(), id).unwrap();
        assert_ne!(hazmat::recover(&[7; 32], &forged), Ok(key.verifying_key()));
    }
    let anonymous = Signature::from_bytes(Curve::Secp256k1, &signature.to_bytes(), None).unwrap();
    assert!(hazmat::recover(&[7; 32], &anonymous).is_err(), "nothing to recover with");
}

#[test]
fn refuses_a_high_s() {
    let signature = hazmat::sign_prehash(&secp256k1(&"11".repeat(32)), &[7; 32]).unwrap();
    let mut bytes = signature.to_bytes();
    let mut high = [0; 32];
    let (order, mut borrow) = (hex::decode(ORDER).unwrap(), 0_i16);
    for i in (0..32).rev() {
        let digit = i16::from(order[i]) - i16::from(bytes[32 + i]) - borrow;
        borrow = i16::from(digit < 0);
        high[i] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    bytes[32..].copy_from_slice(&high);
    let refused = Signature::from_bytes(Curve::Secp256k1, &bytes, None);
    assert_eq!(refused, Err(KeyError::InvalidSignature { curve: Curve::Secp256k1 }));
}

#[test]
fn refuses_secrets_that_are_no_scalar() {
    for secret in ["00".repeat(32), ORDER.to_owned(), "ff".repeat(32)] {
        let refused = SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap());
        assert_eq!(refused.unwrap_err(), KeyError::InvalidSecret { curve: Curve::Secp256k1 });
    }
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        assert_eq!(
            SigningKey::from_secret_bytes(curve, &[1; 31]).unwrap_err(),
            KeyError::Length { what: "a secret key", expected: 32, actual: 31 }
        );
    }
    let zeros = SigningKey::from_secret_bytes(Curve::Ed25519, &[0; 32]);
    assert_eq!(zeros.unwrap_err(), KeyError::InvalidSecret { curve: Curve::Ed25519 });
}

#[test]
fn refuses_public_keys_that_are_no_point_or_not_its_one_encoding() {
    let refused = |curve, hex: &str| VerifyingKey::from_bytes(curve, &hex::decode(hex).unwrap()).unwrap_err();
    let invalid = |curve| KeyError::InvalidPublicKey { curve };
    // x = 5 is on no point of secp256k1.
    let no_point = format!("02{:0>64}", "5");
    assert_eq!(refused(Curve::Secp256k1, &no_point), invalid(Curve::Secp256k1));
    // Tag 5 is a second spelling of a point of 33 bytes.
    let mut compact = secp256k1(&"11".repeat(32)).verifying_key().to_bytes();
    compact[0] = 5;
    assert_eq!(refused(Curve::Secp256k1, &hex::encode(compact)), invalid(Curve::Secp256k1));
    let uncompressed = secp256k1(&"11".repeat(32)).verifying_key().to_uncompressed_bytes().unwrap();
    let length = KeyError::Length { what: "a public key", expected: 33, actual: 65 };
    assert_eq!(VerifyingKey::from_bytes(Curve::Secp256k1, &uncompressed), Err(length));
    // The neutral element and a point of order 4: signatures by nobody verify under them.
    assert_eq!(refused(Curve::Ed25519, &format!("01{}", "00".repeat(31))), invalid(Curve::Ed25519));
    assert_eq!(refused(Curve::Ed25519, &"00".repeat(32)), invalid(Curve::Ed25519));
    // y = p + 3, the non-canonical spelling of y = 3.
    assert_eq!(refused(Curve::Ed25519, &format!("f0{}7f", "ff".repeat(30))), invalid(Curve::Ed25519));
}

#[test]
fn a_key_shows_nothing_of_itself() {
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        let key = SigningKey::from_secret_bytes(curve, &[0xa5; 32]).unwrap();
        let shown = format!("{key:?} {key:#?}");
        assert!(shown.contains("SigningKey") && shown.contains(&format!("{curve:?}")), "{shown}");
        for trace in ["a5a5", "a5, ", "165"] {
            assert!(!shown.to_lowercase().contains(trace), "{shown}");
        }
        assert!(std::mem::needs_drop::<SigningKey>());
    }
    let error = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0xff; 32]).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("ff"));
}

#[test]
fn keys_are_equal_if_curve_and_secret_are() {
    let key = |curve, byte| SigningKey::from_secret_bytes(curve, &[byte; 32]).unwrap();
    assert_eq!(key(Curve::Secp256k1, 1), key(Curve::Secp256k1, 1));
    assert_ne!(key(Curve::Secp256k1, 1), key(Curve::Secp256k1, 2));
    assert_ne!(key(Curve::Secp256k1, 1), key(Curve::Ed25519, 1));
    assert_ne!(key(Curve::Ed25519, 1), key(Curve::Ed25519, 2));
    assert!(bool::from(key(Curve::Ed25519, 1).ct_eq(&key(Curve::Ed25519, 1))));
}

#[test]
fn generation_draws_again_until_the_scalar_is_below_the_order() {
    let mut rng = Script(vec![hex::decode(ORDER).unwrap(), vec![0; 32], vec![9; 32]]);
    let key = SigningKey::generate(Curve::Secp256k1, &mut rng).unwrap();
    assert_eq!(*key.secret_bytes(), [9; 32]);
    assert!(rng.0.is_empty());
}

#[test]
fn generation_gives_up_on_a_broken_generator_and_passes_on_its_failure() {
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        assert_eq!(SigningKey::generate(curve, &mut Zeros).unwrap_err(), GenerateError::Exhausted);
        assert_eq!(SigningKey::generate(curve, &mut Script(Vec::new())).unwrap_err(), GenerateError::Rng(Dry));
    }
}

#[test]
fn every_usable_key_passes_its_self_test() {
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        let key = SigningKey::from_secret_bytes(curve, &[6; 32]).unwrap();
        assert_eq!(key.pairwise_consistency_test(), Ok(()));
    }
}

#[test]
fn only_secp256k1_signs_hashes() {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap();
    let refused = SignError::CurveMismatch { expected: Curve::Secp256k1, actual: Curve::Ed25519 };
    assert_eq!(hazmat::sign_prehash(&key, &[2; 32]), Err(refused));
}

#[test]
fn a_payload_of_the_wrong_kind_does_not_verify() {
    let key = secp256k1(&"11".repeat(32));
    let signature = hazmat::sign_prehash(&key, &[7; 32]).unwrap();
    let hashed = SigningPayload::hashed(b"before hashing".to_vec(), Sighash::new([7; 32]));
    assert_eq!(key.verifying_key().verify(&hashed, &signature), Ok(()));
    assert!(key.verifying_key().verify(&SigningPayload::message(vec![7; 32]), &signature).is_err());
}

proptest! {
    #[test]
    fn every_secp256k1_signature_recovers_its_key(secret: [u8; 32], prehash: [u8; 32]) {
        let Ok(key) = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret) else { return Ok(()) };
        let signature = hazmat::sign_prehash(&key, &prehash).unwrap();
        prop_assert_eq!(hazmat::recover(&prehash, &signature), Ok(key.verifying_key()));
        prop_assert_eq!(hazmat::verify_prehash(&key.verifying_key(), &prehash, &signature), Ok(()));
        let again = Signature::from_bytes(Curve::Secp256k1, &signature.to_bytes(), signature.recovery_id());
        prop_assert_eq!(again, Ok(signature));
    }

    #[test]
    fn keys_come_back_from_their_bytes(secret: [u8; 32]) {
        for curve in [Curve::Secp256k1, Curve::Ed25519] {
            let Ok(key) = SigningKey::from_secret_bytes(curve, &secret) else { continue };
            prop_assert_eq!(*key.secret_bytes(), secret);
            let public = key.verifying_key();
            prop_assert_eq!(VerifyingKey::from_bytes(curve, &public.to_bytes()), Ok(public));
        }
    }

    #[test]
    fn reading_public_keys_and_signatures_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..70), id: u8) {
        for curve in [Curve::Secp256k1, Curve::Ed25519] {
            if let Ok(key) = VerifyingKey::from_bytes(curve, &bytes) {
                prop_assert_eq!(key.to_bytes(), &bytes[..]);
            }
            if let Ok(signature) = Signature::from_bytes(curve, &bytes, RecoveryId::from_byte(id)) {
                prop_assert_eq!(&signature.to_bytes()[..], &bytes[..]);
                let _ = hazmat::recover(&[1; 32], &signature);
            }
        }
    }
}

fn secp256k1(secret: &str) -> SigningKey {
    SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap()).unwrap()
}

/// A generator that yields what it was given, then fails.
struct Script(Vec<Vec<u8>>);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing left")]
struct Dry;

impl TryRng for Script {
    type Error = Dry;

    fn try_next_u32(&mut self) -> Result<u32, Dry> {
        Err(Dry)
    }

    fn try_next_u64(&mut self) -> Result<u64, Dry> {
        Err(Dry)
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Dry> {
        if self.0.is_empty() {
            return Err(Dry);
        }
        dst.copy_from_slice(&self.0.remove(0));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

struct Zeros;

impl TryRng for Zeros {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}
