//! The policy of the KMS key that seals records for an enclave.
//!
//! Who may do what with the key afterwards:
//!
//! | who | may | if |
//! |---|---|---|
//! | a role of the parent instance | Decrypt, GenerateDataKey | the request carries an attestation document of a listed image, and the encryption context says `purpose=record-v1` |
//! | an administrator | look after the key, change this policy | never use the key for data |
//! | everyone | not Encrypt, ReEncrypt or CreateGrant; not Decrypt or GenerateDataKey without attestation of a listed image | |
//!
//! The denials repeat what is not allowed anyway: they hold against grants, and against statements that are added later.
//! Without Encrypt, ReEncrypt and unattested data keys nobody can forge a record outside an enclave.

use nsm_attest::PcrValue;
use serde_json::{Value, json};
use thiserror::Error;

use crate::arguments::KeyPolicyCommand;
use crate::failure::Failure;
use crate::output::Output;

/// What a key policy is made from.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicyInput<'a> {
    /// The key's account: 12 digits.
    pub account: &'a str,
    /// Roles of parent instances: `arn:aws:iam::ACCOUNT:role/NAME`.
    pub roles: &'a [String],
    /// PCR0 of the images that are admitted: 48 bytes each, and none of them zero.
    pub images: &'a [PcrValue],
    /// Who administers the key: a role, a user, or `arn:aws:iam::ACCOUNT:root` for whoever the account's own
    /// identity policies let.
    pub administrators: &'a [String],
}

/// Writes the policy as JSON.
///
/// ```
/// use signerctl::key_policy::{KeyPolicyInput, render};
///
/// let policy = render(&KeyPolicyInput {
///     account: "111122223333",
///     roles: &["arn:aws:iam::111122223333:role/parent".to_owned()],
///     images: &["ab".repeat(48).parse()?],
///     administrators: &["arn:aws:iam::111122223333:role/key-admin".to_owned()],
/// })?;
/// assert!(policy.contains("kms:RecipientAttestation:ImageSha384"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`KeyPolicyError`] names the value that cannot be used.
pub fn render(input: &KeyPolicyInput<'_>) -> Result<String, KeyPolicyError> {
    let policy = policy(input)?;
    Ok(format!("{policy:#}"))
}

/// Why there is no key policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyPolicyError {
    /// An account that is not 12 digits.
    #[error("account {actual:?} is not 12 digits")]
    Account {
        /// The value found.
        actual: String,
    },
    /// A list outside its limits.
    #[error("there are {actual} {what}, outside 1..={max}")]
    Count {
        /// What is listed.
        what: &'static str,
        /// Most entries.
        max: usize,
        /// Entries found.
        actual: usize,
    },
    /// A measurement of zeros is that of every enclave in debug mode, whose memory the parent can read.
    #[error("PCR0 is zero: that admits every enclave in debug mode")]
    DebugImage,
    /// A PCR0 that is not a SHA-384 digest, which KMS compares nothing with.
    #[error("PCR0 has {actual} bytes, not {expected}")]
    ImageLength {
        /// Length of a PCR0, in bytes.
        expected: usize,
        /// Length found, in bytes.
        actual: usize,
    },
    /// A parent's role that administers the key could admit an image of its own.
    #[error("{arn:?} is both a role of a parent and an administrator: it could admit an image of its own")]
    SamePrincipal {
        /// The principal.
        arn: String,
    },
    /// An ARN that names no principal of the account which fits.
    #[error("{actual:?} is not {expected} of account {account}")]
    Principal {
        /// What the ARN must name.
        expected: &'static str,
        /// The account.
        account: String,
        /// The value found.
        actual: String,
    },
}

pub(crate) fn execute(command: KeyPolicyCommand, output: &mut Output<'_>) -> Result<(), Failure> {
    let KeyPolicyCommand::Render(arguments) = command;
    let policy = policy(&KeyPolicyInput {
        account: &arguments.account,
        roles: &arguments.roles,
        images: &arguments.images,
        administrators: &arguments.administrators,
    })?;
    output.result(&policy, || format!("{policy:#}"))
}

