//! GetPublicKey.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fields::{check_grant_tokens, to_base64};
use super::{Action, Call, reply};
use crate::sim::fault::Fault;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GetPublicKey {
    grant_tokens: Option<Vec<String>>,
    key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    customer_master_key_spec: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    encryption_algorithms: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    key_agreement_algorithms: &'a [&'a str],
    key_id: &'a str,
    key_spec: &'a str,
    key_usage: &'a str,
    public_key: String,
}

impl Action for GetPublicKey {
    const NAME: &'static str = "GetPublicKey";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_grant_tokens(self.grant_tokens.as_deref())?;
        let found = call.find(&self.key_id)?;
        call.authorize(Some(&found.policy), &call.attempt("kms:GetPublicKey", &found))?;
        let spec = found.key.spec;
        let public_key = found.key.public_key_der().ok_or_else(|| {
            Fault::unsupported(format!("{} key spec is {spec} which is not valid for GetPublicKey.", found.key.arn))
        })?;
        reply(&Members {
            customer_master_key_spec: spec.as_str(),
            encryption_algorithms: spec.encryption_algorithms(),
            key_agreement_algorithms: spec.key_agreement_algorithms(),
            key_id: call.key_id(&found),
            key_spec: spec.as_str(),
            key_usage: spec.usage().as_str(),
            public_key: to_base64(public_key),
        })
    }
}
