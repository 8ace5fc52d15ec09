//! A reading of attestation documents that shares no code with nsm-attest: ciborium's decoder, and the rules as AWS's
//! specification (attestation_process.md §3.2) has them, with the deviations that nsm-attest documents: `user_data`
//! and `nonce` have up to 1024 bytes (§2.2), optional fields may be null or empty, `module_id` has at most 256 bytes
//! and `cabundle` at most 16 entries.

use std::collections::BTreeMap;

use ciborium::Value;

/// The fields of a document whose format is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub module_id: String,
    pub timestamp: u64,
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    pub certificate: Vec<u8>,
    pub cabundle: Vec<Vec<u8>>,
    pub public_key: Option<Vec<u8>>,
    pub user_data: Option<Vec<u8>>,
    pub nonce: Option<Vec<u8>>,
    /// Whether the payload is encoded as ciborium encodes: definite lengths, every head in its shortest form.
    pub is_plain: bool,
}

/// Reads the payload of a COSE_Sign1, or says what is wrong with it.
///
/// # Errors
/// The first defect found.
pub fn read(payload: &[u8]) -> Result<Reading, &'static str> {
    let (value, is_plain) = decode(payload)?;
    let Value::Map(entries) = value else { return Err("not a map") };
    let mut fields = BTreeMap::new();
    for (key, value) in entries {
        let Value::Text(name) = key else { return Err("a key is not text") };
        if !FIELDS.contains(&name.as_str()) {
            return Err("an unknown field");
        }
        if fields.insert(name, value).is_some() {
            return Err("a field appears twice");
        }
    }
    let mut take = |name: &str| fields.remove(name);
    match take("digest") {
        Some(Value::Text(name)) if name == "SHA384" => {}
        _ => return Err("digest"),
    }
    Ok(Reading {
        module_id: module_id(take("module_id"))?,
        timestamp: timestamp(take("timestamp"))?,
        pcrs: pcrs(take("pcrs"))?,
        certificate: certificate(take("certificate"))?,
        cabundle: cabundle(take("cabundle"))?,
        public_key: optional(take("public_key"))?,
        user_data: optional(take("user_data"))?,
        nonce: optional(take("nonce"))?,
        is_plain,
    })
}

/// Reads `user_data` as this project writes it: purpose and digest.
#[must_use]
pub fn read_user_data(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    // One encoding is right, and it is the one that ciborium writes.
    let Ok((Value::Map(entries), true)) = decode(bytes) else { return None };
    match <[_; 2]>::try_from(entries).ok()? {
        [(Value::Text(first), Value::Bytes(digest)), (Value::Text(second), Value::Text(purpose))]
            if first == "digest" && second == "purpose" && digest.len() == 32 && PURPOSES.contains(&&*purpose) =>
        {
            Some((purpose, digest))
        }
        _ => None,
    }
}

/// The one item of `bytes`, and whether it re-encodes to them.
fn decode(bytes: &[u8]) -> Result<(Value, bool), &'static str> {
    let mut rest = bytes;
    let value: Value = ciborium::from_reader(&mut rest).map_err(|_| "not CBOR")?;
    if !rest.is_empty() {
        return Err("bytes follow");
    }
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).map_err(|_| "cannot be encoded")?;
    Ok((value, again == bytes))
}

fn module_id(value: Option<Value>) -> Result<String, &'static str> {
    match value {
        Some(Value::Text(text)) if (1..=256).contains(&text.len()) => Ok(text),
        _ => Err("module_id"),
    }
}

fn timestamp(value: Option<Value>) -> Result<u64, &'static str> {
    let integer = value.and_then(|value| value.into_integer().ok()).ok_or("timestamp")?;
    u64::try_from(integer).ok().filter(|millis| *millis != 0).ok_or("timestamp")
}

fn pcrs(value: Option<Value>) -> Result<BTreeMap<u8, Vec<u8>>, &'static str> {
    let Some(Value::Map(entries)) = value else { return Err("pcrs") };
    let mut pcrs = BTreeMap::new();
    for (index, value) in entries {
        let index = index.into_integer().ok().and_then(|index| u8::try_from(index).ok());
        let index = index.filter(|index| *index < 32).ok_or("a PCR's index")?;
        let value = value.into_bytes().ok().filter(|value| [32, 48, 64].contains(&value.len()));
        if pcrs.insert(index, value.ok_or("a PCR's value")?).is_some() {
            return Err("a PCR appears twice");
        }
    }
    if pcrs.is_empty() { Err("no PCRs") } else { Ok(pcrs) }
}

fn certificate(value: Option<Value>) -> Result<Vec<u8>, &'static str> {
    match value {
        Some(Value::Bytes(der)) if (1..=1024).contains(&der.len()) => Ok(der),
        _ => Err("a certificate"),
    }
}

fn cabundle(value: Option<Value>) -> Result<Vec<Vec<u8>>, &'static str> {
    match value {
        Some(Value::Array(items)) if (1..=16).contains(&items.len()) => {
            items.into_iter().map(|item| certificate(Some(item))).collect()
        }
        _ => Err("cabundle"),
    }
}

fn optional(value: Option<Value>) -> Result<Option<Vec<u8>>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bytes(bytes)) if bytes.len() <= 1024 => Ok(Some(bytes)),
        Some(_) => Err("an optional field"),
    }
}

const FIELDS: [&str; 9] =
    ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"];
const PURPOSES: [&str; 4] = ["kms-recipient", "session", "birth", "inspect"];
