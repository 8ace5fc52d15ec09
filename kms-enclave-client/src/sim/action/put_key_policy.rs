//! PutKeyPolicy.

use bytes::Bytes;
use serde::Deserialize;

use super::fields::check_policy_name;
use super::{Action, Call, NOTHING};
use crate::sim::fault::Fault;
use crate::sim::policy::RequestContext;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct PutKeyPolicy {
    bypass_policy_lockout_safety_check: Option<bool>,
    key_id: String,
    policy: String,
    policy_name: Option<String>,
}

impl Action for PutKeyPolicy {
    const NAME: &'static str = "PutKeyPolicy";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_policy_name(self.policy_name.as_deref())?;
        // Administration is rare: nobody changes anything between the permission and the change.
        let mut vault = call.service.vault_mut();
        let found = vault.find_key(&self.key_id, &call.service.place)?;
        let attempt = RequestContext {
            bypass_policy_lockout_safety_check: self.bypass_policy_lockout_safety_check,
            ..call.attempt("kms:PutKeyPolicy", &found)
        };
        call.authorize(Some(&found.policy), &attempt)?;
        let bypass = self.bypass_policy_lockout_safety_check.unwrap_or(false);
        let next = call.attempt("kms:PutKeyPolicy", &found);
        let next = Some(&next).filter(|_| !bypass);
        let policy = call.service.checked_policy(self.policy, &found.key.arn, call.caller, next)?;
        vault.set_policy(found.key.arn.key_id(), policy)?;
        Ok(NOTHING)
    }
}
