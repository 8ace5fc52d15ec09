//! `Condition`: operators, and what an absent key means.
//!
//! "If the key that you specify in a policy condition is not present in the request context, the values do not match and the
//! condition is false. If the policy condition requires that the key is not matched […] and the right key is not present,
//! the condition is true." —
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
//!
//! `ForAllValues` is true and `ForAnyValue` false of no values at all:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>

use super::PolicyError;
use super::condition_key::{ConditionKey, ValueType};
use super::document::PolicyKind;
use super::pattern::{ArnPattern, Pattern};
use super::request::RequestContext;
use crate::planted;

/// One operator applied to one key: `{"StringEquals": {"kms:CallerAccount": ["111122223333"]}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    test: Test,
    /// Whether the result of a match is turned around.
    is_negated: bool,
    /// Whether an absent key satisfies the condition.
    if_exists: bool,
    quantifier: Quantifier,
    key: ConditionKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Arn(Vec<ArnPattern>),
    Bool(Vec<bool>),
    Equals(Vec<String>),
    EqualsIgnoreCase(Vec<String>),
    Like(Vec<Pattern>),
    /// Whether the key must be absent.
    Null(Vec<bool>),
}

/// How many of a request's values must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// The key has one value at most.
    Single,
    All,
    Any,
}

/// An operator's name, taken apart.
#[derive(Clone, Copy)]
struct Operator<'a> {
    text: &'a str,
    name: &'a str,
    quantifier: Quantifier,
    if_exists: bool,
}

impl Condition {
    pub(super) fn parse(
        operator: &str,
        key: &str,
        values: &[String],
        kind: PolicyKind<'_>,
    ) -> Result<Self, PolicyError> {
        if values.is_empty() {
            return Err(PolicyError::Empty { element: "a condition's value" });
        }
        if values.iter().any(|value| value.contains("${")) {
            return Err(PolicyError::Unsupported { element: "policy variables" });
        }
        let operator = Operator::parse(operator);
        let (test, is_negated) = operator.test(values)?;
        let parsed = ConditionKey::parse(key, kind)?;
        operator.check_applies(&test, &parsed, key)?;
        Ok(Self { test, is_negated, if_exists: operator.if_exists, quantifier: operator.quantifier, key: parsed })
    }

    /// Several values in the policy are alternatives; under a negated operator none of them may match.
    pub(super) fn holds(&self, request: &RequestContext<'_>) -> bool {
        let values = self.key.values(request);
        if let Test::Null(expected) = &self.test {
            return expected.contains(&values.is_empty());
        }
        if values.is_empty() && self.if_exists {
            return true;
        }
        let passes = |value: &String| self.test.matches(value) != self.is_negated;
        match self.quantifier {
            Quantifier::All => values.iter().all(passes),
            Quantifier::Any => values.iter().any(passes),
            Quantifier::Single => values.first().map_or(self.is_negated && !planted::ABSENT_KEY, passes),
        }
    }
}

impl Test {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Arn(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Self::Bool(expected) => expected.iter().any(|expected| value == expected.to_string()),
            Self::Equals(texts) => texts.iter().any(|text| text == value),
            Self::EqualsIgnoreCase(texts) => texts.iter().any(|text| text.eq_ignore_ascii_case(value)),
            Self::Like(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Self::Null(_) => false,
        }
    }
}

impl<'a> Operator<'a> {
    fn parse(text: &'a str) -> Self {
        let (name, quantifier) = match text.split_once(':') {
            Some(("ForAllValues", name)) => (name, Quantifier::All),
            Some(("ForAnyValue", name)) => (name, Quantifier::Any),
            // A prefix that is none stays part of the name, which is then unknown.
            _ => (text, Quantifier::Single),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        Self { text, name, quantifier, if_exists }
    }

    fn test(&self, values: &[String]) -> Result<(Test, bool), PolicyError> {
        Ok(match self.name {
            "ArnEquals" | "ArnLike" => (Test::Arn(self.each(values, ArnPattern::new)?), false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn(self.each(values, ArnPattern::new)?), true),
            "Bool" => (Test::Bool(self.each(values, boolean)?), false),
            "StringEquals" => (Test::Equals(values.to_vec()), false),
            "StringNotEquals" => (Test::Equals(values.to_vec()), true),
            "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase(ascii(values)?), false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase(ascii(values)?), true),
            "StringLike" => (Test::Like(values.iter().map(|value| Pattern::new(value)).collect()), false),
            "StringNotLike" => (Test::Like(values.iter().map(|value| Pattern::new(value)).collect()), true),
            // "Exists if it exists" means nothing, and all or any of no values neither.
            "Null" if !self.if_exists && self.quantifier == Quantifier::Single => {
                (Test::Null(self.each(values, boolean)?), false)
            }
            _ => return Err(PolicyError::UnknownConditionOperator { operator: self.text.to_owned() }),
        })
    }

    /// Reads each value, or names the one that cannot be read.
    fn each<T>(&self, values: &[String], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, PolicyError> {
        let read = |value: &String| {
            let bad = || PolicyError::BadConditionValue { operator: self.text.to_owned(), value: value.clone() };
            read(value).ok_or_else(bad)
        };
        values.iter().map(read).collect()
    }

    fn check_applies(&self, test: &Test, key: &ConditionKey, name: &str) -> Result<(), PolicyError> {
        let applies = match test {
            Test::Arn(_) => key.value_type() == ValueType::Arn,
            Test::Bool(_) => key.value_type() == ValueType::Boolean,
            Test::Null(_) => return Ok(()),
            Test::Equals(_) | Test::EqualsIgnoreCase(_) | Test::Like(_) => true,
        };
        if !applies {
            return Err(PolicyError::OperatorMismatch { operator: self.text.to_owned(), key: name.to_owned() });
        }
        if (self.quantifier == Quantifier::Single) == key.is_multivalued() {
            return Err(PolicyError::SetOperator { key: name.to_owned(), is_multivalued: key.is_multivalued() });
        }
        Ok(())
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Case folding beyond ASCII is not specified by IAM, so such values are refused rather than guessed at.
fn ascii(values: &[String]) -> Result<Vec<String>, PolicyError> {
    if values.iter().all(|value| value.is_ascii()) {
        Ok(values.to_vec())
    } else {
        Err(PolicyError::Unsupported { element: "IgnoreCase with other letters than ASCII's" })
    }
}
