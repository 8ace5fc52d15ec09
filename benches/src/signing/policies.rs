//! Policies, and a transfer of tokens that they judge.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::Duration;

use chain_signers::Summary;
use chain_signers::policy::{Meter, Policy, Usage};

use super::evm;
use crate::attested::Failure;

/// A policy, the meter that counts for it, and what it judges.
#[derive(Debug)]
pub struct Appraisal {
    policy: Policy,
    meter: Meter,
    now: Cell<Duration>,
    summary: Summary,
    /// Whether it is permitted.
    allowed: bool,
}

impl Appraisal {
    /// Five rules, the third of which permits the transfer, with bounds and limits.
    ///
    /// # Errors
    /// If policy or transfer are not read.
    pub fn usual() -> Result<Self, Failure> {
        Self::new(USUAL.as_bytes(), true)
    }

    /// As many rules as there may be, in a policy as long as it may be: each covers the transfer, has room for it in all
    /// of its limits but the last, and so is no reason to permit it.
    ///
    /// # Errors
    /// If policy or transfer are not read.
    pub fn largest() -> Result<Self, Failure> {
        Self::new(largest().as_bytes(), false)
    }

    fn new(policy: &[u8], allowed: bool) -> Result<Self, Failure> {
        let summary = evm::token_transfer()?.decode()?.summary().clone();
        let (policy, meter, now) = (Policy::from_json(policy)?, Meter::new(1000), Cell::default());
        let appraisal = Self { policy, meter, now, summary, allowed };
        appraisal.evaluate()?;
        Ok(appraisal)
    }

    /// The verdict on another such transfer, ten milliseconds later.
    ///
    /// # Errors
    /// If it is not the right one.
    pub fn evaluate(&self) -> Result<(), Failure> {
        self.now.set(self.now.get() + Duration::from_millis(10));
        let usage = Usage { meter: &self.meter, key: &[2; 33], caller: &[3; 32], now: self.now.get() };
        let decision = self.policy.evaluate_metered(&self.summary, usage);
        if decision.allowed == self.allowed { Ok(()) } else { Err(decision.reason.into()) }
    }
}

fn largest() -> String {
    let mut rules = String::new();
    for n in 0..MAX_RULES {
        let separator = if n == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(
            rules,
            r#"{separator}{{"name":"{n}","effect":"allow","chains":["eip155:1"],"destinations":["*"],"tokens":[{{"token":"{}"}}],"limits":["#,
            evm::USDC
        );
        for seconds in 1..LIMITS {
            let _ = write!(rules, r#"{{"seconds":{seconds},"amount":"0"}},"#);
        }
        let _ = write!(rules, r#"{{"seconds":{LIMITS},"signatures":0}}]}}"#);
    }
    let policy = format!(r#"{{"version":1,"rules":[{rules}]}}"#);
    let room = MAX_LEN.saturating_sub(policy.len());
    policy + &" ".repeat(room)
}

const MAX_RULES: usize = 128;
const MAX_LEN: usize = 32 * 1024;
/// Of each rule; with one more the policy would be too long.
const LIMITS: usize = 4;

const USUAL: &str = r#"{"version":1,"rules":[
    {"name":"known thief","effect":"deny","chains":["*"],
     "destinations":["0x8617E340B3D01FA5F11F306F4090FD50E238070D","0xde709f2102306220921060314715629080e2fb77"]},
    {"name":"payroll","effect":"allow","chains":["eip155:1"],
     "destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","0x52908400098527886E0F7030069857D2E4169EE7"],
     "max_amount":"1000000000000000000","max_fee":"20000000000000000",
     "limits":[{"seconds":86400,"amount":"5000000000000000000"}]},
    {"name":"stablecoins","effect":"allow","chains":["eip155:1","eip155:10"],
     "destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","0x52908400098527886E0F7030069857D2E4169EE7"],
     "max_fee":"20000000000000000",
     "tokens":[{"token":"0xdAC17F958D2ee523a2206206994597C13D831ec7","max_amount":"1000000000"},
      {"token":"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48","max_amount":"1000000000"}],
     "limits":[{"seconds":3600,"signatures":1000000},
      {"seconds":86400,"amount":"1000000000000000000","token":"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"}]},
    {"name":"router","effect":"allow","chains":["eip155:1"],"calls":true,"selectors":["0x3593564c"],
     "destinations":["0x27b1fdb04752bbc536007a920d24acb045561c26"],"max_fee":"20000000000000000"},
    {"name":"login","effect":"allow","chains":["eip155:1"],"destinations":[],"messages":["eip191"]}]}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_policy_is_as_large_as_may_be() {
        let policy = largest();
        assert_eq!(policy.len(), MAX_LEN);
        assert!(Policy::from_json(format!("{policy} ").as_bytes()).is_err());
        assert_eq!(Policy::from_json(policy.as_bytes()).unwrap().rule_names().count(), MAX_RULES);
        for appraisal in [Appraisal::usual(), Appraisal::largest()] {
            appraisal.unwrap().evaluate().unwrap();
        }
    }
}
