// The examples of the README use all features, so it is the documentation wherever all are on, as on docs.rs.
#![cfg_attr(all(feature = "evm", feature = "hd", feature = "solana"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "evm", feature = "hd", feature = "solana")),
    doc = "Keys, chains and policy that an enclave can trust. The README says it all; it is shown here with all features."
)]
#![forbid(unsafe_code)]

mod amount;
pub mod chain;
mod chain_id;
mod error;
pub mod hazmat;
#[cfg_attr(not(feature = "evm"), allow(dead_code, reason = "policy and TRON need a part of it, the evm chain all"))]
mod keccak;
pub mod key;
#[cfg(any(feature = "aptos", feature = "sui"))]
mod move_types;
pub mod policy;
#[cfg(any(feature = "cosmos", feature = "tron"))]
mod protobuf;
mod require;
mod signer;
mod strict_json;

pub use amount::{Amount, AmountError};
#[cfg(feature = "aptos")]
pub use chain::aptos;
#[cfg(feature = "bitcoin")]
pub use chain::bitcoin;
#[cfg(feature = "cosmos")]
pub use chain::cosmos;
#[cfg(feature = "evm")]
pub use chain::evm;
#[cfg(feature = "near")]
pub use chain::near;
#[cfg(feature = "solana")]
pub use chain::solana;
#[cfg(feature = "stellar")]
pub use chain::stellar;
#[cfg(feature = "sui")]
pub use chain::sui;
#[cfg(feature = "tron")]
pub use chain::tron;
pub use chain::{Action, Chain, ChangeKeys, Encoding, Payload, SignedTransaction, Summary, Transaction};
pub use chain_id::{ChainId, ChainIdError};
pub use error::{DecodeError, SignError};
#[cfg(feature = "hd")]
pub use key::hd;
#[cfg(feature = "import")]
pub use key::import;
pub use key::{
    Curve, GenerateError, KeyError, RecoveryId, Sighash, Signature, SigningKey, SigningPayload, VerifyingKey,
};
pub use signer::{ChainSigner, Registry, RegistryError};
