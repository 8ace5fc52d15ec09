//! What the tests with a KMS share: fake credentials and a simulated enclave.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kms_enclave_client::{Credentials, EncryptionContext};
use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{
    AttestationRequest, Clock, Nsm, NsmDescription, NsmError, PcrDescription, PcrIndex, PcrValue, UnixTime,
};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const ADMINISTRATOR: &str = "arn:aws:iam::111122223333:role/kms-administrator";
pub(crate) const ENCLAVE_ROLE: &str = "arn:aws:iam::111122223333:role/signer-parent";

/// AWS's documented example secret: fake.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const ADMINISTRATOR_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const ENCLAVE_KEY: &str = "ASIAIOSFODNN7EXAMPLE";
pub(crate) const SESSION_TOKEN: &str = "FakeSessionTokenForTests";

pub(crate) fn start_of_time() -> UnixTime {
    UnixTime::from_secs(1_780_000_000)
}

pub(crate) fn administrator_credentials() -> Credentials {
    Credentials::new(ADMINISTRATOR_KEY, SECRET, None, None).unwrap()
}

pub(crate) fn enclave_credentials() -> Credentials {
    Credentials::new(ENCLAVE_KEY, SECRET, Some(SESSION_TOKEN.to_owned()), None).unwrap()
}

pub(crate) fn nsm(authority: &Authority, clock: &Clock, executable: &[u8]) -> Arc<SimulatedNsm> {
    let builder = SimulatedNsm::builder(authority.clone()).measure(executable, b"configuration");
    Arc::new(builder.clock(clock.clone()).build().unwrap())
}

pub(crate) fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
}

/// A module that attests so, and can do nothing else: the client asks for nothing else.
pub(crate) struct AttestsSo<F>(pub(crate) F);

impl<F> fmt::Debug for AttestsSo<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestsSo").finish_non_exhaustive()
    }
}

impl<F> Nsm for AttestsSo<F>
where
    F: Fn(&AttestationRequest) -> Result<Vec<u8>, NsmError> + Send + Sync,
{
    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        (self.0)(request)
    }
    fn random(&self, _: &mut [u8]) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn describe(&self) -> Result<NsmDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn describe_pcr(&self, _: PcrIndex) -> Result<PcrDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn extend_pcr(&self, _: PcrIndex, _: &[u8]) -> Result<PcrValue, NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn lock_pcr(&self, _: PcrIndex) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn lock_pcrs(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }
}
