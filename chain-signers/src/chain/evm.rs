//! Ethereum and its kin (`eip155`): transactions of EIP-7702, EIP-4844, EIP-1559, EIP-2930 and legacy ones of EIP-155,
//! the authorizations of EIP-7702, EIP-191 messages and EIP-712 typed data.
//!
//! # Binary
//! The bytes whose Keccak-256 is signed. They must re-encode to themselves.
//!
//! | | |
//! |---|---|
//! | legacy | `rlp([nonce, gas_price, gas_limit, to, value, data, chain_id, 0, 0])` |
//! | EIP-2930 | `0x01 ‖ rlp([chain_id, nonce, gas_price, gas_limit, to, value, data, access_list])` |
//! | EIP-1559 | `0x02 ‖ rlp([chain_id, nonce, max_priority_fee_per_gas, max_fee_per_gas, gas_limit, to, value, data, access_list])` |
//! | EIP-4844 | `0x03 ‖ rlp([…the fields of EIP-1559, max_fee_per_blob_gas, blob_versioned_hashes])` |
//! | EIP-7702 | `0x04 ‖ rlp([…the fields of EIP-1559, authorization_list])` |
//! | an authorization | `0x05 ‖ rlp([chain_id, address, nonce])` |
//!
//! What comes out is the EIP-2718 envelope with the signature. That of a blob transaction has no sidecar: blobs,
//! commitments and proofs are not signed but by their hashes, travel outside, and are joined by whoever sends it. A signed
//! authorization is `rlp([chain_id, address, nonce, y_parity, r, s])`, an item of somebody's authorization list; its id is
//! the hash that was signed.
//!
//! # JSON
//! One object, every key known and at most once, in one of two styles:
//!
//! | | reference style | JSON-RPC style |
//! |---|---|---|
//! | quantities | JSON numbers | strings, `0x` and hex digits without leading zeros |
//! | `value` is in | **ether**: a decimal with at most 18 decimal places | **wei** |
//! | data | `data` | `data` or `input`, not both |
//!
//! The quantities are `value`, `nonce`, `type`, `chainId`, `gas`, `maxFeePerGas`, `maxPriorityFeePerGas`, `gasPrice` and
//! `maxFeePerBlobGas`. **If all of them that are present are numbers, the style is the reference style; if all are strings,
//! it is the JSON-RPC style; a mixture is refused**, because the unit of `value` would be a guess. `to`, data and what is in
//! lists are strings in both.
//!
//! `to`, `chainId`, `nonce`, `gas`, the fees, `blobVersionedHashes` and `authorizationList` are required by the types that
//! have them; `value` and data default to nothing. `type` may be left out when other keys tell it: `maxFeePerBlobGas` or
//! `blobVersionedHashes` is EIP-4844, else `authorizationList` EIP-7702, else `maxFeePerGas` or `maxPriorityFeePerGas`
//! EIP-1559, else `gasPrice` with `accessList` EIP-2930, else `gasPrice` a legacy transaction; a key that the type does not
//! have is refused. A contract creation says `"to": null`; an absent `to` is an error. Whole numbers in the reference style
//! are digits only; `value` may have a fraction and an exponent (`1e-05` is what some languages print), and both are
//! computed exactly in integers. A mixed-case address must carry the right EIP-55 checksum.
//!
//! Lists are as in JSON-RPC in both styles: `accessList`, empty if it is left out, has `{"address": …, "storageKeys": […]}`;
//! `blobVersionedHashes` 32 bytes in hex; `authorizationList` `{"chainId": …, "address": …, "nonce": …, "yParity": …, "r": …,
//! "s": …}`, all in hex, r and s also with all 64 digits. An authorization to be signed is `{"chainId": …, "address": …,
//! "nonce": …}` in either style, and is known by its `address`.
//!
//! # What it does
//! A transaction without data is a transfer. One with data is a call, named by contract and selector, unless it is one of
//! these, which are decoded; with value or blobs it is both:
//!
//! | function | action |
//! |---|---|
//! | `transfer`, `transferFrom` of ERC-20; `transferFrom` of ERC-721, which is the same function | a transfer of so many tokens, or of the token of that number |
//! | `approve`, `increaseAllowance` of ERC-20; `approve` of ERC-721 | an approval of so many, so many more, or of the token of that number |
//! | `safeTransferFrom` of ERC-721, with and without data | a transfer of one token |
//! | `safeTransferFrom` of ERC-1155 | a transfer of so many |
//! | `safeBatchTransferFrom` of ERC-1155 | as many transfers as items, from 1 to 256 |
//! | `setApprovalForAll` | an approval of 2^256 - 1, or of 0 |
//!
//! Data that is handed to the receiver of a transfer, if there is any, is a call of the receiver's `onERC721Received`,
//! `onERC1155Received` or `onERC1155BatchReceived` beside it. Tokens that are taken from another account than that of
//! [`Payload::signer`], by what it approved, are the exception `tokens_of_another` beside their transfer; if no signer is named,
//! every `…From` is one. Calldata of these functions in another than the canonical
//! encoding (an address with more than 20 bytes, a bool above 1, an offset elsewhere, padding that is not zero, bytes after
//! the end) is refused: contracts disagree about what it means.
//!
//! A transaction with blobs is a call even without data: its blobs are for the contract. Each authorization is a delegation
//! of the account whose key signed it, told before the call because it takes effect before; to the zero address, it ends
//! one. A transaction to an account that it delegates is a call even without data, as the account has code by then. The fee
//! ceiling counts blobs; what rollups charge for their data beside gas (those of the OP Stack do) is in no transaction, nor in
//! it. An authorization that the key signs is one delegation: of the account of
//! [`Payload::signer`], or of nobody named. It costs no fee. With chain id 0 it
//! holds on every chain, and the caller must name the one that it is judged for. Where [`Payload::signer`] is named, no other
//! key signs the transaction or authorization.
//!
//! # What is refused
//! chain id 0 (but in authorizations) and legacy transactions without one, chain ids beyond EIP-2294, nonces beyond EIP-2681
//! and EIP-7702, a priority fee above the maximum fee, a value and fee that together exceed 256 bits, data beyond 128 KiB,
//! init code that is empty or beyond EIP-3860, access lists beyond 256 addresses or 4096 keys, no blob or more than the 6 of
//! EIP-7594, blob hashes of a version that is not 1, blob transactions with their sidecar, no authorization or more than 64,
//! authorizations for another chain than the transaction's or by no key (a y parity above 1, a high s, or r and s that no
//! key can have made), and every other transaction type by its number.
//!
//! # Messages and typed data
//! Neither is sent: the signature is handed over, as 65 bytes r ‖ s ‖ v with v 27 or 28, and costs nothing. Its id is `0x`
//! and the hash that is signed.
//!
//! **A message** ([`Encoding::Message`], EIP-191 version 0x45, `personal_sign`) is its bytes, 64 KiB at most. What is signed
//! is Keccak-256 of `0x19 ‖ "Ethereum Signed Message:\n" ‖ length in decimal ‖ message`. It names no chain, so
//! [`Payload::chain_id`] is required, and the policy judges what the caller said. Refused is what somebody could have
//! meant as something else: bytes that read as a transaction, unsigned or signed, be it in binary, in hex or in JSON, and
//! bytes beginning with `0x19 0x01`, as the signing payload of typed data does. 32 bytes that are a hash are a message like
//! any other, and say nothing of what was hashed: contracts take orders so (Safe's and ERC-4337's do). So a message of 32
//! bytes is also the exception `message_of_32_bytes`. Permit messages to callers who need them, for keys that hold nothing.
//!
//! **Typed data** ([`Encoding::TypedData`], EIP-712, `eth_signTypedData_v4`) is JSON, 128 KiB at most:
//! `{"types": {…}, "primaryType": …, "domain": {…}, "message": {…}}`. What is signed is Keccak-256 of `0x19 0x01 ‖ domain
//! separator ‖ hashStruct(message)`. At each level every key is there, once, and none is unknown.
//!
//! * **Types**: at most 64, of 1 to 64 fields each, with names of at most 64 letters, digits, `_` and `$` (and `:` in a
//!   type's name, as some use). `uint` and `int` without a size are no types, which EIP-712 says too. A type that the
//!   primary type does not lead to is refused.
//! * **The domain**: `types.EIP712Domain` has fields that EIP-712 names, of the types it gives them, in its order. `chainId`
//!   is required, the rest is not.
//! * **Values**: an integer is a JSON integer, or a string of decimal digits or of `0x` and hex digits, in the range of its
//!   type and never rounded; an address, `0x` and 40 hex digits, with the right checksum if they are of mixed case;
//!   `bytesN`, `0x` and N bytes; a list, at most 1024 items, and as many as its type says if it does. Structs and lists nest
//!   16 deep at most, and a message has at most 1024 values in all. `null` is no value: what some wallets sign for it is not
//!   in EIP-712.
//!
//! [`Transaction::to_bytes`] is that JSON again, written in one way: no white space, keys in the order above, types with
//! `EIP712Domain` and the primary type first and the others by name, fields in the order of their types, integers as
//! decimal strings, addresses in EIP-55 spelling. It has 128 KiB at most too.
//!
//! Typed data that lets somebody take tokens is decoded further: beside [`Action::TypedData`](crate::Action::TypedData) it
//! has one [`Action::TokenApproval`](crate::Action::TokenApproval) for each token of EIP-2612's `Permit`, DAI's `Permit`, and
//! Permit2's `PermitSingle`, `PermitBatch`, `PermitTransferFrom`, `PermitBatchTransferFrom` and both of these with a witness,
//! and one [`Action::TokenTransfer`](crate::Action::TokenTransfer) for EIP-3009's `TransferWithAuthorization` and
//! `ReceiveWithAuthorization`. They are known by their whole `encodeType`. What a type of another name or shape permits is
//! for the policy to know, which names it by its hash and its contract.

