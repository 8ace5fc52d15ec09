//! TRON (`tron`): transactions with one contract and one signer.
//!
//! # Binary
//! The `raw_data` of a transaction in Protocol Buffers (what APIs call `raw_data_hex`), whose SHA-256 is signed:
//! `ref_block_bytes`, `ref_block_hash`, `expiration`, `data`, `contract`, `timestamp` and `fee_limit`. It must re-encode to
//! itself, and so must a contract that is understood: no unknown field, no default value written out, every field in
//! order. There is no JSON encoding: the JSON of TRON's APIs is not what is signed.
//!
//! # What it does not say
//! It names no chain, so [`Payload::chain_id`] is required and must be in the namespace `tron`: its reference is the last
//! four bytes of the genesis block's hash as a decimal number, `tron:728126428` for the main network
//! (<https://namespaces.chainagnostic.org/tron/caip2>; the hex spelling `0x2b6653dc` that some wallets use is refused, so
//! that a chain has one name). The policy then judges what the caller said. A reference block exists on one chain only, so a
//! transaction meant for one does not run on another, but nothing here can check that: use separate keys.
//!
//! # What is understood
//! | contract | action |
//! |---|---|
//! | `TransferContract` | [`Transfer`](crate::Action::Transfer) |
//! | `TransferAssetContract` (TRC-10) | [`TokenTransfer`](crate::Action::TokenTransfer) of the token's number |
//! | `TriggerSmartContract` with `transfer` or `transferFrom` (TRC-20, TRC-721) | `TokenTransfer`; from another than the owner also the exception `tokens_of_another` |
//! | `TriggerSmartContract` with `approve` | [`TokenApproval`](crate::Action::TokenApproval) |
//! | any other `TriggerSmartContract` | [`ContractCall`](crate::Action::ContractCall) |
//! | any other | [`ProgramCall`](crate::Action::ProgramCall) of the type's name, such as `FreezeBalanceV2Contract` |
//!
//! TRC-10 tokens that go with a call are a `TokenTransfer` to the contract, beside the call. A token's function that coins
//! or TRC-10 tokens go with is a `ContractCall` and what the function does besides: both must be permitted. A `transferFrom`
//! of what another account than the owner has, by what that one approved, is the exception `tokens_of_another` beside its
//! transfer. Of a contract that is not decoded further, the owner is read all the same. Name it in a policy with care:
//! `AccountPermissionUpdateContract` gives the account away. In the arguments of a token's function, an address has zeros
//! before it, or the prefix 0x41 that some libraries leave there.
//!
//! A memo (`data`) is subject to the exception `memo`: exchanges read there whose account they are to credit.
//!
//! # Fees
//! [`fee_ceiling`](crate::Summary::fee_ceiling) is `fee_limit`, which bounds what a contract's execution burns, and `None`
//! for a contract that is not decoded further, as some have a fixed price. **It leaves out** what the network's parameters
//! set and a transaction does not bound: bandwidth by its size, the making of a receiver's account (about one TRX), and a
//! memo's price.
//!
//! # What is refused
//! Several contracts, an owner that is not the signer, `Permission_id` (so multi-signatures), `auths`, `scripts`, providers,
//! shielded and market contracts, types that do not match their message, amounts of nothing, memos beyond 512 bytes,
//! transactions beyond 128 KiB, and the functions above with arguments that are not canonical.

mod address;
mod calldata;
mod contract;
mod proto;
mod summary;

use prost::Message as _;
use sha2::{Digest, Sha256};

use crate::{
    ChainId, Curve, DecodeError, KeyError, Sighash, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    error::too_long,
    protobuf::decode_exact,
    require,
};
use address::Address;
use contract::Contract;
use proto::Raw;

/// The `tron` chains.
///
/// ```
/// use chain_signers::{Chain, Curve, Encoding, Payload, DecodeError, SigningKey, tron::Tron};
///
/// let refused = Tron.decode(&Payload::new(Encoding::Binary, &[0x0a, 0]));
/// assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[1; 32])?;
/// assert!(Tron.address(&key.verifying_key())?.starts_with('T'));
/// # Ok::<_, chain_signers::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tron;

impl Chain for Tron {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Secp256k1
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        Address::of(key).map(|address| address.to_string())
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = require::chain_id(payload, NAMESPACE)?;
        let is_number = |text: &str| text.parse().is_ok_and(|number: u32| number.to_string() == text);
        if !is_number(chain_id.reference()) {
            let expected = "tron: and a decimal number below 2^32, such as tron:728126428";
            return Err(DecodeError::invalid("chain_id", expected, chain_id));
        }
        match payload.encoding {
            Encoding::Binary => TronTransaction::new(chain_id, payload.bytes).map(|it| Box::new(it) as _),
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

#[derive(Debug)]
struct TronTransaction {
    raw: Raw,
    bytes: Vec<u8>,
    owner: Address,
    sighash: Sighash,
    summary: Summary,
}

impl TronTransaction {
    fn new(chain_id: &ChainId, bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_LEN {
            return Err(too_long("the transaction", "bytes", bytes.len(), MAX_LEN));
        }
        let raw: Raw = decode_exact(bytes, "a raw_data of known fields")?;
        check(&raw)?;
        let [contract] = &raw.contract[..] else {
            return Err(DecodeError::invalid("contract", "one contract", raw.contract.len()));
        };
        let contract = Contract::decode(contract.clone())?;
        let sighash = Sighash::new(Sha256::digest(bytes).into());
        let summary = summary::summarise(&raw, &contract, chain_id, &sighash)?;
        Ok(Self { owner: contract.owner(), raw, bytes: bytes.to_vec(), sighash, summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        require::signer(self.owner.to_string(), Tron.address(signer)?)
    }
}

fn check(raw: &Raw) -> Result<(), DecodeError> {
    for (field, bytes, len) in
        [("ref_block_bytes", &raw.ref_block_bytes, 2), ("ref_block_hash", &raw.ref_block_hash, 8)]
    {
        if bytes.len() != len {
            let actual = format!("0x{}", hex::encode(bytes));
            return Err(DecodeError::invalid(field, format!("{len} bytes"), actual));
        }
    }
    if raw.data.len() > MAX_MEMO_LEN {
        return Err(too_long("the memo", "bytes", raw.data.len(), MAX_MEMO_LEN));
    }
    for (field, number) in [("expiration", raw.expiration), ("timestamp", raw.timestamp), ("fee_limit", raw.fee_limit)]
    {
        contract::natural(field, number)?;
    }
    Ok(())
}

impl Transaction for TronTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

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
        // The node derives the signer from r, s and the recovery id, from 0 to 3.
        let recovery_id = signature.recovery_id().ok_or(SignError::UnrepresentableRecoveryId)?;
        let signature = [&signature.to_bytes()[..], &[recovery_id.to_byte()]].concat();
        let bytes = proto::Transaction { raw_data: Some(self.raw.clone()), signature: vec![signature] }.encode_to_vec();
        Ok(SignedTransaction { bytes, id: self.sighash.to_string() })
    }
}

const NAMESPACE: &str = "tron";
/// In bytes. Nodes take up to 500 KiB, which only the code of large contracts needs.
const MAX_LEN: usize = 128 * 1024;
/// In bytes.
const MAX_MEMO_LEN: usize = 512;
