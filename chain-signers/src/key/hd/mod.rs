//! Hierarchical keys: one secret, backed up once as words, that every other key is derived from.
//!
//! A [`Mnemonic`] (BIP-39) and its passphrase make a [`Seed`]; a seed and a [`DerivationPath`] make a
//! [`SigningKey`](crate::SigningKey), by BIP-32 on secp256k1 and by SLIP-10 on ed25519. [`standard`] has the paths that
//! wallets use for each chain. [`ExtendedSigningKey`] is a node on the way, to be kept where many keys come from one.
//!
//! ```
//! use chain_signers::{Curve, SigningKey, hd::{DerivationPath, Mnemonic, standard}};
//!
//! let mnemonic = Mnemonic::from_phrase("test test test test test test test test test test test junk")?;
//! let seed = mnemonic.to_seed("");
//! let path = standard::ethereum(0)?;
//! assert_eq!(path.to_string(), "m/44'/60'/0'/0/0");
//!
//! let key = SigningKey::derive(Curve::Secp256k1, &seed, &path)?;
//! assert_eq!(key.secret_bytes()[..4], [0xac, 0x09, 0x74, 0xbe]); // of the address 0xf39Fd6e5…
//!
//! let unhardened: DerivationPath = "m/44'/501'/0".parse()?;
//! let refused = SigningKey::derive(Curve::Ed25519, &seed, &unhardened).expect_err("ed25519 has no such keys");
//! assert_eq!(refused.to_string(), "level 3 is not hardened, and ed25519 derives hardened keys only");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//! Who has the words and the passphrase has every key, and nothing recalls them: a key that is generated on its own and
//! sealed needs neither. Mnemonics, seeds and extended keys are overwritten when dropped, silent in `Debug`, and never
//! cloned, displayed or serialized. Looking words up takes time that depends on them: read a mnemonic where nobody
//! measures that. What derivation computes on the way is overwritten too, also when it fails.
//!
//! What cannot be reached from here stays on the stack until something else is written there: `hmac` and `sha2`
//! overwrite their state, but not the block that they last worked on, which for HMAC is a padded key (the words of a
//! mnemonic, if they are short, or a chain code); `k256` passes numbers by value; normalizing a passphrase that is not
//! ASCII holds a few of its characters.
//!
//! # Why are there no extended public keys?
//! A watch-only wallet derives addresses from a public key and a chain code. Whoever has these two and one unhardened
//! private key below them can compute the parent's private key (BIP-32, Security), so chain codes never leave this
//! module. Derive the public keys that are wanted here, and hand out those. `xprv` strings are a way to export a secret
//! and are not read or written either.

mod change;
mod english;
mod error;
mod extended;
mod hmac;
mod mnemonic;
mod path;
mod seed;
pub mod standard;

pub use change::ChangePaths;
pub use error::{DerivationPathError, DeriveError, MnemonicError};
pub use extended::ExtendedSigningKey;
pub use mnemonic::{Mnemonic, WordCount};
pub use path::{ChildNumber, DerivationPath};
pub use seed::Seed;
