//! The Nitro Secure Module as this crate sees it: one small trait, implemented by the device and by the simulator.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::{PcrIndex, PcrValue};

/// A Nitro Secure Module.
///
/// Calls block: the device answers from the hypervisor, and its driver gives up after two minutes only. For async code
/// there is `AsyncNsm` (feature `async`).
pub trait Nsm: fmt::Debug + Send + Sync {
    /// Asks for a signed attestation document that carries `request`.
    ///
    /// # Errors
    /// [`NsmError::InputTooLarge`] if a field exceeds what the module takes; otherwise as the module answers.
    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError>;

    /// Fills the whole of `buffer` with random bytes.
    ///
    /// # Errors
    /// As the module answers; the buffer's content is then unspecified and must not be used.
    fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError>;

    /// Asks what the module is and which registers it has locked.
    ///
    /// # Errors
    /// As the module answers.
    fn describe(&self) -> Result<NsmDescription, NsmError>;

    /// Reads a register.
    ///
    /// # Errors
    /// As the module answers.
    fn describe_pcr(&self, index: PcrIndex) -> Result<PcrDescription, NsmError>;

    /// Extends a register with `data` and returns its new value, SHA-384(old value ‖ data).
    ///
    /// # Errors
    /// [`NsmError::ReadOnlyIndex`] if the register is locked, [`NsmError::InputTooLarge`] if `data` exceeds what the
    /// module takes.
    fn extend_pcr(&self, index: PcrIndex, data: &[u8]) -> Result<PcrValue, NsmError>;

    /// Locks a register until the enclave ends. Only locked registers appear in documents.
    ///
    /// # Errors
    /// [`NsmError::ReadOnlyIndex`] if it is locked already.
    fn lock_pcr(&self, index: PcrIndex) -> Result<(), NsmError>;

    /// Locks the registers 0 to `range` - 1.
    ///
    /// # Errors
    /// [`NsmError::InvalidIndex`] if there are not that many registers.
    fn lock_pcrs(&self, range: u16) -> Result<(), NsmError>;
}

const _: Option<&dyn Nsm> = None; // stops compiling if object safety is lost

macro_rules! delegate_nsm {
    ($($pointer:ty),*) => {$(
        impl<N: Nsm + ?Sized> Nsm for $pointer {
            fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
                (**self).attest(request)
            }
            fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError> {
                (**self).random(buffer)
            }
            fn describe(&self) -> Result<NsmDescription, NsmError> {
                (**self).describe()
            }
            fn describe_pcr(&self, index: PcrIndex) -> Result<PcrDescription, NsmError> {
                (**self).describe_pcr(index)
            }
            fn extend_pcr(&self, index: PcrIndex, data: &[u8]) -> Result<PcrValue, NsmError> {
                (**self).extend_pcr(index, data)
            }
            fn lock_pcr(&self, index: PcrIndex) -> Result<(), NsmError> {
                (**self).lock_pcr(index)
            }
            fn lock_pcrs(&self, range: u16) -> Result<(), NsmError> {
                (**self).lock_pcrs(range)
            }
        }
    )*};
}

delegate_nsm!(&N, Arc<N>);

/// What a document shall carry besides what the module knows itself. Every field is optional and at most
/// [`MAX_FIELD_LEN`](Self::MAX_FIELD_LEN) bytes long.
///
/// Nothing remote may choose `public_key` or `user_data`: whoever does could have this enclave attest *their* key.
/// `nonce` is the field for a verifier's challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttestationRequest {
    /// A key that belongs to this enclave.
    pub public_key: Option<Vec<u8>>,
    /// What the document is for: see [`UserData`](crate::UserData).
    pub user_data: Option<Vec<u8>>,
    /// The verifier's challenge.
    pub nonce: Option<Vec<u8>>,
}

impl AttestationRequest {
    /// The longest a field may be.
    pub const MAX_FIELD_LEN: usize = 1024;

    /// A request without any field.
    #[must_use]
    pub const fn new() -> Self {
        Self { public_key: None, user_data: None, nonce: None }
    }

    /// Adds a key that belongs to this enclave.
    #[must_use]
    pub fn with_public_key(mut self, public_key: impl Into<Vec<u8>>) -> Self {
        self.public_key = Some(public_key.into());
        self
    }

    /// Adds user data: [`UserData`](crate::UserData), or another protocol's bytes.
    #[must_use]
    pub fn with_user_data(mut self, user_data: impl Into<Vec<u8>>) -> Self {
        self.user_data = Some(user_data.into());
        self
    }

    /// Adds the verifier's challenge.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Vec<u8>>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }
}

/// What a module says about itself.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NsmDescription {
    /// Major, minor and patch version.
    pub version: (u16, u16, u16),
    /// The name of the module, which its documents carry too.
    pub module_id: String,
    /// How many registers it has.
    pub max_pcrs: u16,
    /// The registers that are locked.
    pub locked_pcrs: BTreeSet<PcrIndex>,
}

/// A register's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcrDescription {
    /// Whether the register can no longer change.
    pub locked: bool,
    /// What it holds.
    pub value: PcrValue,
}

/// Why a module did not do what it was asked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NsmError {
    /// The answer does not fit into the buffer the driver provides.
    #[error("the NSM's answer does not fit into the driver's buffer")]
    BufferTooSmall,
    /// The request exceeds what the module takes.
    #[error("the NSM refused the request as too large")]
    InputTooLarge,
    /// The module or its driver failed.
    #[error("the NSM failed internally")]
    InternalError,
    /// The module found an argument invalid.
    #[error("the NSM refused an argument")]
    InvalidArgument,
    /// There is no such register.
    #[error("the NSM has no such PCR")]
    InvalidIndex,
    /// The module cannot do this.
    #[error("the NSM does not support the operation")]
    InvalidOperation,
    /// The answer does not belong to the request, or breaks the interface's rules.
    #[error("the NSM's answer does not fit the request")]
    InvalidResponse,
    /// The register is locked.
    #[error("the PCR is locked")]
    ReadOnlyIndex,
    /// The device could not be opened: this process does not run inside an enclave, or may not use it. AWS's driver
    /// does not pass on the operating system's error.
    #[error("/dev/nsm cannot be opened: it exists only inside a Nitro Enclave, and must be readable and writable")]
    Unavailable,
}
