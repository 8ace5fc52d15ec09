//! The measurements of an image, as `nitro-cli build-enclave` prints them.
//!
//! ```json
//! {"Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": "…", "PCR1": "…", "PCR2": "…", "PCR8": "…"}}
//! ```
//!
//! Also the inner object alone. Nothing else is in it: what is unknown, or said twice, is refused by its name, because a
//! value that was meant to be demanded and is passed over makes verification weaker than its user believes.

use std::fmt;
use std::io::Read;
use std::path::Path;

use nsm_attest::{PcrIndex, PcrValue, Pcrs};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::arguments::pcr_index;
use crate::failure::Failure;
use crate::files;
use crate::terminal::escaped;

/// Reads the measurements in `path`; `-` is standard input.
pub(crate) fn read(path: &Path, stdin: &mut dyn Read) -> Result<Pcrs, Failure> {
    let bytes = files::read(path, stdin, MAX_MEASUREMENTS_LEN)?;
    parse(&bytes).map_err(|error| Failure::Malformed { path: path.to_owned(), detail: error.to_string() })
}

fn parse(json: &[u8]) -> Result<Pcrs, MeasurementsError> {
    let Json::Object(members) = serde_json::from_slice(json)? else { return Err(MeasurementsError::NoObject) };
    check_duplicates(&members)?;
    let members = match members.as_slice() {
        [(name, Json::Object(inner))] if name == MEASUREMENTS => {
            check_duplicates(inner)?;
            inner
        }
        members => members,
    };
    let mut pcrs = Pcrs::new();
    for (name, value) in members {
        if name == HASH_ALGORITHM {
            check_algorithm(value)?;
        } else {
            let index = index_of(name)?;
            pcrs.insert(index, value_of(index, value)?);
        }
    }
    if pcrs.is_empty() { Err(MeasurementsError::NoPcr) } else { Ok(pcrs) }
}

fn check_duplicates(members: &[(String, Json)]) -> Result<(), MeasurementsError> {
    let is_repeated =
        |(at, (name, _)): &(usize, &(String, Json))| members[..*at].iter().any(|(earlier, _)| earlier == name);
    match members.iter().enumerate().find(is_repeated) {
        Some((_, (name, _))) => Err(MeasurementsError::Duplicate { name: name.clone() }),
        None => Ok(()),
    }
}

fn check_algorithm(value: &Json) -> Result<(), MeasurementsError> {
    match value {
        // Debug output of nitro-cli's digest type, whose fields are of no interest.
        Json::Text(name) if name == "Sha384" || name.starts_with("Sha384 {") => Ok(()),
        _ => Err(MeasurementsError::HashAlgorithm),
    }
}

fn index_of(name: &str) -> Result<PcrIndex, MeasurementsError> {
    let unknown = || MeasurementsError::Unknown { name: name.to_owned() };
    let number = name.strip_prefix("PCR").ok_or_else(unknown)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(unknown());
    }
    pcr_index(number).ok_or_else(|| MeasurementsError::NoSuchPcr { name: name.to_owned() })
}

fn value_of(index: PcrIndex, value: &Json) -> Result<PcrValue, MeasurementsError> {
    let refused = |detail: &str| MeasurementsError::Value { index, detail: detail.to_owned() };
    let Json::Text(hex) = value else { return Err(refused("expected a string of hexadecimal digits")) };
    let value: PcrValue = hex.parse().map_err(|error: nsm_attest::InvalidPcrValue| refused(&error.to_string()))?;
    match value.as_bytes().len() {
        SHA384_LEN => Ok(value),
        _ => Err(refused("expected the 48 bytes of SHA-384")),
    }
}

/// JSON as far as measurements use it, with the members that a map would merge.
#[derive(Debug)]
enum Json {
    Object(Vec<(String, Json)>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }
}

/// How a file of measurements is not one.
#[derive(Debug, Error)]
enum MeasurementsError {
    #[error("{} stands there twice", escaped(name))]
    Duplicate { name: String },
    #[error("{HASH_ALGORITHM} is not Sha384")]
    HashAlgorithm,
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("expected a JSON object of measurements")]
    NoObject,
    #[error("no PCR is in it")]
    NoPcr,
    #[error("there is no {}; PCRs are numbered PCR0 to PCR31", escaped(name))]
    NoSuchPcr { name: String },
    #[error(
        "{:?} is unknown here; expected {HASH_ALGORITHM} and PCR0 to PCR31, or {MEASUREMENTS} with these",
        escaped(name)
    )]
    Unknown { name: String },
    #[error("PCR{index}: {detail}")]
    Value { index: PcrIndex, detail: String },
}

