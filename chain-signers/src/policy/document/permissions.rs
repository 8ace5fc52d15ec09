//! What an allow rule says beside its chains and destinations.

use super::{MAX_DESTINATIONS, Place, read_addresses, take_room};
use crate::{
    Amount,
    chain::{SOLANA_SYSTEM_PROGRAM, SOLANA_TOKEN_PROGRAMS},
    policy::{
        PolicyError,
        destination::{Destination, Destinations, Listed},
        rule::{Field, FieldBound, Limit, LimitOf, NO_SELECTOR, Permissions, Selectors, Token, TypedData},
    },
    strict_json::{List, Object},
};

pub(super) fn read(
    place: &Place,
    object: &Object<'_>,
    namespace: &str,
    destinations: &Destinations,
    room: &mut usize,
) -> Result<Permissions, PolicyError> {
    let flag = |field| Ok(place.optional(object, field, "true or false")?.unwrap_or(false));
    let permissions = Permissions {
        blind_signing: flag("blind_signing")?,
        calls: flag("calls")?,
        contract_creation: flag("contract_creation")?,
        staking: flag("staking")?,
        selectors: read_selectors(place, object)?.unwrap_or_default(),
        max_amount: place.optional(object, "max_amount", AMOUNT)?,
        max_fee: place.optional(object, "max_fee", AMOUNT)?,
        tokens: read_tokens(place, object, namespace, room)?,
        messages: place.texts::<MAX_NAMES>(object, "messages", NAME, is_snake_case)?,
        typed_data: read_typed_data(place, object, namespace, room)?,
        delegates: read_delegates(place, object, namespace, room)?,
        exceptions: place.texts::<MAX_NAMES>(object, "exceptions", NAME, is_snake_case)?,
        limits: read_limits(place, object, namespace)?,
    };
    check_calls(place, object, namespace, destinations, &permissions)?;
    Ok(permissions)
}

/// That a rule says what it permits to call, and does not undo its own bounds.
fn check_calls(
    place: &Place,
    object: &Object<'_>,
    namespace: &str,
    destinations: &Destinations,
    permissions: &Permissions,
) -> Result<(), PolicyError> {
    let has_selectors = object.get("selectors").is_some();
    if !permissions.calls {
        return match object.get("selectors") {
            Some(raw) => Err(place.invalid("selectors", "\"calls\": true beside them", raw)),
            None => Ok(()),
        };
    }
    if HAVE_SELECTORS.contains(&namespace) && !has_selectors {
        return Err(place.missing("selectors (the functions that may be called, or [\"*\"])"));
    }
    let Destinations::Listed(listed) = destinations else {
        return Err(place.invalid("calls", "destinations by name, since * permits no call", "true"));
    };
    let is_called = |(_, callee): &(&str, String)| listed.contains(callee);
    match bounded_callees(namespace, permissions).into_iter().find(is_called) {
        Some((field, callee)) => {
            let expected = "no call of what carries out the transfers that the same rule bounds";
            Err(place.invalid(field, expected, &callee))
        }
        None => Ok(()),
    }
}

/// The contracts and programs whose calls would go around a bound of the rule, with the field that bounds.
fn bounded_callees(namespace: &str, permissions: &Permissions) -> Vec<(&'static str, String)> {
    let limits = permissions.limits.iter().map(|limit| &limit.of);
    let limited = limits.clone().filter_map(|of| if let LimitOf::Token(token) = of { Some(token) } else { None });
    let bounded = permissions.tokens.iter().map(|entry| ("tokens", &entry.token));
    let bounded: Vec<_> = bounded.chain(limited.map(|token| ("limits", token))).collect();
    let tokens = bounded.iter().map(|(field, token)| (*field, token.to_string()));
    if namespace != "solana" {
        return tokens.collect();
    }
    let of_tokens = bounded.first().into_iter().flat_map(|(field, _)| SOLANA_TOKEN_PROGRAMS.map(|it| (*field, it)));
    let of_coins = permissions.max_amount.map(|_| ("max_amount", SOLANA_SYSTEM_PROGRAM));
    let of_coins =
        of_coins.or(limits.clone().find(|of| **of == LimitOf::Coin).map(|_| ("limits", SOLANA_SYSTEM_PROGRAM)));
    tokens.chain(of_tokens.chain(of_coins).map(|(field, program)| (field, program.to_owned()))).collect()
}

