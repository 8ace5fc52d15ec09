//! What a policy permits, and that it never permits by accident.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use chain_signers::{
    Action, Amount, Summary,
    policy::{Decision, Policy, PolicyError},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Value, json};

const ALICE: &str = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
const BOB: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
const CAROL: &str = "0x8617E340B3D01FA5F11F306F4090FD50E238070D";
const SYSTEM: &str = "11111111111111111111111111111111";
const CLUSTER: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";

#[test]
fn nothing_is_permitted_by_default() {
    let decision = judge(&[], &[transfer(ALICE)]);
    assert_eq!(
        decision,
        Decision {
            allowed: false,
            rule: None,
            reason: format!("no rule allows a transfer of 7 to {ALICE} on eip155:4"),
        }
    );
}

#[test]
fn a_rule_permits_transfers_to_its_destinations_on_its_chains() {
    let rule = allow("payroll", &["eip155:4"], &[ALICE]);
    let decision = judge(std::slice::from_ref(&rule), &[transfer(ALICE)]);
    assert!(decision.allowed);
    assert_eq!(decision.rule.as_deref(), Some("payroll"));
    assert_eq!(decision.reason, format!("rule payroll allows a transfer of 7 to {ALICE} on eip155:4"));
    assert!(!judge(std::slice::from_ref(&rule), &[transfer(BOB)]).allowed);
    assert!(!judge(&[allow("payroll", &["eip155:1"], &[ALICE])], &[transfer(ALICE)]).allowed);
    assert!(judge(&[allow("any", &["eip155:4"], &["*"])], &[transfer(BOB)]).allowed);
}

#[test]
fn ethereum_addresses_are_compared_by_value() {
    for spelling in [ALICE.to_owned(), ALICE.to_lowercase(), format!("0x{}", ALICE[2..].to_uppercase())] {
        let rule = allow("payroll", &["eip155:4"], &[&spelling]);
        assert!(judge(std::slice::from_ref(&rule), &[transfer(ALICE)]).allowed, "{spelling}");
        assert!(judge(&[rule], &[transfer(&ALICE.to_lowercase())]).allowed, "{spelling}");
    }
}

#[test]
fn other_addresses_are_compared_exactly() {
    let rule = |to: &str| allow("sol", &[CLUSTER], &[to]);
    let summary = |to: &str| Summary { chain_id: CLUSTER.parse().unwrap(), ..summary(&[transfer(to)]) };
    let address = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
    assert!(policy(&[rule(address)]).evaluate(&summary(address)).allowed);
    assert!(!policy(&[rule(address)]).evaluate(&summary(&address.to_lowercase())).allowed);
}

#[test]
fn calls_need_permission_of_their_own_and_a_name() {
    let plain = allow("plain", &["eip155:4"], &[ALICE]);
    assert!(!judge(std::slice::from_ref(&plain), &[call(ALICE)]).allowed);
    let mut calls = plain.clone();
    calls["calls"] = true.into();
    calls["selectors"] = json!(["*"]);
    assert!(judge(std::slice::from_ref(&calls), &[call(ALICE)]).allowed);
    assert!(judge(std::slice::from_ref(&calls), &[transfer(ALICE)]).allowed);
    assert!(!judge(std::slice::from_ref(&calls), &[call(BOB)]).allowed);
    let any = allow("any", &["eip155:4"], &["*"]);
    assert!(!judge(&[any], &[call(ALICE)]).allowed, "* names nobody");
    assert!(!judge(&[calls], &[Action::ContractCreation { amount: Amount::ZERO, init_code_len: 9 }]).allowed);
}

#[test]
fn creation_needs_permission_of_its_own() {
    let create = Action::ContractCreation { amount: Amount::ZERO, init_code_len: 9 };
    let mut rule = allow("deploy", &["eip155:4"], &[]);
    rule["contract_creation"] = true.into();
    assert!(judge(std::slice::from_ref(&rule), std::slice::from_ref(&create)).allowed);
    assert!(!judge(std::slice::from_ref(&rule), &[transfer(ALICE)]).allowed);
    assert!(!judge(&[allow("any", &["eip155:4"], &["*"])], &[create]).allowed);
}

