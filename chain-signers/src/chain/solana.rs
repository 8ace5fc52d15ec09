//! Solana (`solana`): legacy and version 0 messages with one signer.
//!
//! # Binary
//! A legacy message: header (three bytes), compact-u16 count and account keys, recent blockhash, compact-u16 count and
//! instructions. A version 0 message: `0x80`, the same, compact-u16 count and lookups, each of which is an address lookup
//! table's key and two counted lists of indexes into it. It is also what is signed, as it is. It must fit a packet together
//! with its signature, keep the cluster's own sanity rules, and re-encode (with Solana's serializer) to itself. There is no
//! JSON encoding.
//!
//! # What it does not say
//! A message names no cluster, so [`Payload::chain_id`] is required and must be in the namespace `solana`; the policy then
//! judges what the caller said. A recent blockhash exists on one cluster only, so a message meant for one does not run on
//! another, but nothing here can check that: use separate keys for separate clusters.
//!
//! CAIP-2 names a cluster by the first 32 characters of its first block's hash; any other reference is taken as well, and
//! is another chain to policies:
//!
//! | cluster | chain id |
//! |---|---|
//! | mainnet | `solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp` |
//! | devnet | `solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1` |
//! | testnet | `solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z` |
//!
//! What a lookup table holds is on the chain and not in the message. An account that comes from one is called
//! `lookup:<table>[<index>]`. It may be handed to a program in a [`ProgramCall`](crate::Action::ProgramCall), whose
//! `accounts` say so, and may be the token account that a transfer or approval takes from; it may not be a program, nor
//! the destination, mint, delegate or nonce account of what is understood.
//!
//! # What is understood
//!
//! | instruction | action |
//! |---|---|
//! | System `Transfer` out of the signer's account | [`Transfer`](crate::Action::Transfer) |
//! | System `AdvanceNonceAccount`, first, by the signer's authority: the message does not expire | [`Exception`](crate::Action::Exception) `durable_nonce` |
//! | Token and Token-2022 `TransferChecked`, Token-2022 `TransferCheckedWithFee`, by the signer's authority | [`TokenTransfer`](crate::Action::TokenTransfer) of the mint to the token account |
//! | Token and Token-2022 `ApproveChecked` by the signer's authority | [`TokenApproval`](crate::Action::TokenApproval) of the mint to the delegate |
//! | Memo, version 2, in UTF-8, with no account or the signer's | [`Exception`](crate::Action::Exception) `memo` |
//! | Compute Budget | none: it is counted in the fee ceiling |
//! | every other | [`ProgramCall`](crate::Action::ProgramCall) |
//!
//! A call needs a rule that names the program: among them are the plain `Transfer` and `Approve` of tokens, which name no
//! mint, and the creation of associated token accounts. Their names, and those of the System program's instructions, are
//! in the text. (The System program can give the whole account away with `Assign`, and the Token programs a token account
//! with `SetAuthority`: name them with care.) A token is sent to a token account, whose owner the message does not say. A
//! memo is an action because on a shared deposit address it decides whose payment it is.
//!
//! # The fee ceiling
//! 5000 lamports a signature, those included that the ed25519, secp256k1 and secp256r1 programs are told to verify, and the
//! compute unit price times the limit (1,400,000 units if none is set), rounded up. No program can raise it. What a program
//! takes from the signer's account is not a fee, and neither is the rent of a new token account: whoever permits the call
//! permits that.
//!
//! # What is refused
//! Version 1 and later messages, messages that need more than one signature (the others' consent would be a guess),
//! messages without instructions, duplicate accounts, a transfer out of an account that is not the signer's, a first
//! `AdvanceNonceAccount` and any Compute Budget instruction that is not exactly as above or comes twice, and anything with
//! bytes left over. Messages that are no transactions are not signed: bytes without a frame could be a transaction, and
//! version 0 of Solana's off-chain messages is framed in two ways.

mod accounts;
mod fee;
mod programs;
mod summary;
mod system;
mod token;
mod wire;

use sha2::{Digest, Sha256};
use solana_message::VersionedMessage;

use crate::{
    ChainId, Curve, DecodeError, KeyError, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    require,
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
        require::ed25519(key).map(|key| bs58::encode(key).into_string())
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = require::chain_id(payload, NAMESPACE)?;
        match payload.encoding {
            Encoding::Binary => SolanaTransaction::new(chain_id, payload.bytes).map(|it| Box::new(it) as _),
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

#[derive(Debug)]
struct SolanaTransaction {
    message: VersionedMessage,
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
        let expected = bs58::encode(&self.message.static_account_keys()[0]).into_string();
        require::signer(expected, Solana.address(signer)?)
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
        let signature = require::one_signature(signatures, Curve::Ed25519)?;
        let signature = signature.to_bytes();
        let bytes = [&[1][..], &signature, &self.bytes].concat(); // the count of signatures comes first
        Ok(SignedTransaction { bytes, id: bs58::encode(signature).into_string() })
    }
}

const NAMESPACE: &str = "solana";
