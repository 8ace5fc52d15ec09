//! What an allow rule permits beyond transfers, and that each of its bounds holds.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use chain_signers::{
    Action, Amount, Summary,
    policy::{Decision, Lint, Policy, PolicyError},
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

const ALICE: &str = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
const BOB: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
const TOKEN: &str = "0x8617E340B3D01FA5F11F306F4090FD50E238070D";
const TRANSFER: &str = "0xa9059cbb";
const PERMIT: &str = "0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9"; // EIP-2612

#[test]
fn a_call_needs_its_selector() {
    let call = |selector: Option<&str>| Action::ContractCall {
        to: ALICE.to_owned(),
        selector: selector.map(str::to_owned),
        amount: Amount::ZERO,
        data_len: 4,
    };
    let rule = |selectors: Value| rule(json!({"calls": true, "selectors": selectors}));
    assert!(allows(&rule(json!([TRANSFER])), &[call(Some(TRANSFER))]));
    assert!(!allows(&rule(json!([TRANSFER])), &[call(Some("0x095ea7b3"))]));
    assert!(!allows(&rule(json!([TRANSFER])), &[call(None)]));
    assert!(allows(&rule(json!(["0x"])), &[call(None)]));
    assert!(!allows(&rule(json!(["0x"])), &[call(Some(TRANSFER))]));
    assert!(allows(&rule(json!(["*"])), &[call(None), call(Some("0x00000000"))]));
}

#[test]
fn the_amount_is_that_of_the_whole_transaction() {
    let with =
        |max: &str| rule(json!({"max_amount": max, "calls": true, "selectors": ["*"], "contract_creation": true}));
    let amount = Amount::from(3_u64);
    let actions = [
        transfer(ALICE, 3),
        Action::ContractCall { to: ALICE.to_owned(), selector: None, amount, data_len: 0 },
        Action::ContractCreation { amount, init_code_len: 1 },
    ];
    assert!(allows(&with("9"), &actions));
    let decision = judge(&with("8"), &actions);
    assert!(decision.reason.ends_with("; rule r would, but the amount is 9, more than 8"), "{}", decision.reason);
    let most = Amount::MAX.to_string();
    assert!(allows(&with(&most), &[Action::Transfer { to: ALICE.to_owned(), amount: Amount::MAX }]));
    let beyond = [Action::Transfer { to: ALICE.to_owned(), amount: Amount::MAX }, transfer(ALICE, 1)];
    assert!(!allows(&with(&most), &beyond), "a sum that cannot be told");
}

#[test]
fn a_fee_beyond_the_bound_or_unknown_is_not_paid() {
    let rule = rule(json!({"max_fee": "5"}));
    let with_fee = |fee: Option<u64>| {
        let summary = Summary { fee_ceiling: fee.map(Amount::from), ..summary(&[transfer(ALICE, 1)]) };
        policy(&[&rule]).evaluate(&summary)
    };
    assert!(with_fee(Some(5)).allowed);
    assert!(with_fee(Some(6)).reason.ends_with("but the fee is 6, more than 5"));
    assert!(with_fee(None).reason.ends_with("but the fee cannot be told, and must be at most 5"));
}

#[test]
fn tokens_are_named_and_bounded() {
    let with = |entry: Value| rule(json!({"tokens": [entry]}));
    assert!(!allows(&rule(json!({})), &[token_transfer(ALICE, 1)]), "no token is named");
    let bounded = with(json!({"token": TOKEN, "max_amount": "10"}));
    assert!(allows(&bounded, &[token_transfer(ALICE, 4), token_transfer(ALICE, 6)]));
    assert!(!allows(&bounded, &[token_transfer(ALICE, 4), token_transfer(ALICE, 7)]));
    assert!(!allows(&bounded, &[token_transfer(BOB, 1)]));
    assert!(!allows(&bounded, &[approval(ALICE, 1)]));
    assert!(allows(&with(json!({"token": TOKEN.to_lowercase()})), &[token_transfer(ALICE, 1)]), "compared by value");
    assert!(!allows(&with(json!({"token": BOB})), &[token_transfer(ALICE, 1)]));
    let mut anyone = bounded.clone();
    anyone["destinations"] = json!(["*"]);
    assert!(allows(&anyone, &[token_transfer(BOB, 10)]));
}

