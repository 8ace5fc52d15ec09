//! The command line of what is done with chains alone, without a parent.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::arguments::TransactionEncoding;

#[derive(Debug, Subcommand)]
pub(crate) enum TxCommand {
    /// Say what a transaction, a message or typed data does.
    Decode(DecodeArguments),
    /// Sign with a key from a file: for development, since such a key is held by no enclave and no policy.
    Sign(SignLocallyArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read a policy, name what is seldom meant in it, and judge a transaction by it.
    Check(CheckArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArguments {
    #[command(flatten)]
    pub(crate) payload: PayloadArguments,
    /// Public key that will sign, in hex: 33 bytes for secp256k1, 32 for ed25519. It tells change (Bitcoin) and whose
    /// tokens are moved (Ethereum).
    #[arg(long, value_name = "HEX")]
    pub(crate) public_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SignLocallyArguments {
    #[command(flatten)]
    pub(crate) payload: PayloadArguments,
    #[command(flatten)]
    pub(crate) key: KeyFileArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The policy (JSON); - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Public key that will sign, in hex; see `tx decode`.
    #[arg(long, value_name = "HEX")]
    pub(crate) public_key: Option<String>,
    /// Chain: a CAIP-2 id such as eip155:1, or a namespace such as eip155 for transactions that name their chain.
    #[arg(long, value_name = "CHAIN", requires = "transaction")]
    pub(crate) chain: Option<String>,
    /// How the transaction is written.
    #[arg(long, value_enum, default_value_t = TransactionEncoding::Json)]
    pub(crate) encoding: TransactionEncoding,
    /// The transaction to be judged; without it, the policy alone is read. - for standard input.
    #[arg(value_name = "FILE", requires = "chain")]
    pub(crate) transaction: Option<PathBuf>,
}

/// A transaction and what must be known to read it.
#[derive(Debug, Args)]
pub(crate) struct PayloadArguments {
    /// Chain: a CAIP-2 id such as eip155:1, or a namespace such as eip155 for transactions that name their chain.
    #[arg(long, value_name = "CHAIN")]
    pub(crate) chain: String,
    /// How the transaction is written.
    #[arg(long, value_enum, default_value_t = TransactionEncoding::Json)]
    pub(crate) encoding: TransactionEncoding,
    /// The transaction; binary ones may be written as 0x and hex. - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) transaction: PathBuf,
}

/// A secret key in a file that only its owner can read.
#[derive(Debug, Args)]
pub(crate) struct KeyFileArguments {
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = KeyFormat::Hex)]
    pub(crate) key_format: KeyFormat,
    /// Passphrase of a mnemonic, or password of a keystore, without the line's end.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Path of the key that is derived from a mnemonic, such as m/44'/60'/0'/0/0.
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
}

/// How a file holds a secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFormat {
    /// 32 bytes in hex, with or without 0x.
    Hex,
    /// Ethereum's keystore (Web3 Secret Storage, version 3); its password is in --passphrase-file.
    Keystore,
    /// English words (BIP-39); the key is derived by --path.
    Mnemonic,
    /// Solana's key pair in base58.
    SolanaBase58,
    /// Solana's key pair as a list of 64 numbers.
    SolanaJson,
    /// Bitcoin's wallet import format.
    Wif,
}
