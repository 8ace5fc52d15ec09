//! What the benches measure, set up once, and the peers that they compare with (feature `peers`).

pub mod affinity;
pub mod attested;
pub mod child;
pub mod echo;
pub mod enveloped;
pub mod hostile;
pub mod kms;
#[cfg(feature = "peers")]
pub mod peers;
pub mod relayed;
pub mod session;
pub mod signing;
