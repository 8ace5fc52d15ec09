//! The methods of the enclave's ports.
//!
//! The parent is not trusted: it may refuse service, so nothing here lets it widen a policy or learn a key. Whether
//! the parent itself may create keys and ask for signatures is a choice of the enclave's measured configuration.
//!
//! A session ends in the enclave, whoever carries it. Its port routes [`DescribeKey`] and [`Sign`] alone.

use std::fmt;
use std::ops::RangeInclusive;

use chain_signers::{Curve, Encoding};
use serde::{Deserialize, Serialize};
use vsock_rpc::Method;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::record::{KeyId, MAX_RECORD_LEN, RecordDigest, SpkiDigest, callers};

/// Is the enclave able to sign?
#[derive(Debug)]
pub enum Health {}

impl Method for Health {
    const NAME: &'static str = "health";
    type Request = HealthRequest;
    type Response = HealthResponse;
}

/// Replaces the AWS credentials the enclave calls KMS with.
#[derive(Debug)]
pub enum SetCredentials {}

impl Method for SetCredentials {
    const NAME: &'static str = "set_credentials";
    type Request = AwsCredentials;
    type Response = SetCredentialsResponse;
}

/// Creates a key inside the enclave and returns its sealed record.
#[derive(Debug)]
pub enum GenerateKey {}

impl Method for GenerateKey {
    const NAME: &'static str = "generate_key";
    type Request = GenerateKeyRequest;
    type Response = GenerateKeyResponse;
}

/// Unseals a record and says which key it holds. Over a session, that is told to the callers that the record names alone.
#[derive(Debug)]
pub enum DescribeKey {}

impl Method for DescribeKey {
    const NAME: &'static str = "describe_key";
    type Request = DescribeKeyRequest;
    type Response = KeyDescription;
}

/// Decodes a transaction, applies the record's policy to it, and signs it: over a session for the callers that the record
/// names, on the parent port if it names none.
#[derive(Debug)]
pub enum Sign {}

impl Method for Sign {
    const NAME: &'static str = "sign";
    type Request = SignRequest;
    type Response = SignResponse;
}

/// Request of [`Health`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthRequest {}

/// Answer of [`Health`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthResponse {
    /// Version of the enclave's program.
    pub version: String,
    /// The enclave's time, in milliseconds since the Unix epoch, from its NSM.
    pub time_ms: u64,
    /// Whether the enclave holds credentials that have not expired.
    pub credentials_fresh: bool,
    /// Chain families (CAIP-2 namespaces) that this image signs for, sorted.
    pub families: Vec<String>,
}

/// Temporary AWS credentials. Redacted when printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct AwsCredentials {
    /// Access key id: [`ACCESS_KEY_ID_LEN`] characters.
    pub access_key_id: String,
    /// Secret access key: [`SECRET_ACCESS_KEY_LEN`] characters.
    pub secret_access_key: String,
    /// Session token of temporary credentials: [`SESSION_TOKEN_LEN`] characters.
    pub session_token: Option<String>,
    /// When they expire, in milliseconds since the Unix epoch; none for long-lived ones.
    pub expires_at_ms: Option<u64>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

/// Answer of [`SetCredentials`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCredentialsResponse {}

/// Request of [`GenerateKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateKeyRequest {
    /// Chain family the key is for: a CAIP-2 namespace such as `eip155`.
    pub family: String,
    /// The key's policy: JSON, at most [`MAX_POLICY_LEN`](crate::record::MAX_POLICY_LEN) bytes. Sealed with the key.
    #[serde(with = "serde_bytes")]
    pub policy: Vec<u8>,
    /// Session callers that alone may sign with the key: at most [`MAX_CALLERS`](crate::record::MAX_CALLERS), each once.
    /// Sealed with the key. Absent while empty: the parent is then the caller, if the configuration lets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "callers::deserialize")]
    pub callers: Vec<SpkiDigest>,
}

/// Answer of [`GenerateKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateKeyResponse {
    /// The sealed record, to be stored.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// Which key the record holds.
    pub description: KeyDescription,
    /// Signed attestation document with purpose `birth` over the record's digest. A client that verifies it knows
    /// that the key was born in the attested image, whatever the parent says.
    #[serde(with = "serde_bytes")]
    pub birth_document: Vec<u8>,
}

/// Request of [`DescribeKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribeKeyRequest {
    /// The sealed record.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
}

