use std::borrow::Cow;

use crate::error::short;

/// Why a policy was not accepted. Displayed, it has less than 700 bytes, whatever the policy was.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Two rules have the same name, so a decision could not say which one it means.
    #[error("two rules are named {}", short(.name))]
    DuplicateRuleName {
        /// The name.
        name: String,
    },
    /// A field has a value outside what is permitted.
    #[error("{}: {field}: expected {}, found {}", short(.place), short(.expected), short(.actual))]
    Invalid {
        /// The rule, or the document.
        place: String,
        /// The field.
        field: &'static str,
        /// What would have been accepted.
        expected: Cow<'static, str>,
        /// What was found, cut short.
        actual: String,
    },
    /// The JSON is broken, or a key is unknown or occurs twice.
    #[error("{}: {}", short(.place), short(.reason))]
    Malformed {
        /// The rule, or the document.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A rule names chains of another kind than the key is for.
    #[error("rule {}: expected chains of {}, found one of {}", short(.rule), short(.expected), short(.actual))]
    OtherNamespace {
        /// The rule.
        rule: String,
        /// The namespace that the key is for.
        expected: String,
        /// The namespace of the rule's chains.
        actual: String,
    },
    /// A required field is absent.
    #[error("{}: {field} is missing", short(.place))]
    Missing {
        /// The rule, or the document.
        place: String,
        /// The field.
        field: &'static str,
    },
    /// The document or one of its lists is longer than its limit.
    #[error("{}: {len} {what}, more than {max}", short(.place))]
    TooLong {
        /// The rule, or the document.
        place: String,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        len: usize,
        /// The limit.
        max: usize,
    },
}
