//! [`KeyArn`]: the one name of a KMS key that this crate pins.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The ARN of one KMS key: partition, region, account and key id, all spelled out.
///
/// An alias, or a bare key id, is not a `KeyArn`: its meaning can be changed by whoever administers the account, and an
/// enclave must know beforehand which key it talks about. A replica of a multi-Region key has an ARN of its own.
///
/// ```
/// use kms_enclave_client::KeyArn;
///
/// let key: KeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
/// assert_eq!(key.region(), "eu-west-1");
/// assert_eq!(key.account(), "111122223333");
/// assert!("arn:aws:kms:eu-west-1:111122223333:alias/wallet".parse::<KeyArn>().is_err());
/// # Ok::<(), kms_enclave_client::KeyArnError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyArn {
    text: String,
    /// Where partition, region, account and key id begin in `text`; each ends one byte before the next.
    starts: [usize; 4],
}

impl KeyArn {
    /// The partition: `aws`, `aws-cn` or `aws-us-gov`.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.text[self.starts[0]..self.starts[1] - ":kms:".len()]
    }

    /// The region that holds the key, for example `eu-west-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.text[self.starts[1]..self.starts[2] - 1]
    }

    /// The twelve digits of the account that owns the key.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.text[self.starts[2]..self.starts[3] - ":key/".len()]
    }

    /// The key id: a UUID, or `mrk-` and 32 hex digits for a multi-Region key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.text[self.starts[3]..]
    }

    /// The whole ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for KeyArn {
    type Err = KeyArnError;

    fn from_str(text: &str) -> Result<Self, KeyArnError> {
        if text.len() > MAX_LEN {
            return Err(KeyArnError::TooLong { len: text.len(), max: MAX_LEN });
        }
        let KmsArn { partition, region, account, resource } = KmsArn::parse(text)?;
        let key_id = resource.strip_prefix("key/").ok_or(KeyArnError::NotAKey)?;
        if !is_key_id(key_id) {
            return Err(KeyArnError::BadKeyId);
        }
        let partition_start = "arn:".len();
        let region_start = partition_start + partition.len() + ":kms:".len();
        let account_start = region_start + region.len() + 1;
        let key_id_start = account_start + account.len() + ":key/".len();
        Ok(Self { text: text.to_owned(), starts: [partition_start, region_start, account_start, key_id_start] })
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyArn({})", self.text)
    }
}

impl Serialize for KeyArn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for KeyArn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The fields of an ARN of the service `kms`, all but the resource checked.
pub(crate) struct KmsArn<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> KmsArn<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, KeyArnError> {
        let mut fields = text.splitn(6, ':');
        let mut field = || fields.next().unwrap_or_default();
        if field() != "arn" {
            return Err(KeyArnError::NotAnArn);
        }
        let (partition, service, region, account, resource) = (field(), field(), field(), field(), field());
        if !PARTITIONS.contains(&partition) {
            return Err(KeyArnError::UnknownPartition);
        }
        if service != "kms" {
            return Err(KeyArnError::NotKms);
        }
        if !is_region(region) {
            return Err(KeyArnError::BadRegion);
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(KeyArnError::BadAccount);
        }
        Ok(Self { partition, region, account, resource })
    }
}

/// Why a text is not the ARN of a KMS key.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyArnError {
    /// The account is not twelve digits.
    #[error("the account in a key ARN must be twelve digits")]
    BadAccount,
    /// The key id is neither a lower-case UUID nor `mrk-` and 32 lower-case hex digits.
    #[error("the key id in a key ARN must be a lower-case UUID, or `mrk-` and 32 lower-case hex digits")]
    BadKeyId,
    /// The region does not look like one.
    #[error("the region in a key ARN must look like `eu-west-1`")]
    BadRegion,
    /// The resource is not `key/…`; aliases are not accepted.
    #[error("the ARN must name a key (`key/…`), not an alias or another resource")]
    NotAKey,
    /// The text does not begin with `arn:`.
    #[error("a key ARN begins with `arn:`")]
    NotAnArn,
    /// The ARN belongs to another service.
    #[error("the ARN must belong to the service `kms`")]
    NotKms,
    /// The text is longer than any key ARN.
    #[error("a key ARN has at most {max} bytes, this text has {len}")]
    TooLong {
        /// Bytes in the text.
        len: usize,
        /// The most that a key ARN can have.
        max: usize,
    },
    /// The partition is not one that has KMS and Nitro Enclaves on a public endpoint.
    #[error("the partition in a key ARN must be aws, aws-cn or aws-us-gov")]
    UnknownPartition,
}

/// Whether `text` has the form of an AWS region: at least three parts of lower-case letters, the last one a number.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    text.len() <= MAX_REGION_LEN
        && words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` is a lower-case UUID, or `mrk-` and 32 lower-case hex digits.
pub(crate) fn is_key_id(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if let Some(digits) = text.strip_prefix("mrk-") {
        return digits.len() == 32 && is_hex(digits);
    }
    let parts: Vec<&str> = text.split('-').collect();
    let lens: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lens == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part))
}

const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
const MAX_LEN: usize = 128;
const MAX_REGION_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn names_its_parts() {
        let key: KeyArn = KEY.parse().unwrap();
        assert_eq!(
            (key.partition(), key.region(), key.account(), key.key_id()),
            ("aws", "us-east-1", "111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab")
        );
        assert_eq!((key.as_str(), key.to_string().as_str()), (KEY, KEY));
    }

    #[test]
    fn accepts_the_other_partitions_and_multi_region_keys() {
        for text in [
            "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        ] {
            assert_eq!(text.parse::<KeyArn>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_one_key() {
        let cases = [
            ("", KeyArnError::NotAnArn),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", KeyArnError::NotAnArn),
            ("arn:aws", KeyArnError::NotKms),
            ("arn:aws-x:kms:us-east-1:111122223333:key/1", KeyArnError::UnknownPartition),
            ("arn:aws:s3:us-east-1:111122223333:key/1", KeyArnError::NotKms),
            ("arn:aws:kms::111122223333:key/1", KeyArnError::BadRegion),
            ("arn:aws:kms:US-EAST-1:111122223333:key/1", KeyArnError::BadRegion),
            ("arn:aws:kms:us-east-1:11112222333:key/1", KeyArnError::BadAccount),
            ("arn:aws:kms:us-east-1:111122223333:alias/wallet", KeyArnError::NotAKey),
            ("arn:aws:kms:us-east-1:111122223333:key/*", KeyArnError::BadKeyId),
            ("arn:aws:kms:us-east-1:111122223333:key/1234ABCD-12ab-34cd-56ef-1234567890ab", KeyArnError::BadKeyId),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab ", KeyArnError::BadKeyId),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<KeyArn>().unwrap_err(), expected, "{text}");
        }
        let long = format!("{KEY}{}", "0".repeat(200));
        assert_eq!(long.parse::<KeyArn>().unwrap_err(), KeyArnError::TooLong { len: long.len(), max: MAX_LEN });
    }

    #[test]
    fn is_a_string_in_serde() {
        let key: KeyArn = KEY.parse().unwrap();
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{KEY}\""));
        assert_eq!(serde_json::from_str::<KeyArn>(&json).unwrap(), key);
        assert!(serde_json::from_str::<KeyArn>("\"arn:aws:kms\"").is_err());
    }
}