mod authority;
mod authorization;
mod eip191;
mod envelope;
mod json;
mod message;
mod rules;
mod signed;
mod summary;
mod token;
mod typed_data;
mod unsigned;

pub use authority::recover_authority;
pub use message::recover_message_signer;
pub use signed::recover_sender;
pub use typed_data::recover_typed_data_signer;

use alloy_eips::eip7702::Authorization;
use alloy_primitives::Address;

use crate::{
    Curve, DecodeError, KeyError, Sighash, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    keccak::{self, address_of},
    require,
};
use authorization::UnsignedAuthorization;
use unsigned::Unsigned;

/// The `eip155` chains.
///
/// ```
/// use chain_signers::{Action, Amount, Chain, Encoding, Payload, evm::Evm};
///
/// let json = br#"{"value": 0.01, "to": "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", "nonce": 0, "type": 2,
///     "chainId": 4, "gas": 100000, "maxFeePerGas": 100000000000, "maxPriorityFeePerGas": 3000000000}"#;
/// let transaction = Evm.decode(&Payload::new(Encoding::Json, json))?;
/// assert_eq!(transaction.summary().actions, [Action::Transfer {
///     to: "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf".to_owned(),
///     amount: Amount::from(10_000_000_000_000_000_u64),
/// }]);
/// # Ok::<_, chain_signers::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Evm;