fn read_selectors(place: &Place, object: &Object<'_>) -> Result<Option<Selectors>, PolicyError> {
    let Some(raw) = object.get("selectors") else { return Ok(None) };
    let all: Result<[String; 1], _> = serde_json::from_str(raw);
    if all.is_ok_and(|[only]| only == "*") {
        return Ok(Some(Selectors::All));
    }
    let listed = place.texts::<MAX_SELECTORS>(object, "selectors", SELECTOR, is_selector)?;
    if listed.is_empty() {
        return Err(place.invalid("selectors", "at least one, or no call is permitted", "[]"));
    }
    Ok(Some(Selectors::Listed(listed)))
}

fn read_tokens(
    place: &Place,
    object: &Object<'_>,
    namespace: &str,
    room: &mut usize,
) -> Result<Box<[Token]>, PolicyError> {
    let mut tokens: Vec<Token> = Vec::new();
    for (place, raw) in place.objects::<MAX_TOKENS>(object, "tokens")? {
        let object = place.object(raw, &["token", "max_amount", "approvals"])?;
        let text: String = place.required(&object, "token", TOKEN)?;
        let token = read_token(&place, &text, namespace)?;
        if tokens.iter().any(|earlier| earlier.token == token) {
            return Err(place.invalid("token", "every token once", &text));
        }
        take_room(&place, 1, room)?;
        let max_amount = place.optional(&object, "max_amount", AMOUNT)?;
        let approvals = place.optional(&object, "approvals", "true or false")?.unwrap_or(false);
        tokens.push(Token { token, max_amount, approvals });
    }
    Ok(tokens.into())
}

/// A token is an address where the chain's tokens are contracts, and otherwise has a name, which can be short.
fn read_token(place: &Place, text: &str, namespace: &str) -> Result<Destination, PolicyError> {
    Destination::parse_token(text, namespace).map_err(|expected| place.invalid("token", expected, text))
}

fn read_delegates(
    place: &Place,
    object: &Object<'_>,
    namespace: &str,
    room: &mut usize,
) -> Result<Listed, PolicyError> {
    let list: Option<List<String, MAX_DESTINATIONS>> = place.optional(object, "delegates", "a list of addresses")?;
    let Some(list) = list else { return Ok(Listed::default()) };
    place.bound("delegates", list.len, MAX_DESTINATIONS)?;
    take_room(place, list.len, room)?;
    read_addresses(place, "delegates", &list.items, Some(namespace))
}

fn read_typed_data(
    place: &Place,
    object: &Object<'_>,
    namespace: &str,
    room: &mut usize,
) -> Result<Box<[TypedData]>, PolicyError> {
    let mut entries = Vec::new();
    for (place, raw) in place.objects::<MAX_TYPED_DATA>(object, "typed_data")? {
        let object = place.object(raw, &["verifying_contract", "type_hash", "fields"])?;
        take_room(&place, 1, room)?;
        let contract: Option<String> = match object.get("verifying_contract") {
            None => return Err(place.missing("verifying_contract")),
            Some(raw) => serde_json::from_str(raw)
                .map_err(|_| place.invalid("verifying_contract", "an address, or null for data without one", raw))?,
        };
        let parse = |text: String| {
            Destination::parse(&text, Some(namespace))
                .map_err(|expected| place.invalid("verifying_contract", expected, &text))
        };
        let verifying_contract = contract.map(parse).transpose()?;
        let type_hash: String = place.required(&object, "type_hash", TYPE_HASH)?;
        if !is_lower_hex(&type_hash, 64) {
            return Err(place.invalid("type_hash", TYPE_HASH, &type_hash));
        }
        let fields = read_fields(&place, &object, room)?;
        entries.push(TypedData { verifying_contract, type_hash: type_hash.into(), fields });
    }
    Ok(entries.into())
}

fn read_fields(place: &Place, object: &Object<'_>, room: &mut usize) -> Result<Box<[Field]>, PolicyError> {
    let mut fields = Vec::new();
    for (place, raw) in place.objects::<MAX_FIELDS>(object, "fields")? {
        let object = place.object(raw, &["path", "max", "among"])?;
        let path: String = place.required(&object, "path", PATH)?;
        if !is_path(&path) {
            return Err(place.invalid("path", PATH, &path));
        }
        let max: Option<Amount> = place.optional(&object, "max", AMOUNT)?;
        let among: Option<List<String, MAX_DESTINATIONS>> = place.optional(&object, "among", "a list of texts")?;
        let bound = match (max, among) {
            (Some(max), None) => FieldBound::Max(max),
            (None, Some(list)) => {
                place.bound("texts among which the field must be", list.len, MAX_DESTINATIONS)?;
                take_room(&place, list.len, room)?;
                FieldBound::Among(read_values(&place, &list.items)?)
            }
            _ => return Err(place.malformed("a field needs either max or among")),
        };
        fields.push(Field { path: path.into(), bound });
    }
    Ok(fields.into())
}

