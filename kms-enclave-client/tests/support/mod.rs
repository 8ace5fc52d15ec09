//! What the tests with a KMS share: fake credentials and a simulated enclave.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kms_enclave_client::{Credentials, EncryptionContext};
use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{Clock, UnixTime};

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
