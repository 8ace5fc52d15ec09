//! The operator's and caller's command line.
//!
//! [`run`] is the whole program; the binary hands it its arguments and standard streams.
//!
//! | command | does |
//! |---|---|
//! | `keys generate --family F --policy FILE [--caller HEX …]` | creates a key inside the enclave |
//! | `keys list`, `keys show ID` | shows keys, one with its birth document |
//! | `keys address --chain CHAIN …` | tells the address of a public key, or of a development key in a file |
//! | `sign --key ID [--encoding E] [--chain-id ID] FILE` | has the enclave sign a transaction; `-` reads standard input |
//! | `session keygen --out FILE` | makes a caller's key for sessions and tells its identity, which `--caller` takes |
//! | `session describe …`, `session sign … FILE` | asks the enclave over a session ([`session`]) |
//! | `tx decode --chain CHAIN [--encoding E] FILE` | says what a transaction, a message or typed data does |
//! | `tx sign --chain CHAIN --key-file KEY FILE` | signs with a development key |
//! | `policy check --policy FILE [--chain CHAIN FILE]` | reads a policy, warns, and judges a transaction by it |
//! | `health` | tells whether the service can sign |
//! | `key-policy render …` | prints the policy for the KMS key of an enclave ([`key_policy`]) |
//! | `attestation inspect FILE` | shows what an attestation document says, verified or not |
//! | `attestation verify FILE …` | verifies one |
//! | `eif build`, `eif measure`, `eif describe`, `eif sign`, `eif verify` | what the package `eif` does with enclave images ([`eif::cli`]) |
//! | `kms decrypt`, `kms generate-data-key`, `kms generate-random` | asks KMS as an enclave does, for answers that this enclave alone can read |
//! | `kms encrypt` | has KMS encrypt; there is no attestation in it |
//! | `kms open-recipient --key KEY.pem --in FILE` | debugging: opens a CiphertextForRecipient with a key from a file |
//!
//! Those that talk to a parent take `--url https://host[:port]` and `--ca FILE.pem`; TLS is always verified. With `kms`,
//! `--ca` replaces Amazon's roots.
//! With `--json`, standard output is one JSON object, `{"error": …}` if the command failed. A command line that cannot be
//! parsed is reported on standard error only.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused: by a policy, the enclave or KMS, or there is no such key; an image that is not fit for release, or not the one expected; a document or a reply of KMS that is rejected; an envelope that does not open |
//! | 2 | malformed input: a transaction, policy, document, image, key or value that cannot be used, or is outside the limits of KMS; expired credentials |
//! | 3 | unreadable or unreachable: a file (also one with credentials that others can read), a file that is there already, a stored key, the parent, the enclave, its NSM or KMS |
//! | 64 | wrong usage of the command line; no credentials; a verification that would let everything pass |
//!
//! # Errors as JSON
//!
//! `error` has these keys:
//!
//! | key | is |
//! |---|---|
//! | `kind` | `refused`, or `rejected` for a document or a reply of KMS (exit code 1), `malformed` (2), `unreadable` (3), `usage` (64) |
//! | `message` | what happened, for people |
//! | `problem` | the parent's problem document (RFC 9457), or null |
//! | `reason` | which check of `nsm-attest`, `vsock-rpc`, `kms-enclave-client` or `eif` failed: the name of its variant, such as `PcrMismatch`; if KMS refused, the name of its exception, such as `AccessDeniedException`; if an enclave did over a session, its code, such as `not_permitted`; absent elsewhere |
//! | `rule` | the policy's deny rule that decided; absent elsewhere |
//! | `request_id` | of a refusal by KMS: what AWS's support asks for; absent elsewhere |
//! | `expected`, `actual` | of a rejected document: a list of values, each of which would have been accepted, and what was found; empty and null where the message says it all |
//!
//! # Sessions
//!
//! `session describe` and `session sign` speak to the enclave itself: TLS ends in it, and its attestation document, fresh for
//! each session, is verified before anything is sent. The parent only relays.
//!
//! | option | says |
//! |---|---|
//! | `--enclave ADDRESS` | the session port, or a relay to it: `tcp:host:port`, `vsock:16:5001`, `unix:/path` |
//! | `--client-key FILE` | the caller's key, as `session keygen` or `openssl genpkey` makes it: PKCS#8 in PEM or DER, P-256 or ed25519; a file that others than its owner can read is refused |
//! | `--record FILE` | the key's record, as bytes or base64; `keys show ID --json` has it as `record` |
//! | `--record-digest HEX` | of `sign`: the digest the record must have, where it comes from a parent; verified births print it |
//! | `--pcr0 HEX` | the images that are trusted; at least one |
//! | `--trust-anchor FILE` | this root instead of AWS's |
//!
//! The JSON of `keygen` has `identity` and `out`; of `describe` the fields of a key, `callers` among them; of `sign`
//! `signed_transaction`, `transaction_id`, `summary` and `rule`. A session with what is not the image that was meant ends
//! with exit code 1, `kind` `rejected` and the failed check as `reason`; a refusal of the enclave (`not_permitted`: the record
//! does not name this caller; `policy_denied`) with exit code 1 and its code as `reason`.
//!
//! # Transactions, policies and development keys
//!
//! CHAIN is a CAIP-2 id (`eip155:1`), or a namespace (`eip155`) for transactions that name their chain themselves; known are
//! `bip122`, `cosmos`, `eip155`, `solana` and `tron`. E is how FILE is written, which is not guessed: `json` (the default),
//! `binary`, `message`, `typed-data` (`typed_data` elsewhere) or `prehash`. What is binary, and a hash, may be written as
//! `0x` and hex, but not in base64 (`base64 -d` reads a PSBT); it has 512 KiB at most. A message is the file as it is, a line's end included.
//! `--public-key HEX` says who signs where a transaction does not: Bitcoin needs it, and an authorization of EIP-7702 tells
//! by it whose account is delegated.
//!
//! What is signed comes out as `chain_signers` has it for the chain: of Bitcoin it is the final PSBT, from which
//! `bitcoin-cli finalizepsbt` (in base64) takes the transaction; of a message, or typed data, the signature.
//!
//! A development key is a file that only its owner can read (`chmod 600`), as `--key-format` says: `hex`; `mnemonic` with
//! `--path` and perhaps `--passphrase-file`; `keystore` with its password in `--passphrase-file`; `wif`, of which the network,
//! and whether it is compressed, are not looked at; `solana-json`; `solana-base58`. No enclave holds it and no policy is
//! asked. A Bitcoin address is P2WPKH, whatever the path is.
//!
//! A policy has 16 KiB at most, since a record holds no longer one. `policy check` judges as if the caller had signed
//! nothing yet. A transaction that is denied is exit code 1 and an error, whose `message` is the reason. The `type_hash` of
//! typed data, by which a policy names it, and the paths of its fields are among the `actions` of `tx decode`.
//!
//! | command | keys of JSON |
//! |---|---|
//! | `tx decode` | `chain_id`, `actions` (what policies see: `kind` and more), `fee_ceiling` (or null), `text` (in which amounts are in coins, and elsewhere in the smallest unit), `bytes` (the canonical encoding, `0x` and hex) |
//! | `tx sign` | `address`, `signed_transaction` (`0x` and hex), `transaction_id`, `summary` |
//! | `keys address` | `address`, `chain`, `curve`, `public_key` (hex) |
//! | `policy check` | `allowed`, `rule`, `reason`, `summary` if a transaction was given; `warnings`, a list of `rule` and `message` |
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
//!
//! # KMS
//!
//! What `kms-enclave-client` does for an enclave, by hand: for trying a key policy, for scripts inside an enclave (where
//! AWS's `kmstool-enclave-cli` is used today), and for looking at what went wrong.
//!
//! | option | says |
//! |---|---|
//! | `--key-arn ARN` | the key, and the only one that a reply may be about; `generate-random` takes none |
//! | `--region REGION` | the region; without it, that of the key |
//! | `--endpoint https://host[:port]`, `--fips` | another endpoint, which must prove its name under the same roots |
//! | `--via ADDRESS` | what relays to it: `vsock:3:8000` on the parent, `tcp:host:port`, `unix:/path` |
//! | `--encryption-context NAME=VALUE` | may be repeated; a name occurs once |
//! | `--grant-token TOKEN` | may be repeated |
//! | `--credentials FILE`, `--profile NAME` | an AWS credentials file or the JSON of a `credential_process`, instead of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_CREDENTIAL_EXPIRATION`; a file that others than its owner can read is refused |
//! | `--nsm device` | the enclave's own module attests: the default |
//! | `--nsm simulated` | a simulated one does, in a build with the feature `sim` only; the KMS of AWS believes none of its documents. Its PCR0 is `nsm_attest::sim::pcr0(b"signerctl", b"simulated")` |
//! | `--simulated-authority FILE` | what that one signs with: `nsm_attest::sim::Authority::to_bytes` |
//! | `--ciphertext BASE64`, `--ciphertext @FILE`, `--ciphertext -` | a ciphertext blob in base64 |
//! | `--in FILE`, `--in -` | a ciphertext blob or, for `encrypt`, a plaintext, as bytes |
//! | `--out FILE` | where the plaintext (of `encrypt`, the ciphertext blob) goes as bytes: a new file that only its owner can read |
//!
//! Neither credentials nor plaintexts can be given as words of the command line, which other users of a machine see.
//! Text is lines as `kmstool-enclave-cli` prints them: `CIPHERTEXT: ` or `PLAINTEXT: ` and base64. Keys of JSON; those that
//! have no meaning for a command are absent:
//!
//! | key | is |
//! |---|---|
//! | `key_arn` | the key that KMS used |
//! | `ciphertext`, `plaintext` | base64 |
//! | `out`, `out_len` | the file of `--out`, and how many bytes went into it instead of into this object |
//! | `nsm` | `device` or `simulated` |
//!
//! `open-recipient` reads an RSA key in PEM (PKCS#8 or PKCS#1) and a CiphertextForRecipient as bytes or base64, and prints
//! the plaintext in hex. Its keys:
//!
//! | key | is |
//! |---|---|
//! | `plaintext_hex`, `len` | the plaintext, and its length |
//! | `subject_key_identifier` | how the envelope names its recipient: SHA-256 of the public key; null if by issuer and serial number |

