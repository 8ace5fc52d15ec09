//! Whose accounts the authorizations of EIP-7702 are about: those whose keys signed them.

use alloy_eips::eip7702::{
    Authorization, SignedAuthorization,
    constants::{MAGIC, SECP256K1N_HALF},
};
use alloy_primitives::{Address, U256};
use alloy_rlp::{Decodable, Encodable};

use super::{
    address_of,
    rules::{MAX_AUTHORIZATIONS, MAX_CHAIN_ID, MAX_NONCE, too_long},
};
use crate::{Curve, DecodeError, KeyError, RecoveryId, Signature, hazmat, keccak};

/// The address whose key signed an authorization of EIP-7702, in EIP-55 spelling.
///
/// `signed` is `rlp([chain_id, address, nonce, y_parity, r, s])`, decoded exactly; a high S is refused.
///
/// ```
/// use chain_signers::{ChainSigner, Chain, Curve, Encoding, Payload, SigningKey, evm::{self, Evm}};
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32])?; // the key of EIP-155's example
/// let signer = ChainSigner::new(std::sync::Arc::new(Evm), key)?;
/// let json = br#"{"chainId": 1, "address": "0x3535353535353535353535353535353535353535", "nonce": 9}"#;
/// let authorization = Evm.decode(&Payload::new(Encoding::Json, json))?;
/// let signed = signer.sign(authorization.as_ref())?;
/// assert_eq!(evm::recover_authority(&signed.bytes)?, signer.address());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DecodeError`] if it is not a signed authorization that this crate would have made.
pub fn recover_authority(signed: &[u8]) -> Result<String, DecodeError> {
    if signed.len() > MAX_SIGNED_LEN {
        return Err(too_long("the authorization", "bytes", signed.len(), MAX_SIGNED_LEN));
    }
    let authorization =
        SignedAuthorization::decode(&mut &*signed).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    if alloy_rlp::encode(&authorization) != signed {
        return Err(DecodeError::NotCanonical { format: FORMAT.into() });
    }
    check(authorization.inner(), "")?;
    authority(&authorization, "").map(|authority| keccak::to_checksum(&authority))
}

/// Whose the authorizations of a transaction for `chain_id` are, in their order.
pub(super) fn authorities(list: &[SignedAuthorization], chain_id: u64) -> Result<Vec<Address>, DecodeError> {
    match list.len() {
        0 => return Err(DecodeError::Missing { field: "an authorization in the authorization list".into() }),
        1..=MAX_AUTHORIZATIONS => {}
        len => return Err(too_long("the authorization list", "authorizations", len, MAX_AUTHORIZATIONS)),
    }
    list.iter().enumerate().map(|(i, it)| listed(it, chain_id, &format!("authorization_list[{i}]."))).collect()
}

fn listed(authorization: &SignedAuthorization, chain_id: u64, place: &str) -> Result<Address, DecodeError> {
    check(authorization, place)?;
    if !authorization.chain_id.is_zero() && authorization.chain_id != U256::from(chain_id) {
        let expected = format!("the transaction's, {chain_id}, or 0");
        return Err(DecodeError::invalid(format!("{place}chain_id"), expected, authorization.chain_id));
    }
    authority(authorization, place)
}

/// The rules that an authorization must keep, signed or not. `place` goes before a field in an error.
pub(super) fn check(authorization: &Authorization, place: &str) -> Result<(), DecodeError> {
    if authorization.chain_id > U256::from(MAX_CHAIN_ID) {
        let expected = "from 0 to 2^63 - 37 (EIP-2294)";
        return Err(DecodeError::invalid(format!("{place}chain_id"), expected, authorization.chain_id));
    }
    if authorization.nonce > MAX_NONCE {
        let expected = "at most 2^64 - 2 (EIP-7702)";
        return Err(DecodeError::invalid(format!("{place}nonce"), expected, authorization.nonce));
    }
    Ok(())
}

fn authority(authorization: &SignedAuthorization, place: &str) -> Result<Address, DecodeError> {
    let (r, s, y_parity) = (authorization.r(), authorization.s(), authorization.y_parity());
    if y_parity > 1 {
        return Err(DecodeError::invalid(format!("{place}y_parity"), "0 or 1", y_parity));
    }
    if s > SECP256K1N_HALF {
        let expected = "at most half the order of secp256k1 (EIP-2)";
        return Err(DecodeError::invalid(format!("{place}s"), expected, format!("{s:#x}")));
    }
    let hash = keccak::keccak256(&signing_data(authorization));
    recover(&hash, &scalars(r, s), y_parity == 1).map(Address::from).map_err(|error| {
        let expected = "a signature that some key has made";
        DecodeError::invalid(format!("{place}r"), expected, format!("{r:#x}: {error}"))
    })
}

/// What is hashed and signed: EIP-7702's magic byte and the RLP.
pub(super) fn signing_data(authorization: &Authorization) -> Vec<u8> {
    let mut data = vec![MAGIC];
    authorization.encode(&mut data);
    data
}

/// The address whose key made a signature.
pub(super) fn recover(hash: &[u8; 32], scalars: &[u8; 64], is_y_odd: bool) -> Result<[u8; 20], KeyError> {
    let recovery_id = Some(RecoveryId::from_parity(is_y_odd));
    let signature = Signature::from_bytes(Curve::Secp256k1, scalars, recovery_id)?;
    address_of(&hazmat::recover(hash, &signature)?)
}

/// r‖s.
pub(super) fn scalars(r: U256, s: U256) -> [u8; 64] {
    let mut scalars = [0; 64];
    scalars[..32].copy_from_slice(&r.to_be_bytes::<32>());
    scalars[32..].copy_from_slice(&s.to_be_bytes::<32>());
    scalars
}

const FORMAT: &str = "a signed authorization";
/// Above the longest: three lengths and numbers, an address, two scalars.
const MAX_SIGNED_LEN: usize = 128;
