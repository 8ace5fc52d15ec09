//! JSON objects read without losing anything: every key once, every value as it was written.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// An object's entries in order, each key at most once.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    entries: Vec<(String, &'a RawValue)>,
}

#[derive(Debug)]
pub(crate) enum ObjectError {
    Duplicate(String),
    Malformed(String),
    Unknown(String),
}

impl<'a> Object<'a> {
    /// Reads one object with nothing after it, whose keys are among `known`.
    pub(crate) fn parse(text: &'a str, known: &[&str]) -> Result<Self, ObjectError> {
        Self::parse_where(text, |key| known.contains(&key))
    }

    /// Reads one object with nothing after it, whatever its keys.
    #[cfg(feature = "evm")]
    pub(crate) fn parse_any(text: &'a str) -> Result<Self, ObjectError> {
        Self::parse_where(text, |_| true)
    }

    fn parse_where(text: &'a str, is_known: impl Fn(&str) -> bool) -> Result<Self, ObjectError> {
        let Entries(entries) = serde_json::from_str(text).map_err(|error| ObjectError::Malformed(error.to_string()))?;
        for (i, (key, _)) in entries.iter().enumerate() {
            if !is_known(key) {
                return Err(ObjectError::Unknown(key.clone()));
            }
            if entries[..i].iter().any(|(earlier, _)| earlier == key) {
                return Err(ObjectError::Duplicate(key.clone()));
            }
        }
        Ok(Self { entries })
    }

    /// Keys and values in order.
    #[cfg(feature = "evm")]
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.get()))
    }

    /// The value of a key, as it was written.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.get())
    }
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if entries.len() == MAX_ENTRIES {
                return Err(A::Error::custom(format_args!("more than {MAX_ENTRIES} keys")));
            }
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

/// A list of which at most `MAX` items are kept, however many there are.
#[derive(Debug)]
pub(crate) struct List<T, const MAX: usize> {
    pub(crate) items: Vec<T>,
    /// How many items were in the JSON.
    pub(crate) len: usize,
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX
            && let Some(item) = list.next_element()?
        {
            items.push(item);
        }
        let mut len = items.len();
        while len >= MAX && list.next_element::<IgnoredAny>()?.is_some() {
            len += 1;
        }
        Ok(List { items, len })
    }
}

/// More than any object here has keys, so that duplicates are found by comparing all pairs.
const MAX_ENTRIES: usize = 64;
