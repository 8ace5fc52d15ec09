//! Taproot outputs spent by their key: Schnorr signatures (BIP-340) by a key tweaked with itself (BIP-341, no script tree).

use k256::{
    NonZeroScalar, ProjectivePoint, Scalar,
    ecdsa::{SigningKey, VerifyingKey},
    elliptic_curve::{PrimeField, zeroize::Zeroize},
    schnorr,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Curve, KeyError, SignError, Signature};

/// Signs with the tweaked key, and verifies under the output key, which is computed from the public key alone.
pub(super) fn sign(key: &SigningKey, sighash: &[u8; 32]) -> Result<Signature, SignError> {
    let tweaked = tweak_secret(key).ok_or(SignError::Fault)?;
    let signature = tweaked.sign_raw(sighash, &auxiliary(&tweaked, sighash)).map_err(|_| SignError::Fault)?;
    let output_key = tweak(key.verifying_key())?;
    output_key.verify_raw(sighash, &signature).map_err(|_| SignError::Fault)?;
    Signature::from_schnorr_bytes(&signature.to_bytes()).map_err(|_| SignError::Fault)
}

/// Verifies under the output key of `key`.
pub(super) fn verify(key: &VerifyingKey, sighash: &[u8; 32], signature: &[u8; 64]) -> Result<(), KeyError> {
    let invalid = KeyError::InvalidSignature { curve: Curve::Secp256k1 };
    let signature = schnorr::Signature::from_bytes(signature).map_err(|_| invalid.clone())?;
    tweak(key)?.verify_raw(sighash, &signature).map_err(|_| invalid)
}

/// The x of `key`, which is the internal key.
pub(super) fn internal_key(key: &VerifyingKey) -> [u8; 32] {
    let mut x = [0; 32];
    x.copy_from_slice(&key.to_sec1_point(true).as_bytes()[1..]);
    x
}

/// The x of the output key.
pub(super) fn output_key(key: &VerifyingKey) -> Result<[u8; 32], KeyError> {
    Ok(tweak(key)?.to_bytes().into())
}

/// The hash of BIP-340 that no other tag's collides with.
pub(crate) fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tag = Sha256::digest(tag);
    let hash = Sha256::new().chain_update(tag).chain_update(tag);
    parts.iter().fold(hash, |hash, part| hash.chain_update(part)).finalize().into()
}

/// `P + t·G`, with `P` the point of even y.
fn tweak(key: &VerifyingKey) -> Result<schnorr::VerifyingKey, KeyError> {
    let invalid = KeyError::InvalidPublicKey { curve: Curve::Secp256k1 };
    let internal = internal_key(key);
    let even = schnorr::VerifyingKey::from_slice(&internal).map_err(|_| invalid.clone())?;
    let tweak = tweak_of(&internal).ok_or_else(|| invalid.clone())?;
    let point = ProjectivePoint::from(*even.as_affine()) + ProjectivePoint::mul_by_generator(&tweak);
    schnorr::VerifyingKey::try_from(point.to_affine()).map_err(|_| invalid)
}

/// `d + t`, with `d` negated if its point has an odd y. `None` about once in 2^128.
fn tweak_secret(key: &SigningKey) -> Option<schnorr::SigningKey> {
    let tweak = tweak_of(&internal_key(key.verifying_key()))?;
    let mut secret: Scalar = **key.as_nonzero_scalar();
    if has_odd_y(key.verifying_key()) {
        secret = -secret;
    }
    let mut sum = secret + tweak;
    let tweaked = NonZeroScalar::new(sum);
    secret.zeroize();
    sum.zeroize();
    tweaked.into_option().map(schnorr::SigningKey::from)
}

fn has_odd_y(key: &VerifyingKey) -> bool {
    key.to_sec1_point(true).as_bytes()[0] == 3
}

fn tweak_of(internal: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_repr(tagged_hash("TapTweak", &[internal]).into()).into_option()
}

