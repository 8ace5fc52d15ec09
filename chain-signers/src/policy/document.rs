//! Reading the document: bounded, exact, and with an error that names the place.

use std::collections::{BTreeSet, HashSet};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    PolicyError,
    destination::{Destination, Destinations, Listed},
    text_set::TextSet,
};
use crate::{
    ChainId,
    error::excerpt,
    strict_json::{List, Object, ObjectError},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) name: Box<str>,
    pub(super) chains: Chains,
    pub(super) destinations: Destinations,
    pub(super) effect: Effect,
}

impl Rule {
    /// The namespace of its chains, unless it is for all.
    pub(super) fn namespace(&self) -> Option<&str> {
        match &self.chains {
            Chains::All => None,
            Chains::Listed(chains) => chains.first()?.split_once(':').map(|(namespace, _)| namespace),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow { calls: bool, contract_creation: bool },
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chains {
    All,
    /// At least one, all of one namespace.
    Listed(TextSet),
}

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
    let mut room = MAX_DESTINATIONS_IN_ALL;
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
    let object = place.object(raw, &["name", "effect", "chains", "destinations", "calls", "contract_creation"])?;
    let name: String = place.required(&object, "name", "a text")?;
    if !is_name(&name) {
        return Err(place.invalid("name", "1 to 64 letters, digits, spaces or any of _ . -", &name));
    }
    let place = Place(format!("rule {} ({name})", index + 1));
    let effect = read_effect(&place, &object)?;
    let (chains, namespace) = read_chains(&place, &object, effect)?;
    let destinations = read_destinations(&place, &object, namespace.as_deref(), room)?;
    let creates = matches!(effect, Effect::Allow { contract_creation: true, .. });
    if !creates && matches!(&destinations, Destinations::Listed(listed) if listed.is_empty()) {
        return Err(place.invalid("destinations", "at least one, or the rule matches nothing", "[]"));
    }
    if destinations == Destinations::All && matches!(effect, Effect::Allow { calls: true, .. }) {
        return Err(place.invalid("calls", "destinations by name, since * permits no call", "true"));
    }
    Ok(Rule { name: name.into(), chains, destinations, effect })
}

fn read_effect(place: &Place, object: &Object<'_>) -> Result<Effect, PolicyError> {
    let effect: String = place.required(object, "effect", "allow or deny")?;
    let calls: Option<bool> = place.optional(object, "calls", "true or false")?;
    let contract_creation: Option<bool> = place.optional(object, "contract_creation", "true or false")?;
    match effect.as_str() {
        "allow" => {
            Ok(Effect::Allow { calls: calls.unwrap_or(false), contract_creation: contract_creation.unwrap_or(false) })
        }
        // A deny rule always covers calls and creation; a flag there could only be misread as an exception.
        "deny" if calls.is_some() => Err(place.malformed("calls has no meaning in a deny rule")),
        "deny" if contract_creation.is_some() => {
            Err(place.malformed("contract_creation has no meaning in a deny rule"))
        }
        "deny" => Ok(Effect::Deny),
        other => Err(place.invalid("effect", "allow or deny", other)),
    }
}

fn read_chains(place: &Place, object: &Object<'_>, effect: Effect) -> Result<(Chains, Option<String>), PolicyError> {
    let texts: List<String, MAX_CHAINS> = place.required(object, "chains", "a list of CAIP-2 chain ids")?;
    place.bound("chains", texts.len, MAX_CHAINS)?;
    let texts = texts.items;
    if texts == ["*"] {
        return match effect {
            Effect::Deny => Ok((Chains::All, None)),
            Effect::Allow { .. } => Err(place.invalid("chains", "chains by name in an allow rule", "*")),
        };
    }
    let parse = |text: &String| text.parse().map_err(|error| place.invalid("chains", format!("{error}"), text));
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
    *room = room.checked_sub(texts.len).ok_or_else(|| {
        let (what, len) = ("destinations in all rules so far", MAX_DESTINATIONS_IN_ALL - *room + texts.len);
        PolicyError::TooLong { place: place.0.clone(), what, len, max: MAX_DESTINATIONS_IN_ALL }
    })?;
    let mut destinations = BTreeSet::new();
    for text in &texts.items {
        let destination =
            Destination::parse(text, namespace).map_err(|expected| place.invalid("destinations", expected, text))?;
        if !destinations.insert(destination) {
            return Err(place.invalid("destinations", "every address once", text));
        }
    }
    Listed::new(&destinations).map(Destinations::Listed).ok_or_else(|| place.malformed(TOO_MUCH_TEXT))
}

/// Where in the document something is wrong.
struct Place(String);

impl Place {
    fn object<'a>(&self, text: &'a str, known: &[&str]) -> Result<Object<'a>, PolicyError> {
        Object::parse(text, known).map_err(|error| match error {
            ObjectError::Duplicate(key) => self.malformed(&format!("key {key} occurs twice")),
            ObjectError::Malformed(reason) => self.malformed(&reason),
            ObjectError::Unknown(key) => self.malformed(&format!("unknown key {key}")),
        })
    }

    fn required<T: DeserializeOwned>(
        &self,
        object: &Object<'_>,
        field: &'static str,
        expected: &'static str,
    ) -> Result<T, PolicyError> {
        self.optional(object, field, expected)?.ok_or_else(|| self.missing(field))
    }

    /// `null` is not absence: only what the field's type accepts is accepted.
    fn optional<T: DeserializeOwned>(
        &self,
        object: &Object<'_>,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, PolicyError> {
        let parse = |raw| serde_json::from_str(raw).map_err(|_| self.invalid(field, expected, raw));
        object.get(field).map(parse).transpose()
    }

    fn bound(&self, what: &'static str, len: usize, max: usize) -> Result<(), PolicyError> {
        if len <= max { Ok(()) } else { Err(PolicyError::TooLong { place: self.0.clone(), what, len, max }) }
    }

    fn invalid(
        &self,
        field: &'static str,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        actual: &str,
    ) -> PolicyError {
        PolicyError::Invalid { place: self.0.clone(), field, expected: expected.into(), actual: excerpt(actual) }
    }

    fn malformed(&self, reason: &str) -> PolicyError {
        PolicyError::Malformed { place: self.0.clone(), reason: excerpt(reason) }
    }

    fn missing(&self, field: &'static str) -> PolicyError {
        PolicyError::Missing { place: self.0.clone(), field }
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b' ' | b'_' | b'.' | b'-'))
}

/// Half of what a sealed record may hold.
const MAX_POLICY_LEN: usize = 32 * 1024;
const MAX_RULES: usize = 128;
const MAX_CHAINS: usize = 32;
const MAX_DESTINATIONS: usize = 512;
const MAX_DESTINATIONS_IN_ALL: usize = 1024;
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
        for rules in [vec![], everyone, one_each, many_short, many_addresses, many_chains] {
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
            rule.name.len() + ALLOCATION + chains + destinations
        };
        size_of_val(rules) + ALLOCATION + rules.iter().map(heap).sum::<usize>()
    }
}
