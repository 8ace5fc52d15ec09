//! Why a request to the parent has no usable answer.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::api::Problem;

/// A request without the answer that was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The answer is longer than [`MAX_ANSWER_LEN`](super::MAX_ANSWER_LEN).
    #[error("the parent's answer is longer than {max} bytes")]
    AnswerTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// The connection ended before the whole answer was there. The request may have been carried out.
    #[error("the connection to the parent ended before its answer")]
    ConnectionLost {
        /// What ended it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer was not there in time. The request may have been carried out.
    #[error("no answer from the parent within {deadline:?}")]
    DeadlineExceeded {
        /// The time that was allowed.
        deadline: Duration,
    },
    /// Something the caller gave cannot be sent; nothing was.
    #[error("{what}: {detail}")]
    MalformedInput {
        /// Which input.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The parent answered with a problem.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The TLS handshake failed: no common version, or a certificate that is not trusted for this name.
    #[error("TLS with the parent at {address} failed")]
    Tls {
        /// The address.
        address: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// The answer is not one that the API gives.
    #[error("unexpected answer with status {}: {detail}", status.as_u16())]
    UnexpectedAnswer {
        /// Its status.
        status: StatusCode,
        /// What is unexpected in it.
        detail: String,
    },
    /// No connection to the parent.
    #[error("the parent at {address} cannot be reached")]
    Unreachable {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl ClientError {
    pub(super) fn malformed(what: &'static str, detail: impl fmt::Display) -> Self {
        Self::MalformedInput { what, detail: detail.to_string() }
    }

    pub(super) fn lost(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::ConnectionLost { source: source.into() }
    }
}
