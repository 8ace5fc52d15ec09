//! [`KeyId`]: what a request may call a key by, and [`PermittedKeys`]: which keys it may mean.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, printable};
use crate::key_arn::{KeyArn, KeyArnError, KmsArn, is_key_id};

/// A name of a key in a request: its ARN, an alias, an alias's ARN, or its bare id.
///
/// Only an ARN says beforehand which key will be used. What the other names mean is decided by whoever administers the
/// account, so the reply of KMS decides whether they were allowed: the ARN in it must be one that the client was built
/// to use. Names that cannot mean such a key (a bare id of none of them, an alias in another account or region) are
/// refused before anything is sent.
///
/// ```
/// use kms_enclave_client::{KeyArn, KeyId};
///
/// let key: KeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
/// assert_eq!(KeyId::from(&key).key_arn(), Some(&key));
/// for name in [
///     "alias/wallet",
///     "arn:aws:kms:eu-west-1:111122223333:alias/wallet",
///     "1234abcd-12ab-34cd-56ef-1234567890ab",
///     "mrk-1234abcd12ab34cd56ef1234567890ab",
/// ] {
///     let id: KeyId = name.parse()?;
///     assert_eq!((id.as_str(), id.key_arn()), (name, None));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyId(Name);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Alias(String),
    /// The first `key_prefix_len` bytes are those that the ARN of the alias's key begins with, too.
    AliasArn {
        text: String,
        key_prefix_len: usize,
    },
    Arn(KeyArn),
    Id(String),
}

impl KeyId {
    /// The name as KMS reads it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Alias(text) | Name::AliasArn { text, .. } | Name::Id(text) => text,
            Name::Arn(arn) => arn.as_str(),
        }
    }

    /// The key's ARN, if it is by its ARN that the key is named.
    #[must_use]
    pub fn key_arn(&self) -> Option<&KeyArn> {
        match &self.0 {
            Name::Arn(arn) => Some(arn),
            _ => None,
        }
    }

    /// Whether KMS could mean `key` by this name. An alias lies in the account and region of its key.
    fn can_mean(&self, key: &KeyArn) -> bool {
        match &self.0 {
            Name::Alias(_) => true,
            Name::AliasArn { text, key_prefix_len } => key.as_str().starts_with(&text[..*key_prefix_len]),
            Name::Arn(arn) => arn == key,
            Name::Id(id) => id == key.key_id(),
        }
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        if text.len() > MAX_LEN {
            return Err(KeyIdError::TooLong { len: text.len(), max: MAX_LEN });
        }
        let name = if text.starts_with("arn:") {
            let resource = KmsArn::parse(text)?.resource;
            match resource.strip_prefix(ALIAS) {
                Some(alias) => {
                    check_alias(alias)?;
                    Name::AliasArn { text: text.to_owned(), key_prefix_len: text.len() - resource.len() }
                }
                None => Name::Arn(text.parse()?),
            }
        } else if let Some(alias) = text.strip_prefix(ALIAS) {
            check_alias(alias)?;
            Name::Alias(text.to_owned())
        } else if is_key_id(text) {
            Name::Id(text.to_owned())
        } else {
            return Err(KeyIdError::Unrecognised);
        };
        Ok(Self(name))
    }
}

impl From<KeyArn> for KeyId {
    fn from(arn: KeyArn) -> Self {
        Self(Name::Arn(arn))
    }
}

impl From<&KeyArn> for KeyId {
    fn from(arn: &KeyArn) -> Self {
        arn.clone().into()
    }
}

