//! The way to KMS: a byte stream through the parent's relay.

use std::io;

use kms_enclave_client::{BoxFuture, ByteStream, Transport};
use vsock_rpc::Addr;

/// Dials the parent's relay. TLS runs over it and ends in the enclave, so the relay can only refuse or cut.
#[derive(Clone, Debug)]
pub struct RelayTransport {
    relay: Addr,
}

impl RelayTransport {
    /// A way through the relay at `relay`.
    #[must_use]
    pub fn new(relay: Addr) -> Self {
        Self { relay }
    }
}

impl Transport for RelayTransport {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = self.relay.connect().await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}
