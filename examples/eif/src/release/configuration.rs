//! Looks through a configuration, whatever it configures, for members that no release may have.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::ReleaseRefusal;
use crate::guest_path::GuestPath;

pub(super) fn check(path: &GuestPath, content: &[u8]) -> Result<(), ReleaseRefusal> {
    let unreadable = |detail: String| ReleaseRefusal::UnreadableConfiguration { path: path.clone(), detail };
    if content.len() > MAX_LEN {
        return Err(unreadable(format!("it has {} bytes, more than {MAX_LEN}", content.len())));
    }
    // As an array, a configuration's members have no names: serde reads a structure from either.
    if content.trim_ascii_start().first() != Some(&b'{') {
        return Err(unreadable("it is no object".to_owned()));
    }
    let Finding(finding) = serde_json::from_slice(content).map_err(|error| unreadable(error.to_string()))?;
    match finding {
        None => Ok(()),
        Some(key) if plain(&key).starts_with(DANGER) => Err(ReleaseRefusal::Danger { path: path.clone(), key }),
        Some(key) => Err(ReleaseRefusal::Override { path: path.clone(), key }),
    }
}

fn is_refused(key: &str) -> bool {
    let key = plain(key);
    key.starts_with(DANGER) || OVERRIDES.iter().any(|part| key.contains(part))
}

/// Small letters and digits: `trust_anchor`, `trust-anchor` and `trustAnchor` are the same.
fn plain(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The first member of JSON that is refused.
struct Finding(Option<String>);

/// A value below a member.
struct Below {
    is_null: bool,
    finding: Option<String>,
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Below::deserialize(deserializer).map(|below| Self(below.finding))
    }
}

impl<'de> Deserialize<'de> for Below {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

const HARMLESS: Below = Below { is_null: false, finding: None };

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Below;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Below, E> {
        Ok(Below { is_null: true, finding: None })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Below, E> {
        Ok(HARMLESS)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Below, E> {
        Ok(HARMLESS)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Below, E> {
        Ok(HARMLESS)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Below, E> {
        Ok(HARMLESS)
    }

    fn visit_str<E>(self, _: &str) -> Result<Below, E> {
        Ok(HARMLESS)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Below, A::Error> {
        let mut finding = None;
        while let Some(below) = items.next_element::<Below>()? {
            finding = finding.or(below.finding);
        }
        Ok(Below { is_null: false, finding })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Below, A::Error> {
        let (mut finding, mut names) = (None, std::collections::BTreeSet::new());
        while let Some((name, below)) = members.next_entry::<String, Below>()? {
            // Which of the two counts, only the reader of the configuration knows.
            if names.contains(&name) {
                return Err(A::Error::custom(format!("{name:?} stands twice")));
            }
            let refused = is_refused(&name) && !below.is_null;
            finding = finding.or(refused.then(|| name.clone())).or(below.finding);
            names.insert(name);
        }
        Ok(Below { is_null: false, finding })
    }
}

const DANGER: &str = "danger";
const OVERRIDES: [&str; 5] = ["endpoint", "rootcertificate", "simulat", "tlsroot", "trustanchor"];
/// As the enclave reads its own.
const MAX_LEN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> GuestPath {
        "/etc/signer.json".parse().unwrap()
    }

    fn refusal(json: &str) -> ReleaseRefusal {
        check(&path(), json.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_ordinary_configuration_passes() {
        let json = r#"{"version": 1, "kms": {"region": "us-east-1", "key_arns": ["endpoint"], "relay": "vsock:3:8000"},
            "parent_may": {"sign": false, "x": [1, -1, 1.5, null, true]}, "danger": null, "endpoint": null}"#;
        assert_eq!(check(&path(), json.as_bytes()), Ok(()));
    }

    #[test]
    fn members_that_waive_or_replace_something_are_found_at_any_depth() {
        for key in ["danger", "Danger", "danger_allow_debug", "dangerAllowDebug"] {
            let json = format!(r#"{{"a": [[{{"b": {{"{key}": {{}}}}}}]]}}"#);
            assert_eq!(refusal(&json), ReleaseRefusal::Danger { path: path(), key: key.to_owned() });
        }
        for key in [
            "endpoint",
            "endpoint_url",
            "kms_endpoint",
            "kmsEndpoint",
            "tls_roots",
            "kms_tls_root",
            "trust_anchor",
            "trust-anchors",
            "trustAnchor",
            "root_certificate",
            "nsm_simulated",
        ] {
            let json = format!(r#"{{"a": {{"{key}": ""}}}}"#);
            assert_eq!(refusal(&json), ReleaseRefusal::Override { path: path(), key: key.to_owned() });
        }
        let escaped = r#"{"\u0064anger": false}"#;
        assert_eq!(refusal(escaped), ReleaseRefusal::Danger { path: path(), key: "danger".to_owned() });
    }

    #[test]
    fn what_cannot_be_read_for_certain_is_refused() {
        let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        let long = format!(r#"{{"a": "{}"}}"#, "a".repeat(64 << 10));
        for json in [
            "",
            "{",
            "{} {}",
            "{'a': 1}",
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": {"b": null, "b": null}}"#,
            "[1]",
            "null",
            &deep,
            &long,
        ] {
            assert!(matches!(refusal(json), ReleaseRefusal::UnreadableConfiguration { .. }), "{}", json.len());
        }
        assert!(check(&path(), b"\xff").is_err());
    }
}
