use std::fmt;

use super::{
    destination::Destinations,
    rule::{LimitOf, Permissions, Rule, Selectors},
};

/// Something that a policy permits and that is seldom meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The rule's name.
    pub rule: String,
    /// What it is.
    pub lint: Lint,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.lint)
    }
}

/// What a [`Warning`] is about.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lint {
    /// Hashes are signed that nobody decoded.
    #[error("blind signing voids every other rule: a hash can be the hash of any transaction")]
    BlindSigning,
    /// Every function of a contract may be called.
    #[error("every function of its contracts may be called, with everything the account holds there")]
    EverySelector,
    /// A function that moves tokens, or lets others move them, may be called whatever its arguments are.
    #[error(
        "{selector} moves or approves tokens: as a call, of any amount and to anybody; name the token in tokens instead"
    )]
    TokensByCall {
        /// The function's selector.
        selector: String,
    },
    /// There are bounds of amounts, and calls of programs that can move more than they count.
    #[error("what its programs move counts in no max_amount and no limit")]
    UncountedCalls,
    /// Typed data is signed whatever its fields are.
    #[error("typed data {type_hash} is signed whatever its fields are")]
    UnboundedFields {
        /// The type.
        type_hash: String,
    },
    /// Any fee may be paid, and a fee is a payment to whoever makes the block.
    #[error("no max_fee: a fee is a payment too, to whoever makes the block")]
    UnboundedFee,
    /// Any amount of the chain's coin may be moved.
    #[error("neither max_amount nor a limit of amount: all coins of the account may be moved")]
    UnboundedCoins,
    /// Any amount of a token may be moved or approved.
    #[error("neither max_amount nor a limit of amount for token {token}")]
    UnboundedToken {
        /// The token.
        token: String,
    },
}

pub(super) fn warnings(rule: &Rule) -> Vec<Warning> {
    let lints = rule.permissions().map_or_else(Vec::new, |permissions| lints(rule, permissions));
    lints.into_iter().map(|lint| Warning { rule: rule.name.to_string(), lint }).collect()
}

fn lints(rule: &Rule, permissions: &Permissions) -> Vec<Lint> {
    let mut lints = Vec::new();
    let is_limited = |of: &LimitOf| permissions.limits.iter().any(|limit| limit.of == *of);
    let has_destinations = match &rule.destinations {
        Destinations::All => true,
        Destinations::Listed(listed) => !listed.is_empty(),
    };
    if permissions.blind_signing {
        lints.push(Lint::BlindSigning);
    }
    if permissions.calls {
        lints.extend(call_lints(permissions));
    }
    if permissions.max_fee.is_none() {
        lints.push(Lint::UnboundedFee);
    }
    let moves_coins = has_destinations || permissions.contract_creation;
    if moves_coins && permissions.max_amount.is_none() && !is_limited(&LimitOf::Coin) {
        lints.push(Lint::UnboundedCoins);
    }
    for entry in permissions.tokens.iter().filter(|entry| entry.max_amount.is_none()) {
        if !is_limited(&LimitOf::Token(entry.token.clone())) {
            lints.push(Lint::UnboundedToken { token: entry.token.to_string() });
        }
    }
    let unbounded = permissions.typed_data.iter().filter(|entry| entry.fields.is_empty());
    lints.extend(unbounded.map(|entry| Lint::UnboundedFields { type_hash: entry.type_hash.to_string() }));
    lints
}

fn call_lints(permissions: &Permissions) -> Vec<Lint> {
    match &permissions.selectors {
        Selectors::All => vec![Lint::EverySelector],
        Selectors::Listed(listed) => {
            let moving = TOKEN_FUNCTIONS.iter().filter(|(selector, _)| listed.contains(selector));
            moving.map(|(selector, _)| Lint::TokensByCall { selector: (*selector).to_owned() }).collect()
        }
        // Where calls have no selectors, they have no amounts either.
        Selectors::None if permissions.bounds_amounts() => vec![Lint::UncountedCalls],
        Selectors::None => Vec::new(),
    }
}

/// The functions of ERC-20, ERC-721 and ERC-1155 that move tokens or let others move them.
const TOKEN_FUNCTIONS: [(&str, &str); 9] = [
    ("0x095ea7b3", "approve(address,uint256)"),
    ("0x23b872dd", "transferFrom(address,address,uint256)"),
    ("0x2eb2c2d6", "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)"),
    ("0x39509351", "increaseAllowance(address,uint256)"),
    ("0x42842e0e", "safeTransferFrom(address,address,uint256)"),
    ("0xa22cb465", "setApprovalForAll(address,bool)"),
    ("0xa9059cbb", "transfer(address,uint256)"),
    ("0xb88d4fde", "safeTransferFrom(address,address,uint256,bytes)"),
    ("0xf242432a", "safeTransferFrom(address,address,uint256,uint256,bytes)"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keccak::keccak256;

    #[test]
    fn selectors_are_the_hashes_of_signatures() {
        for (selector, signature) in TOKEN_FUNCTIONS {
            assert_eq!(selector[2..], hex::encode(&keccak256(signature.as_bytes())[..4]), "{signature}");
        }
    }
}