impl From<&KeyId> for KeyId {
    fn from(id: &KeyId) -> Self {
        id.clone()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a text is no name of a KMS key.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyIdError {
    /// It begins with `arn:`, but is the ARN neither of a key nor of an alias.
    #[error(transparent)]
    Arn(#[from] KeyArnError),
    /// The part after `alias/` is empty, or has other characters than KMS allows in it.
    #[error("an alias is `alias/` and letters, digits, `/`, `_` or `-`")]
    BadAlias,
    /// The text is longer than any name of a key.
    #[error("a name of a key has at most {max} bytes, this text has {len}")]
    TooLong {
        /// Bytes in the text.
        len: usize,
        /// The most that a name of a key can have.
        max: usize,
    },
    /// It is none of the forms that name a key.
    #[error("a key is named by its ARN, by `alias/` and a name, by an alias's ARN, or by its lower-case id")]
    Unrecognised,
}

/// The keys that a client was built to use.
#[derive(Clone, Debug)]
pub(crate) struct PermittedKeys(BTreeSet<KeyArn>);

impl PermittedKeys {
    pub(crate) fn new(keys: BTreeSet<KeyArn>) -> Self {
        Self(keys)
    }

    /// Before anything is sent: whether `key` can mean a permitted key at all.
    pub(crate) fn check_request(&self, key: &KeyId) -> Result<(), Error> {
        // The usual case first: a look-up instead of a walk.
        let is_permitted = match key.key_arn() {
            Some(arn) => self.0.contains(arn),
            None => self.0.iter().any(|permitted| key.can_mean(permitted)),
        };
        if is_permitted { Ok(()) } else { Err(Error::KeyNotPermitted { key: key.clone() }) }
    }

    /// Reads the `KeyId` of a reply: the ARN that was asked for or, where the request left it to KMS (by another name,
    /// or by naming none), a permitted one that the name can mean.
    pub(crate) fn check_reply(&self, requested: Option<&KeyId>, reply: &str) -> Result<KeyArn, Error> {
        if let Some(expected) = requested.and_then(KeyId::key_arn) {
            return if reply == expected.as_str() {
                Ok(expected.clone())
            } else {
                Err(Error::KeyIdMismatch { expected: expected.clone(), actual: shown(reply) })
            };
        }
        match reply.parse::<KeyArn>() {
            Ok(key) if self.0.contains(&key) && requested.is_none_or(|id| id.can_mean(&key)) => Ok(key),
            _ => Err(Error::ReplyKeyNotPermitted { requested: requested.cloned(), actual: shown(reply) }),
        }
    }
}

fn shown(reply: &str) -> String {
    printable(reply, 256)
}

fn check_alias(name: &str) -> Result<(), KeyIdError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    if name.is_empty() || ALIAS.len() + name.len() > MAX_ALIAS_LEN || !name.bytes().all(is_allowed) {
        return Err(KeyIdError::BadAlias);
    }
    Ok(())
}

const ALIAS: &str = "alias/";
/// The limit of `AliasName`, prefix included.
const MAX_ALIAS_LEN: usize = 256;
/// An alias's ARN is the longest name: the longest alias after the longest prefix.
const MAX_LEN: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const OTHER: &str = "arn:aws:kms:eu-west-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab";

    fn permitted() -> PermittedKeys {
        PermittedKeys::new([KEY.parse().unwrap()].into())
    }

    fn id(text: &str) -> KeyId {
        text.parse().unwrap()
    }

    #[test]
    fn refuses_what_names_no_key() {
        let long_alias = format!("alias/{}", "a".repeat(251));
        for (text, expected) in [
            ("", KeyIdError::Unrecognised),
            ("wallet", KeyIdError::Unrecognised),
            ("1234ABCD-12ab-34cd-56ef-1234567890ab", KeyIdError::Unrecognised),
            ("Alias/wallet", KeyIdError::Unrecognised),
            ("alias/", KeyIdError::BadAlias),
            ("alias/wal let", KeyIdError::BadAlias),
            (&long_alias, KeyIdError::BadAlias),
            ("arn:aws:kms:eu-west-1:111122223333:alias/", KeyIdError::BadAlias),
            ("arn:aws:kms:eu-west-1:1111:alias/wallet", KeyArnError::BadAccount.into()),
            ("arn:aws:s3:eu-west-1:111122223333:alias/wallet", KeyArnError::NotKms.into()),
            ("arn:aws:kms:eu-west-1:111122223333:grant/wallet", KeyArnError::NotAKey.into()),
            (&"a".repeat(513), KeyIdError::TooLong { len: 513, max: 512 }),
        ] {
            assert_eq!(text.parse::<KeyId>().unwrap_err(), expected, "{text}");
        }
        assert!(format!("alias/{}", "a".repeat(250)).parse::<KeyId>().is_ok());
    }

    #[test]
    fn a_name_that_cannot_mean_a_permitted_key_is_refused_before_it_is_sent() {
        for name in [KEY, "alias/wallet", "arn:aws:kms:eu-west-1:111122223333:alias/wallet", &KEY[39..]] {
            assert!(permitted().check_request(&id(name)).is_ok(), "{name}");
        }
        for name in [
            OTHER,
            &OTHER[39..],
            "arn:aws:kms:eu-west-1:111122223334:alias/wallet",
            "arn:aws:kms:eu-west-2:111122223333:alias/wallet",
            "arn:aws-cn:kms:eu-west-1:111122223333:alias/wallet",
            // A key and its replica share an id, not an ARN.
            "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ] {
            let refused = permitted().check_request(&id(name));
            assert!(matches!(refused, Err(Error::KeyNotPermitted { key }) if key == id(name)), "{name}");
        }
    }

    #[test]
    fn a_reply_is_believed_only_about_a_permitted_key_that_was_asked_for() {
        let keys = PermittedKeys::new([KEY.parse().unwrap(), OTHER.parse().unwrap()].into());
        for (requested, reply, is_accepted) in [
            (Some(KEY), KEY, true),
            (Some(KEY), OTHER, false),
            (Some("alias/wallet"), KEY, true),
            (Some("alias/wallet"), OTHER, true),
            (Some("alias/wallet"), "alias/wallet", false),
            (Some("arn:aws:kms:eu-west-1:111122223333:alias/wallet"), OTHER, true),
            (Some(&KEY[39..]), KEY, true),
            (Some(&KEY[39..]), OTHER, false),
            (Some(&KEY[39..]), &KEY[39..], false),
            (None, KEY, true),
            (None, "", false),
            (None, "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", false),
        ] {
            let found = keys.check_reply(requested.map(id).as_ref(), reply);
            assert_eq!(found.is_ok(), is_accepted, "{requested:?} {reply}: {found:?}");
        }
    }
}