#[test]
fn an_approval_needs_a_named_spender_and_counts_like_a_transfer() {
    let mut rule = rule(json!({"tokens": [{"token": TOKEN, "max_amount": "10", "approvals": true}]}));
    assert!(allows(&rule, &[approval(ALICE, 10)]));
    assert!(!allows(&rule, &[approval(ALICE, 6), token_transfer(ALICE, 5)]));
    assert!(!allows(&rule, &[approval(BOB, 1)]));
    rule["destinations"] = json!(["*"]);
    assert!(!allows(&rule, &[approval(ALICE, 1)]), "* names no spender");
}

#[test]
fn a_token_transfer_may_be_permitted_as_a_call_but_not_by_the_rule_that_bounds_it() {
    let mut calls = rule(json!({"calls": true, "selectors": [TRANSFER]}));
    calls["destinations"] = json!([TOKEN]);
    assert!(allows(&calls, &[token_transfer(BOB, 1)]));
    assert!(!allows(&calls, &[approval(TOKEN, 1)]), "another selector");
    calls["tokens"] = json!([{"token": TOKEN, "max_amount": "1"}]);
    let refused = read(&calls).unwrap_err();
    assert!(matches!(refused, PolicyError::Invalid { field: "tokens", .. }), "{refused}");
}

#[test]
fn a_stake_needs_permission_a_named_validator_and_a_bound_coin() {
    let stake = |token: Option<&str>| Action::Stake {
        validator: ALICE.to_owned(),
        token: token.map(str::to_owned),
        amount: Amount::from(5_u64),
    };
    assert!(!allows(&rule(json!({})), &[stake(None)]));
    assert!(allows(&rule(json!({"staking": true, "max_amount": "5"})), &[stake(None)]));
    assert!(!allows(&rule(json!({"staking": true, "max_amount": "4"})), &[stake(None)]));
    assert!(!allows(&rule(json!({"staking": true})), &[stake(Some(TOKEN))]));
    let bounded = |max: &str| rule(json!({"staking": true, "tokens": [{"token": TOKEN, "max_amount": max}]}));
    assert!(allows(&bounded("5"), &[stake(Some(TOKEN))]));
    assert!(!allows(&bounded("4"), &[stake(Some(TOKEN))]));
}

#[test]
fn messages_hashes_and_exceptions_are_permitted_by_name_alone() {
    let message = Action::Message { framing: "eip191".into(), len: 5 };
    assert!(!allows(&rule(json!({})), std::slice::from_ref(&message)));
    assert!(!allows(&rule(json!({"messages": ["bip322"]})), std::slice::from_ref(&message)));
    assert!(allows(&rule(json!({"messages": ["eip191"]})), &[message]));
    assert!(!allows(&rule(json!({"messages": ["eip191"]})), &[Action::Prehash]));
    assert!(allows(&rule(json!({"blind_signing": true})), &[Action::Prehash]));
    assert!(
        !allows(&rule(json!({"blind_signing": true, "max_fee": "9"})), &[Action::Prehash]),
        "what it costs is unknown"
    );
    let nonce = Action::Exception { name: "durable_nonce".into() };
    assert!(!allows(&rule(json!({})), &[transfer(ALICE, 1), nonce.clone()]));
    assert!(!allows(&rule(json!({"exceptions": ["op_return"]})), &[transfer(ALICE, 1), nonce.clone()]));
    assert!(allows(&rule(json!({"exceptions": ["durable_nonce"]})), &[transfer(ALICE, 1), nonce.clone()]));
    assert!(!allows(&rule(json!({"exceptions": ["durable_nonce"]})), &[transfer(BOB, 1), nonce]));
}

#[test]
fn a_delegate_is_named_and_every_chain_is_an_exception() {
    let delegation = |on_every_chain| Action::Delegation {
        delegate: BOB.to_owned(),
        authority: Some(ALICE.to_owned()),
        on_every_chain,
    };
    let named = rule(json!({"delegates": [BOB]}));
    assert!(allows(&named, &[delegation(false)]));
    assert!(!allows(&named, &[delegation(true)]));
    assert!(allows(
        &rule(json!({"delegates": [BOB], "exceptions": ["delegation_on_every_chain"]})),
        &[delegation(true)]
    ));
    assert!(!allows(&rule(json!({"delegates": [ALICE]})), &[delegation(false)]));
    assert!(!allows(&rule(json!({})), &[delegation(false)]));
    for (chain, is_denied_here, is_denied_everywhere) in [("eip155:4", true, true), ("eip155:1", false, true)] {
        for address in [BOB, ALICE] {
            let deny = json!({"name": "d", "effect": "deny", "chains": [chain], "destinations": [address]});
            let both = rule(json!({"delegates": [BOB], "exceptions": ["delegation_on_every_chain"]}));
            let judge = |action| policy(&[&both, &deny]).evaluate(&summary(&[action]));
            assert_eq!(judge(delegation(false)).rule.as_deref() == Some("d"), is_denied_here);
            assert_eq!(judge(delegation(true)).rule.as_deref() == Some("d"), is_denied_everywhere);
        }
    }
}

