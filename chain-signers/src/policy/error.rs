use std::borrow::Cow;

/// Why a policy was not accepted.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Two rules have the same name, so a decision could not say which one it means.
    #[error("two rules are named {name}")]
    DuplicateRuleName {
        /// The name.
        name: String,
    },
    /// A field has a value outside what is permitted.
    #[error("{place}: {field}: expected {expected}, found {actual}")]
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
    #[error("{place}: {reason}")]
    Malformed {
        /// The rule, or the document.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A required field is absent.
    #[error("{place}: {field} is missing")]
    Missing {
        /// The rule, or the document.
        place: String,
        /// The field.
        field: &'static str,
    },
    /// The document or one of its lists is longer than its limit.
    #[error("{place}: {len} {what}, more than {max}")]
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
