//! Chains built with the Cosmos SDK (`cosmos`): transactions with one signer, in `SIGN_MODE_DIRECT` and in
//! `SIGN_MODE_LEGACY_AMINO_JSON`.
//!
//! # Binary
//! The `SignDoc` in Protocol Buffers whose SHA-256 is signed in direct mode: `body_bytes`, `auth_info_bytes`, `chain_id`
//! and `account_number`. It must re-encode to itself, and so must the `TxBody`, the `AuthInfo`, the public key and every
//! message that is understood: no unknown field, no default value written out, every field in order. `auth_info` names one
//! signer with a secp256k1 key, which is the one that may sign.
//!
//! # JSON
//! The `StdSignDoc` that is signed in legacy amino mode (hardware wallets do): `account_number`, `chain_id`, `fee`
//! (`amount`, `gas`, and `granter` and `payer` unless empty), `memo`, `msgs`, `sequence`, and `timeout_height` unless zero.
//! All numbers are strings of decimal digits. Every key is known and there once; keys may be in any order and white space
//! anywhere, because what is signed is the canonical form: keys sorted, no white space, `<`, `>` and `&` escaped. Control
//! characters other than tab and line ends are refused, as encoders disagree about how they are escaped. Only messages that
//! are understood have a JSON form here. The document names no key: it follows from the messages' sender.
//!
//! # What is understood
//! | message | action |
//! |---|---|
//! | bank `MsgSend` | [`TokenTransfer`](crate::Action::TokenTransfer) for each coin; the token is the denomination |
//! | staking `MsgDelegate` | [`Stake`](crate::Action::Stake) |
//! | IBC `MsgTransfer` | `TokenTransfer` to `port/channel/receiver`, such as `transfer/channel-141/osmo1…` |
//! | any other (binary only) | [`ProgramCall`](crate::Action::ProgramCall) of the type URL, not decoded further |
//!
//! Name a type URL in a policy with care: `MsgExec` of `authz`, for one, runs any messages. All senders must be the same,
//! and be the signer. Addresses may have any prefix; those of one message have the same. Addresses in Bech32, also on the other
//! chain, and the hashes of `ibc/` denominations have one spelling here, though chains read several.
//!
//! A memo is subject to the exception `memo`, because exchanges read there whose account they are to credit, and some chains
//! whole orders; an IBC transfer with a memo of its own to `ibc_memo`, because the other chain may take it as an order to
//! forward the coins, or to call a contract with them.
//!
//! # Fees
//! [`fee_ceiling`](crate::Summary::fee_ceiling) is the fee's amount if it is in one denomination, zero if there is none,
//! and `None` if there are several. A fee in another denomination than the chain's own is subject to the exception
//! `fee_denom_` with the denomination after it, such as `fee_denom_uatom`, so that a policy that permits it knows in what the
//! ceiling counts. Instead of a denomination that is not of a few small letters, digits, `_` and `-`, there is `hashed-` and
//! the first 32 hex digits of its SHA-256. Of chains that are not well known, no denomination is the own one.
//!
//! # Chain ids
//! The reference is the chain's own id if it is plain, and else `hashed-` and 16 hex digits, as the
//! [namespace](https://namespaces.chainagnostic.org/cosmos/caip2) says; Kava's `kava_2222-10` has a low line and is hashed.
//!
//! # What is refused
//! More signers than one, multi-signatures, other kinds of keys (so all of Injective and Evmos), other sign modes, a fee
//! paid or granted by somebody else, tips, extension options, unordered transactions, empty or unsorted amounts, more than
//! 64 messages, 32 coins in an amount or 128 KiB in all, memos beyond 512 bytes.

mod address;
mod amino;
mod chain_id;
mod coin;
mod direct;
mod document;
mod message;
mod proto;
mod std_sign_doc;
mod summary;

pub use address::address;

use prost::Message as _;
use sha2::{Digest, Sha256};

use crate::{
    ChainId, Curve, DecodeError, KeyError, Sighash, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    error::too_long,
    require,
};
use direct::Direct;
use document::{Document, Sender};

/// The `cosmos` chains.
///
/// Addresses start with `cosmos`; [`address_on`](Chain::address_on) knows the prefixes of well-known chains, and
/// [`address`] writes any.
///
/// ```
/// use chain_signers::{Action, Amount, Chain, Encoding, Payload, cosmos::Cosmos};
///
/// let json = br#"{"account_number": "1037", "sequence": "8", "chain_id": "gaia-13003", "memo": "",
///     "fee": {"amount": [{"denom": "muon", "amount": "200"}], "gas": "200000"},
///     "msgs": [{"type": "cosmos-sdk/MsgSend", "value": {
///         "from_address": "cosmos1hsk6jryyqjfhp5dhc55tc9jtckygx0eph6dd02",
///         "to_address": "cosmos1zt50azupanqlfam5afhv3hexwyutnukeh4c573",
///         "amount": [{"denom": "muon", "amount": "1"}]}}]}"#;
/// let transaction = Cosmos.decode(&Payload::new(Encoding::Json, json))?;
/// assert_eq!(transaction.summary().actions[0], Action::TokenTransfer {
///     token: "muon".to_owned(),
///     to: "cosmos1zt50azupanqlfam5afhv3hexwyutnukeh4c573".to_owned(),
///     amount: Amount::from(1_u64),
///     selector: None,
/// });
/// assert_eq!(transaction.summary().actions[1], Action::Exception { name: "fee_denom_muon".into() });
/// # Ok::<_, chain_signers::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Cosmos;