#[test]
fn one_rule_must_allow_everything_a_transaction_does() {
    let (one, two) = (allow("one", &["eip155:4"], &[ALICE]), allow("two", &["eip155:4"], &[BOB]));
    let both = allow("both", &["eip155:4"], &[ALICE, BOB]);
    assert!(!judge(&[one.clone(), two.clone()], &[transfer(ALICE), transfer(BOB)]).allowed);
    let decision = judge(&[one, two, both], &[transfer(ALICE), transfer(BOB)]);
    assert_eq!((decision.allowed, decision.rule.as_deref()), (true, Some("both")));
    assert!(!judge(&[allow("any", &["eip155:4"], &["*"])], &[]).allowed, "nothing to permit");
}

#[test]
fn a_deny_rule_overrides_wherever_it_stands() {
    let any = allow("any", &["eip155:4"], &["*"]);
    for chains in [&["eip155:4"][..], &["*"]] {
        let thief = deny("thief", chains, &[ALICE]);
        for rules in [vec![any.clone(), thief.clone()], vec![thief, any.clone()]] {
            let decision = judge(&rules, &[transfer(BOB), transfer(ALICE)]);
            assert_eq!((decision.allowed, decision.rule.as_deref()), (false, Some("thief")));
            assert_eq!(decision.reason, format!("rule thief denies a transfer of 7 to {ALICE} on eip155:4"));
            assert!(judge(&rules, &[transfer(BOB)]).allowed);
        }
    }
    assert!(judge(&[any, deny("thief", &["eip155:1"], &[ALICE])], &[transfer(ALICE)]).allowed, "another chain");
}

#[test]
fn a_deny_rule_for_every_chain_finds_an_address_in_any_case_and_namespace() {
    let stop = deny("thief", &["*"], &[&ALICE.to_lowercase()]);
    for chain in ["eip155:4", "own-evm:1"] {
        let any = allow("any", &[chain], &["*"]);
        for spelling in [ALICE.to_owned(), ALICE.to_lowercase()] {
            let summary = Summary { chain_id: chain.parse().unwrap(), ..summary(&[transfer(&spelling)]) };
            assert!(policy(std::slice::from_ref(&any)).evaluate(&summary).allowed);
            assert!(!policy(&[any.clone(), stop.clone()]).evaluate(&summary).allowed, "{spelling} on {chain}");
        }
    }
}

#[test]
fn a_deny_rule_sees_the_accounts_handed_to_a_program() {
    let mut calls = allow("system", &[CLUSTER], &[SYSTEM]);
    calls["calls"] = true.into();
    let victim = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
    let action = Action::ProgramCall { program: SYSTEM.to_owned(), accounts: vec![victim.to_owned()], data_len: 4 };
    let summary = Summary { chain_id: CLUSTER.parse().unwrap(), ..summary(&[action]) };
    assert!(policy(std::slice::from_ref(&calls)).evaluate(&summary).allowed);
    assert!(!policy(&[calls.clone(), deny("victim", &[CLUSTER], &[victim])]).evaluate(&summary).allowed);
    assert!(!policy(&[calls, deny("stop", &["*"], &["*"])]).evaluate(&summary).allowed);
}

#[test]
fn a_deny_rule_for_the_system_program_stops_transfers_on_solana() {
    let receiver = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
    let any = allow("any", &[CLUSTER], &["*"]);
    let summary = |chain: &str| Summary { chain_id: chain.parse().unwrap(), ..summary(&[transfer(receiver)]) };
    assert!(policy(std::slice::from_ref(&any)).evaluate(&summary(CLUSTER)).allowed);
    for chains in [CLUSTER, "*"] {
        let decision = policy(&[any.clone(), deny("no system", &[chains], &[SYSTEM])]).evaluate(&summary(CLUSTER));
        assert_eq!((decision.allowed, decision.rule.as_deref()), (false, Some("no system")));
    }
    let other = [allow("any", &["notary:desk"], &["*"]), deny("no system", &["*"], &[SYSTEM])];
    assert!(policy(&other).evaluate(&summary("notary:desk")).allowed, "no such program there");
    let call_rule = allow("system", &[CLUSTER], &[SYSTEM]);
    assert!(!policy(&[call_rule]).evaluate(&summary(CLUSTER)).allowed, "naming the program permits no receiver");
}

