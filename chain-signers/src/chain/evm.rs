//! Ethereum and its kin (`eip155`): EIP-1559, EIP-2930 and legacy EIP-155 transactions, EIP-191 messages and EIP-712 typed
//! data.
//!
//! # Binary
//! The bytes whose Keccak-256 is signed: `0x02 ‖ rlp([chain_id, nonce, max_priority_fee_per_gas, max_fee_per_gas,
//! gas_limit, to, value, data, access_list])`, `0x01 ‖ rlp([chain_id, nonce, gas_price, gas_limit, to, value, data,
//! access_list])`, or for a legacy transaction `rlp([nonce, gas_price, gas_limit, to, value, data, chain_id, 0, 0])`. They
//! must re-encode to themselves.
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
//! The quantities are `value`, `nonce`, `type`, `chainId`, `gas`, `maxFeePerGas`, `maxPriorityFeePerGas` and `gasPrice`.
//! **If all of them that are present are numbers, the style is the reference style; if all are strings, it is the JSON-RPC
//! style; a mixture is refused**, because the unit of `value` would be a guess. `to` and data are strings in both.
//!
//! `to`, `chainId`, `nonce`, `gas` and the fees are required; `value` and data default to nothing. `type` may be left out
//! when other keys tell it: `maxFeePerGas` or `maxPriorityFeePerGas` is EIP-1559, `gasPrice` with `accessList` EIP-2930,
//! `gasPrice` alone a legacy transaction; a key that the type does not have is refused. A contract creation says
//! `"to": null`; an absent `to` is an error. Whole numbers in the reference style are digits only; `value` may have a
//! fraction and an exponent (`1e-05` is what some languages print), and both are computed exactly in integers. A mixed-case
//! address must carry the right EIP-55 checksum. `accessList` is as in JSON-RPC in both styles, a list of
//! `{"address": …, "storageKeys": […]}`, and empty if it is left out.
//!
//! # What is refused
//! chain id 0 and legacy transactions without one, chain ids beyond EIP-2294, nonces beyond EIP-2681, a priority fee above
//! the maximum fee, a value and fee that together exceed 256 bits, data beyond 128 KiB, init code that is empty or beyond
//! EIP-3860, access lists beyond 256 addresses or 4096 keys, and every other transaction type by its name.
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
//! any other, and say nothing of what was hashed: contracts that take orders so (Safe does) cannot be told from a login.
//! Permit messages to callers who need them, for keys that hold nothing.
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

mod eip191;
mod json;
mod message;
mod rules;
mod signed;
mod summary;
mod typed_data;
mod unsigned;

pub use message::recover_message_signer;
pub use signed::recover_sender;
pub use typed_data::recover_typed_data_signer;

use crate::{
    Curve, DecodeError, KeyError, Sighash, SignError, Signature, SignedTransaction, SigningPayload, Summary,
    VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    keccak,
};
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
        let point = key.to_uncompressed_bytes()?;
        let hash = keccak::keccak256(&point[1..]); // x and y, without the tag
        let mut address = [0; 20];
        address.copy_from_slice(&hash[12..]);
        Ok(keccak::to_checksum(&address))
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let transaction: Box<dyn Transaction> = match payload.encoding {
            Encoding::Binary => Box::new(EvmTransaction::new(Unsigned::from_binary(payload.bytes)?)?),
            Encoding::Json => Box::new(EvmTransaction::new(json::decode(payload.bytes)?)?),
            Encoding::Message => Box::new(message::decode(payload)?),
            Encoding::TypedData => Box::new(typed_data::decode(payload.bytes)?),
        };
        let actual = &transaction.summary().chain_id;
        match payload.chain_id {
            Some(expected) if expected != actual => {
                Err(DecodeError::ChainIdMismatch { expected: expected.clone(), actual: actual.clone() })
            }
            _ => Ok(transaction),
        }
    }
}

#[derive(Debug)]
struct EvmTransaction {
    unsigned: Unsigned,
    bytes: Vec<u8>,
    sighash: Sighash,
    summary: Summary,
}

impl EvmTransaction {
    fn new(unsigned: Unsigned) -> Result<Self, DecodeError> {
        unsigned.check()?;
        let bytes = unsigned.to_binary();
        let sighash = Sighash::new(keccak::keccak256(&bytes));
        let summary = summary::summarise(&unsigned, &sighash)?;
        Ok(Self { unsigned, bytes, sighash, summary })
    }
}

impl Transaction for EvmTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Any key may sign: the sender is not in the transaction, it follows from the signature.
    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        require_secp256k1(signer.curve())?;
        Ok(vec![SigningPayload::hashed(self.bytes.clone(), self.sighash)])
    }

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        let (scalars, parity) = only_signature(signer, signatures)?;
        let bytes = self.unsigned.to_signed(&scalars, parity);
        let id = format!("0x{}", hex::encode(keccak::keccak256(&bytes)));
        Ok(SignedTransaction { bytes, id })
    }
}

/// r ‖ s, and whether the ephemeral point's y is odd.
fn only_signature(signer: &VerifyingKey, signatures: &[Signature]) -> Result<([u8; 64], bool), SignError> {
    require_secp256k1(signer.curve())?;
    let [signature] = signatures else {
        return Err(SignError::SignatureCount { expected: 1, actual: signatures.len() });
    };
    require_secp256k1(signature.curve())?;
    let recovery_id = signature.recovery_id().filter(|id| !id.is_x_reduced());
    let parity = recovery_id.ok_or(SignError::UnrepresentableRecoveryId)?.is_y_odd();
    Ok((signature.to_bytes(), parity))
}

fn require_secp256k1(actual: Curve) -> Result<(), SignError> {
    let expected = Curve::Secp256k1;
    if actual == expected { Ok(()) } else { Err(SignError::CurveMismatch { expected, actual }) }
}

const NAMESPACE: &str = "eip155";
