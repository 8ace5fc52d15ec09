#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod amount;
pub mod chain;
mod chain_id;
mod error;
pub mod hazmat;
#[cfg_attr(not(feature = "evm"), allow(dead_code, reason = "policy needs a part of it, the evm chain all"))]
mod keccak;
pub mod key;
pub mod policy;
mod signer;
mod strict_json;

pub use amount::{Amount, AmountError};
#[cfg(feature = "evm")]
pub use chain::evm;
#[cfg(feature = "solana")]
pub use chain::solana;
pub use chain::{Action, Chain, Encoding, Payload, SignedTransaction, Summary, Transaction};
pub use chain_id::{ChainId, ChainIdError};
pub use error::{DecodeError, SignError};
pub use key::{
    Curve, GenerateError, KeyError, RecoveryId, Sighash, Signature, SigningKey, SigningPayload, VerifyingKey,
};
pub use signer::{ChainSigner, Registry, RegistryError};
