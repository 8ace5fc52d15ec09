//! Requests for signatures, decoded, signed and assembled by `chain-signers`, each beside the cryptography in it.

pub mod bare;
pub mod bitcoin;
pub mod derived;
pub mod evm;
pub mod policies;
pub mod solana;

use std::sync::Arc;

use chain_signers::{Chain, ChainId, ChainSigner, Encoding, Payload, SignedTransaction, SigningKey, Transaction};

use crate::attested::Failure;
use crate::signing::bare::Bare;

/// A request, the key that signs it, and what must come of it.
#[derive(Debug)]
pub struct Request {
    /// What comes in.
    pub bytes: Vec<u8>,
    encoding: Encoding,
    chain_id: ChainId,
    signer: ChainSigner,
    bare: Bare,
    expected: SignedTransaction,
}

impl Request {
    /// A request to a chain, signed once.
    ///
    /// # Errors
    /// If the chain does not decode or sign it, or what it signs has no like in [`Bare`].
    pub fn new(
        chain: impl Chain + 'static,
        (encoding, bytes): (Encoding, Vec<u8>),
        chain_id: &str,
    ) -> Result<Self, Failure> {
        let key = SigningKey::from_secret_bytes(chain.curve(), &SECRET)?;
        let signer = ChainSigner::new(Arc::new(chain), key)?;
        let chain_id = chain_id.parse()?;
        let transaction = signer.decode(&Payload::new(encoding, &bytes).on_chain(&chain_id))?;
        let bare = Bare::of(&transaction.signing_payloads(signer.verifying_key())?)?;
        let expected = signer.sign(&*transaction)?;
        drop(transaction);
        Ok(Self { bytes, encoding, chain_id, signer, bare, expected })
    }

    /// The whole way: bytes to a transaction, its signatures, and the bytes that are sent.
    ///
    /// # Errors
    /// If it is refused, or yields something else than before.
    pub fn sign(&self) -> Result<(), Failure> {
        let signed = self.signer.sign(&*self.decode()?)?;
        if signed == self.expected { Ok(()) } else { Err("another signed transaction".into()) }
    }

    /// The same hashes, signatures and verifications with nothing around them.
    ///
    /// # Errors
    /// If a signature does not verify.
    pub fn sign_bare(&self) -> Result<(), Failure> {
        self.bare.sign_and_verify()
    }

    /// The transaction.
    ///
    /// # Errors
    /// If it is refused.
    pub fn decode(&self) -> Result<Box<dyn Transaction>, Failure> {
        Ok(self.signer.decode(&Payload::new(self.encoding, &self.bytes).on_chain(&self.chain_id))?)
    }

    /// What comes out.
    #[must_use]
    pub fn signed_bytes(&self) -> &[u8] {
        &self.expected.bytes
    }
}

/// The secret of every key here, on either curve.
pub const SECRET: [u8; 32] = [0x46; 32];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_signed_and_its_cryptography_alone_works() {
        let requests = [
            evm::transfer(),
            evm::permit(),
            solana::transfer(),
            bitcoin::spend(chain_signers::bitcoin::AddressType::P2wpkh),
            bitcoin::spend(chain_signers::bitcoin::AddressType::P2tr),
        ];
        for (request, signatures) in requests.into_iter().zip([1, 1, 1, bitcoin::INPUTS, bitcoin::INPUTS]) {
            let request = request.unwrap();
            request.sign().unwrap();
            request.sign_bare().unwrap();
            assert_eq!(request.bare.signatures(), signatures);
        }
    }
}
