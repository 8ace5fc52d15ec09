//! [`Method`]: one remote procedure as a type; [`CallContext`]: what its handler knows of the call.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::transport::Peer;

/// A remote procedure: its name on the wire and what goes in and out.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use vsock_rpc::Method;
///
/// #[derive(Serialize, Deserialize)]
/// struct SignRequest {
///     #[serde(with = "serde_bytes")] // byte fields stay bytes, not arrays of numbers
///     payload: Vec<u8>,
/// }
///
/// struct Sign;
/// impl Method for Sign {
///     const NAME: &'static str = "sign";
///     type Request = SignRequest;
///     type Response = String;
/// }
/// ```
pub trait Method: 'static {
    /// The name on the wire, at most [`MAX_METHOD_NAME_LEN`] bytes (checked when compiling).
    const NAME: &'static str;
    /// What the caller sends.
    type Request: Serialize + DeserializeOwned + Send;
    /// What the handler answers.
    type Response: Serialize + DeserializeOwned + Send;
}

/// What a handler knows of the call it serves.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub(crate) deadline: Instant,
    pub(crate) method: &'static str,
    pub(crate) peer: Arc<Peer>,
    pub(crate) request_id: u64,
}

impl CallContext {
    /// When the caller stops waiting. The server drops the handler then.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The name of the method called.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Who calls.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The request's number on its connection; not unique beyond it.
    #[must_use]
    pub fn request_id(&self) -> u64 {
        self.request_id
    }
}

/// The longest method name: 64 bytes.
pub const MAX_METHOD_NAME_LEN: usize = 64;
