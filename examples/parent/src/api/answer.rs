//! Answers: the JSON that the API gives.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use signer_protocol::method::{KeyDescription, SignResponse};
use signer_protocol::{KeyId, RecordDigest};

use crate::store::StoredKey;

/// One key; a list leaves out the two long fields.
#[derive(Serialize)]
pub(super) struct KeyAnswer {
    id: KeyId,
    family: String,
    curve: chain_signers::Curve,
    public_key: String,
    address: String,
    record_digest: RecordDigest,
    revision: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_document: Option<String>,
    /// Ties the digest that the birth document attests to the public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

impl KeyAnswer {
    pub(super) fn brief(description: KeyDescription) -> Self {
        let KeyDescription { key_id, family, curve, public_key, address, revision, record_digest } = description;
        let public_key = hex::encode(public_key);
        Self {
            id: key_id,
            family,
            curve,
            public_key,
            address,
            record_digest,
            revision,
            birth_document: None,
            record: None,
        }
    }

    pub(super) fn full(key: StoredKey) -> Self {
        let birth_document = Some(STANDARD.encode(&key.birth_document));
        let record = Some(STANDARD.encode(&key.record));
        Self { birth_document, record, ..Self::brief(key.description) }
    }
}

/// Some of the keys.
#[derive(Serialize)]
pub(super) struct PageAnswer {
    pub(super) keys: Vec<KeyAnswer>,
    pub(super) unreadable: Vec<UnreadableAnswer>,
    pub(super) next: Option<KeyId>,
}

/// A key that the store holds but cannot read.
#[derive(Serialize)]
pub(super) struct UnreadableAnswer {
    pub(super) id: KeyId,
    pub(super) detail: String,
}

/// A signed transaction.
#[derive(Serialize)]
pub(super) struct SignAnswer {
    signed_transaction: String,
    transaction_id: String,
    summary: String,
    rule: String,
}

impl From<SignResponse> for SignAnswer {
    fn from(signed: SignResponse) -> Self {
        let SignResponse { signed_transaction, transaction_id, summary, rule } = signed;
        Self { signed_transaction: prefixed_hex(&signed_transaction), transaction_id, summary, rule }
    }
}

/// A signed transaction, as the reference system answers.
#[derive(Serialize)]
pub(super) struct ReferenceAnswer {
    transaction_signed: String,
    transaction_hash: String,
}

impl From<SignResponse> for ReferenceAnswer {
    fn from(signed: SignResponse) -> Self {
        let SignResponse { signed_transaction, transaction_id, .. } = signed;
        Self { transaction_signed: prefixed_hex(&signed_transaction), transaction_hash: transaction_id }
    }
}

/// A service that can sign.
#[derive(Serialize)]
pub(super) struct HealthAnswer {
    pub(super) status: &'static str,
    pub(super) enclave_version: String,
    pub(super) enclave_time_ms: u64,
    pub(super) families: Vec<String>,
}

pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(answer).expect("the answers' strings and numbers always encode");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn prefixed_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
