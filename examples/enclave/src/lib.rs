//! The signing service that runs inside the enclave.
//!
//! Keys are drawn from the NSM, sealed into a [record](signer_protocol::record) under a KMS data key that only this
//! image can ask for, and used for what the record's own policy allows. The parent that carries the requests may
//! refuse service; it cannot learn a key, widen a policy or swap one record for another.
//!
//! - [`Configuration`]: what is measured with the image: KMS keys, ports, what the parent may ask for.
//! - [`boot`]: refuses to serve before randomness, clock and curves have shown that they work.
//! - [`init`]: what the program does as the first process of an enclave's kernel.
//! - [`Service`]: generate, describe and sign, over any [`Nsm`](nsm_attest::Nsm) and any way to KMS.
//! - [`parent_port`]: the methods that the parent reaches. [`ParentPermissions`] says what it may do on its own behalf.
//! - [`session_port`]: the methods that a caller reaches over a session of its own, which ends here and which the parent
//!   carries without being able to read or change it. Describing and signing there are for the callers that a key's
//!   record names.
//!
//! The binary of this package wires the service to `/dev/nsm` and vsock. This package never depends on a simulation.

mod boot;
mod cache;
mod caller;
mod configuration;
mod error;
pub mod init;
mod port;
mod seal;
mod service;
mod session;
mod transport;
mod workshop;

pub use boot::{BootError, boot};
pub use caller::Caller;
pub use configuration::{
    Configuration, ConfigurationError, DangerConfiguration, KmsConfiguration, ParentPermissions, RootCertificate,
    SessionClients, SessionConfiguration,
};
pub use error::ServiceError;
pub use port::{Ports, parent_port, serve};
pub use service::Service;
pub use session::session_port;
pub use transport::RelayTransport;
