//! CreateAlias, and what the actions on aliases share.
//!
//! They need the permission "on the alias (IAM policy)" and "on the KMS key (key policy)":
//! <https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html>.

use bytes::Bytes;
use serde::Deserialize;

use super::{Action, Call, NOTHING};
use crate::sim::fault::Fault;
use crate::sim::policy::{RequestContext, Resource};
use crate::sim::vault::{ALIAS_PREFIX, Alias, Found};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CreateAlias {
    alias_name: String,
    target_key_id: String,
}

impl Action for CreateAlias {
    const NAME: &'static str = "CreateAlias";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_alias_name(&self.alias_name)?;
        authorize_on_alias(call, "kms:CreateAlias", &self.alias_name)?;
        let place = &call.service.place;
        // Nobody changes anything between the permission and the change.
        let mut vault = call.service.vault_mut();
        let found = vault.find_key(&self.target_key_id, place)?;
        authorize_on_key(call, "kms:CreateAlias", &found)?;
        let key_id = found.key.arn.key_id().to_owned();
        let alias = Alias { name: self.alias_name, key_id, created_at: call.now, updated_at: call.now };
        vault.create_alias(alias, place)?;
        Ok(NOTHING)
    }
}

/// "It can contain only alphanumeric characters, forward slashes, underscores and dashes. The alias name cannot begin with
/// alias/aws/": <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html>.
pub(super) fn check_alias_name(name: &str) -> Result<(), Fault> {
    let Some(rest) = name.strip_prefix(ALIAS_PREFIX).filter(|rest| !rest.is_empty()) else {
        return Err(Fault::validation("Invalid identifier"));
    };
    if rest.starts_with("aws/") {
        return Err(Fault::new("NotAuthorizedException", ""));
    }
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    if name.len() > MAX_ALIAS_NAME_LEN || !rest.bytes().all(is_legal) {
        return Err(Fault::new("InvalidAliasNameException", "the name is too long or has other characters"));
    }
    Ok(())
}

pub(super) fn authorize_on_alias(call: &Call<'_>, permission: &str, name: &str) -> Result<(), Fault> {
    let arn = call.service.place.arn(name);
    call.authorize(None, &call.attempt_on(permission, Resource::Alias { arn: &arn }))
}

pub(super) fn authorize_on_key(call: &Call<'_>, permission: &str, found: &Found) -> Result<(), Fault> {
    // "You cannot use [kms:RequestAlias] to control access to alias operations."
    let attempt = RequestContext { request_alias: None, ..call.attempt(permission, found) };
    call.authorize(Some(&found.policy), &attempt)
}

const MAX_ALIAS_NAME_LEN: usize = 256;
