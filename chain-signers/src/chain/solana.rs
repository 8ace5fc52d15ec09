//! Solana (`solana`): legacy messages with one signer.
//!
//! # Binary
//! The legacy message: header (three bytes), compact-u16 count and account keys, recent blockhash, compact-u16 count and
//! instructions. It is also what is signed, as it is. It must fit a packet together with its signature, keep the cluster's
//! own sanity rules, and re-encode (with Solana's serializer) to itself. There is no JSON encoding.
//!
//! # What it does not say
//! A message names no cluster, so [`Payload::chain_id`] is required and must be in the namespace `solana`; the policy then
//! judges what the caller said. A recent blockhash exists on one cluster only, so a message meant for one does not run on
//! another, but nothing here can check that: use separate keys for separate clusters.
//!
//! # What is understood
//! A System program transfer out of the signer's account is [`Action::Transfer`](crate::Action::Transfer). Every other
//! instruction, those of the System and Compute Budget programs included, is
//! [`Action::ProgramCall`](crate::Action::ProgramCall) and needs a rule that names the program. (The System program can
//! give the whole account away with `Assign`: name it with care.)
//!
//! # What is refused
//! Version 0 and later messages, messages that need more than one signature (the others' consent would be a guess),
//! messages without instructions, duplicate accounts, a transfer out of an account that is not the signer's, and anything
//! with bytes left over.

mod summary;
mod wire;

use sha2::{Digest, Sha256};
use solana_message::Message;

use crate::{
    ChainId, Curve, DecodeError, KeyError, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
};

/// The `solana` clusters.
///
/// ```
/// use chain_signers::{Chain, Encoding, Payload, DecodeError, solana::Solana};
///
/// let refused = Solana.decode(&Payload::new(Encoding::Binary, &[1, 0, 1]));
/// assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Solana;

impl Chain for Solana {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        match key.curve() {
            Curve::Ed25519 => Ok(bs58::encode(key.to_bytes()).into_string()),
            actual => Err(KeyError::CurveMismatch { expected: Curve::Ed25519, actual }),
        }
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = match payload.chain_id {
            Some(chain_id) if chain_id.namespace() == NAMESPACE => chain_id,
            Some(other) => return Err(DecodeError::invalid("chain_id", "a chain id starting with solana:", other)),
            None => return Err(DecodeError::ChainIdRequired { namespace: NAMESPACE.into() }),
        };
        match payload.encoding {
            Encoding::Binary => SolanaTransaction::new(chain_id, payload.bytes).map(|it| Box::new(it) as _),
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

#[derive(Debug)]
struct SolanaTransaction {
    message: Message,
    bytes: Vec<u8>,
    summary: Summary,
}

impl SolanaTransaction {
    fn new(chain_id: &ChainId, bytes: &[u8]) -> Result<Self, DecodeError> {
        let message = wire::decode(bytes)?;
        let summary = summary::summarise(&message, chain_id, &Sha256::digest(bytes).into())?;
        Ok(Self { message, bytes: bytes.to_vec(), summary })
    }

    /// The one required signer, who also pays the fee.
    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        let actual = Solana.address(signer)?;
        let expected = bs58::encode(&self.message.account_keys[0]).into_string();
        if actual == expected { Ok(()) } else { Err(SignError::NotTheSigner { expected, actual }) }
    }
}

impl Transaction for SolanaTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        self.require_signer(signer)?;
        Ok(vec![SigningPayload::message(self.bytes.clone())])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        let [signature] = signatures else {
            return Err(SignError::SignatureCount { expected: 1, actual: signatures.len() });
        };
        if signature.curve() != Curve::Ed25519 {
            return Err(SignError::CurveMismatch { expected: Curve::Ed25519, actual: signature.curve() });
        }
        let signature = signature.to_bytes();
        let bytes = [&[1][..], &signature, &self.bytes].concat(); // the count of signatures comes first
        Ok(SignedTransaction { bytes, id: bs58::encode(signature).into_string() })
    }
}

const NAMESPACE: &str = "solana";
