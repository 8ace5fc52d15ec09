//! What was decided, in words that are never long.

use super::{objection::Objection, rule::Rule};
use crate::{Action, Summary, error::short};

/// What a policy says about a transaction, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be signed.
    pub allowed: bool,
    /// The rule that decided: the allow rule that matched everything, or the deny rule that matched something. `None` if
    /// it was denied because no rule permits it.
    pub rule: Option<String>,
    /// Why, in words, with what was seen: less than 900 bytes, whatever the transaction does.
    pub reason: String,
}

impl Decision {
    pub(super) fn nothing_done() -> Self {
        let reason = "the transaction does nothing that a rule could permit".to_owned();
        Self { allowed: false, rule: None, reason }
    }

    pub(super) fn allowed_by(rule: &Rule, summary: &Summary) -> Self {
        let reason = format!("rule {} allows {}", rule.name, everything_seen(summary));
        Self { allowed: true, rule: Some(rule.name.to_string()), reason }
    }

    pub(super) fn denied_by(rule: &Rule, summary: &Summary, action: &Action) -> Self {
        let reason = format!("rule {} denies {}", rule.name, seen(summary, action));
        Self { allowed: false, rule: Some(rule.name.to_string()), reason }
    }

    /// `nearest` is a rule that would permit it but for its objection.
    pub(super) fn permitted_by_none(summary: &Summary, nearest: Option<(&Rule, Objection)>) -> Self {
        let but = nearest
            .map_or_else(String::new, |(rule, objection)| format!("; rule {} would, but {objection}", rule.name));
        Self { allowed: false, rule: None, reason: format!("no rule allows {}{but}", everything_seen(summary)) }
    }
}

fn seen(summary: &Summary, action: &Action) -> String {
    format!("{} on {}", what(action), summary.chain_id)
}

fn what(action: &Action) -> String {
    match action {
        Action::ContractCall { to, selector, .. } => match selector {
            Some(selector) => format!("a call of {} at contract {}", short(selector), short(to)),
            None => format!("a call of contract {}", short(to)),
        },
        Action::ContractCreation { .. } => "a contract creation".to_owned(),
        Action::Delegation { delegate, on_every_chain, .. } => {
            let everywhere = if *on_every_chain { " (on every chain)" } else { "" };
            format!("a delegation to {}{everywhere}", short(delegate))
        }
        Action::Exception { name } => format!("the exception {}", short(name)),
        Action::Message { framing, len } => format!("a message of {len} bytes ({})", short(framing)),
        Action::Prehash => "a hash that nobody decoded".to_owned(),
        Action::ProgramCall { program, .. } => format!("a call of program {}", short(program)),
        Action::Stake { validator, amount, .. } => format!("a stake of {amount} at {}", short(validator)),
        Action::TokenApproval { token, spender, amount, .. } => {
            format!("an approval of {amount} of token {} for {}", short(token), short(spender))
        }
        Action::TokenTransfer { token, to, amount, .. } => {
            format!("a transfer of {amount} of token {} to {}", short(token), short(to))
        }
        Action::Transfer { to, amount } => format!("a transfer of {amount} to {}", short(to)),
        Action::TypedData { verifying_contract, primary_type, type_hash, .. } => {
            let contract = verifying_contract.as_deref().map_or("no contract".into(), short);
            format!("typed data {} ({}) for {contract}", short(primary_type), short(type_hash))
        }
        Action::Unknown { description } => short(description).into_owned(),
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
/// In bytes; one action alone has at most about 560.
const MAX_SEEN_LEN: usize = 500;
