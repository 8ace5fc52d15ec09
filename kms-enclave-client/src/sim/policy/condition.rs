//! `Condition`: operators, keys, and what an absent key means.

use crate::sim::fault::Fault;
use crate::sim::policy::RequestContext;
use crate::sim::policy::pattern::Pattern;

/// One operator applied to one key: `{"StringEquals": {"kms:CallerAccount": ["111122223333"]}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    test: Test,
    /// Whether the result of a match is turned around.
    is_negated: bool,
    /// Whether an absent key satisfies the condition.
    if_exists: bool,
    key: ConditionKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Equals(Vec<String>),
    EqualsIgnoreCase(Vec<String>),
    Like(Vec<Pattern>),
    Bool(Vec<bool>),
    /// Whether the key must be absent.
    Null(Vec<bool>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ConditionKey {
    BypassPolicyLockoutSafetyCheck,
    CallerAccount,
    /// The name of an encryption context member, in lower case: IAM compares the names of condition keys so.
    EncryptionContext(String),
    Pcr(u8),
    PrincipalAccount,
    PrincipalArn,
    SecureTransport,
}

impl Condition {
    pub(crate) fn parse(operator: &str, key: &str, values: &[String]) -> Result<Self, Fault> {
        let (name, if_exists) = match operator.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (operator, false),
        };
        if values.is_empty() {
            return Err(Fault::malformed_policy("a condition has no values"));
        }
        if values.iter().any(|value| value.contains("${")) {
            return Err(Fault::malformed_policy("the simulator does not implement policy variables"));
        }
        let (test, is_negated) = match name {
            "StringEquals" => (Test::Equals(values.to_vec()), false),
            "StringNotEquals" => (Test::Equals(values.to_vec()), true),
            "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase(ascii(values)?), false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase(ascii(values)?), true),
            "StringLike" => (Test::Like(patterns(values)), false),
            "StringNotLike" => (Test::Like(patterns(values)), true),
            "Bool" => (Test::Bool(booleans(values)?), false),
            // "Exists if it exists" means nothing; IAM has no NullIfExists.
            "Null" if !if_exists => (Test::Null(booleans(values)?), false),
            _ => return Err(Fault::malformed_policy(format!("unknown condition operator {operator:?}"))),
        };
        Ok(Self { test, is_negated, if_exists, key: ConditionKey::parse(key)? })
    }

    /// Several values of a positive operator are alternatives; a negated operator wants none of them to match.
    pub(crate) fn holds(&self, request: &RequestContext<'_>) -> bool {
        let value = self.key.value(request);
        if let Test::Null(expected) = &self.test {
            return expected.contains(&value.is_none());
        }
        let Some(value) = value else { return self.if_exists || self.is_negated };
        let is_match = match &self.test {
            Test::Equals(texts) => texts.contains(&value),
            Test::EqualsIgnoreCase(texts) => texts.iter().any(|text| text.eq_ignore_ascii_case(&value)),
            Test::Like(patterns) => patterns.iter().any(|pattern| pattern.matches(&value)),
            Test::Bool(expected) => expected.iter().any(|expected| value == expected.to_string()),
            Test::Null(_) => false,
        };
        is_match != self.is_negated
    }
}

impl ConditionKey {
    fn parse(name: &str) -> Result<Self, Fault> {
        let lower = name.to_ascii_lowercase();
        Ok(match lower.as_str() {
            "kms:bypasspolicylockoutsafetycheck" => Self::BypassPolicyLockoutSafetyCheck,
            "kms:calleraccount" => Self::CallerAccount,
            "kms:recipientattestation:imagesha384" => Self::Pcr(0),
            "aws:principalaccount" => Self::PrincipalAccount,
            "aws:principalarn" => Self::PrincipalArn,
            "aws:securetransport" => Self::SecureTransport,
            _ => {
                let pcr = lower.strip_prefix("kms:recipientattestation:pcr").and_then(pcr_index);
                let context = lower.strip_prefix("kms:encryptioncontext:").filter(|name| !name.is_empty());
                match (pcr, context) {
                    (Some(index), _) => Self::Pcr(index),
                    (_, Some(name)) => Self::EncryptionContext(name.to_owned()),
                    _ => return Err(Fault::malformed_policy(format!("unknown condition key {name:?}"))),
                }
            }
        })
    }

    /// The request's value under this key, or that it has none.
    fn value(&self, request: &RequestContext<'_>) -> Option<String> {
        match self {
            Self::BypassPolicyLockoutSafetyCheck => {
                request.bypass_policy_lockout_safety_check.map(|value| value.to_string())
            }
            Self::CallerAccount | Self::PrincipalAccount => Some(request.caller.account.clone()),
            Self::EncryptionContext(name) => request
                .encryption_context
                .iter()
                .find(|(key, _)| key.to_ascii_lowercase() == *name)
                .map(|(_, value)| value.clone()),
            Self::Pcr(index) => request.pcrs.and_then(|pcrs| pcrs.get(index)).map(hex::encode),
            Self::PrincipalArn => Some(request.caller.policy_arn.clone()),
            Self::SecureTransport => Some("true".to_owned()),
        }
    }
}

/// 0 to 31 without leading zeros.
fn pcr_index(digits: &str) -> Option<u8> {
    let index: u8 = digits.parse().ok()?;
    (index < 32 && index.to_string() == digits).then_some(index)
}

fn patterns(values: &[String]) -> Vec<Pattern> {
    values.iter().map(|value| Pattern::new(value)).collect()
}

fn booleans(values: &[String]) -> Result<Vec<bool>, Fault> {
    let boolean = |value: &String| match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::malformed_policy(format!("{value:?} is neither true nor false"))),
    };
    values.iter().map(boolean).collect()
}

/// Case folding beyond ASCII is not specified by IAM, so such values are refused rather than guessed at.
fn ascii(values: &[String]) -> Result<Vec<String>, Fault> {
    if values.iter().all(|value| value.is_ascii()) {
        Ok(values.to_vec())
    } else {
        Err(Fault::malformed_policy("IgnoreCase operators take ASCII values here"))
    }
}
