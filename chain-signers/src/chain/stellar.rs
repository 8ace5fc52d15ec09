//! Stellar (`stellar`): classic transactions of one account.
//!
//! # Binary
//! The XDR of a `TransactionEnvelope` without signatures, as SDKs write an unsigned transaction: `2` and a transaction, or
//! `0` and one of the old form. It has at most 64 KiB, and must re-encode to itself. What is signed is SHA-256 of SHA-256 of
//! the network's passphrase, `2` and the transaction; that is its id as well, in hex. The signed transaction is the same
//! envelope with the signature, and before it the last four bytes of the key as a hint. There is no JSON encoding.
//!
//! # What it does not say
//! A transaction names no network, so [`Payload::chain_id`] is required: `stellar:pubnet` or `stellar:testnet`. It is bound
//! to the network by the passphrase that is hashed.
//!
//! # What is understood
//!
//! | | action |
//! |---|---|
//! | `Payment` of lumens, `CreateAccount` | [`Transfer`](crate::Action::Transfer) |
//! | `Payment` of an asset | [`TokenTransfer`](crate::Action::TokenTransfer) of `CODE:ISSUER` |
//! | every other operation that is read | [`ProgramCall`](crate::Action::ProgramCall): its name, as in `path_payment_strict_send`, is the program; the accounts are all that it names, issuers of assets included |
//! | a memo | [`Exception`](crate::Action::Exception) `memo`, because on a shared deposit address it decides whose payment it is |
//!
//! Some of those operations give away all there is (`account_merge`) or the account itself (`set_options`): name them with
//! care. Multiplexed accounts are spelled `M…`, others `G…` (SEP-23): to permit one is not to permit the other.
//!
//! # What is refused
//! By name: fee bumps, version 2 preconditions, `create_claimable_balance`, `revoke_sponsorship` and the operations of smart
//! contracts. Also an operation of another account than the transaction's, whose signature it would take; shares of
//! liquidity pools as an asset; negative amounts, and envelopes that are signed already.

mod operation;
mod strkey;
mod summary;
mod wire;
mod xdr;

use sha2::{Digest, Sha256};

use crate::{
    ChainId, Curve, DecodeError, KeyError, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    require,
};

/// The `stellar` networks.
///
/// ```
/// use chain_signers::{Chain, Encoding, Payload, DecodeError, stellar::Stellar};
///
/// let refused = Stellar.decode(&Payload::new(Encoding::Binary, &[0, 0, 0, 2]));
/// assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Stellar;

impl Chain for Stellar {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        require::ed25519(key).map(|key| strkey::account(&key))
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = require::chain_id(payload, NAMESPACE)?;
        let Some((_, passphrase)) = NETWORKS.iter().find(|(network, _)| *network == chain_id.as_str()) else {
            return Err(DecodeError::invalid("chain_id", "stellar:pubnet or stellar:testnet", chain_id));
        };
        match payload.encoding {
            Encoding::Binary => {
                StellarTransaction::new(chain_id, passphrase, payload.bytes).map(|it| Box::new(it) as _)
            }
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

#[derive(Debug)]
struct StellarTransaction {
    source: String,
    bytes: Vec<u8>,
    hash: [u8; 32],
    summary: Summary,
}

impl StellarTransaction {
    fn new(chain_id: &ChainId, passphrase: &str, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (transaction, signed) = wire::decode(bytes)?;
        let hash = Sha256::new().chain_update(Sha256::digest(passphrase)).chain_update([0, 0, 0, 2]);
        let hash = hash.chain_update(signed).finalize().into();
        let summary = summary::summarise(&transaction, chain_id, &hash)?;
        Ok(Self { source: strkey::account(&transaction.source.key), bytes: bytes.to_vec(), hash, summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        require::signer(self.source.clone(), Stellar.address(signer)?)
    }
}

impl Transaction for StellarTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        self.require_signer(signer)?;
        Ok(vec![SigningPayload::message(self.hash.to_vec())])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        let signature = require::one_signature(signatures, Curve::Ed25519)?;
        let unsigned = &self.bytes[..self.bytes.len() - wire::NO_SIGNATURES.len()];
        let hint = &signer.to_bytes()[28..];
        let bytes = [unsigned, &[0, 0, 0, 1], hint, &[0, 0, 0, 64], &signature.to_bytes()].concat();
        Ok(SignedTransaction { bytes, id: hex::encode(self.hash) })
    }
}

const NAMESPACE: &str = "stellar";
/// And their passphrases.
const NETWORKS: [(&str, &str); 2] = [
    ("stellar:pubnet", "Public Global Stellar Network ; September 2015"),
    ("stellar:testnet", "Test SDF Network ; September 2015"),
];
