//! GetKeyPolicy.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fields::check_policy_name;
use super::{Action, Call, reply};
use crate::sim::fault::Fault;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GetKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    policy: &'a str,
    policy_name: &'static str,
}

impl Action for GetKeyPolicy {
    const NAME: &'static str = "GetKeyPolicy";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_policy_name(self.policy_name.as_deref())?;
        let found = call.service.vault().find_key(&self.key_id, &call.service.place)?;
        call.authorize(Some(&found.policy), &call.attempt("kms:GetKeyPolicy", &found))?;
        reply(&Members { policy: &found.policy.text, policy_name: "default" })
    }
}
