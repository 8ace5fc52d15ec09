//! One JSON object in one style: its values, or what is wrong with them.

use alloy_primitives::{Address, Bytes, TxKind, U256};

use super::{
    super::rules::{MAX_DATA_LEN, too_long},
    number::{parse_ether, parse_hex, parse_integer},
};
use crate::{
    DecodeError,
    error::excerpt,
    keccak,
    strict_json::{Object, ObjectError},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Hex strings; `value` in wei.
    JsonRpc,
    /// Numbers; `value` in ether.
    Reference,
}

impl Style {
    fn of(object: &Object<'_>, quantities: &[&'static str]) -> Result<Self, DecodeError> {
        let (mut number, mut text) = (None, None);
        for key in quantities {
            match object.get(key).map(|raw| (raw, raw.as_bytes().first())) {
                None => {}
                Some((_, Some(b'"'))) => text = Some(*key),
                Some((_, Some(b'-' | b'0'..=b'9'))) => number = Some(*key),
                Some((raw, _)) => return Err(DecodeError::invalid(*key, "a number or a hex string", raw)),
            }
        }
        match (number, text) {
            (Some(number), Some(text)) => {
                Err(DecodeError::MixedStyles { number: number.to_owned(), text: text.to_owned() })
            }
            (None, Some(_)) => Ok(Self::JsonRpc),
            // Without any quantity at all, the first required one is reported as missing.
            (_, None) => Ok(Self::Reference),
        }
    }
}

#[derive(Debug)]
pub(super) struct Fields<'a> {
    object: Object<'a>,
    style: Style,
    /// What goes before a key in an error: nothing for the outermost object, `accessList[0].` for one inside.
    prefix: String,
}

impl<'a> Fields<'a> {
    /// Reads the outermost object, whose `quantities` tell its style.
    pub(super) fn read(text: &'a str, known: &[&str], quantities: &[&'static str]) -> Result<Self, DecodeError> {
        let object = Object::parse(text, known).map_err(|error| match error {
            ObjectError::Duplicate(key) => DecodeError::DuplicateKey { key: excerpt(&key) },
            ObjectError::Malformed(reason) => DecodeError::malformed("a JSON object", reason),
            ObjectError::Unknown(key) => DecodeError::UnknownKey { key: excerpt(&key) },
        })?;
        Ok(Self { style: Style::of(&object, quantities)?, object, prefix: String::new() })
    }

    /// Reads an object inside this one, which is in the same style.
    pub(super) fn inside<'b>(&self, place: &str, text: &'b str, known: &[&str]) -> Result<Fields<'b>, DecodeError> {
        let object = Object::parse(text, known).map_err(|error| match error {
            ObjectError::Duplicate(key) => DecodeError::DuplicateKey { key: excerpt(&format!("{place}.{key}")) },
            ObjectError::Malformed(_) => DecodeError::invalid(place.to_owned(), "an object", text),
            ObjectError::Unknown(key) => DecodeError::UnknownKey { key: excerpt(&format!("{place}.{key}")) },
        })?;
        Ok(Fields { object, style: self.style, prefix: format!("{place}.") })
    }

    /// The same object, whose quantities are hex strings whatever the style around it is.
    pub(super) fn in_hex(self) -> Self {
        Self { style: Style::JsonRpc, ..self }
    }

    /// The value of a key, as it was written.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.object.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn required(&self, key: &str) -> Result<&'a str, DecodeError> {
        self.get(key).ok_or_else(|| DecodeError::Missing { field: self.name(key).into() })
    }

    pub(super) fn u64(&self, key: &str) -> Result<u64, DecodeError> {
        let number = self.number(key, u64::MAX.into())?;
        u64::try_from(number).map_err(|_| self.invalid(key, "at most 2^64 - 1", &number.to_string()))
    }

    pub(super) fn u128(&self, key: &str) -> Result<u128, DecodeError> {
        self.number(key, u128::MAX)
    }

    /// A half of a signature: a hex quantity, or all 64 digits, as some libraries write it.
    pub(super) fn scalar(&self, key: &str) -> Result<U256, DecodeError> {
        let raw = self.required(key)?;
        let text = self.text(key, raw)?;
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == SCALAR_DIGITS).unwrap_or_default();
        match hex::decode(digits) {
            Ok(bytes) if !bytes.is_empty() => Ok(U256::from_be_slice(&bytes)),
            _ => self.hex(key, raw),
        }
    }

    /// In ether or in wei, as the style is; nothing if it is absent.
    pub(super) fn value(&self) -> Result<U256, DecodeError> {
        let Some(raw) = self.get("value") else { return Ok(U256::ZERO) };
        match self.style {
            Style::JsonRpc => self.hex("value", raw),
            Style::Reference => parse_ether(raw).map_err(|expected| self.invalid("value", expected, raw)),
        }
    }

    /// `null` creates a contract.
    pub(super) fn to(&self) -> Result<TxKind, DecodeError> {
        match self.required("to")? {
            "null" => Ok(TxKind::Create),
            _ => self.address("to").map(TxKind::Call),
        }
    }

    pub(super) fn address(&self, key: &str) -> Result<Address, DecodeError> {
        let text = self.text(key, self.required(key)?)?;
        match keccak::parse_address(&text) {
            Ok(address) => Ok(address.into()),
            Err(error) => Err(self.invalid(key, error.expected(), &text)),
        }
    }

    pub(super) fn input(&self) -> Result<Bytes, DecodeError> {
        let (key, raw) = match (self.get("data"), self.get("input"), self.style) {
            (None, None, _) => return Ok(Bytes::new()),
            (Some(raw), None, _) => ("data", raw),
            (None, Some(raw), Style::JsonRpc) => ("input", raw),
            (_, Some(_), Style::Reference) => return Err(DecodeError::UnknownKey { key: "input".to_owned() }),
            (Some(_), Some(raw), _) => return Err(self.invalid("input", "data or input, not both", raw)),
        };
        let text = self.text(key, raw)?;
        let expected = || self.invalid(key, "0x and an even number of hex digits", &text);
        let digits = text.strip_prefix("0x").ok_or_else(expected)?;
        if digits.len() / 2 > MAX_DATA_LEN {
            return Err(too_long("data", "bytes", digits.len() / 2, MAX_DATA_LEN));
        }
        hex::decode(digits).map(Bytes::from).map_err(|_| expected())
    }

    pub(super) fn number(&self, key: &str, max: u128) -> Result<u128, DecodeError> {
        let raw = self.required(key)?;
        let number = match self.style {
            Style::JsonRpc => self.hex(key, raw)?,
            Style::Reference => parse_integer(raw).map_err(|expected| self.invalid(key, expected, raw))?,
        };
        u128::try_from(number)
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| DecodeError::invalid(self.name(key), format!("at most {max}"), raw))
    }

    pub(super) fn invalid(&self, key: &str, expected: &'static str, actual: &str) -> DecodeError {
        DecodeError::invalid(self.name(key), expected, actual)
    }

    /// A key as errors name it.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn hex(&self, key: &str, raw: &str) -> Result<U256, DecodeError> {
        let text = self.text(key, raw)?;
        parse_hex(&text).map_err(|expected| self.invalid(key, expected, &text))
    }

    fn text(&self, key: &str, raw: &str) -> Result<String, DecodeError> {
        serde_json::from_str(raw).map_err(|_| self.invalid(key, "a string", raw))
    }
}

const SCALAR_DIGITS: usize = 64;
