//! Who calls, and whom a policy means.

use std::sync::Arc;

use crate::sim::policy::{Policy, PolicyError};

/// A caller, as its credentials identify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The ARN that error messages name.
    pub(crate) arn: String,
    /// The ARN that policies name: for a session it is the role's.
    pub(crate) policy_arn: String,
    pub(crate) account: String,
    pub(crate) is_root: bool,
}

impl Principal {
    /// Reads `arn:aws:iam::<account>:root`, `…:user/…`, `…:role/…` or `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    pub(crate) fn from_arn(arn: &str) -> Option<Self> {
        let (prefix, account, resource) = split_arn(arn)?;
        let policy_arn = match (prefix.rsplit(':').next()?, resource.split_once('/')) {
            ("iam", None) if resource == "root" => arn.to_owned(),
            ("iam", Some(("user" | "role", name))) if !name.is_empty() => arn.to_owned(),
            ("sts", Some(("assumed-role", name))) => {
                let (role, session) = name.split_once('/')?;
                if role.is_empty() || session.is_empty() || session.contains('/') {
                    return None;
                }
                let partition = prefix.split(':').nth(1)?;
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            _ => return None,
        };
        Some(Self { arn: arn.to_owned(), policy_arn, account: account.to_owned(), is_root: resource == "root" })
    }
}

/// A principal and what its own policies say.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// All identity policies together.
    pub(crate) identity: Arc<Policy>,
}

/// A principal as a policy statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    Everyone,
    Account(String),
    /// A user's or role's ARN, as [`Principal::policy_arn`], or that of one session of a role, as [`Principal::arn`].
    Identity(String),
}

/// The principals that a policy may name. KMS refuses policies with principals that do not exist.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KnownPrincipals<'a> {
    /// Nobody knows who exists.
    Any,
    /// These, and the key's account.
    Only(&'a [Principal]),
}

/// How a pattern meets a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalMatch {
    /// Not at all.
    No,
    /// The statement names the caller's account: an Allow leaves the decision to identity policies.
    ByAccount,
    /// The statement names the caller.
    Directly,
}

impl PrincipalPattern {
    /// Reads a value of `Principal.AWS` in the policy of a key of `account`.
    pub(crate) fn parse(text: &str, account: &str, known: KnownPrincipals<'_>) -> Result<Self, PolicyError> {
        let unknown = || PolicyError::UnknownPrincipal { principal: text.to_owned() };
        if text == "*" {
            return Ok(Self::Everyone);
        }
        let exists = |principal: &Principal| match known {
            KnownPrincipals::Any => true,
            KnownPrincipals::Only(_) if principal.is_root => principal.account == account,
            KnownPrincipals::Only(known) => known.iter().any(|known| known.policy_arn == principal.policy_arn),
        };
        let named = if is_account(text) {
            Principal::from_arn(&format!("arn:aws:iam::{text}:root"))
        } else {
            Principal::from_arn(text)
        };
        let named = named.filter(exists).ok_or_else(unknown)?;
        Ok(if named.is_root { Self::Account(named.account) } else { Self::Identity(named.arn) })
    }

    pub(crate) fn matches(&self, caller: &Principal) -> PrincipalMatch {
        match self {
            Self::Everyone => PrincipalMatch::Directly,
            Self::Account(account) if *account == caller.account => {
                if caller.is_root {
                    PrincipalMatch::Directly
                } else {
                    PrincipalMatch::ByAccount
                }
            }
            Self::Identity(arn) if *arn == caller.policy_arn || *arn == caller.arn => PrincipalMatch::Directly,
            Self::Account(_) | Self::Identity(_) => PrincipalMatch::No,
        }
    }
}

