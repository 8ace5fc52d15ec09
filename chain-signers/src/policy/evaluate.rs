//! The evaluation of one summary: which rules match, and what keeps the others from it.

use super::{
    decision::Decision,
    destination::Destinations,
    meter::Count,
    objection::Objection,
    rule::{Chains, Effect, FieldBound, Permissions, Rule, TypedData},
};
use crate::{Action, Amount, ChainId, Summary, chain::SOLANA_TOKEN_PROGRAMS};

/// `count` tells whether a rule's limits over time leave room, and counts if they do.
pub(super) fn evaluate(rules: &[Rule], summary: &Summary, count: &mut dyn Count) -> Decision {
    if summary.actions.is_empty() {
        return Decision::nothing_done();
    }
    for rule in rules.iter().filter(|rule| rule.effect == Effect::Deny) {
        if let Some(action) = summary.actions.iter().find(|action| denies(rule, summary, action)) {
            return Decision::denied_by(rule, summary, action);
        }
    }
    let mut nearest = None;
    for rule in rules {
        let Some(permissions) = rule.permissions() else { continue };
        if !covers_chain(rule, &summary.chain_id) || !summary.actions.iter().all(|it| covers(rule, permissions, it)) {
            continue;
        }
        match check_bounds(permissions, summary).and_then(|()| count.admit(rule, permissions, summary)) {
            Ok(()) => return Decision::allowed_by(rule, summary),
            Err(objection) => nearest = nearest.or(Some((rule, objection))),
        }
    }
    Decision::permitted_by_none(summary, nearest)
}

/// Whether an allow rule is about such an action, its bounds aside.
fn covers(rule: &Rule, permissions: &Permissions, action: &Action) -> bool {
    let reaches = |to: &str| rule.destinations == Destinations::All || rule.names(to);
    let may_call = |contract: &str, selector: Option<&str>| {
        permissions.calls && rule.names(contract) && permissions.selectors.contain(selector)
    };
    let is_token = |token: &Option<String>| token.as_deref().is_none_or(|token| permissions.token(token).is_some());
    match action {
        Action::ContractCall { to, selector, .. } => may_call(to, selector.as_deref()),
        Action::ContractCreation { .. } => permissions.contract_creation,
        Action::Delegation { delegate, on_every_chain, .. } => {
            permissions.delegates.contains(delegate)
                && (!on_every_chain || permissions.exceptions.contains(DELEGATION_ON_EVERY_CHAIN))
        }
        Action::Exception { name } => permissions.exceptions.contains(name),
        Action::Message { framing, .. } => permissions.messages.contains(framing),
        Action::Prehash => permissions.blind_signing,
        Action::ProgramCall { program, .. } => permissions.calls && rule.names(program),
        Action::Stake { validator, token, .. } => permissions.staking && rule.names(validator) && is_token(token),
        Action::TokenApproval { token, spender, selector, .. } => {
            permissions.token(token).is_some_and(|entry| entry.approvals && rule.names(spender))
                || selector.as_deref().is_some_and(|selector| may_call(token, Some(selector)))
        }
        Action::TokenTransfer { token, to, selector, .. } => {
            permissions.token(token).is_some_and(|_| reaches(to))
                || selector.as_deref().is_some_and(|selector| may_call(token, Some(selector)))
        }
        Action::Transfer { to, .. } => reaches(to),
        Action::TypedData { .. } => permissions.typed_data.iter().any(|entry| is_about(entry, action)),
        Action::Unknown { .. } => false,
    }
}

fn is_about(entry: &TypedData, action: &Action) -> bool {
    let Action::TypedData { verifying_contract, type_hash, .. } = action else { return false };
    *type_hash == *entry.type_hash
        && match (&entry.verifying_contract, verifying_contract) {
            (Some(expected), Some(actual)) => expected.is(actual),
            (None, None) => true,
            _ => false,
        }
}

fn check_bounds(permissions: &Permissions, summary: &Summary) -> Result<(), Objection> {
    if let Some(max) = permissions.max_fee {
        at_most(|| "the fee".to_owned(), summary.fee_ceiling, max)?;
    }
    if let Some(max) = permissions.max_amount {
        at_most(|| "the amount".to_owned(), coins(&summary.actions), max)?;
    }
    for entry in &permissions.tokens {
        if let Some(max) = entry.max_amount {
            let total = tokens(&summary.actions, |token| entry.token.is(token));
            at_most(|| format!("the amount of token {}", entry.token), total, max)?;
        }
    }
    summary.actions.iter().try_for_each(|action| check_typed_data(permissions, action))
}

/// `what` is said of an amount that is too high alone: an address costs a hash to write.
fn at_most(what: impl FnOnce() -> String, actual: Option<Amount>, max: Amount) -> Result<(), Objection> {
    match actual {
        Some(actual) if actual <= max => Ok(()),
        _ => Err(Objection::Exceeds { what: what(), actual, max }),
    }
}

/// One of the entries about such data must be content with every field; else the first one's objection counts.
fn check_typed_data(permissions: &Permissions, action: &Action) -> Result<(), Objection> {
    let Action::TypedData { fields, .. } = action else { return Ok(()) };
    let mut first = Ok(());
    for entry in permissions.typed_data.iter().filter(|entry| is_about(entry, action)) {
        match check_fields(entry, fields) {
            Ok(()) => return Ok(()),
            objection => first = first.and(objection),
        }
    }
    first
}

