//! Other people's implementations, each set up as its own documentation suggests, for comparison: the same echo over
//! their RPC, the same documents through their verifiers,
//! the same envelopes through their cryptography, the same transactions and seeds through their signers.

use std::time::Duration;

/// alloy's local signer.
pub mod alloy;
/// Verifiers of attestation documents.
pub mod attestation;
/// RustCrypto's bip32.
pub mod bip32;
/// RustCrypto's crates, opening enveloped data.
pub mod enveloped;
/// tarpc with bincode over length-delimited frames.
pub mod tarpc;
/// tonic, gRPC over HTTP/2, with a codec that copies bytes: no protobuf on either side.
pub mod tonic;

/// How long any peer may take to answer one call.
const DEADLINE: Duration = Duration::from_secs(10);
