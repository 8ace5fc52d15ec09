//! Ways around a rule that looks as if it held: each was open once, or would be if nobody looked.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::time::{Duration, Instant};

use chain_signers::{
    Action, Amount, Summary,
    policy::{Decision, Lint, Meter, Policy, PolicyError, Usage},
};
use serde_json::{Value, json};

const ALICE: &str = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
const TOKEN: &str = "0x8617E340B3D01FA5F11F306F4090FD50E238070D";
const CLUSTER: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
const SYSTEM: &str = "11111111111111111111111111111111";
const TOKEN_PROGRAM: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const MINT: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

#[test]
fn a_message_or_hash_in_the_name_of_another_chain_does_not_get_around_a_deny_rule() {
    let allow = json!({"name": "test network", "effect": "allow", "chains": ["eip155:11155111"], "destinations": [],
        "messages": ["eip191"], "blind_signing": true});
    for action in [Action::Message { framing: "eip191".into(), len: 5 }, Action::Prehash] {
        let summary = summary_on("eip155:11155111", &[action]);
        let denied_by = |chain: &str, destinations: Value| {
            let deny = json!({"name": "stop", "effect": "deny", "chains": [chain], "destinations": destinations});
            policy(&[&allow, &deny]).evaluate(&summary).rule.as_deref() == Some("stop")
        };
        assert!(policy(&[&allow]).evaluate(&summary).allowed);
        assert!(denied_by("eip155:1", json!(["*"])), "it says nothing of the chain it is for");
        assert!(!denied_by("eip155:1", json!([ALICE])), "it names nobody");
        assert!(!denied_by(CLUSTER, json!(["*"])), "another family");
    }
}

#[test]
fn a_hash_moves_an_amount_that_cannot_be_told() {
    for bound in [
        json!({"max_amount": "5"}),
        json!({"tokens": [{"token": TOKEN, "max_amount": "5"}]}),
        json!({"limits": [{"seconds": 60, "amount": "5"}]}),
        json!({"limits": [{"seconds": 60, "amount": "5", "token": TOKEN}]}),
    ] {
        let mut rule = rule("eip155:4", json!({"blind_signing": true}));
        let prehash = [Action::Prehash];
        assert!(metered(&rule, "eip155:4", &prehash).allowed);
        rule.as_object_mut().unwrap().extend(bound.as_object().unwrap().clone());
        assert!(!metered(&rule, "eip155:4", &prehash).allowed, "{bound}");
    }
    let signatures = rule("eip155:4", json!({"blind_signing": true, "limits": [{"seconds": 60, "signatures": 1}]}));
    assert!(metered(&signatures, "eip155:4", &[Action::Prehash]).allowed);
}

#[test]
fn a_rule_that_bounds_transfers_permits_no_call_of_the_program_that_makes_them() {
    let with = |program: &str, bound: &Value| {
        let mut rule = rule(CLUSTER, json!({"calls": true}));
        rule["destinations"] = json!([program]);
        rule.as_object_mut().unwrap().extend(bound.as_object().unwrap().clone());
        read(&rule)
    };
    let coins = [json!({"max_amount": "5"}), json!({"limits": [{"seconds": 60, "amount": "5"}]})];
    let tokens = [
        json!({"tokens": [{"token": MINT, "max_amount": "5"}]}),
        json!({"limits": [{"seconds": 60, "amount": "5", "token": MINT}]}),
    ];
    for bound in &coins {
        let refused = with(SYSTEM, bound).unwrap_err();
        assert!(matches!(&refused, PolicyError::Invalid { actual, .. } if actual == SYSTEM), "{refused}");
        assert!(with(TOKEN_PROGRAM, bound).is_ok());
    }
    for bound in &tokens {
        for program in [TOKEN_PROGRAM, "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"] {
            let refused = with(program, bound).unwrap_err();
            assert!(matches!(&refused, PolicyError::Invalid { actual, .. } if actual == program), "{refused}");
        }
        assert!(with(SYSTEM, bound).is_ok());
    }
}

#[test]
fn a_limit_of_a_token_is_no_bound_beside_calls_of_it() {
    let mut rule = rule(
        "eip155:4",
        json!({"calls": true, "selectors": ["*"],
        "limits": [{"seconds": 60, "amount": "5", "token": TOKEN}]}),
    );
    rule["destinations"] = json!([TOKEN]);
    let refused = read(&rule).unwrap_err();
    assert!(matches!(refused, PolicyError::Invalid { field: "limits", .. }), "{refused}");
}

