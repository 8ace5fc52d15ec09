//! What a request looks like to a policy.

use std::collections::BTreeMap;

use crate::action::EncryptionContext;
use crate::key_arn::KeyArn;
use crate::sim::key_spec::{KeySpec, KeyUsage};
use crate::sim::principal::Principal;

/// What a policy can look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestContext<'a> {
    pub(crate) caller: &'a Principal,
    /// With its prefix, for example `kms:Decrypt`.
    pub(crate) action: &'a str,
    pub(crate) resource: Resource<'a>,
    /// Of the key that is used, or that CreateKey is to make.
    pub(crate) key_properties: Option<KeyProperties>,
    pub(crate) encryption_context: &'a EncryptionContext,
    /// The PCRs of a verified attestation document; `None` if the request has no Recipient.
    pub(crate) pcrs: Option<&'a BTreeMap<u8, Vec<u8>>>,
    /// The alias by which the request names the key, without account and region.
    pub(crate) request_alias: Option<&'a str>,
    pub(crate) encryption_algorithm: Option<&'a str>,
    pub(crate) data_key_pair_spec: Option<&'a str>,
    pub(crate) key_agreement_algorithm: Option<&'a str>,
    /// The request parameter of that name, if it was said.
    pub(crate) bypass_policy_lockout_safety_check: Option<bool>,
}

impl<'a> RequestContext<'a> {
    /// A request that says nothing but who wants to do what.
    pub(crate) fn new(caller: &'a Principal, action: &'a str, resource: Resource<'a>) -> Self {
        static NO_CONTEXT: EncryptionContext = EncryptionContext::new();
        Self {
            caller,
            action,
            resource,
            key_properties: None,
            encryption_context: &NO_CONTEXT,
            pcrs: None,
            request_alias: None,
            encryption_algorithm: None,
            data_key_pair_spec: None,
            key_agreement_algorithm: None,
            bypass_policy_lockout_safety_check: None,
        }
    }
}

/// What a request wants to act upon.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    Key {
        arn: &'a KeyArn,
        aliases: &'a [String],
    },
    Alias {
        arn: &'a str,
    },
    /// Neither key nor alias: policies write `*`.
    None,
}

impl<'a> Resource<'a> {
    /// As `Resource` elements name it.
    pub(crate) fn as_str(&self) -> &'a str {
        match self {
            Self::Key { arn, .. } => arn.as_str(),
            Self::Alias { arn } => arn,
            Self::None => "*",
        }
    }
}

/// What condition keys tell of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyProperties {
    pub(crate) spec: KeySpec,
    pub(crate) usage: KeyUsage,
    pub(crate) is_multi_region: bool,
}
