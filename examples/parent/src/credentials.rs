//! AWS credentials for the enclave: where they come from.
//!
//! The enclave cannot reach the instance metadata service, so the parent hands it credentials. They let the enclave
//! *ask* KMS; what KMS answers is decided by the key policy over the enclave's measurements.

use std::env::{self, VarError};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;
use signer_protocol::method::{ACCESS_KEY_ID_LEN, AwsCredentials, SECRET_ACCESS_KEY_LEN, SESSION_TOKEN_LEN};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::permissions::mode_open_to_others;

/// Where credentials come from.
#[non_exhaustive]
pub enum CredentialsSource {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_CREDENTIAL_EXPIRATION` of this
    /// process.
    Environment,
    /// A file in the format of an AWS credential process:
    /// `{"Version": 1, "AccessKeyId": …, "SecretAccessKey": …, "SessionToken": …, "Expiration": RFC 3339}`.
    /// It is read again whenever credentials are pushed, so another program may renew it. Only its owner may read it.
    File(PathBuf),
    /// These.
    Fixed(AwsCredentials),
}

impl CredentialsSource {
    /// Reads the credentials as they are now.
    ///
    /// # Errors
    /// [`CredentialsError`] names what is missing or outside its limits, never its value.
    pub fn load(&self) -> Result<AwsCredentials, CredentialsError> {
        let credentials = match self {
            Self::Environment => from_environment(|name| match env::var(name) {
                Ok(value) => Ok(Some(value)),
                Err(VarError::NotPresent) => Ok(None),
                Err(VarError::NotUnicode(_)) => Err(CredentialsError::Malformed { what: name }),
            })?,
            Self::File(path) => from_file(path)?,
            Self::Fixed(credentials) => credentials.clone(),
        };
        check(&credentials)?;
        Ok(credentials)
    }
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Fixed(_) => f.debug_tuple("Fixed").finish_non_exhaustive(),
        }
    }
}

/// Why there are no credentials to push.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file is above its size limit.
    #[error("the credentials file {} is longer than {max} bytes", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        max: u64,
    },
    /// A length outside its limits.
    #[error("the credentials' {what} has {actual} characters, outside {min}..={max}")]
    Length {
        /// Which part.
        what: &'static str,
        /// Least length.
        min: usize,
        /// Greatest length.
        max: usize,
        /// Length found.
        actual: usize,
    },
    /// A value that cannot be understood; it is not repeated here, since it may be a secret.
    #[error("the credentials' {what} cannot be understood")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// A file that is not the JSON that is expected. Where it fails is told, what it says is not.
    #[error("the credentials file {} is not a credential process's answer: line {line}, column {column}", path.display())]
    MalformedFile {
        /// The file.
        path: PathBuf,
        /// Line of the defect.
        line: usize,
        /// Column of the defect.
        column: usize,
    },
    /// A variable that is not set.
    #[error("the environment variable {name} is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// Group or others may read or change the file.
    #[error("the credentials file {} has mode {mode:03o}; it must be 600 or 400", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that cannot be read.
    #[error("cannot read the credentials file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The answer of an AWS credential process.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ProcessAnswer {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

fn from_environment(
    variable: impl Fn(&'static str) -> Result<Option<String>, CredentialsError>,
) -> Result<AwsCredentials, CredentialsError> {
    let required = |name| variable(name)?.ok_or(CredentialsError::Missing { name });
    Ok(AwsCredentials {
        access_key_id: required("AWS_ACCESS_KEY_ID")?,
        secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN")?,
        expires_at_ms: variable("AWS_CREDENTIAL_EXPIRATION")?.as_deref().map(parse_time).transpose()?,
    })
}

fn from_file(path: &PathBuf) -> Result<AwsCredentials, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable { path: path.clone(), source };
    let file = File::open(path).map_err(unreadable)?;
    if let Some(mode) = mode_open_to_others(&file).map_err(unreadable)? {
        return Err(CredentialsError::OpenToOthers { path: path.clone(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    let max = MAX_FILE_LEN as u64;
    file.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_LEN {
        return Err(CredentialsError::FileTooLong { path: path.clone(), max });
    }
    // serde_json's message may quote the offending value, and that may be a secret.
    let mut answer: ProcessAnswer = serde_json::from_slice(&bytes).map_err(|error| {
        CredentialsError::MalformedFile { path: path.clone(), line: error.line(), column: error.column() }
    })?;
    if answer.version != 1 {
        return Err(CredentialsError::Malformed { what: "version" });
    }
    Ok(AwsCredentials {
        access_key_id: std::mem::take(&mut answer.access_key_id),
        secret_access_key: std::mem::take(&mut answer.secret_access_key),
        session_token: answer.session_token.take(),
        expires_at_ms: answer.expiration.as_deref().map(parse_time).transpose()?,
    })
}

/// An RFC 3339 time in milliseconds since the Unix epoch.
fn parse_time(text: &str) -> Result<u64, CredentialsError> {
    let malformed = CredentialsError::Malformed { what: "expiration (expected RFC 3339)" };
    let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) else { return Err(malformed) };
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| malformed)
}

fn check(credentials: &AwsCredentials) -> Result<(), CredentialsError> {
    within("access key id", &credentials.access_key_id, ACCESS_KEY_ID_LEN)?;
    within("secret access key", &credentials.secret_access_key, SECRET_ACCESS_KEY_LEN)?;
    if let Some(token) = &credentials.session_token {
        within("session token", token, SESSION_TOKEN_LEN)?;
    }
    Ok(())
}

fn within(what: &'static str, value: &str, limits: RangeInclusive<usize>) -> Result<(), CredentialsError> {
    let actual = value.len();
    if limits.contains(&actual) {
        return Ok(());
    }
    let (min, max) = limits.into_inner();
    Err(CredentialsError::Length { what, min, max, actual })
}

/// Longest credentials file, in bytes.
const MAX_FILE_LEN: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::{self, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(content: &str) -> (tempfile::NamedTempFile, CredentialsSource) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let source = CredentialsSource::File(file.path().to_owned());
        (file, source)
    }

    #[test]
    fn reads_a_credential_process_answer() {
        let (_file, source) = file(
            r#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"fake-secret-for-tests",
                "SessionToken":"fake-token-for-tests","Expiration":"2026-11-22T14:00:00Z"}"#,
        );
        let credentials = source.load().unwrap();
        assert_eq!(credentials.access_key_id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(credentials.session_token.as_deref(), Some("fake-token-for-tests"));
        assert_eq!(credentials.expires_at_ms, Some(1_795_356_000_000));
    }

    #[test]
    fn file_that_group_or_others_may_read_is_refused_with_the_mode_wanted() {
        let content = r#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"fake-secret-for-tests"}"#;
        let (file, source) = file(content);
        for mode in [0o640, 0o604, 0o620, 0o444] {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let error = source.load().unwrap_err();
            assert!(matches!(error, CredentialsError::OpenToOthers { mode: found, .. } if found == mode), "{error}");
            let message = error.to_string();
            assert!(message.contains(file.path().to_str().unwrap()) && message.contains("600"), "{message}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert!(source.load().is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn malformed_file_is_refused_without_repeating_a_secret() {
        for content in [
            r#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"fake-secret","Extra":"fake"}"#,
            r#"{"Version":"fake-secret"}"#,
            r#"{"Version":2,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"fake-secret"}"#,
            r#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"fake-secret","Expiration":"fake"}"#,
        ] {
            let (_file, source) = file(content);
            let error = source.load().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("fake"), "{error:?}");
        }
    }

    #[test]
    fn environment_without_a_secret_names_the_variable() {
        let variables = HashMap::from([("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")]);
        let error = from_environment(|name| Ok(variables.get(name).map(ToString::to_string))).unwrap_err();
        assert!(matches!(error, CredentialsError::Missing { name: "AWS_SECRET_ACCESS_KEY" }), "{error}");
    }

    #[test]
    fn session_token_may_be_as_long_as_the_enclave_takes_and_no_longer() {
        let with_token_of = |len: usize| {
            CredentialsSource::Fixed(AwsCredentials {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret_access_key: "fake-secret-for-tests".into(),
                session_token: Some("x".repeat(len)),
                expires_at_ms: None,
            })
        };
        let max = *SESSION_TOKEN_LEN.end();
        assert!(with_token_of(max).load().is_ok());
        let refused = with_token_of(max + 1).load();
        assert!(matches!(refused, Err(CredentialsError::Length { what: "session token", max: 8192, .. })));
    }

    #[test]
    fn fixed_credentials_are_checked_and_not_printed() {
        let source = CredentialsSource::Fixed(AwsCredentials {
            access_key_id: "short".into(),
            secret_access_key: "fake-secret-for-tests".into(),
            session_token: None,
            expires_at_ms: None,
        });
        assert!(matches!(source.load(), Err(CredentialsError::Length { what: "access key id", actual: 5, .. })));
        assert!(!format!("{source:?}").contains("fake"));
    }
}
