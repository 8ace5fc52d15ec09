//! From JSON to [`Policy`]: every member known, everything required present.

use std::collections::BTreeSet;

use super::PolicyError;
use super::actions::Actions;
use super::condition::Condition;
use super::pattern::Pattern;
use crate::key_arn::KeyArn;
use crate::sim::json::Json;
use crate::sim::principal::{KnownPrincipals, PrincipalPattern};

/// A policy that was read completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(super) statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    /// Whom a key policy means. An identity policy means whoever it is attached to.
    pub(super) principals: Option<Vec<PrincipalPattern>>,
    pub(super) actions: Actions,
    /// What an identity policy is about. A key policy is about its key.
    pub(super) resources: Option<Vec<Pattern>>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// Where a policy is attached, which decides what it may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PolicyKind<'a> {
    Key { key: &'a KeyArn, principals: KnownPrincipals<'a> },
    Identity,
}

impl Policy {
    /// Reads a policy document.
    pub(crate) fn parse(text: &str, kind: PolicyKind<'_>) -> Result<Self, PolicyError> {
        kind.check_text(text)?;
        let json: Json = serde_json::from_str(text)
            .map_err(|error| PolicyError::NotJson { line: error.line(), column: error.column() })?;
        let (mut has_version, mut statements) = (false, None);
        for (name, value) in members("a policy", &json)? {
            match name.as_str() {
                "Version" => {
                    let version = text_of("Version", value)?;
                    if !VERSIONS.contains(&version) {
                        return Err(PolicyError::UnknownVersion { version: version.to_owned() });
                    }
                    has_version = true;
                }
                "Id" => drop(text_of("Id", value)?),
                "Statement" => statements = Some(statements_of(value, kind)?),
                other => return Err(PolicyError::UnknownElement { element: other.to_owned() }),
            }
        }
        match statements {
            _ if !has_version => Err(PolicyError::Missing { element: "Version" }),
            None => Err(PolicyError::Missing { element: "Statement" }),
            Some(statements) if statements.is_empty() => Err(PolicyError::Empty { element: "Statement" }),
            Some(statements) => Ok(Self { statements }),
        }
    }

    /// Of a principal that has no policies.
    pub(crate) fn none() -> Self {
        Self { statements: Vec::new() }
    }

    /// What KMS gives a key that was created without policy: the account decides by identity policies.
    pub(crate) fn default_text(key: &KeyArn) -> String {
        let (partition, account) = (key.partition(), key.account());
        format!(
            r#"{{"Version":"2012-10-17","Id":"key-default-1","Statement":[{{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
        )
    }
}

impl PolicyKind<'_> {
    fn check_text(self, text: &str) -> Result<(), PolicyError> {
        let max = match self {
            Self::Key { .. } => MAX_POLICY_LEN,
            Self::Identity => MAX_IDENTITY_POLICY_LEN,
        };
        if text.len() > max {
            return Err(PolicyError::TooLong { len: text.len(), max });
        }
        // The pattern of the `Policy` parameter in the API reference.
        let is_legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        match text.chars().find(|c| !is_legal(*c)) {
            Some(character) => Err(PolicyError::BadCharacter { character }),
            None => Ok(()),
        }
    }
}

fn statements_of(value: &Json, kind: PolicyKind<'_>) -> Result<Vec<Statement>, PolicyError> {
    let statements = match value {
        Json::Array(items) => items.iter().map(|item| statement(item, kind)).collect::<Result<Vec<_>, _>>()?,
        single => vec![statement(single, kind)?],
    };
    let mut sids = BTreeSet::new();
    match statements.iter().filter_map(|statement| statement.sid.as_ref()).find(|sid| !sids.insert(*sid)) {
        Some(sid) => Err(PolicyError::DuplicateSid { sid: sid.clone() }),
        None => Ok(statements),
    }
}

fn statement(json: &Json, kind: PolicyKind<'_>) -> Result<Statement, PolicyError> {
    let (mut sid, mut effect, mut principals, mut actions, mut resources) = (None, None, None, None, None);
    let mut conditions = Vec::new();
    for (name, value) in members("a statement", json)? {
        match name.as_str() {
            "Sid" => sid = Some(sid_of(value, kind)?),
            "Effect" => effect = Some(effect_of(value)?),
            "Principal" if matches!(kind, PolicyKind::Key { .. }) => principals = Some(principals_of(value, kind)?),
            "Action" | "NotAction" if actions.is_none() => {
                actions = Some(Actions::parse(&texts_of("Action", value)?, name == "NotAction", kind)?);
            }
            "Resource" => resources = Some(resources_of(value, kind)?),
            "Condition" => conditions = conditions_of(value, kind)?,
            // Which principals an exception spares depends on how far up AWS looks (session, role, account), and
            // NotResource on what an action without resource counts as.
            "NotPrincipal" => return Err(PolicyError::Unsupported { element: "NotPrincipal" }),
            "NotResource" => return Err(PolicyError::Unsupported { element: "NotResource" }),
            other => return Err(PolicyError::UnknownElement { element: other.to_owned() }),
        }
    }
    let missing = |element| PolicyError::Missing { element };
    if principals.is_none() && matches!(kind, PolicyKind::Key { .. }) {
        return Err(missing("Principal"));
    }
    Ok(Statement {
        sid,
        effect: effect.ok_or(missing("Effect"))?,
        principals,
        actions: actions.ok_or(missing("Action"))?,
        resources: Some(resources.ok_or(missing("Resource"))?).filter(|_| matches!(kind, PolicyKind::Identity)),
        conditions,
    })
}

