//! The bodies of the parent's HTTPS API: what its clients send, and what it answers.
//!
//! Whoever serves the API and whoever calls it use these same types. A problem is the answer to every request that
//! fails.

mod text;

use std::fmt;

use chain_signers::{Curve, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::text::{base64_text, hex_text, prefixed_hex_text};
use crate::method::{KeyDescription, SignResponse};
use crate::record::{KeyId, RecordDigest, SpkiDigest, callers};

/// What creates a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyBody<'a> {
    /// Chain family: a CAIP-2 namespace.
    pub family: String,
    /// The key's policy: an object, passed on as it is written.
    #[serde(borrow)]
    pub policy: &'a RawValue,
    /// Session callers that alone may sign with the key: SHA-256 of their SPKI, at most 64, each once; hex in JSON. May be
    /// left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "callers::deserialize")]
    pub callers: Vec<SpkiDigest>,
}

/// What asks for a signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignBody<'a> {
    /// How `transaction` is written.
    pub encoding: Encoding,
    /// The transaction, passed on as it is written: an object for `json`; a string of `0x` and hex for `binary`.
    #[serde(borrow)]
    pub transaction: &'a RawValue,
    /// CAIP-2 chain id, for transactions that do not name their chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
}

/// One key. A list leaves out the three long fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAnswer {
    /// The id that the enclave drew.
    pub id: KeyId,
    /// Chain family: a CAIP-2 namespace.
    pub family: String,
    /// The key's curve.
    pub curve: Curve,
    /// Public key: 33 bytes (SEC1 compressed) for secp256k1, 32 for ed25519; hex in JSON.
    #[serde(with = "hex_text")]
    pub public_key: Vec<u8>,
    /// The key's address, in its chain's own spelling.
    pub address: String,
    /// Digest of the record's header and wraps.
    pub record_digest: RecordDigest,
    /// Revision of the record.
    pub revision: u32,
    /// Session callers that alone may sign with the key, in the record's order; hex in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callers: Option<Vec<SpkiDigest>>,
    /// Signed attestation document with purpose `birth` over the record's digest; base64 in JSON.
    #[serde(default, with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub birth_document: Option<Vec<u8>>,
    /// The sealed record, which ties the digest to the public key; base64 in JSON.
    #[serde(default, with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub record: Option<Vec<u8>>,
}

impl KeyAnswer {
    /// Everything that is known of a key.
    #[must_use]
    pub fn whole(description: KeyDescription, birth_document: Vec<u8>, record: Vec<u8>) -> Self {
        let callers = Some(description.callers.clone());
        Self { callers, birth_document: Some(birth_document), record: Some(record), ..description.into() }
    }
}

/// Without the three long fields.
impl From<KeyDescription> for KeyAnswer {
    fn from(description: KeyDescription) -> Self {
        let KeyDescription { key_id: id, family, curve, public_key, address, revision, record_digest, .. } =
            description;
        let (callers, birth_document, record) = (None, None, None);
        Self { id, family, curve, public_key, address, record_digest, revision, callers, birth_document, record }
    }
}

/// Some of the keys of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPage {
    /// Keys, in the order of their ids.
    pub keys: Vec<KeyAnswer>,
    /// Keys whose stored form cannot be read.
    pub unreadable: Vec<UnreadableKey>,
    /// Where the next page starts, if there is one.
    pub next: Option<KeyId>,
}

/// A key that is in the store but cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadableKey {
    /// The key's id.
    pub id: KeyId,
    /// What is wrong with it.
    pub detail: String,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignAnswer {
    /// The signed transaction in the chain's wire encoding; `0x` and hex in JSON.
    #[serde(with = "prefixed_hex_text")]
    pub signed_transaction: Vec<u8>,
    /// The transaction's id as the chain's tools print it.
    pub transaction_id: String,
    /// What the transaction does, as the enclave decoded it.
    pub summary: String,
    /// The policy rule that allowed it.
    pub rule: String,
}

impl From<SignResponse> for SignAnswer {
    fn from(signed: SignResponse) -> Self {
        let SignResponse { signed_transaction, transaction_id, summary, rule } = signed;
        Self { signed_transaction, transaction_id, summary, rule }
    }
}

/// A signed transaction, in the form of the reference system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceAnswer {
    /// The signed transaction; `0x` and hex in JSON.
    #[serde(with = "prefixed_hex_text")]
    pub transaction_signed: Vec<u8>,
    /// Hash of the signed transaction: `0x` and hex.
    pub transaction_hash: String,
}

impl From<SignResponse> for ReferenceAnswer {
    fn from(signed: SignResponse) -> Self {
        let SignResponse { signed_transaction, transaction_id, .. } = signed;
        Self { transaction_signed: signed_transaction, transaction_hash: transaction_id }
    }
}

/// A service that can sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthAnswer {
    /// Always `ok`: a service that cannot sign answers with a problem.
    pub status: String,
    /// Version of the enclave's program.
    pub enclave_version: String,
    /// The enclave's time, in milliseconds since the Unix epoch.
    pub enclave_time_ms: u64,
    /// Chain families (CAIP-2 namespaces) that the enclave signs for.
    pub families: Vec<String>,
}

/// A problem document (RFC 9457). Members this type does not name are ignored, as the RFC wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of problem; a relative URI such as `/problems/policy-denied`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What happened to this request, and what to change.
    #[serde(default)]
    pub detail: String,
    /// Id of the request in the parent's log.
    #[serde(default)]
    pub request_id: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_with_extension_members_is_read_and_answer_with_unknown_members_is_refused() {
        let problem = r#"{"type":"/problems/x","title":"X","status":422,"detail":"d","request_id":"r","extra":1}"#;
        let read: Problem = serde_json::from_str(problem).expect("extension members are allowed");
        assert_eq!((read.status, read.kind.as_str()), (422, "/problems/x"));
        let answer = r#"{"transaction_signed":"0x00","transaction_hash":"0x00","extra":1}"#;
        assert!(serde_json::from_str::<ReferenceAnswer>(answer).is_err());
    }

    #[test]
    fn hex_without_its_prefix_is_refused() {
        let answer = r#"{"transaction_signed":"00","transaction_hash":"0x00"}"#;
        assert!(serde_json::from_str::<ReferenceAnswer>(answer).is_err());
    }
}