/// Public facts of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDescription {
    /// The id that the enclave drew.
    pub key_id: KeyId,
    /// Chain family: a CAIP-2 namespace.
    pub family: String,
    /// The key's curve.
    pub curve: Curve,
    /// Public key: 33 bytes (SEC1 compressed) for secp256k1, 32 for ed25519.
    #[serde(with = "serde_bytes")]
    pub public_key: Vec<u8>,
    /// The key's address on its chain family, in the chain's own spelling.
    pub address: String,
    /// Revision of the record; grows with every reseal.
    pub revision: u32,
    /// Digest of the record's header and wraps.
    pub record_digest: RecordDigest,
    /// Session callers that alone may sign with the key, in the record's order; absent while empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "callers::deserialize")]
    pub callers: Vec<SpkiDigest>,
}

/// The key a caller means: never only an id, which a parent could answer with another record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedKey {
    /// Public key, encoded as in [`KeyDescription::public_key`].
    #[serde(with = "serde_bytes")]
    pub public_key: Vec<u8>,
    /// Digest of the record.
    pub record_digest: RecordDigest,
}

/// Request of [`Sign`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The sealed record.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
    /// The key the caller means.
    pub expected: ExpectedKey,
    /// CAIP-2 chain id; required where the payload does not carry its chain, checked against it where it does.
    pub chain_id: Option<String>,
    /// How `payload` is encoded.
    pub encoding: Encoding,
    /// The transaction, as the caller wrote it: at most [`MAX_TRANSACTION_LEN`] bytes.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

/// Answer of [`Sign`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignResponse {
    /// The signed transaction in the chain's wire encoding.
    #[serde(with = "serde_bytes")]
    pub signed_transaction: Vec<u8>,
    /// The transaction's id as the chain's tools print it.
    pub transaction_id: String,
    /// What the transaction does, in words, as the enclave decoded it.
    pub summary: String,
    /// The policy rule that allowed it.
    pub rule: String,
}

/// Length of an access key id. It and the two below are what the enclave's KMS client takes.
pub const ACCESS_KEY_ID_LEN: RangeInclusive<usize> = 16..=128;

/// Length of a secret access key.
pub const SECRET_ACCESS_KEY_LEN: RangeInclusive<usize> = 1..=256;

/// Length of a session token: up to 8 KiB.
pub const SESSION_TOKEN_LEN: RangeInclusive<usize> = 1..=8 * 1024;

/// Longest transaction, in bytes: 512 KiB, so that a request fits the parent port's 1 MiB.
pub const MAX_TRANSACTION_LEN: usize = 512 * 1024;

/// Payload cap of the parent port, in bytes: 1 MiB.
pub const PARENT_PORT_MAX_PAYLOAD_LEN: usize = 1024 * 1024;

/// Payload cap of the session port, in bytes: 584 KiB, for the longest transaction, the longest record and 8 KiB of all
/// else. A signed transaction is longer than the unsigned one by its signatures, and PSBTs that near the limit are none
/// that anybody broadcasts.
pub const SESSION_PORT_MAX_PAYLOAD_LEN: usize = MAX_TRANSACTION_LEN + MAX_RECORD_LEN + 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_print_their_secrets() {
        let credentials = AwsCredentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "fake-secret-for-tests".into(),
            session_token: Some("fake-token-for-tests".into()),
            expires_at_ms: Some(7),
        };
        let printed = format!("{credentials:?}");
        assert!(!printed.contains("fake") && !printed.contains("AKIA"), "{printed}");
    }

    #[test]
    fn a_list_of_callers_is_absent_while_empty_and_read_within_its_limits() {
        let request =
            |callers: Vec<SpkiDigest>| GenerateKeyRequest { family: "eip155".into(), policy: vec![1], callers };
        let read = |request: &GenerateKeyRequest| {
            serde_cbor::from_slice::<GenerateKeyRequest>(&serde_cbor::to_vec(request).unwrap())
        };
        let none = serde_cbor::to_vec(&request(Vec::new())).unwrap();
        assert!(!none.windows(7).any(|bytes| bytes == b"callers"));
        let caller = |number: u8| SpkiDigest::from_bytes([number; 32]);
        for count in [0, 1, 64] {
            let request = request((0..count).map(caller).collect());
            assert_eq!(read(&request).unwrap(), request);
        }
        assert!(read(&request((0..65).map(caller).collect())).unwrap_err().to_string().contains("outside 0..=64"));
        assert!(read(&request(vec![caller(1), caller(1)])).unwrap_err().to_string().contains("twice"));
    }
}
