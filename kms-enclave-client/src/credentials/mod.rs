//! [`Credentials`]: AWS keys with an expiry, never printed; [`ProvideCredentials`]: where fresh ones come from.

mod store;

use std::fmt;
use std::mem;

use nsm_attest::UnixTime;
use zeroize::Zeroizing;

pub(crate) use self::store::CredentialsStore;
use crate::error::Error;
use crate::transport::BoxFuture;

/// AWS credentials: an access key, its secret, and for temporary ones the session token and the time they end.
///
/// The parent instance obtains them (from its instance role) and hands them to the enclave. They are not what protects
/// a key: the key policy's attestation conditions are. They are wiped on drop and `Debug` shows none of them.
///
/// ```
/// use kms_enclave_client::Credentials;
///
/// let credentials = Credentials::new(
///     "AKIAIOSFODNN7EXAMPLE",
///     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
///     None,
///     None,
/// )?;
/// assert!(!format!("{credentials:?}").contains("AKIA"));
/// # Ok::<(), kms_enclave_client::CredentialsError>(())
/// ```
#[derive(Clone)]
pub struct Credentials {
    /// In the form that the signer takes. They are shared by all clones and wiped with the last one.
    parts: aws_credential_types::Credentials,
    expires_at: Option<UnixTime>,
}

impl Credentials {
    /// Takes the parts as AWS issues them.
    ///
    /// # Errors
    /// [`CredentialsError`] if a part is empty, too long for AWS, or has characters that no header may carry.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
        expires_at: Option<UnixTime>,
    ) -> Result<Self, CredentialsError> {
        // Wiped also if they are refused.
        let mut access_key_id = Zeroizing::new(access_key_id.into());
        let mut secret_access_key = Zeroizing::new(secret_access_key.into());
        let mut session_token = Zeroizing::new(session_token);
        let is_word = access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !(16..=MAX_ACCESS_KEY_ID_LEN).contains(&access_key_id.len()) || !is_word {
            return Err(CredentialsError::BadAccessKeyId);
        }
        if !is_graphic(&secret_access_key, MAX_SECRET_ACCESS_KEY_LEN) {
            return Err(CredentialsError::BadSecretAccessKey);
        }
        if session_token.as_ref().is_some_and(|token| !is_graphic(token, MAX_SESSION_TOKEN_LEN)) {
            return Err(CredentialsError::BadSessionToken);
        }
        let parts = aws_credential_types::Credentials::new(
            mem::take(&mut *access_key_id),
            mem::take(&mut *secret_access_key),
            session_token.take(),
            None,
            "kms-enclave-client",
        );
        Ok(Self { parts, expires_at })
    }

    /// The access key id: an identifier, not a secret, and still not for logs.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        self.parts.access_key_id()
    }

    /// The secret access key.
    ///
    /// # Security
    /// Whoever has it signs as this principal until it expires.
    #[must_use]
    pub fn secret_access_key(&self) -> &str {
        self.parts.secret_access_key()
    }

    /// The session token of temporary credentials.
    ///
    /// # Security
    /// Part of the credentials: keep it as private as the secret.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.parts.session_token()
    }

    /// When temporary credentials end.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    pub(crate) fn parts(&self) -> &aws_credential_types::Credentials {
        &self.parts
    }

    /// Refuses credentials that have ended.
    pub(crate) fn check(&self, now: UnixTime) -> Result<(), Error> {
        match self.expires_at {
            Some(expired_at) if expired_at <= now => Err(Error::CredentialsExpired { expired_at, now }),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Why credentials cannot be used. The values themselves are not repeated.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The access key id is not 16 to 128 letters, digits or underscores.
    #[error("the access key id must be 16 to 128 letters, digits or underscores")]
    BadAccessKeyId,
    /// The secret access key is empty, too long or not printable ASCII.
    #[error("the secret access key must be printable ASCII, not empty and not overlong")]
    BadSecretAccessKey,
    /// The session token is empty, too long or not printable ASCII.
    #[error("the session token must be printable ASCII, not empty and not overlong")]
    BadSessionToken,
}

/// Gives a client its credentials, first and fresh ones.
///
/// Within five minutes of their expiry the client asks for the next ones in the background, while calls go on with those
/// it has; calls wait only if it has none that still hold, or KMS calls them expired. It asks once for all calls that wait.
///
/// A provider's `Debug` is part of the client's: it must not show secrets.
///
/// ```
/// use kms_enclave_client::{BoxFuture, Credentials, ProvideCredentials};
///
/// /// Asks the parent, which asks the instance metadata service.
/// #[derive(Debug)]
/// struct Parent;
///
/// # async fn ask_parent() -> std::io::Result<(String, String, String)> { Err(std::io::ErrorKind::NotConnected.into()) }
/// impl ProvideCredentials for Parent {
///     fn provide(&self) -> BoxFuture<'_, Result<Credentials, Box<dyn std::error::Error + Send + Sync>>> {
///         Box::pin(async {
///             let (id, secret, token) = ask_parent().await?;
///             Ok(Credentials::new(id, secret, Some(token), None)?)
///         })
///     }
/// }
/// ```
pub trait ProvideCredentials: fmt::Debug + Send + Sync {
    /// Obtains credentials. The future is dropped if it takes more than 30 seconds.
    ///
    /// The error ends in [`Error::CredentialsUnavailable`], and from there in logs: it must not tell secrets.
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Box<dyn std::error::Error + Send + Sync>>>;
}

const _: Option<&dyn ProvideCredentials> = None; // stops compiling if object safety is lost

fn is_graphic(text: &str, max_len: usize) -> bool {
    (1..=max_len).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const MAX_ACCESS_KEY_ID_LEN: usize = 128;
const MAX_SECRET_ACCESS_KEY_LEN: usize = 256;
const MAX_SESSION_TOKEN_LEN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    // AWS's documented example, not a real key.
    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn debug_shows_no_part() {
        let credentials = Credentials::new(ID, SECRET, Some("FakeSessionToken".into()), None).unwrap();
        let text = format!("{credentials:?} {credentials:#?}");
        for part in [ID, SECRET, "FakeSessionToken"] {
            assert!(!text.contains(part), "{text}");
        }
    }

    #[test]
    fn refuses_parts_that_could_not_be_sent() {
        let make = |id: &str, secret: &str, token: Option<&str>| {
            Credentials::new(id, secret, token.map(str::to_owned), None).map(drop).unwrap_err()
        };
        assert_eq!(make("", SECRET, None), CredentialsError::BadAccessKeyId);
        assert_eq!(make("AKIAIOSFODNN7EXAM/LE", SECRET, None), CredentialsError::BadAccessKeyId);
        assert_eq!(make(ID, "", None), CredentialsError::BadSecretAccessKey);
        assert_eq!(make(ID, SECRET, Some("line\r\nbreak")), CredentialsError::BadSessionToken);
        assert_eq!(make(ID, SECRET, Some(&"t".repeat(8193))), CredentialsError::BadSessionToken);
    }

    #[test]
    fn credentials_end_at_their_expiry() {
        let ending = Credentials::new(ID, SECRET, None, Some(UnixTime::from_secs(1001))).unwrap();
        assert!(ending.check(UnixTime::from_secs(1000)).is_ok());
        assert!(matches!(ending.check(UnixTime::from_secs(1001)), Err(Error::CredentialsExpired { .. })));
        assert!(Credentials::new(ID, SECRET, None, None).unwrap().check(UnixTime::from_secs(u64::MAX / 1000)).is_ok());
    }
}
