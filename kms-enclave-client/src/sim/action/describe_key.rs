//! DescribeKey.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fields::{check_grant_tokens, timestamp};
use super::{Action, Call, reply};
use crate::sim::fault::Fault;
use crate::sim::key::Key;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct DescribeKey {
    grant_tokens: Option<Vec<String>>,
    key_id: String,
}

impl Action for DescribeKey {
    const NAME: &'static str = "DescribeKey";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_grant_tokens(self.grant_tokens.as_deref())?;
        let found = call.find(&self.key_id)?;
        call.authorize(Some(&found.policy), &call.attempt("kms:DescribeKey", &found))?;
        reply(&MetadataReply::of(&found.key)?)
    }
}

/// The reply of DescribeKey and CreateKey.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetadataReply<'a> {
    key_metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    #[serde(rename = "AWSAccountId")]
    aws_account_id: &'a str,
    arn: &'a str,
    creation_date: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_key_material_id: Option<&'a str>,
    customer_master_key_spec: &'a str,
    description: &'a str,
    enabled: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    encryption_algorithms: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    key_agreement_algorithms: &'a [&'a str],
    key_id: &'a str,
    key_manager: &'a str,
    key_spec: &'a str,
    key_state: &'a str,
    key_usage: &'a str,
    multi_region: bool,
    origin: &'a str,
}

impl<'a> MetadataReply<'a> {
    pub(super) fn of(key: &'a Key) -> Result<Self, Fault> {
        let key_metadata = Metadata {
            aws_account_id: key.arn.account(),
            arn: key.arn.as_str(),
            creation_date: timestamp(key.created_at)?,
            current_key_material_id: key.material_id(),
            customer_master_key_spec: key.spec.as_str(),
            description: &key.description,
            enabled: true,
            encryption_algorithms: key.spec.encryption_algorithms(),
            key_agreement_algorithms: key.spec.key_agreement_algorithms(),
            key_id: key.arn.key_id(),
            key_manager: "CUSTOMER",
            key_spec: key.spec.as_str(),
            key_state: "Enabled",
            key_usage: key.spec.usage().as_str(),
            multi_region: false,
            origin: "AWS_KMS",
        };
        Ok(Self { key_metadata })
    }
}
