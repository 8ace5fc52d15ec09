use super::{
    destination::Destinations,
    document::{Chains, Effect, Rule},
};
use crate::{Action, Summary, error::short};

/// What a policy says about a transaction, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be signed.
    pub allowed: bool,
    /// The rule that decided: the allow rule that matched everything, or the deny rule that matched something. `None` if
    /// it was denied because no rule permits it.
    pub rule: Option<String>,
    /// Why, in words, with what was seen: less than 700 bytes, whatever the transaction does.
    pub reason: String,
}

pub(super) fn evaluate(rules: &[Rule], summary: &Summary) -> Decision {
    if summary.actions.is_empty() {
        return denied(None, "the transaction does nothing that a rule could permit".to_owned());
    }
    for rule in rules.iter().filter(|rule| rule.effect == Effect::Deny) {
        if let Some(action) = summary.actions.iter().find(|action| denies(rule, summary, action)) {
            return denied(Some(rule), format!("rule {} denies {}", rule.name, seen(summary, action)));
        }
    }
    match rules.iter().find(|rule| summary.actions.iter().all(|action| allows(rule, summary, action))) {
        Some(rule) => Decision {
            allowed: true,
            rule: Some(rule.name.to_string()),
            reason: format!("rule {} allows {}", rule.name, everything_seen(summary)),
        },
        None => denied(None, format!("no rule allows {}", everything_seen(summary))),
    }
}

fn allows(rule: &Rule, summary: &Summary, action: &Action) -> bool {
    let Effect::Allow { calls, contract_creation } = rule.effect else { return false };
    covers_chain(rule, summary)
        && match action {
            Action::Transfer { to, .. } => rule.destinations == Destinations::All || names(rule, to),
            Action::ContractCall { to, .. } => calls && names(rule, to),
            Action::ProgramCall { program, .. } => calls && names(rule, program),
            Action::ContractCreation { .. } => contract_creation,
            _ => false,
        }
}

fn denies(rule: &Rule, summary: &Summary, action: &Action) -> bool {
    covers_chain(rule, summary)
        && (rule.destinations == Destinations::All
            || match action {
                Action::Transfer { to, .. } => {
                    names(rule, to) || summary.transfer_program().is_some_and(|program| names(rule, program))
                }
                Action::ContractCall { to, .. } => names(rule, to),
                Action::ProgramCall { program, accounts, .. } => {
                    names(rule, program) || accounts.iter().any(|account| names(rule, account))
                }
                _ => false,
            })
}

fn covers_chain(rule: &Rule, summary: &Summary) -> bool {
    match &rule.chains {
        Chains::All => true,
        Chains::Listed(chains) => chains.contains(summary.chain_id.as_str()),
    }
}

/// Whether the rule lists `address`; `*` lists nobody.
fn names(rule: &Rule, address: &str) -> bool {
    match &rule.destinations {
        Destinations::All => false,
        Destinations::Listed(listed) => listed.contains(address),
    }
}

fn denied(rule: Option<&Rule>, reason: String) -> Decision {
    Decision { allowed: false, rule: rule.map(|rule| rule.name.to_string()), reason }
}

fn seen(summary: &Summary, action: &Action) -> String {
    let chain = &summary.chain_id;
    match action {
        Action::Transfer { to, amount } => format!("a transfer of {amount} to {} on {chain}", short(to)),
        Action::ContractCall { to, selector: Some(selector), .. } => {
            format!("a call of {} at contract {} on {chain}", short(selector), short(to))
        }
        Action::ContractCall { to, selector: None, .. } => format!("a call of contract {} on {chain}", short(to)),
        Action::ContractCreation { .. } => format!("a contract creation on {chain}"),
        Action::ProgramCall { program, .. } => format!("a call of program {} on {chain}", short(program)),
        other @ (Action::Delegation { .. }
        | Action::Exception { .. }
        | Action::Message { .. }
        | Action::Stake { .. }
        | Action::TokenApproval { .. }
        | Action::TokenTransfer { .. }
        | Action::TypedData { .. }) => short(&format!("{other:?}")).into_owned(),
        Action::Unknown { description } => format!("{} on {chain}", short(description)),
    }
}

/// The first few actions, and how many more there are.
fn everything_seen(summary: &Summary) -> String {
    let mut actions = summary.actions.iter().map(|action| seen(summary, action));
    let mut text = actions.next().unwrap_or_default();
    let mut shown = 1;
    for action in actions.take(MAX_SHOWN - 1) {
        if text.len() + action.len() > MAX_SEEN_LEN {
            break;
        }
        text = format!("{text}, {action}");
        shown += 1;
    }
    match summary.actions.len().saturating_sub(shown) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

const MAX_SHOWN: usize = 4;
/// In bytes; one action alone has at most about 400.
const MAX_SEEN_LEN: usize = 500;
