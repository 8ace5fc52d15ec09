//! Problem documents (RFC 9457): every error of the API.
//!
//! The status says whose fault it is: 4xx the request's, 5xx this side's. Of the latter, 502 is an answer that the
//! enclave or KMS gave and that no retry changes, 503 a service that is not ready, 504 a service that was too slow.

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use signer_protocol::{api, code};
use vsock_rpc::{CallError, RemoteError};

use crate::enclave::EnclaveError;
use crate::store::StoreError;

/// Why a request has no other answer.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

/// The kinds of problem. Each has one `type`, one title and one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request's body did not arrive in time.
    BodyTimeout,
    /// The request's body is above the limit.
    BodyTooLong,
    /// The parent has no AWS credentials to give the enclave, or none that the enclave takes.
    CredentialsUnavailable,
    /// The enclave, or KMS behind it, did not answer in time.
    DeadlineExceeded,
    /// The enclave failed, or answered what it should not.
    EnclaveFailed,
    /// No connection to the enclave.
    EnclaveUnreachable,
    /// A defect of the parent.
    Internal,
    /// A field of the request is missing, unknown, of the wrong type or outside its limits.
    InvalidField,
    /// KMS refused the enclave. Its key policy or its grants do not admit what the enclave presents; callers cannot
    /// change that, and a retry does not, so it is 502 and not 403.
    KmsRefused,
    /// KMS could not be reached or did not answer in time.
    KmsUnavailable,
    /// The body is not JSON.
    MalformedJson,
    /// The policy of a new key cannot be used.
    MalformedPolicy,
    /// The request cannot be read.
    MalformedRequest,
    /// The transaction cannot be decoded, or is of a kind that is not signed.
    MalformedTransaction,
    /// The path does not take this method.
    MethodNotAllowed,
    /// No such key, or no such path.
    NotFound,
    /// The enclave's measured configuration does not allow this, or the key's record names others who may.
    NotPermitted,
    /// The enclave's NSM does not answer.
    NsmUnavailable,
    /// Too much is in progress.
    Overloaded,
    /// The key's policy does not allow the transaction.
    PolicyDenied,
    /// What is stored is not what the enclave once sealed.
    RecordRejected,
    /// The store failed.
    StoreFailed,
    /// The body's media type is not JSON.
    UnsupportedMediaType,
}

impl Kind {
    /// Status, the last part of `type`, and title.
    fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body-timeout", "The request's body did not arrive in time"),
            Self::BodyTooLong => (S::PAYLOAD_TOO_LARGE, "body-too-long", "The request's body is too long"),
            Self::CredentialsUnavailable => {
                (S::SERVICE_UNAVAILABLE, "credentials-unavailable", "There are no fresh AWS credentials")
            }
            Self::DeadlineExceeded => (S::GATEWAY_TIMEOUT, "deadline-exceeded", "The answer took too long"),
            Self::EnclaveFailed => (S::BAD_GATEWAY, "enclave-failed", "The enclave failed"),
            Self::EnclaveUnreachable => {
                (S::SERVICE_UNAVAILABLE, "enclave-unreachable", "The enclave cannot be reached")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "The parent failed"),
            Self::InvalidField => (S::UNPROCESSABLE_ENTITY, "invalid-field", "A field of the request is invalid"),
            Self::KmsRefused => (S::BAD_GATEWAY, "kms-refused", "KMS refused the enclave"),
            Self::KmsUnavailable => (S::GATEWAY_TIMEOUT, "kms-unavailable", "KMS did not answer"),
            Self::MalformedJson => (S::BAD_REQUEST, "malformed-json", "The request's body is not JSON"),
            Self::MalformedPolicy => (S::UNPROCESSABLE_ENTITY, "malformed-policy", "The policy cannot be used"),
            Self::MalformedRequest => (S::BAD_REQUEST, "malformed-request", "The request cannot be read"),
            Self::MalformedTransaction => {
                (S::UNPROCESSABLE_ENTITY, "malformed-transaction", "The transaction cannot be signed")
            }
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "The path does not take this method")
            }
            Self::NotFound => (S::NOT_FOUND, "not-found", "There is no such key or path"),
            Self::NotPermitted => (S::FORBIDDEN, "not-permitted", "The enclave does not permit this to the parent"),
            Self::NsmUnavailable => {
                (S::SERVICE_UNAVAILABLE, "nsm-unavailable", "The enclave's security module does not answer")
            }
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", "Too much is in progress"),
            Self::PolicyDenied => (S::FORBIDDEN, "policy-denied", "The key's policy does not allow the transaction"),
            Self::RecordRejected => (S::INTERNAL_SERVER_ERROR, "record-rejected", "The stored key cannot be used"),
            Self::StoreFailed => (S::INTERNAL_SERVER_ERROR, "store-failed", "The store of keys failed"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The request's body must be JSON")
            }
        }
    }

    /// Whether the connection is closed behind the answer, because the request was not read to its end.
    fn ends_connection(self) -> bool {
        matches!(self, Self::BodyTimeout | Self::BodyTooLong)
    }
}

