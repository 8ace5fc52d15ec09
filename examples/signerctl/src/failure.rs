//! Why a command failed, sorted by whose fault it is.

use std::fmt;
use std::io;
use std::path::PathBuf;

use chain_signers::SignError;
use nsm_attest::Misuse;
use signer_protocol::birth::BirthError;
use signer_protocol::client::ClientError;
use thiserror::Error;

use crate::attestation::{Refusal, variant_name};
use crate::key_policy::KeyPolicyError;
use crate::kms::KmsFailure;
use crate::session::SessionFailure;

/// Why a command failed. Paths are shown as `Debug` does it: without what a terminal would obey.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The parent says another address than the key has.
    #[error("do not use this key: the parent says {actual}, the key's address is {expected}")]
    Address { expected: String, actual: String },
    /// An age was to be checked at the document's own time, at which there is none.
    #[error("--max-age says nothing with --time document: at its own time no document has an age")]
    AgeAtOwnTime,
    /// The new key is not what was asked for.
    #[error("do not use this key: {0}")]
    Birth(#[from] BirthError),
    /// A chain that is not known.
    #[error("{name:?} is no chain that is known here: {detail}")]
    Chain { name: String, detail: String },
    /// The parent did not do what was asked.
    #[error("{}", with_sources(.0))]
    Client(#[from] ClientError),
    /// A policy that does not permit a transaction.
    #[error("denied: {reason}")]
    Denied { reason: String, rule: Option<String> },
    /// A file that holds no attestation document.
    #[error("{path:?}: malformed attestation document: {defect}")]
    Document { path: PathBuf, defect: nsm_attest::Malformed },
    /// A command of `eif` failed.
    #[error("{0}")]
    Eif(Box<eif::cli::Failure>),
    /// A file above its size limit.
    #[error("{path:?} is longer than {max} bytes")]
    FileTooLong { path: PathBuf, max: u64 },
    /// A key that could not be made or written.
    #[error("{detail}")]
    Key { detail: String },
    /// Values that make no key policy.
    #[error(transparent)]
    KeyPolicy(#[from] KeyPolicyError),
    /// A command of `kms` failed.
    #[error("{0}")]
    Kms(Box<KmsFailure>),
    /// A file without what it should hold.
    #[error("{path:?}: {detail}")]
    Malformed { path: PathBuf, detail: String },
    /// No key to tell the address of.
    #[error("give --public-key HEX or --key-file FILE")]
    NoKey,
    /// A path without a mnemonic, or a mnemonic without a path.
    #[error("--path goes with --key-format mnemonic, which needs it")]
    NoPath,
    /// The command needs a parent.
    #[error("this command needs --url")]
    NoUrl,
    /// A file with credentials that others than its owner can read.
    #[error(
        "{path:?} can be read by others than its owner (mode {mode:03o}): chmod 600 it, and take it that they have"
    )]
    NotPrivate { path: PathBuf, mode: u32 },
    /// A verification that would let everything pass.
    #[error(
        "{0}: give --pcr N=HEX or --pcr-file FILE with a value that is not zero; only for experiments, \
         --danger-allow-debug accepts zeros and --danger-allow-any-pcrs any enclave of anybody"
    )]
    Policy(Misuse),
    /// A public key that cannot be used.
    #[error("the public key cannot be used: {detail}")]
    PublicKey { detail: String },
    /// An attestation document that fails a check.
    #[error("{0}")]
    Rejected(Box<Refusal>),
    /// A command of `session` failed.
    #[error("{0}")]
    Session(Box<SessionFailure>),
    /// A transaction that this key cannot sign.
    #[error("cannot sign: {0}")]
    Signing(Box<SignError>),
    /// Two files that are both standard input.
    #[error("only one file can be standard input (-)")]
    StandardInputTwice,
    /// Some stored keys cannot be read.
    #[error("{count} stored keys cannot be read by the parent")]
    UnreadableKeys { count: usize },
    /// A file that cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    /// A file that cannot be written, or is there already.
    #[error("cannot write the new file {path:?} ({source}); a file that is there already is not overwritten")]
    UnwritableFile { path: PathBuf, source: io::Error },
    /// Standard output does not take the result.
    #[error("cannot write the result: {0}")]
    Unwritable(#[from] io::Error),
}

