//! `/v1/keys`: create, list, show.

use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use http::header::LOCATION;
use http::{HeaderValue, Request, Response, StatusCode};
use signer_protocol::KeyId;
use signer_protocol::api::{CreateKeyBody, KeyAnswer, KeyPage, UnreadableKey};
use signer_protocol::method::{DescribeKey, DescribeKeyRequest, GenerateKey, GenerateKeyRequest};
use signer_protocol::record::MAX_POLICY_LEN;
use tokio::time::Instant;

use super::body::{self, Untyped};
use super::problem::{Kind, Problem};
use super::{ApiState, Deadline, json};
use crate::enclave::EnclaveError;
use crate::store::{StoreError, StoredKey};

/// Creates a key. It is answered only after the record was stored durably, read back, and opened by the enclave.
///
/// If anything behind the storing fails, the record stays: nothing here deletes keys, and the list shows it.
pub(super) async fn create(
    State(state): State<ApiState>,
    Extension(Deadline(deadline)): Extension<Deadline>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (json_body, _permit) = body::read(request, Untyped::Refused, &state).await?;
    let CreateKeyBody { family, policy, callers } = body::decode(&json_body)?;
    check_family(&family)?;
    let policy = body::object("policy", policy)?;
    body::at_most("policy", policy.len(), MAX_POLICY_LEN)?;
    let request = GenerateKeyRequest { family, policy: policy.to_vec(), callers };
    let key = born(&state, &request, deadline).await?;
    tracing::info!(key_id = %key.description.key_id, "created a key");
    let location = HeaderValue::try_from(format!("/v1/keys/{}", key.description.key_id));
    let mut response = json(StatusCode::CREATED, &full(key));
    // A path of hex digits: always a header's value.
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Has the enclave make a key, and makes sure that what was stored is that key.
async fn born(state: &ApiState, request: &GenerateKeyRequest, deadline: Instant) -> Result<StoredKey, Problem> {
    let answer = state.enclave.call::<GenerateKey>(request, deadline).await?;
    let id = answer.description.key_id;
    let (family, callers) = (answer.description.family.clone(), answer.description.callers.clone());
    let key = StoredKey::from_answer(answer).map_err(|reason| StoreError::Inconsistent { id, reason })?;
    if family != request.family {
        let reason = format!("its family is {family}, and {} was asked for", request.family);
        return Err(StoreError::Inconsistent { id, reason }.into());
    }
    if callers != request.callers {
        let reason = "it is for other callers than were asked for".to_owned();
        return Err(StoreError::Inconsistent { id, reason }.into());
    }
    state.store.create(key.clone()).await?;
    let stored = state.store.read(id).await?;
    let Some(stored) = stored.filter(|stored| *stored == key) else {
        return Err(Problem::new(Kind::StoreFailed, format!("key {id} was stored, but is not read back as it was")));
    };
    let described = describe(state, &stored, deadline).await?;
    if described != stored.description {
        let reason = "the enclave opens the stored record, but describes it differently".to_owned();
        return Err(StoreError::Inconsistent { id, reason }.into());
    }
    Ok(stored)
}

async fn describe(
    state: &ApiState,
    key: &StoredKey,
    deadline: Instant,
) -> Result<signer_protocol::method::KeyDescription, EnclaveError> {
    let request = DescribeKeyRequest { record: key.record.clone() };
    state.enclave.call::<DescribeKey>(&request, deadline).await
}

/// Lists keys, a page at a time, without their long fields. One that cannot be read does not hide the others.
pub(super) async fn list(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response<Body>, Problem> {
    let _permit = state.admit()?;
    let (after, limit) = page_of(query.as_deref().unwrap_or(""))?;
    let page = state.store.list(after, limit).await?;
    let mut answer = KeyPage { keys: Vec::new(), unreadable: Vec::new(), next: page.next };
    for (id, key) in page.keys {
        match key {
            Ok(description) => answer.keys.push(description.into()),
            Err(error) => {
                tracing::error!(key_id = %id, %error, "a stored key cannot be read");
                answer.unreadable.push(UnreadableKey { id, detail: unreadable_detail(&error) });
            }
        }
    }
    Ok(json(StatusCode::OK, &answer))
}

/// Shows one key.
pub(super) async fn show(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Response<Body>, Problem> {
    let _permit = state.admit()?;
    let key = stored_key(&state, &id).await?;
    Ok(json(StatusCode::OK, &full(key)))
}

fn full(key: StoredKey) -> KeyAnswer {
    KeyAnswer::whole(key.description, key.birth_document, key.record)
}

/// The key of a path. What is not the form of an id names no key either.
pub(super) async fn stored_key(state: &ApiState, id: &str) -> Result<StoredKey, Problem> {
    let Ok(id) = id.parse::<KeyId>() else {
        return Err(Problem::new(Kind::NotFound, "a key's id is 32 lower-case hexadecimal digits"));
    };
    match state.store.read(id).await? {
        Some(key) => Ok(key),
        None => Err(Problem::new(Kind::NotFound, format!("there is no key {id}"))),
    }
}

/// `after` and `limit` of a query. Both are of characters that need no escapes.
fn page_of(query: &str) -> Result<(Option<KeyId>, usize), Problem> {
    let invalid = |detail: String| Problem::new(Kind::InvalidField, detail);
    let (mut after, mut limit) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "after" if after.is_none() => {
                after = Some(value.parse().map_err(|error| invalid(format!("after: {error}")))?);
            }
            "limit" if limit.is_none() => {
                let parsed = value.parse().ok().filter(|limit| (1..=MAX_PAGE_LEN).contains(limit));
                limit = Some(parsed.ok_or_else(|| invalid(format!("limit must be 1 to {MAX_PAGE_LEN}")))?);
            }
            _ => return Err(invalid("the query takes after and limit, each once".to_owned())),
        }
    }
    Ok((after, limit.unwrap_or(DEFAULT_PAGE_LEN)))
}

/// What a caller may know: nothing of the parent's file system.
fn unreadable_detail(error: &StoreError) -> String {
    match error {
        StoreError::Corrupted { reason, .. } => reason.clone(),
        _ => "it cannot be read; the parent's log says why".to_owned(),
    }
}

/// A CAIP-2 namespace.
fn check_family(family: &str) -> Result<(), Problem> {
    let characters = family.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if (3..=8).contains(&family.len()) && characters {
        Ok(())
    } else {
        Err(Problem::new(Kind::InvalidField, "family must be a CAIP-2 namespace such as eip155"))
    }
}

const DEFAULT_PAGE_LEN: usize = 100;

/// Keeps an answer of the longest entries below the 1 MiB that clients read.
const MAX_PAGE_LEN: usize = 1000;
