//! `POST /`: the request and answer of the reference system, with real status codes.

use axum::body::Body;
use axum::extract::{Extension, State};
use chain_signers::Encoding;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use signer_protocol::KeyId;
use signer_protocol::api::ReferenceAnswer;

use super::body::{self, Untyped};
use super::keys::stored_key;
use super::problem::{Kind, Problem};
use super::sign::sign_with;
use super::{ApiState, Deadline, json};

/// The body: a transaction with amounts in ether, and the id of the key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceBody<'a> {
    #[serde(borrow)]
    transaction_payload: &'a RawValue,
    secret_id: String,
}

/// Signs an Ethereum transaction.
pub(super) async fn sign(
    State(state): State<ApiState>,
    Extension(Deadline(deadline)): Extension<Deadline>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (json_body, _permit) = body::read(request, Untyped::Json, &state).await?;
    let ReferenceBody { transaction_payload, secret_id } = body::decode(&json_body)?;
    let payload = body::object("transaction_payload", transaction_payload)?.to_vec();
    if secret_id.parse::<KeyId>().is_err() {
        let detail = "secret_id must be a key's id: 32 lower-case hexadecimal digits";
        return Err(Problem::new(Kind::InvalidField, detail));
    }
    let key = stored_key(&state, &secret_id).await?;
    if key.description.family != ETHEREUM {
        let detail = format!("key {secret_id} is of family {}, not {ETHEREUM}", key.description.family);
        return Err(Problem::new(Kind::InvalidField, detail));
    }
    let signed = sign_with(&state, key, Encoding::Json, payload, None, deadline).await?;
    Ok(json(StatusCode::OK, &ReferenceAnswer::from(signed)))
}

/// The one chain family of the reference system.
const ETHEREUM: &str = "eip155";
