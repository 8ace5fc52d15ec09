//! ECDSA on secp256k1 whose result is checked before it is released: r, s and the recovery id.

use k256::{
    ProjectivePoint, Scalar, U256,
    ecdsa::{self, SigningKey, VerifyingKey},
    elliptic_curve::{
        PrimeField,
        ops::{Invert, MulByGeneratorVartime, Reduce},
        point::AffineCoordinates,
    },
};

use crate::{Curve, RecoveryId, SignError, Signature};

/// Signs by RFC 6979, and verifies.
pub(super) fn sign(key: &SigningKey, prehash: &[u8; 32]) -> Result<Signature, SignError> {
    let (signature, id) = key.sign_prehash_recoverable(prehash);
    release(key.verifying_key(), prehash, &signature, id)
}

/// The signature if it has a low S and verifies, and `id` is the recovery id that belongs to it.
fn release(
    key: &VerifyingKey,
    prehash: &[u8; 32],
    signature: &ecdsa::Signature,
    id: ecdsa::RecoveryId,
) -> Result<Signature, SignError> {
    if recovery_id(key, prehash, signature) != Some(id) {
        return Err(SignError::Fault);
    }
    Signature::from_bytes(Curve::Secp256k1, &signature.to_bytes(), RecoveryId::from_byte(id.to_byte())) // refuses a high S
        .map_err(|_| SignError::Fault)
}

/// The recovery id of a signature that verifies. The point that verification computes to compare its x with r is the one
/// whose parity and overflow make up the id, so that both are checked for the price of one, and no root is taken as
/// recovering the key from the signature would.
fn recovery_id(key: &VerifyingKey, prehash: &[u8; 32], signature: &ecdsa::Signature) -> Option<ecdsa::RecoveryId> {
    let (r, s) = signature.split_scalars();
    let inverse = *s.invert_vartime();
    let (of_generator, of_key) = (number(prehash) * inverse, *r * inverse);
    let key = ProjectivePoint::from(*key.as_affine());
    let point = ProjectivePoint::mul_by_generator_and_mul_add_vartime(&of_generator, &of_key, &key).to_affine();
    let x = point.x(); // of the identity it is zero, which r is not
    let verifies = number(&x.into()) == *r;
    verifies.then(|| ecdsa::RecoveryId::new(point.y_is_odd().into(), x != r.to_repr()))
}

/// Modulo the group order.
fn number(bytes: &[u8; 32]) -> Scalar {
    Scalar::reduce(&U256::from_be_slice(bytes))
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::signature::hazmat::PrehashVerifier;
    use proptest::prelude::*;

    use super::*;

    const IDS: [ecdsa::RecoveryId; 4] = [
        ecdsa::RecoveryId::new(false, false),
        ecdsa::RecoveryId::new(true, false),
        ecdsa::RecoveryId::new(false, true),
        ecdsa::RecoveryId::new(true, true),
    ];

    fn signed() -> (VerifyingKey, [u8; 32], ecdsa::Signature, ecdsa::RecoveryId) {
        let (key, prehash) = (SigningKey::from_slice(&[0x46; 32]).unwrap(), [0x5a; 32]);
        let (signature, id) = key.sign_prehash_recoverable(&prehash);
        (*key.verifying_key(), prehash, signature, id)
    }

    #[test]
    fn another_recovery_id_is_a_fault() {
        let (key, prehash, signature, right) = signed();
        for id in IDS {
            let released = release(&key, &prehash, &signature, id);
            assert_eq!(released.is_ok(), id == right, "{id:?}");
            assert!(released.is_ok() || released == Err(SignError::Fault));
        }
    }

    #[test]
    fn any_bit_of_r_s_or_the_hash_that_flips_is_a_fault() {
        let (key, prehash, signature, id) = signed();
        for bit in 0..512 {
            let mut bytes = signature.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(faulty) = ecdsa::Signature::from_slice(&bytes) {
                assert_eq!(release(&key, &prehash, &faulty, id), Err(SignError::Fault), "bit {bit}");
            }
        }
        for bit in 0..256 {
            let mut other = prehash;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(release(&key, &other, &signature, id), Err(SignError::Fault), "bit {bit}");
        }
    }

    #[test]
    fn another_key_and_a_high_s_are_faults() {
        let (key, prehash, signature, id) = signed();
        let other = SigningKey::from_slice(&[0x47; 32]).unwrap();
        assert_eq!(release(other.verifying_key(), &prehash, &signature, id), Err(SignError::Fault));
        let (r, s) = signature.split_scalars();
        let high = ecdsa::Signature::from_scalars(*r, -*s).unwrap();
        for id in IDS {
            assert_eq!(release(&key, &prehash, &high, id), Err(SignError::Fault), "{id:?}");
        }
    }

    /// Nobody meets an x beyond the order by signing, so the key is made to fit: r is x less the order, for the least x
    /// of a point there.
    #[test]
    fn an_x_beyond_the_order_has_a_recovery_id_of_its_own() {
        let s = Scalar::from(7_u64);
        for id in IDS {
            let recovered = (1_u64..100).find_map(|r| {
                let signature = ecdsa::Signature::from_scalars(Scalar::from(r), s).unwrap();
                let key = VerifyingKey::recover_from_prehash(&[3; 32], &signature, id).ok()?;
                Some((key, signature))
            });
            let (key, signature) = recovered.unwrap();
            assert_eq!(recovery_id(&key, &[3; 32], &signature), Some(id));
            for claimed in IDS {
                assert_eq!(release(&key, &[3; 32], &signature, claimed).is_ok(), claimed == id, "{id:?} {claimed:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_verification_and_with_recovery(secret: [u8; 32], prehash: [u8; 32], other: [u8; 32]) {
            let Ok(key) = SigningKey::from_slice(&secret) else { return Ok(()) };
            let (signature, id) = key.sign_prehash_recoverable(&prehash);
            let key = key.verifying_key();
            prop_assert_eq!(recovery_id(key, &prehash, &signature), Some(id));
            prop_assert_eq!(&VerifyingKey::recover_from_prehash(&prehash, &signature, id).unwrap(), key);
            prop_assert_eq!(recovery_id(key, &other, &signature).is_some(), key.verify_prehash(&other, &signature).is_ok());
        }
    }
}
