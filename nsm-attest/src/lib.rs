#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "async")]
mod async_nsm;
mod cbor;
mod clock;
mod cose;
#[cfg(feature = "device")]
mod device;
mod document;
mod error;
pub mod measure;
mod nsm;
mod pcr;
mod planted;
mod purpose;
mod rng;
mod time;
#[cfg(any(feature = "device", feature = "sim"))]
mod wire;

#[cfg(feature = "verify")]
mod anchor;
#[cfg(feature = "verify")]
mod cache;
#[cfg(feature = "verify")]
pub mod danger;
#[cfg(feature = "verify")]
mod path;
#[cfg(feature = "verify")]
mod policy;
#[cfg(feature = "verify")]
mod verify;

#[cfg(feature = "sim")]
pub mod sim;

#[cfg(feature = "async")]
pub use crate::async_nsm::{AsyncNsm, AsyncNsmBuilder, AsyncNsmError};
pub use crate::clock::{Clock, ClockError};
#[cfg(feature = "device")]
pub use crate::device::Device;
pub use crate::document::{AttestationDocument, Digest, UnverifiedDocument};
pub use crate::error::{ChainPosition, Field, Malformed};
pub use crate::nsm::{AttestationRequest, Nsm, NsmDescription, NsmError, PcrDescription};
pub use crate::pcr::{InvalidPcrValue, PcrIndex, PcrIndexOutOfRange, PcrValue, Pcrs};
pub use crate::purpose::{InvalidUserData, Purpose, UnknownPurpose, UserData};
pub use crate::rng::NsmRng;
pub use crate::time::{InvalidTime, UnixTime};

#[cfg(feature = "verify")]
pub use crate::anchor::{Fingerprint, InvalidAnchor, TrustAnchor};
#[cfg(feature = "verify")]
pub use crate::cache::ChainCache;
#[cfg(feature = "verify")]
pub use crate::error::{Error, Misuse, Rejection};
#[cfg(feature = "verify")]
pub use crate::policy::{Policy, PolicyBuilder};
#[cfg(feature = "verify")]
pub use crate::verify::VerifiedDocument;
