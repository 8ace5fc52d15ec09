//! Condition keys: what a policy can look at, and when it is there.
//!
//! Names, types and the operations for which each is present are those of
//! <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-attestation.html> and
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>.

use super::PolicyError;
use super::document::PolicyKind;
use super::request::{RequestContext, Resource};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConditionKey {
    BypassPolicyLockoutSafetyCheck,
    CallerAccount,
    DataKeyPairSpec,
    EncryptionAlgorithm,
    /// The name of an encryption context member, in lower case: IAM compares the names of condition keys so.
    EncryptionContext(String),
    EncryptionContextKeys,
    KeyAgreementAlgorithm,
    KeyOrigin,
    KeySpec,
    KeyUsage,
    MultiRegion,
    Pcr(u8),
    PrincipalAccount,
    PrincipalArn,
    RequestAlias,
    ResourceAliases,
    SecureTransport,
    ViaService,
}

/// What an operator has to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Arn,
    Boolean,
    Text,
}

impl ConditionKey {
    pub(super) fn parse(name: &str, kind: PolicyKind<'_>) -> Result<Self, PolicyError> {
        let key = Self::from_lowercase(&name.to_ascii_lowercase());
        match key.ok_or_else(|| PolicyError::UnknownConditionKey { key: name.to_owned() })? {
            // KMS documents it for identity policies only: what it means in a key policy is not said.
            Self::ResourceAliases if matches!(kind, PolicyKind::Key { .. }) => {
                Err(PolicyError::NotInKeyPolicy { key: name.to_owned() })
            }
            key => Ok(key),
        }
    }

    fn from_lowercase(name: &str) -> Option<Self> {
        Some(match name {
            "aws:principalaccount" => Self::PrincipalAccount,
            "aws:principalarn" => Self::PrincipalArn,
            "aws:securetransport" => Self::SecureTransport,
            "kms:bypasspolicylockoutsafetycheck" => Self::BypassPolicyLockoutSafetyCheck,
            "kms:calleraccount" => Self::CallerAccount,
            "kms:customermasterkeyspec" | "kms:keyspec" => Self::KeySpec,
            "kms:customermasterkeyusage" | "kms:keyusage" => Self::KeyUsage,
            "kms:datakeypairspec" => Self::DataKeyPairSpec,
            "kms:encryptionalgorithm" => Self::EncryptionAlgorithm,
            "kms:encryptioncontextkeys" => Self::EncryptionContextKeys,
            "kms:keyagreementalgorithm" => Self::KeyAgreementAlgorithm,
            "kms:keyorigin" => Self::KeyOrigin,
            "kms:multiregion" => Self::MultiRegion,
            "kms:recipientattestation:imagesha384" => Self::Pcr(0),
            "kms:requestalias" => Self::RequestAlias,
            "kms:resourcealiases" => Self::ResourceAliases,
            "kms:viaservice" => Self::ViaService,
            _ => {
                if let Some(digits) = name.strip_prefix("kms:recipientattestation:pcr") {
                    return pcr_index(digits).map(Self::Pcr);
                }
                let member = name.strip_prefix("kms:encryptioncontext:").filter(|member| !member.is_empty())?;
                Self::EncryptionContext(member.to_owned())
            }
        })
    }

    pub(super) fn value_type(&self) -> ValueType {
        match self {
            Self::BypassPolicyLockoutSafetyCheck | Self::MultiRegion | Self::SecureTransport => ValueType::Boolean,
            Self::PrincipalArn => ValueType::Arn,
            _ => ValueType::Text,
        }
    }

    /// Whether a request may have several values under this key.
    pub(super) fn is_multivalued(&self) -> bool {
        matches!(self, Self::EncryptionContextKeys | Self::ResourceAliases)
    }

    /// The request's values under this key: none if the key is absent from it.
    pub(super) fn values(&self, request: &RequestContext<'_>) -> Vec<String> {
        match self {
            Self::EncryptionContextKeys => request.encryption_context.keys().cloned().collect(),
            Self::ResourceAliases => match request.resource {
                Resource::Key { aliases, .. } => aliases.to_vec(),
                Resource::Alias { .. } | Resource::None => Vec::new(),
            },
            _ => self.value(request).into_iter().collect(),
        }
    }

    fn value(&self, request: &RequestContext<'_>) -> Option<String> {
        // "You can't use condition keys in a policy statement where the resource is an alias":
        // https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
        let properties = request.key_properties.as_ref();
        match self {
            Self::BypassPolicyLockoutSafetyCheck => request.bypass_policy_lockout_safety_check.map(|is| is.to_string()),
            Self::CallerAccount => {
                matches!(request.resource, Resource::Key { .. }).then(|| request.caller.account.clone())
            }
            Self::DataKeyPairSpec => request.data_key_pair_spec.map(str::to_owned),
            Self::EncryptionAlgorithm => request.encryption_algorithm.map(str::to_owned),
            Self::EncryptionContext(name) => request
                .encryption_context
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone()),
            Self::KeyAgreementAlgorithm => request.key_agreement_algorithm.map(str::to_owned),
            Self::KeyOrigin => properties.map(|_| "AWS_KMS".to_owned()),
            Self::KeySpec => properties.map(|properties| properties.spec.as_str().to_owned()),
            Self::KeyUsage => properties.map(|properties| properties.usage.as_str().to_owned()),
            Self::MultiRegion => properties.map(|properties| properties.is_multi_region.to_string()),
            Self::Pcr(index) => request.pcrs.and_then(|pcrs| pcrs.get(index)).map(hex::encode),
            Self::PrincipalAccount => Some(request.caller.account.clone()),
            Self::PrincipalArn => Some(request.caller.policy_arn.clone()),
            Self::RequestAlias => request.request_alias.map(str::to_owned),
            Self::SecureTransport => Some("true".to_owned()),
            // No service of AWS calls the simulator on anybody's behalf.
            Self::ViaService | Self::EncryptionContextKeys | Self::ResourceAliases => None,
        }
    }
}

/// 0 to 31 without leading zeros.
fn pcr_index(digits: &str) -> Option<u8> {
    let index: u8 = digits.parse().ok()?;
    (index < 32 && index.to_string() == digits).then_some(index)
}
