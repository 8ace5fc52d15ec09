//! EIP-712: typed data, read once for its hash, its values and its canonical JSON.

mod canonical;
mod domain;
mod integer;
mod kind;
mod permit;
mod reader;
mod types;

use serde_json::value::RawValue;

use super::{eip191, eip191::SignedData, rules::too_long};
use crate::{
    Action, DecodeError,
    error::excerpt,
    strict_json::{List, Object, ObjectError},
};
use domain::Domain;
use reader::Reader;
use types::Types;

pub(super) fn decode(bytes: &[u8]) -> Result<SignedData, DecodeError> {
    check_len(bytes.len())?;
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::malformed("JSON", error))?;
    let outer = object("", text, &KEYS)?;
    let primary = string("primaryType", required("", &outer, "primaryType")?)?;
    let types = Types::read(required("", &outer, "types")?, &primary)?;
    let domain = Domain::read(&types, required("", &outer, "domain")?)?;
    let mut message = Reader::new(&types);
    let hash = message.structure("", types.primary(), required("", &outer, "message")?, 0)?;
    let canonical = canonical::json(&types, &domain.json, &message.json);
    check_len(canonical.len())?;

    let framed = [&[0x19, 0x01][..], &domain.separator, &hash].concat();
    let actions = actions(&types, &domain, message.fields);
    let words = words(&types, &domain, &actions);
    Ok(SignedData::new(canonical.into_bytes(), framed, domain.chain_id, actions, &words))
}

/// The address whose key signed typed data, in EIP-55 spelling.
///
/// `json` is what [`Encoding::TypedData`](crate::Encoding::TypedData) reads, `signature` 65 bytes, r ‖ s ‖ v; a high S and a
/// v other than 27 and 28 are refused.
///
/// ```
/// use chain_signers::{Chain, ChainSigner, Curve, Encoding, Payload, SigningKey, evm::{self, Evm}};
///
/// let json = br#"{"types": {"EIP712Domain": [{"name": "chainId", "type": "uint256"}],
///     "Login": [{"name": "nonce", "type": "uint64"}]},
///     "primaryType": "Login", "domain": {"chainId": 1}, "message": {"nonce": 7}}"#;
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32])?;
/// let signer = ChainSigner::new(std::sync::Arc::new(Evm), key)?;
/// let signed = signer.sign(Evm.decode(&Payload::new(Encoding::TypedData, json))?.as_ref())?;
/// assert_eq!(evm::recover_typed_data_signer(json, &signed.bytes)?, signer.address());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DecodeError`] if it is not typed data that this crate would sign, or not a signature.
pub fn recover_typed_data_signer(json: &[u8], signature: &[u8]) -> Result<String, DecodeError> {
    eip191::recover_signer(decode(json)?.framed(), signature)
}

fn actions(types: &Types, domain: &Domain, fields: Vec<(String, String)>) -> Vec<Action> {
    let primary = types.definition(types.primary());
    let contract = domain.verifying_contract.clone();
    let permissions = permit::actions(&types.encode_type(types.primary()), &fields, contract.as_deref());
    let whole = Action::TypedData {
        verifying_contract: contract,
        primary_type: primary.name.clone(),
        type_hash: format!("0x{}", hex::encode(primary.hash)),
        fields,
    };
    std::iter::once(whole).chain(permissions).collect()
}

fn words(types: &Types, domain: &Domain, actions: &[Action]) -> String {
    let primary = &types.definition(types.primary()).name;
    let to = domain.verifying_contract.as_deref().unwrap_or("no contract in particular");
    let mut words = format!("sign the typed data {primary} for {to} on {} (EIP-712", domain.chain_id);
    words.extend(domain.labels.iter().map(|(name, text)| format!(", {name} \"{}\"", excerpt(text))));
    words.push(')');
    for action in actions {
        words.push_str(&match action {
            Action::TokenApproval { token, spender, amount, .. } => {
                format!("; lets {spender} take {amount} of token {token}")
            }
            Action::TokenTransfer { token, to, amount, .. } => format!("; transfers {amount} of token {token} to {to}"),
            Action::TypedData { fields, .. } => values(fields),
            other => format!("; {other:?}"),
        });
    }
    words
}

fn values(fields: &[(String, String)]) -> String {
    let shown = fields.iter().take(MAX_SHOWN).map(|(path, text)| format!("; {} = {}", excerpt(path), shown(text)));
    let more = match fields.len().saturating_sub(MAX_SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more values"),
    };
    shown.chain([more]).collect()
}

/// In quotes, unless it is one plain word: what somebody else wrote must not pass for our own words.
fn shown(text: &str) -> String {
    let is_plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if is_plain { excerpt(text) } else { format!("\"{}\"", excerpt(text)) }
}

fn check_len(len: usize) -> Result<(), DecodeError> {
    if len > MAX_LEN { Err(too_long("the typed data", "bytes", len, MAX_LEN)) } else { Ok(()) }
}

/// An object at `path`, whose keys are among `known`.
fn object<'a>(path: &str, raw: &'a str, known: &[&str]) -> Result<Object<'a>, DecodeError> {
    Object::parse(raw, known).map_err(|error| object_error(path, raw, error))
}

/// An object at `path` with any keys.
fn open_object<'a>(path: &str, raw: &'a str) -> Result<Object<'a>, DecodeError> {
    Object::parse_any(raw).map_err(|error| object_error(path, raw, error))
}

fn object_error(path: &str, raw: &str, error: ObjectError) -> DecodeError {
    match error {
        ObjectError::Duplicate(key) => DecodeError::DuplicateKey { key: excerpt(&join(path, &key)) },
        ObjectError::Unknown(key) => DecodeError::UnknownKey { key: excerpt(&join(path, &key)) },
        ObjectError::Malformed(reason) if path.is_empty() => DecodeError::malformed("a JSON object", reason),
        ObjectError::Malformed(_) => DecodeError::invalid(excerpt(path), "an object of at most 64 keys", raw),
    }
}

fn required<'a>(path: &str, object: &Object<'a>, key: &str) -> Result<&'a str, DecodeError> {
    object.get(key).ok_or_else(|| DecodeError::Missing { field: excerpt(&join(path, key)).into() })
}

fn string(path: &str, raw: &str) -> Result<String, DecodeError> {
    serde_json::from_str(raw).map_err(|_| DecodeError::invalid(excerpt(path), "a string", raw))
}

fn list<'a, const MAX: usize>(path: &str, unit: &'static str, raw: &'a str) -> Result<Vec<&'a RawValue>, DecodeError> {
    let List { items, len } = serde_json::from_str::<List<&RawValue, MAX>>(raw)
        .map_err(|_| DecodeError::invalid(excerpt(path), "a list", raw))?;
    if len > MAX {
        return Err(too_long(excerpt(path), unit, len, MAX));
    }
    Ok(items)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

const KEYS: [&str; 4] = ["types", "primaryType", "domain", "message"];
/// As it comes in, and as it is written canonically.
const MAX_LEN: usize = 128 * 1024;
/// How many values the summary's text shows.
const MAX_SHOWN: usize = 32;
