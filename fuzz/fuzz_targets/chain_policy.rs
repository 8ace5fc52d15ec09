//! Policies: one that is understood means the same after its JSON was re-written, judges alike each time, permits nothing
//! that another reading of its JSON does not, and nothing more with an allow rule less.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use chain_signers::policy::{Meter, Policy, Usage};
use chain_signers::{Action, Amount, Summary};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(policy) = Policy::from_json(data) else { return };
    let value: Value = serde_json::from_slice(data).expect("a policy is JSON");
    let read =
        |value: &Value| Policy::from_json(value.to_string().as_bytes()).expect("the same JSON is the same policy");
    assert_eq!(policy, read(&value));
    let fewer = without_an_allow_rule(&value);
    let meter = Meter::new(1000);
    for summary in SUMMARIES.iter() {
        let decision = policy.evaluate(summary);
        assert_eq!(decision, policy.evaluate(summary));
        assert!(decision.reason.len() < 900, "{decision:?}");
        let usage = Usage { meter: &meter, key: b"key", caller: b"caller", now: Duration::ZERO };
        let metered = policy.evaluate_metered(summary, usage);
        assert!(metered.allowed || !decision.allowed, "counting denies what needs no counting: {decision:?}");
        for decision in [&decision, &metered] {
            if decision.allowed {
                check(&value, decision.rule.as_deref().expect("a rule allowed it"), summary);
            }
        }
        for fewer in &fewer {
            assert!(decision.allowed || !read(fewer).evaluate(summary).allowed, "{fewer}");
        }
    }
});

/// That the JSON of the rule permits what the transaction does, as far as a few plain questions go.
fn check(policy: &Value, name: &str, summary: &Summary) {
    let rules = policy["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|rule| rule["name"] == name).expect("the rule is there");
    assert_eq!(rule["effect"], "allow");
    let lists = |key: &str, text: &str| {
        rule[key].as_array().is_some_and(|list| {
            list.iter().any(|item| item.as_str().is_some_and(|item| item == "*" || item.eq_ignore_ascii_case(text)))
        })
    };
    assert!(lists("chains", summary.chain_id.as_str()));
    let bound =
        |key: &str| rule.get(key).map(|text| text.as_str().expect("a text").parse::<Amount>().expect("an amount"));
    let number = |amount: Amount| amount.to_string().parse::<u128>().expect("small");
    if let Some(max) = bound("max_fee") {
        assert!(summary.fee_ceiling.is_some_and(|fee| fee <= max));
    }
    let mut coins = 0;
    for action in &summary.actions {
        match action {
            Action::Transfer { to, amount } => {
                assert!(lists("destinations", to));
                coins += number(*amount);
            }
            Action::ContractCall { to, selector, .. } => {
                assert!(rule["calls"] == true && lists("destinations", to));
                assert!(lists("selectors", selector.as_deref().unwrap_or("0x")));
            }
            Action::ContractCreation { .. } => assert_eq!(rule["contract_creation"], true),
            Action::Delegation { delegate, on_every_chain, .. } => {
                assert!(lists("delegates", delegate));
                assert!(!on_every_chain || lists("exceptions", "delegation_on_every_chain"));
            }
            Action::Exception { name } => assert!(lists("exceptions", name)),
            Action::Message { framing, .. } => assert!(lists("messages", framing)),
            Action::Prehash => assert_eq!(rule["blind_signing"], true),
            Action::TokenApproval { token, spender, amount, .. } => {
                let entry = entry(rule, token);
                assert!(entry["approvals"] == true && lists("destinations", spender));
                assert!(!entry["max_amount"].is_string() || number(*amount) <= max_amount(entry));
            }
            Action::TokenTransfer { token, to, amount, selector: None } => {
                let entry = entry(rule, token);
                assert!(lists("destinations", to));
                assert!(!entry["max_amount"].is_string() || number(*amount) <= max_amount(entry));
            }
            Action::TypedData { type_hash, .. } => {
                let entries = rule["typed_data"].as_array().expect("typed data is named");
                assert!(entries.iter().any(|entry| entry["type_hash"] == **type_hash));
            }
            other => panic!("no policy permits {other:?}"),
        }
    }
    if let Some(max) = bound("max_amount") {
        assert!(coins <= number(max.min(Amount::from(u128::MAX))));
    }
}

fn entry<'a>(rule: &'a Value, token: &str) -> &'a Value {
    let tokens = rule["tokens"].as_array().expect("tokens are named");
    let is_it = |entry: &&Value| entry["token"].as_str().is_some_and(|text| text.eq_ignore_ascii_case(token));
    tokens.iter().find(is_it).expect("the token is named")
}

fn max_amount(entry: &Value) -> u128 {
    let max: Amount = entry["max_amount"].as_str().expect("a text").parse().expect("an amount");
    max.min(Amount::from(u128::MAX)).to_string().parse().expect("small")
}

/// The policy without each of its first few allow rules.
fn without_an_allow_rule(policy: &Value) -> Vec<Value> {
    let rules = policy["rules"].as_array().expect("rules");
    let allows = rules.iter().enumerate().filter(|(_, rule)| rule["effect"] == "allow").take(4);
    let without = |at: usize| {
        let mut fewer = policy.clone();
        fewer["rules"].as_array_mut().expect("rules").remove(at);
        fewer
    };
    allows.map(|(at, _)| without(at)).collect()
}

static SUMMARIES: LazyLock<Vec<Summary>> = LazyLock::new(|| {
    let address = |text: &str| text.to_owned();
    let (alice, token) = (address(ALICE), address(TOKEN));
    let transfer = Action::Transfer { to: alice.clone(), amount: Amount::from(5_u64) };
    let selector = Some("0xa9059cbb".to_owned());
    let call = Action::ContractCall { to: alice.clone(), selector, amount: Amount::ZERO, data_len: 4 };
    let exception = Action::Exception { name: "durable_nonce".into() };
    let (amount, selector) = (Amount::from(7_u64), None);
    let singles = [
        transfer.clone(),
        call.clone(),
        exception.clone(),
        Action::ContractCreation { amount: Amount::ZERO, init_code_len: 3 },
        Action::Delegation { delegate: alice.clone(), authority: None, on_every_chain: false },
        Action::Delegation { delegate: alice.clone(), authority: None, on_every_chain: true },
        Action::Message { framing: "eip191".into(), len: 3 },
        Action::Prehash,
        Action::TokenApproval { token: token.clone(), spender: alice.clone(), amount, selector: selector.clone() },
        Action::TokenTransfer { token: token.clone(), to: alice, amount, selector },
        Action::TypedData {
            verifying_contract: Some(token),
            primary_type: "Permit".to_owned(),
            type_hash: format!("0x{}", "0".repeat(64)),
            fields: vec![("value".to_owned(), "7".to_owned()), ("items[0].to".to_owned(), ALICE.to_owned())],
        },
        Action::Unknown { description: "something".to_owned() },
    ];
    let mut actions: Vec<_> = singles.into_iter().map(|action| vec![action]).collect();
    actions.extend([
        vec![],
        vec![transfer.clone(), exception],
        vec![transfer.clone(), call],
        vec![transfer.clone(), transfer],
    ]);
    let summary = |(i, actions): (usize, Vec<Action>)| Summary {
        chain_id: "eip155:4".parse().expect("a chain id"),
        actions,
        fee_ceiling: (i % 3 > 0).then(|| Amount::from(9_u64)),
        text: String::new(),
    };
    actions.into_iter().enumerate().map(summary).collect()
});

const ALICE: &str = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
const TOKEN: &str = "0x8617E340B3D01FA5F11F306F4090FD50E238070D";
