//! Aptos (`aptos`): transactions of one sender that call an entry function.
//!
//! # Binary
//! The BCS of a `RawTransaction`: sender, sequence number (u64), payload, maximal gas amount, gas unit price, expiration
//! (u64 each, the last in seconds of Unix time), chain id (u8). The payload is `2`, the module's address and name, the
//! function's name, its type arguments and its arguments. It has at most 64 KiB, as on the chain, and must re-encode to
//! itself. What is signed is SHA3-256 of `APTOS::RawTransaction`, then those bytes, unhashed. There is no JSON encoding.
//!
//! The signed transaction is those bytes and the authenticator `0`, public key, signature. Its id is SHA3-256 of SHA3-256
//! of `APTOS::Transaction`, `0` and the signed transaction.
//!
//! Addresses are `0x` and 64 hex digits; those below 16 are `0x` and one digit (AIP-40). The chain id is in the transaction.
//!
//! # What is understood
//!
//! | function | action |
//! |---|---|
//! | `0x1::aptos_account::transfer`; of `0x1::aptos_coin::AptosCoin`, `0x1::aptos_account::transfer_coins` and `0x1::coin::transfer`; of the asset `0xa`, `0x1::primary_fungible_store::transfer` | [`Transfer`](crate::Action::Transfer) |
//! | the last three, of another coin or asset | [`TokenTransfer`](crate::Action::TokenTransfer): the token is the coin's type or the asset's metadata object |
//! | every other | [`ProgramCall`](crate::Action::ProgramCall) of `<address>::<module>::<function>` |
//!
//! What arguments mean is not in the transaction, so a call's `accounts` are all those of 32 bytes: addresses, if they are
//! of that type, spelled as such.
//!
//! # What is refused
//! Scripts, modules, multisignature and orderless payloads, chain id 0, names that are not Move identifiers, and unknown
//! type arguments. A key signs for the account whose address follows from it: not for one whose key was rotated.

mod summary;
mod wire;

use sha3::{Digest, Sha3_256};

use crate::{
    Curve, DecodeError, KeyError, SignError, Signature, SignedTransaction, SigningPayload, Summary, VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    move_types::Address,
    require,
};
use wire::RawTransaction;

/// The `aptos` chains.
///
/// ```
/// use chain_signers::{Chain, DecodeError, Encoding, Payload, aptos::Aptos};
///
/// let script = [[0; 40].as_slice(), &[0]].concat(); // sender, sequence number, payload
/// let refused = Aptos.decode(&Payload::new(Encoding::Binary, &script));
/// assert!(matches!(refused, Err(DecodeError::UnsupportedType { .. })));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Aptos;

impl Chain for Aptos {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        require::ed25519(key).map(|key| address(&key).to_string())
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let transaction = match payload.encoding {
            Encoding::Binary => AptosTransaction::new(payload.bytes)?,
            encoding => return Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        };
        require::same_chain(payload, &transaction.summary.chain_id)?;
        Ok(Box::new(transaction))
    }
}

/// The authentication key of one ed25519 key, which is its account's address until the key is rotated.
fn address(key: &[u8]) -> Address {
    Address(Sha3_256::new().chain_update(key).chain_update([SINGLE_ED25519]).finalize().into())
}

#[derive(Debug)]
struct AptosTransaction {
    raw: RawTransaction,
    bytes: Vec<u8>,
    summary: Summary,
}

impl AptosTransaction {
    fn new(bytes: &[u8]) -> Result<Self, DecodeError> {
        let raw = wire::decode(bytes)?;
        let summary = summary::summarise(&raw, &Sha3_256::digest(signing_message(bytes)).into())?;
        Ok(Self { raw, bytes: bytes.to_vec(), summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        require::signer(self.raw.sender.to_string(), Aptos.address(signer)?)
    }
}

fn signing_message(bytes: &[u8]) -> Vec<u8> {
    [&Sha3_256::digest(b"APTOS::RawTransaction"), bytes].concat()
}

impl Transaction for AptosTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        self.require_signer(signer)?;
        Ok(vec![SigningPayload::message(signing_message(&self.bytes))])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        let signature = require::one_signature(signatures, Curve::Ed25519)?;
        // The authenticator: its variant, then both with their lengths.
        let bytes = [&self.bytes[..], &[0, 32], &signer.to_bytes(), &[64], &signature.to_bytes()].concat();
        let hash = Sha3_256::new().chain_update(Sha3_256::digest(b"APTOS::Transaction"));
        let hash = hash.chain_update([USER_TRANSACTION]).chain_update(&bytes).finalize();
        Ok(SignedTransaction { bytes, id: format!("0x{}", hex::encode(hash)) })
    }
}

const NAMESPACE: &str = "aptos";
/// The scheme of an authentication key.
const SINGLE_ED25519: u8 = 0;
/// Among the chain's kinds of transactions, most of which nobody signs.
const USER_TRANSACTION: u8 = 0;
