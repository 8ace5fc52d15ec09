//! What attests: the enclave's own module, or, in a build that has it, a simulated one.

use std::sync::Arc;

use nsm_attest::{
    AttestationRequest, Clock, Device, Nsm, NsmDescription, NsmError, PcrDescription, PcrIndex, PcrValue,
};

use super::Context;
use super::arguments::{NsmArguments, NsmSource};
use super::failure::KmsFailure;
use crate::failure::Failure;

/// A module, and the time that goes with it.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) nsm: Arc<dyn Nsm>,
    pub(crate) clock: Clock,
    /// How results name it; `None` if nothing is attested.
    pub(crate) name: Option<&'static str>,
    /// What whoever uses it must know.
    warning: Option<&'static str>,
}

impl Module {
    /// Opens the module that was asked for. That it is simulated is said on standard error.
    pub(crate) fn open(arguments: &NsmArguments, context: &mut Context<'_>) -> Result<Self, Failure> {
        let module = match arguments.nsm {
            NsmSource::Device => Self::device()?,
            #[cfg(feature = "sim")]
            NsmSource::Simulated => simulated::open(arguments.authority(), context.stdin)?,
        };
        if let Some(warning) = module.warning {
            writeln!(context.notes, "signerctl: {warning}")?;
        }
        Ok(module)
    }

    /// For a call without attestation: the time alone matters.
    pub(crate) fn for_time_only(source: Option<NsmSource>) -> Result<Self, Failure> {
        let clock = match source {
            Some(NsmSource::Device) => Self::device()?.clock,
            #[cfg(feature = "sim")]
            Some(NsmSource::Simulated) => Clock::system(),
            None => Clock::system(),
        };
        Ok(Self { nsm: Arc::new(NoModule), clock, name: None, warning: None })
    }

    fn device() -> Result<Self, KmsFailure> {
        let device = Device::open()?;
        let clock = Clock::from_nsm(&device)?;
        Ok(Self { nsm: Arc::new(device), clock, name: Some("device"), warning: None })
    }
}

/// The lack of a module, which no call without attestation notices.
#[derive(Debug)]
struct NoModule;

impl Nsm for NoModule {
    fn attest(&self, _: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::Unavailable)
    }

    fn random(&self, _: &mut [u8]) -> Result<(), NsmError> {
        Err(NsmError::Unavailable)
    }

    fn describe(&self) -> Result<NsmDescription, NsmError> {
        Err(NsmError::Unavailable)
    }

    fn describe_pcr(&self, _: PcrIndex) -> Result<PcrDescription, NsmError> {
        Err(NsmError::Unavailable)
    }

    fn extend_pcr(&self, _: PcrIndex, _: &[u8]) -> Result<PcrValue, NsmError> {
        Err(NsmError::Unavailable)
    }

    fn lock_pcr(&self, _: PcrIndex) -> Result<(), NsmError> {
        Err(NsmError::Unavailable)
    }

    fn lock_pcrs(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::Unavailable)
    }
}

#[cfg(feature = "sim")]
mod simulated {
    use std::io::Read;
    use std::path::Path;

    use nsm_attest::sim::{Authority, SimulatedNsm};

    use super::*;
    use crate::files;

    pub(super) fn open(authority: Option<&Path>, stdin: &mut dyn Read) -> Result<Module, Failure> {
        let clock = Clock::system();
        let (path, authority) = match authority {
            Some(path) => (path, Authority::from_bytes(&files::read_secret(path, stdin, MAX_AUTHORITY_LEN)?)),
            None => (Path::new("a fresh authority"), Authority::generate(clock.now())),
        };
        let nsm = authority
            .and_then(|authority| SimulatedNsm::builder(authority).measure(EXECUTABLE, CONFIGURATION).build())
            .map_err(|error| Failure::Malformed { path: path.to_owned(), detail: error.to_string() })?;
        Ok(Module { nsm: Arc::new(nsm), clock, name: Some("simulated"), warning: Some(WARNING) })
    }

    /// What the simulated enclave measures as: `nsm_attest::sim::pcr0` of these is its PCR0.
    const EXECUTABLE: &[u8] = b"signerctl";
    const CONFIGURATION: &[u8] = b"simulated";
    const WARNING: &str = "SIMULATED NSM: whoever reads this machine's memory reads the results, and the KMS of AWS believes \
                        none of its documents";
    const MAX_AUTHORITY_LEN: u32 = 64 * 1024;
}
