//! What every chain demands of the payload's chain, of the signer and of the signatures.
#![allow(dead_code, reason = "which of these are called depends on the chains that are on")]

use crate::{ChainId, Curve, DecodeError, KeyError, Payload, SignError, Signature, VerifyingKey};

/// The chain that the caller named, for transactions that do not say it.
pub(crate) fn chain_id<'a>(payload: &Payload<'a>, namespace: &str) -> Result<&'a ChainId, DecodeError> {
    match payload.chain_id {
        Some(chain_id) if chain_id.namespace() == namespace => Ok(chain_id),
        Some(other) => Err(DecodeError::invalid("chain_id", format!("a chain id starting with {namespace}:"), other)),
        None => Err(DecodeError::ChainIdRequired { namespace: namespace.to_owned().into() }),
    }
}

/// That a transaction is for the chain that the caller named, if it named one.
pub(crate) fn same_chain(payload: &Payload<'_>, actual: &ChainId) -> Result<(), DecodeError> {
    match payload.chain_id {
        Some(expected) if expected != actual => {
            Err(DecodeError::ChainIdMismatch { expected: expected.clone(), actual: actual.clone() })
        }
        _ => Ok(()),
    }
}

/// The bytes of a key that must be on ed25519.
pub(crate) fn ed25519(key: &VerifyingKey) -> Result<Vec<u8>, KeyError> {
    match key.curve() {
        Curve::Ed25519 => Ok(key.to_bytes()),
        actual => Err(KeyError::CurveMismatch { expected: Curve::Ed25519, actual }),
    }
}

/// That the key's address is the one that the transaction names.
pub(crate) fn signer(expected: String, actual: String) -> Result<(), SignError> {
    if actual == expected { Ok(()) } else { Err(SignError::NotTheSigner { expected, actual }) }
}

/// The only signature there is, which must be ECDSA or ed25519 on `curve`.
pub(crate) fn one_signature(signatures: &[Signature], curve: Curve) -> Result<&Signature, SignError> {
    let [signature] = signatures else {
        return Err(SignError::SignatureCount { expected: 1, actual: signatures.len() });
    };
    match signature.curve() {
        actual if actual != curve => Err(SignError::CurveMismatch { expected: curve, actual }),
        _ if signature.is_schnorr() => Err(SignError::SignatureScheme),
        _ => Ok(signature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_in_anothers_place_is_refused() {
        let ecdsa = Signature::from_bytes(Curve::Secp256k1, &[1; 64], None).unwrap();
        let schnorr = Signature::from_schnorr_bytes(&hex::decode(BIP_340).unwrap()).unwrap();
        let ed25519 = Signature::from_bytes(Curve::Ed25519, &[1; 64], None).unwrap();
        assert_eq!(one_signature(&[ecdsa], Curve::Secp256k1), Ok(&ecdsa));
        assert_eq!(one_signature(&[schnorr], Curve::Secp256k1), Err(SignError::SignatureScheme));
        let (expected, actual) = (Curve::Secp256k1, Curve::Ed25519);
        assert_eq!(one_signature(&[ed25519], expected), Err(SignError::CurveMismatch { expected, actual }));
        for signatures in [&[][..], &[ecdsa, ecdsa]] {
            let refused = SignError::SignatureCount { expected: 1, actual: signatures.len() };
            assert_eq!(one_signature(signatures, Curve::Secp256k1), Err(refused));
        }
    }

    /// The signature of test vector 0 of BIP-340.
    const BIP_340: &str = "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215\
                           25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0";
}