#[test]
fn typed_data_is_permitted_by_contract_type_and_fields() {
    let permit = |contract: Option<&str>, fields: &[(&str, &str)]| Action::TypedData {
        verifying_contract: contract.map(str::to_owned),
        primary_type: "Permit".to_owned(),
        type_hash: PERMIT.to_owned(),
        fields: fields.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect(),
    };
    let entry = |entry: Value| rule(json!({"typed_data": [entry]}));
    let plain = entry(json!({"verifying_contract": TOKEN, "type_hash": PERMIT}));
    let fields = [("spender", ALICE), ("value", "7")];
    assert!(allows(&plain, &[permit(Some(TOKEN), &fields)]));
    assert!(!allows(&plain, &[permit(Some(BOB), &fields)]));
    assert!(!allows(&plain, &[permit(None, &fields)]));
    assert!(allows(&entry(json!({"verifying_contract": null, "type_hash": PERMIT})), &[permit(None, &fields)]));
    let other = PERMIT.replace('6', "7");
    assert!(!allows(&entry(json!({"verifying_contract": TOKEN, "type_hash": other})), &[permit(Some(TOKEN), &fields)]));
    // An approval that typed data is besides must be permitted as one.
    assert!(!allows(&plain, &[permit(Some(TOKEN), &fields), approval(ALICE, 7)]));

    let bounded = entry(json!({"verifying_contract": TOKEN, "type_hash": PERMIT, "fields": [
        {"path": "spender", "among": [ALICE.to_lowercase()]}, {"path": "value", "max": "7"}]}));
    assert!(allows(&bounded, &[permit(Some(TOKEN), &fields)]));
    for (wrong, reason) in [
        (&[("spender", BOB), ("value", "7")][..], format!("its field spender is {BOB}")),
        (&[("spender", ALICE), ("value", "8")], "its field value is 8".to_owned()),
        (&[("spender", ALICE), ("value", "-1")], "its field value is -1".to_owned()),
        (&[("spender", ALICE)], "it has no field value".to_owned()),
        (&[("spender", ALICE), ("value", "7"), ("value", "8")], "its field value is 8".to_owned()),
    ] {
        let decision = judge(&bounded, &[permit(Some(TOKEN), wrong)]);
        assert!(!decision.allowed && decision.reason.ends_with(&reason), "{}", decision.reason);
    }
}

#[test]
fn a_path_with_brackets_stands_for_every_item() {
    let order = |fields: &[(&str, &str)]| Action::TypedData {
        verifying_contract: None,
        primary_type: "Order".to_owned(),
        type_hash: PERMIT.to_owned(),
        fields: fields.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect(),
    };
    let rule = rule(json!({"typed_data": [{"verifying_contract": null, "type_hash": PERMIT,
        "fields": [{"path": "items[].to", "among": [ALICE, "someone"]}]}]}));
    assert!(allows(&rule, &[order(&[("items[0].to", ALICE), ("items[11].to", "someone"), ("items[0].amount", "1")])]));
    assert!(!allows(&rule, &[order(&[("items[0].to", ALICE), ("items[1].to", BOB)])]));
    assert!(!allows(&rule, &[order(&[("items[0].too", ALICE)])]), "no such field");
    assert!(!allows(&rule, &[order(&[("items.to", ALICE)])]), "no such field");
    assert!(!allows(&rule, &[order(&[])]), "an empty list is not what was meant");
}

