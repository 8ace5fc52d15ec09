//! Reading the document: bounded, exact, and with an error that names the place.

mod permissions;
mod place;

use std::collections::{BTreeSet, HashSet};

use serde_json::value::RawValue;

use super::{
    PolicyError,
    destination::{Destination, Destinations, Listed},
    rule::{Chains, Effect, Permissions, Rule},
    text_set::TextSet,
};
use crate::{
    ChainId,
    strict_json::{List, Object},
};
use place::Place;

pub(super) fn read(json: &[u8]) -> Result<Box<[Rule]>, PolicyError> {
    let place = Place("policy".to_owned());
    place.bound("bytes", json.len(), MAX_POLICY_LEN)?;
    let text = std::str::from_utf8(json).map_err(|_| place.malformed("not UTF-8"))?;
    let object = place.object(text, &["version", "rules"])?;
    match object.get("version") {
        None => return Err(place.missing("version")),
        Some("1") => {}
        Some(other) => return Err(place.invalid("version", "1", other)),
    }
    let rules: List<&RawValue, MAX_RULES> = match object.get("rules") {
        None => return Err(place.missing("rules")),
        Some(raw) => serde_json::from_str(raw).map_err(|_| place.invalid("rules", "a list of rules", raw))?,
    };
    place.bound("rules", rules.len, MAX_RULES)?;
    let mut room = MAX_ADDRESSES_IN_ALL;
    let rules = rules.items.iter().enumerate();
    let rules: Box<[Rule]> = rules.map(|(i, raw)| read_rule(i, raw.get(), &mut room)).collect::<Result<_, _>>()?;
    let mut names = HashSet::new();
    match rules.iter().find(|rule| !names.insert(&*rule.name)) {
        Some(rule) => Err(PolicyError::DuplicateRuleName { name: rule.name.to_string() }),
        None => Ok(rules),
    }
}

fn read_rule(index: usize, raw: &str, room: &mut usize) -> Result<Rule, PolicyError> {
    let place = Place(format!("rule {}", index + 1));
    let object = place.object(raw, &[&RULE_KEYS[..], &PERMISSION_KEYS].concat())?;
    let name: String = place.required(&object, "name", "a text")?;
    if !is_name(&name) {
        return Err(place.invalid("name", "1 to 64 letters, digits, spaces or any of _ . -", &name));
    }
    let place = Place(format!("rule {} ({name})", index + 1));
    let allows = reads_allow(&place, &object)?;
    let (chains, namespace) = read_chains(&place, &object, allows)?;
    let destinations = read_destinations(&place, &object, namespace.as_deref(), room)?;
    let effect = if allows {
        let namespace = namespace.as_deref().unwrap_or_default();
        Effect::Allow(Box::new(permissions::read(&place, &object, namespace, &destinations, room)?))
    } else {
        Effect::Deny
    };
    let rule = Rule { name: name.into(), chains, destinations, effect };
    let needs_none = rule.permissions().is_some_and(Permissions::needs_no_destination);
    if !needs_none && matches!(&rule.destinations, Destinations::Listed(listed) if listed.is_empty()) {
        return Err(place.invalid("destinations", "at least one, or the rule matches nothing", "[]"));
    }
    Ok(rule)
}

/// Whether the rule allows. What a deny rule could say beside its destinations could only be misread as an exception.
fn reads_allow(place: &Place, object: &Object<'_>) -> Result<bool, PolicyError> {
    let effect: String = place.required(object, "effect", "allow or deny")?;
    match effect.as_str() {
        "allow" => Ok(true),
        "deny" => match PERMISSION_KEYS.iter().find(|key| object.get(key).is_some()) {
            Some(key) => Err(place.malformed(&format!("{key} has no meaning in a deny rule"))),
            None => Ok(false),
        },
        other => Err(place.invalid("effect", "allow or deny", other)),
    }
}