fn policy(input: &KeyPolicyInput<'_>) -> Result<Value, KeyPolicyError> {
    let KeyPolicyInput { account, roles, images, administrators } = *input;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(KeyPolicyError::Account { actual: account.to_owned() });
    }
    let images = checked("images", images, check_image)?;
    let roles = checked("roles", roles, |arn| check_principal(arn, account, "a role", &["role/"]))?;
    let administrators = checked("administrators", administrators, |arn| {
        check_principal(arn, account, "a role, a user or root", &["role/", "user/", "root"])
    })?;
    if let Some(arn) = roles.iter().find(|role| administrators.contains(role)) {
        return Err(KeyPolicyError::SamePrincipal { arn: (*arn).to_owned() });
    }
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Administration",
                "Effect": "Allow",
                "Principal": {"AWS": administrators},
                "Action": ADMINISTRATION,
                "Resource": "*",
            },
            {
                "Sid": "AttestedEnclave",
                "Effect": "Allow",
                "Principal": {"AWS": roles},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {
                    "StringEqualsIgnoreCase": {IMAGE: images},
                    "StringEquals": {"kms:EncryptionContext:purpose": "record-v1"},
                },
            },
            {
                "Sid": "NobodyForgesRecords",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Encrypt", "kms:ReEncrypt*", "kms:CreateGrant"],
                "Resource": "*",
            },
            {
                "Sid": "OnlyListedImages",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                // A negated operator also matches where the key is absent: requests without attestation are denied too.
                "Condition": {"StringNotEqualsIgnoreCase": {IMAGE: images}},
            },
        ],
    }))
}

/// Every entry as its check returns it.
fn checked<V>(
    what: &'static str,
    values: &[V],
    check: impl Fn(&V) -> Result<String, KeyPolicyError>,
) -> Result<Vec<String>, KeyPolicyError> {
    if !(1..=MAX_ENTRIES).contains(&values.len()) {
        return Err(KeyPolicyError::Count { what, max: MAX_ENTRIES, actual: values.len() });
    }
    values.iter().map(check).collect()
}

fn check_image(image: &PcrValue) -> Result<String, KeyPolicyError> {
    let actual = image.as_bytes().len();
    if actual != PCR0_LEN {
        return Err(KeyPolicyError::ImageLength { expected: PCR0_LEN, actual });
    }
    if image.is_zero() {
        return Err(KeyPolicyError::DebugImage);
    }
    Ok(image.to_string())
}

/// `resources`: what the ARN's last part may be, or begin with where that ends in a slash.
fn check_principal(
    arn: &str,
    account: &str,
    expected: &'static str,
    resources: &[&str],
) -> Result<String, KeyPolicyError> {
    let resource = PARTITIONS.iter().find_map(|partition| {
        arn.strip_prefix("arn:")?
            .strip_prefix(partition)?
            .strip_prefix(":iam::")?
            .strip_prefix(account)?
            .strip_prefix(':')
    });
    let fits = resource.is_some_and(|resource| {
        let names_one = resources.iter().any(|allowed| match resource.strip_prefix(allowed) {
            // Only a kind that ends in a slash has a name behind it, which must not be empty.
            Some(name) => allowed.ends_with('/') != name.is_empty(),
            None => false,
        });
        names_one && arn.len() <= MAX_ARN_LEN && resource.bytes().all(is_of_a_name)
    });
    if fits {
        return Ok(arn.to_owned());
    }
    let actual = arn.chars().take(MAX_QUOTED).collect();
    Err(KeyPolicyError::Principal { expected, account: account.to_owned(), actual })
}

/// The characters of IAM names and paths. A wildcard is none: IAM does not take one within a principal.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&byte)
}

/// The condition key that KMS sets to PCR0 of the attestation document it verified.
const IMAGE: &str = "kms:RecipientAttestation:ImageSha384";