#[test]
fn a_deny_rule_sees_tokens_spenders_and_values() {
    let typed_data = Action::TypedData {
        verifying_contract: Some(TOKEN.to_owned()),
        primary_type: "Permit".to_owned(),
        type_hash: PERMIT.to_owned(),
        fields: vec![("spender".to_owned(), BOB.to_lowercase())],
    };
    let permissions = json!({"tokens": [{"token": TOKEN, "approvals": true}],
        "typed_data": [{"verifying_contract": TOKEN, "type_hash": PERMIT}]});
    let mut everything = rule(permissions);
    everything["destinations"] = json!([ALICE, BOB]);
    for (action, seen) in
        [(token_transfer(ALICE, 1), [ALICE, TOKEN]), (approval(ALICE, 1), [ALICE, TOKEN]), (typed_data, [BOB, TOKEN])]
    {
        assert!(allows(&everything, std::slice::from_ref(&action)));
        for address in seen {
            let deny = json!({"name": "d", "effect": "deny", "chains": ["*"], "destinations": [address]});
            let decision = policy(&[&everything, &deny]).evaluate(&summary(std::slice::from_ref(&action)));
            assert_eq!(decision.rule.as_deref(), Some("d"), "{action:?}");
        }
    }
}

#[test]
fn a_deny_rule_sees_a_receiver_behind_a_channel_and_the_token_programs() {
    let on = |chain: &str, destinations: Value, action: Action| {
        let allow = json!({"name": "a", "effect": "allow", "chains": [chain], "destinations": ["*"],
            "tokens": [{"token": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"}]});
        let deny = json!({"name": "d", "effect": "deny", "chains": ["*"], "destinations": destinations});
        let summary = Summary { chain_id: chain.parse().unwrap(), ..summary(&[action]) };
        let alone = policy(&[&allow]).evaluate(&summary).allowed;
        (alone, policy(&[&allow, &deny]).evaluate(&summary).allowed)
    };
    let transfer = |to: &str| Action::TokenTransfer {
        token: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v".to_owned(),
        to: to.to_owned(),
        amount: Amount::ZERO,
        selector: None,
    };
    let receiver = "osmo1fl48vsnmsdzcv85q5d2q4z5ajdha8yu3aq6l09";
    let through = transfer(&format!("transfer/channel-141/{receiver}"));
    assert_eq!(on("cosmos:cosmoshub-4", json!([receiver]), through), (true, false));
    let cluster = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
    for program in ["TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"] {
        assert_eq!(on(cluster, json!([program]), transfer("account")), (true, false));
    }
    assert_eq!(
        on("cosmos:cosmoshub-4", json!(["TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"]), transfer(receiver)),
        (true, true)
    );
}

#[test]
fn refuses_permissions_that_it_does_not_understand() {
    let field =
        |field: Value| json!({"typed_data": [{"verifying_contract": TOKEN, "type_hash": PERMIT, "fields": [field]}]});
    let cases = [
        ("calls without selectors", json!({"calls": true}), "selectors"),
        ("selectors without calls", json!({"selectors": [TRANSFER]}), "calls"),
        ("no selector", json!({"calls": true, "selectors": []}), "selectors"),
        ("a selector in upper case", json!({"calls": true, "selectors": ["0xA9059CBB"]}), "selectors"),
        ("a function's name", json!({"calls": true, "selectors": ["transfer"]}), "selectors"),
        ("* among selectors", json!({"calls": true, "selectors": ["*", TRANSFER]}), "selectors"),
        ("a selector twice", json!({"calls": true, "selectors": [TRANSFER, TRANSFER]}), "selectors"),
        ("too many selectors", json!({"calls": true, "selectors": vec![TRANSFER; 65]}), "64"),
        ("an amount as a number", json!({"max_amount": 5}), "max_amount"),
        ("a negative amount", json!({"max_amount": "-5"}), "max_amount"),
        ("an amount in hex", json!({"max_fee": "0x5"}), "max_fee"),
        ("an amount of 2^256", json!({"max_fee": format!("{}0", Amount::MAX)}), "max_fee"),
        ("a null amount", json!({"max_fee": null}), "max_fee"),
        ("a token without a name", json!({"tokens": [{}]}), "token is missing"),
        ("a token of another chain", json!({"tokens": [{"token": "uatom"}]}), "token"),
        ("a token twice", json!({"tokens": [{"token": TOKEN}, {"token": TOKEN.to_lowercase()}]}), "once"),
        ("an unknown key of a token", json!({"tokens": [{"token": TOKEN, "amount": "1"}]}), "amount"),
        ("too many tokens", json!({"tokens": vec![json!({"token": TOKEN}); 65]}), "64"),
        ("* among messages", json!({"messages": ["*"]}), "messages"),
        ("a message twice", json!({"messages": ["eip191", "eip191"]}), "once"),
        ("an exception in upper case", json!({"exceptions": ["DurableNonce"]}), "exceptions"),
        ("* among delegates", json!({"delegates": ["*"]}), "delegates"),
        ("a delegate that is no address", json!({"delegates": ["someone"]}), "delegates"),
        ("a delegate twice", json!({"delegates": [BOB, BOB]}), "once"),
        ("typed data without a contract", json!({"typed_data": [{"type_hash": PERMIT}]}), "verifying_contract"),
        ("typed data without a type", json!({"typed_data": [{"verifying_contract": null}]}), "type_hash"),
        ("a type's name", json!({"typed_data": [{"verifying_contract": null, "type_hash": "Permit"}]}), "type_hash"),
        ("a field without a bound", field(json!({"path": "value"})), "either max or among"),
        ("a field with two bounds", field(json!({"path": "value", "max": "1", "among": ["1"]})), "either max or among"),
        ("a field among nothing", field(json!({"path": "value", "among": []})), "among"),
        ("a value with a wrong checksum", field(json!({"path": "a", "among": [ALICE.replace("cf", "CF")]})), "EIP-55"),
        ("an index in a path", field(json!({"path": "a[0]", "max": "1"})), "path"),
        ("an empty path", field(json!({"path": "", "max": "1"})), "path"),
        ("a limit without a time", json!({"limits": [{"amount": "1"}]}), "seconds"),
        ("a limit for no time", json!({"limits": [{"seconds": 0, "amount": "1"}]}), "seconds"),
        ("a limit for more than 31 days", json!({"limits": [{"seconds": 2_678_401, "amount": "1"}]}), "seconds"),
        ("a limit of nothing", json!({"limits": [{"seconds": 1}]}), "either signatures"),
        ("a limit of a token without amount", json!({"limits": [{"seconds": 1, "token": TOKEN}]}), "either signatures"),
        (
            "a limit of two things",
            json!({"limits": [{"seconds": 1, "amount": "1", "signatures": 1}]}),
            "either signatures",
        ),
        ("the same limit twice", json!({"limits": vec![json!({"seconds": 1, "amount": "1"}); 2]}), "twice"),
        ("too many limits", json!({"limits": vec![json!({"seconds": 1, "amount": "1"}); 9]}), "8"),
    ];
    for (what, permissions, said) in cases {
        let refused = read(&rule(permissions)).expect_err(what).to_string();
        assert!(refused.contains(said), "{what}: {refused}");
    }
    let mut deny = json!({"name": "d", "effect": "deny", "chains": ["*"], "destinations": ["*"]});
    for key in ["blind_signing", "max_amount", "tokens", "limits", "messages", "exceptions"] {
        deny[key] = json!([]);
        assert!(read(&deny).unwrap_err().to_string().contains("has no meaning in a deny rule"));
        deny.as_object_mut().unwrap().remove(key);
    }
    let moving = |address: &str| {
        read(&json!({"name": "m", "effect": "deny", "chains": ["sui:mainnet"], "destinations": [address]}))
    };
    let full = format!("0x{}", "ab".repeat(32));
    for good in [&full, &format!("{full}::pool::swap"), "0x2::coin::burn", "transfer_objects"] {
        assert!(moving(good).is_ok(), "{good}");
    }
    let special = format!("0x{}1", "0".repeat(63));
    for wrong in [&full.to_uppercase(), &full[..64], &special, "0x02::coin::burn", &format!("{special}::coin::burn")] {
        assert!(moving(wrong).unwrap_err().to_string().contains("AIP-40"), "{wrong}");
    }
    let bech32 = json!({"name": "b", "effect": "deny", "chains": ["bip122:000000000019d6689c085ae165831e93"],
        "destinations": ["BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"]});
    assert!(read(&bech32).unwrap_err().to_string().contains("lower case"));
}

#[test]
fn addresses_of_every_kind_count_against_one_bound() {
    let delegates: Vec<_> = (0..512).map(|i| format!("0x{i:040x}")).collect();
    let values: Vec<_> = (0..512).map(|i| format!("{i:04}")).collect();
    let mut full = rule(json!({"delegates": delegates}));
    full["destinations"] = json!([]);
    full["typed_data"] =
        json!([{"verifying_contract": null, "type_hash": PERMIT, "fields": [{"path": "a", "among": values}]}]);
    let refused = read(&full).unwrap_err();
    assert!(matches!(refused, PolicyError::TooLong { len: 1025, max: 1024, .. }), "{refused}");
}

#[test]
fn lint_names_what_is_seldom_meant() {
    let lints = |rule: &Value| policy(&[rule]).lint().into_iter().map(|it| it.lint).collect::<Vec<_>>();
    assert_eq!(lints(&rule(json!({}))), [Lint::UnboundedFee, Lint::UnboundedCoins]);
    let bounded = json!({"max_fee": "1", "max_amount": "1", "tokens": [{"token": TOKEN, "max_amount": "1"}]});
    assert_eq!(lints(&rule(bounded)), []);
    let limited = json!({"max_fee": "1", "tokens": [{"token": TOKEN}], "limits": [
        {"seconds": 60, "amount": "1"}, {"seconds": 60, "amount": "1", "token": TOKEN}]});
    assert_eq!(lints(&rule(limited)), []);
    let loose = json!({"max_fee": "1", "max_amount": "1", "blind_signing": true, "calls": true, "selectors": ["*"],
        "tokens": [{"token": TOKEN}], "typed_data": [{"verifying_contract": null, "type_hash": PERMIT}]});
    let expected = [
        Lint::BlindSigning,
        Lint::EverySelector,
        Lint::UnboundedToken { token: TOKEN.to_owned() },
        Lint::UnboundedFields { type_hash: PERMIT.to_owned() },
    ];
    assert_eq!(lints(&rule(loose)), expected);
    let deny = json!({"name": "d", "effect": "deny", "chains": ["*"], "destinations": ["*"]});
    assert_eq!(lints(&deny), []);
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_most_of_what_it_refuses() {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let schema = serde_json::from_str(chain_signers::policy::JSON_SCHEMA).unwrap();
    compiler.add_resource("policy.schema.json", schema).unwrap();
    let schema = compiler.compile("policy.schema.json", &mut schemas).unwrap();
    let takes = |rule: &Value| schemas.validate(&json!({"version": 1, "rules": [rule]}), schema).is_ok();
    let good = [
        rule(json!({})),
        rule(json!({"calls": true, "selectors": ["*"], "max_fee": "0", "staking": true, "delegates": [BOB]})),
        rule(json!({"limits": [{"seconds": 60, "amount": "1", "token": TOKEN}, {"seconds": 1, "signatures": 3}]})),
        rule(json!({"typed_data": [{"verifying_contract": null, "type_hash": PERMIT,
            "fields": [{"path": "a[].b", "max": "1"}, {"path": "c", "among": [ALICE]}]}]})),
        json!({"name": "d", "effect": "deny", "chains": ["*"], "destinations": ["*"]}),
    ];
    for rule in &good {
        assert!(read(rule).is_ok() && takes(rule), "{rule}");
    }
    for wrong in [
        rule(json!({"max_value": "1"})),
        rule(json!({"max_fee": 1})),
        rule(json!({"max_fee": "01"})),
        rule(json!({"selectors": ["*"]})),
        rule(json!({"limits": [{"seconds": 60, "amount": "1", "signatures": 1}]})),
        rule(json!({"limits": [{"seconds": 60}]})),
        rule(json!({"tokens": [{"max_amount": "1"}]})),
        rule(json!({"typed_data": [{"type_hash": PERMIT}]})),
        json!({"name": "d", "effect": "deny", "chains": ["*"], "destinations": ["*"], "calls": true}),
        json!({"name": "a", "effect": "allow", "chains": ["*"], "destinations": ["*"]}),
    ] {
        assert!(read(&wrong).is_err() && !takes(&wrong), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn removing_an_allow_rule_never_permits_more(
        rules in vec(any_rule(), 1..6), actions in vec(any_action(), 1..4), fee in prop::option::of(0_u64..8),
        at: prop::sample::Index,
    ) {
        let rules: Vec<_> = rules.into_iter().enumerate().map(|(i, mut rule)| {
            rule["name"] = format!("r{i}").into();
            rule
        }).collect();
        let summary = Summary { fee_ceiling: fee.map(Amount::from), ..summary(&actions) };
        let judge = |rules: &[Value]| policy(&rules.iter().collect::<Vec<_>>()).evaluate(&summary);
        let mut fewer = rules.clone();
        fewer.remove(at.index(rules.len()));
        prop_assert!(judge(&rules).allowed || !judge(&fewer).allowed);
    }

    #[test]
    fn a_bound_that_is_added_never_permits_more(rule in any_rule(), actions in vec(any_action(), 1..4), max in 0_u64..8) {
        for bound in ["max_amount", "max_fee"].into_iter().filter(|bound| rule.get(bound).is_none()) {
            let mut bounded = rule.clone();
            bounded[bound] = max.to_string().into();
            prop_assert!(allows(&rule, &actions) || !allows(&bounded, &actions));
        }
    }

    #[test]
    fn a_reason_is_short(rules in vec(any_rule(), 0..3), long in "\\PC{0,300}", count in 1_usize..6) {
        let action = Action::TypedData {
            verifying_contract: Some(long.clone()),
            primary_type: long.clone(),
            type_hash: long.clone(),
            fields: vec![(long.clone(), long)],
        };
        let rules: Vec<_> = rules.into_iter().enumerate().map(|(i, mut rule)| {
            rule["name"] = format!("r{i}").into();
            rule
        }).collect();
        let decision = policy(&rules.iter().collect::<Vec<_>>()).evaluate(&summary(&vec![action; count]));
        prop_assert!(decision.reason.len() < 900, "{}", decision.reason.len());
    }
}

fn any_rule() -> impl Strategy<Value = Value> {
    let permissions = prop_oneof![
        Just(json!({})),
        (1_u64..8).prop_map(|max| json!({"max_amount": max.to_string()})),
        (1_u64..8).prop_map(|max| json!({"max_fee": max.to_string()})),
        (1_u64..8, any::<bool>())
            .prop_map(|(max, approvals)| json!({"tokens": [{"token": TOKEN, "max_amount": max.to_string(), "approvals": approvals}]})),
        Just(json!({"calls": true, "selectors": [TRANSFER], "contract_creation": true})),
        Just(json!({"messages": ["eip191"], "exceptions": ["durable_nonce"], "blind_signing": true})),
    ];
    (permissions, select(vec![ALICE, BOB])).prop_map(|(permissions, to)| {
        let mut rule = rule(permissions);
        rule["destinations"] = json!([to]);
        rule
    })
}

fn any_action() -> impl Strategy<Value = Action> {
    let to = || select(vec![ALICE, BOB]);
    prop_oneof![
        (to(), 0_u64..5).prop_map(|(to, amount)| transfer(to, amount)),
        (to(), 0_u64..5).prop_map(|(to, amount)| token_transfer(to, amount)),
        (to(), 0_u64..5).prop_map(|(to, amount)| approval(to, amount)),
        Just(Action::Message { framing: "eip191".into(), len: 1 }),
        Just(Action::Exception { name: "durable_nonce".into() }),
        Just(Action::Prehash),
    ]
}

fn rule(permissions: Value) -> Value {
    let mut rule = json!({"name": "r", "effect": "allow", "chains": ["eip155:4"], "destinations": [ALICE]});
    rule.as_object_mut().unwrap().extend(permissions.as_object().unwrap().clone());
    rule
}

fn read(rule: &Value) -> Result<Policy, PolicyError> {
    Policy::from_json(json!({"version": 1, "rules": [rule]}).to_string().as_bytes())
}

fn policy(rules: &[&Value]) -> Policy {
    Policy::from_json(json!({"version": 1, "rules": rules}).to_string().as_bytes()).unwrap()
}

fn judge(rule: &Value, actions: &[Action]) -> Decision {
    policy(&[rule]).evaluate(&summary(actions))
}

fn allows(rule: &Value, actions: &[Action]) -> bool {
    judge(rule, actions).allowed
}

fn summary(actions: &[Action]) -> Summary {
    Summary { chain_id: "eip155:4".parse().unwrap(), actions: actions.to_vec(), fee_ceiling: None, text: String::new() }
}

fn transfer(to: &str, amount: u64) -> Action {
    Action::Transfer { to: to.to_owned(), amount: Amount::from(amount) }
}

fn token_transfer(to: &str, amount: u64) -> Action {
    let (token, selector) = (TOKEN.to_owned(), Some(TRANSFER.to_owned()));
    Action::TokenTransfer { token, to: to.to_owned(), amount: Amount::from(amount), selector }
}

fn approval(spender: &str, amount: u64) -> Action {
    let (token, selector) = (TOKEN.to_owned(), Some("0x095ea7b3".to_owned()));
    Action::TokenApproval { token, spender: spender.to_owned(), amount: Amount::from(amount), selector }
}
