//! [`PolicyError`]: why a text is not a policy that the simulator would hold anybody to.

use crate::sim::fault::Fault;

/// Why a policy was refused. What the simulator does not understand it refuses: it is never ignored.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A character that a policy may hold no more than KMS's `Policy` parameter: tab, line feed, carriage return and
    /// U+0020 to U+00FF.
    #[error("a policy may not contain the character {character:?}")]
    BadCharacter {
        /// The character.
        character: char,
    },
    /// A condition's value has not the form that its operator compares with.
    #[error("{operator} does not compare with {value:?}")]
    BadConditionValue {
        /// The operator.
        operator: String,
        /// The value.
        value: String,
    },
    /// A `Sid` of an identity policy has other characters than letters and digits.
    #[error("the Sid {sid:?} has other characters than letters and digits")]
    BadSid {
        /// The identifier.
        sid: String,
    },
    /// A condition key is said twice under one operator, if the case of its letters is ignored.
    #[error("the condition key {key:?} occurs twice under one operator")]
    DuplicateConditionKey {
        /// The key.
        key: String,
    },
    /// Two statements have the same `Sid`.
    #[error("two statements have the Sid {sid:?}")]
    DuplicateSid {
        /// The identifier.
        sid: String,
    },
    /// An element that needs a value has an empty list.
    #[error("{element} must not be empty")]
    Empty {
        /// The element.
        element: &'static str,
    },
    /// A key policy names another resource than its own key.
    #[error("the Resource of a key policy is \"*\" or the key's own ARN, not {resource:?}")]
    ForeignResource {
        /// The resource.
        resource: String,
    },
    /// A required element is absent.
    #[error("{element} is missing")]
    Missing {
        /// The element.
        element: &'static str,
    },
    /// The `Resource` of an identity policy is neither `*` nor an ARN.
    #[error("the resource {resource:?} is neither \"*\" nor an ARN")]
    NotAnArn {
        /// The resource.
        resource: String,
    },
    /// A condition key is known, but not to this kind of policy: KMS documents it for identity policies only.
    #[error("the condition key {key:?} is for identity policies only")]
    NotInKeyPolicy {
        /// The key.
        key: String,
    },
    /// The text is not JSON, or has a number, a null or the same member twice.
    #[error("not JSON as policies use it, at line {line}, column {column}")]
    NotJson {
        /// Where it stops being JSON.
        line: usize,
        /// Where it stops being JSON.
        column: usize,
    },
    /// An operator is applied to a condition key of another type: `Bool` to a text, `ArnLike` to what is no ARN.
    #[error("{operator} does not apply to {key}")]
    OperatorMismatch {
        /// The operator.
        operator: String,
        /// The condition key.
        key: String,
    },
    /// `ForAllValues` or `ForAnyValue` with a key that has one value at most, or neither of them with a key that may have
    /// several. IAM takes some of these, with surprising results; KMS refuses some as overly permissive.
    #[error("{key} {} ForAllValues: or ForAnyValue:", needs_or_takes_no(.is_multivalued))]
    SetOperator {
        /// The condition key.
        key: String,
        /// Whether the key may have several values.
        is_multivalued: bool,
    },
    /// The policy is longer than AWS accepts.
    #[error("a policy has at most {max} bytes, this one has {len}")]
    TooLong {
        /// Bytes in the policy.
        len: usize,
        /// The most that it may have.
        max: usize,
    },
    /// An action pattern matches no action of KMS: it would silently allow or deny nothing.
    #[error("{action:?} matches no action of KMS")]
    UnknownAction {
        /// The pattern.
        action: String,
    },
    /// A condition key that the simulator does not know.
    #[error("unknown condition key {key:?}")]
    UnknownConditionKey {
        /// The key.
        key: String,
    },
    /// A condition operator that the simulator does not know.
    #[error("unknown condition operator {operator:?}")]
    UnknownConditionOperator {
        /// The operator.
        operator: String,
    },
    /// An effect other than `Allow` and `Deny`.
    #[error("unknown effect {effect:?}")]
    UnknownEffect {
        /// The effect.
        effect: String,
    },
    /// A member that policies of this kind do not have.
    #[error("unknown policy element {element:?}")]
    UnknownElement {
        /// The member's name.
        element: String,
    },
    /// A principal that is not of the form of one, or that does not exist in the simulated account.
    #[error("invalid principal {principal:?}")]
    UnknownPrincipal {
        /// The principal.
        principal: String,
    },
    /// A version other than `2012-10-17` and `2008-10-17`.
    #[error("unknown version {version:?}")]
    UnknownVersion {
        /// The version.
        version: String,
    },
    /// Something that IAM knows and the simulator does not evaluate.
    #[error("the simulator does not evaluate {element}")]
    Unsupported {
        /// What it is.
        element: &'static str,
    },
    /// An element has a value of another JSON type.
    #[error("{element} must be {expected}")]
    WrongType {
        /// The element.
        element: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

fn needs_or_takes_no(is_multivalued: &bool) -> &'static str {
    if *is_multivalued { "needs" } else { "takes no" }
}

impl From<PolicyError> for Fault {
    /// As KMS answers PutKeyPolicy and CreateKey.
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::TooLong { .. } => Self::new("LimitExceededException", error.to_string()),
            // KMS's own words.
            PolicyError::UnknownPrincipal { .. } => {
                Self::malformed_policy("Policy contains a statement with one or more invalid principals.")
            }
            other => Self::malformed_policy(other.to_string()),
        }
    }
}
