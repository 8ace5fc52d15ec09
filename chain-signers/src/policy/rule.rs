//! What a rule is, once it was read.

use super::{
    destination::{Destination, Destinations, Listed},
    text_set::TextSet,
};
use crate::Amount;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) name: Box<str>,
    pub(super) chains: Chains,
    pub(super) destinations: Destinations,
    pub(super) effect: Effect,
}

impl Rule {
    /// The namespace of its chains, unless it is for all.
    pub(super) fn namespace(&self) -> Option<&str> {
        match &self.chains {
            Chains::All => None,
            Chains::Listed(chains) => chains.first()?.split_once(':').map(|(namespace, _)| namespace),
        }
    }

    /// What it permits, if it is an allow rule.
    pub(super) fn permissions(&self) -> Option<&Permissions> {
        match &self.effect {
            Effect::Allow(permissions) => Some(permissions),
            Effect::Deny => None,
        }
    }

    /// Whether the rule lists `address`; `*` lists nobody.
    pub(super) fn names(&self, address: &str) -> bool {
        match &self.destinations {
            Destinations::All => false,
            Destinations::Listed(listed) => listed.contains(address),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow(Box<Permissions>),
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chains {
    All,
    /// At least one, all of one namespace.
    Listed(TextSet),
}

/// What an allow rule permits beyond plain transfers to its destinations, and the bounds of all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) blind_signing: bool,
    pub(super) calls: bool,
    pub(super) contract_creation: bool,
    pub(super) staking: bool,
    pub(super) selectors: Selectors,
    pub(super) max_amount: Option<Amount>,
    pub(super) max_fee: Option<Amount>,
    pub(super) tokens: Box<[Token]>,
    pub(super) messages: TextSet,
    pub(super) typed_data: Box<[TypedData]>,
    pub(super) delegates: Listed,
    pub(super) exceptions: TextSet,
    pub(super) limits: Box<[Limit]>,
}

impl Permissions {
    /// Whether there is anything that it permits without destinations.
    pub(super) fn needs_no_destination(&self) -> bool {
        self.blind_signing
            || self.contract_creation
            || !self.messages.is_empty()
            || !self.typed_data.is_empty()
            || !self.delegates.is_empty()
    }

    /// Whether it says how much of anything may be moved.
    pub(super) fn bounds_amounts(&self) -> bool {
        let of_amounts = |limit: &Limit| limit.of != LimitOf::Signatures;
        self.max_amount.is_some() || !self.tokens.is_empty() || self.limits.iter().any(of_amounts)
    }

    pub(super) fn token(&self, token: &str) -> Option<&Token> {
        self.tokens.iter().find(|entry| entry.token.is(token))
    }
}

/// Which functions of a contract may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Selectors {
    All,
    /// In lower case; [`NO_SELECTOR`] for calls that have none.
    Listed(TextSet),
    /// Calls without a selector only, as on chains that have none.
    #[default]
    None,
}

impl Selectors {
    pub(super) fn contain(&self, selector: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Listed(listed) => listed.contains(selector.unwrap_or(NO_SELECTOR)),
            Self::None => selector.is_none(),
        }
    }
}

/// How much of one token may be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) token: Destination,
    pub(super) max_amount: Option<Amount>,
    pub(super) approvals: bool,
}

/// A type of typed data that may be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypedData {
    /// `None`: data that is for no contract.
    pub(super) verifying_contract: Option<Destination>,
    /// `0x` and 64 hex digits in lower case.
    pub(super) type_hash: Box<str>,
    pub(super) fields: Box<[Field]>,
}

/// What a field of typed data must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// With `[]` for every item of a list.
    pub(super) path: Box<str>,
    pub(super) bound: FieldBound,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldBound {
    Among(Listed),
    Max(Amount),
}

/// How much may be done in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) seconds: u32,
    pub(super) max: Amount,
    pub(super) of: LimitOf,
}

/// What a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LimitOf {
    /// The chain's own coin.
    Coin,
    Signatures,
    Token(Destination),
}

/// How a policy writes a call whose data has no selector.
pub(super) const NO_SELECTOR: &str = "0x";

#[cfg(test)]
impl Permissions {
    /// The memory that it takes, with `allocation` bytes for what an allocator adds to each piece.
    pub(super) fn memory(&self, allocation: usize) -> usize {
        let selectors = match &self.selectors {
            Selectors::Listed(set) => set.heap_len() + 2 * allocation,
            Selectors::All | Selectors::None => 0,
        };
        let sets = [&self.messages, &self.exceptions].into_iter().filter(|set| !set.is_empty());
        let sets: usize = sets.map(|set| set.heap_len() + 2 * allocation).sum();
        let tokens: usize = self.tokens.iter().map(|entry| entry.token.memory(allocation)).sum();
        let limits = self.limits.iter().map(|limit| match &limit.of {
            LimitOf::Token(token) => token.memory(allocation),
            LimitOf::Coin | LimitOf::Signatures => 0,
        });
        let typed_data = self.typed_data.iter().map(|entry| {
            let contract = entry.verifying_contract.as_ref().map_or(0, |it| it.memory(allocation));
            let fields = entry.fields.iter().map(|field| {
                let listed = match &field.bound {
                    FieldBound::Among(listed) => listed.heap_len() + 3 * allocation,
                    FieldBound::Max(_) => 0,
                };
                field.path.len() + allocation + listed
            });
            entry.type_hash.len() + 2 * allocation + contract + size_of_val(&*entry.fields) + fields.sum::<usize>()
        });
        let lists = [size_of_val(&*self.tokens), size_of_val(&*self.limits), size_of_val(&*self.typed_data)];
        let lists: usize = lists.iter().filter(|len| **len > 0).map(|len| len + allocation).sum();
        let delegates = Some(self.delegates.heap_len()).filter(|len| *len > 0).map_or(0, |len| len + 3 * allocation);
        let own = size_of::<Self>() + delegates;
        own + selectors + sets + tokens + lists + limits.sum::<usize>() + typed_data.sum::<usize>()
    }
}
