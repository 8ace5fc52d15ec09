//! Who calls, and whom a policy means.

use crate::sim::fault::Fault;

/// A caller, as its credentials identify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The ARN that error messages name.
    pub(crate) arn: String,
    /// The ARN that policies name: for a session it is the role's.
    pub(crate) policy_arn: String,
    pub(crate) account: String,
    pub(crate) is_root: bool,
    /// Whether an identity policy allows it everything that a key policy delegates to the account.
    pub(crate) is_administrator: bool,
}

impl Principal {
    /// Reads `arn:aws:iam::<account>:root`, `…:user/…`, `…:role/…` or `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    pub(crate) fn from_arn(arn: &str, is_administrator: bool) -> Option<Self> {
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
        Some(Self {
            arn: arn.to_owned(),
            policy_arn,
            account: account.to_owned(),
            is_root: resource == "root",
            is_administrator,
        })
    }
}

/// A principal as a policy statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    Everyone,
    Account(String),
    /// A user's or role's ARN, normalised as in [`Principal::policy_arn`].
    Identity(String),
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
    /// Reads a value of `Principal.AWS`. KMS refuses principals that do not exist, so the known ones are needed.
    pub(crate) fn parse(text: &str, account: &str, known: &[Principal]) -> Result<Self, Fault> {
        let unknown = || Fault::malformed_policy("Policy contains a statement with one or more invalid principals.");
        if text == "*" {
            return Ok(Self::Everyone);
        }
        if text == account {
            return Ok(Self::Account(account.to_owned()));
        }
        let named = Principal::from_arn(text, false).ok_or_else(unknown)?;
        if named.is_root {
            return if named.account == account { Ok(Self::Account(named.account)) } else { Err(unknown()) };
        }
        if known.iter().any(|principal| principal.policy_arn == named.policy_arn) {
            // A session's own ARN would be narrower than its role; refusing it is simpler than being too generous.
            if named.arn == named.policy_arn { Ok(Self::Identity(named.policy_arn)) } else { Err(unknown()) }
        } else {
            Err(unknown())
        }
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
            Self::Identity(arn) if *arn == caller.policy_arn => PrincipalMatch::Directly,
            Self::Account(_) | Self::Identity(_) => PrincipalMatch::No,
        }
    }
}

/// `(arn:<partition>:<service>, account, resource)` of an ARN without a region.
fn split_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let (head, resource) = arn.rsplit_once(':')?;
    let (head, account) = head.rsplit_once(':')?;
    let prefix = head.strip_suffix(':')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
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
    (is_account && is_prefix && is_resource).then_some((prefix, account, resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";

    #[test]
    fn reads_the_four_kinds_of_principal() {
        let policy_arn = |arn: &str| Principal::from_arn(arn, false).map(|principal| principal.policy_arn);
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
        let role = Principal::from_arn("arn:aws:iam::111122223333:role/enclave", false).unwrap();
        let session = Principal::from_arn("arn:aws:sts::111122223333:assumed-role/enclave/one", false).unwrap();
        let root = Principal::from_arn("arn:aws:iam::111122223333:root", false).unwrap();
        let stranger = Principal::from_arn("arn:aws:iam::444455556666:role/enclave", false).unwrap();
        let known = [role.clone(), root.clone()];
        let parse = |text: &str| PrincipalPattern::parse(text, ACCOUNT, &known);
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
    }

    #[test]
    fn principals_that_do_not_exist_are_refused() {
        for text in
            ["arn:aws:iam::111122223333:role/unknown", "arn:aws:iam::444455556666:root", "444455556666", "alice"]
        {
            let fault = PrincipalPattern::parse(text, ACCOUNT, &[]).unwrap_err();
            assert_eq!(fault.exception, "MalformedPolicyDocumentException");
        }
    }
}
