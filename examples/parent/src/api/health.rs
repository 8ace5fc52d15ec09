//! `GET /healthz`: can a transaction be signed now?

use axum::body::Body;
use axum::extract::State;
use http::{Response, StatusCode};
use signer_protocol::api::HealthAnswer;
use tokio::time::Instant;

use super::problem::{Kind, Problem};
use super::{ApiState, json};

/// 200 if the enclave answers and holds fresh credentials.
pub(super) async fn health(State(state): State<ApiState>) -> Result<Response<Body>, Problem> {
    let health = state.enclave.health(Instant::now() + state.health_timeout).await?;
    if !health.credentials_fresh {
        return Err(Problem::new(Kind::CredentialsUnavailable, "the enclave holds no fresh AWS credentials"));
    }
    let answer = HealthAnswer {
        status: "ok".to_owned(),
        enclave_version: health.version,
        enclave_time_ms: health.time_ms,
        families: health.families,
    };
    Ok(json(StatusCode::OK, &answer))
}
