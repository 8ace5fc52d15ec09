//! `session`: keygen, describe, sign.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use nsm_attest::{PcrIndex, Policy};
use serde::Serialize;
use signer_protocol::api::{KeyAnswer, SignAnswer};
use signer_protocol::method::ExpectedKey;
use signer_protocol::record::{MAX_RECORD_LEN, Record};
use vsock_rpc::session::ClientKey;

use super::arguments::{SessionArguments, SessionCommand, SessionSignArguments};
use super::{EnclaveSession, NitroEvidence, SessionCallError, SessionFailure, Transaction, key_file};
use crate::base64_text;
use crate::birth;
use crate::failure::Failure;
use crate::files;
use crate::keys;
use crate::output::Output;
use crate::sign;

pub(crate) async fn execute(
    command: SessionCommand,
    timeout: Duration,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    match command {
        SessionCommand::Describe { session } => describe(&session, timeout, stdin, output).await,
        SessionCommand::Keygen { out } => keygen(&out, output),
        SessionCommand::Sign(arguments) => sign(&arguments, timeout, stdin, output).await,
    }
}

/// The result of `keygen`. `lib.rs` documents the fields.
#[derive(Serialize)]
struct NewKey<'a> {
    identity: String,
    out: &'a Path,
}

fn keygen(out: &Path, output: &mut Output<'_>) -> Result<(), Failure> {
    let key = ClientKey::generate_p256().map_err(|error| Failure::Key { detail: error.to_string() })?;
    key_file::write(out, &key)?;
    let new = NewKey { identity: key.identity().to_string(), out };
    output.result(&new, || format!("identity  {}", new.identity))
}

async fn describe(
    arguments: &SessionArguments,
    timeout: Duration,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let record = read_record(&arguments.record, stdin)?;
    let session = open(arguments, timeout, stdin)?;
    let description = session.describe_key(&record).await.map_err(SessionFailure::from)?;
    let callers = Some(description.callers.clone());
    let key = KeyAnswer { callers, ..description.into() };
    output.result(&key, || keys::describe(&key))
}

async fn sign(
    arguments: &SessionSignArguments,
    timeout: Duration,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let SessionSignArguments { session, record_digest, encoding, chain_id, transaction: path } = arguments;
    files::at_most_one_stdin([path, &session.record])?;
    let record = read_record(&session.record, stdin)?;
    let known = Record::from_bytes(&record).map_err(SessionCallError::from).map_err(SessionFailure::from)?;
    let expected = ExpectedKey {
        public_key: known.header().public_key.clone(),
        record_digest: record_digest.unwrap_or_else(|| known.digest()),
    };
    let payload = sign::read_transaction(path, (*encoding).into(), stdin)?;
    let transaction = Transaction { encoding: (*encoding).into(), payload: &payload, chain_id: chain_id.as_deref() };
    let session = open(session, timeout, stdin)?;
    let signed = session.sign(&record, &expected, transaction).await.map_err(SessionFailure::from)?;
    sign::show(&SignAnswer::from(signed), output)
}

fn open(arguments: &SessionArguments, timeout: Duration, stdin: &mut dyn Read) -> Result<EnclaveSession, Failure> {
    let key = key_file::read(&arguments.client_key)?;
    let anchor = birth::trust_anchor(arguments.trust_anchor.as_deref(), stdin)?;
    let pcrs = Policy::builder().pcr(PcrIndex::IMAGE, arguments.pcr0.iter().copied());
    let session = EnclaveSession::new(arguments.enclave.clone(), &key, NitroEvidence::new(anchor, pcrs));
    Ok(session.deadline(timeout))
}

/// A record as bytes or in base64. Its first byte is that of a CBOR map, which is no character of base64.
fn read_record(path: &Path, stdin: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    let bytes = files::read(path, stdin, 2 * MAX_RECORD_LEN as u64)?;
    match bytes.first() {
        Some(0x80..) => Ok(bytes),
        _ => base64_text::decode(&bytes)
            .map_err(|_| Failure::Malformed { path: path.to_owned(), detail: "it is no record".to_owned() }),
    }
}
