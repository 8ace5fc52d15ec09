//! The HTTPS API; the crate's documentation lists its routes, fields and problems.
//!
//! Transactions and policies pass through as the bytes that the caller wrote: what the enclave decodes is what it signs.

mod body;
mod health;
mod keys;
pub(crate) mod problem;
mod reference;
mod sign;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::ServiceExt as _;

use self::problem::{Kind, Problem};
use crate::config::{Limits, Timeouts};
use crate::enclave::Enclave;
use crate::store::Store;

/// Answers requests. Shared by all connections.
pub(crate) struct Api {
    router: Router,
    request_timeout: Duration,
    /// Distinguishes the request ids of this process from those of others.
    id_prefix: String,
    id_counter: AtomicU64,
}

impl Api {
    pub(crate) fn new(enclave: Arc<Enclave>, store: Store, limits: &Limits, timeouts: &Timeouts, id: u64) -> Self {
        let state = ApiState {
            enclave,
            store,
            in_flight: Arc::new(Semaphore::new(limits.max_in_flight)),
            max_body_len: limits.max_body_len,
            body_timeout: timeouts.body,
            health_timeout: timeouts.health_interval,
        };
        Self {
            router: router(state),
            request_timeout: timeouts.request,
            id_prefix: format!("{id:016x}"),
            id_counter: AtomicU64::new(0),
        }
    }

    /// Answers one request, whatever happens: errors, panics and lateness become problem documents.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let id = format!("{}-{}", self.id_prefix, self.id_counter.fetch_add(1, Ordering::Relaxed));
        let (method, path) = (request.method().clone(), loggable(request.uri().path()));
        let started = Instant::now();
        let response = self.answer_or_problem(request.map(Body::new), started).await;
        let mut response = problem::render(response, &id);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Hex digits, a dash and decimal digits: always a header's value.
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(X_REQUEST_ID, id);
        }
        let (status, elapsed_us) = (response.status().as_u16(), started.elapsed().as_micros());
        tracing::info!(request_id = %id, %method, path, status, elapsed_us, "answered");
        response
    }

    async fn answer_or_problem(&self, mut request: Request<Body>, started: Instant) -> Response<Body> {
        let deadline = started + self.request_timeout;
        request.extensions_mut().insert(Deadline(deadline));
        let work = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        match tokio::time::timeout_at(deadline, work).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => Problem::new(Kind::Internal, "the request's handler failed").into(),
            Err(_) => Problem::new(Kind::DeadlineExceeded, "the request took too long").into(),
        }
    }
}

/// What every handler works with.
#[derive(Clone)]
struct ApiState {
    enclave: Arc<Enclave>,
    store: Store,
    in_flight: Arc<Semaphore>,
    max_body_len: usize,
    body_timeout: Duration,
    health_timeout: Duration,
}

impl ApiState {
    /// A place among the requests being worked on, until the permit is dropped. Health needs none: a busy parent must
    /// not look like a dead one to whoever asks how it is.
    fn admit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let refused = |_| Problem::new(Kind::Overloaded, "too many requests are in progress");
        self.in_flight.try_acquire().map_err(refused)
    }
}

/// Until when a request must be answered.
#[derive(Clone, Copy)]
struct Deadline(Instant);

fn router(state: ApiState) -> Router {
    Router::new()
        .route("/", post(reference::sign))
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}", get(keys::show))
        .route("/v1/keys/{id}/sign", post(sign::sign))
        .route(HEALTH_PATH, get(health::health))
        .fallback(|| async { Problem::new(Kind::NotFound, "there is nothing at this path") })
        .with_state(state)
}

/// An answer as JSON.
fn json(status: StatusCode, answer: &impl Serialize) -> Response<Body> {
    let Ok(body) = serde_json::to_vec(answer) else {
        return Problem::new(Kind::Internal, "the answer cannot be written").into();
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A path that is safe to log: what callers may put there is bounded and without control characters.
fn loggable(path: &str) -> String {
    path.chars().take(MAX_LOGGED_PATH).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

const HEALTH_PATH: &str = "/healthz";

const MAX_LOGGED_PATH: usize = 96;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