fn read_chains(place: &Place, object: &Object<'_>, allows: bool) -> Result<(Chains, Option<String>), PolicyError> {
    let texts: List<String, MAX_CHAINS> = place.required(object, "chains", "a list of CAIP-2 chain ids")?;
    place.bound("chains", texts.len, MAX_CHAINS)?;
    let texts = texts.items;
    if texts == ["*"] {
        return if allows {
            Err(place.invalid("chains", "chains by name in an allow rule", "*"))
        } else {
            Ok((Chains::All, None))
        };
    }
    let parse = |text: &String| {
        text.parse().map_err(|error| place.invalid("chains", format!("a CAIP-2 chain id ({error})"), text))
    };
    let chains: Vec<ChainId> = texts.iter().map(parse).collect::<Result<_, _>>()?;
    let Some(namespace) = chains.first().map(|chain| chain.namespace().to_owned()) else {
        return Err(place.invalid("chains", "at least one, or the rule matches nothing", "[]"));
    };
    if let Some(other) = chains.iter().find(|chain| chain.namespace() != namespace) {
        return Err(place.invalid("chains", "chains of one namespace", other.as_str()));
    }
    let mut seen = HashSet::new();
    if let Some(again) = chains.iter().find(|chain| !seen.insert(chain.as_str())) {
        return Err(place.invalid("chains", "every chain once", again.as_str()));
    }
    let set = TextSet::new(seen).ok_or_else(|| place.malformed(TOO_MUCH_TEXT))?;
    Ok((Chains::Listed(set), Some(namespace)))
}

/// `room` is how many destinations the policy may still have.
fn read_destinations(
    place: &Place,
    object: &Object<'_>,
    namespace: Option<&str>,
    room: &mut usize,
) -> Result<Destinations, PolicyError> {
    let texts: List<String, MAX_DESTINATIONS> = place.required(object, "destinations", "a list of addresses")?;
    place.bound("destinations", texts.len, MAX_DESTINATIONS)?;
    if texts.items == ["*"] {
        return Ok(Destinations::All);
    }
    take_room(place, texts.len, room)?;
    read_addresses(place, "destinations", &texts.items, namespace).map(Destinations::Listed)
}

/// Addresses count against one bound, whatever they are for.
fn take_room(place: &Place, len: usize, room: &mut usize) -> Result<(), PolicyError> {
    *room = room.checked_sub(len).ok_or_else(|| {
        let (what, len) = ("addresses in all rules so far", MAX_ADDRESSES_IN_ALL - *room + len);
        PolicyError::TooLong { place: place.0.clone(), what, len, max: MAX_ADDRESSES_IN_ALL }
    })?;
    Ok(())
}

fn read_addresses(
    place: &Place,
    field: &'static str,
    texts: &[String],
    namespace: Option<&str>,
) -> Result<Listed, PolicyError> {
    let mut addresses = BTreeSet::new();
    for text in texts {
        let address = Destination::parse(text, namespace).map_err(|expected| place.invalid(field, expected, text))?;
        if !addresses.insert(address) {
            return Err(place.invalid(field, "every address once", text));
        }
    }
    Listed::new(&addresses).ok_or_else(|| place.malformed(TOO_MUCH_TEXT))
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b' ' | b'_' | b'.' | b'-'))
}

