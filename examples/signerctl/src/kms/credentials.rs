//! Credentials from the environment or from a file, never from the command line, which every user of a machine can see.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::{env, mem};

use kms_enclave_client::Credentials;
use nsm_attest::UnixTime;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::failure::KmsFailure;
use crate::failure::Failure;
use crate::files;

/// The credentials of `file`, or those in the environment if there is none.
pub(crate) fn read(file: Option<&Path>, profile: Option<&str>, stdin: &mut dyn Read) -> Result<Credentials, Failure> {
    let Some(path) = file else { return Ok(from_variables(|name| env::var(name).ok())?) };
    let bytes = files::read_private(path, stdin, MAX_FILE_LEN)?;
    let malformed = |detail: String| Failure::Malformed { path: path.to_owned(), detail };
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
    let parts = match text.trim_start().starts_with('{') {
        true if profile.is_some() => Err("it is JSON, in which there are no profiles".to_owned()),
        true => from_json(text),
        false => from_profile(text, profile.unwrap_or(DEFAULT_PROFILE)),
    };
    parts.map_err(malformed)?.check().map_err(malformed)
}

/// What credentials consist of, before anything is known of them.
struct Parts {
    access_key_id: Zeroizing<String>,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    expiration: Option<String>,
}

impl Parts {
    fn check(mut self) -> Result<Credentials, String> {
        let expires_at = match self.expiration.as_deref() {
            Some(time) => Some(time.parse::<UnixTime>().map_err(|_| "the expiration is no RFC 3339 time".to_owned())?),
            None => None,
        };
        // Moved, not copied: what is left behind is empty.
        let (id, secret) = (mem::take(&mut *self.access_key_id), mem::take(&mut *self.secret_access_key));
        let token = self.session_token.as_mut().map(|token| mem::take(&mut **token)).filter(|token| !token.is_empty());
        Credentials::new(id, secret, token, expires_at).map_err(|error| error.to_string())
    }
}

/// The variables that AWS's tools take and `aws configure export-credentials --format env` writes.
fn from_variables(variable: impl Fn(&'static str) -> Option<String>) -> Result<Credentials, KmsFailure> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let (Some(id), Some(secret)) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) else {
        return Err(KmsFailure::NoCredentials);
    };
    let parts = Parts {
        access_key_id: id.into(),
        secret_access_key: secret.into(),
        session_token: set("AWS_SESSION_TOKEN").map(Zeroizing::new),
        expiration: set("AWS_CREDENTIAL_EXPIRATION"),
    };
    parts.check().map_err(|detail| KmsFailure::Environment { detail })
}

/// What a `credential_process` prints.
fn from_json(text: &str) -> Result<Parts, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Process {
        version: u32,
        access_key_id: Zeroizing<String>,
        secret_access_key: Zeroizing<String>,
        session_token: Option<Zeroizing<String>>,
        expiration: Option<String>,
    }
    // serde_json's own words could repeat what it found.
    let detail = |error: serde_json::Error| format!("line {}: not what a credential_process prints", error.line());
    let Process { version, access_key_id, secret_access_key, session_token, expiration } =
        serde_json::from_str(text).map_err(detail)?;
    match version {
        1 => Ok(Parts { access_key_id, secret_access_key, session_token, expiration }),
        other => Err(format!("its Version is {other}, not 1")),
    }
}

/// One profile of a credentials file. What else is in the file does not matter, and is not repeated in errors.
fn from_profile(text: &str, profile: &str) -> Result<Parts, String> {
    let mut found = BTreeMap::new();
    let (mut is_wanted, mut was_wanted) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.split(']').next().unwrap_or_default().trim();
            is_wanted = name == profile;
            if is_wanted && was_wanted {
                return Err(format!("line {}: there are two profiles {profile:?}", index + 1));
            }
            was_wanted |= is_wanted;
        } else if is_wanted {
            let (name, value) = line.split_once('=').ok_or_else(|| format!("line {}: no setting", index + 1))?;
            let name = name.trim().to_ascii_lowercase();
            if found.insert(name, value.trim()).is_some() {
                return Err(format!("line {}: a setting for the second time", index + 1));
            }
        }
    }
    if !was_wanted {
        return Err(format!("there is no profile {profile:?}"));
    }
    let mut part =
        |name: &str| found.remove(name).filter(|value| !value.is_empty()).map(|v| Zeroizing::new(v.to_owned()));
    let missing = |name: &str| format!("profile {profile:?} has no {name}");
    Ok(Parts {
        access_key_id: part(ID).ok_or_else(|| missing(ID))?,
        secret_access_key: part(SECRET).ok_or_else(|| missing(SECRET))?,
        session_token: part("aws_session_token"),
        expiration: None,
    })
}

