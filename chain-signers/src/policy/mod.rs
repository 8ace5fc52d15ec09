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
//! Every rule has these four keys. `name` has 1 to 64 letters, digits, spaces, `_`, `.` and `-`, and no other rule has it.
//! `chains` are CAIP-2 ids of one namespace, compared as text: which chains there are is not looked at, so a rule for
//! `solana:mainnet` does not permit what is said to be for `solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp` (the chain's module says
//! how its ids are written). `destinations` may be `[]` in an allow rule that permits creations, messages, typed data,
//! delegations or hashes. An allow rule has further keys, all of which may be left out. A [JSON Schema](JSON_SCHEMA) says
//! the same to editors.
//!
//! # How it is evaluated
//! Nothing is permitted by default. A transaction is permitted if **no deny rule** matches any of its actions and there
//! is **one allow rule** that covers all of them and whose bounds all hold. The order of rules decides only which of
//! several equal ones is named. [`Policy::evaluate`] looks at nothing but the policy and the [`Summary`]: no clock, no
//! state. [`Policy::evaluate_metered`] also knows what the caller did lately.
//!
//! # What an allow rule covers
//! The transaction's chain is in `chains` (no `*` there), and each action is one of these:
//!
//! | action | the rule says |
//! |---|---|
//! | a plain transfer | its receiver in `destinations`, or `["*"]` there |
//! | a contract call | `"calls": true`, the contract in `destinations`, the function's selector in `selectors` |
//! | a program call, an undecoded message type | `"calls": true`, its name in `destinations` |
//! | a contract creation | `"contract_creation": true` |
//! | a token transfer | the token in `tokens`, its receiver in `destinations` or `["*"]`; or as a contract call |
//! | a token approval | the token in `tokens` with `"approvals": true`, the spender in `destinations`; or as a contract call |
//! | a stake | `"staking": true`, the validator in `destinations`, and the coin in `tokens` where the chain has several |
//! | a message | its framing in `messages`, such as `eip191` or `bip322` |
//! | typed data (EIP-712) | an entry in `typed_data` with its contract, type and fields |
//! | a delegation (EIP-7702) | the delegate in `delegates`; with chain id 0 also the exception `delegation_on_every_chain` |
//! | an exception | its name in `exceptions` |
//! | a hash that nobody decoded | `"blind_signing": true`: **this voids every other rule**, since it can be the hash of anything |
//!
//! `"destinations": ["*"]` stands for every receiver of coins and tokens. It permits no call, no approval and no stake.
//! A destination alone permits transfers only: a token contract named as a destination is not permitted to be called.
//! `selectors` lists `0x` and eight hex digits in lower case, `0x` for calls without a selector, or is `["*"]`; on `eip155`
//! and `tron`, `calls` needs it; programs and messages have none, and are permitted whole. No rule covers an
//! [`Action::Unknown`](crate::Action::Unknown).
//!
//! # The bounds of an allow rule
//! All amounts are decimal digits in quotes, in the smallest unit.
//! * `max_amount`: how much of the chain's coin the whole transaction moves, without its fee. What a program or
//!   contract that is called moves by itself is not seen; of a hash that nobody decoded it cannot be told, so a rule with
//!   bounds of amounts permits none.
//! * `max_fee`: the highest fee that it can cost; if that cannot be told, as on `near` and of a hash, the rule does not
//!   permit it. Messages and typed data cost nothing.
//! * `tokens`: `[{"token": …, "max_amount": …, "approvals": …}]`: how much of a token the whole transaction moves, stakes or
//!   approves. A rule that names a token here or in `limits` cannot permit calls of it, which would go around the bound;
//!   on Solana no calls of the token programs, and beside a bound of coins none of the System program.
//! * `typed_data`: `[{"verifying_contract": … or null, "type_hash": "0x…", "fields": […]}]`, where the hash is Keccak-256 of
//!   EIP-712's `encodeType`, and each field has a `path` (`details.amount`; `[]` for every item of a list) and either `max`
//!   or `among`, a list of values. A field that the data does not have is not permitted. What moves tokens by its type
//!   (`Permit` and its kin) is a token approval or transfer besides, and must be permitted as such.
//! * `limits`: `[{"seconds": …, "signatures": …}, {"seconds": …, "amount": …}, {"seconds": …, "amount": …, "token": …}]`: how
//!   much a caller may do in a time, of 31 days at most. They hold for a caller, a key and the life of a [`Meter`], which forgets when the
//!   process ends: restarts and fleets multiply them. A rule with limits permits nothing where nobody counts.
//!
//! # What a deny rule matches
//! Any action on one of `chains` (`["*"]`: on every chain) that touches one of `destinations`: as a receiver, a contract,
//! a program, an account handed to a program, a token, a spender, a validator, a delegate or who delegates, or as a value in
//! typed data, also one of 32 bytes. A plain transfer on Solana is also a use of the System program, and a token transfer
//! one of the token programs, so a deny rule that names these stops such transfers too. What holds on every chain is on
//! each: a delegation for every chain, and a message or hash, which names none whatever the caller says. `["*"]` matches
//! every action there is. A deny rule does not see addresses inside calldata that is not decoded.
//!
//! # How addresses are compared
//! All chains of a rule share a namespace. What is written like an Ethereum address, `0x` and 40 hex digits, is compared by
//! value whatever its case, and in a policy a mixed-case one must carry the right EIP-55 checksum. Everything else is
//! compared as exact text, and no other checksum is looked at: a slip there permits, or denies, nobody. A rule for `eip155`
//! takes nothing but Ethereum addresses, one for `solana` nothing but what looks like base58 addresses, one for `aptos` or
//! `sui` addresses in AIP-40's spelling alone (and names that begin with one, or with none), one for `bip122` or `cosmos` no
//! bech32 in upper case, one for `bip122` or `tron` no address in hex, every other one 4 to 128 visible ASCII characters
//! without `*`. What `tokens` names may be shorter, but on `eip155` and `solana`.
//!
//! # What it must not be
//! Beyond 128 rules, or 1024 addresses in all, a policy is refused, and so is a rule beyond 32 chains, 512 destinations or
//! delegates, 64 selectors or tokens, 32 types of typed data with 16 fields each, 16 exceptions or messages, or 8 limits,
//! and one with a chain or an address twice in a list. Once read, it takes at most about eight times its JSON's memory.
//! [`Policy::lint`] names what is understood but seldom meant.

