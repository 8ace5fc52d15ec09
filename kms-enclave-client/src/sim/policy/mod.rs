//! Key policies: read strictly, evaluated as IAM does.

mod condition;
mod document;
mod pattern;

use std::collections::BTreeMap;

use crate::action::EncryptionContext;
use crate::sim::principal::{Principal, PrincipalMatch};

pub(crate) use self::document::{Effect, MAX_POLICY_LEN, Policy, Statement};

/// What a policy can look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestContext<'a> {
    pub(crate) caller: &'a Principal,
    /// With its prefix, for example `kms:Decrypt`.
    pub(crate) action: &'a str,
    pub(crate) encryption_context: &'a EncryptionContext,
    /// The PCRs of a verified attestation document; `None` if the request has no Recipient.
    pub(crate) pcrs: Option<&'a BTreeMap<u8, Vec<u8>>>,
    /// The request parameter of that name, for the actions that have it.
    pub(crate) bypass_policy_lockout_safety_check: Option<bool>,
}

/// How a policy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    DeniedExplicitly,
    NotAllowed,
}

impl Policy {
    /// A Deny that applies wins over everything; else an Allow that applies is needed; else the answer is no.
    pub(crate) fn evaluate(&self, request: &RequestContext<'_>) -> Verdict {
        let applies =
            |effect: Effect| move |statement: &&Statement| statement.effect == effect && statement.applies_to(request);
        if self.statements.iter().any(|statement| applies(Effect::Deny)(&statement)) {
            return Verdict::DeniedExplicitly;
        }
        let is_allowed = self.statements.iter().filter(applies(Effect::Allow)).any(|statement| {
            match statement.principal_match(request.caller) {
                PrincipalMatch::Directly => true,
                PrincipalMatch::ByAccount => request.caller.is_administrator,
                PrincipalMatch::No => false,
            }
        });
        if is_allowed { Verdict::Allowed } else { Verdict::NotAllowed }
    }
}

impl Statement {
    fn applies_to(&self, request: &RequestContext<'_>) -> bool {
        self.principal_match(request.caller) != PrincipalMatch::No
            && self.actions.iter().any(|action| action.matches_ignoring_case(request.action))
            && self.conditions.iter().all(|condition| condition.holds(request))
    }

    /// The best of what any of its principals gives.
    fn principal_match(&self, caller: &Principal) -> PrincipalMatch {
        let matches = self.principals.iter().map(|principal| principal.matches(caller));
        matches.fold(PrincipalMatch::No, |best, this| match (best, this) {
            (PrincipalMatch::Directly, _) | (_, PrincipalMatch::Directly) => PrincipalMatch::Directly,
            (PrincipalMatch::ByAccount, _) | (_, PrincipalMatch::ByAccount) => PrincipalMatch::ByAccount,
            _ => PrincipalMatch::No,
        })
    }
}

#[cfg(test)]
mod tests;