/// BIP-340's auxiliary data, from key and message and not drawn, so that signing again gives the same bytes.
fn auxiliary(key: &schnorr::SigningKey, sighash: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut secret = key.to_bytes();
    let auxiliary = Zeroizing::new(tagged_hash("chain-signers/schnorr-aux", &[&secret, sighash]));
    secret.zeroize();
    auxiliary
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Sighash, SigningPayload};

    /// BIP-340's <https://github.com/bitcoin/bips/blob/master/bip-0340/test-vectors.csv> without comments; rows 5 and 14
    /// without messages and signatures, since their public keys are none.
    const BIP_340: &str = include_str!("../../tests/vectors/bip-0340.csv");

    /// The key path of BIP-341's wallet-test-vectors.json, those without a script tree: internal key, output key.
    const BIP_341_OUTPUT: (&str, &str) = (
        "d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d",
        "53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343",
    );
    /// The same file's first input: secret internal key, tweaked secret key, sighash, signature.
    const BIP_341_INPUT: (&str, &str, &str, &str) = (
        "6b973d88838f27366ed61c9ad6367663045cb456e28335c109e30717ae0c6baa",
        "2405b971772ad26915c8dcdf10f238753a9b837e5f8e6a86fd7c0cce5b7296d9",
        "2514a6272f85cfa0f45eb907fcb0d121b808ed37c6ea160a5a9046ed5526d555",
        "ed7c1647cb97379e76892be0cacff57ec4a7102aa24296ca39af7541246d8ff1\
         4d38958d4cc1e2e478e4d4a764bbfd835b16d4e314b72937b29833060b87276c",
    );

    #[test]
    fn signs_and_verifies_as_bip_340_says() {
        let mut seen = 0;
        for row in BIP_340.lines().skip(1) {
            let fields: Vec<_> = row.split(',').collect();
            let [index, secret, public, aux, message, signature] = [0, 1, 2, 3, 4, 5].map(|at| fields[at]);
            let (message, signature) = (hex::decode(message).unwrap(), hex::decode(signature).unwrap());
            if !secret.is_empty() {
                let key = schnorr::SigningKey::from_slice(&hex::decode(secret).unwrap()).unwrap();
                let made = key.sign_raw(&message, &array(aux)).unwrap();
                assert_eq!(made.to_bytes()[..], signature, "{index}");
            }
            let verified = schnorr::VerifyingKey::from_slice(&hex::decode(public).unwrap()).is_ok_and(|key| {
                Signature::from_schnorr_bytes(&signature).is_ok_and(|signature| {
                    let signature = schnorr::Signature::from_bytes(&signature.to_bytes()).unwrap();
                    key.verify_raw(&message, &signature).is_ok()
                })
            });
            assert_eq!(verified, fields[6] == "TRUE", "{index}");
            seen += 1;
        }
        assert_eq!(seen, 19);
    }

    #[test]
    fn tweaks_as_bip_341_says() {
        let (internal, output) = BIP_341_OUTPUT;
        let key = VerifyingKey::from_sec1_bytes(&hex::decode(format!("02{internal}")).unwrap()).unwrap();
        assert_eq!(hex::encode(output_key(&key).unwrap()), output);
        let (secret, tweaked, sighash, signature) = BIP_341_INPUT;
        let key = SigningKey::from_slice(&array(secret)).unwrap();
        let tweaked_key = tweak_secret(&key).unwrap();
        // The file gives the sum, which stands for the same x as its negative.
        let sum = schnorr::SigningKey::from_slice(&array(tweaked)).unwrap();
        assert_eq!(tweaked_key.to_bytes(), sum.to_bytes());
        assert_eq!(tweaked_key.verifying_key().to_bytes()[..], output_key(key.verifying_key()).unwrap());
        let zero = tweaked_key.sign_raw(&array(sighash), &[0; 32]).unwrap();
        assert_eq!(hex::encode(zero.to_bytes()), signature, "with auxiliary data of zeros, as in the file");
        assert_eq!(verify(key.verifying_key(), &array(sighash), &zero.to_bytes()), Ok(()));
    }

    #[test]
    fn what_is_ecdsa_is_not_schnorr() {
        let key = crate::SigningKey::from_secret_bytes(Curve::Secp256k1, &[7; 32]).unwrap();
        let sighash = Sighash::new([1; 32]);
        let payloads = [SigningPayload::hashed(vec![], sighash), SigningPayload::taproot(vec![], sighash)];
        let signatures = payloads.each_ref().map(|payload| key.sign(payload).unwrap());
        for (payload, signature) in payloads.iter().zip(&signatures) {
            assert_eq!(signature.is_schnorr(), payload.is_taproot());
            assert_eq!((signature.curve(), payload.sighash()), (Curve::Secp256k1, Some(&sighash)));
            for other in &signatures {
                assert_eq!(key.verifying_key().verify(payload, other).is_ok(), other == signature);
            }
        }
        assert_eq!(signatures[1].recovery_id(), None);
        let ed25519 = crate::SigningKey::from_secret_bytes(Curve::Ed25519, &[7; 32]).unwrap();
        assert_eq!(ed25519.sign(&payloads[1]), Err(SignError::PayloadKind { curve: Curve::Ed25519 }));
        assert!(ed25519.verifying_key().verify(&payloads[1], &signatures[1]).is_err());
        assert!(ed25519.verifying_key().taproot_output_key().is_err());
    }

    proptest! {
        #[test]
        fn signs_the_same_twice_for_keys_of_either_parity(secret: [u8; 32], sighash: [u8; 32]) {
            let Ok(key) = SigningKey::from_slice(&secret) else { return Ok(()) };
            let signature = sign(&key, &sighash).unwrap();
            prop_assert_eq!(sign(&key, &sighash).unwrap(), signature);
            prop_assert_eq!(verify(key.verifying_key(), &sighash, &signature.to_bytes()), Ok(()));
            let mut other = sighash;
            other[0] ^= 1;
            prop_assert!(verify(key.verifying_key(), &other, &signature.to_bytes()).is_err());
        }
    }

    fn array(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }
}
