//! `sim::KeyPolicy`: a key policy asked about requests that nobody has sent.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use kms_enclave_client::KeyArn;
use kms_enclave_client::sim::{KeyPolicy, KeySpec, PolicyError, PolicyRequest, PolicyRequestError, PolicyVerdict};
use nsm_attest::{PcrIndex, PcrValue};
use proptest::prelude::*;

const PARENT: &str = "arn:aws:iam::111122223333:role/parent";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const STRANGER: &str = "arn:aws:iam::444455556666:role/stranger";

fn key() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

fn multi_region_key() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab".parse().unwrap()
}

/// A policy that lets `principal` do everything under `condition`.
fn text(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Sid":"Only","Effect":"Allow","Principal":{{"AWS":"{principal}"}},
            "Action":"kms:*","Resource":"*","Condition":{condition}}}}}"#
    )
}

fn request(action: &str) -> PolicyRequest {
    PolicyRequest::new(PARENT, action).unwrap()
}

/// Whether the parent's request meets `condition`.
fn holds(condition: &str, request: &PolicyRequest) -> bool {
    let policy = KeyPolicy::parse(&text(PARENT, condition), &key()).unwrap();
    match policy.evaluate(request) {
        PolicyVerdict::Allowed => true,
        PolicyVerdict::NotAllowed => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_verdict_says_who_decides() {
    let verdict = |principal: &str, caller: &str| {
        let policy = KeyPolicy::parse(&text(principal, "{}"), &key()).unwrap();
        policy.evaluate(&PolicyRequest::new(caller, "kms:Decrypt").unwrap())
    };
    assert_eq!(verdict(PARENT, PARENT), PolicyVerdict::Allowed);
    assert_eq!(verdict(PARENT, "arn:aws:sts::111122223333:assumed-role/parent/i-1"), PolicyVerdict::Allowed);
    assert_eq!(verdict(PARENT, STRANGER), PolicyVerdict::NotAllowed);
    for account in [ROOT, "111122223333"] {
        assert_eq!(verdict(account, PARENT), PolicyVerdict::LeftToIdentityPolicies);
        assert_eq!(verdict(account, ROOT), PolicyVerdict::Allowed);
        assert_eq!(verdict(account, STRANGER), PolicyVerdict::NotAllowed);
    }
    assert_eq!(verdict("*", PARENT), PolicyVerdict::Allowed);
    // Across accounts both policies must allow.
    for named in [STRANGER, "*", "444455556666"] {
        assert_eq!(verdict(named, STRANGER), PolicyVerdict::LeftToIdentityPolicies, "{named}");
    }
    let denying = text(PARENT, "{}").replace("Allow", "Deny");
    let denied = KeyPolicy::parse(&denying, &key()).unwrap().evaluate(&request("kms:Decrypt"));
    assert_eq!(denied, PolicyVerdict::Denied { sid: Some("Only".to_owned()) });
    let default = KeyPolicy::parse(&KeyPolicy::default_text(&key()), &key()).unwrap();
    assert_eq!(default.evaluate(&request("kms:PutKeyPolicy")), PolicyVerdict::LeftToIdentityPolicies);
}

/// The column "API operations" of <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>.
#[test]
fn condition_keys_are_there_for_the_operations_that_have_them() {
    let image: PcrValue = "5c".repeat(48).parse().unwrap();
    let full = |action: &str| {
        request(action)
            .encryption_context([("a".to_owned(), "b".to_owned())].into())
            .pcr(PcrIndex::IMAGE, image)
            .request_alias("alias/wallet")
            .data_key_pair_spec("RSA_2048")
            .bypass_policy_lockout_safety_check(false)
    };
    let all = ["Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "DeriveSharedSecret", "DescribeKey"];
    let all = [&all[..], &["GetPublicKey", "PutKeyPolicy", "CreateAlias"]].concat();
    for (key, present) in [
        ("kms:RecipientAttestation:PCR0", "Decrypt GenerateDataKey GenerateDataKeyPair DeriveSharedSecret"),
        ("kms:EncryptionContext:a", "Decrypt Encrypt GenerateDataKey GenerateDataKeyPair"),
        ("kms:EncryptionContextKeys", "Decrypt Encrypt GenerateDataKey GenerateDataKeyPair"),
        ("kms:EncryptionAlgorithm", "Decrypt Encrypt GenerateDataKey GenerateDataKeyPair"),
        ("kms:DataKeyPairSpec", "GenerateDataKeyPair"),
        ("kms:KeyAgreementAlgorithm", "DeriveSharedSecret"),
        ("kms:BypassPolicyLockoutSafetyCheck", "PutKeyPolicy"),
        ("kms:ViaService", ""),
        (
            "kms:RequestAlias",
            "Decrypt Encrypt GenerateDataKey GenerateDataKeyPair DeriveSharedSecret DescribeKey GetPublicKey PutKeyPolicy",
        ),
    ] {
        let is_there = format!(r#"{{"Null":{{"{key}":"false"}}}}"#);
        for action in &all {
            let expected = present.split(' ').any(|name| name == *action);
            assert_eq!(holds(&is_there, &full(&format!("kms:{action}"))), expected, "{key} {action}");
        }
    }
    for key in ["CallerAccount", "KeySpec", "KeyUsage", "KeyOrigin", "MultiRegion", "CustomerMasterKeySpec"] {
        for action in &all {
            let is_there = format!(r#"{{"Null":{{"kms:{key}":"false"}}}}"#);
            assert!(holds(&is_there, &full(&format!("kms:{action}"))), "{key} {action}");
        }
    }
}

#[test]
fn condition_keys_have_the_values_of_key_and_request() {
    let equals = |key: &str, value: &str| format!(r#"{{"StringEquals":{{"{key}":"{value}"}}}}"#);
    let plain = request("kms:Decrypt");
    let rsa = request("kms:Decrypt").key_spec(KeySpec::Rsa3072).encryption_algorithm("RSAES_OAEP_SHA_256");
    let agreement = request("kms:DeriveSharedSecret").key_spec(KeySpec::EccNistP384);
    for (request, key, value) in [
        (&plain, "kms:CallerAccount", "111122223333"),
        (&plain, "kms:KeySpec", "SYMMETRIC_DEFAULT"),
        (&plain, "kms:KeyUsage", "ENCRYPT_DECRYPT"),
        (&plain, "kms:CustomerMasterKeyUsage", "ENCRYPT_DECRYPT"),
        (&plain, "kms:KeyOrigin", "AWS_KMS"),
        (&plain, "kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        (&plain, "aws:PrincipalArn", PARENT),
        (&plain, "aws:PrincipalAccount", "111122223333"),
        (&rsa, "kms:KeySpec", "RSA_3072"),
        (&rsa, "kms:EncryptionAlgorithm", "RSAES_OAEP_SHA_256"),
        (&agreement, "kms:KeyUsage", "KEY_AGREEMENT"),
        (&agreement, "kms:KeyAgreementAlgorithm", "ECDH"),
        (&plain.clone().request_alias("alias/wallet"), "kms:RequestAlias", "alias/wallet"),
    ] {
        assert!(holds(&equals(key, value), request), "{key}");
        assert!(!holds(&equals(key, "other"), request), "{key}");
    }
    let single_region = r#"{"Bool":{"kms:MultiRegion":false}}"#;
    assert!(holds(single_region, &plain));
    let policy = KeyPolicy::parse(&text(PARENT, single_region), &multi_region_key()).unwrap();
    assert_eq!(policy.evaluate(&plain), PolicyVerdict::NotAllowed);
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_its_name() {
    let refused = |text: &str| KeyPolicy::parse(text, &key()).unwrap_err();
    let good = text(PARENT, "{}");
    for (text, expected) in [
        (good.replace("2012", "2013"), PolicyError::UnknownVersion { version: "2013-10-17".to_owned() }),
        (good.replace("\"Principal\"", "\"NotPrincipal\""), PolicyError::Unsupported { element: "NotPrincipal" }),
        (good.replace("\"Action\"", "\"Actions\""), PolicyError::UnknownElement { element: "Actions".to_owned() }),
        (good.replace("kms:*", "kms:Decypt"), PolicyError::UnknownAction { action: "kms:Decypt".to_owned() }),
        (
            text(PARENT, r#"{"StringEquals":{"kms:RecipientAttestation:PCR32":"00"}}"#),
            PolicyError::UnknownConditionKey { key: "kms:RecipientAttestation:PCR32".to_owned() },
        ),
        (
            text(PARENT, r#"{"StringEqualsIgnorecase":{"kms:RecipientAttestation:PCR0":"00"}}"#),
            PolicyError::UnknownConditionOperator { operator: "StringEqualsIgnorecase".to_owned() },
        ),
        (
            text(PARENT, r#"{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/x"}}"#),
            PolicyError::NotInKeyPolicy { key: "kms:ResourceAliases".to_owned() },
        ),
        (
            text("arn:aws:iam::1:role/x", "{}"),
            PolicyError::UnknownPrincipal { principal: "arn:aws:iam::1:role/x".into() },
        ),
    ] {
        assert_eq!(refused(&text), expected, "{text}");
    }
    let twice = good.replace("\"AWS\":", "\"AWS\":\"*\",\"AWS\":");
    assert!(matches!(refused(&twice), PolicyError::NotJson { line: 1, .. }));
    let unknown = |principal: &str, action: &str| PolicyRequest::new(principal, action).unwrap_err();
    assert!(matches!(unknown(PARENT, "kms:decrypt"), PolicyRequestError::UnknownAction { .. }));
    assert!(matches!(unknown(PARENT, "Decrypt"), PolicyRequestError::UnknownAction { .. }));
    assert!(matches!(unknown(PARENT, "kms:GenerateRandom"), PolicyRequestError::ActionWithoutKey { .. }));
    assert!(matches!(unknown("parent", "kms:Decrypt"), PolicyRequestError::UnknownPrincipal { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A negated operator is the opposite of the positive one, whether the key is there or not.
    #[test]
    fn a_negated_operator_is_the_opposite(
        operator in prop::sample::select(vec!["Equals", "EqualsIgnoreCase", "Like"]),
        value in prop::option::of("[aA]{0,2}"),
        pattern in "[aA*?]{1,3}",
    ) {
        let condition = |operator: &str| format!(r#"{{"{operator}":{{"kms:EncryptionContext:x":"{pattern}"}}}}"#);
        let context = value.into_iter().map(|value| ("x".to_owned(), value)).collect();
        let request = request("kms:Decrypt").encryption_context(context);
        let positive = holds(&condition(&format!("String{operator}")), &request);
        prop_assert_eq!(holds(&condition(&format!("StringNot{operator}")), &request), !positive);
    }

    #[test]
    fn arbitrary_text_is_refused_or_evaluated_and_never_panics(text in "[ -~]{0,200}") {
        if let Ok(policy) = KeyPolicy::parse(&text, &key()) {
            let _verdict = policy.evaluate(&request("kms:Decrypt"));
        }
    }
}
