//! `expect.toml`: what must become of a document, in words that are the same each time the cases are made.

use std::fmt;

use nsm_attest::{Error, UnixTime, UnverifiedDocument};
use toml_edit::DocumentMut;

use super::{Demands, NOW, fingerprint};

/// What `expect.toml` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Expectation {
    pub outcome: Outcome,
    pub why: String,
    pub time: UnixTime,
    /// Whether the case's own `anchor.der` is trusted instead of the simulated root.
    pub anchor: bool,
    pub demands: Demands,
}

/// Accepted, or by which of its variants, with its fields, the error says no.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub kind: String,
    pub error: Option<String>,
}

impl Expectation {
    pub fn from_toml(text: &str) -> Self {
        let document: DocumentMut = text.parse().unwrap();
        let known = ["outcome", "error", "why", "time", "anchor", "policy"];
        assert!(document.iter().all(|(name, _)| known.contains(&name)), "unknown key in {text}");
        let text = |name: &str| document.get(name).map(|item| item.as_str().unwrap().to_owned());
        Self {
            outcome: Outcome { kind: text("outcome").unwrap(), error: text("error") },
            why: text("why").unwrap(),
            time: text("time").map_or(NOW, |time| time.parse().unwrap()),
            anchor: document.get("anchor").is_some_and(|item| item.as_bool().unwrap()),
            demands: Demands::from_toml(document.get("policy").map(|item| item.as_table().unwrap())),
        }
    }
}

impl fmt::Display for Expectation {
    /// As TOML, in the kind of string that needs no escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let literal = |text: &str| {
            let quote = if text.contains(['"', '\\']) { '\'' } else { '"' };
            assert!(!text.contains([quote, '\n']), "{text} needs escapes");
            format!("{quote}{text}{quote}")
        };
        writeln!(f, "outcome = {}", literal(&self.outcome.kind))?;
        if let Some(error) = &self.outcome.error {
            writeln!(f, "error = {}", literal(error))?;
        }
        writeln!(f, "why = {}", literal(&self.why))?;
        if self.time != NOW {
            writeln!(f, "time = {}", literal(&self.time.to_string()))?;
        }
        if self.anchor {
            writeln!(f, "anchor = true")?;
        }
        f.write_str(&self.demands.to_toml())
    }
}

/// An outcome in words. The only parts that differ whenever the cases are made are the fingerprints of roots: `ANCHOR`
/// stands for that of the trusted one, `ROOT` for that of the document's.
pub fn describe(outcome: &Result<(), Error>, anchor: &[u8], document: &[u8]) -> Outcome {
    let (kind, error) = match outcome {
        Ok(()) => ("accepted", None),
        Err(Error::Malformed(malformed)) => ("malformed", Some(format!("{malformed:?}"))),
        Err(Error::Rejected(rejection)) => ("rejected", Some(format!("{rejection:?}"))),
        Err(error) => ("another", Some(format!("{error:?}"))),
    };
    let error = error.map(|error| {
        let error = error.replace(&fingerprint(anchor), "ANCHOR");
        match UnverifiedDocument::from_bytes(document) {
            Ok(document) => error.replace(&fingerprint(&document.unverified().cabundle[0]), "ROOT"),
            Err(_) => error,
        }
    });
    Outcome { kind: kind.to_owned(), error }
}