#[test]
fn a_key_of_one_family_can_refuse_rules_for_another() {
    let everywhere = deny("everywhere", &["*"], &[ALICE]);
    let one = policy(&[everywhere.clone(), allow("evm", &["eip155:4", "eip155:1"], &[ALICE])]);
    assert!(one.namespaces().eq(["eip155"]));
    assert_eq!(one.check_family("eip155"), Ok(()));
    let only_deny = policy(&[everywhere]);
    assert_eq!((only_deny.namespaces().count(), only_deny.check_family("solana")), (0, Ok(())));
    for foreign in [allow("sol", &[CLUSTER], &["*"]), deny("sol", &[CLUSTER], &["*"])] {
        let both = policy(&[allow("evm", &["eip155:4"], &[ALICE]), foreign]);
        assert!(both.namespaces().eq(["eip155", "solana"]));
        let (expected, actual) = ("eip155".to_owned(), "solana".to_owned());
        let error = PolicyError::OtherNamespace { rule: "sol".to_owned(), expected, actual };
        assert_eq!(both.check_family("eip155"), Err(error.clone()));
        assert_eq!(error.to_string(), "rule sol: expected chains of eip155, found one of solana");
    }
}

#[test]
fn a_policy_has_1024_destinations_in_all_at_most() {
    let addresses: Vec<_> = (0..512).map(|i| format!("adr{i:03}")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let full = [deny("one", &["*"], &addresses), deny("two", &["*"], &addresses)];
    assert_eq!(policy(&full).rule_names().count(), 2);
    let json = json!({"version": 1, "rules": [full[0], full[1], deny("three", &["*"], &["adr000"])]}).to_string();
    let refused = Policy::from_json(json.as_bytes()).unwrap_err();
    assert!(matches!(refused, PolicyError::TooLong { len: 1025, max: 1024, .. }), "{refused}");
}

#[test]
fn a_reason_names_a_few_actions_and_counts_the_rest() {
    let creation = Action::ContractCreation { amount: Amount::ZERO, init_code_len: 9 };
    let decision = judge(&[], &vec![creation; 100]);
    let one = "a contract creation on eip155:4";
    assert_eq!(decision.reason, format!("no rule allows {one}, {one}, {one}, {one} and 96 more"));
}

#[test]
fn unknown_actions_are_never_permitted() {
    let mut rule = allow("any", &["eip155:4"], &[ALICE]);
    rule["calls"] = true.into();
    rule["selectors"] = json!(["*"]);
    rule["contract_creation"] = true.into();
    let unknown = Action::Unknown { description: "something".to_owned() };
    assert!(!judge(std::slice::from_ref(&rule), std::slice::from_ref(&unknown)).allowed);
    assert!(!judge(&[rule], &[transfer(ALICE), unknown]).allowed);
}

#[test]
fn refuses_what_it_does_not_understand() {
    let rule = allow("r", &["eip155:4"], &[ALICE]);
    let with = |key: &str, value: Value| {
        let mut rule = rule.clone();
        rule[key] = value;
        json!({"version": 1, "rules": [rule]})
    };
    let without = |key: &str| {
        let mut rule = rule.clone();
        rule.as_object_mut().unwrap().remove(key);
        json!({"version": 1, "rules": [rule]})
    };
    let deny_with = |key: &str| {
        let mut rule = deny("r", &["eip155:4"], &[ALICE]);
        rule[key] = false.into();
        json!({"version": 1, "rules": [rule]})
    };
    let cases = [
        ("no version", json!({"rules": []})),
        ("another version", json!({"version": 2, "rules": []})),
        ("a version as text", json!({"version": "1", "rules": []})),
        ("a version with a fraction", json!({"version": 1.0, "rules": []})),
        ("no rules", json!({"version": 1})),
        ("rules that are no list", json!({"version": 1, "rules": {}})),
        ("an unknown key", json!({"version": 1, "rules": [], "default": "allow"})),
        ("a rule that is no object", json!({"version": 1, "rules": [1]})),
        ("an unknown key in a rule", with("max_value", json!("1"))),
        ("an unknown effect", with("effect", json!("permit"))),
        ("a null effect", with("effect", Value::Null)),
        ("calls as text", with("calls", json!("true"))),
        ("null calls", with("calls", Value::Null)),
        ("no name", without("name")),
        ("no effect", without("effect")),
        ("no chains", without("chains")),
        ("no destinations", without("destinations")),
        ("an empty name", with("name", json!(""))),
        ("a long name", with("name", json!("n".repeat(65)))),
        ("a name with control characters", with("name", json!("a\nb"))),
        ("empty chains", with("chains", json!([]))),
        ("every chain", with("chains", json!(["*"]))),
        ("a chain that is no CAIP-2 id", with("chains", json!(["4"]))),
        ("a chain in another spelling", with("chains", json!(["eip155:04"]))),
        ("chains of two kinds", with("chains", json!(["eip155:4", CLUSTER]))),
        ("a chain twice", with("chains", json!(["eip155:4", "eip155:1", "eip155:4"]))),
        ("too many chains", with("chains", json!(vec!["eip155:4"; 33]))),
        ("empty destinations", with("destinations", json!([]))),
        ("* among destinations", with("destinations", json!(["*", ALICE]))),
        ("an address twice", with("destinations", json!([ALICE, BOB, ALICE]))),
        ("an address twice in two spellings", with("destinations", json!([ALICE, ALICE.to_lowercase()]))),
        ("an empty address", json!({"version": 1, "rules": [deny("r", &["*"], &[""])]})),
        ("a mark for an address", json!({"version": 1, "rules": [deny("r", &["*"], &["!"])]})),
        ("a pattern", json!({"version": 1, "rules": [deny("r", &["*"], &["0xa5D3*"])]})),
        ("an address with a space", json!({"version": 1, "rules": [deny("r", &["own:1"], &["two words"])]})),
        ("a long address", json!({"version": 1, "rules": [deny("r", &["own:1"], &[&"a".repeat(129)])]})),
        ("a name instead of an address", with("destinations", json!(["vitalik.eth"]))),
        ("a wrong checksum", with("destinations", json!([ALICE.replace("cf", "CF")]))),
        ("an address cut short", with("destinations", json!([ALICE[..41]]))),
        ("too many destinations", with("destinations", json!(vec![ALICE; 513]))),
        ("destinations as text", with("destinations", json!(ALICE))),
        ("calls in a deny rule", deny_with("calls")),
        ("creation in a deny rule", deny_with("contract_creation")),
        ("calls for everybody", {
            let mut rule = allow("r", &["eip155:4"], &["*"]);
            rule["calls"] = true.into();
            rule["selectors"] = json!(["*"]);
            json!({"version": 1, "rules": [rule]})
        }),
        ("a Solana address with a letter outside base58", {
            json!({"version": 1, "rules": [allow("r", &[CLUSTER], &[&"0".repeat(32)])]})
        }),
        ("two rules of one name", json!({"version": 1, "rules": [rule, rule]})),
        ("too many rules", json!({"version": 1, "rules": vec![0; 129]})),
    ];
    for (what, json) in cases {
        let refused = Policy::from_json(json.to_string().as_bytes());
        assert!(refused.is_err(), "{what}");
    }
    for text in ["", "{", "[]", "{\"version\":1,\"rules\":[]} x", "{\"version\":1,\"version\":1,\"rules\":[]}"] {
        assert!(Policy::from_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Policy::from_json(b"{\"version\":1,\"rules\":[],\"\xff\":1}").is_err());
    let long = Policy::from_json(&[b' '; 32 * 1024 + 1]).unwrap_err();
    assert!(matches!(long, PolicyError::TooLong { len: 32_769, max: 32_768, .. }), "{long}");
    let place = Policy::from_json(with("effect", json!("permit")).to_string().as_bytes()).unwrap_err();
    assert_eq!(place.to_string(), "rule 1 (r): effect: expected allow or deny, found permit");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn removing_an_allow_rule_or_adding_a_deny_rule_never_permits_more(
        rules in vec(rule(), 0..6), extra in rule(), actions in vec(action(), 0..4), at: prop::sample::Index,
    ) {
        let before = judge(&rules, &actions);
        let mut fewer = rules.clone();
        if !rules.is_empty() {
            let at = at.index(rules.len());
            if rules[at]["effect"] == "allow" {
                fewer.remove(at);
            }
        }
        prop_assert!(before.allowed || !judge(&fewer, &actions).allowed);
        if extra["effect"] == "deny" {
            for position in 0..=rules.len() {
                let mut more = rules.clone();
                more.insert(position, extra.clone());
                prop_assert!(before.allowed || !judge(&more, &actions).allowed);
            }
        }
    }

    #[test]
    fn the_order_of_rules_does_not_change_the_verdict(rules in vec(rule(), 0..6), actions in vec(action(), 0..4)) {
        let reversed: Vec<_> = rules.iter().rev().cloned().collect();
        prop_assert_eq!(judge(&rules, &actions).allowed, judge(&reversed, &actions).allowed);
    }

    #[test]
    fn doing_more_is_never_easier(rules in vec(rule(), 0..6), actions in vec(action(), 1..4), more in action()) {
        let with_more = [&actions[..], &[more]].concat();
        prop_assert!(judge(&rules, &actions).allowed || !judge(&rules, &with_more).allowed);
    }

    #[test]
    fn a_decision_names_a_rule_of_the_policy(rules in vec(rule(), 0..6), actions in vec(action(), 0..4)) {
        let decision = judge(&rules, &actions);
        match decision.rule {
            Some(name) => prop_assert!(policy(&rules).rule_names().any(|known| known == name)),
            None => prop_assert!(!decision.allowed),
        }
    }

    #[test]
    fn reading_anything_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Policy::from_json(&bytes);
    }
}

/// A rule; its name is given when it joins a policy.
fn rule() -> impl Strategy<Value = Value> {
    let destinations = prop_oneof![Just(vec!["*"]), subsequence(vec![ALICE, BOB, CAROL], 1..3)];
    let chains = select(vec!["eip155:4", "eip155:1", "*"]);
    (any::<bool>(), chains, destinations, any::<bool>(), any::<bool>()).prop_map(
        |(allows, chain, destinations, calls, creation)| {
            if !allows {
                return deny("", &[chain], &destinations);
            }
            let chain = if chain == "*" { "eip155:4" } else { chain };
            let mut rule = allow("", &[chain], &destinations);
            if calls && destinations != ["*"] {
                rule["calls"] = true.into();
                rule["selectors"] = json!(["0xa9059cbb"]);
            }
            rule["contract_creation"] = creation.into();
            rule
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let address = || select(vec![ALICE, BOB, CAROL]);
    prop_oneof![
        4 => address().prop_map(transfer),
        2 => address().prop_map(call),
        1 => Just(Action::ContractCreation { amount: Amount::ZERO, init_code_len: 3 }),
        1 => (address(), address()).prop_map(|(program, account)| Action::ProgramCall {
            program: program.to_owned(),
            accounts: vec![account.to_owned()],
            data_len: 0,
        }),
        1 => Just(Action::Unknown { description: "something".to_owned() }),
    ]
}

fn judge(rules: &[Value], actions: &[Action]) -> Decision {
    policy(rules).evaluate(&summary(actions))
}

fn policy(rules: &[Value]) -> Policy {
    let mut rules = rules.to_vec();
    for (i, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule["name"] == "") {
        rule["name"] = format!("rule {i}").into();
    }
    Policy::from_json(json!({"version": 1, "rules": rules}).to_string().as_bytes()).unwrap()
}

fn allow(name: &str, chains: &[&str], destinations: &[&str]) -> Value {
    json!({"name": name, "effect": "allow", "chains": chains, "destinations": destinations})
}

fn deny(name: &str, chains: &[&str], destinations: &[&str]) -> Value {
    json!({"name": name, "effect": "deny", "chains": chains, "destinations": destinations})
}

fn summary(actions: &[Action]) -> Summary {
    Summary { chain_id: "eip155:4".parse().unwrap(), actions: actions.to_vec(), fee_ceiling: None, text: String::new() }
}

fn transfer(to: &str) -> Action {
    Action::Transfer { to: to.to_owned(), amount: Amount::from(7_u64) }
}

fn call(to: &str) -> Action {
    let selector = Some("0xa9059cbb".to_owned());
    Action::ContractCall { to: to.to_owned(), selector, amount: Amount::ZERO, data_len: 68 }
}
