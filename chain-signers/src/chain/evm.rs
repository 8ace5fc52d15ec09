//! Ethereum and its kin (`eip155`): EIP-1559, EIP-2930 and legacy EIP-155 transactions.
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

mod json;
mod rules;
mod signed;
mod summary;
mod unsigned;

pub use signed::recover_sender;

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
        let unsigned = match payload.encoding {
            Encoding::Binary => Unsigned::from_binary(payload.bytes)?,
            Encoding::Json => json::decode(payload.bytes)?,
            encoding => return Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        };
        unsigned.check()?;
        let transaction = EvmTransaction::new(unsigned)?;
        match payload.chain_id {
            Some(expected) if *expected != transaction.summary.chain_id => {
                Err(DecodeError::ChainIdMismatch { expected: expected.clone(), actual: transaction.summary.chain_id })
            }
            _ => Ok(Box::new(transaction)),
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
        require_secp256k1(signer.curve())?;
        let [signature] = signatures else {
            return Err(SignError::SignatureCount { expected: 1, actual: signatures.len() });
        };
        require_secp256k1(signature.curve())?;
        let recovery_id = signature.recovery_id().filter(|id| !id.is_x_reduced());
        let parity = recovery_id.ok_or(SignError::UnrepresentableRecoveryId)?.is_y_odd();
        let bytes = self.unsigned.to_signed(&signature.to_bytes(), parity);
        let id = format!("0x{}", hex::encode(keccak::keccak256(&bytes)));
        Ok(SignedTransaction { bytes, id })
    }
}

fn require_secp256k1(actual: Curve) -> Result<(), SignError> {
    let expected = Curve::Secp256k1;
    if actual == expected { Ok(()) } else { Err(SignError::CurveMismatch { expected, actual }) }
}

const NAMESPACE: &str = "eip155";
