//! Keys that other software wrote: Bitcoin's WIF, Solana's key pairs, Ethereum's keystore v3.
//!
//! A tool that moves keys needs this; an enclave does not, and should not have the feature. Only [`Keystore`] is written
//! too, because it alone is encrypted.
//!
//! | format | read | checked |
//! |---|---|---|
//! | WIF | [`wif`] | checksum, network, whether the public key is compressed |
//! | Solana's JSON, 64 numbers | [`solana_json`] | the public half |
//! | Solana's base58, of 64 or 32 bytes | [`solana_base58`] | the public half, if it is there |
//! | Web3 Secret Storage, version 3 | [`Keystore::open`] | MAC, and the address if it is there |
//!
//! ```
//! use chain_signers::{Curve, import};
//!
//! let wif = import::wif("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ")?; // of the Bitcoin wiki
//! assert_eq!(wif.key.curve(), Curve::Secp256k1);
//! assert_eq!((wif.network, wif.is_compressed), (import::WifNetwork::Main, false));
//! # Ok::<_, import::ImportError>(())
//! ```
//!
//! # Security
//! What is read on the way is overwritten, also when reading fails, and errors repeat nothing of the input. The caller
//! zeroizes the text. Reading base58, hex and JSON takes time that depends on the secret: do it where nobody measures that.
//! The memory that scrypt works in is freed, and PBKDF2's last block left on the stack, without being overwritten: from them
//! the password can be guessed faster than from the file.

mod base58;
mod error;
mod kdf;
mod keystore;
mod solana;
mod wif;

pub use error::{ImportError, SealError};
pub use kdf::Kdf;
pub use keystore::Keystore;
pub use solana::{solana_base58, solana_json};
pub use wif::{WifKey, WifNetwork, wif};