/// Length of a PCR0, in bytes: SHA-384.
const PCR0_LEN: usize = 48;

/// Everything that looking after a key takes, and nothing that touches data.
const ADMINISTRATION: [&str; 17] = [
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
];

const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// Most roles, images or administrators: a key policy has at most 32 KiB.
const MAX_ENTRIES: usize = 16;

/// Longest ARN of a principal.
const MAX_ARN_LEN: usize = 600;

/// How much of a value that cannot be used is repeated.
const MAX_QUOTED: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    fn rendered(account: &str, role: &str, image: &str, administrator: &str) -> Result<Value, KeyPolicyError> {
        policy(&KeyPolicyInput {
            account,
            roles: &strings(&[role]),
            images: &[image.parse().unwrap()],
            administrators: &strings(&[administrator]),
        })
    }

    const ACCOUNT: &str = "111122223333";
    const ROLE: &str = "arn:aws:iam::111122223333:role/service/parent";
    const ADMINISTRATOR: &str = "arn:aws:iam::111122223333:root";

    #[test]
    fn no_statement_lets_anyone_use_the_key_without_attestation() {
        let policy = rendered(ACCOUNT, ROLE, &"Ab".repeat(48), ADMINISTRATOR).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            let conditions = &statement["Condition"];
            for action in statement["Action"].as_array().unwrap() {
                let action = action.as_str().unwrap();
                assert!(!action.ends_with(":*"), "{action}");
                let uses_key = ["crypt", "DataKey", "Derive", "Sign", "Mac"].iter().any(|part| action.contains(part));
                if statement["Effect"] == "Allow" && uses_key {
                    assert_eq!(conditions["StringEqualsIgnoreCase"][IMAGE], json!(["ab".repeat(48)]));
                    assert_eq!(conditions["StringEquals"]["kms:EncryptionContext:purpose"], "record-v1");
                }
            }
        }
    }

    #[test]
    fn forging_a_record_is_denied_to_everyone_without_condition() {
        let policy = rendered(ACCOUNT, ROLE, &"ab".repeat(48), ADMINISTRATOR).unwrap();
        let statement = &policy["Statement"][2];
        assert_eq!(statement["Effect"], "Deny");
        assert_eq!(statement["Principal"], json!({"AWS": "*"}));
        assert_eq!(statement["Action"], json!(["kms:Encrypt", "kms:ReEncrypt*", "kms:CreateGrant"]));
        assert!(statement.get("Condition").is_none());
    }

    #[test]
    fn values_that_would_admit_too_much_are_refused() {
        let good = "ab".repeat(48);
        assert_eq!(rendered(ACCOUNT, ROLE, &"0".repeat(96), ADMINISTRATOR), Err(KeyPolicyError::DebugImage));
        for len in [32, 64] {
            let refused = rendered(ACCOUNT, ROLE, &"ab".repeat(len), ADMINISTRATOR);
            assert_eq!(refused, Err(KeyPolicyError::ImageLength { expected: 48, actual: len }));
        }
        for bad in ["", "*", "1111222233334", "11112222333x"] {
            assert!(matches!(rendered(bad, ROLE, &good, ADMINISTRATOR), Err(KeyPolicyError::Account { .. })), "{bad}");
        }
        for bad in [
            "*",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::444455556666:role/parent",
            "arn:aws:sts::111122223333:assumed-role/parent/session",
        ] {
            let refused = rendered(ACCOUNT, bad, &good, ADMINISTRATOR);
            assert!(matches!(refused, Err(KeyPolicyError::Principal { .. })), "{bad}");
        }
        assert!(matches!(rendered(ACCOUNT, ROLE, &good, ROLE), Err(KeyPolicyError::SamePrincipal { .. })));
        for bad in ["*", "arn:aws:iam::111122223333:rootless", "arn:aws:iam::111122223333:group/admins"] {
            let refused = rendered(ACCOUNT, ROLE, &good, bad);
            assert!(matches!(refused, Err(KeyPolicyError::Principal { .. })), "{bad}");
        }
    }
}
