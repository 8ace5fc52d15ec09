//! Amino JSON: the members of objects, read strictly and written canonically.

use serde_json::value::RawValue;

use super::{coin::MAX_COINS, proto::Coin, too_long};
use crate::{
    DecodeError,
    error::excerpt,
    strict_json::{List, Object, ObjectError},
};

/// One object: its members, or what is wrong with them.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    object: Object<'a>,
    /// What goes before a key in an error.
    place: String,
}

impl<'a> Fields<'a> {
    /// Reads one object with no keys but `known`.
    pub(super) fn read(place: &str, text: &'a str, known: &[&str]) -> Result<Self, DecodeError> {
        let object = Object::parse(text, known).map_err(|error| match error {
            ObjectError::Duplicate(key) => DecodeError::DuplicateKey { key: excerpt(&named(place, &key)) },
            ObjectError::Malformed(reason) if place.is_empty() => DecodeError::malformed("a JSON object", reason),
            ObjectError::Malformed(_) => DecodeError::invalid(place.to_owned(), "an object", text),
            ObjectError::Unknown(key) => DecodeError::UnknownKey { key: excerpt(&named(place, &key)) },
        })?;
        Ok(Self { object, place: place.to_owned() })
    }

    fn name(&self, key: &str) -> String {
        named(&self.place, key)
    }

    /// A member as it was written.
    pub(super) fn raw(&self, key: &str) -> Result<&'a str, DecodeError> {
        self.object.get(key).ok_or_else(|| DecodeError::Missing { field: self.name(key).into() })
    }

    pub(super) fn object(&self, key: &str, known: &[&str]) -> Result<Self, DecodeError> {
        Self::read(&self.name(key), self.raw(key)?, known)
    }

    pub(super) fn text(&self, key: &str) -> Result<String, DecodeError> {
        self.parse_text(key, self.raw(key)?)
    }

    /// Empty if it is absent, which is the only way to write an empty one.
    pub(super) fn optional_text(&self, key: &str) -> Result<String, DecodeError> {
        let Some(raw) = self.object.get(key) else { return Ok(String::new()) };
        match self.parse_text(key, raw)? {
            text if text.is_empty() => Err(DecodeError::invalid(self.name(key), "no such key for an empty text", raw)),
            text => Ok(text),
        }
    }

    pub(super) fn u64(&self, key: &str) -> Result<u64, DecodeError> {
        self.parse_u64(key, self.raw(key)?)
    }

    /// Zero if it is absent, which is the only way to write zero.
    pub(super) fn optional_u64(&self, key: &str) -> Result<u64, DecodeError> {
        let Some(raw) = self.object.get(key) else { return Ok(0) };
        match self.parse_u64(key, raw)? {
            0 => Err(DecodeError::invalid(self.name(key), "no such key for zero", raw)),
            number => Ok(number),
        }
    }

    pub(super) fn coin(&self, key: &str) -> Result<Coin, DecodeError> {
        read_coin(&self.name(key), self.raw(key)?)
    }

    pub(super) fn coins(&self, key: &'static str) -> Result<Vec<Coin>, DecodeError> {
        let name = self.name(key);
        self.list::<MAX_COINS>(key, "coins")?.iter().map(|coin| read_coin(&name, coin.get())).collect()
    }

    pub(super) fn list<const MAX: usize>(
        &self,
        key: &'static str,
        unit: &'static str,
    ) -> Result<Vec<&'a RawValue>, DecodeError> {
        let raw = self.raw(key)?;
        let list: List<&RawValue, MAX> =
            serde_json::from_str(raw).map_err(|_| DecodeError::invalid(self.name(key), "a list", raw))?;
        if list.len > MAX { Err(too_long(key, unit, list.len, MAX)) } else { Ok(list.items) }
    }

    fn parse_text(&self, key: &str, raw: &str) -> Result<String, DecodeError> {
        let invalid = |expected| DecodeError::invalid(self.name(key), expected, raw);
        let text: String = serde_json::from_str(raw).map_err(|_| invalid("a string"))?;
        if text.chars().any(is_spelled_differently) {
            return Err(invalid("no control characters but tab and line ends"));
        }
        Ok(text)
    }

    fn parse_u64(&self, key: &str, raw: &str) -> Result<u64, DecodeError> {
        let text: String = serde_json::from_str(raw).unwrap_or_default();
        let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
        number.ok_or_else(|| DecodeError::invalid(self.name(key), "a string of decimal digits, below 2^64", raw))
    }
}

fn read_coin(place: &str, raw: &str) -> Result<Coin, DecodeError> {
    let fields = Fields::read(place, raw, &["amount", "denom"])?;
    Ok(Coin { denom: fields.text("denom")?, amount: fields.text("amount")? })
}

fn named(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// What the encoders of Go and of JavaScript escape in different ways, so that there is no one canonical form.
fn is_spelled_differently(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A string as the SDK writes it, with `<`, `>` and `&` escaped.
pub(super) fn quote(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

pub(super) fn coin(coin: Option<&Coin>) -> String {
    coin.map_or_else(
        || "null".to_owned(),
        |coin| format!(r#"{{"amount":{},"denom":{}}}"#, quote(&coin.amount), quote(&coin.denom)),
    )
}

pub(super) fn coins(coins: &[Coin]) -> String {
    let coins: Vec<_> = coins.iter().map(|it| coin(Some(it))).collect();
    format!("[{}]", coins.join(","))
}

/// Appends a member, unless it is empty.
pub(super) fn push_text(members: &mut Vec<String>, key: &str, text: &str) {
    if !text.is_empty() {
        members.push(format!(r#""{key}":{}"#, quote(text)));
    }
}

/// Appends a member, unless it is zero.
pub(super) fn push_u64(members: &mut Vec<String>, key: &str, number: u64) {
    if number != 0 {
        members.push(format!(r#""{key}":"{number}""#));
    }
}
