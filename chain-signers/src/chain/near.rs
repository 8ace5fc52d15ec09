//! NEAR (`near`): version 0 transactions by an ed25519 key.
//!
//! # Binary
//! The Borsh of a transaction: signer's account, the key that signs (`0`, 32 bytes), its nonce (u64), receiver's account,
//! hash of a recent block, and actions. It has at most 64 KiB and 100 actions, and must re-encode to itself. Its SHA-256 is
//! what is signed. There is no JSON encoding. The signed transaction is those bytes, `0` and the signature; its id is the
//! SHA-256 in base58.
//!
//! # Accounts and keys
//! The address of a key is its implicit account, 64 hex digits. A transaction names its account beside its key, and a key
//! may act for accounts with other names: [`Summary::text`] says for which. Only the key is compared with the signer's.
//!
//! # What it does not say
//! A transaction names no network, so [`Payload::chain_id`] is required: `near:mainnet` or `near:testnet`. The price of gas
//! is the chain's and not in the transaction, so the fee ceiling is unknown. What a function does is known to its contract
//! alone, tokens included.
//!
//! # What is understood
//!
//! | action | becomes |
//! |---|---|
//! | Transfer | [`Transfer`](crate::Action::Transfer) to the receiver |
//! | FunctionCall | [`ProgramCall`](crate::Action::ProgramCall) of `<receiver>#<method>`, after a `Transfer` of its deposit if there is one |
//! | CreateAccount, DeployContract, Stake, DeleteKey, DeleteAccount | [`Exception`](crate::Action::Exception) `create_account`, `deploy_contract`, `stake`, `delete_key`, `delete_account` |
//! | AddKey | `Exception` `add_full_access_key` or `add_function_call_key` |
//!
//! # What is refused
//! Version 1 transactions, secp256k1 keys, delegate and all later actions, transactions without actions, account names that
//! the chain would not take, and methods' names that are not printable ASCII.

mod summary;
mod wire;

use sha2::{Digest, Sha256};

use crate::{
    ChainId, Curve, DecodeError, KeyError, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    require,
};

/// The `near` networks.
///
/// ```
/// use chain_signers::{Chain, Encoding, Payload, DecodeError, near::Near};
///
/// let refused = Near.decode(&Payload::new(Encoding::Binary, &[9, 0, 0, 0]));
/// assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Near;

impl Chain for Near {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        require::ed25519(key).map(hex::encode)
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = require::chain_id(payload, NAMESPACE)?;
        if !NETWORKS.contains(&chain_id.as_str()) {
            return Err(DecodeError::invalid("chain_id", NETWORKS.join(" or "), chain_id));
        }
        match payload.encoding {
            Encoding::Binary => NearTransaction::new(chain_id, payload.bytes).map(|it| Box::new(it) as _),
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

#[derive(Debug)]
struct NearTransaction {
    key: [u8; 32],
    bytes: Vec<u8>,
    hash: [u8; 32],
    summary: Summary,
}

impl NearTransaction {
    fn new(chain_id: &ChainId, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (transaction, key) = wire::decode(bytes)?;
        let hash = Sha256::digest(bytes).into();
        let summary = summary::summarise(&transaction, &key, chain_id, &hash);
        Ok(Self { key, bytes: bytes.to_vec(), hash, summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        require::signer(hex::encode(self.key), Near.address(signer)?)
    }
}

impl Transaction for NearTransaction {
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
        let bytes = [&self.bytes[..], &[ED25519], &signature.to_bytes()].concat();
        Ok(SignedTransaction { bytes, id: bs58::encode(self.hash).into_string() })
    }
}

const NAMESPACE: &str = "near";
const NETWORKS: [&str; 2] = ["near:mainnet", "near:testnet"];
/// A signature's variant.
const ED25519: u8 = 0;
