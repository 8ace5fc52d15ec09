//! The paths that wallets use, by chain, so that the same words give the same accounts elsewhere.
//!
//! Coin types are those that [SLIP-44](https://github.com/satoshilabs/slips/blob/master/slip-0044.md) registers. Where
//! a level varies, it is an argument; the others are 0. On ed25519 every level is hardened (SLIP-10).
//!
//! | function | path | curve | fixed by |
//! |---|---|---|---|
//! | [`bitcoin_p2pkh`] | `m/44'/0'/account'/change/index` | secp256k1 | BIP-44 |
//! | [`bitcoin_p2sh_p2wpkh`] | `m/49'/0'/account'/change/index` | secp256k1 | BIP-49 |
//! | [`bitcoin_p2wpkh`] | `m/84'/0'/account'/change/index` | secp256k1 | BIP-84 |
//! | [`bitcoin_p2tr`] | `m/86'/0'/account'/change/index` | secp256k1 | BIP-86 |
//! | [`ethereum`] | `m/44'/60'/0'/0/index` | secp256k1 | BIP-44; the default of ethers, Hardhat, Foundry, MetaMask |
//! | [`cosmos`] | `m/44'/118'/0'/0/index` | secp256k1 | BIP-44; the Cosmos SDK's documentation, *Accounts* |
//! | [`tron`] | `m/44'/195'/0'/0/index` | secp256k1 | BIP-44; the default of TronWeb and TronLink |
//! | [`stellar`] | `m/44'/148'/account'` | ed25519 | SEP-5 |
//! | [`near`] | `m/44'/397'/account'` | ed25519 | the default of `near-seed-phrase` and `near-cli`, for 0 |
//! | [`solana`] | `m/44'/501'/account'/0'` | ed25519 | `solana-keygen`'s `?key=account/0`; Phantom, Solflare |
//! | [`aptos`] | `m/44'/637'/account'/0'/0'` | ed25519 | the Aptos TypeScript SDK, `isValidHardenedPath`; Petra |
//! | [`sui`] | `m/44'/784'/account'/0'/0'` | ed25519 | the Sui documentation, *Keys and Addresses* |
//!
//! ```
//! use chain_signers::hd::{DerivationPathError, standard::{self, Change}};
//!
//! assert_eq!(standard::bitcoin_p2tr(0, Change::Internal, 7)?.to_string(), "m/86'/0'/0'/1/7");
//! assert_eq!(standard::solana(2)?.to_string(), "m/44'/501'/2'/0'");
//! assert_eq!(standard::solana(1 << 31), Err(DerivationPathError::IndexOutOfRange { level: 3 }));
//! # Ok::<_, DerivationPathError>(())
//! ```

use super::{ChildNumber, DerivationPath, DerivationPathError};

/// BIP-44's level *change*: what an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// 0, the external chain: addresses that are given to payers.
    External,
    /// 1, the internal chain: addresses that take change.
    Internal,
}

/// Bitcoin, paid to a public key hash ([BIP-44](https://github.com/bitcoin/bips/blob/master/bip-0044.mediawiki)).
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn bitcoin_p2pkh(account: u32, change: Change, index: u32) -> Result<DerivationPath, DerivationPathError> {
    bitcoin(44, account, change, index)
}

/// Bitcoin, paid to a witness key hash inside a script hash
/// ([BIP-49](https://github.com/bitcoin/bips/blob/master/bip-0049.mediawiki)).
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn bitcoin_p2sh_p2wpkh(account: u32, change: Change, index: u32) -> Result<DerivationPath, DerivationPathError> {
    bitcoin(49, account, change, index)
}

/// Bitcoin, paid to a witness key hash ([BIP-84](https://github.com/bitcoin/bips/blob/master/bip-0084.mediawiki)).
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn bitcoin_p2wpkh(account: u32, change: Change, index: u32) -> Result<DerivationPath, DerivationPathError> {
    bitcoin(84, account, change, index)
}

/// Bitcoin, paid to a taproot key; the derived key is the internal one, before the tweak
/// ([BIP-86](https://github.com/bitcoin/bips/blob/master/bip-0086.mediawiki)).
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn bitcoin_p2tr(account: u32, change: Change, index: u32) -> Result<DerivationPath, DerivationPathError> {
    bitcoin(86, account, change, index)
}

/// Ethereum and its kin: wallets count their accounts in the last level.
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn ethereum(index: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(60), hardened(0), normal(0), normal(index)])
}

/// Cosmos chains that use the Cosmos Hub's coin type, as most do.
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn cosmos(index: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(118), hardened(0), normal(0), normal(index)])
}

/// TRON.
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn tron(index: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(195), hardened(0), normal(0), normal(index)])
}

/// Stellar ([SEP-5](https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0005.md)).
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn stellar(account: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(148), hardened(account)])
}

/// NEAR. (Ledger devices use a longer path, `m/44'/397'/0'/0'/1'`.)
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn near(account: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(397), hardened(account)])
}

/// Solana. (`solana-keygen` without `?key=` takes the first 32 bytes of the seed and derives nothing.)
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn solana(account: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(501), hardened(account), hardened(0)])
}

/// Aptos.
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn aptos(account: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(637), hardened(account), hardened(0), hardened(0)])
}

/// Sui, for its ed25519 keys.
///
/// # Errors
/// [`DerivationPathError::IndexOutOfRange`].
pub fn sui(account: u32) -> Result<DerivationPath, DerivationPathError> {
    path([hardened(44), hardened(784), hardened(account), hardened(0), hardened(0)])
}

fn bitcoin(purpose: u32, account: u32, change: Change, index: u32) -> Result<DerivationPath, DerivationPathError> {
    let change = match change {
        Change::External => 0,
        Change::Internal => 1,
    };
    path([hardened(purpose), hardened(0), hardened(account), normal(change), normal(index)])
}

fn hardened(index: u32) -> Option<ChildNumber> {
    ChildNumber::hardened(index)
}

fn normal(index: u32) -> Option<ChildNumber> {
    ChildNumber::normal(index)
}

fn path<const N: usize>(levels: [Option<ChildNumber>; N]) -> Result<DerivationPath, DerivationPathError> {
    let numbers =
        levels.into_iter().zip(1..).map(|(number, level)| number.ok_or(DerivationPathError::IndexOutOfRange { level }));
    DerivationPath::new(numbers.collect::<Result<Vec<_>, _>>()?)
}
