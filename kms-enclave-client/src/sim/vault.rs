//! All keys with their policies, and the aliases that name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use nsm_attest::UnixTime;

use crate::key_arn::KeyArn;
use crate::sim::fault::Fault;
use crate::sim::key::{Key, key_id_of_blob};
use crate::sim::policy::Policy;

/// What one simulator holds. Whoever looks something up takes a copy of the references and leaves: nothing is computed
/// while the vault is locked.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    keys: BTreeMap<String, Entry>,
    /// By name, with `alias/`.
    aliases: BTreeMap<String, Alias>,
}

#[derive(Debug)]
struct Entry {
    key: Arc<Key>,
    policy: Arc<StoredPolicy>,
    /// The names of the aliases of this key.
    aliases: Arc<[String]>,
}

/// A key policy, as it was written and as it was read.
#[derive(Debug)]
pub(crate) struct StoredPolicy {
    pub(crate) text: String,
    pub(crate) policy: Policy,
}

/// A name for a key.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) key_id: String,
    pub(crate) created_at: UnixTime,
    pub(crate) updated_at: UnixTime,
}

/// A key as it was when it was looked up.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) key: Arc<Key>,
    pub(crate) policy: Arc<StoredPolicy>,
    pub(crate) aliases: Arc<[String]>,
    /// The alias by which it was looked up.
    pub(crate) request_alias: Option<String>,
}

/// Which account's and region's keys a vault holds.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) partition: &'static str,
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Place {
    /// `arn:aws:kms:eu-west-1:111122223333:` and what is named.
    pub(crate) fn arn(&self, resource: &str) -> String {
        format!("arn:{}:kms:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// The alias name in `alias/…` or in the ARN of an alias of this place.
    fn alias_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        let name = text.strip_prefix(&*self.arn("")).unwrap_or(text);
        name.starts_with(ALIAS_PREFIX).then_some(name)
    }
}

impl Vault {
    /// How many keys and how many aliases one simulator holds: bounds, not quotas of AWS.
    pub(crate) const MAX_KEYS: usize = 1024;
    const MAX_ALIASES: usize = 1024;

    /// Finds what a `KeyId` names: a key id, a key ARN, an alias name or an alias ARN.
    pub(crate) fn find(&self, key_id: &str, place: &Place) -> Result<Found, Fault> {
        let Some(name) = place.alias_name(key_id) else { return self.find_key(key_id, place) };
        let alias = self.aliases.get(name).ok_or_else(|| not_found_alias(name, place))?;
        let found = self.entry(&alias.key_id).map(Entry::found).ok_or_else(Fault::internal)?;
        Ok(Found { request_alias: Some(name.to_owned()), ..found })
    }

    /// Finds what a parameter names that takes no alias.
    pub(crate) fn find_key(&self, key_id: &str, place: &Place) -> Result<Found, Fault> {
        if place.alias_name(key_id).is_some() {
            return Err(Fault::validation("Aliases must refer to keys. Not aliases"));
        }
        let entry = match key_id.parse::<KeyArn>() {
            Ok(arn) => self.entry(arn.key_id()).filter(|entry| entry.key.arn == arn),
            Err(_) => self.entry(key_id),
        };
        entry.map(Entry::found).ok_or_else(|| {
            let shown: String = key_id.chars().take(256).collect();
            let arn = if shown.starts_with("arn:") { shown } else { place.arn(&format!("key/{shown}")) };
            Fault::new("NotFoundException", format!("Key '{arn}' does not exist"))
        })
    }

    /// The key that a ciphertext says it was made under.
    pub(crate) fn find_by_blob(&self, blob: &[u8]) -> Option<Found> {
        self.entry(&key_id_of_blob(blob)?).map(Entry::found)
    }

    pub(crate) fn insert(&mut self, key: Key, policy: StoredPolicy) -> Result<(), Fault> {
        if self.keys.len() >= Self::MAX_KEYS {
            return Err(Fault::new("LimitExceededException", "the simulator holds no more keys"));
        }
        let entry = Entry { policy: Arc::new(policy), aliases: Arc::new([]), key: Arc::new(key) };
        self.keys.insert(entry.key.arn.key_id().to_owned(), entry);
        Ok(())
    }

    pub(crate) fn set_policy(&mut self, key_id: &str, policy: StoredPolicy) -> Result<(), Fault> {
        self.keys.get_mut(key_id).ok_or_else(Fault::internal)?.policy = Arc::new(policy);
        Ok(())
    }

    pub(crate) fn alias(&self, name: &str, place: &Place) -> Result<&Alias, Fault> {
        self.aliases.get(name).ok_or_else(|| not_found_alias(name, place))
    }

    pub(crate) fn create_alias(&mut self, alias: Alias, place: &Place) -> Result<(), Fault> {
        if self.aliases.contains_key(&alias.name) {
            let arn = place.arn(&alias.name);
            return Err(Fault::new("AlreadyExistsException", format!("An alias with the name {arn} already exists")));
        }
        if self.aliases.len() >= Self::MAX_ALIASES {
            return Err(Fault::new("LimitExceededException", "the simulator holds no more aliases"));
        }
        let key_id = alias.key_id.clone();
        self.aliases.insert(alias.name.clone(), alias);
        self.list_aliases_of(&key_id)
    }

    pub(crate) fn update_alias(&mut self, name: &str, key_id: &str, now: UnixTime) -> Result<(), Fault> {
        let alias = self.aliases.get_mut(name).ok_or_else(Fault::internal)?;
        let before = std::mem::replace(&mut alias.key_id, key_id.to_owned());
        alias.updated_at = now;
        self.list_aliases_of(&before)?;
        self.list_aliases_of(key_id)
    }

    pub(crate) fn delete_alias(&mut self, name: &str) -> Result<(), Fault> {
        let alias = self.aliases.remove(name).ok_or_else(Fault::internal)?;
        self.list_aliases_of(&alias.key_id)
    }

    /// Up to `limit` aliases after the name `after`, of one key or of all, and whether there are more.
    pub(crate) fn aliases(&self, key_id: Option<&str>, after: Option<&str>, limit: usize) -> (Vec<Alias>, bool) {
        let is_listed = |alias: &&Alias| {
            key_id.is_none_or(|key_id| alias.key_id == key_id) && after.is_none_or(|after| *alias.name > *after)
        };
        let mut listed: Vec<Alias> = self.aliases.values().filter(is_listed).take(limit + 1).cloned().collect();
        let is_truncated = listed.len() > limit;
        listed.truncate(limit);
        (listed, is_truncated)
    }

    fn entry(&self, key_id: &str) -> Option<&Entry> {
        self.keys.get(key_id)
    }

    fn list_aliases_of(&mut self, key_id: &str) -> Result<(), Fault> {
        let of_key = self.aliases.values().filter(|alias| alias.key_id == key_id).map(|alias| alias.name.clone());
        let aliases = of_key.collect();
        self.keys.get_mut(key_id).ok_or_else(Fault::internal)?.aliases = aliases;
        Ok(())
    }
}

impl Entry {
    fn found(&self) -> Found {
        Found {
            key: Arc::clone(&self.key),
            policy: Arc::clone(&self.policy),
            aliases: Arc::clone(&self.aliases),
            request_alias: None,
        }
    }
}

fn not_found_alias(name: &str, place: &Place) -> Fault {
    let shown: String = name.chars().take(256).collect();
    Fault::new("NotFoundException", format!("Alias {} is not found.", place.arn(&shown)))
}

pub(crate) const ALIAS_PREFIX: &str = "alias/";