/// `(arn:<partition>:<service>, account, resource)` of an ARN without a region.
fn split_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let (head, resource) = arn.rsplit_once(':')?;
    let (head, account) = head.rsplit_once(':')?;
    let prefix = head.strip_suffix(':')?;
    let is_prefix = matches!(
        prefix,
        "arn:aws:iam"
            | "arn:aws:sts"
            | "arn:aws-cn:iam"
            | "arn:aws-cn:sts"
            | "arn:aws-us-gov:iam"
            | "arn:aws-us-gov:sts"
    );
    let is_resource = resource.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte));
    (is_account(account) && is_prefix && is_resource).then_some((prefix, account, resource))
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";

    #[test]
    fn reads_the_four_kinds_of_principal() {
        let policy_arn = |arn: &str| Principal::from_arn(arn).map(|principal| principal.policy_arn);
        for arn in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/alice",
            "arn:aws-cn:iam::111122223333:role/path/enclave",
        ] {
            assert_eq!(policy_arn(arn).as_deref(), Some(arn));
        }
        assert_eq!(
            policy_arn("arn:aws:sts::111122223333:assumed-role/enclave/i-0123").as_deref(),
            Some("arn:aws:iam::111122223333:role/enclave")
        );
        for arn in [
            "",
            "*",
            "arn:aws:iam::111122223333:group/admins",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::1111:root",
            "arn:aws:s3::111122223333:root",
            "arn:aws:iam:us-east-1:111122223333:root",
            "arn:aws:sts::111122223333:assumed-role/enclave",
        ] {
            assert_eq!(policy_arn(arn), None, "{arn}");
        }
    }

    #[test]
    fn a_pattern_means_only_whom_it_names() {
        let role = Principal::from_arn("arn:aws:iam::111122223333:role/enclave").unwrap();
        let session = Principal::from_arn("arn:aws:sts::111122223333:assumed-role/enclave/one").unwrap();
        let root = Principal::from_arn("arn:aws:iam::111122223333:root").unwrap();
        let stranger = Principal::from_arn("arn:aws:iam::444455556666:role/enclave").unwrap();
        let known = [role.clone(), root.clone()];
        let parse = |text: &str| PrincipalPattern::parse(text, ACCOUNT, KnownPrincipals::Only(&known));
        let named = parse(&role.arn).unwrap();
        let account = parse(ACCOUNT).unwrap();
        assert_eq!(parse(&root.arn).unwrap(), account);
        use PrincipalMatch::{ByAccount, Directly, No};
        for (caller, by_name, by_account) in
            [(&role, Directly, ByAccount), (&session, Directly, ByAccount), (&root, No, Directly), (&stranger, No, No)]
        {
            assert_eq!((named.matches(caller), account.matches(caller)), (by_name, by_account), "{}", caller.arn);
            assert_eq!(parse("*").unwrap().matches(caller), Directly);
        }
        let one_session = parse(&session.arn).unwrap();
        let other = Principal::from_arn("arn:aws:sts::111122223333:assumed-role/enclave/two").unwrap();
        assert_eq!([&session, &other, &role].map(|caller| one_session.matches(caller)), [Directly, No, No]);
    }

    #[test]
    fn principals_that_do_not_exist_are_refused() {
        for text in
            ["arn:aws:iam::111122223333:role/unknown", "arn:aws:iam::444455556666:root", "444455556666", "alice"]
        {
            let refused = PrincipalPattern::parse(text, ACCOUNT, KnownPrincipals::Only(&[])).unwrap_err();
            assert_eq!(refused, PolicyError::UnknownPrincipal { principal: text.to_owned() });
        }
        for text in ["arn:aws:iam::111122223333:role/unknown", "arn:aws:iam::444455556666:root", "444455556666"] {
            assert!(PrincipalPattern::parse(text, ACCOUNT, KnownPrincipals::Any).is_ok(), "{text}");
        }
        for text in ["alice", "arn:aws:iam::111122223333:role/*", "", "4444"] {
            assert!(PrincipalPattern::parse(text, ACCOUNT, KnownPrincipals::Any).is_err(), "{text}");
        }
    }
}
