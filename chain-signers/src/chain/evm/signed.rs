use alloy_consensus::{TxEip1559, TxEip2930, TxLegacy, transaction::RlpEcdsaDecodableTx};

use super::{
    Evm,
    rules::too_long,
    unsigned::{MAX_BINARY_LEN, Unsigned, unsupported_type},
};
use crate::{Chain, Curve, DecodeError, KeyError, RecoveryId, Signature, VerifyingKey, hazmat, keccak};

/// The address whose key signed a transaction, in EIP-55 spelling.
///
/// `signed` is the EIP-2718 encoding, decoded as exactly as an unsigned one; a high S is refused (EIP-2).
///
/// ```
/// use chain_signers::{ChainSigner, Chain, Curve, Encoding, Payload, SigningKey, evm::{self, Evm}};
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32])?; // the key of EIP-155's example
/// let signer = ChainSigner::new(std::sync::Arc::new(Evm), key)?;
/// let json = br#"{"to": "0x3535353535353535353535353535353535353535", "value": 1, "nonce": 9, "chainId": 1,
///     "gas": 21000, "gasPrice": 20000000000}"#;
/// let transaction = Evm.decode(&Payload::new(Encoding::Json, json))?;
/// let signed = signer.sign(transaction.as_ref())?;
/// assert_eq!(evm::recover_sender(&signed.bytes)?, signer.address());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DecodeError`] if it is not a signed transaction that this crate would have made.
pub fn recover_sender(signed: &[u8]) -> Result<String, DecodeError> {
    if signed.len() > MAX_SIGNED_LEN {
        return Err(too_long("the transaction", "bytes", signed.len(), MAX_SIGNED_LEN));
    }
    let (unsigned, signature) = decode(signed)?;
    unsigned.check()?;
    let mut scalars = [0; 64];
    scalars[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    scalars[32..].copy_from_slice(&signature.s().to_be_bytes::<32>());
    if unsigned.to_signed(&scalars, signature.v()) != signed {
        return Err(DecodeError::NotCanonical { format: FORMAT.into() });
    }
    let signer = recover(&unsigned, &scalars, signature.v()).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    Evm.address(&signer).map_err(|error| DecodeError::malformed(FORMAT, error))
}

fn decode(signed: &[u8]) -> Result<(Unsigned, alloy_primitives::Signature), DecodeError> {
    match signed.split_first() {
        Some((0x01, mut rest)) => TxEip2930::rlp_decode_with_signature(&mut rest).map(with(Unsigned::Eip2930)),
        Some((0x02, mut rest)) => TxEip1559::rlp_decode_with_signature(&mut rest).map(with(Unsigned::Eip1559)),
        Some((0xc0.., _)) => TxLegacy::rlp_decode_with_signature(&mut &*signed).map(with(Unsigned::Legacy)),
        Some((byte, _)) => return Err(unsupported_type(*byte)),
        None => return Err(DecodeError::malformed(FORMAT, "no bytes")),
    }
    .map_err(|error| DecodeError::malformed(FORMAT, error))
}

fn with<T, S>(variant: fn(T) -> Unsigned) -> impl FnOnce((T, S)) -> (Unsigned, S) {
    move |(transaction, signature)| (variant(transaction), signature)
}

fn recover(unsigned: &Unsigned, scalars: &[u8; 64], is_y_odd: bool) -> Result<VerifyingKey, KeyError> {
    let recovery_id = Some(RecoveryId::from_parity(is_y_odd));
    let signature = Signature::from_bytes(Curve::Secp256k1, scalars, recovery_id)?;
    hazmat::recover(&keccak::keccak256(&unsigned.to_binary()), &signature)
}

const FORMAT: &str = "a signed transaction";
const MAX_SIGNED_LEN: usize = MAX_BINARY_LEN + 128; // the signature and its lengths