fn check_fields(entry: &TypedData, fields: &[(String, String)]) -> Result<(), Objection> {
    for expected in &entry.fields {
        let mut found = false;
        for (path, value) in fields.iter().filter(|(path, _)| has_path(path, &expected.path)) {
            found = true;
            let is_content = match &expected.bound {
                FieldBound::Among(listed) => listed.contains(value),
                FieldBound::Max(max) => value.parse::<Amount>().is_ok_and(|value| value <= *max),
            };
            if !is_content {
                return Err(Objection::Field { path: path.clone(), actual: Some(value.clone()) });
            }
        }
        if !found {
            return Err(Objection::Field { path: expected.path.to_string(), actual: None });
        }
    }
    Ok(())
}

/// Whether `path`, with an index in each pair of brackets, is one of those that `pattern` stands for, which has none.
fn has_path(path: &str, pattern: &str) -> bool {
    let mut parts = path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest));
    let mut expected = pattern.split("[]");
    loop {
        match (parts.next(), expected.next()) {
            (None, None) => return true,
            (Some(part), Some(expected)) if part == expected => {}
            _ => return false,
        }
    }
}

/// What holds on every chain of its family, whichever one was named, is denied if it is denied on one of them.
fn denies(rule: &Rule, summary: &Summary, action: &Action) -> bool {
    let on_every_chain =
        matches!(action, Action::Delegation { on_every_chain: true, .. } | Action::Message { .. } | Action::Prehash);
    let chain = &summary.chain_id;
    let is_there = covers_chain(rule, chain) || (on_every_chain && covers_family(rule, chain));
    is_there && (rule.destinations == Destinations::All || touches(rule, summary, action))
}

/// Whether an action has to do with an address that the rule names.
fn touches(rule: &Rule, summary: &Summary, action: &Action) -> bool {
    let names = |address: &String| rule.names(address);
    match action {
        Action::ContractCall { to, .. } => names(to),
        Action::Delegation { delegate, authority, .. } => names(delegate) || authority.iter().any(names),
        Action::ProgramCall { program, accounts, .. } => names(program) || accounts.iter().any(names),
        Action::Stake { validator, token, .. } => names(validator) || token.iter().any(names),
        Action::TokenApproval { token, spender, .. } => {
            names(token) || names(spender) || names_a_token_program(rule, summary)
        }
        Action::TokenTransfer { token, to, .. } => {
            // A receiver on another chain is written after the channel that leads there.
            names(token)
                || to.split('/').any(|part| rule.names(part))
                || names(to)
                || names_a_token_program(rule, summary)
        }
        Action::Transfer { to, .. } => names(to) || summary.transfer_program().is_some_and(|it| rule.names(it)),
        Action::TypedData { verifying_contract, fields, .. } => {
            let is_named = |value: &String| names(value) || padded_address(value).as_ref().is_some_and(names);
            verifying_contract.iter().any(names) || fields.iter().any(|(_, value)| is_named(value))
        }
        Action::ContractCreation { .. }
        | Action::Exception { .. }
        | Action::Message { .. }
        | Action::Prehash
        | Action::Unknown { .. } => false,
    }
}

/// The address that 32 bytes are, as bridges write receivers.
fn padded_address(value: &str) -> Option<String> {
    let digits = value.strip_prefix("0x000000000000000000000000").filter(|digits| digits.len() == 40)?;
    Some(format!("0x{digits}"))
}

fn names_a_token_program(rule: &Rule, summary: &Summary) -> bool {
    summary.chain_id.namespace() == "solana" && SOLANA_TOKEN_PROGRAMS.iter().any(|program| rule.names(program))
}

fn covers_chain(rule: &Rule, chain: &ChainId) -> bool {
    match &rule.chains {
        Chains::All => true,
        Chains::Listed(chains) => chains.contains(chain.as_str()),
    }
}

fn covers_family(rule: &Rule, chain: &ChainId) -> bool {
    rule.namespace().is_none_or(|namespace| namespace == chain.namespace())
}

/// How much of the chain's own coin leaves, fees aside; `None` beyond 2^256 - 1, and if it cannot be told.
pub(super) fn coins(actions: &[Action]) -> Option<Amount> {
    actions.iter().try_fold(Amount::ZERO, |sum, action| match action {
        Action::ContractCall { amount, .. }
        | Action::ContractCreation { amount, .. }
        | Action::Stake { token: None, amount, .. }
        | Action::Transfer { amount, .. } => sum.checked_add(*amount),
        Action::Prehash => None,
        _ => Some(sum),
    })
}

/// How many of the tokens leave, or are approved to; `None` beyond 2^256 - 1, and if it cannot be told.
pub(super) fn tokens(actions: &[Action], is_it: impl Fn(&str) -> bool) -> Option<Amount> {
    actions.iter().try_fold(Amount::ZERO, |sum, action| match action {
        Action::Stake { token: Some(token), amount, .. }
        | Action::TokenApproval { token, amount, .. }
        | Action::TokenTransfer { token, amount, .. }
            if is_it(token) =>
        {
            sum.checked_add(*amount)
        }
        Action::Prehash => None,
        _ => Some(sum),
    })
}

/// Name of the exception that a delegation with chain id 0 is.
const DELEGATION_ON_EVERY_CHAIN: &str = "delegation_on_every_chain";
