//! A simulated NSM under its own root, for tests and for systems that run on one machine.
//!
//! Its documents have the shape of real ones, its requests go through the same mapping as the device's, and its
//! registers lock and extend as the device's do. What it lacks is the point of the real one: **nothing protects its
//! keys**, and whoever holds an [`Authority`] can attest anything. Verifiers see that by the trust anchor, which is
//! never AWS's.
//!
//! QEMU's emulated NSM does not sign at all. Its documents have a type of their own, [`UnsignedDocument`], which nothing
//! that wants a verified document takes; [`SimulatedNsmBuilder::unsigned`] makes the same without QEMU.

mod authority;
mod builder;
mod defect;
mod key;
mod module;
mod unsigned;

pub use self::authority::Authority;
pub use self::builder::SimulatedNsmBuilder;
pub use self::defect::Defect;
pub use self::module::SimulatedNsm;
pub use self::unsigned::{UnsignedDocument, UnsignedRefusal, accept_unsigned, accept_unsigned_with};

use aws_lc_rs::error::{KeyRejected, Unspecified};

use crate::measure::{self, ImageMeasurements};
use crate::pcr::PcrValue;

/// A text that every program holds which can simulate an NSM, and no other: who builds images for release can look for it.
pub const SIMULATION_MARKER: &str = "nitro-signer simulation: nsm-attest";

/// What a simulated enclave's PCR0 holds, computed before it runs: the executable and its configuration, as
/// [`SimulatedNsmBuilder::measure`] measures them.
#[must_use]
pub fn pcr0(executable: &[u8], configuration: &[u8]) -> PcrValue {
    measurements(executable, configuration).image
}

/// What PCR0 (executable and configuration), PCR1 (executable) and PCR2 (configuration) of a simulated enclave hold.
#[must_use]
pub fn measurements(executable: &[u8], configuration: &[u8]) -> ImageMeasurements {
    // The executable's length keeps (ab, c) and (a, bc) apart.
    let len = executable.len().to_be_bytes();
    ImageMeasurements {
        image: measure::extend_zero_with_digest([&len[..], executable, configuration]),
        kernel: measure::extend_zero_with_digest([executable]),
        application: measure::extend_zero_with_digest([configuration]),
    }
}

/// Why the simulator could not be set up.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// The bytes are not an [`Authority`]'s.
    #[error("these bytes are not a simulated authority")]
    Authority,
    /// A certificate could not be made.
    #[error("a simulated certificate could not be made")]
    Certificate,
    /// A key could not be made or read, or did not sign.
    #[error("a simulated key could not be used")]
    Key,
}

impl From<Unspecified> for SimError {
    fn from(_: Unspecified) -> Self {
        Self::Key
    }
}

impl From<KeyRejected> for SimError {
    fn from(_: KeyRejected) -> Self {
        Self::Key
    }
}

impl From<rcgen::Error> for SimError {
    fn from(_: rcgen::Error) -> Self {
        Self::Certificate
    }
}
