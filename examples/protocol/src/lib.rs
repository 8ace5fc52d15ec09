//! What enclave, parent and clients say to each other, and the record that holds a key.
//!
//! - [`record`]: record v1, the sealed unit a key is stored as, its header and its digest.
//! - [`method`]: the typed requests of the enclave's ports, with their limits.
//! - [`code`]: the error codes those requests are answered with.
//! - [`birth`] (feature `birth`): what a client checks of a new key when it does not trust the parent.
//! - [`api`] (feature `api`): the bodies of the parent's HTTPS API.
//! - [`client`] (feature `client`): the parent's HTTPS API from Rust.
//!
//! Every type here is decoded exactly: unknown fields are refused, and every length has a limit that is checked before
//! the value is used.

#[cfg(feature = "api")]
pub mod api;
#[cfg(feature = "birth")]
pub mod birth;
#[cfg(feature = "client")]
pub mod client;
pub mod code;
pub mod method;
pub mod record;

pub use record::{KeyId, Record, RecordDigest, RecordHeader};
