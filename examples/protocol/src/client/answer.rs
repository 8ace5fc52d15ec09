//! What the API answers, as types.

use chain_signers::Curve;
use serde::{Deserialize, Serialize};

use crate::record::{KeyId, RecordDigest};

/// One key. A list leaves out the two long fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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
    /// Signed attestation document with purpose `birth` over the record's digest; base64 in JSON.
    #[serde(default, with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub birth_document: Option<Vec<u8>>,
    /// The sealed record, which ties the digest to the public key; base64 in JSON.
    #[serde(default, with = "base64_text", skip_serializing_if = "Option::is_none")]
    pub record: Option<Vec<u8>>,
}

/// Some of the keys of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct UnreadableKey {
    /// The key's id.
    pub id: KeyId,
    /// What is wrong with it.
    pub detail: String,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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

/// A signed transaction, in the form of the reference system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReferenceAnswer {
    /// The signed transaction; `0x` and hex in JSON.
    #[serde(with = "prefixed_hex_text")]
    pub transaction_signed: Vec<u8>,
    /// Hash of the signed transaction: `0x` and hex.
    pub transaction_hash: String,
}

/// A service that can sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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
#[non_exhaustive]
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

/// Lower-case hex.
mod hex_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// `0x` and lower-case hex.
mod prefixed_hex_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(bytes)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| de::Error::custom("expected hex behind 0x"))?;
        hex::decode(digits).map_err(de::Error::custom)
    }
}

/// Standard base64 with padding; absent while `None`.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        STANDARD.decode(text).map(Some).map_err(de::Error::custom)
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
