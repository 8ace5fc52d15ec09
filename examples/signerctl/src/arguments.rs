//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chain_signers::Encoding;
use clap::{Args, Parser, Subcommand, ValueEnum};
use eif::cli::EifCommand;
use nsm_attest::PcrValue;
use signer_protocol::KeyId;
use signer_protocol::record::SpkiDigest;

use crate::attestation::arguments::AttestationCommand;
use crate::chains::arguments::{KeyFileArguments, KeyFormat, PolicyCommand, TxCommand};
use crate::kms::arguments::KmsCommand;
use crate::session::arguments::SessionCommand;

/// Operates a signing service whose keys live in an attested enclave.
#[derive(Debug, Parser)]
#[command(name = "signerctl", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) parent: ParentArguments,
    /// Print one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which parent, and how to reach it.
#[derive(Debug, Args)]
pub(crate) struct ParentArguments {
    /// The parent: https://host or https://host:port.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<HttpsUrl>,
    /// Root certificates (PEM) to trust instead of Mozilla's, and for kms instead of Amazon's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Longest time for a request and its repetitions, in seconds (1 to 600).
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read and verify attestation documents.
    Attestation {
        #[command(subcommand)]
        command: AttestationCommand,
    },
    /// Build, measure, sign and verify enclave images.
    Eif {
        #[command(subcommand)]
        command: EifCommand,
    },
    /// Tell whether the service can sign.
    Health,
    /// Policies for the KMS key of an enclave.
    KeyPolicy {
        #[command(subcommand)]
        command: KeyPolicyCommand,
    },
    /// Ask KMS what an enclave asks it: the answer is for its attestation document alone.
    Kms {
        #[command(subcommand)]
        command: KmsCommand,
    },
    /// Create, list and show keys, and tell addresses.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Check the policies of keys.
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Speak to the enclave itself, end to end encrypted, as a caller that a key's record names.
    Session {
        #[command(subcommand)]
        command: SessionCommand,
    },
    /// Have the enclave sign a transaction, through the parent.
    Sign(SignArguments),
    /// Read transactions, and sign with development keys, without a parent.
    Tx {
        #[command(subcommand)]
        command: TxCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyPolicyCommand {
    /// Print the policy that admits one enclave image and nobody else.
    Render(RenderArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RenderArguments {
    /// The account of the KMS key: 12 digits.
    #[arg(long, value_name = "ID")]
    pub(crate) account: String,
    /// A role of the parent instance; may be given more than once.
    #[arg(long = "role", value_name = "ARN", required = true)]
    pub(crate) roles: Vec<String>,
    /// PCR0 of an image, in hex; may be given more than once while images are exchanged.
    #[arg(long = "pcr0", value_name = "HEX", required = true)]
    pub(crate) images: Vec<PcrValue>,
    /// Who administers the key, and can use it for nothing; may be given more than once.
    #[arg(long = "admin-arn", value_name = "ARN", required = true)]
    pub(crate) administrators: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Tell a key's address on a chain, without a parent.
    Address(AddressArguments),
    /// Create a key inside the enclave.
    Generate {
        /// Chain family: a CAIP-2 namespace such as eip155 or solana.
        #[arg(long)]
        family: String,
        /// The key's policy (JSON); - for standard input.
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// Identity of a session client (session keygen prints it) that may sign with the key; may be repeated, up to 64
        /// times. These alone may then sign, over sessions of their own; without any, the parent may.
        #[arg(long = "caller", value_name = "HEX")]
        callers: Vec<SpkiDigest>,
        /// PCR0 of an image that is trusted; may be repeated. The new key is then accepted only if an enclave of such
        /// an image attests that it made this key, of this family, under this policy, for these callers.
        #[arg(long, value_name = "HEX")]
        pcr0: Vec<PcrValue>,
        /// Root of the attestation documents (PEM or DER) instead of AWS's, for a simulated enclave.
        #[arg(long, value_name = "FILE", requires = "pcr0")]
        trust_anchor: Option<PathBuf>,
    },
    /// List all keys.
    List,
    /// Show one key, with its birth document and sealed record.
    Show {
        /// The key's id.
        #[arg(value_name = "ID")]
        id: KeyId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddressArguments {
    /// Chain: a CAIP-2 id such as eip155:1, or a namespace such as eip155.
    #[arg(long, value_name = "CHAIN")]
    pub(crate) chain: String,
    /// The public key in hex: 33 bytes for secp256k1, 32 for ed25519.
    #[arg(long, value_name = "HEX", conflicts_with = "key_file")]
    pub(crate) public_key: Option<String>,
    /// A secret key in a file that only its owner can read, for development.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = KeyFormat::Hex)]
    key_format: KeyFormat,
    /// Passphrase of a mnemonic, or password of a keystore, without the line's end.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Path of the key that is derived from a mnemonic, such as m/44'/60'/0'/0/0.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

impl AddressArguments {
    /// The secret key's file, if the key is given so.
    pub(crate) fn key_file(&self) -> Option<KeyFileArguments> {
        Some(KeyFileArguments {
            key_file: self.key_file.clone()?,
            key_format: self.key_format,
            passphrase_file: self.passphrase_file.clone(),
            path: self.path.clone(),
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// The key's id.
    #[arg(long, value_name = "ID")]
    pub(crate) key: KeyId,
    /// How the transaction is written.
    #[arg(long, value_enum, default_value_t = TransactionEncoding::Json)]
    pub(crate) encoding: TransactionEncoding,
    /// CAIP-2 chain id such as eip155:1, for transactions that do not name their chain.
    #[arg(long, value_name = "ID")]
    pub(crate) chain_id: Option<String>,
    /// The transaction; binary ones may be written as 0x and hex. - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) transaction: PathBuf,
}

/// [`Encoding`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TransactionEncoding {
    /// The chain's own encoding of an unsigned transaction.
    Binary,
    /// JSON.
    Json,
    /// A message that is no transaction.
    Message,
    /// A hash that nobody decoded.
    Prehash,
    /// Typed data (EIP-712).
    #[value(alias = "typed_data")]
    TypedData,
}

impl From<TransactionEncoding> for Encoding {
    fn from(encoding: TransactionEncoding) -> Self {
        match encoding {
            TransactionEncoding::Binary => Self::Binary,
            TransactionEncoding::Json => Self::Json,
            TransactionEncoding::Message => Self::Message,
            TransactionEncoding::Prehash => Self::Prehash,
            TransactionEncoding::TypedData => Self::TypedData,
        }
    }
}

/// `https://host[:port]`, and nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpsUrl {
    /// Host and port, an IPv6 address in brackets.
    pub(crate) address: String,
    /// The port alone.
    pub(crate) port: u16,
    /// The name that the certificate must be for.
    pub(crate) server_name: String,
}

impl FromStr for HttpsUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let authority = url.strip_prefix("https://").ok_or("expected https://host or https://host:port")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of an IPv6 address is inside its brackets.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse::<u16>().map_err(|_| "the port is no port")?)
            }
            _ => (authority, 443),
        };
        let server_name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_bracketed = server_name.len() != host.len();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || (is_bracketed && c == ':');
        if server_name.is_empty() || !server_name.chars().all(is_plain) {
            return Err("the host is no host name or IP address; a path, query or user is not taken");
        }
        Ok(Self { address: format!("{host}:{port}"), port, server_name: server_name.to_owned() })
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected 1 to 600"),
    }
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused, 2 malformed input, 3 unreadable or unreachable, 64 usage";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn url_is_https_with_a_host_and_nothing_else() {
        let parsed = |url: &str| url.parse::<HttpsUrl>().map(|url| (url.address, url.server_name));
        let expect = |address: &str, name: &str| Ok((address.to_owned(), name.to_owned()));
        assert_eq!(parsed("https://localhost"), expect("localhost:443", "localhost"));
        assert_eq!(parsed("https://localhost:8443/"), expect("localhost:8443", "localhost"));
        assert_eq!(parsed("https://127.0.0.1:1"), expect("127.0.0.1:1", "127.0.0.1"));
        assert_eq!(parsed("https://[::1]:1"), expect("[::1]:1", "::1"));
        assert_eq!(parsed("https://[::1]"), expect("[::1]:443", "::1"));
        for bad in
            ["http://a", "a", "https://", "https://a/b", "https://u@a", "https://a:b", "https://a:99999", "https://::1"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
