//! [`KeyPolicy`]: a key policy by itself, asked about requests that nobody has sent.

use std::collections::BTreeMap;

use nsm_attest::{PcrIndex, PcrValue};

use super::actions::is_action;
use super::request::{KeyProperties, RequestContext, Resource};
use super::{Opinion, Policy, PolicyError, PolicyKind};
use crate::action::EncryptionContext;
use crate::key_arn::KeyArn;
use crate::sim::key_spec::KeySpec;
use crate::sim::principal::{KnownPrincipals, Principal};

/// A key policy, read as strictly as the simulator reads it, and its answer to any request, without a simulator.
///
/// Principals are only held to the form of one: who exists in an account, a policy cannot tell. For the rest whatever the
/// simulator does not know is refused, so that no condition is silently taken for fulfilled.
///
/// ```
/// use kms_enclave_client::sim::{KeyPolicy, PolicyRequest, PolicyVerdict};
/// use nsm_attest::{PcrIndex, PcrValue};
///
/// let key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
/// let image: PcrValue = "5c".repeat(48).parse()?;
/// let policy = KeyPolicy::parse(
///     &format!(
///         r#"{{
///         "Version": "2012-10-17",
///         "Statement": [
///           {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::111122223333:role/parent"}},
///             "Action": "kms:Decrypt", "Resource": "*"}},
///           {{"Sid": "OnlyTheImage", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
///             "Condition": {{"StringNotEqualsIgnoreCase": {{
///               "kms:RecipientAttestation:ImageSha384": "{image}"}}}}}}
///         ]}}"#
///     ),
///     &key,
/// )?;
///
/// let session = "arn:aws:sts::111122223333:assumed-role/parent/i-0123456789abcdef0";
/// let without_attestation = PolicyRequest::new(session, "kms:Decrypt")?;
/// let denied = PolicyVerdict::Denied { sid: Some("OnlyTheImage".to_owned()) };
/// assert_eq!(policy.evaluate(&without_attestation), denied);
///
/// let attested = without_attestation.pcr(PcrIndex::IMAGE, image);
/// assert_eq!(policy.evaluate(&attested), PolicyVerdict::Allowed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    key: KeyArn,
    policy: Policy,
}

impl KeyPolicy {
    /// Reads the policy of `key`.
    ///
    /// # Errors
    /// [`PolicyError`] names what is wrong with it, or what the simulator does not evaluate.
    pub fn parse(text: &str, key: &KeyArn) -> Result<Self, PolicyError> {
        let policy = Policy::parse(text, PolicyKind::Key { key, principals: KnownPrincipals::Any })?;
        Ok(Self { key: key.clone(), policy })
    }

    /// What KMS gives a key that is created without policy: its account decides by identity policies.
    #[must_use]
    pub fn default_text(key: &KeyArn) -> String {
        Policy::default_text(key)
    }

    /// The key that the policy is for.
    #[must_use]
    pub fn key(&self) -> &KeyArn {
        &self.key
    }

    /// What the policy says of `request`.
    #[must_use]
    pub fn evaluate(&self, request: &PolicyRequest) -> PolicyVerdict {
        let opinion = self.policy.opinion(&request.context(&self.key));
        match opinion {
            Opinion::Denies { sid } => PolicyVerdict::Denied { sid: sid.map(str::to_owned) },
            Opinion::Silent => PolicyVerdict::NotAllowed,
            Opinion::Delegates => PolicyVerdict::LeftToIdentityPolicies,
            // "Access across accounts needs both policies", but for a root user, who needs no other:
            // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
            Opinion::Allows if request.caller.account != self.key.account() && !request.caller.is_root => {
                PolicyVerdict::LeftToIdentityPolicies
            }
            Opinion::Allows => PolicyVerdict::Allowed,
        }
    }
}

/// What a [`KeyPolicy`] says of a request.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyVerdict {
    /// A statement allows it to this caller. Only a Deny in an identity policy could still be in its way.
    Allowed,
    /// A statement denies it, whatever other policies say.
    Denied {
        /// The statement's `Sid`, if it has one.
        sid: Option<String>,
    },
    /// It is allowed if an identity policy of the caller allows it: a statement names the caller's account, or the caller
    /// is of another account than the key.
    LeftToIdentityPolicies,
    /// No statement allows it: it is refused whatever identity policies say.
    NotAllowed,
}

/// A request as a key policy sees it. Parameters that the action does not have are left out of account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRequest {
    caller: Principal,
    action: String,
    encryption_context: EncryptionContext,
    pcrs: Option<BTreeMap<u8, Vec<u8>>>,
    key_spec: KeySpec,
    request_alias: Option<String>,
    encryption_algorithm: String,
    data_key_pair_spec: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
}

