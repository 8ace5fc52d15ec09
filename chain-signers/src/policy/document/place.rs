use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{PolicyError, TOO_MUCH_TEXT, TextSet};
use crate::{
    error::excerpt,
    strict_json::{List, Object, ObjectError},
};

/// Where in the document something is wrong.
pub(super) struct Place(pub(super) String);

impl Place {
    pub(super) fn object<'a>(&self, text: &'a str, known: &[&str]) -> Result<Object<'a>, PolicyError> {
        Object::parse(text, known).map_err(|error| match error {
            ObjectError::Duplicate(key) => self.malformed(&format!("key {key} occurs twice")),
            ObjectError::Malformed(reason) => self.malformed(&reason),
            ObjectError::Unknown(key) => self.malformed(&format!("unknown key {key}")),
        })
    }

    pub(super) fn required<T: DeserializeOwned>(
        &self,
        object: &Object<'_>,
        field: &'static str,
        expected: &'static str,
    ) -> Result<T, PolicyError> {
        self.optional(object, field, expected)?.ok_or_else(|| self.missing(field))
    }

    /// `null` is not absence: only what the field's type accepts is accepted.
    pub(super) fn optional<T: DeserializeOwned>(
        &self,
        object: &Object<'_>,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, PolicyError> {
        let parse = |raw| serde_json::from_str(raw).map_err(|_| self.invalid(field, expected, raw));
        object.get(field).map(parse).transpose()
    }

    pub(super) fn bound(&self, what: &'static str, len: usize, max: usize) -> Result<(), PolicyError> {
        if len <= max { Ok(()) } else { Err(PolicyError::TooLong { place: self.0.clone(), what, len, max }) }
    }

    pub(super) fn invalid(
        &self,
        field: &'static str,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        actual: &str,
    ) -> PolicyError {
        PolicyError::Invalid { place: self.0.clone(), field, expected: expected.into(), actual: excerpt(actual) }
    }

    pub(super) fn malformed(&self, reason: &str) -> PolicyError {
        PolicyError::Malformed { place: self.0.clone(), reason: excerpt(reason) }
    }

    /// A list of objects of at most `MAX` items, each with its own place; empty if it is absent.
    pub(super) fn objects<'a, const MAX: usize>(
        &self,
        object: &Object<'a>,
        field: &'static str,
    ) -> Result<Vec<(Self, &'a str)>, PolicyError> {
        let list: Option<List<&RawValue, MAX>> = match object.get(field) {
            None => None,
            Some(raw) => {
                serde_json::from_str(raw).map(Some).map_err(|_| self.invalid(field, "a list of objects", raw))?
            }
        };
        let Some(list) = list else { return Ok(Vec::new()) };
        self.bound(field, list.len, MAX)?;
        let place = |i| Self(format!("{}, {field} {}", self.0, i + 1));
        Ok(list.items.iter().enumerate().map(|(i, raw)| (place(i), raw.get())).collect())
    }

    /// A list of texts of at most `MAX` items, each once and each as `check` wants it; empty if it is absent.
    pub(super) fn texts<const MAX: usize>(
        &self,
        object: &Object<'_>,
        field: &'static str,
        expected: &'static str,
        check: impl Fn(&str) -> bool,
    ) -> Result<TextSet, PolicyError> {
        let list: Option<List<String, MAX>> = self.optional(object, field, "a list of texts")?;
        let Some(list) = list else { return Ok(TextSet::default()) };
        self.bound(field, list.len, MAX)?;
        let mut seen = HashSet::new();
        for text in &list.items {
            if !check(text) {
                return Err(self.invalid(field, expected, text));
            }
            if !seen.insert(text.as_str()) {
                return Err(self.invalid(field, "every text once", text));
            }
        }
        TextSet::new(seen).ok_or_else(|| self.malformed(TOO_MUCH_TEXT))
    }

    pub(super) fn missing(&self, field: &'static str) -> PolicyError {
        PolicyError::Missing { place: self.0.clone(), field }
    }
}
