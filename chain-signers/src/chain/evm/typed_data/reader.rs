//! `hashStruct`, and on the way the values and their canonical JSON.

use super::{
    DecodeError, check_len, excerpt,
    integer::Integer,
    join,
    kind::{Kind, MAX_LIST_LEN},
    list, object, required, string, too_long,
    types::Types,
};
use crate::keccak::{keccak256, parse_address, to_checksum};

/// Reads values of the types it knows, each once.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    types: &'a Types,
    /// What was read so far, canonically.
    pub(super) json: String,
    /// Every value that is neither a structure nor a list, by its path.
    pub(super) fields: Vec<(String, String)>,
}

/// A value that is neither a structure nor a list: its encoding, and itself as text.
struct Leaf {
    word: [u8; 32],
    text: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(types: &'a Types) -> Self {
        Self { types, json: String::new(), fields: Vec::new() }
    }

    /// `hashStruct` of a value of the type at `index`.
    pub(super) fn structure(
        &mut self,
        path: &str,
        index: usize,
        raw: &str,
        depth: usize,
    ) -> Result<[u8; 32], DecodeError> {
        check_depth(path, depth)?;
        let definition = self.types.definition(index);
        let names: Vec<_> = definition.fields.iter().map(|field| field.name.as_str()).collect();
        let object = object(if path.is_empty() { "message" } else { path }, raw, &names)?;
        let mut encoded = definition.hash.to_vec();
        for (i, field) in definition.fields.iter().enumerate() {
            self.json.push_str(if i == 0 { "{\"" } else { ",\"" });
            self.json.push_str(&field.name);
            self.json.push_str("\":");
            let raw = required(path, &object, &field.name)?;
            encoded.extend(self.value(&join(path, &field.name), &field.kind, raw, depth + 1)?);
        }
        self.json.push('}');
        Ok(keccak256(&encoded))
    }

    fn value(&mut self, path: &str, kind: &Kind, raw: &str, depth: usize) -> Result<[u8; 32], DecodeError> {
        match kind {
            Kind::List { item, len } => self.list(path, item, *len, raw, depth),
            Kind::Structure(index) => self.structure(path, *index, raw, depth),
            _ => self.leaf(path, kind, raw),
        }
    }

    fn list(
        &mut self,
        path: &str,
        kind: &Kind,
        len: Option<usize>,
        raw: &str,
        depth: usize,
    ) -> Result<[u8; 32], DecodeError> {
        check_depth(path, depth)?;
        let items = list::<MAX_LIST_LEN>(path, "items", raw)?;
        if let Some(len) = len.filter(|len| *len != items.len()) {
            return Err(DecodeError::invalid(excerpt(path), format!("{len} items"), items.len()));
        }
        let mut encoded = Vec::with_capacity(items.len() * 32);
        self.json.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.json.push(',');
            }
            encoded.extend(self.value(&format!("{path}[{i}]"), kind, item.get(), depth + 1)?);
        }
        self.json.push(']');
        Ok(keccak256(&encoded))
    }

    fn leaf(&mut self, path: &str, kind: &Kind, raw: &str) -> Result<[u8; 32], DecodeError> {
        if self.fields.len() == MAX_VALUES {
            return Err(too_long("typed data", "values", MAX_VALUES + 1, MAX_VALUES));
        }
        let Leaf { word, text } = Leaf::read(path, kind, raw)?;
        match kind {
            Kind::Bool => self.json.push_str(&text),
            _ => self.json.push_str(&serde_json::Value::from(text.as_str()).to_string()),
        }
        check_len(self.json.len())?;
        self.fields.push((path.to_owned(), text));
        Ok(word)
    }
}

impl Leaf {
    fn read(path: &str, kind: &Kind, raw: &str) -> Result<Self, DecodeError> {
        match kind {
            Kind::Address => Self::address(path, raw),
            Kind::Bool => Self::boolean(path, raw),
            Kind::FixedBytes(len) => Self::fixed_bytes(path, raw, *len),
            Kind::Integer { bits, is_signed } => Self::integer(path, raw, *bits, *is_signed),
            Kind::String => string(path, raw).map(|text| Self { word: keccak256(text.as_bytes()), text }),
            // Lists and structures are read before; as bytes, they would be refused.
            Kind::Bytes | Kind::List { .. } | Kind::Structure(_) => {
                let (bytes, text) = bytes(path, raw)?;
                Ok(Self { word: keccak256(&bytes), text })
            }
        }
    }

    fn address(path: &str, raw: &str) -> Result<Self, DecodeError> {
        let text = string(path, raw)?;
        let address =
            parse_address(&text).map_err(|error| DecodeError::invalid(excerpt(path), error.expected(), &text))?;
        let mut word = [0; 32];
        word[12..].copy_from_slice(&address);
        Ok(Self { word, text: to_checksum(&address) })
    }

    fn boolean(path: &str, raw: &str) -> Result<Self, DecodeError> {
        let value: bool =
            serde_json::from_str(raw).map_err(|_| DecodeError::invalid(excerpt(path), "true or false", raw))?;
        let mut word = [0; 32];
        word[31] = value.into();
        Ok(Self { word, text: value.to_string() })
    }

    fn fixed_bytes(path: &str, raw: &str, len: usize) -> Result<Self, DecodeError> {
        let (bytes, text) = bytes(path, raw)?;
        if bytes.len() != len {
            let expected = format!("0x and {} hex digits", 2 * len);
            return Err(DecodeError::invalid(excerpt(path), expected, &text));
        }
        let mut word = [0; 32];
        word[..len].copy_from_slice(&bytes);
        Ok(Self { word, text })
    }

    fn integer(path: &str, raw: &str, bits: usize, is_signed: bool) -> Result<Self, DecodeError> {
        let text = if raw.starts_with('"') { string(path, raw)? } else { raw.to_owned() };
        match Integer::parse(&text, bits, is_signed) {
            Some(Integer { word, text }) => Ok(Self { word, text }),
            None => {
                let kind = if is_signed { "a signed" } else { "an unsigned" };
                Err(DecodeError::invalid(excerpt(path), format!("{kind} integer of {bits} bits"), &text))
            }
        }
    }
}

/// And in lower-case hex.
fn bytes(path: &str, raw: &str) -> Result<(Vec<u8>, String), DecodeError> {
    let text = string(path, raw)?;
    let digits = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    match digits {
        Some(bytes) => {
            let text = format!("0x{}", hex::encode(&bytes));
            Ok((bytes, text))
        }
        None => Err(DecodeError::invalid(excerpt(path), "0x and an even number of hex digits", &text)),
    }
}

fn check_depth(path: &str, depth: usize) -> Result<(), DecodeError> {
    if depth < MAX_DEPTH { Ok(()) } else { Err(too_long(excerpt(path), "levels of nesting", depth + 1, MAX_DEPTH)) }
}

/// Of structures and lists.
const MAX_DEPTH: usize = 16;
const MAX_VALUES: usize = 1024;