fn sid_of(value: &Json, kind: PolicyKind<'_>) -> Result<String, PolicyError> {
    let sid = text_of("Sid", value)?;
    // A key policy's may have spaces, as the default key policy's has.
    if matches!(kind, PolicyKind::Identity) && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(PolicyError::BadSid { sid: sid.to_owned() });
    }
    Ok(sid.to_owned())
}

fn effect_of(value: &Json) -> Result<Effect, PolicyError> {
    match text_of("Effect", value)? {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(PolicyError::UnknownEffect { effect: other.to_owned() }),
    }
}

fn principals_of(value: &Json, kind: PolicyKind<'_>) -> Result<Vec<PrincipalPattern>, PolicyError> {
    let PolicyKind::Key { key, principals } = kind else {
        return Err(PolicyError::UnknownElement { element: "Principal".to_owned() });
    };
    let parse = |text: &str| PrincipalPattern::parse(text, key.account(), principals);
    match value {
        Json::String(text) if text == "*" => Ok(vec![PrincipalPattern::Everyone]),
        Json::String(text) => Err(PolicyError::UnknownPrincipal { principal: text.clone() }),
        _ => match members("Principal", value)? {
            [(kind, value)] if kind == "AWS" => texts_of("Principal", value)?.into_iter().map(parse).collect(),
            _ => Err(PolicyError::Unsupported { element: "principals of another kind than AWS" }),
        },
    }
}

/// In a key policy the resource is the key itself, written `*`.
fn resources_of(value: &Json, kind: PolicyKind<'_>) -> Result<Vec<Pattern>, PolicyError> {
    let texts = texts_of("Resource", value)?;
    if let PolicyKind::Key { key, .. } = kind
        && let Some(other) = texts.iter().find(|text| **text != "*" && **text != key.as_str())
    {
        return Err(PolicyError::ForeignResource { resource: (*other).to_owned() });
    }
    if texts.iter().any(|text| text.contains("${")) {
        return Err(PolicyError::Unsupported { element: "policy variables" });
    }
    // IAM: "must be in ARN format or *".
    let is_arn = |text: &str| text.starts_with("arn:") && text.matches(':').count() >= 5;
    if let Some(other) = texts.iter().find(|text| **text != "*" && !is_arn(text)) {
        return Err(PolicyError::NotAnArn { resource: (*other).to_owned() });
    }
    Ok(texts.into_iter().map(Pattern::new).collect())
}

fn conditions_of(value: &Json, kind: PolicyKind<'_>) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (operator, keys) in members("Condition", value)? {
        let mut seen = BTreeSet::new();
        for (key, values) in members("a condition", keys)? {
            if !seen.insert(key.to_ascii_lowercase()) {
                return Err(PolicyError::DuplicateConditionKey { key: key.clone() });
            }
            let values = match values {
                Json::Array(items) => items.iter().map(scalar).collect::<Result<Vec<_>, _>>()?,
                single => vec![scalar(single)?],
            };
            conditions.push(Condition::parse(operator, key, &values, kind)?);
        }
    }
    Ok(conditions)
}

fn scalar(json: &Json) -> Result<String, PolicyError> {
    match json {
        Json::String(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Array(_) | Json::Object(_) => {
            Err(PolicyError::WrongType { element: "a condition's value", expected: "a string" })
        }
    }
}

fn members<'a>(element: &'static str, json: &'a Json) -> Result<&'a [(String, Json)], PolicyError> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(PolicyError::WrongType { element, expected: "an object" }),
    }
}

fn text_of<'a>(element: &'static str, json: &'a Json) -> Result<&'a str, PolicyError> {
    match json {
        Json::String(text) => Ok(text),
        _ => Err(PolicyError::WrongType { element, expected: "a string" }),
    }
}

fn texts_of<'a>(element: &'static str, json: &'a Json) -> Result<Vec<&'a str>, PolicyError> {
    let texts = match json {
        Json::Array(items) => items.iter().map(|item| text_of(element, item)).collect::<Result<Vec<_>, _>>()?,
        single => vec![text_of(element, single)?],
    };
    if texts.is_empty() { Err(PolicyError::Empty { element }) } else { Ok(texts) }
}

/// The longest key policy that KMS takes:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>.
pub(crate) const MAX_POLICY_LEN: usize = 32_768;
/// All inline policies of a role together: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
const MAX_IDENTITY_POLICY_LEN: usize = 10_240;
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
