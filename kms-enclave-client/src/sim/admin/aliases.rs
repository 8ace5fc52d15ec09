//! Names for keys.

use serde::{Deserialize, Serialize};

use super::{AdminClient, DEADLINE};
use crate::deadline::Deadline;
use crate::error::{Error, MalformedReply};
use crate::key_arn::KeyArn;

impl AdminClient {
    /// Gives a key the name `alias`, say `alias/wallet`.
    ///
    /// # Errors
    /// As KMS answers (`AlreadyExistsException` if another key has it), or as the exchange fails.
    pub async fn create_alias(&self, alias: &str, key: &KeyArn) -> Result<(), Error> {
        let body = AliasBody { alias_name: alias, target_key_id: key.as_str() };
        self.channel.call_for_nothing("CreateAlias", &body, Deadline::after(DEADLINE)).await
    }

    /// Gives the name `alias` to another key, of the same kind and usage as the one that has it.
    ///
    /// # Errors
    /// As KMS answers, or as the exchange fails.
    pub async fn update_alias(&self, alias: &str, key: &KeyArn) -> Result<(), Error> {
        let body = AliasBody { alias_name: alias, target_key_id: key.as_str() };
        self.channel.call_for_nothing("UpdateAlias", &body, Deadline::after(DEADLINE)).await
    }

    /// Takes the name `alias` from the key that has it.
    ///
    /// # Errors
    /// As KMS answers, or as the exchange fails.
    pub async fn delete_alias(&self, alias: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            alias_name: &'a str,
        }
        let body = Body { alias_name: alias };
        self.channel.call_for_nothing("DeleteAlias", &body, Deadline::after(DEADLINE)).await
    }

    /// Lists the aliases of one key, or of all.
    ///
    /// # Errors
    /// As KMS answers, or as the exchange fails.
    pub async fn list_aliases(&self, key: Option<&KeyArn>) -> Result<Vec<AliasDescription>, Error> {
        let (mut listed, mut marker) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let body = ListBody { key_id: key.map(KeyArn::as_str), limit: 100, marker: marker.as_deref() };
            let page: ListReply = self.channel.call("ListAliases", &body, Deadline::after(DEADLINE)).await?;
            listed.extend(page.aliases);
            match page.next_marker.filter(|_| page.truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(listed),
            }
        }
        Err(Error::MalformedReply(MalformedReply::Length { field: "Aliases" }))
    }
}

/// What [`AdminClient::list_aliases`] tells of an alias.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AliasDescription {
    /// Its name, for example `alias/wallet`.
    pub alias_name: String,
    /// Its ARN.
    pub alias_arn: String,
    /// The id of the key that has it.
    pub target_key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AliasBody<'a> {
    alias_name: &'a str,
    target_key_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListReply {
    aliases: Vec<AliasDescription>,
    next_marker: Option<String>,
    truncated: bool,
}

/// A hundred aliases each: more than an account may have.
const MAX_PAGES: usize = 1000;
