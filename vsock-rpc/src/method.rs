//! [`Method`]: one remote procedure as a type; [`CallContext`]: what its handler knows of the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::codec::PAYLOAD_LEN_CEILING;
use crate::tasks::Tasks;
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
    pub(crate) connection: Arc<ConnectionFacts>,
    pub(crate) request_id: u64,
}

impl CallContext {
    /// When the caller stops waiting, or the server's `max_deadline` ends if that is earlier. The server drops the handler then.
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
        &self.connection.peer
    }

    /// Raises the payload limit of this call's connection to `max` bytes, at most [`PAYLOAD_LEN_CEILING`]. It is
    /// never lowered.
    ///
    /// It holds for requests whose header the server reads after this, and for their answers. So a method that finds
    /// out who the peer is can permit it more than strangers: a peer that waits for that method's answer before it
    /// sends a longer request is not too early.
    pub fn raise_max_payload_len(&self, max: usize) {
        self.connection.max_payload_len.fetch_max(max.min(PAYLOAD_LEN_CEILING), Ordering::AcqRel);
    }

    /// The request's number on its connection; not unique beyond it.
    #[must_use]
    pub fn request_id(&self) -> u64 {
        self.request_id
    }
}

/// What the calls of one connection share.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    max_payload_len: AtomicUsize,
    peer: Peer,
    tasks: Tasks,
}

impl ConnectionFacts {
    pub(crate) fn new(peer: Peer, max_payload_len: usize, tasks: Tasks) -> Self {
        Self { max_payload_len: AtomicUsize::new(max_payload_len), peer, tasks }
    }

    /// The handlers on tasks of their own.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn max_payload_len(&self) -> usize {
        self.max_payload_len.load(Ordering::Acquire)
    }
}

/// The longest method name: 64 bytes.
pub const MAX_METHOD_NAME_LEN: usize = 64;
