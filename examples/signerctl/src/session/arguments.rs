//! The command line of `session`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use nsm_attest::PcrValue;
use signer_protocol::RecordDigest;
use vsock_rpc::Addr;

use crate::arguments::TransactionEncoding;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Have the enclave open a record and say which key it holds, if the record names this client.
    Describe {
        #[command(flatten)]
        session: SessionArguments,
    },
    /// Make a caller's key, and tell the identity that records name it by.
    Keygen {
        /// Where the private key goes (PKCS#8 in PEM): a new file that only its owner can read.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Have the enclave sign a transaction.
    Sign(Box<SessionSignArguments>),
}

/// Which enclave, whose session, and which key.
#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    /// The enclave's session port, or a relay to it: tcp:host:port, vsock:CID:PORT or unix:/path.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) enclave: Addr,
    /// The caller's private key: P-256 or ed25519, PKCS#8 in PEM or DER, in a file that only its owner can read.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_key: PathBuf,
    /// The key's sealed record: bytes, or base64 as keys show --json prints it; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: PathBuf,
    /// PCR0 of an image that is trusted; may be repeated. An enclave of any other is told nothing.
    #[arg(long, value_name = "HEX", required = true)]
    pub(crate) pcr0: Vec<PcrValue>,
    /// Root of the attestation documents (PEM or DER) instead of AWS's, for a simulated enclave.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_anchor: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionSignArguments {
    #[command(flatten)]
    pub(crate) session: SessionArguments,
    /// The digest that the record must have, for records from somebody who is not trusted.
    #[arg(long, value_name = "HEX")]
    pub(crate) record_digest: Option<RecordDigest>,
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
