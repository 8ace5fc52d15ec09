//! ListAliases: about no key in particular, so that identity policies alone decide.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fields::timestamp;
use super::{Action, Call, reply};
use crate::sim::fault::Fault;
use crate::sim::policy::Resource;
use crate::sim::vault::Alias;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ListAliases {
    key_id: Option<String>,
    limit: Option<u64>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    aliases: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    alias_arn: String,
    alias_name: String,
    creation_date: Box<RawValue>,
    last_updated_date: Box<RawValue>,
    target_key_id: String,
}

impl Action for ListAliases {
    const NAME: &'static str = "ListAliases";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        let limit = match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=100 => usize::try_from(limit).map_err(|_| Fault::internal())?,
            _ => return Err(Fault::validation("Limit must be 1 to 100")),
        };
        let after = self.marker.as_deref().map(name_in_marker).transpose()?;
        call.authorize(None, &call.attempt_on("kms:ListAliases", Resource::None))?;
        let vault = call.service.vault();
        let key = self.key_id.map(|key_id| vault.find_key(&key_id, &call.service.place)).transpose()?;
        let key_id = key.as_ref().map(|found| found.key.arn.key_id());
        let (aliases, truncated) = vault.aliases(key_id, after.as_deref(), limit);
        drop(vault);
        let next_marker = aliases.last().filter(|_| truncated).map(|last| URL_SAFE_NO_PAD.encode(&last.name));
        let aliases = aliases.into_iter().map(|alias| listed(alias, call)).collect::<Result<_, _>>()?;
        reply(&Members { aliases, next_marker, truncated })
    }
}

fn listed(alias: Alias, call: &Call<'_>) -> Result<Listed, Fault> {
    Ok(Listed {
        alias_arn: call.service.place.arn(&alias.name),
        alias_name: alias.name,
        creation_date: timestamp(alias.created_at)?,
        last_updated_date: timestamp(alias.updated_at)?,
        target_key_id: alias.key_id,
    })
}

/// A marker names the last alias that was listed, which may be gone by now.
fn name_in_marker(marker: &str) -> Result<String, Fault> {
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| name.len() <= MAX_MARKER_LEN).ok_or_else(|| Fault::new("InvalidMarkerException", ""))
}

const DEFAULT_LIMIT: u64 = 50;
const MAX_MARKER_LEN: usize = 1024;
