//! alloy's local signer, on k256 0.13. It neither decodes nor verifies: it is handed the transaction, and its signature
//! is believed unless the caller recovers the sender from it.

use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_network::TxSignerSync;
use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;

use crate::attested::Failure;
use crate::signing::{SECRET, evm};

/// A signer and the transfer that is its to sign.
#[derive(Debug)]
pub struct Alloy {
    signer: PrivateKeySigner,
    transaction: TxEip1559,
}

impl Alloy {
    /// The same key and transaction as [`evm::transfer`] has.
    ///
    /// # Errors
    /// If alloy does not take the key.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { signer: PrivateKeySigner::from_bytes(&B256::from(SECRET))?, transaction: evm::eip1559() })
    }

    /// The signed transaction's bytes.
    ///
    /// # Errors
    /// Those of alloy.
    pub fn sign(&self) -> Result<Vec<u8>, Failure> {
        let mut transaction = self.transaction.clone();
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        let mut bytes = Vec::new();
        transaction.eip2718_encode(&signature, &mut bytes);
        Ok(bytes)
    }

    /// The same, and the sender is recovered from the signature before it is released.
    ///
    /// # Errors
    /// Those of alloy, or another sender.
    pub fn sign_and_recover(&self) -> Result<Vec<u8>, Failure> {
        let mut transaction = self.transaction.clone();
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        if signature.recover_address_from_prehash(&transaction.signature_hash())? != self.signer.address() {
            return Err("another sender".into());
        }
        let mut bytes = Vec::new();
        transaction.eip2718_encode(&signature, &mut bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_signs_the_same() {
        let (request, alloy) = (evm::transfer().unwrap(), Alloy::new().unwrap());
        assert_eq!(alloy.sign().unwrap(), request.signed_bytes());
        assert_eq!(alloy.sign_and_recover().unwrap(), request.signed_bytes());
    }
}