/// What an allow rule may say beside what every rule says.
const PERMISSION_KEYS: [&str; 13] = [
    "blind_signing",
    "calls",
    "contract_creation",
    "delegates",
    "exceptions",
    "limits",
    "max_amount",
    "max_fee",
    "messages",
    "selectors",
    "staking",
    "tokens",
    "typed_data",
];
/// What every rule says.
const RULE_KEYS: [&str; 4] = ["name", "effect", "chains", "destinations"];
/// Half of what a sealed record may hold.
const MAX_POLICY_LEN: usize = 32 * 1024;
const MAX_RULES: usize = 128;
const MAX_CHAINS: usize = 32;
const MAX_DESTINATIONS: usize = 512;
const MAX_ADDRESSES_IN_ALL: usize = 1024;
/// Cannot be, given [`MAX_POLICY_LEN`].
const TOO_MUCH_TEXT: &str = "more than 64 KiB of text in a list";
const MAX_NAME_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a malloc of 64-bit systems adds to an allocation, header and rounding.
    const ALLOCATION: usize = 32;

    #[test]
    fn a_policy_takes_little_more_memory_than_its_text() {
        let names = || (0..128).map(|i| format!("{i}"));
        let everyone = names().map(|name| rule(&name, "deny", "*", "*")).collect();
        let one_each = names().map(|name| rule(&name, "deny", "abc:1", "!!!!")).collect();
        let short: Vec<_> = (0..512).map(|i| format!("!{i:03}")).collect();
        let many_short =
            vec![rule("a", "deny", "*", &short.join("\",\"")), rule("b", "deny", "*", &short.join("\",\""))];
        let addresses: Vec<_> = (0..512).map(|i| format!("0x{i:040x}")).collect();
        let many_addresses = vec![rule("a", "allow", "eip155:1", &addresses.join("\",\""))];
        let chains: Vec<_> = (1..=32).map(|i| format!("abc:{i}")).collect();
        let many_chains = names().map(|name| rule(&name, "allow", &chains.join("\",\""), "*")).take(60).collect();
        let bare = names().map(|name| rule(&name, "allow", "abc:1", "*")).collect();
        let with = |key: &str, items: Vec<&str>| {
            let rule = rule("a", "allow", "abc:1", "*");
            vec![format!("{},\"{key}\":[{}]}}", rule.strip_suffix('}').expect("an object"), items.join(","))]
        };
        let tokens: Vec<_> = (0..64).map(|i| format!(r#"{{"token":"{i}"}}"#)).collect();
        let tokens = with("tokens", tokens.iter().map(String::as_str).collect());
        let limits: Vec<_> = (1..9).map(|i| format!(r#"{{"seconds":{i},"amount":"1"}}"#)).collect();
        let limits = with("limits", limits.iter().map(String::as_str).collect());
        let hash = "0".repeat(64);
        let field = r#"{"path":"a","max":"1"}"#;
        let fields = vec![field; 16].join(",");
        let typed = format!(r#"{{"verifying_contract":null,"type_hash":"0x{hash}","fields":[{fields}]}}"#);
        let typed = with("typed_data", vec![&typed; 32]);
        let names = with("messages", vec!["\"a\"", "\"b\""]);
        let richer = [bare, tokens, limits, typed, names];
        for rules in [vec![], everyone, one_each, many_short, many_addresses, many_chains].into_iter().chain(richer) {
            let rules: Vec<String> = rules;
            let json = format!("{{\"version\":1,\"rules\":[{}]}}", rules.join(","));
            let read = read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read.len(), rules.len());
            let memory = memory(&read);
            assert!(memory <= 8 * json.len(), "{memory} bytes of memory for {} bytes of {json:.200}", json.len());
        }
    }

    fn rule(name: &str, effect: &str, chains: &str, destinations: &str) -> String {
        format!(r#"{{"name":"{name}","effect":"{effect}","chains":["{chains}"],"destinations":["{destinations}"]}}"#)
    }

    fn memory(rules: &[Rule]) -> usize {
        let heap = |rule: &Rule| {
            let chains = match &rule.chains {
                Chains::All => 0,
                Chains::Listed(set) => set.heap_len() + 2 * ALLOCATION,
            };
            let destinations = match &rule.destinations {
                Destinations::All => 0,
                Destinations::Listed(listed) => listed.heap_len() + 3 * ALLOCATION,
            };
            let permissions = rule.permissions().map_or(0, |it| it.memory(ALLOCATION) + ALLOCATION);
            rule.name.len() + ALLOCATION + chains + destinations + permissions
        };
        size_of_val(rules) + ALLOCATION + rules.iter().map(heap).sum::<usize>()
    }
}
