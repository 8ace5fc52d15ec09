//! UpdateAlias.

use bytes::Bytes;
use serde::Deserialize;

use super::create_alias::{authorize_on_alias, authorize_on_key, check_alias_name};
use super::{Action, Call, NOTHING};
use crate::sim::fault::Fault;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct UpdateAlias {
    alias_name: String,
    target_key_id: String,
}

impl Action for UpdateAlias {
    const NAME: &'static str = "UpdateAlias";

    /// The permission is needed on the alias, on its current key and on its new one.
    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_alias_name(&self.alias_name)?;
        authorize_on_alias(call, "kms:UpdateAlias", &self.alias_name)?;
        let place = &call.service.place;
        // Nobody changes anything between the permission and the change.
        let mut vault = call.service.vault_mut();
        let current = vault.alias(&self.alias_name, place)?.key_id.clone();
        let (current, new) = (vault.find_key(&current, place)?, vault.find_key(&self.target_key_id, place)?);
        authorize_on_key(call, "kms:UpdateAlias", &current)?;
        authorize_on_key(call, "kms:UpdateAlias", &new)?;
        let (old_spec, new_spec) = (current.key.spec, new.key.spec);
        // "The current and new KMS key must be the same type […], and they must have the same key usage."
        if old_spec.is_asymmetric() != new_spec.is_asymmetric() || old_spec.usage() != new_spec.usage() {
            return Err(Fault::validation(format!(
                "an alias of a {old_spec} key cannot become one of a {new_spec} key"
            )));
        }
        vault.update_alias(&self.alias_name, new.key.arn.key_id(), call.now)?;
        Ok(NOTHING)
    }
}