impl Failure {
    pub(crate) fn signing(error: SignError) -> Self {
        Self::Signing(Box::new(error))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Address { .. } | Self::Birth(_) | Self::Denied { .. } | Self::Rejected(_) | Self::Signing(_) => {
                REFUSED
            }
            Self::Client(error) => client_exit_code(error),
            Self::Eif(failure) => failure.exit_code(),
            Self::Kms(failure) => failure.exit_code(),
            Self::Session(failure) => failure.exit_code(),
            Self::Chain { .. }
            | Self::Document { .. }
            | Self::FileTooLong { .. }
            | Self::KeyPolicy(_)
            | Self::Malformed { .. }
            | Self::PublicKey { .. } => MALFORMED,
            Self::AgeAtOwnTime
            | Self::NoKey
            | Self::NoPath
            | Self::NoUrl
            | Self::Policy(_)
            | Self::StandardInputTwice => USAGE,
            Self::Key { .. }
            | Self::NotPrivate { .. }
            | Self::UnreadableKeys { .. }
            | Self::Unreadable { .. }
            | Self::UnwritableFile { .. }
            | Self::Unwritable(_) => UNREADABLE,
        }
    }

    /// The kind of failure in one word, as the exit code says it.
    pub(crate) fn kind(&self) -> &'static str {
        match (self, self.exit_code()) {
            (Self::Eif(failure), _) => failure.kind(),
            (Self::Rejected(_), _) => "rejected",
            (Self::Kms(failure), REFUSED) if failure.is_rejection() => "rejected",
            (Self::Session(failure), REFUSED) if failure.is_rejection() => "rejected",
            (_, REFUSED) => "refused",
            (_, MALFORMED) => "malformed",
            (_, USAGE) => "usage",
            _ => "unreadable",
        }
    }

    /// Which check failed, by its name in nsm-attest, vsock-rpc, kms-enclave-client or eif, or what KMS or the enclave calls its
    /// refusal.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Document { defect, .. } => Some(variant_name(defect)),
            Self::Eif(failure) => failure.reason(),
            Self::Kms(failure) => failure.reason(),
            Self::Policy(misuse) => Some(variant_name(misuse)),
            Self::Rejected(refusal) => Some(variant_name(&refusal.rejection)),
            Self::Session(failure) => failure.reason(),
            _ => None,
        }
    }

    /// The deny rule that decided, if a policy was asked and one did.
    pub(crate) fn rule(&self) -> Option<&str> {
        match self {
            Self::Denied { rule, .. } => rule.as_deref(),
            _ => None,
        }
    }

    /// What AWS's support asks for, if KMS said it.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Kms(failure) => failure.request_id(),
            _ => None,
        }
    }
}

impl From<eif::cli::Failure> for Failure {
    fn from(failure: eif::cli::Failure) -> Self {
        Self::Eif(Box::new(failure))
    }
}

impl From<KmsFailure> for Failure {
    fn from(failure: KmsFailure) -> Self {
        Self::Kms(Box::new(failure))
    }
}

impl From<SessionFailure> for Failure {
    fn from(failure: SessionFailure) -> Self {
        Self::Session(Box::new(failure))
    }
}

/// By status: the request's fault is malformed input, a considered "no" is a refusal, all else is out of reach.
fn client_exit_code(error: &ClientError) -> u8 {
    match error {
        ClientError::MalformedInput { .. } => MALFORMED,
        ClientError::Problem(problem) => match problem.status {
            400 | 413 | 415 | 422 => MALFORMED,
            403 | 404 => REFUSED,
            // The one "no" among the statuses of a service that failed.
            502 if problem.kind == KMS_REFUSED => REFUSED,
            _ => UNREADABLE,
        },
        _ => UNREADABLE,
    }
}

/// An error and what is behind it.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> impl fmt::Display {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The `type` of the problem that KMS refused the enclave.
const KMS_REFUSED: &str = "/problems/kms-refused";

pub(crate) const REFUSED: u8 = 1;
pub(crate) const MALFORMED: u8 = 2;
pub(crate) const UNREADABLE: u8 = 3;
pub(crate) const USAGE: u8 = 64;
