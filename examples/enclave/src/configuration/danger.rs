//! What weakens an enclave, all of it under one key, so that whoever builds an image can refuse that key.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kms_enclave_client::TlsRoots;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ConfigurationError;

/// Overrides for emulated enclaves and for tests. Whoever can use them against an enclave owns its keys.
///
/// ```json
/// { "kms_tls_roots": ["MIIB…"] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DangerConfiguration {
    /// Roots that TLS to KMS trusts *instead of* Amazon's, 1 to 8: those of a simulated KMS. Whoever holds a key under one
    /// of them is believed to be KMS, and so learns every key that is made and opens every record that is shown to it.
    pub kms_tls_roots: Vec<RootCertificate>,
}

impl DangerConfiguration {
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        let actual = self.kms_tls_roots.len();
        if !(1..=MAX_ROOTS).contains(&actual) {
            return Err(ConfigurationError::RootCount { actual, max: MAX_ROOTS });
        }
        self.tls_roots().map(drop)
    }

    pub(super) fn tls_roots(&self) -> Result<TlsRoots, ConfigurationError> {
        let roots = self.kms_tls_roots.iter().map(RootCertificate::as_der);
        TlsRoots::from_der(roots).map_err(|_| ConfigurationError::RootCertificate)
    }
}

/// A certificate: DER, in JSON as base64 with padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCertificate(Vec<u8>);

impl RootCertificate {
    /// The certificate with these bytes, which are looked at when the configuration is checked.
    #[must_use]
    pub fn from_der(der: impl Into<Vec<u8>>) -> Self {
        Self(der.into())
    }

    /// DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for RootCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for RootCertificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(|_| de::Error::custom("kms_tls_roots is not base64"))
    }
}

const MAX_ROOTS: usize = 8;
