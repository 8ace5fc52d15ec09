use std::collections::BTreeMap;

use super::*;
use crate::action::EncryptionContext;
use crate::key_arn::KeyArn;
use crate::sim::principal::{KnownPrincipals, Principal};

const ROLE: &str = "arn:aws:iam::111122223333:role/enclave";
const OPERATOR: &str = "arn:aws:iam::111122223333:role/operator";
const ROOT: &str = "arn:aws:iam::111122223333:root";

fn key() -> KeyArn {
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

fn principals() -> Vec<Principal> {
    [ROLE, OPERATOR, ROOT].map(|arn| Principal::from_arn(arn).unwrap()).to_vec()
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text, PolicyKind::Key { key: &key(), principals: KnownPrincipals::Only(&principals()) })
}

fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn statement(effect: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"*","Condition":{condition}}}"#
    )
}

/// What a request carries that conditions look at.
#[derive(Default)]
struct Facts {
    pcrs: Option<BTreeMap<u8, Vec<u8>>>,
    context: EncryptionContext,
    bypass: Option<bool>,
}

impl Facts {
    fn request<'a>(&'a self, caller: &'a Principal, action: &'a str, key: &'a KeyArn) -> RequestContext<'a> {
        RequestContext {
            encryption_context: &self.context,
            pcrs: self.pcrs.as_ref(),
            bypass_policy_lockout_safety_check: self.bypass,
            ..RequestContext::new(caller, action, Resource::Key { arn: key, aliases: &[] })
        }
    }
}

/// What a key policy decides if the operator's identity policy allows everything, and nobody else has one.
fn decision(policy_text: &str, caller: &str, action: &str, facts: &Facts) -> Decision {
    let caller = Principal::from_arn(caller).unwrap();
    let has_policy = caller.arn == OPERATOR || caller.is_root;
    let identity = if has_policy { identity(&own("Allow", "kms:*", "{}")) } else { Policy::none() };
    decide(Some(&parse(policy_text).unwrap()), &identity, &facts.request(&caller, action, &key()))
}

fn identity(statements: &str) -> Policy {
    Policy::parse(&policy(statements), PolicyKind::Identity).unwrap()
}

/// A statement of an identity policy.
fn own(effect: &str, action: &str, condition: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"*","Condition":{condition}}}"#)
}

/// Whether a condition holds for a Decrypt by the role.
fn holds(condition: &str, facts: &Facts) -> bool {
    let text = policy(&statement("Allow", condition));
    decision(&text, ROLE, "kms:Decrypt", facts) == Decision::Allowed
}

fn attested(pcr0: u8) -> Facts {
    let pcrs = BTreeMap::from([(0, vec![pcr0; 48]), (3, vec![0xcd; 48])]);
    Facts { pcrs: Some(pcrs), ..Facts::default() }
}

fn with_context(pairs: &[(&str, &str)]) -> Facts {
    let context = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Facts { context, ..Facts::default() }
}

#[test]
fn deny_wins_then_allow_is_needed() {
    let facts = Facts::default();
    let allow = statement("Allow", "{}");
    let deny = statement("Deny", "{}");
    assert_eq!(decision(&policy(&allow), ROLE, "kms:Decrypt", &facts), Decision::Allowed);
    assert_eq!(decision(&policy(&allow), ROLE, "kms:Encrypt", &facts), Decision::NotAllowedBy(Origin::Resource));
    assert_eq!(decision(&policy(&allow), OPERATOR, "kms:Decrypt", &facts), Decision::NotAllowedBy(Origin::Resource));
    for statements in [format!("{allow},{deny}"), format!("{deny},{allow}")] {
        assert_eq!(decision(&policy(&statements), ROLE, "kms:Decrypt", &facts), Decision::DeniedBy(Origin::Resource));
    }
}

