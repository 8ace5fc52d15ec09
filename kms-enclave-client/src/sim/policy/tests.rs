use std::collections::BTreeMap;

use super::*;
use crate::key_arn::KeyArn;

const ROLE: &str = "arn:aws:iam::111122223333:role/enclave";
const OPERATOR: &str = "arn:aws:iam::111122223333:role/operator";
const ROOT: &str = "arn:aws:iam::111122223333:root";

fn key() -> KeyArn {
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

fn principals() -> Vec<Principal> {
    let principal = |arn, is_administrator| Principal::from_arn(arn, is_administrator).unwrap();
    vec![principal(ROLE, false), principal(OPERATOR, true), principal(ROOT, false)]
}

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(text, &key(), &principals()).map_err(|fault| {
        assert_eq!(fault.exception, "MalformedPolicyDocumentException");
        fault.message
    })
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

fn verdict(policy_text: &str, caller: &str, action: &str, facts: &Facts) -> Verdict {
    let caller = principals().into_iter().find(|principal| principal.arn == caller).unwrap();
    parse(policy_text).unwrap().evaluate(&RequestContext {
        caller: &caller,
        action,
        encryption_context: &facts.context,
        pcrs: facts.pcrs.as_ref(),
        bypass_policy_lockout_safety_check: facts.bypass,
    })
}

/// Whether a condition holds for a Decrypt by the role.
fn holds(condition: &str, facts: &Facts) -> bool {
    let text = policy(&statement("Allow", condition));
    verdict(&text, ROLE, "kms:Decrypt", facts) == Verdict::Allowed
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
    assert_eq!(verdict(&policy(&allow), ROLE, "kms:Decrypt", &facts), Verdict::Allowed);
    assert_eq!(verdict(&policy(&allow), ROLE, "kms:Encrypt", &facts), Verdict::NotAllowed);
    assert_eq!(verdict(&policy(&allow), OPERATOR, "kms:Decrypt", &facts), Verdict::NotAllowed);
    for statements in [format!("{allow},{deny}"), format!("{deny},{allow}")] {
        assert_eq!(verdict(&policy(&statements), ROLE, "kms:Decrypt", &facts), Verdict::DeniedExplicitly);
    }
}

#[test]
fn the_account_statement_leaves_it_to_identity_policies() {
    let text = Policy::default_text(&key());
    let facts = Facts::default();
    assert_eq!(verdict(&text, ROOT, "kms:PutKeyPolicy", &facts), Verdict::Allowed);
    assert_eq!(verdict(&text, OPERATOR, "kms:PutKeyPolicy", &facts), Verdict::Allowed);
    assert_eq!(verdict(&text, ROLE, "kms:PutKeyPolicy", &facts), Verdict::NotAllowed);
    // As a Deny, the account means everybody in it.
    let deny = text.replace("\"Allow\"", "\"Deny\"");
    for caller in [ROOT, OPERATOR, ROLE] {
        assert_eq!(verdict(&deny, caller, "kms:Decrypt", &facts), Verdict::DeniedExplicitly);
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
        let allowed = verdict(&with(pattern), ROLE, action, &facts) == Verdict::Allowed;
        assert_eq!(allowed, expected, "{pattern} {action}");
    }
    for unknown in [r#""kms:Decypt""#, r#""s3:GetObject""#, r#""Decrypt""#, "[]", r#""""#] {
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
        ("NotAction", good.replace("\"Action\"", "\"NotAction\"")),
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
        r#"{"StringEquals":{"kms:ViaService":"x"}}"#,
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
    assert_eq!(Policy::parse(&long, &key(), &principals()).unwrap_err().exception, "LimitExceededException");
}
