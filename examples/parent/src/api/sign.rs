//! `POST /v1/keys/{id}/sign`.

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use chain_signers::Encoding;
use http::{Request, Response, StatusCode};
use serde_json::value::RawValue;
use signer_protocol::api::{SignAnswer, SignBody};
use signer_protocol::method::{ExpectedKey, MAX_TRANSACTION_LEN, Sign, SignRequest, SignResponse};
use tokio::time::Instant;

use super::body::{self, Untyped};
use super::keys::stored_key;
use super::problem::{Kind, Problem};
use super::{ApiState, Deadline, json};
use crate::store::StoredKey;

/// Signs a transaction.
pub(super) async fn sign(
    State(state): State<ApiState>,
    Extension(Deadline(deadline)): Extension<Deadline>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (json_body, _permit) = body::read(request, Untyped::Refused, &state).await?;
    let SignBody { encoding, transaction, chain_id } = body::decode(&json_body)?;
    if let Some(chain_id) = &chain_id {
        body::at_most("chain_id", chain_id.len(), MAX_CHAIN_ID_LEN)?;
    }
    let payload = match encoding {
        Encoding::Json | Encoding::TypedData => body::object("transaction", transaction)?.to_vec(),
        Encoding::Binary | Encoding::Message | Encoding::Prehash => binary(transaction)?,
        other => return Err(Problem::new(Kind::InvalidField, format!("encoding {other} is not taken here"))),
    };
    let key = stored_key(&state, &id).await?;
    let signed = sign_with(&state, key, encoding, payload, chain_id, deadline).await?;
    Ok(json(StatusCode::OK, &SignAnswer::from(signed)))
}

/// Has the enclave sign `payload`, as the caller wrote it, with `key`.
pub(super) async fn sign_with(
    state: &ApiState,
    key: StoredKey,
    encoding: Encoding,
    payload: Vec<u8>,
    chain_id: Option<String>,
    deadline: Instant,
) -> Result<SignResponse, Problem> {
    body::at_most("the transaction", payload.len(), MAX_TRANSACTION_LEN)?;
    let key_id = key.description.key_id;
    let expected = ExpectedKey { public_key: key.description.public_key, record_digest: key.description.record_digest };
    let request = SignRequest { record: key.record, expected, chain_id, encoding, payload };
    let signed = state.enclave.call::<Sign>(&request, deadline).await?;
    tracing::info!(%key_id, rule = %signed.rule, "signed a transaction");
    Ok(signed)
}

fn binary(transaction: &RawValue) -> Result<Vec<u8>, Problem> {
    let invalid =
        || Problem::new(Kind::InvalidField, "a transaction that is no JSON is a string of 0x and hexadecimal digits");
    // Hex has no characters that JSON escapes, so the raw string is the string.
    let text = transaction.get().strip_prefix("\"0x").and_then(|text| text.strip_suffix('"')).ok_or_else(invalid)?;
    hex::decode(text).map_err(|_| invalid())
}

/// CAIP-2: a namespace of 8, a colon, a reference of 32.
const MAX_CHAIN_ID_LEN: usize = 41;
