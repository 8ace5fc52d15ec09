//! The names of KMS's actions, and patterns of them.

use super::PolicyError;
use super::document::PolicyKind;
use super::pattern::Pattern;

/// `Action` or `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actions {
    patterns: Vec<Pattern>,
    /// `NotAction` "matches everything except the specified list of actions":
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html>.
    is_negated: bool,
}

impl Actions {
    pub(super) fn parse(texts: &[&str], is_negated: bool, kind: PolicyKind<'_>) -> Result<Self, PolicyError> {
        let patterns = texts.iter().map(|text| pattern(text, kind)).collect::<Result<_, _>>()?;
        Ok(Self { patterns, is_negated })
    }

    /// Whether an action, with its prefix, is meant. IAM ignores the case of action names.
    pub(super) fn include(&self, action: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches_ignoring_case(action)) != self.is_negated
    }
}

/// Reads one pattern: a service without wildcard, then the name of an action with or without.
fn pattern(text: &str, kind: PolicyKind<'_>) -> Result<Pattern, PolicyError> {
    let pattern = Pattern::new(text);
    let is_known = match text.split_once(':') {
        None => text == "*",
        Some((service, name)) if service.eq_ignore_ascii_case("kms") => {
            let name = Pattern::new(name);
            ACTIONS.iter().any(|action| name.matches_ignoring_case(action))
        }
        // Actions of other services never match here, but a role's policy has them.
        Some((service, name)) => matches!(kind, PolicyKind::Identity) && is_service(service) && !name.is_empty(),
    };
    if is_known { Ok(pattern) } else { Err(PolicyError::UnknownAction { action: text.to_owned() }) }
}

/// Whether an action with its prefix, say `kms:Decrypt`, is one of KMS.
pub(super) fn is_action(action: &str) -> bool {
    action.strip_prefix("kms:").is_some_and(|name| ACTIONS.contains(&name))
}

fn is_service(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The actions that a policy may name, simulated or not: those of
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html>.
const ACTIONS: [&str; 58] = [
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateAlias",
    "CreateCustomKeyStore",
    "CreateGrant",
    "CreateKey",
    "Decapsulate",
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
    "Encapsulate",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetKeyLastUsage",
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
    "ListRetirableGrants",
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