impl Chain for Cosmos {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Secp256k1
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        address(DEFAULT_PREFIX, key)
    }

    fn address_on(&self, key: &VerifyingKey, chain_id: &ChainId) -> Result<String, KeyError> {
        address::address_on(key, chain_id)
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let transaction = match payload.encoding {
            Encoding::Binary => CosmosTransaction::from_direct(payload.bytes)?,
            Encoding::Json => CosmosTransaction::from_amino(payload.bytes)?,
            encoding => return Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        };
        require::same_chain(payload, &transaction.summary.chain_id)?;
        Ok(Box::new(transaction))
    }
}

#[derive(Debug)]
struct CosmosTransaction {
    /// What is hashed and signed.
    bytes: Vec<u8>,
    sighash: Sighash,
    body: Vec<u8>,
    auth: Auth,
    sender: Option<Sender>,
    summary: Summary,
}

/// Who signs, and how.
#[derive(Debug)]
enum Auth {
    /// The signer is not named: what says so is made with the key.
    Amino(Document),
    Direct {
        auth_info: Vec<u8>,
        key: VerifyingKey,
    },
}

impl CosmosTransaction {
    fn from_direct(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Direct { document, body, auth_info, key } = Direct::decode(bytes)?;
        let (chain_id, sender) = document.check()?;
        let account = address::account(&key).map_err(|error| DecodeError::malformed("a public key", error))?;
        if let Some(Sender { text, .. }) = sender.as_ref().filter(|sender| sender.account != account) {
            return Err(DecodeError::invalid("the sender of a message", "the address of the public key", text));
        }
        document.check_payer(&account)?;
        let sighash = Sighash::new(Sha256::digest(bytes).into());
        let signer = match &sender {
            Some(sender) => sender.text.clone(),
            None => address(DEFAULT_PREFIX, &key).map_err(|error| DecodeError::malformed("a public key", error))?,
        };
        let summary = summary::summarise(&document, "direct", chain_id, &signer, &sighash)?;
        Ok(Self { bytes: bytes.to_vec(), sighash, body, auth: Auth::Direct { auth_info, key }, sender, summary })
    }

    fn from_amino(bytes: &[u8]) -> Result<Self, DecodeError> {
        let document = std_sign_doc::decode(bytes)?;
        let (chain_id, sender) = document.check()?;
        let sender = sender.ok_or(DecodeError::Missing { field: "the sender of a message".into() })?;
        document.check_payer(&sender.account)?;
        let bytes = std_sign_doc::encode(&document)?.into_bytes();
        if bytes.len() > MAX_LEN {
            return Err(too_long("the canonical transaction", "bytes", bytes.len(), MAX_LEN)); // escapes made it longer
        }
        let sighash = Sighash::new(Sha256::digest(&bytes).into());
        let summary = summary::summarise(&document, "amino", chain_id, &sender.text, &sighash)?;
        let body = document.to_body();
        Ok(Self { bytes, sighash, body, auth: Auth::Amino(document), sender: Some(sender), summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        let account = address::account(signer)?;
        if let Some(Sender { text, prefix, .. }) = self.sender.as_ref().filter(|sender| sender.account != account) {
            return Err(SignError::NotTheSigner { expected: text.clone(), actual: address(prefix, signer)? });
        }
        match &self.auth {
            Auth::Direct { key, .. } if key != signer => {
                let (expected, actual) = (address(DEFAULT_PREFIX, key)?, address(DEFAULT_PREFIX, signer)?);
                Err(SignError::NotTheSigner { expected, actual })
            }
            Auth::Amino(_) | Auth::Direct { .. } => Ok(()),
        }
    }
}

impl Transaction for CosmosTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The `SignDoc`, or the canonical JSON in amino mode.
    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        self.require_signer(signer)?;
        Ok(vec![SigningPayload::hashed(self.bytes.clone(), self.sighash)])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        let signature = require::one_signature(signatures, Curve::Secp256k1)?;
        let auth_info_bytes = match &self.auth {
            Auth::Amino(document) => document.to_auth_info(signer, std_sign_doc::SIGN_MODE_LEGACY_AMINO_JSON),
            Auth::Direct { auth_info, .. } => auth_info.clone(),
        };
        let signatures = vec![signature.to_bytes().to_vec()];
        let bytes = proto::TxRaw { body_bytes: self.body.clone(), auth_info_bytes, signatures }.encode_to_vec();
        let id = hex::encode_upper(Sha256::digest(&bytes));
        Ok(SignedTransaction { bytes, id })
    }
}

const NAMESPACE: &str = "cosmos";
const DEFAULT_PREFIX: &str = "cosmos";
/// Of a `SignDoc` or a `StdSignDoc`, in bytes. A contract's code, which would need more, is not decoded anyway.
const MAX_LEN: usize = 128 * 1024;
/// In bytes. Most chains allow 256 for the transaction's.
const MAX_MEMO_LEN: usize = 512;
