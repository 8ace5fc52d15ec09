//! Which transactions a key may sign.
//!
//! A policy is a JSON document, at most 32 KiB, in which every key is known and occurs once:
//!
//! ```json
//! {
//!   "version": 1,
//!   "rules": [
//!     {"name": "payroll", "effect": "allow", "chains": ["eip155:1"],
//!      "destinations": ["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]},
//!     {"name": "exchange router", "effect": "allow", "chains": ["eip155:1"], "calls": true,
//!      "destinations": ["0x52908400098527886E0F7030069857D2E4169EE7"]},
//!     {"name": "known thief", "effect": "deny", "chains": ["*"],
//!      "destinations": ["0x8617E340B3D01FA5F11F306F4090FD50E238070D"]}
//!   ]
//! }
//! ```
//!
//! # How it is evaluated
//! Nothing is permitted by default. A transaction is permitted if **no deny rule** matches any of its actions and there
//! is **one allow rule** that matches all of them. The order of rules decides only which of several equal ones is named.
//! Evaluation looks at nothing but the policy and the [`Summary`]: no clock, no state.
//!
//! # What an allow rule matches
//! The transaction's chain is in `chains`, and each action is
//! * a plain transfer to one of `destinations`;
//! * a contract call or program call, if the rule says `"calls": true` *and* names the contract or program. A destination
//!   alone permits transfers only, because calldata is not decoded further: a token contract named as a destination
//!   would otherwise mean every transfer and approval of that token;
//! * a contract creation, if the rule says `"contract_creation": true`; such a rule may have no destinations.
//!
//! `"destinations": ["*"]` stands for every receiver of a plain transfer. It permits no call. An allow rule has no `*`
//! among its chains. An [`Action::Unknown`](crate::Action::Unknown) is matched by no allow rule.
//!
//! # What a deny rule matches
//! Any action on one of `chains` (`["*"]`: on every chain) that touches one of `destinations`: as a receiver, a contract,
//! a program, or an account handed to a program. A plain transfer on Solana is also a use of the System program, so a deny
//! rule that names that program stops transfers too. `["*"]` matches every action there is. It does not see addresses
//! inside calldata.
//!
//! # How addresses are compared
//! All chains of a rule share a namespace. What is written like an Ethereum address, `0x` and 40 hex digits, is compared by
//! value whatever its case, and in a policy a mixed-case one must carry the right EIP-55 checksum. Everything else is
//! compared as exact text. A rule for `eip155` takes nothing but Ethereum addresses, one for `solana` nothing but what
//! looks like base58 addresses, every other one 4 to 128 visible ASCII characters without `*`.
//!
//! # What it must not be
//! Beyond 128 rules, 32 chains or 512 destinations in a rule, or 1024 destinations in all, a policy is refused, and so is
//! one with a chain or an address twice in a list. Once read, it takes at most about eight times its JSON's memory.

mod destination;
mod document;
mod error;
mod evaluate;
mod text_set;

use std::collections::BTreeSet;

pub use error::PolicyError;
pub use evaluate::Decision;

use document::Rule;

use crate::Summary;

/// A policy that was read and understood.
///
/// ```
/// use chain_signers::policy::Policy;
///
/// let nothing = Policy::from_json(br#"{"version": 1, "rules": []}"#)?;
/// assert_eq!(nothing.rule_names().count(), 0);
/// assert!(Policy::from_json(br#"{"version": 1, "rules": [], "dry_run": true}"#).is_err(), "unknown key");
/// # Ok::<_, chain_signers::policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Box<[Rule]>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] names the rule and field. What is not understood is refused, never ignored.
    pub fn from_json(json: &[u8]) -> Result<Self, PolicyError> {
        document::read(json).map(|rules| Self { rules })
    }

    /// Judges a transaction by what it does.
    pub fn evaluate(&self, summary: &Summary) -> Decision {
        evaluate::evaluate(&self.rules, summary)
    }

    /// The rules' names, in the document's order.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// The CAIP-2 namespaces of the chains that the rules name, sorted and each once. A rule for `*` names none.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(Rule::namespace).collect::<BTreeSet<_>>().into_iter()
    }

    /// Checks that every rule is about chains of `namespace`, or about all chains: a rule about others, in the policy of
    /// a key for one family of chains, would look as if it protected or permitted something.
    ///
    /// ```
    /// use chain_signers::policy::Policy;
    ///
    /// let policy = Policy::from_json(br#"{"version": 1, "rules": [
    ///     {"name": "anyone", "effect": "allow", "chains": ["eip155:1"], "destinations": ["*"]}]}"#)?;
    /// assert!(policy.namespaces().eq(["eip155"]));
    /// assert!(policy.check_family("eip155").is_ok());
    /// assert!(policy.check_family("solana").is_err());
    /// # Ok::<_, chain_signers::policy::PolicyError>(())
    /// ```
    ///
    /// # Errors
    /// [`PolicyError::OtherNamespace`] names the first rule that is about other chains.
    pub fn check_family(&self, namespace: &str) -> Result<(), PolicyError> {
        let foreign = |rule: &Rule| rule.namespace().filter(|actual| *actual != namespace).map(str::to_owned);
        match self.rules.iter().find_map(|rule| foreign(rule).map(|actual| (rule, actual))) {
            None => Ok(()),
            Some((rule, actual)) => {
                Err(PolicyError::OtherNamespace { rule: rule.name.to_string(), expected: namespace.to_owned(), actual })
            }
        }
    }
}
