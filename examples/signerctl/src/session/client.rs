//! [`EnclaveSession`]: a caller's requests.

use std::time::Duration;

use chain_signers::{Encoding, evm};
use signer_protocol::method::{
    DescribeKey, DescribeKeyRequest, ExpectedKey, KeyDescription, SESSION_PORT_MAX_PAYLOAD_LEN, Sign, SignRequest,
    SignResponse,
};
use signer_protocol::record::Record;
use vsock_rpc::session::{ClientKey, SessionConnector, VerifyEvidence};
use vsock_rpc::{Addr, Client};

use super::SessionCallError;
use crate::address;

/// Asks one enclave, over a session of its own. Cheap to clone; clones share the session.
///
/// The session is opened with the first request, and anew, with evidence of its own, after a loss.
#[derive(Clone, Debug)]
pub struct EnclaveSession {
    client: Client,
    deadline: Duration,
}

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// How it is written.
    pub encoding: Encoding,
    /// The transaction: at most [`MAX_TRANSACTION_LEN`](signer_protocol::method::MAX_TRANSACTION_LEN) bytes.
    pub payload: &'a [u8],
    /// CAIP-2 chain id, for transactions that do not name their chain.
    pub chain_id: Option<&'a str>,
}

impl EnclaveSession {
    /// Sessions with what answers at `enclave` (its own port, or a relay to it), as the client that `key` proves, if
    /// `verifier` accepts its evidence.
    #[must_use]
    pub fn new(enclave: Addr, key: &ClientKey, verifier: impl VerifyEvidence + 'static) -> Self {
        let sessions = SessionConnector::builder(enclave, key, verifier).build();
        let client = Client::builder(sessions)
            .max_payload_len(SESSION_PORT_MAX_PAYLOAD_LEN)
            .connect_timeout(OPENING_TIMEOUT)
            .build();
        Self { client, deadline: DEFAULT_DEADLINE }
    }

    /// Longest time one request may take, opening the session included. Without this: 30 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Has the enclave open `record` and say which key it holds. What it says is compared with the record, and the address
    /// with the public key.
    ///
    /// # Errors
    /// [`SessionCallError`]; the enclave answers `not_permitted` if the record does not name this client.
    pub async fn describe_key(&self, record: &[u8]) -> Result<KeyDescription, SessionCallError> {
        let known = Record::from_bytes(record)?;
        let request = DescribeKeyRequest { record: record.to_vec() };
        let description = self.client.call::<DescribeKey>(&request, self.deadline).await?;
        match difference(&description, &known) {
            Some(field) => Err(SessionCallError::OtherDescription { field }),
            None => Ok(description),
        }
    }

    /// Has the enclave sign `transaction` with the key of `record`, which must be the `expected` one: a record may come from
    /// a parent, who could have answered with another.
    ///
    /// On Ethereum, the signer of what comes back is recovered and compared with the key.
    ///
    /// # Errors
    /// [`SessionCallError`]; [`SessionCallError::KeyMismatch`] if the record is another, and nothing was sent.
    pub async fn sign(
        &self,
        record: &[u8],
        expected: &ExpectedKey,
        transaction: Transaction<'_>,
    ) -> Result<SignResponse, SessionCallError> {
        let known = Record::from_bytes(record)?;
        if known.digest() != expected.record_digest || known.header().public_key != expected.public_key {
            return Err(SessionCallError::KeyMismatch);
        }
        let Transaction { encoding, payload, chain_id } = transaction;
        let request = SignRequest {
            record: record.to_vec(),
            expected: expected.clone(),
            chain_id: chain_id.map(str::to_owned),
            encoding,
            payload: payload.to_vec(),
        };
        let signed = self.client.call::<Sign>(&request, self.deadline).await?;
        check_signer(&known, encoding, payload, &signed.signed_transaction)?;
        Ok(signed)
    }
}

/// The first field in which a description is not that of its record.
fn difference(description: &KeyDescription, record: &Record) -> Option<&'static str> {
    let header = record.header();
    let address = address::of_key(&header.family, header.curve, &header.public_key);
    let same = [
        ("key_id", description.key_id == header.key_id),
        ("family", description.family == header.family),
        ("curve", description.curve == header.curve),
        ("public_key", description.public_key == header.public_key),
        ("revision", description.revision == header.revision),
        ("record_digest", description.record_digest == record.digest()),
        ("callers", description.callers == header.callers),
        ("address", address.is_ok_and(|address| address == description.address)),
    ];
    same.into_iter().find_map(|(field, same)| (!same).then_some(field))
}

/// Where a signature tells whose it is, as Ethereum's do, it must be the key's.
fn check_signer(record: &Record, encoding: Encoding, payload: &[u8], signed: &[u8]) -> Result<(), SessionCallError> {
    let header = record.header();
    if header.family != "eip155" {
        return Ok(());
    }
    let actual = match encoding {
        Encoding::Binary => evm::recover_sender(signed).or_else(|_| evm::recover_authority(signed)),
        Encoding::Json => evm::recover_sender(signed),
        Encoding::Message => evm::recover_message_signer(payload, signed),
        Encoding::TypedData => evm::recover_typed_data_signer(payload, signed),
        _ => return Ok(()),
    };
    let expected = address::of_key(&header.family, header.curve, &header.public_key);
    match (expected, actual.ok()) {
        (Ok(expected), Some(actual)) if expected == actual => Ok(()),
        (expected, actual) => Err(SessionCallError::OtherSigner { expected: expected.unwrap_or_default(), actual }),
    }
}

const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// As long as the enclave lets opening a session take.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
