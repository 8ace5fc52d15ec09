//! DeleteAlias.

use bytes::Bytes;
use serde::Deserialize;

use super::create_alias::{authorize_on_alias, authorize_on_key, check_alias_name};
use super::{Action, Call, NOTHING};
use crate::sim::fault::Fault;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct DeleteAlias {
    alias_name: String,
}

impl Action for DeleteAlias {
    const NAME: &'static str = "DeleteAlias";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_alias_name(&self.alias_name)?;
        authorize_on_alias(call, "kms:DeleteAlias", &self.alias_name)?;
        let place = &call.service.place;
        // Nobody changes anything between the permission and the change.
        let mut vault = call.service.vault_mut();
        let key_id = vault.alias(&self.alias_name, place)?.key_id.clone();
        authorize_on_key(call, "kms:DeleteAlias", &vault.find_key(&key_id, place)?)?;
        vault.delete_alias(&self.alias_name)?;
        Ok(NOTHING)
    }
}
