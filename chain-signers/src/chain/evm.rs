//! Ethereum and its kin: legacy (EIP-155) and EIP-1559 transactions.
use crate::{
    Curve, DecodeError, KeyError, VerifyingKey,
    chain::{Chain, Payload, Transaction},
};

/// The `eip155` chains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evm;

impl Chain for Evm {
    fn namespace(&self) -> &str {
        "eip155"
    }

    fn curve(&self) -> Curve {
        Curve::Secp256k1
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        let point = key.to_uncompressed_bytes()?;
        let hash = crate::keccak::keccak256(&point[1..]);
        let mut address = [0; 20];
        address.copy_from_slice(&hash[12..]);
        Ok(crate::keccak::to_checksum(&address))
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        Err(DecodeError::UnsupportedEncoding { namespace: "eip155".into(), encoding: payload.encoding })
    }
}

/// The address that signed a transaction.
///
/// # Errors
/// [`DecodeError`] if it is not a signed transaction.
pub fn recover_sender(_signed: &[u8]) -> Result<String, DecodeError> {
    Err(DecodeError::malformed("a signed transaction", "not yet"))
}
