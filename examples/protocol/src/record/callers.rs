//! The list of callers that a record names: bounded while it is read, and without repetition.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::codec::within;
use super::{MAX_CALLERS, MalformedRecord, SpkiDigest};

/// Checks a list of callers that is to be sealed, or was read.
///
/// # Errors
/// [`MalformedRecord::Length`] above [`MAX_CALLERS`], [`MalformedRecord::RepeatedCaller`] if one is listed twice.
pub fn check_callers(callers: &[SpkiDigest]) -> Result<(), MalformedRecord> {
    within("callers", callers.len(), 0, MAX_CALLERS)?;
    let repeated = callers.iter().enumerate().find(|(index, caller)| callers[..*index].contains(caller));
    match repeated {
        Some((_, caller)) => Err(MalformedRecord::RepeatedCaller { caller: *caller }),
        None => Ok(()),
    }
}

/// Reads a list that passes [`check_callers`]; stops at the first entry above the limit.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SpkiDigest>, D::Error> {
    deserializer.deserialize_seq(CallersVisitor)
}

struct CallersVisitor;

impl<'de> Visitor<'de> for CallersVisitor {
    type Value = Vec<SpkiDigest>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_CALLERS} callers, each once")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<SpkiDigest>, A::Error> {
        let mut callers = Vec::with_capacity(entries.size_hint().unwrap_or(0).min(MAX_CALLERS));
        while let Some(caller) = entries.next_element()? {
            callers.push(caller);
            check_callers(&callers).map_err(A::Error::custom)?;
        }
        Ok(callers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: u8) -> SpkiDigest {
        SpkiDigest::from_bytes([number; 32])
    }

    #[test]
    fn a_list_is_bounded_and_names_nobody_twice() {
        let callers = |count: u8| (0..count).map(caller).collect::<Vec<_>>();
        assert_eq!(check_callers(&callers(0)), Ok(()));
        assert_eq!(check_callers(&callers(64)), Ok(()));
        let long = MalformedRecord::Length { field: "callers", min: 0, max: 64, actual: 65 };
        assert_eq!(check_callers(&callers(65)), Err(long));
        let repeated = MalformedRecord::RepeatedCaller { caller: caller(1) };
        assert_eq!(check_callers(&[caller(1), caller(2), caller(1)]), Err(repeated));
    }
}
