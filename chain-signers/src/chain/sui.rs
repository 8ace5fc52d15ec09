//! Sui (`sui`): programmable transactions of one sender who pays for the gas.
//!
//! # Binary
//! The BCS of a `TransactionData`, version 1: inputs and commands, sender, gas (coins, owner, price, budget), expiration. It
//! has at most 128 KiB, as on the chain, and must re-encode to itself. What is signed is BLAKE2b-256 of the intent `0 0 0`
//! and those bytes. There is no JSON encoding.
//!
//! The signed transaction is what `sui client execute-combined-signed-tx` takes, a `SenderSignedData`: `1`, the intent, those
//! bytes, `1`, and 97 with the signature that other interfaces take apart from them: `0`, the 64 bytes, the public key. Its
//! id is BLAKE2b-256 of `TransactionData::` and those bytes, in base58.
//!
//! Addresses are `0x` and 64 hex digits; those below 16, as packages of the framework have, are `0x` and one digit.
//!
//! # What it does not say
//! A transaction names no network, so [`Payload::chain_id`] is required: `sui:mainnet`, `sui:testnet` or `sui:devnet`. Its
//! coins exist on one network only, but nothing here can check that: use separate keys for separate networks. Nor does it
//! say what an object is, whether a coin of SUI, of another token, or something else.
//!
//! # What is understood
//! If all commands split coins off the gas coin, by amounts that are in the transaction, or transfer objects to addresses
//! that are, then a transfer of such a coin is [`Transfer`](crate::Action::Transfer), and that of anything else is a call.
//!
//! Every other command is [`ProgramCall`](crate::Action::ProgramCall): of `<package>::<module>::<function>`, or of
//! `transfer_objects`, `split_coins`, `merge_coins`, `make_move_vec`, `publish` and `upgrade`. Its `accounts` are the objects
//! and the pure inputs of 32 bytes that it is handed. If there is one such command, all are named like that, since it may
//! change what the others work with. Who permits `transfer_objects` permits the transfer of anything; the receiver is among
//! the accounts.
//!
//! # What is refused
//! Other kinds and versions of transactions, gas that somebody else pays (whose signature it would take), withdrawals of
//! funds from address balances, expirations other than by epoch, indices out of range, and names that are no identifiers.

mod summary;
mod wire;

use blake2::{Blake2b256, Digest};

use crate::{
    ChainId, Curve, DecodeError, KeyError, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    move_types::Address,
    require,
};

/// The `sui` networks.
///
/// ```
/// use chain_signers::{Chain, Encoding, Payload, DecodeError, sui::Sui};
///
/// let refused = Sui.decode(&Payload::new(Encoding::Binary, &[0, 0, 0, 0]));
/// assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sui;

impl Chain for Sui {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        require::ed25519(key).map(|key| Address(hash(&[ED25519], &key)).to_string())
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = require::chain_id(payload, NAMESPACE)?;
        if !NETWORKS.contains(&chain_id.as_str()) {
            return Err(DecodeError::invalid("chain_id", NETWORKS.join(" or "), chain_id));
        }
        match payload.encoding {
            Encoding::Binary => SuiTransaction::new(chain_id, payload.bytes).map(|it| Box::new(it) as _),
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

fn hash(domain: &[u8], bytes: &[u8]) -> [u8; 32] {
    Blake2b256::new().chain_update(domain).chain_update(bytes).finalize().into()
}

#[derive(Debug)]
struct SuiTransaction {
    sender: String,
    bytes: Vec<u8>,
    /// What is signed.
    digest: [u8; 32],
    summary: Summary,
}

impl SuiTransaction {
    fn new(chain_id: &ChainId, bytes: &[u8]) -> Result<Self, DecodeError> {
        let transaction = wire::decode(bytes)?;
        let digest = hash(&INTENT, bytes);
        let summary = summary::summarise(&transaction, chain_id, &digest);
        Ok(Self { sender: transaction.sender.to_string(), bytes: bytes.to_vec(), digest, summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        require::signer(self.sender.clone(), Sui.address(signer)?)
    }
}

impl Transaction for SuiTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        self.require_signer(signer)?;
        Ok(vec![SigningPayload::message(self.digest.to_vec())])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        let signature = require::one_signature(signatures, Curve::Ed25519)?;
        let signature = [&[ED25519][..], &signature.to_bytes(), &signer.to_bytes()].concat();
        // One transaction with one signature, which is written with its length.
        let bytes = [&[1][..], &INTENT, &self.bytes, &[1, 97], &signature].concat();
        let id = bs58::encode(hash(b"TransactionData::", &self.bytes)).into_string();
        Ok(SignedTransaction { bytes, id })
    }
}

const NAMESPACE: &str = "sui";
const NETWORKS: [&str; 3] = ["sui:mainnet", "sui:testnet", "sui:devnet"];
/// A transaction's: scope, version, application.
const INTENT: [u8; 3] = [0; 3];
/// The flag of a signature scheme.
const ED25519: u8 = 0;
