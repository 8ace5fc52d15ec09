//! From JSON to [`Policy`]: every member known, everything required present.

use crate::key_arn::KeyArn;
use crate::sim::fault::Fault;
use crate::sim::json::Json;
use crate::sim::policy::condition::Condition;
use crate::sim::policy::pattern::Pattern;
use crate::sim::principal::{Principal, PrincipalPattern};

/// A key policy that was read completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Vec<PrincipalPattern>,
    pub(crate) actions: Vec<Pattern>,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// Against what a policy is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyScope<'a> {
    pub(crate) key: &'a KeyArn,
    pub(crate) known_principals: &'a [Principal],
}

impl Policy {
    /// Reads a policy document.
    pub(crate) fn parse(text: &str, key: &KeyArn, known_principals: &[Principal]) -> Result<Self, Fault> {
        if text.len() > MAX_POLICY_LEN {
            return Err(Fault::new("LimitExceededException", "the policy is too long"));
        }
        let json: Json = serde_json::from_str(text)
            .map_err(|error| Fault::malformed_policy(format!("not a policy document: {error}")))?;
        let scope = PolicyScope { key, known_principals };
        let mut statements = None;
        let mut has_version = false;
        for (name, value) in members("policy", &json)? {
            match name.as_str() {
                "Version" => {
                    let version = text_of("Version", value)?;
                    if !VERSIONS.contains(&version) {
                        return Err(Fault::malformed_policy(format!("unknown version {version:?}")));
                    }
                    has_version = true;
                }
                "Id" => drop(text_of("Id", value)?),
                "Statement" => statements = Some(statements_of(value, scope)?),
                other => return Err(unknown_member(other)),
            }
        }
        match statements {
            Some(statements) if has_version && !statements.is_empty() => Ok(Self { statements }),
            _ => Err(Fault::malformed_policy("a policy needs Version and at least one Statement")),
        }
    }

    /// What KMS gives a key that was created without policy: the account decides by identity policies.
    pub(crate) fn default_text(key: &KeyArn) -> String {
        let (partition, account) = (key.partition(), key.account());
        format!(
            r#"{{"Version":"2012-10-17","Id":"key-default-1","Statement":[{{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
        )
    }
}

fn statements_of(value: &Json, scope: PolicyScope<'_>) -> Result<Vec<Statement>, Fault> {
    let statements = match value {
        Json::Array(items) => items.iter().map(|item| statement(item, scope)).collect::<Result<Vec<_>, _>>()?,
        single => vec![statement(single, scope)?],
    };
    let mut sids: Vec<&str> = statements.iter().filter_map(|statement| statement.sid.as_deref()).collect();
    sids.sort_unstable();
    if sids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Fault::malformed_policy("two statements have the same Sid"));
    }
    Ok(statements)
}

fn statement(json: &Json, scope: PolicyScope<'_>) -> Result<Statement, Fault> {
    let (mut sid, mut effect, mut principals, mut actions, mut has_resource) = (None, None, None, None, false);
    let mut conditions = Vec::new();
    for (name, value) in members("statement", json)? {
        match name.as_str() {
            "Sid" => sid = Some(text_of("Sid", value)?.to_owned()),
            "Effect" => {
                effect = Some(match text_of("Effect", value)? {
                    "Allow" => Effect::Allow,
                    "Deny" => Effect::Deny,
                    other => return Err(Fault::malformed_policy(format!("unknown effect {other:?}"))),
                });
            }
            "Principal" => principals = Some(principals_of(value, scope)?),
            "Action" => actions = Some(actions_of(value)?),
            "Resource" => {
                check_resource(value, scope.key)?;
                has_resource = true;
            }
            "Condition" => conditions = conditions_of(value)?,
            other => return Err(unknown_member(other)),
        }
    }
    match (effect, principals, actions, has_resource) {
        (Some(effect), Some(principals), Some(actions), true) => {
            Ok(Statement { sid, effect, principals, actions, conditions })
        }
        _ => Err(Fault::malformed_policy("a statement needs Effect, Principal, Action and Resource")),
    }
}