/// Puts the problem beside an empty body; [`render`] writes it, when the request's id is known.
impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.kind.facts().0;
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Problem> for Response<Body> {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

impl From<EnclaveError> for Problem {
    fn from(error: EnclaveError) -> Self {
        match error {
            EnclaveError::Call(CallError::Remote(error)) => remote(&error),
            EnclaveError::Call(CallError::DeadlineExceeded { .. }) => {
                Self::new(Kind::DeadlineExceeded, "the enclave did not answer in time")
            }
            EnclaveError::Call(error @ (CallError::Unreachable { .. } | CallError::Disconnected { .. })) => {
                Self::new(Kind::EnclaveUnreachable, error.to_string())
            }
            EnclaveError::Call(error) => Self::new(Kind::EnclaveFailed, error.to_string()),
            EnclaveError::Credentials(error) => {
                // Names files and variables of this machine: for its operator, not for callers.
                tracing::error!(%error, "no credentials for the enclave");
                Self::new(Kind::CredentialsUnavailable, "the parent cannot read AWS credentials")
            }
            EnclaveError::CredentialsRefused(error) => {
                // About what the parent sent, not about what its caller did.
                tracing::error!(%error, "the enclave refuses the credentials");
                Self::new(Kind::CredentialsUnavailable, "the enclave does not take the parent's AWS credentials")
            }
            EnclaveError::ShuttingDown => Self::new(Kind::EnclaveUnreachable, error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupted { .. } => Self::new(Kind::RecordRejected, error.to_string()),
            StoreError::Inconsistent { .. } => Self::new(Kind::EnclaveFailed, error.to_string()),
            _ => {
                tracing::error!(%error, "the store failed");
                Self::new(Kind::StoreFailed, "the store of keys failed; the parent's log says how")
            }
        }
    }
}

/// What the enclave answered.
fn remote(error: &RemoteError) -> Problem {
    let kind = match error.code() {
        code::CREDENTIALS_MISSING => Kind::CredentialsUnavailable,
        code::KEY_MISMATCH | code::RECORD_REJECTED => Kind::RecordRejected,
        code::KMS_REFUSED => Kind::KmsRefused,
        code::KMS_UNAVAILABLE => Kind::KmsUnavailable,
        code::MALFORMED_FIELD | code::UNKNOWN_CHAIN => Kind::InvalidField,
        code::MALFORMED_POLICY => Kind::MalformedPolicy,
        code::MALFORMED_TRANSACTION => Kind::MalformedTransaction,
        code::NOT_PERMITTED => Kind::NotPermitted,
        code::NSM_UNAVAILABLE => Kind::NsmUnavailable,
        code::POLICY_DENIED => Kind::PolicyDenied,
        vsock_rpc::code::DEADLINE_EXCEEDED => Kind::DeadlineExceeded,
        vsock_rpc::code::OVERLOADED => Kind::Overloaded,
        // Among them `signing_failed`, and requests of ours that an enclave of another version does not take.
        _ => Kind::EnclaveFailed,
    };
    Problem::new(kind, error.message())
}

/// Writes the problem of a response, or makes one for an error that has none.
pub(crate) fn render(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None => match framework_problem(response.status()) {
            Some(problem) => problem,
            None => return response,
        },
    };
    let (status, slug, title) = problem.kind.facts();
    let document = api::Problem {
        kind: format!("/problems/{slug}"),
        title: title.to_owned(),
        status: status.as_u16(),
        detail: problem.detail,
        request_id: request_id.to_owned(),
    };
    *response.body_mut() = Body::from(serde_json::to_vec(&document).expect("strings and numbers always encode"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH); // that of the empty body, where the router wrote one
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if problem.kind == Kind::Overloaded {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if problem.kind.ends_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Errors that the router answers by itself. It has set `Allow` where that belongs.
fn framework_problem(status: StatusCode) -> Option<Problem> {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        Some(Problem::new(Kind::MethodNotAllowed, "the Allow header lists the methods that it takes"))
    } else if status.is_client_error() {
        Some(Problem::new(Kind::MalformedRequest, "the path or query cannot be read"))
    } else if status.is_server_error() {
        Some(Problem::new(Kind::Internal, "the request's handler failed"))
    } else {
        None
    }
}