#[test]
fn the_account_statement_leaves_it_to_identity_policies() {
    let text = Policy::default_text(&key());
    let facts = Facts::default();
    assert_eq!(decision(&text, ROOT, "kms:PutKeyPolicy", &facts), Decision::Allowed);
    assert_eq!(decision(&text, OPERATOR, "kms:PutKeyPolicy", &facts), Decision::Allowed);
    assert_eq!(decision(&text, ROLE, "kms:PutKeyPolicy", &facts), Decision::NotAllowedBy(Origin::Identity));
    // As a Deny, the account means everybody in it.
    let deny = text.replace("\"Allow\"", "\"Deny\"");
    for caller in [ROOT, OPERATOR, ROLE] {
        assert_eq!(decision(&deny, caller, "kms:Decrypt", &facts), Decision::DeniedBy(Origin::Resource));
    }
}

#[test]
fn actions_match_with_wildcards_and_without_case() {
    let with = |action: &str| policy(&statement("Allow", "{}").replace("\"kms:Decrypt\"", action));
    let facts = Facts::default();
    for (pattern, action, expected) in [
        (r#""kms:*""#, "kms:Decrypt", true),
        (r#""*""#, "kms:Decrypt", true),
        (r#"["kms:Encrypt","kms:decrypt"]"#, "kms:Decrypt", true),
        (r#""kms:GenerateDataKey*""#, "kms:GenerateDataKey", true),
        (r#""kms:GenerateDataKeyPair""#, "kms:GenerateDataKey", false),
    ] {
        let allowed = decision(&with(pattern), ROLE, action, &facts) == Decision::Allowed;
        assert_eq!(allowed, expected, "{pattern} {action}");
    }
    for unknown in
        [r#""kms:Decypt""#, r#""s3:GetObject""#, r#""Decrypt""#, r#""k*:Decrypt""#, r#""*:Decrypt""#, "[]", r#""""#]
    {
        assert!(parse(&with(unknown)).is_err(), "{unknown}");
    }
}

#[test]
fn pcrs_are_compared_as_hex() {
    let pcr = |operator: &str, key: &str, value: &str| format!(r#"{{"{operator}":{{"{key}":"{value}"}}}}"#);
    let image = "kms:RecipientAttestation:ImageSha384";
    let (upper, lower) = ("AB".repeat(48), "ab".repeat(48));
    for (operator, value, expected) in [
        ("StringEqualsIgnoreCase", &upper, true),
        ("StringEqualsIgnoreCase", &lower, true),
        ("StringEquals", &lower, true),
        ("StringEquals", &upper, false),
    ] {
        for name in [image, "kms:RecipientAttestation:PCR0", "KMS:recipientattestation:pcr0"] {
            assert_eq!(holds(&pcr(operator, name, value), &attested(0xab)), expected, "{operator} {name}");
        }
    }
    assert!(!holds(&pcr("StringEqualsIgnoreCase", image, &lower), &attested(0xac)));
    assert!(holds(&pcr("StringEquals", "kms:RecipientAttestation:PCR3", &"cd".repeat(48)), &attested(0)));
    // A debug-mode enclave shows zeros, so only a policy that names zeros lets it in.
    assert!(holds(&pcr("StringEquals", image, &"00".repeat(48)), &attested(0)));
    for name in ["PCR32", "PCR00", "PCR-1", "PCR", "PCR1 ", "ImageSha256"] {
        let condition = pcr("StringEquals", &format!("kms:RecipientAttestation:{name}"), "00");
        assert!(parse(&policy(&statement("Allow", &condition))).is_err(), "{name}");
    }
}

#[test]
fn an_absent_key_fails_positive_operators_and_satisfies_negated_ones() {
    let none = Facts::default();
    let some = attested(0xab);
    let lower = "ab".repeat(48);
    for (operator, absent, equal, different) in [
        ("StringEquals", false, true, false),
        ("StringEqualsIgnoreCase", false, true, false),
        ("StringLike", false, true, false),
        ("StringNotEquals", true, false, true),
        ("StringNotEqualsIgnoreCase", true, false, true),
        ("StringNotLike", true, false, true),
        ("StringEqualsIfExists", true, true, false),
        ("StringNotEqualsIfExists", true, false, true),
    ] {
        let condition =
            |value: &str| format!(r#"{{"{operator}":{{"kms:RecipientAttestation:ImageSha384":"{value}"}}}}"#);
        assert_eq!(holds(&condition(&lower), &none), absent, "{operator} absent");
        assert_eq!(holds(&condition(&lower), &some), equal, "{operator} equal");
        assert_eq!(holds(&condition(&"00".repeat(48)), &some), different, "{operator} different");
    }
    // A document without this register is like no document.
    let condition = format!(r#"{{"StringNotEquals":{{"kms:RecipientAttestation:PCR8":"{lower}"}}}}"#);
    assert!(holds(&condition, &some));
}

#[test]
fn null_asks_for_absence() {
    let null = |value: &str| format!(r#"{{"Null":{{"kms:RecipientAttestation:ImageSha384":{value}}}}}"#);
    for (value, without, with) in
        [("true", true, false), (r#""true""#, true, false), ("\"false\"", false, true), ("[true,false]", true, true)]
    {
        assert_eq!(holds(&null(value), &Facts::default()), without, "{value}");
        assert_eq!(holds(&null(value), &attested(1)), with, "{value}");
    }
}

#[test]
fn a_bool_needs_the_key() {
    let secure = |value: &str| format!(r#"{{"Bool":{{"aws:SecureTransport":{value}}}}}"#);
    assert!(holds(&secure("true"), &Facts::default()) && !holds(&secure("\"false\""), &Facts::default()));
    let bypass = |operator: &str| format!(r#"{{"{operator}":{{"kms:BypassPolicyLockoutSafetyCheck":"true"}}}}"#);
    let given = |value| Facts { bypass: Some(value), ..Facts::default() };
    assert!(!holds(&bypass("Bool"), &Facts::default()) && holds(&bypass("BoolIfExists"), &Facts::default()));
    assert!(holds(&bypass("Bool"), &given(true)) && !holds(&bypass("Bool"), &given(false)));
}

#[test]
fn encryption_context_is_compared_by_value_and_its_names_without_case() {
    let condition = r#"{"StringEquals":{"kms:EncryptionContext:Purpose":["record-v1","record-v2"]}}"#;
    assert!(holds(condition, &with_context(&[("purpose", "record-v2"), ("other", "x")])));
    assert!(!holds(condition, &with_context(&[("purpose", "RECORD-V1")])));
    assert!(!holds(condition, &with_context(&[])));
    let like = r#"{"StringLike":{"kms:EncryptionContext:purpose":"record-v?"}}"#;
    assert!(holds(like, &with_context(&[("purpose", "record-v9")])));
    assert!(!holds(like, &with_context(&[("purpose", "record-v10")])));
    let neither = r#"{"StringNotEquals":{"kms:EncryptionContext:purpose":["a","b"]}}"#;
    assert!(!holds(neither, &with_context(&[("purpose", "b")])) && holds(neither, &with_context(&[("purpose", "c")])));
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context-keys>
#[test]
fn sets_of_encryption_context_keys_are_compared_as_the_set_operator_says() {
    let keys = |operator: &str, values: &str| format!(r#"{{"{operator}":{{"kms:EncryptionContextKeys":{values}}}}}"#);
    let contexts: [&[(&str, &str)]; 4] =
        [&[], &[("AppName", "x")], &[("AppName", "x"), ("Project", "y")], &[("project", "y")]];
    for (operator, values, expected) in [
        // "It doesn't require any encryption context keys, but it forbids unspecified encryption context keys."
        ("ForAllValues:StringEquals", r#"["AppName","Stage"]"#, [true, true, false, false]),
        // "If the request has no encryption context, the condition is not satisfied."
        ("ForAnyValue:StringEquals", r#""AppName""#, [false, true, true, false]),
        ("ForAnyValue:StringEqualsIgnoreCase", r#""PROJECT""#, [false, false, true, true]),
        ("ForAnyValue:StringLike", r#""Pro*""#, [false, false, true, false]),
        ("ForAllValues:StringNotEquals", r#"["AppName","Stage"]"#, [true, false, false, true]),
        ("ForAnyValue:StringNotEquals", r#""AppName""#, [false, false, true, true]),
        ("ForAnyValue:StringEqualsIfExists", r#""AppName""#, [true, true, true, false]),
        ("Null", "false", [false, true, true, true]),
        ("Null", "true", [true, false, false, false]),
    ] {
        let found = contexts.map(|context| holds(&keys(operator, values), &with_context(context)));
        assert_eq!(found, expected, "{operator} {values}");
    }
    for (operator, key) in [
        ("StringEquals", "kms:EncryptionContextKeys"),
        ("ForAllValues:StringEquals", "kms:EncryptionContext:AppName"),
        ("ForAnyValue:StringEquals", "kms:RecipientAttestation:PCR0"),
    ] {
        let condition = format!(r#"{{"{operator}":{{"{key}":"x"}}}}"#);
        let refused = parse(&policy(&statement("Allow", &condition))).unwrap_err();
        assert!(matches!(refused, PolicyError::SetOperator { .. }), "{refused:?}");
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>
#[test]
fn arn_operators_compare_part_by_part() {
    let facts = Facts::default();
    let arn = |operator: &str, pattern: &str| format!(r#"{{"{operator}":{{"aws:PrincipalArn":"{pattern}"}}}}"#);
    for (pattern, expected) in [
        (ROLE, true),
        ("arn:aws:iam::*:role/*", true),
        ("arn:aws:*:*:*:*", true),
        (OPERATOR, false),
        ("*:*:*:*:*:r", false),
    ] {
        for operator in ["ArnEquals", "ArnLike", "ArnLikeIfExists"] {
            assert_eq!(holds(&arn(operator, pattern), &facts), expected, "{operator} {pattern}");
        }
        for operator in ["ArnNotEquals", "ArnNotLike"] {
            assert_eq!(holds(&arn(operator, pattern), &facts), !expected, "{operator} {pattern}");
        }
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html>
#[test]
fn not_action_means_everything_else() {
    let text = policy(
        &statement("Allow", "{}").replace(r#""Action":"kms:Decrypt""#, r#""NotAction":["kms:Dec*","kms:Sign"]"#),
    );
    let allows = |action| decision(&text, ROLE, action, &Facts::default()) == Decision::Allowed;
    assert_eq!(["kms:Decrypt", "kms:Sign", "kms:Encrypt", "kms:DescribeKey"].map(allows), [false, false, true, true]);
}

/// "An explicit deny in any policy overrides any allows", and a key policy must allow, or leave it to the account:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
#[test]
fn key_policy_and_identity_policy_decide_together() {
    use Decision::{Allowed, DeniedBy, NotAllowedBy};
    use Origin::{Identity, Resource};
    let names = policy(&statement("Allow", "{}"));
    let denies = policy(&statement("Deny", "{}"));
    let delegates = Policy::default_text(&key());
    let delegates_and_names = delegates.replace("[{", &format!("[{},{{", statement("Allow", "{}")));
    let (allow, deny) = (own("Allow", "kms:Decrypt", "{}"), own("Deny", "kms:Decrypt", "{}"));
    let both = format!("{allow},{deny}");
    for (key_policy, own_statements, expected) in [
        (&names, None, Allowed),
        (&names, Some(&allow), Allowed),
        (&names, Some(&deny), DeniedBy(Identity)),
        (&delegates, None, NotAllowedBy(Identity)),
        (&delegates, Some(&allow), Allowed),
        (&delegates, Some(&both), DeniedBy(Identity)),
        (&delegates, Some(&own("Allow", "kms:Encrypt", "{}")), NotAllowedBy(Identity)),
        (&delegates_and_names, None, Allowed),
        (&denies, Some(&allow), DeniedBy(Resource)),
        (&denies, Some(&deny), DeniedBy(Resource)),
        // Unlike elsewhere in AWS, an identity policy alone is not enough.
        (&names.replace("kms:Decrypt", "kms:Encrypt"), Some(&allow), NotAllowedBy(Resource)),
    ] {
        let own_policy = own_statements.map_or(Policy::none(), |statements| identity(statements));
        let (caller, facts, key) = (Principal::from_arn(ROLE).unwrap(), Facts::default(), key());
        let request = facts.request(&caller, "kms:Decrypt", &key);
        let found = decide(Some(&parse(key_policy).unwrap()), &own_policy, &request);
        assert_eq!(found, expected, "{key_policy} {own_statements:?}");
    }
}

#[test]
fn an_identity_policy_is_about_resources_and_has_no_principals() {
    let caller = Principal::from_arn(ROLE).unwrap();
    let key = key();
    let aliases = ["alias/wallet".to_owned()];
    let decide_on = |statement: &str, resource: super::Resource<'_>| {
        decide(None, &identity(statement), &RequestContext::new(&caller, "kms:Decrypt", resource)) == Decision::Allowed
    };
    let on_key = super::Resource::Key { arn: &key, aliases: &aliases };
    let on_alias = super::Resource::Alias { arn: "arn:aws:kms:us-east-1:111122223333:alias/wallet" };
    for (pattern, expected) in [
        ("*", [true, true, true]),
        (key.as_str(), [true, false, false]),
        ("arn:aws:kms:*:111122223333:key/*", [true, false, false]),
        ("arn:aws:kms:us-east-1:111122223333:alias/wal*", [false, true, false]),
        ("arn:aws:kms:us-west-2:111122223333:key/*", [false, false, false]),
    ] {
        let statement =
            own("Allow", "kms:Decrypt", "{}").replace("\"Resource\":\"*\"", &format!("\"Resource\":\"{pattern}\""));
        let found = [on_key, on_alias, super::Resource::None].map(|resource| decide_on(&statement, resource));
        assert_eq!(found, expected, "{pattern}");
    }
    // Only of a key, and only in identity policies: a key has aliases, a request names it by one at most.
    let by_alias = own("Allow", "*", r#"{"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/w*"}}"#);
    assert!(decide_on(&by_alias, on_key) && !decide_on(&by_alias, on_alias));
    type Change = fn(&str) -> String;
    let wrong: [(&str, Change); 7] = [
        ("a principal", |good| good.replace("{\"Effect\"", "{\"Principal\":\"*\",\"Effect\"")),
        ("NotResource", |good| good.replace("Resource", "NotResource")),
        ("no resource", |good| good.replace("\"Resource\":\"*\",", "")),
        ("no ARN", |good| good.replace("\"Resource\":\"*\"", "\"Resource\":\"alias/x\"")),
        ("a variable", |good| good.replace("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:kms:::${aws:username}\"")),
        ("spaces in the Sid", |good| good.replace("{\"Effect\"", "{\"Sid\":\"a b\",\"Effect\"")),
        ("an action that KMS does not have", |good| good.replace("kms:*", "kms:Decypt")),
    ];
    let good = policy(&own("Allow", "kms:*", "{}"));
    assert!(Policy::parse(&good, PolicyKind::Identity).is_ok());
    for (why, change) in wrong {
        assert!(Policy::parse(&change(&good), PolicyKind::Identity).is_err(), "{why}");
    }
    // Other services' actions are legal, and mean nothing here.
    assert!(!decide_on(&own("Allow", "s3:*", "{}"), on_key));
}

#[test]
fn all_operators_and_all_keys_must_hold() {
    let condition = r#"{"StringEquals":{"kms:CallerAccount":"111122223333","kms:EncryptionContext:a":"1"},
        "StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/enclave"}}"#;
    assert!(holds(condition, &with_context(&[("a", "1")])));
    assert!(!holds(condition, &with_context(&[("a", "2")])));
    assert!(!holds(&condition.replace("role/enclave", "role/other"), &with_context(&[("a", "1")])));
}

#[test]
fn what_is_not_understood_is_refused() {
    let good = policy(&statement("Allow", "{}"));
    assert!(parse(&good).is_ok());
    let allow = statement("Allow", "{}");
    for (why, text) in [
        ("not JSON", "{".to_owned()),
        ("no object", "[]".to_owned()),
        ("no version", good.replace(r#""Version":"2012-10-17","#, "")),
        ("unknown version", good.replace("2012-10-17", "2012-10-18")),
        ("no statement", policy("")),
        ("unknown member", good.replace("\"Version\"", "\"Comment\":\"x\",\"Version\"")),
        ("duplicate member", good.replace("\"Effect\":\"Allow\"", "\"Effect\":\"Allow\",\"Effect\":\"Allow\"")),
        ("duplicate Sid", policy(&[&*allow, &*allow].map(|s| s.replacen('{', "{\"Sid\":\"a\",", 1)).join(","))),
        ("unknown effect", good.replace("\"Allow\"", "\"allow\"")),
        ("no effect", good.replace("\"Effect\":\"Allow\",", "")),
        ("no principal", good.replace(&format!("\"Principal\":{{\"AWS\":\"{ROLE}\"}},"), "")),
        ("no resource", good.replace("\"Resource\":\"*\",", "")),
        ("NotPrincipal", good.replace("\"Principal\"", "\"NotPrincipal\"")),
        ("NotResource", good.replace("\"Resource\"", "\"NotResource\"")),
        ("Action and NotAction", good.replace("\"Action\"", "\"NotAction\":\"kms:Sign\",\"Action\"")),
        ("a character beyond U+00FF", good.replace("2012-10-17\"", "2012-10-17\",\"Id\":\"\u{2013}\"")),
        ("service principal", good.replace("\"AWS\"", "\"Service\"")),
        ("unknown principal", good.replace("role/enclave", "role/nobody")),
        ("principal with wildcard", good.replace("role/enclave", "role/*")),
        (
            "another key",
            good.replace("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:kms:us-east-1:111122223333:key/1\""),
        ),
    ] {
        assert!(parse(&text).is_err(), "{why}: {text}");
    }
    for condition in [
        r#"{"StringEqual":{"kms:CallerAccount":"1"}}"#,
        r#"{"ForAllValues:StringEquals":{"kms:CallerAccount":"1"}}"#,
        r#"{"NumericEquals":{"kms:CallerAccount":"1"}}"#,
        r#"{"NullIfExists":{"kms:CallerAccount":"true"}}"#,
        r#"{"IfExists":{"kms:CallerAccount":"true"}}"#,
        r#"{"StringEquals":{"kms:GrantIsForAWSResource":"true"}}"#,
        r#"{"StringEquals":{"aws:SourceIp":"127.0.0.1"}}"#,
        r#"{"StringEquals":{"kms:CallerAccount":"1","KMS:calleraccount":"1"}}"#,
        r#"{"Bool":{"kms:CallerAccount":"true"}}"#,
        r#"{"ArnLike":{"kms:CallerAccount":"arn:aws:iam::1:role/x"}}"#,
        r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam:*"}}"#,
        r#"{"ForSomeValues:StringEquals":{"kms:EncryptionContextKeys":"a"}}"#,
        r#"{"ForAnyValue:Null":{"kms:EncryptionContextKeys":"true"}}"#,
        r#"{"ForAllValues:ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"a"}}"#,
        r#"{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/a"}}"#,
        r#"{"StringEquals":{"kms:EncryptionContext:":"x"}}"#,
        r#"{"StringEquals":{"kms:CallerAccount":[]}}"#,
        r#"{"StringEquals":{"kms:CallerAccount":{}}}"#,
        r#"{"StringEquals":{"kms:CallerAccount":[["1"]]}}"#,
        r#"{"StringEquals":{"kms:CallerAccount":1}}"#,
        r#"{"StringEquals":"kms:CallerAccount"}"#,
        r#"{"StringEquals":{"kms:CallerAccount":"${aws:PrincipalAccount}"}}"#,
        r#"{"StringEqualsIgnoreCase":{"kms:CallerAccount":"ſ"}}"#,
        r#"{"Bool":{"aws:SecureTransport":"yes"}}"#,
        r#"{"Null":{"kms:CallerAccount":"maybe"}}"#,
        "[]",
    ] {
        assert!(parse(&policy(&statement("Allow", condition))).is_err(), "{condition}");
    }
    let long = good.replace("2012-10-17\"", &format!("2012-10-17\",\"Id\":\"{}\"", "x".repeat(MAX_POLICY_LEN)));
    assert_eq!(parse(&long), Err(PolicyError::TooLong { len: long.len(), max: MAX_POLICY_LEN }));
}