fn principals_of(value: &Json, scope: PolicyScope<'_>) -> Result<Vec<PrincipalPattern>, Fault> {
    let parse = |text: &str| PrincipalPattern::parse(text, scope.key.account(), scope.known_principals);
    if let Json::String(text) = value {
        return match text.as_str() {
            "*" => Ok(vec![PrincipalPattern::Everyone]),
            _ => Err(Fault::malformed_policy("a Principal is \"*\" or an object")),
        };
    }
    match members("Principal", value)? {
        [(kind, value)] if kind == "AWS" => texts_of("Principal", value)?.into_iter().map(parse).collect(),
        _ => Err(Fault::malformed_policy("the simulator knows principals of the kind AWS only")),
    }
}

fn actions_of(value: &Json) -> Result<Vec<Pattern>, Fault> {
    let parse = |text: &str| {
        let pattern = Pattern::new(text);
        // A name that no action has would silently allow or deny nothing.
        if ACTIONS.iter().any(|action| pattern.matches_ignoring_case(&format!("kms:{action}"))) {
            Ok(pattern)
        } else {
            Err(Fault::malformed_policy(format!("{text:?} matches no action of KMS")))
        }
    };
    texts_of("Action", value)?.into_iter().map(parse).collect()
}

/// In a key policy the resource is the key itself, written `*`.
fn check_resource(value: &Json, key: &KeyArn) -> Result<(), Fault> {
    if texts_of("Resource", value)?.into_iter().all(|text| text == "*" || text == key.as_str()) {
        Ok(())
    } else {
        Err(Fault::malformed_policy("the Resource of a key policy is \"*\" or the key's own ARN"))
    }
}

fn conditions_of(value: &Json) -> Result<Vec<Condition>, Fault> {
    let mut conditions = Vec::new();
    for (operator, keys) in members("Condition", value)? {
        for (key, values) in members("Condition operator", keys)? {
            let values = match values {
                Json::Array(items) => items.iter().map(scalar).collect::<Result<Vec<_>, _>>()?,
                single => vec![scalar(single)?],
            };
            conditions.push(Condition::parse(operator, key, &values)?);
        }
    }
    Ok(conditions)
}

fn scalar(json: &Json) -> Result<String, Fault> {
    match json {
        Json::String(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Array(_) | Json::Object(_) => Err(Fault::malformed_policy("a condition's value is a string")),
    }
}

fn members<'a>(what: &str, json: &'a Json) -> Result<&'a [(String, Json)], Fault> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(Fault::malformed_policy(format!("{what} must be an object"))),
    }
}

fn text_of<'a>(what: &str, json: &'a Json) -> Result<&'a str, Fault> {
    match json {
        Json::String(text) => Ok(text),
        _ => Err(Fault::malformed_policy(format!("{what} must be a string"))),
    }
}

fn texts_of<'a>(what: &str, json: &'a Json) -> Result<Vec<&'a str>, Fault> {
    let texts = match json {
        Json::Array(items) => items.iter().map(|item| text_of(what, item)).collect::<Result<Vec<_>, _>>()?,
        single => vec![text_of(what, single)?],
    };
    if texts.is_empty() { Err(Fault::malformed_policy(format!("{what} must not be empty"))) } else { Ok(texts) }
}

fn unknown_member(name: &str) -> Fault {
    Fault::malformed_policy(format!("unknown policy element {name:?}"))
}

/// The longest key policy that KMS takes.
pub(crate) const MAX_POLICY_LEN: usize = 32_768;
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// The actions that a policy may name, simulated or not.
const ACTIONS: [&str; 54] = [
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateAlias",
    "CreateCustomKeyStore",
    "CreateGrant",
    "CreateKey",
    "Decrypt",
    "DeleteAlias",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DescribeCustomKeyStores",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "DisconnectCustomKeyStore",
    "EnableKey",
    "EnableKeyRotation",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListKeys",
    "ListResourceTags",
    "PutKeyPolicy",
    "ReEncryptFrom",
    "ReEncryptTo",
    "ReplicateKey",
    "RetireGrant",
    "RevokeGrant",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "Sign",
    "SynchronizeMultiRegionKey",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateCustomKeyStore",
    "UpdateKeyDescription",
    "UpdatePrimaryRegion",
    "Verify",
    "VerifyMac",
];
