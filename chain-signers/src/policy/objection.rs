use std::fmt;

use crate::{Amount, error::short};

/// Why a rule that covers what a transaction does still does not permit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// More than the rule's bound, or an amount that cannot be told.
    Exceeds { what: String, actual: Option<Amount>, max: Amount },
    /// A field of typed data is not what the rule asks for.
    Field { path: String, actual: Option<String> },
    /// More than the rule permits in a time; `used` is what was done already.
    Limit { what: String, used: Amount, adding: Amount, max: Amount, seconds: u32 },
    /// The rule has limits over time, and the caller keeps no account of time.
    Unmetered,
    /// There is no room to count in.
    NoRoom,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeds { what, actual: Some(actual), max } => {
                write!(f, "{} is {actual}, more than {max}", short(what))
            }
            Self::Exceeds { what, actual: None, max } => {
                write!(f, "{} cannot be told, and must be at most {max}", short(what))
            }
            Self::Field { path, actual: Some(actual) } => {
                write!(f, "its field {} is {}", short(path), short(actual))
            }
            Self::Field { path, actual: None } => write!(f, "it has no field {}", short(path)),
            Self::Limit { what, used, adding, max, seconds } => {
                write!(f, "{adding} {} after {used} would be more than {max} in {seconds} seconds", short(what))
            }
            Self::Unmetered => f.write_str("it has limits over time, and nobody counts here"),
            Self::NoRoom => f.write_str("there is no room to count what it limits"),
        }
    }
}