impl Chain for Evm {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Secp256k1
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        address_of(key).map(|address| keccak::to_checksum(&address))
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let transaction: Box<dyn Transaction> = match payload.encoding {
            Encoding::Binary => Decoded::from_binary(payload.bytes)?.into_transaction(payload)?,
            Encoding::Json => json::decode(payload.bytes)?.into_transaction(payload)?,
            Encoding::Message => Box::new(message::decode(payload)?),
            Encoding::TypedData => Box::new(typed_data::decode(payload.bytes)?),
            encoding => return Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        };
        require::same_chain(payload, &transaction.summary().chain_id)?;
        Ok(transaction)
    }
}

/// What the two encodings hold.
#[derive(Debug)]
enum Decoded {
    Authorization(Authorization),
    Transaction(Unsigned),
}

impl Decoded {
    fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        if authorization::is_binary(bytes) {
            authorization::from_binary(bytes).map(Self::Authorization)
        } else {
            Unsigned::from_binary(bytes).map(Self::Transaction)
        }
    }

    /// Checks every rule.
    fn into_transaction(self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        match self {
            Self::Authorization(authorization) => {
                UnsignedAuthorization::new(authorization, payload).map(|it| Box::new(it) as _)
            }
            Self::Transaction(unsigned) => EvmTransaction::new(unsigned, payload).map(|it| Box::new(it) as _),
        }
    }
}

