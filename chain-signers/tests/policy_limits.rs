//! Limits over time: what a caller did lately counts, and nothing else does.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::time::Duration;

use chain_signers::{
    Action, Amount, Summary,
    policy::{Meter, Policy, Usage},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const ALICE: &str = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
const TOKEN: &str = "0x8617E340B3D01FA5F11F306F4090FD50E238070D";

#[test]
fn a_rule_with_limits_permits_nothing_where_nobody_counts() {
    let policy = policy(json!([{"seconds": 60, "signatures": 5}]));
    let decision = policy.evaluate(&summary(&[transfer(1)]));
    assert!(!decision.allowed);
    assert!(decision.reason.ends_with("rule r would, but it has limits over time, and nobody counts here"));
}

#[test]
fn signatures_amounts_and_tokens_are_counted_apart() {
    let policy = policy(json!([
        {"seconds": 60, "signatures": 3}, {"seconds": 60, "amount": "10"}, {"seconds": 60, "amount": "20", "token": TOKEN}]));
    let meter = Meter::new(100);
    let sign = |action: Action| policy.evaluate_metered(&summary(&[action]), at(&meter, b"c", 0));
    assert!(sign(transfer(6)).allowed);
    let reason = sign(transfer(5)).reason;
    assert!(reason.ends_with("but 5 coins after 6 would be more than 10 in 60 seconds"), "{reason}");
    assert!(!sign(tokens(21)).allowed);
    assert!(sign(tokens(20)).allowed, "what was refused did not count");
    assert!(!sign(tokens(1)).allowed);
    assert!(sign(transfer(4)).allowed);
    let reason = sign(transfer(0)).reason;
    assert!(reason.ends_with("but 1 signatures after 3 would be more than 3 in 60 seconds"), "{reason}");
}

#[test]
fn what_was_done_is_forgotten_after_the_time_and_not_before() {
    let policy = policy(json!([{"seconds": 160, "amount": "10"}]));
    let meter = Meter::new(100);
    let sign =
        |amount, seconds| policy.evaluate_metered(&summary(&[transfer(amount)]), at(&meter, b"c", seconds)).allowed;
    assert!(sign(10, 5));
    assert!(!sign(1, 164), "159 seconds later");
    assert!(!sign(1, 169), "the part in which it was done is not yet 160 seconds ago");
    assert!(sign(10, 170));
    assert!(!sign(1, 0), "a clock that goes back makes no room");
}

#[test]
fn callers_keys_and_rules_do_not_share_a_limit() {
    let policy = policy(json!([{"seconds": 60, "signatures": 1}]));
    let meter = Meter::new(100);
    let once = |key: &[u8], caller: &[u8]| {
        let usage = Usage { meter: &meter, key, caller, now: Duration::ZERO };
        policy.evaluate_metered(&summary(&[transfer(1)]), usage).allowed
    };
    for (key, caller) in [(b"k1", b"c1"), (b"k1", b"c2"), (b"k2", b"c1")] {
        assert!(once(key, caller));
        assert!(!once(key, caller));
    }
    assert!(once(b"k1c", b"1"), "where the key ends and the caller begins is told");
}

#[test]
fn another_rule_serves_when_one_is_used_up_and_is_counted_alone() {
    let json = json!({"version": 1, "rules": [
        {"name": "one", "effect": "allow", "chains": ["eip155:4"], "destinations": ["*"], "limits": [{"seconds": 60, "signatures": 1}]},
        {"name": "two", "effect": "allow", "chains": ["eip155:4"], "destinations": ["*"], "limits": [{"seconds": 60, "signatures": 2}]},
    ]});
    let policy = Policy::from_json(json.to_string().as_bytes()).unwrap();
    let meter = Meter::new(100);
    let rules: Vec<_> =
        (0..4).map(|_| policy.evaluate_metered(&summary(&[transfer(1)]), at(&meter, b"c", 0)).rule).collect();
    assert_eq!(rules, [Some("one".to_owned()), Some("two".to_owned()), Some("two".to_owned()), None]);
}

#[test]
fn a_full_meter_permits_nothing_until_a_time_is_over() {
    let policy = policy(json!([{"seconds": 16, "signatures": 9}]));
    let meter = Meter::new(2);
    let sign = |caller: &[u8], seconds| policy.evaluate_metered(&summary(&[transfer(1)]), at(&meter, caller, seconds));
    assert!(sign(b"one", 0).allowed && sign(b"two", 8).allowed);
    let refused = sign(b"three", 9);
    assert!(refused.reason.ends_with("but there is no room to count what it limits"), "{}", refused.reason);
    assert!(sign(b"two", 10).allowed, "those that have a place keep it");
    assert!(sign(b"three", 17).allowed, "one's is over");
}

#[test]
fn a_key_that_has_used_up_its_share_is_in_nobody_elses_way() {
    let policy = policy(json!([{"seconds": 16, "signatures": 9}]));
    let meter = Meter::new(5).max_windows_of_key(2);
    let sign = |key, caller, seconds| {
        let usage = Usage { key, ..at(&meter, caller, seconds) };
        policy.evaluate_metered(&summary(&[transfer(1)]), usage)
    };
    assert!(sign(b"greedy", b"one", 0).allowed && sign(b"greedy", b"two", 8).allowed);
    let refused = sign(b"greedy", b"three", 9);
    assert!(refused.reason.ends_with("but there is no room to count what it limits"), "{}", refused.reason);
    assert!(sign(b"greedy", b"two", 9).allowed, "those that have a place keep it");
    assert!(sign(b"modest", b"one", 9).allowed && sign(b"modest", b"two", 9).allowed);
    assert!(sign(b"greedy", b"three", 17).allowed, "one's is over");
    assert!(sign(b"other", b"one", 17).allowed);
    assert!(!sign(b"another", b"one", 17).allowed, "the meter is full");
}

#[test]
fn what_is_denied_anyway_is_not_counted() {
    let limited = json!({"name": "r", "effect": "allow", "chains": ["eip155:4"], "destinations": ["*"],
        "max_amount": "5", "limits": [{"seconds": 60, "signatures": 1}]});
    let policy = Policy::from_json(json!({"version": 1, "rules": [limited]}).to_string().as_bytes()).unwrap();
    let meter = Meter::new(100);
    let sign = |amount| policy.evaluate_metered(&summary(&[transfer(amount)]), at(&meter, b"c", 0)).allowed;
    assert!(!sign(6));
    assert!(sign(5));
    assert!(!sign(5));
}

proptest! {
    #[test]
    fn no_time_sees_more_than_the_limit(
        steps in vec((0_u64..40_000, 1_u64..6), 1..80), seconds in 1_u32..100, max in 1_u64..20,
    ) {
        let policy = policy(json!([{"seconds": seconds, "amount": max.to_string()}]));
        let meter = Meter::new(4);
        let (mut now, mut permitted) = (0, Vec::new());
        for (step, amount) in steps {
            now += step;
            let usage = Usage { meter: &meter, key: b"k", caller: b"c", now: Duration::from_millis(now) };
            let allowed = policy.evaluate_metered(&summary(&[transfer(amount)]), usage).allowed;
            let since = now.saturating_sub(u64::from(seconds) * 1000);
            let recent = |since: u64| permitted.iter().filter(|(at, _)| *at > since || since == 0).map(|(_, it)| it).sum::<u64>();
            if allowed {
                prop_assert!(recent(since) + amount <= max);
                permitted.push((now, amount));
            } else {
                // It is refused only for what was done in the time and a sixteenth more.
                let longer = since.saturating_sub(u64::from(seconds) * 1000 / 16 + 2);
                prop_assert!(recent(longer) + amount > max);
            }
        }
    }
}

fn policy(limits: Value) -> Policy {
    let rule = json!({"name": "r", "effect": "allow", "chains": ["eip155:4"], "destinations": ["*"],
        "tokens": [{"token": TOKEN}], "limits": limits});
    Policy::from_json(json!({"version": 1, "rules": [rule]}).to_string().as_bytes()).unwrap()
}

fn at<'a>(meter: &'a Meter, caller: &'a [u8], seconds: u64) -> Usage<'a> {
    Usage { meter, key: b"key", caller, now: Duration::from_secs(seconds) }
}

fn summary(actions: &[Action]) -> Summary {
    Summary { chain_id: "eip155:4".parse().unwrap(), actions: actions.to_vec(), fee_ceiling: None, text: String::new() }
}

fn transfer(amount: u64) -> Action {
    Action::Transfer { to: ALICE.to_owned(), amount: Amount::from(amount) }
}

fn tokens(amount: u64) -> Action {
    Action::TokenTransfer {
        token: TOKEN.to_owned(),
        to: ALICE.to_owned(),
        amount: Amount::from(amount),
        selector: None,
    }
}