const DEFAULT_PROFILE: &str = "default";
const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
/// A session token may have some KiB; a file, many profiles.
const MAX_FILE_LEN: u32 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    // AWS's documented example, not a real key.
    const EXAMPLE_ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn shown(credentials: &Credentials) -> (&str, &str, Option<&str>, Option<UnixTime>) {
        (
            credentials.access_key_id(),
            credentials.secret_access_key(),
            credentials.session_token(),
            credentials.expires_at(),
        )
    }

    #[test]
    fn variables_are_those_of_aws_and_empty_ones_count_as_unset() {
        let environment = |set: &[(&str, &str)]| {
            let set: BTreeMap<_, _> =
                set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            from_variables(|name| set.get(name).cloned())
        };
        let (id, secret) = (("AWS_ACCESS_KEY_ID", EXAMPLE_ID), ("AWS_SECRET_ACCESS_KEY", EXAMPLE_SECRET));
        let token = ("AWS_SESSION_TOKEN", "FakeToken");
        let expiry = ("AWS_CREDENTIAL_EXPIRATION", "1970-01-01T00:00:01Z");
        let all = environment(&[id, secret, token, expiry]).unwrap();
        assert_eq!(shown(&all), (EXAMPLE_ID, EXAMPLE_SECRET, Some("FakeToken"), Some(UnixTime::from_secs(1))));
        let two = environment(&[id, secret, ("AWS_SESSION_TOKEN", "")]).unwrap();
        assert_eq!(shown(&two), (EXAMPLE_ID, EXAMPLE_SECRET, None, None));
        for lacking in [&[][..], &[id], &[secret, token], &[id, ("AWS_SECRET_ACCESS_KEY", "")]] {
            assert!(matches!(environment(lacking), Err(KmsFailure::NoCredentials)));
        }
        for bad in [[("AWS_ACCESS_KEY_ID", "AKIA"), secret, token], [id, secret, ("AWS_CREDENTIAL_EXPIRATION", "soon")]]
        {
            assert!(matches!(environment(&bad), Err(KmsFailure::Environment { .. })));
        }
    }

    #[test]
    fn the_profile_that_was_asked_for_is_read() {
        let file = format!(
            "# mine\n[default]\naws_access_key_id = {EXAMPLE_ID}\naws_secret_access_key={EXAMPLE_SECRET}\n\n[ other ]\n\
             aws_access_key_id=ASIAIOSFODNN7EXAMPLE\r\nAWS_SECRET_ACCESS_KEY = {EXAMPLE_SECRET}\n; token\n\
             aws_session_token = Fake=Token==\nregion = eu-west-1\n[third]\naws_access_key_id = x\nnonsense\n"
        );
        let read = |profile| from_profile(&file, profile).and_then(Parts::check);
        assert_eq!(shown(&read("default").unwrap()), (EXAMPLE_ID, EXAMPLE_SECRET, None, None));
        let other = read("other").unwrap();
        assert_eq!(shown(&other), ("ASIAIOSFODNN7EXAMPLE", EXAMPLE_SECRET, Some("Fake=Token=="), None));
        for (profile, expected) in [("fourth", "no profile"), ("third", "line 14"), ("", "no profile")] {
            let detail = read(profile).unwrap_err();
            assert!(detail.contains(expected), "{detail}");
        }
    }

    #[test]
    fn what_is_no_credentials_file_is_refused_without_repeating_it() {
        let pair = format!("aws_access_key_id={EXAMPLE_ID}\naws_secret_access_key={EXAMPLE_SECRET}\n");
        for (file, expected) in [
            (format!("[default]\naws_access_key_id={EXAMPLE_ID}"), "has no aws_secret_access_key"),
            (format!("[default]\naws_secret_access_key={EXAMPLE_SECRET}"), "has no aws_access_key_id"),
            (format!("[default]\n{pair}aws_secret_access_key=again"), "line 4"),
            (format!("[default]\n{pair}[default]\n"), "two profiles"),
            (format!("[default]\n{pair}{EXAMPLE_SECRET}"), "line 4"),
            (pair.clone(), "no profile"),
            (String::new(), "no profile"),
            (format!("[default]\n{pair}aws_session_token=a b"), "session token"),
        ] {
            let detail = from_profile(&file, "default").and_then(Parts::check).unwrap_err();
            assert!(detail.contains(expected) && !detail.contains(EXAMPLE_SECRET), "{detail}");
        }
    }

    #[test]
    fn json_is_that_of_a_credential_process() {
        let read = |json: &str| from_json(json).and_then(Parts::check);
        let pair = format!(r#""AccessKeyId":"{EXAMPLE_ID}","SecretAccessKey":"{EXAMPLE_SECRET}""#);
        let whole = format!(
            r#"{{"Version":1,{pair},"SessionToken":"FakeToken","Expiration":"1970-01-01T00:00:01Z","AccountId":"1"}}"#
        );
        let expected = (EXAMPLE_ID, EXAMPLE_SECRET, Some("FakeToken"), Some(UnixTime::from_secs(1)));
        assert_eq!(shown(&read(&whole).unwrap()), expected);
        assert_eq!(shown(&read(&format!(r#"{{"Version":1,{pair}}}"#)).unwrap()).2, None);
        for bad in [
            format!(r#"{{{pair}}}"#),
            format!(r#"{{"Version":2,{pair}}}"#),
            format!(r#"{{"Version":1,{pair},{pair}}}"#),
            format!(r#"{{"Version":1,{pair}}} {{}}"#),
            format!(r#"{{"Version":1,{pair},"Expiration":"{EXAMPLE_SECRET}"}}"#),
            format!(r#"{{"Version":"{EXAMPLE_SECRET}",{pair}}}"#),
            format!(r#"{{"Version":1,"AccessKeyId":"{EXAMPLE_SECRET}","SecretAccessKey":"s"}}"#),
        ] {
            let detail = read(&bad).unwrap_err();
            assert!(!detail.contains(EXAMPLE_SECRET), "{detail}");
        }
    }
}