impl PolicyRequest {
    /// A request of `principal_arn` (`arn:aws:iam::<account>:root`, `…:user/<name>`, `…:role/<name>`, or
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`) for `action`, say `kms:Decrypt`: on a symmetric key named by
    /// its ARN, without encryption context and without attestation document.
    ///
    /// # Errors
    /// [`PolicyRequestError`] if one of them is not known, or the action is not one on a key.
    pub fn new(principal_arn: &str, action: &str) -> Result<Self, PolicyRequestError> {
        let caller = Principal::from_arn(principal_arn)
            .ok_or_else(|| PolicyRequestError::UnknownPrincipal { principal_arn: principal_arn.to_owned() })?;
        if !is_action(action) {
            return Err(PolicyRequestError::UnknownAction { action: action.to_owned() });
        }
        if WITHOUT_KEY.contains(&action) {
            return Err(PolicyRequestError::ActionWithoutKey { action: action.to_owned() });
        }
        Ok(Self {
            caller,
            action: action.to_owned(),
            encryption_context: EncryptionContext::new(),
            pcrs: None,
            key_spec: KeySpec::default(),
            request_alias: None,
            encryption_algorithm: KeySpec::SymmetricDefault.as_str().to_owned(),
            data_key_pair_spec: None,
            bypass_policy_lockout_safety_check: None,
        })
    }

    /// With this encryption context.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.encryption_context = context;
        self
    }

    /// With a Recipient whose verified attestation document has this value in this PCR, and any given before.
    #[must_use]
    pub fn pcr(mut self, index: PcrIndex, value: PcrValue) -> Self {
        self.pcrs.get_or_insert_default().insert(index.into(), value.as_bytes().to_vec());
        self
    }

    /// On a key of this kind, used for what the simulator uses such keys for.
    #[must_use]
    pub fn key_spec(mut self, spec: KeySpec) -> Self {
        self.key_spec = spec;
        self
    }

    /// Naming the key by this alias, say `alias/wallet`.
    #[must_use]
    pub fn request_alias(mut self, alias: impl Into<String>) -> Self {
        self.request_alias = Some(alias.into());
        self
    }

    /// With this encryption algorithm, say `RSAES_OAEP_SHA_256`; `SYMMETRIC_DEFAULT` by default.
    #[must_use]
    pub fn encryption_algorithm(mut self, algorithm: impl Into<String>) -> Self {
        self.encryption_algorithm = algorithm.into();
        self
    }

    /// For a data key pair of this kind, say `ECC_NIST_P256`.
    #[must_use]
    pub fn data_key_pair_spec(mut self, spec: impl Into<String>) -> Self {
        self.data_key_pair_spec = Some(spec.into());
        self
    }

    /// Saying whether to bypass the check that the new key policy can still be changed.
    #[must_use]
    pub fn bypass_policy_lockout_safety_check(mut self, bypass: bool) -> Self {
        self.bypass_policy_lockout_safety_check = Some(bypass);
        self
    }

    /// What of this the documentation of condition keys says is there for the action.
    fn context<'a>(&'a self, key: &'a KeyArn) -> RequestContext<'a> {
        let action = self.action.as_str();
        let encrypts = ENCRYPTION.contains(&action);
        let properties = KeyProperties {
            spec: self.key_spec,
            usage: self.key_spec.usage(),
            is_multi_region: key.key_id().starts_with("mrk-"),
        };
        let mut context = RequestContext::new(&self.caller, action, Resource::Key { arn: key, aliases: &[] });
        context.key_properties = Some(properties);
        if encrypts || action == "kms:CreateGrant" {
            context.encryption_context = &self.encryption_context;
        }
        if RECIPIENT.contains(&action) {
            context.pcrs = self.pcrs.as_ref();
        }
        if !ALIAS.contains(&action) {
            context.request_alias = self.request_alias.as_deref();
        }
        context.encryption_algorithm = encrypts.then_some(self.encryption_algorithm.as_str());
        if DATA_KEY_PAIR.contains(&action) {
            context.data_key_pair_spec = self.data_key_pair_spec.as_deref();
        }
        context.key_agreement_algorithm = (action == "kms:DeriveSharedSecret").then_some("ECDH");
        if action == "kms:PutKeyPolicy" {
            context.bypass_policy_lockout_safety_check = self.bypass_policy_lockout_safety_check;
        }
        context
    }
}

/// Why a [`PolicyRequest`] cannot be described.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRequestError {
    /// The action is not one on a key: no key policy is asked about it.
    #[error("no key policy is asked about {action}")]
    ActionWithoutKey {
        /// The action.
        action: String,
    },
    /// KMS has no such action.
    #[error("{action:?} is not an action of KMS")]
    UnknownAction {
        /// The action.
        action: String,
    },
    /// The ARN is not that of a root user, a user, a role or a role's session.
    #[error("{principal_arn:?} is not a principal")]
    UnknownPrincipal {
        /// The ARN.
        principal_arn: String,
    },
}

const ENCRYPTION: [&str; 8] = [
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];
const RECIPIENT: [&str; 4] =
    ["kms:Decrypt", "kms:DeriveSharedSecret", "kms:GenerateDataKey", "kms:GenerateDataKeyPair"];
const DATA_KEY_PAIR: [&str; 2] = ["kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"];
const ALIAS: [&str; 3] = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"];
const WITHOUT_KEY: [&str; 10] = [
    "kms:ConnectCustomKeyStore",
    "kms:CreateCustomKeyStore",
    "kms:CreateKey",
    "kms:DeleteCustomKeyStore",
    "kms:DescribeCustomKeyStores",
    "kms:DisconnectCustomKeyStore",
    "kms:GenerateRandom",
    "kms:ListAliases",
    "kms:ListKeys",
    "kms:UpdateCustomKeyStore",
];
