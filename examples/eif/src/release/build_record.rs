//! The build record: what a binary was built of, written by the script that built it.

use nsm_attest::PcrValue;
use serde::Deserialize;
use thiserror::Error;

/// What a binary was built of.
///
/// ```
/// use eif::BuildRecord;
///
/// let json = format!(
///     r#"{{"version": 1, "package": "enclave", "binary_sha384": "{}", "features": ["nsm-attest/device"],
///         "rustc": "rustc 1.95.0", "target": "x86_64-unknown-linux-gnu"}}"#,
///     "ab".repeat(48),
/// );
/// assert_eq!(BuildRecord::from_json(json.as_bytes())?.features(), ["nsm-attest/device"]);
/// # Ok::<(), eif::BuildRecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRecord {
    version: u32,
    package: String,
    binary_sha384: PcrValue,
    features: Vec<String>,
    rustc: String,
    target: String,
}

impl BuildRecord {
    /// Reads a record of at most 64 KiB: `version` (1), `package` (`enclave`), `binary_sha384` (96 hexadecimal digits),
    /// `features` (those of all packages that are linked in, as `package/feature`), `rustc`, `target`; nothing else.
    ///
    /// # Errors
    /// [`BuildRecordError`] names what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, BuildRecordError> {
        if json.len() as u64 > MAX_BUILD_RECORD_LEN {
            return Err(BuildRecordError::TooLong { actual: json.len() as u64, max: MAX_BUILD_RECORD_LEN });
        }
        let record: Self =
            serde_json::from_slice(json).map_err(|error| BuildRecordError::Json { detail: error.to_string() })?;
        if record.version != VERSION {
            return Err(BuildRecordError::Version { actual: record.version });
        }
        if record.package != PACKAGE {
            return Err(BuildRecordError::Package { actual: record.package });
        }
        match record.binary_sha384.as_bytes().len() {
            48 => Ok(record),
            actual => Err(BuildRecordError::DigestLength { actual }),
        }
    }

    /// SHA-384 of the binary.
    #[must_use]
    pub const fn binary_sha384(&self) -> PcrValue {
        self.binary_sha384
    }

    /// Features of all packages in it.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The compiler, as it names itself.
    #[must_use]
    pub fn rustc(&self) -> &str {
        &self.rustc
    }

    /// The platform it was built for.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Not a build record of the enclave.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildRecordError {
    /// A digest that is not SHA-384.
    #[error("build record: binary_sha384 has {actual} bytes, not 48")]
    DigestLength {
        /// Its length in bytes.
        actual: usize,
    },
    /// Not JSON, or not this JSON.
    #[error("build record: {detail}")]
    Json {
        /// What is wrong.
        detail: String,
    },
    /// A record of another package.
    #[error("build record: package is {actual:?}, not {PACKAGE:?}")]
    Package {
        /// The package.
        actual: String,
    },
    /// A record above its limit.
    #[error("build record: {actual} bytes, more than {max}")]
    TooLong {
        /// Its length in bytes.
        actual: u64,
        /// Greatest length.
        max: u64,
    },
    /// A version that is not known.
    #[error("build record: version is {actual}, not {VERSION}")]
    Version {
        /// The version.
        actual: u32,
    },
}

/// Longest record, in bytes.
pub(crate) const MAX_BUILD_RECORD_LEN: u64 = 64 << 10;
const VERSION: u32 = 1;
const PACKAGE: &str = "enclave";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(member: &str, value: Value) -> Result<BuildRecord, BuildRecordError> {
        let mut record = json!({
            "version": 1, "package": "enclave", "binary_sha384": "0f".repeat(48), "features": [], "rustc": "", "target": "",
        });
        record[member] = value;
        BuildRecord::from_json(record.to_string().as_bytes())
    }

    #[test]
    fn records_that_say_something_else_are_refused() {
        assert_eq!(record("version", json!(2)), Err(BuildRecordError::Version { actual: 2 }));
        let actual = "parent".to_owned();
        assert_eq!(record("package", json!("parent")), Err(BuildRecordError::Package { actual }));
        let digest = json!("0f".repeat(32));
        assert_eq!(record("binary_sha384", digest), Err(BuildRecordError::DigestLength { actual: 32 }));
        for (member, value) in [("more", json!(1)), ("features", json!(null)), ("features", json!([1]))] {
            assert!(matches!(record(member, value), Err(BuildRecordError::Json { .. })), "{member}");
        }
        let long = vec![b' '; 65_537];
        assert_eq!(BuildRecord::from_json(&long), Err(BuildRecordError::TooLong { actual: 65_537, max: 65_536 }));
        assert!(record("target", json!("x86_64-unknown-linux-gnu")).is_ok());
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        let text = r#"{"version": 1, "package": "enclave", "features": [], "features": []}"#;
        assert!(matches!(BuildRecord::from_json(text.as_bytes()), Err(BuildRecordError::Json { .. })));
    }
}
