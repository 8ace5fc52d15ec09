//! The operator's and caller's command line.
//!
//! [`run`] is the whole program; the binary hands it its arguments and standard streams.
//!
//! | command | does |
//! |---|---|
//! | `keys generate --family F --policy FILE` | creates a key inside the enclave |
//! | `keys list`, `keys show ID` | shows keys, one with its birth document |
//! | `sign --key ID [--encoding json\|binary] [--chain-id ID] FILE` | signs a transaction; `-` reads standard input |
//! | `health` | tells whether the service can sign |
//! | `key-policy render …` | prints the policy for the KMS key of an enclave ([`key_policy`]) |
//! | `attestation inspect FILE` | shows what an attestation document says, verified or not |
//! | `attestation verify FILE …` | verifies one |
//!
//! Those that talk to a parent take `--url https://host[:port]` and `--ca FILE.pem`; TLS is always verified.
//! With `--json`, standard output is one JSON object, `{"error": …}` if the command failed. A command line that cannot be
//! parsed is reported on standard error only.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused: by the policy, the enclave or KMS, or there is no such key; a document that is rejected |
//! | 2 | malformed input: a transaction, policy, document or value that cannot be used |
//! | 3 | unreadable or unreachable: a file, a stored key, the parent, the enclave or KMS |
//! | 64 | wrong usage of the command line; a verification that would let everything pass |
//!
//! # Errors as JSON
//!
//! `error` has these keys:
//!
//! | key | is |
//! |---|---|
//! | `kind` | `refused` or `rejected` (exit code 1), `malformed` (2), `unreadable` (3), `usage` (64) |
//! | `message` | what happened, for people |
//! | `problem` | the parent's problem document (RFC 9457), or null |
//! | `reason` | which check of `nsm-attest` failed: the name of its variant, such as `PcrMismatch`; absent elsewhere |
//! | `expected`, `actual` | of a rejected document: a list of values, each of which would have been accepted, and what was found; empty and null where the message says it all |
//!
//! # Attestation documents
//!
//! FILE is binary (it begins with byte 84 or d2), hex of that (with or without `0x`) or base64 of that (standard or URL
//! alphabet, padded or not); the two text forms may be broken by white space. It is at most 64 KiB long, the document in
//! it 16 KiB.
//!
//! `inspect` verifies nothing, and says so. `verify` is the strict verification of `nsm-attest` at `--time now`, unless
//! told otherwise:
//!
//! | option | demands |
//! |---|---|
//! | `--pcr N=HEX`, `--pcr-file FILE` | one of the values given for each PCR; the file is as `nitro-cli build-enclave` prints it |
//! | `--max-age 5m` | at most this age |
//! | `--nonce HEX`, `--purpose NAME`, `--user-data HEX`, `--public-key HEX` | these fields |
//! | `--trust-anchor FILE` | this root instead of AWS's |
//! | `--time document` | nothing of the age: the document's own timestamp is taken for now |
//! | `--time RFC3339` | validity and age at that time |
//! | `--danger-allow-debug` | less: debug mode is accepted |
//! | `--danger-allow-any-pcrs` | less: no PCR need be given |
//!
//! Text is printable ASCII; other characters of a document are shown as escapes, and long values shortened. JSON has all
//! of it. Keys of both commands; times are RFC 3339, bytes hex:
//!
//! | key | is |
//! |---|---|
//! | `verified` | true only after a strict verification: false from `inspect`, and after any `danger` option |
//! | `encoding`, `len` | how FILE is written (`binary`, `hex`, `base64`), and the document's length |
//! | `module_id` | and in it, null if it has another form, `instance_id` and `enclave_id` |
//! | `digest` | `SHA384` |
//! | `timestamp`, `timestamp_ms` | when the document was issued |
//! | `now`, `age_seconds` | the time of inspection or of verification (see `--time`), and the age then; negative ahead of it |
//! | `debug_mode` | whether PCR0 is zero; null if there is none |
//! | `pcrs` | a list of `index`, `value`, `meaning` (or null) and `is_zero` |
//! | `is_root_aws_nitro_g1` | whether the first certificate is AWS's root, by its fingerprint |
//! | `certificates` | a list, root first, of `position`, `sha256`, and either `problem` or `subject`, `issuer`, `serial`, `not_before`, `not_after`, `is_valid_now`, `is_valid_at_timestamp` |
//! | `public_key` | null, or `hex`, `len`, `sha256`, and `spki`: null, or `algorithm` and `bits` (or null) |
//! | `user_data` | null, or `hex`, `len`; `purpose` and `purpose_digest` if it is this project's; `text` if it is printable (else null) |
//! | `nonce` | null, or `hex` and `len` |
//!
//! `inspect` alone: `warning`. `verify` alone:
//!
//! | key | is |
//! |---|---|
//! | `danger` | which checks were waived, in plain words; empty after a strict verification |
//! | `freshness` | `checked`, `checked_at_given_time` or `not_checked` |
//! | `max_age_seconds` | the greatest age accepted, null if the age was not checked |
//! | `trust_anchor`, `is_trust_anchor_aws_nitro_g1` | the root's SHA-256, and whether it is AWS's |
//! | `compared_pcrs`, `compared_fields` | what was demanded |

mod arguments;
mod attestation;
mod birth;
mod failure;
mod files;
pub mod key_policy;
mod keys;
mod output;
mod service;
mod sign;
mod terminal;

use std::ffi::OsString;
use std::io::{Read, Write};

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::output::Output;

/// The standard streams of one run.
#[derive(Debug)]
pub struct Streams<I, O, E> {
    /// Read if a command takes `-` as a file.
    pub stdin: I,
    /// Results.
    pub stdout: O,
    /// Errors, for people.
    pub stderr: E,
}

/// Runs one command and returns its exit code. `args` begins with the program's name.
pub async fn run<I: Read, O: Write, E: Write>(
    args: impl IntoIterator<Item = OsString>,
    mut streams: Streams<I, O, E>,
) -> u8 {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, &mut streams),
    };
    let mut output = Output::new(&mut streams.stdout, arguments.json);
    let result = execute(arguments, &mut streams.stdin, &mut output).await;
    let Err(failure) = result else { return 0 };
    // A failure may repeat what a parent says.
    let text = terminal::escaped_lines(&failure.to_string());
    let reported = output.failure(&failure).and_then(|()| Ok(writeln!(streams.stderr, "signerctl: {text}")?));
    // Streams that are closed cannot be told about; the exit code still says what happened.
    match reported {
        Ok(()) | Err(_) => failure.exit_code(),
    }
}

async fn execute(arguments: Arguments, stdin: &mut dyn Read, output: &mut Output<'_>) -> Result<(), Failure> {
    match arguments.command {
        Command::Attestation { command } => attestation::execute(command, stdin, output),
        Command::Health => service::health(&arguments.parent, output).await,
        Command::KeyPolicy { command } => key_policy::execute(command, output),
        Command::Keys { command } => keys::execute(command, &arguments.parent, stdin, output).await,
        Command::Sign(sign) => sign::execute(sign, &arguments.parent, stdin, output).await,
    }
}

/// What clap has to say: help and version on standard output, mistakes on standard error.
fn explain<I, O: Write, E: Write>(error: &clap::Error, streams: &mut Streams<I, O, E>) -> u8 {
    let text = error.render();
    let (written, code) = if error.use_stderr() {
        (write!(streams.stderr, "{text}"), failure::USAGE)
    } else {
        (write!(streams.stdout, "{text}"), 0)
    };
    if written.is_ok() { code } else { failure::UNREADABLE }
}