const MEASUREMENTS: &str = "Measurements";
const HASH_ALGORITHM: &str = "HashAlgorithm";
const SHA384_LEN: usize = 48;
/// 32 registers fit many times.
const MAX_MEASUREMENTS_LEN: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn with_values(json: &str) -> String {
        json.replace("$A", &"0a".repeat(48)).replace("$B", &"0B".repeat(48))
    }

    fn refusal(json: &str) -> String {
        parse(with_values(json).as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_nitro_cli_prints_and_the_inner_object_alone() {
        let inner = r#"{"HashAlgorithm": "Sha384 { ... }", "PCR0": "$A", "PCR31": "$B"}"#;
        for json in [inner.to_owned(), format!("{{\"Measurements\": {inner}}}\n")] {
            let pcrs = parse(with_values(&json).as_bytes()).unwrap();
            let read: Vec<_> = pcrs.iter().map(|(index, value)| (index.as_u8(), value.as_bytes()[0])).collect();
            assert_eq!(read, [(0, 0x0a), (31, 0x0b)]);
        }
        assert_eq!(parse(with_values(r#"{"PCR0": "$A"}"#).as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn refuses_by_name_what_would_be_passed_over() {
        for (json, named) in [
            (r#"{"PCR0": "$A", "PCR1 ": "$A"}"#, "\"PCR1 \" is unknown"),
            (r#"{"PCR0": "$A", "pcr1": "$A"}"#, "\"pcr1\" is unknown"),
            (r#"{"PCR0": "$A", "PCR": "$A"}"#, "\"PCR\" is unknown"),
            (r#"{"PCR0": "$A", "PCR+1": "$A"}"#, "\"PCR+1\" is unknown"),
            (r#"{"PCR0": "$A", "\u001b[2J\u202e": 1}"#, r#""\\u{1b}[2J\\u{202e}" is unknown"#),
            (r#"{"Measurements": {"PCR0": "$A"}, "EifVersion": 4}"#, "\"Measurements\" is unknown"),
            (r#"{"Measurements": {"Measurements": {"PCR0": "$A"}}}"#, "\"Measurements\" is unknown"),
            (r#"{"PCR0": "$A", "PCR0": "$B"}"#, "PCR0 stands there twice"),
            (r#"{"Measurements": {"PCR0": "$A", "PCR0": "$A"}}"#, "PCR0 stands there twice"),
            (r#"{"Measurements": {"PCR0": "$A"}, "Measurements": {}}"#, "Measurements stands there twice"),
            (r#"{"PCR32": "$A"}"#, "there is no PCR32"),
            (r#"{"PCR00": "$A"}"#, "there is no PCR00"),
            (r#"{"PCR99999999999999999999": "$A"}"#, "there is no PCR99999999999999999999"),
            (r#"{"PCR0": "0a"}"#, "PCR0: a PCR value has"),
            (r#"{"PCR0": "$Az"}"#, "PCR0: a PCR value is written in hex"),
            (r#"{"PCR7": "zz"}"#, "PCR7: a PCR value is written in hex"),
            (r#"{"PCR7": 7}"#, "PCR7: expected a string"),
            (r#"{"HashAlgorithm": "Sha256 { ... }", "PCR0": "$A"}"#, "HashAlgorithm is not Sha384"),
            (r#"{"HashAlgorithm": 384, "PCR0": "$A"}"#, "HashAlgorithm is not Sha384"),
            (r#"{"HashAlgorithm": "Sha384 { ... }"}"#, "no PCR is in it"),
            (r#"{"Measurements": {}}"#, "no PCR is in it"),
            (r#"{"Measurements": ["$A"]}"#, "\"Measurements\" is unknown"),
            ("{}", "no PCR is in it"),
            ("[]", "expected a JSON object"),
            ("PCR0", "not JSON"),
            ("", "not JSON"),
            (r#"{"PCR0": "$A"} {}"#, "not JSON"),
        ] {
            let refusal = refusal(json);
            assert!(refusal.contains(named), "{json}: {refusal}");
        }
        assert!(refusal(&format!(r#"{{"PCR3": "{}"}}"#, "ab".repeat(32))).contains("PCR3: expected the 48 bytes"));
        assert!(refusal(&"[".repeat(10_000)).contains("not JSON"));
    }
}