#[test]
fn an_address_that_a_chain_never_writes_so_is_refused() {
    for (chain, address) in [
        ("tron:0x2b6653dc", ALICE),
        ("tron:0x2b6653dc", "41a614f803b6fd780986a42c78ec9c7f77e6ded13c"),
        ("tron:0x2b6653dc", "0x41a614f803b6fd780986a42c78ec9c7f77e6ded13c"),
        ("tron:0x2b6653dc", "a614f803b6fd780986a42c78ec9c7f77e6ded13c"),
        ("bip122:000000000019d6689c085ae165831e93", ALICE),
    ] {
        for effect in ["allow", "deny"] {
            let rule = json!({"name": "r", "effect": effect, "chains": [chain], "destinations": [address]});
            let refused = read(&rule).unwrap_err();
            assert!(matches!(refused, PolicyError::Invalid { field: "destinations", .. }), "{refused}");
        }
    }
    for (chain, address) in [
        ("tron:0x2b6653dc", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
        ("tron:0x2b6653dc", "FreezeBalanceV2Contract"),
        ("bip122:000000000019d6689c085ae165831e93", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
        ("cosmos:cosmoshub-4", ALICE), // behind a channel that leads to Ethereum
    ] {
        let rule = json!({"name": "r", "effect": "deny", "chains": [chain], "destinations": [address]});
        assert!(read(&rule).is_ok(), "{address} on {chain}");
    }
}

#[test]
fn lint_names_calls_that_no_bound_counts() {
    let lints = |rule: &Value| policy(&[rule]).lint().into_iter().map(|it| it.lint).collect::<Vec<_>>();
    let mut memo = rule(CLUSTER, json!({"calls": true, "max_fee": "1", "max_amount": "1"}));
    memo["destinations"] = json!(["MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"]);
    assert_eq!(lints(&memo), [Lint::UncountedCalls]);
    let selectors = ["0x095ea7b3", "0x12345678", "0x23b872dd"];
    let calls = rule("eip155:4", json!({"calls": true, "selectors": selectors, "max_fee": "1", "max_amount": "1"}));
    let expected = [selectors[0], selectors[2]].map(|it| Lint::TokensByCall { selector: it.to_owned() });
    assert_eq!(lints(&calls), expected);
}

#[test]
fn the_most_bounds_judge_the_most_values_in_no_time() {
    let (hash, most) = (format!("0x{}", "0".repeat(64)), Amount::MAX.to_string());
    let mut fields = vec![json!({"path": "a[]", "max": most}); 16];
    fields[15] = json!({"path": "a[]", "max": "1"});
    let entry = json!({"verifying_contract": null, "type_hash": hash, "fields": fields});
    let policy = policy(&[&rule("eip155:4", json!({"typed_data": vec![entry; 8]}))]);
    let action = Action::TypedData {
        verifying_contract: None,
        primary_type: "P".to_owned(),
        type_hash: hash,
        fields: (0..1024).map(|i| (format!("a[{i}]"), most.clone())).collect(),
    };
    let start = Instant::now();
    assert!(!policy.evaluate(&summary_on("eip155:4", &[action])).allowed);
    // Without optimization; digit by digit it took half a minute.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

fn rule(chain: &str, permissions: Value) -> Value {
    let mut rule = json!({"name": "r", "effect": "allow", "chains": [chain], "destinations": ["*"]});
    if permissions.get("calls").is_some() {
        rule["destinations"] = json!([ALICE]);
    }
    rule.as_object_mut().unwrap().extend(permissions.as_object().unwrap().clone());
    rule
}

fn read(rule: &Value) -> Result<Policy, PolicyError> {
    Policy::from_json(json!({"version": 1, "rules": [rule]}).to_string().as_bytes())
}

fn policy(rules: &[&Value]) -> Policy {
    Policy::from_json(json!({"version": 1, "rules": rules}).to_string().as_bytes()).unwrap()
}

fn metered(rule: &Value, chain: &str, actions: &[Action]) -> Decision {
    let meter = Meter::new(10);
    let usage = Usage { meter: &meter, key: b"key", caller: b"caller", now: Duration::ZERO };
    policy(&[rule]).evaluate_metered(&summary_on(chain, actions), usage)
}

fn summary_on(chain: &str, actions: &[Action]) -> Summary {
    let fee_ceiling = Some(Amount::ZERO);
    Summary { chain_id: chain.parse().unwrap(), actions: actions.to_vec(), fee_ceiling, text: String::new() }
}
