//! The signing service that runs inside the enclave.
//!
//! Keys are drawn from the NSM, sealed into a [record](signer_protocol::record) under a KMS data key that only this
//! image can ask for, and used for what the record's own policy allows. The parent that carries the requests may
//! refuse service; it cannot learn a key, widen a policy or swap one record for another.
//!
//! - [`Configuration`]: what is measured with the image: KMS keys, ports, what the parent may ask for.
//! - [`boot`]: refuses to serve before randomness, clock and curves have shown that they work.
//! - [`Service`]: generate, describe and sign, over any [`Nsm`](nsm_attest::Nsm) and any way to KMS.
//! - [`parent_port`]: the methods that the parent reaches. Sessions that end in the enclave get a port of their own,
//!   with administration on it; until then [`ParentPermissions`] says what the parent may do in their place.
//!
//! The binary of this package wires the service to `/dev/nsm` and vsock. This package never depends on a simulation.

mod boot;
mod cache;
mod configuration;
mod error;
mod port;
mod seal;
mod service;
mod transport;

pub use boot::{BootError, boot};
pub use configuration::{Configuration, ConfigurationError, KmsConfiguration, ParentPermissions};
pub use error::ServiceError;
pub use port::{parent_port, serve};
pub use service::Service;
pub use transport::RelayTransport;
