//! What each signature covers: the original way for P2PKH, BIP-143 for witness version 0, BIP-341 for Taproot.

use bitcoin::{
    Transaction, TxOut,
    hashes::{Hash, sha256, sha256d},
    sighash::{EncodeSigningDataResult, Prevouts, SighashCache},
};

use super::{
    address::{AddressType, OwnScripts},
    input::{Spent, to_ecdsa},
    wire::malformed,
};
use crate::{DecodeError, Sighash, SigningPayload};

/// One payload an input. What BIP-143 and BIP-341 let inputs share is hashed once.
pub(super) fn payloads(
    transaction: &Transaction,
    spent: &[Spent],
    own: &OwnScripts,
) -> Result<Vec<SigningPayload>, DecodeError> {
    let outputs: Vec<_> = spent.iter().map(|spent| &spent.output).collect();
    let mut cache = SighashCache::new(transaction);
    (0..spent.len()).map(|index| payload(&mut cache, index, &spent[index], &outputs, own)).collect()
}

fn payload(
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    spent: &Spent,
    outputs: &[&TxOut],
    own: &OwnScripts,
) -> Result<SigningPayload, DecodeError> {
    let mut bytes = Vec::new();
    let ecdsa = to_ecdsa(spent.sighash_type);
    match spent.address_type {
        AddressType::P2pkh => {
            match cache.legacy_encode_signing_data_to(&mut bytes, index, &spent.output.script_pubkey, ecdsa.to_u32()) {
                EncodeSigningDataResult::WriteResult(result) => result.map_err(malformed)?,
                EncodeSigningDataResult::SighashSingleBug => return Err(malformed("SIGHASH_SINGLE without an output")),
            }
        }
        AddressType::P2shP2wpkh | AddressType::P2wpkh => {
            let script_code = own.script(AddressType::P2pkh); // BIP-143 says so
            cache
                .segwit_v0_encode_signing_data_to(&mut bytes, index, script_code, spent.output.value, ecdsa)
                .map_err(malformed)?;
        }
        AddressType::P2tr => {
            let tag = sha256::Hash::hash(b"TapSighash");
            bytes.extend_from_slice(&[tag.to_byte_array(), tag.to_byte_array()].concat());
            cache
                .taproot_encode_signing_data_to(
                    &mut bytes,
                    index,
                    &Prevouts::All(outputs),
                    None,
                    None,
                    spent.sighash_type,
                )
                .map_err(malformed)?;
            let sighash = Sighash::new(sha256::Hash::hash(&bytes).to_byte_array());
            return Ok(SigningPayload::taproot(bytes, sighash));
        }
    }
    let sighash = Sighash::new(sha256d::Hash::hash(&bytes).to_byte_array());
    Ok(SigningPayload::hashed(bytes, sighash))
}