#[derive(Debug)]
struct EvmTransaction {
    unsigned: Unsigned,
    /// Who sends it, if the caller said so.
    sender: Option<Address>,
    bytes: Vec<u8>,
    sighash: Sighash,
    summary: Summary,
}

impl EvmTransaction {
    fn new(unsigned: Unsigned, payload: &Payload<'_>) -> Result<Self, DecodeError> {
        let authorities = unsigned.check()?;
        let sender = account_of_signer(payload)?;
        let bytes = unsigned.to_binary();
        let sighash = Sighash::new(keccak::keccak256(&bytes));
        let summary = summary::summarise(&unsigned, &authorities, sender.as_ref(), &sighash)?;
        Ok(Self { unsigned, sender, bytes, sighash, summary })
    }
}

impl Transaction for EvmTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Any key may sign, unless one was named: the sender is not in the transaction, it follows from the signature.
    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        require_signer(self.sender, signer)?;
        Ok(vec![SigningPayload::hashed(self.bytes.clone(), self.sighash)])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        require_signer(self.sender, signer)?;
        let (scalars, is_y_odd) = only_signature(signer, signatures)?;
        let bytes = self.unsigned.to_signed(&scalars, is_y_odd);
        let id = format!("0x{}", hex::encode(keccak::keccak256(&bytes)));
        Ok(SignedTransaction { bytes, id })
    }
}

/// The account of the key that is to sign, if the caller named it.
fn account_of_signer(payload: &Payload<'_>) -> Result<Option<Address>, DecodeError> {
    let account = payload.signer.map(keccak::address_of).transpose();
    let account = account.map_err(|error| DecodeError::invalid("signer", "a secp256k1 key", error))?;
    Ok(account.map(Address::from))
}

/// Refuses to sign with another key than the summary was told, if it was.
fn require_signer(told: Option<Address>, signer: &VerifyingKey) -> Result<(), SignError> {
    require_secp256k1(signer.curve())?;
    let actual = keccak::address_of(signer)?;
    match told {
        Some(expected) if expected != actual => Err(SignError::NotTheSigner {
            expected: keccak::to_checksum(&expected),
            actual: keccak::to_checksum(&actual),
        }),
        _ => Ok(()),
    }
}

/// r ‖ s, and whether the ephemeral point's y is odd.
fn only_signature(signer: &VerifyingKey, signatures: &[Signature]) -> Result<([u8; 64], bool), SignError> {
    require_secp256k1(signer.curve())?;
    let signature = require::one_signature(signatures, Curve::Secp256k1)?;
    let recovery_id = signature.recovery_id().filter(|id| !id.is_x_reduced());
    let is_y_odd = recovery_id.ok_or(SignError::UnrepresentableRecoveryId)?.is_y_odd();
    Ok((signature.to_bytes(), is_y_odd))
}

fn require_secp256k1(actual: Curve) -> Result<(), SignError> {
    let expected = Curve::Secp256k1;
    if actual == expected { Ok(()) } else { Err(SignError::CurveMismatch { expected, actual }) }
}

const NAMESPACE: &str = "eip155";
