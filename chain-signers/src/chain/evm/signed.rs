use super::{
    authority::{recover, scalars},
    envelope::{self, Form, WithSignature},
    rules::too_long,
    unsigned::MAX_BINARY_LEN,
};
use crate::{DecodeError, keccak};

/// The address whose key signed a transaction, in EIP-55 spelling.
///
/// `signed` is the EIP-2718 encoding, decoded as exactly as an unsigned one, whatever its calldata means; a high S is
/// refused (EIP-2). A blob transaction is taken without its sidecar.
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
/// [`DecodeError`] if it is not a signed transaction as this crate encodes it, or breaks a rule of the chain.
pub fn recover_sender(signed: &[u8]) -> Result<String, DecodeError> {
    if signed.len() > MAX_SIGNED_LEN {
        return Err(too_long("the transaction", "bytes", signed.len(), MAX_SIGNED_LEN));
    }
    let (unsigned, signature) = envelope::read::<WithSignature>(signed)?;
    unsigned.check()?;
    let scalars = scalars(signature.r(), signature.s());
    if unsigned.to_signed(&scalars, signature.v()) != signed {
        return Err(DecodeError::NotCanonical { format: WithSignature::FORMAT.into() });
    }
    let sighash = keccak::keccak256(&unsigned.to_binary());
    recover(&sighash, &scalars, signature.v())
        .map(|sender| keccak::to_checksum(&sender))
        .map_err(|error| DecodeError::malformed(WithSignature::FORMAT, error))
}

const MAX_SIGNED_LEN: usize = MAX_BINARY_LEN + 128; // the signature and its lengths