/// Values of fields are addresses or any short text.
fn read_values(place: &Place, texts: &[String]) -> Result<Listed, PolicyError> {
    let mut values = std::collections::BTreeSet::new();
    for text in texts {
        let value = Destination::parse_value(text).map_err(|expected| place.invalid("among", expected, text))?;
        if !values.insert(value) {
            return Err(place.invalid("among", "every value once", text));
        }
    }
    if values.is_empty() {
        return Err(place.invalid("among", "at least one, or nothing is permitted", "[]"));
    }
    Listed::new(&values).ok_or_else(|| place.malformed(super::TOO_MUCH_TEXT))
}

fn read_limits(place: &Place, object: &Object<'_>, namespace: &str) -> Result<Box<[Limit]>, PolicyError> {
    let mut limits: Vec<Limit> = Vec::new();
    for (place, raw) in place.objects::<MAX_LIMITS>(object, "limits")? {
        let object = place.object(raw, &["seconds", "signatures", "amount", "token"])?;
        let seconds: u32 = place.required(&object, "seconds", SECONDS)?;
        if !(1..=MAX_SECONDS).contains(&seconds) {
            return Err(place.invalid("seconds", SECONDS, &seconds.to_string()));
        }
        let signatures: Option<u32> = place.optional(&object, "signatures", "a whole number below 2^32")?;
        let amount: Option<Amount> = place.optional(&object, "amount", AMOUNT)?;
        let token: Option<String> = place.optional(&object, "token", TOKEN)?;
        let (max, of) = match (signatures, amount, token) {
            (Some(signatures), None, None) => (Amount::from(u64::from(signatures)), LimitOf::Signatures),
            (None, Some(amount), None) => (amount, LimitOf::Coin),
            (None, Some(amount), Some(token)) => (amount, LimitOf::Token(read_token(&place, &token, namespace)?)),
            _ => return Err(place.malformed("a limit needs either signatures, or amount with or without token")),
        };
        let limit = Limit { seconds, max, of };
        if limits.contains(&limit) {
            return Err(place.malformed("the same limit twice"));
        }
        limits.push(limit);
    }
    Ok(limits.into())
}

fn is_selector(text: &str) -> bool {
    text == NO_SELECTOR || is_lower_hex(text, 8)
}

fn is_lower_hex(text: &str, digits: usize) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|hex| hex.len() == digits && hex.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'a'..=b'f')))
}

fn is_snake_case(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-'))
}

fn is_path(text: &str) -> bool {
    let is_plain = |part: &str| part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$' | b'.'));
    (1..=MAX_PATH_LEN).contains(&text.len()) && text.split("[]").all(is_plain) && !text.starts_with(['.', '['])
}

/// Chains whose calls have a selector.
const HAVE_SELECTORS: [&str; 2] = ["eip155", "tron"];
const MAX_SELECTORS: usize = 64;
const MAX_TOKENS: usize = 64;
const MAX_NAMES: usize = 16;
const MAX_TYPED_DATA: usize = 32;
const MAX_FIELDS: usize = 16;
const MAX_LIMITS: usize = 8;
/// 31 days.
const MAX_SECONDS: u32 = 31 * 24 * 3600;
const MAX_NAME_LEN: usize = 64;
const MAX_PATH_LEN: usize = 128;
const AMOUNT: &str = "decimal digits in quotes, in the smallest unit, at most 2^256 - 1";
const NAME: &str = "1 to 64 of a-z, 0-9, _ and -";
const PATH: &str = "a field's path such as details.amount, with [] for every item of a list";
const SECONDS: &str = "from 1 to 2678400, which are 31 days";
const SELECTOR: &str = "0x and eight hex digits in lower case, or 0x alone for calls without a selector";
const TOKEN: &str = "the token's contract, mint or denomination";
const TYPE_HASH: &str = "0x and 64 hex digits in lower case";
