//! Key policies and identity policies: read strictly, evaluated as IAM evaluates them within one account.
//!
//! "An explicit deny in any policy overrides any allows", from whichever policy it comes; and key policies are an exception
//! to "an allow in either is enough", "because they must explicitly allow access for principals":
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>. A key policy does so by naming
//! the principal, or by naming its account, which leaves it to the principal's identity policies:
//! <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>.

mod actions;
mod condition;
mod condition_key;
mod document;
mod error;
mod key_policy;
mod pattern;
mod request;

pub(crate) use self::document::{MAX_POLICY_LEN, Policy, PolicyKind};
pub use self::error::PolicyError;
pub use self::key_policy::{KeyPolicy, PolicyRequest, PolicyRequestError, PolicyVerdict};
pub(crate) use self::request::{KeyProperties, RequestContext, Resource};

use self::document::{Effect, Statement};
use crate::sim::principal::PrincipalMatch;

/// What one policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opinion<'a> {
    /// An Allow applies that names the caller, or everybody, or is the caller's own.
    Allows,
    /// An Allow applies that names the caller's account: its identity policies decide.
    Delegates,
    /// A Deny applies.
    Denies { sid: Option<&'a str> },
    /// No statement applies.
    Silent,
}

/// What all policies together say of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    DeniedBy(Origin),
    /// Nobody denies it; whoever had to allow it did not.
    NotAllowedBy(Origin),
}

/// Where a policy is attached, as AWS's messages say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Identity,
    Resource,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity-based",
            Self::Resource => "resource-based",
        }
    }
}

/// Asks the policy of the key, if there is one to ask, and the caller's own.
pub(crate) fn decide(key_policy: Option<&Policy>, identity: &Policy, request: &RequestContext<'_>) -> Decision {
    let key_opinion = key_policy.map(|policy| policy.opinion(request));
    let own_opinion = identity.opinion(request);
    match (key_opinion, own_opinion) {
        (Some(Opinion::Denies { .. }), _) => Decision::DeniedBy(Origin::Resource),
        (_, Opinion::Denies { .. }) => Decision::DeniedBy(Origin::Identity),
        (Some(Opinion::Silent), _) => Decision::NotAllowedBy(Origin::Resource),
        (Some(Opinion::Allows), _) | (_, Opinion::Allows) => Decision::Allowed,
        (Some(Opinion::Delegates) | None, _) => Decision::NotAllowedBy(Origin::Identity),
    }
}

impl Policy {
    /// A Deny that applies wins over everything; else an Allow that applies is needed.
    pub(crate) fn opinion(&self, request: &RequestContext<'_>) -> Opinion<'_> {
        let mut opinion = Opinion::Silent;
        for statement in &self.statements {
            let is_meant = statement.principal_match(request);
            if is_meant == PrincipalMatch::No || !statement.applies_to(request) {
                continue;
            }
            opinion = match (statement.effect, is_meant) {
                (Effect::Deny, _) => return Opinion::Denies { sid: statement.sid.as_deref() },
                (Effect::Allow, PrincipalMatch::ByAccount) if opinion == Opinion::Silent => Opinion::Delegates,
                (Effect::Allow, PrincipalMatch::ByAccount) => opinion,
                (Effect::Allow, _) => Opinion::Allows,
            };
        }
        opinion
    }
}

impl Statement {
    fn applies_to(&self, request: &RequestContext<'_>) -> bool {
        let resource = request.resource.as_str();
        self.actions.include(request.action)
            && self.resources.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(resource)))
            && self.conditions.iter().all(|condition| condition.holds(request))
    }

    /// The best of what any of its principals gives.
    fn principal_match(&self, request: &RequestContext<'_>) -> PrincipalMatch {
        let Some(principals) = &self.principals else { return PrincipalMatch::Directly };
        let matches = principals.iter().map(|principal| principal.matches(request.caller));
        matches.fold(PrincipalMatch::No, |best, this| match (best, this) {
            (PrincipalMatch::Directly, _) | (_, PrincipalMatch::Directly) => PrincipalMatch::Directly,
            (PrincipalMatch::ByAccount, _) | (_, PrincipalMatch::ByAccount) => PrincipalMatch::ByAccount,
            _ => PrincipalMatch::No,
        })
    }
}

#[cfg(test)]
mod tests;