mod decision;
mod destination;
mod document;
mod error;
mod evaluate;
mod lint;
mod meter;
mod objection;
mod rule;
mod text_set;

use std::collections::BTreeSet;

pub use decision::Decision;
pub use error::PolicyError;
pub use lint::{Lint, Warning};
pub use meter::{Meter, Usage};

use meter::Unmetered;
use rule::Rule;

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

    /// Judges a transaction by what it does. Rules with `limits` permit nothing here, since nobody counts.
    pub fn evaluate(&self, summary: &Summary) -> Decision {
        evaluate::evaluate(&self.rules, summary, &mut Unmetered)
    }

    /// Judges a transaction by what it does and by what the caller did lately. What is permitted is counted.
    pub fn evaluate_metered(&self, summary: &Summary, mut usage: Usage<'_>) -> Decision {
        evaluate::evaluate(&self.rules, summary, &mut usage)
    }

    /// What it permits that is seldom meant.
    ///
    /// ```
    /// use chain_signers::policy::{Lint, Policy};
    ///
    /// let policy = Policy::from_json(br#"{"version": 1, "rules": [{"name": "anything", "effect": "allow",
    ///     "chains": ["eip155:1"], "destinations": [], "blind_signing": true}]}"#)?;
    /// assert_eq!(policy.lint()[0].lint, Lint::BlindSigning);
    /// # Ok::<_, chain_signers::policy::PolicyError>(())
    /// ```
    pub fn lint(&self) -> Vec<Warning> {
        self.rules.iter().flat_map(lint::warnings).collect()
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

/// The JSON Schema (2020-12) of policies. It knows the form; [`Policy::from_json`] also checks what a schema cannot say: how
/// addresses are written on a rule's chains, and their checksums; that names and addresses are there once; that calls have
/// the selectors they need; that a rule permits something, and does not undo its own bounds.
pub const JSON_SCHEMA: &str = include_str!("../../policy.schema.json");