mod address;
mod arguments;
mod attestation;
mod base64_text;
mod birth;
mod chains;
mod failure;
mod files;
pub mod key_policy;
mod keys;
mod kms;
mod output;
mod service;
pub mod session;
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
    let result = execute(arguments, &mut streams.stdin, &mut streams.stderr, &mut output).await;
    let Err(failure) = result else { return 0 };
    // A failure may repeat what a parent says.
    let text = terminal::escaped_lines(&failure.to_string());
    let reported = output.failure(&failure).and_then(|()| Ok(writeln!(streams.stderr, "signerctl: {text}")?));
    // Streams that are closed cannot be told about; the exit code still says what happened.
    match reported {
        Ok(()) | Err(_) => failure.exit_code(),
    }
}

async fn execute(
    arguments: Arguments,
    stdin: &mut dyn Read,
    notes: &mut dyn Write,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    match arguments.command {
        Command::Attestation { command } => attestation::execute(command, stdin, output),
        Command::Eif { command } => {
            let report = eif::cli::execute(command)?;
            output.result(&report.json, || report.text)
        }
        Command::Health => service::health(&arguments.parent, output).await,
        Command::KeyPolicy { command } => key_policy::execute(command, output),
        Command::Kms { command } => {
            kms::execute(command, kms::Context { common: &arguments.parent, stdin, notes }, output).await
        }
        Command::Keys { command } => keys::execute(command, &arguments.parent, stdin, output).await,
        Command::Policy { command } => chains::execute_policy(command, stdin, output),
        Command::Session { command } => session::execute(command, arguments.parent.timeout, stdin, output).await,
        Command::Tx { command } => chains::execute_tx(command, stdin, output),
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
