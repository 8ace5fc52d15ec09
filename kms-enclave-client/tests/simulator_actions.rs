//! Every action of the simulator, at the level of JSON: who may, what comes back, and what is refused.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, KeyPair as _};
use aws_lc_rs::{agreement, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::cms::EnvelopedData;
use kms_enclave_client::sim::{KmsSimulator, StartError};
use kms_enclave_client::{Credentials, RecipientKeyPair};
use nsm_attest::sim::{Authority, pcr0};
use nsm_attest::{AttestationRequest, Clock, Nsm};
use raw::{HOST, RawReply, Signed, exchange};
use serde_json::{Value, json};
use support::*;

/// A role with what a test lets it do.
const OTHER_KEY: &str = "AKIAI44QH8DHBEXAMPLE";
const OTHER: &str = "arn:aws:iam::111122223333:role/other";

struct World {
    authority: Authority,
    clock: Clock,
    kms: KmsSimulator,
}

impl World {
    async fn new() -> Self {
        Self::with_policy(None).await
    }

    /// A world in which the other role has an identity policy of these statements.
    async fn with_policy(statements: Option<&str>) -> Self {
        let clock = Clock::settable(start_of_time());
        let authority = Authority::generate(clock.now()).unwrap();
        let other = Credentials::new(OTHER_KEY, SECRET, None, None).unwrap();
        let builder = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .clock(clock.clone())
            .administrator(administrator_credentials(), ADMINISTRATOR);
        let builder = match statements {
            None => builder.credentials(other, OTHER),
            Some(statements) => builder.principal_with_policy(other, OTHER, document(statements)),
        };
        Self { authority, clock, kms: builder.start().await.unwrap() }
    }

    async fn send(&self, access_key: &str, action: &str, body: &Value) -> RawReply {
        exchange(&self.kms, &Signed::by(access_key, action, body).bytes()).await
    }

    /// What the administrator is answered.
    async fn ok(&self, action: &str, body: Value) -> Value {
        let reply = self.send(ADMINISTRATOR_KEY, action, &body).await;
        assert_eq!(reply.status, 200, "{action} {body} {reply:?}");
        reply.json()
    }

    /// The exception with which the administrator is refused.
    async fn refused(&self, action: &str, body: Value) -> String {
        let reply = self.send(ADMINISTRATOR_KEY, action, &body).await;
        assert_eq!(reply.status, 400, "{action} {body} {reply:?}");
        reply.json()["__type"].as_str().unwrap().to_owned()
    }

    /// What the other role is answered: nothing, or why not.
    async fn other(&self, action: &str, body: &Value) -> Result<Value, String> {
        let reply = self.send(OTHER_KEY, action, body).await;
        match reply.status {
            200 => Ok(reply.json()),
            _ if reply.json()["__type"] == "AccessDeniedException" => {
                Err(reply.json()["Message"].as_str().unwrap().to_owned())
            }
            _ => panic!("{reply:?}"),
        }
    }

    async fn key(&self, spec: &str, usage: &str) -> String {
        let reply = self.ok("CreateKey", json!({"KeySpec": spec, "KeyUsage": usage})).await;
        reply["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    async fn symmetric_key(&self) -> String {
        self.key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await
    }

    fn recipient(&self) -> (RecipientKeyPair, Value) {
        let pair = RecipientKeyPair::generate().unwrap();
        let request = AttestationRequest::new().with_public_key(pair.public_key_der());
        let document = nsm(&self.authority, &self.clock, b"signer").attest(&request).unwrap();
        let field = json!({
            "AttestationDocument": STANDARD.encode(document),
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        });
        (pair, field)
    }
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

fn bytes(reply: &Value, field: &str) -> Vec<u8> {
    STANDARD.decode(reply[field].as_str().unwrap_or_else(|| panic!("no {field} in {reply}"))).unwrap()
}

fn key_id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

/// The four ways to name a key with this alias.
fn names(arn: &str, alias: &str) -> [String; 4] {
    [key_id(arn).to_owned(), arn.to_owned(), alias.to_owned(), format!("arn:aws:kms:{REGION}:{ACCOUNT}:{alias}")]
}

#[tokio::test]
async fn a_key_is_named_by_id_arn_alias_and_alias_arn() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let curve = world.key("ECC_NIST_P256", "KEY_AGREEMENT").await;
    world.ok("CreateAlias", json!({"AliasName": "alias/team/wallet-1", "TargetKeyId": key})).await;
    world.ok("CreateAlias", json!({"AliasName": "alias/curve", "TargetKeyId": key_id(&curve)})).await;
    let plaintext = STANDARD.encode(b"x");
    let peer = bytes(&world.ok("GetPublicKey", json!({"KeyId": curve})).await, "PublicKey");
    for name in names(&key, "alias/team/wallet-1") {
        let described = world.ok("DescribeKey", json!({"KeyId": name})).await;
        assert_eq!(described["KeyMetadata"]["Arn"], key);
        let encrypted = world.ok("Encrypt", json!({"KeyId": name, "Plaintext": plaintext})).await;
        let blob = &encrypted["CiphertextBlob"];
        let replies = [
            world.ok("Decrypt", json!({"KeyId": name, "CiphertextBlob": blob})).await,
            world.ok("GenerateDataKey", json!({"KeyId": name, "KeySpec": "AES_128"})).await,
            world.ok("GenerateDataKeyPair", json!({"KeyId": name, "KeyPairSpec": "ECC_NIST_P256"})).await,
            encrypted,
        ];
        // A reply always says the key's ARN.
        assert!(replies.iter().all(|reply| reply["KeyId"] == key), "{replies:?}");
    }
    for name in names(&curve, "alias/curve") {
        let request = json!({"KeyId": name, "KeyAgreementAlgorithm": "ECDH", "PublicKey": STANDARD.encode(&peer)});
        assert_eq!(world.ok("DeriveSharedSecret", request).await["KeyId"], curve);
        assert_eq!(world.ok("GetPublicKey", json!({"KeyId": name})).await["KeyId"], curve);
    }
    let elsewhere = format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/team/wallet-1");
    for unknown in ["alias/none", "alias/", "wallet", "", &elsewhere, &key.replace(ACCOUNT, "444455556666")] {
        assert_eq!(world.refused("DescribeKey", json!({"KeyId": unknown})).await, "NotFoundException", "{unknown}");
    }
    // "Specify the key ID or key ARN of the KMS key."
    for (action, body) in [
        ("GetKeyPolicy", json!({"KeyId": "alias/curve"})),
        ("PutKeyPolicy", json!({"KeyId": "alias/curve", "Policy": "{}"})),
        ("CreateAlias", json!({"AliasName": "alias/other", "TargetKeyId": "alias/curve"})),
        ("UpdateAlias", json!({"AliasName": "alias/curve", "TargetKeyId": "alias/curve"})),
        ("ListAliases", json!({"KeyId": "alias/curve"})),
    ] {
        assert_eq!(world.refused(action, body).await, "ValidationException", "{action}");
    }
}

#[tokio::test]
async fn aliases_are_made_moved_listed_and_deleted() {
    let world = World::new().await;
    let (one, two) = (world.symmetric_key().await, world.symmetric_key().await);
    let rsa = world.key("RSA_2048", "ENCRYPT_DECRYPT").await;
    assert_eq!(world.ok("ListAliases", json!({})).await, json!({"Aliases": [], "Truncated": false}));
    for name in ["alias/c", "alias/a", "alias/b"] {
        world.ok("CreateAlias", json!({"AliasName": name, "TargetKeyId": one})).await;
    }
    let again = json!({"AliasName": "alias/a", "TargetKeyId": two});
    assert_eq!(world.refused("CreateAlias", again.clone()).await, "AlreadyExistsException");
    world.clock.set(start_of_time().saturating_add(std::time::Duration::from_secs(60))).unwrap();
    world.ok("UpdateAlias", again).await;
    assert_eq!(world.ok("DescribeKey", json!({"KeyId": "alias/a"})).await["KeyMetadata"]["Arn"], two);
    // "The current and new KMS key must be the same type."
    let to_rsa = json!({"AliasName": "alias/a", "TargetKeyId": rsa});
    assert_eq!(world.refused("UpdateAlias", to_rsa).await, "ValidationException");
    let listed = world.ok("ListAliases", json!({"KeyId": two})).await;
    assert_eq!(
        listed,
        json!({"Aliases": [{
            "AliasArn": format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/a"),
            "AliasName": "alias/a",
            "CreationDate": 1_780_000_000.0,
            "LastUpdatedDate": 1_780_000_060.0,
            "TargetKeyId": key_id(&two),
        }], "Truncated": false})
    );
    let (mut found, mut marker) = (Vec::new(), Value::Null);
    loop {
        let page = world.ok("ListAliases", json!({"Limit": 1, "Marker": marker})).await;
        found.extend(page["Aliases"].as_array().unwrap().iter().map(|alias| alias["AliasName"].clone()));
        if page["Truncated"] == false {
            break;
        }
        marker = page["NextMarker"].clone();
    }
    assert_eq!(found, ["alias/a", "alias/b", "alias/c"]);
    world.ok("DeleteAlias", json!({"AliasName": "alias/a"})).await;
    assert_eq!(world.refused("DescribeKey", json!({"KeyId": "alias/a"})).await, "NotFoundException");
    for (action, body, expected) in [
        ("DeleteAlias", json!({"AliasName": "alias/a"}), "NotFoundException"),
        ("UpdateAlias", json!({"AliasName": "alias/a", "TargetKeyId": one}), "NotFoundException"),
        ("CreateAlias", json!({"AliasName": "wallet", "TargetKeyId": one}), "ValidationException"),
        ("CreateAlias", json!({"AliasName": "alias/", "TargetKeyId": one}), "ValidationException"),
        ("CreateAlias", json!({"AliasName": "alias/aws/s3", "TargetKeyId": one}), "NotAuthorizedException"),
        ("CreateAlias", json!({"AliasName": "alias/a b", "TargetKeyId": one}), "InvalidAliasNameException"),
        ("CreateAlias", json!({"AliasName": "alias/a:b", "TargetKeyId": one}), "InvalidAliasNameException"),
        (
            "CreateAlias",
            json!({"AliasName": format!("alias/{}", "a".repeat(251)), "TargetKeyId": one}),
            "InvalidAliasNameException",
        ),
        ("CreateAlias", json!({"AliasName": "alias/x", "TargetKeyId": "x"}), "NotFoundException"),
        ("ListAliases", json!({"Limit": 0}), "ValidationException"),
        ("ListAliases", json!({"Limit": 101}), "ValidationException"),
        ("ListAliases", json!({"Marker": "%"}), "InvalidMarkerException"),
    ] {
        assert_eq!(world.refused(action, body.clone()).await, expected, "{action} {body}");
    }
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html>
#[tokio::test]
async fn an_alias_needs_the_permission_on_itself_and_on_its_keys() {
    let alias_arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/mine");
    let on_alias = allow("kms:*Alias", &alias_arn);
    let world = World::with_policy(Some(&on_alias)).await;
    let (key, other) = (world.symmetric_key().await, world.symmetric_key().await);
    let create = json!({"AliasName": "alias/mine", "TargetKeyId": key});
    let refused = world.other("CreateAlias", &create).await.unwrap_err();
    assert!(refused.contains(&key) && refused.contains("no identity-based policy allows"), "{refused}");
    let not_mine = json!({"AliasName": "alias/yours", "TargetKeyId": key});
    let refused = world.other("CreateAlias", &not_mine).await.unwrap_err();
    assert!(refused.contains("alias/yours"), "{refused}");
    for key in [&key, &other] {
        let statements = format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},"Action":"kms:*","Resource":"*"}},
               {{"Effect":"Allow","Principal":{{"AWS":"{OTHER}"}},"Action":["kms:CreateAlias","kms:DeleteAlias"],"Resource":"*"}}"#
        );
        world.ok("PutKeyPolicy", json!({"KeyId": key, "Policy": document(&statements)})).await;
    }
    world.other("CreateAlias", &create).await.unwrap();
    let update = json!({"AliasName": "alias/mine", "TargetKeyId": other});
    assert!(world.other("UpdateAlias", &update).await.unwrap_err().contains("kms:UpdateAlias"));
    world.other("DeleteAlias", &json!({"AliasName": "alias/mine"})).await.unwrap();
    assert!(world.other("ListAliases", &json!({})).await.unwrap_err().contains("kms:ListAliases"));
}

#[tokio::test]
async fn conditions_on_aliases_hold_for_the_request_or_for_the_key() {
    let conditioned = |key: &str, operator: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"kms:DescribeKey","Resource":"*",
                "Condition":{{"{operator}":{{"{key}":"alias/wal*"}}}}}}"#
        )
    };
    for (statement, by_alias_only) in [
        (conditioned("kms:RequestAlias", "StringLike"), true),
        (conditioned("kms:ResourceAliases", "ForAnyValue:StringLike"), false),
    ] {
        let world = World::with_policy(Some(&statement)).await;
        let key = world.symmetric_key().await;
        assert!(world.other("DescribeKey", &json!({"KeyId": key})).await.is_err());
        world.ok("CreateAlias", json!({"AliasName": "alias/wallet", "TargetKeyId": key})).await;
        assert!(world.other("DescribeKey", &json!({"KeyId": "alias/wallet"})).await.is_ok());
        assert_eq!(world.other("DescribeKey", &json!({"KeyId": key})).await.is_err(), by_alias_only);
        world.ok("DeleteAlias", json!({"AliasName": "alias/wallet"})).await;
        assert!(world.other("DescribeKey", &json!({"KeyId": key})).await.is_err());
    }
}

#[tokio::test]
async fn identity_policies_alone_decide_about_random_bytes() {
    let image = pcr0(b"signer", b"configuration");
    let attested = format!(
        r#"{{"Effect":"Allow","Action":"kms:GenerateRandom","Resource":"*","Condition":{{
            "StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{image}"}}}}}}"#
    );
    let of_keys = allow("kms:*", &format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/*"));
    for (statements, plain, enveloped) in [
        (None, false, false),
        (Some(allow("kms:GenerateRandom", "*")), true, true),
        (Some(attested), false, true),
        // "The value of the resource element must be *."
        (Some(of_keys), false, false),
    ] {
        let world = World::with_policy(statements.as_deref()).await;
        let (pair, recipient) = world.recipient();
        let random = world.other("GenerateRandom", &json!({"NumberOfBytes": 24})).await;
        assert_eq!(random.as_ref().is_ok_and(|reply| bytes(reply, "Plaintext").len() == 24), plain, "{random:?}");
        let request = json!({"NumberOfBytes": 1024, "Recipient": recipient});
        let random = world.other("GenerateRandom", &request).await;
        assert_eq!(random.is_ok(), enveloped, "{random:?}");
        if let Ok(reply) = random {
            let sealed = bytes(&reply, "CiphertextForRecipient");
            assert_eq!(EnvelopedData::from_bytes(&sealed).unwrap().open(&pair).unwrap().as_bytes().len(), 1024);
            assert!(reply.get("Plaintext").is_none() && reply.get("KeyId").is_none());
        }
    }
    let world = World::new().await;
    for body in [json!({}), json!({"NumberOfBytes": 0}), json!({"NumberOfBytes": 1025})] {
        assert_eq!(world.refused("GenerateRandom", body).await, "ValidationException");
    }
    let in_hsm = json!({"NumberOfBytes": 1, "CustomKeyStoreId": "cks-1"});
    assert_eq!(world.refused("GenerateRandom", in_hsm).await, "SerializationException");
}

#[tokio::test]
async fn a_deny_of_either_policy_holds_against_the_allow_of_the_other() {
    let deny = r#"{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}"#;
    let world = World::with_policy(Some(&format!("{},{deny}", allow("kms:*", "*")))).await;
    let key = world.symmetric_key().await;
    let encrypt = json!({"KeyId": key, "Plaintext": "eA=="});
    let refused = world.other("Encrypt", &encrypt).await.unwrap_err();
    assert!(refused.ends_with("with an explicit deny in an identity-based policy"), "{refused}");
    assert!(world.other("GenerateDataKey", &json!({"KeyId": key, "NumberOfBytes": 7})).await.is_ok());
    let key_policy = document(&format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":["{OTHER}","{ACCOUNT}"]}},"Action":"kms:*","Resource":"*"}},
           {{"Effect":"Deny","Principal":"*","Action":"kms:GenerateDataKey","Resource":"*"}}"#
    ));
    world.ok("PutKeyPolicy", json!({"KeyId": key, "Policy": key_policy})).await;
    assert!(world.other("Encrypt", &encrypt).await.is_err(), "named in the key policy, denied in its own");
    let refused = world.other("GenerateDataKey", &json!({"KeyId": key, "NumberOfBytes": 7})).await.unwrap_err();
    assert!(refused.ends_with("with an explicit deny in a resource-based policy"), "{refused}");
    assert!(world.other("DescribeKey", &json!({"KeyId": key})).await.is_ok());
}

#[tokio::test]
async fn refusals_say_who_lacks_what_as_aws_does() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let blob = world.ok("Encrypt", json!({"KeyId": key, "Plaintext": "eA=="})).await["CiphertextBlob"].clone();
    let user = format!("User: {OTHER} is not authorized to perform:");
    let identity = "because no identity-based policy allows the";
    for (action, body, resource) in [
        ("Decrypt", json!({"KeyId": key, "CiphertextBlob": blob}), format!(" on resource: {key}")),
        ("Decrypt", json!({"CiphertextBlob": blob}), " on the resource associated with this ciphertext".to_owned()),
        ("CreateKey", json!({}), String::new()),
    ] {
        let expected = format!("{user} kms:{action}{resource} {identity} kms:{action} action");
        assert_eq!(world.other(action, &body).await.unwrap_err(), expected);
    }
    let named =
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ADMINISTRATOR}"}},"Action":"kms:*","Resource":"*"}}"#);
    world.ok("PutKeyPolicy", json!({"KeyId": key, "Policy": document(&named)})).await;
    let expected = format!(
        "{user} kms:DescribeKey on resource: {key} because no resource-based policy allows the kms:DescribeKey action"
    );
    assert_eq!(world.other("DescribeKey", &json!({"KeyId": key})).await.unwrap_err(), expected);
}

#[tokio::test]
async fn conditions_on_what_is_created_and_on_the_kind_of_key_hold() {
    let statements = r#"
        {"Effect":"Allow","Action":"kms:CreateKey","Resource":"*","Condition":{
            "StringLike":{"kms:KeySpec":"RSA_*"},"Null":{"kms:BypassPolicyLockoutSafetyCheck":"true"}}},
        {"Effect":"Allow","Action":"kms:GenerateDataKeyPair","Resource":"*","Condition":{
            "StringEquals":{"kms:DataKeyPairSpec":"ECC_NIST_P384","kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}}},
        {"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{
            "StringEquals":{"kms:EncryptionAlgorithm":"RSAES_OAEP_SHA_256","kms:KeyUsage":"ENCRYPT_DECRYPT"}}},
        {"Effect":"Allow","Action":"kms:DeriveSharedSecret","Resource":"*","Condition":{
            "StringEquals":{"kms:KeyAgreementAlgorithm":"ECDH","kms:KeySpec":"ECC_NIST_P384","kms:KeyOrigin":"AWS_KMS"},
            "Bool":{"kms:MultiRegion":"false"}}}"#;
    let world = World::with_policy(Some(statements)).await;
    let symmetric = world.symmetric_key().await;
    let rsa = world.key("RSA_2048", "ENCRYPT_DECRYPT").await;
    let (p256, p384) =
        (world.key("ECC_NIST_P256", "KEY_AGREEMENT").await, world.key("ECC_NIST_P384", "KEY_AGREEMENT").await);
    let mut agree = Vec::new();
    for key in [&p256, &p384] {
        let peer = world.ok("GetPublicKey", json!({"KeyId": key})).await["PublicKey"].clone();
        agree.push(json!({"KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer}));
    }
    for (action, body, expected) in [
        ("CreateKey", json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}), true),
        ("CreateKey", json!({}), false),
        (
            "CreateKey",
            json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT", "BypassPolicyLockoutSafetyCheck": false}),
            false,
        ),
        ("GenerateDataKeyPair", json!({"KeyId": symmetric, "KeyPairSpec": "ECC_NIST_P384"}), true),
        ("GenerateDataKeyPair", json!({"KeyId": symmetric, "KeyPairSpec": "ECC_NIST_P256"}), false),
        ("Encrypt", json!({"KeyId": rsa, "Plaintext": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}), true),
        ("Encrypt", json!({"KeyId": rsa, "Plaintext": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}), false),
        ("Encrypt", json!({"KeyId": symmetric, "Plaintext": "eA=="}), false),
        ("DeriveSharedSecret", agree[0].clone(), false),
        ("DeriveSharedSecret", agree[1].clone(), true),
    ] {
        let found = world.send(OTHER_KEY, action, &body).await;
        assert_eq!(found.status == 200, expected, "{action} {body} {found:?}");
    }
}

fn with(mut body: Value, name: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => body[name] = value,
        None => drop(body.as_object_mut().unwrap().remove(name)),
    }
    body
}

#[tokio::test]
async fn rsa_keys_encrypt_by_oaep_here_and_outside() {
    let world = World::new().await;
    for (spec, modulus_len) in [("RSA_2048", 256), ("RSA_3072", 384), ("RSA_4096", 512)] {
        let key = world.key(spec, "ENCRYPT_DECRYPT").await;
        let public = world.ok("GetPublicKey", json!({"KeyId": key})).await;
        assert_eq!(public["EncryptionAlgorithms"], json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]));
        assert_eq!((&public["KeySpec"], &public["KeyUsage"]), (&json!(spec), &json!("ENCRYPT_DECRYPT")));
        let outside = PublicEncryptingKey::from_der(&bytes(&public, "PublicKey")).unwrap();
        let outside = OaepPublicEncryptingKey::new(outside).unwrap();
        for (name, algorithm, hash_len) in
            [("RSAES_OAEP_SHA_1", &OAEP_SHA1_MGF1SHA1, 20), ("RSAES_OAEP_SHA_256", &OAEP_SHA256_MGF1SHA256, 32)]
        {
            // RFC 8017 §7.1.1.
            let longest = vec![7; modulus_len - 2 * hash_len - 2];
            let encrypt = |plaintext: &[u8]| json!({"KeyId": key, "Plaintext": STANDARD.encode(plaintext), "EncryptionAlgorithm": name});
            let sealed = world.ok("Encrypt", encrypt(&longest)).await;
            assert_eq!((&sealed["EncryptionAlgorithm"], &sealed["KeyId"]), (&json!(name), &json!(key)));
            assert_eq!(world.refused("Encrypt", encrypt(&[&*longest, b"x"].concat())).await, "ValidationException");
            let mut from_outside = vec![0; outside.ciphertext_size()];
            outside.encrypt(algorithm, &longest, &mut from_outside, None).unwrap();
            for blob in [bytes(&sealed, "CiphertextBlob"), from_outside] {
                assert_eq!(blob.len(), modulus_len);
                let decrypt =
                    json!({"KeyId": key, "CiphertextBlob": STANDARD.encode(&blob), "EncryptionAlgorithm": name});
                let opened = world.ok("Decrypt", decrypt.clone()).await;
                assert_eq!(bytes(&opened, "Plaintext"), longest);
                assert!(opened.get("KeyMaterialId").is_none());
                let other = if hash_len == 20 { "RSAES_OAEP_SHA_256" } else { "RSAES_OAEP_SHA_1" };
                let by_other = with(decrypt.clone(), "EncryptionAlgorithm", Some(json!(other)));
                assert_eq!(world.refused("Decrypt", by_other).await, "InvalidCiphertextException");
                let unnamed = with(decrypt.clone(), "EncryptionAlgorithm", None);
                assert_eq!(world.refused("Decrypt", unnamed).await, "InvalidKeyUsageException");
                let keyless = with(decrypt.clone(), "KeyId", None);
                assert_eq!(world.refused("Decrypt", keyless).await, "ValidationException");
                let bound = with(decrypt, "EncryptionContext", Some(json!({"a": "b"})));
                assert_eq!(world.refused("Decrypt", bound).await, "ValidationException");
            }
        }
    }
    let key = world.key("RSA_2048", "ENCRYPT_DECRYPT").await;
    for (action, body, expected) in [
        ("Encrypt", json!({"KeyId": key, "Plaintext": "eA=="}), "InvalidKeyUsageException"),
        (
            "Encrypt",
            json!({"KeyId": key, "Plaintext": "eA==", "EncryptionAlgorithm": "SM2PKE"}),
            "UnsupportedOperationException",
        ),
        ("Encrypt", json!({"KeyId": key, "Plaintext": "eA==", "EncryptionAlgorithm": "RSA"}), "ValidationException"),
        ("GenerateDataKey", json!({"KeyId": key, "KeySpec": "AES_256"}), "InvalidKeyUsageException"),
        ("GenerateDataKeyPair", json!({"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"}), "InvalidKeyUsageException"),
        (
            "DeriveSharedSecret",
            json!({"KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": "eA=="}),
            "InvalidKeyUsageException",
        ),
    ] {
        assert_eq!(world.refused(action, body).await, expected, "{action}");
    }
    let symmetric = world.symmetric_key().await;
    assert_eq!(world.refused("GetPublicKey", json!({"KeyId": symmetric})).await, "UnsupportedOperationException");
}

#[tokio::test]
async fn a_shared_secret_is_the_raw_one_of_ecdh() {
    let world = World::new().await;
    let curves = [
        ("ECC_NIST_P256", &agreement::ECDH_P256),
        ("ECC_NIST_P384", &agreement::ECDH_P384),
        ("ECC_NIST_P521", &agreement::ECDH_P521),
    ];
    for (spec, algorithm) in curves {
        let key = world.key(spec, "KEY_AGREEMENT").await;
        let described = world.ok("DescribeKey", json!({"KeyId": key})).await;
        assert_eq!(described["KeyMetadata"]["KeyAgreementAlgorithms"], json!(["ECDH"]));
        assert!(described["KeyMetadata"].get("EncryptionAlgorithms").is_none());
        let public = bytes(&world.ok("GetPublicKey", json!({"KeyId": key})).await, "PublicKey");
        let own = agreement::PrivateKey::generate(algorithm).unwrap();
        let own_public = own.compute_public_key().unwrap();
        let own_der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = own_public.as_der().unwrap();
        let request = |public: &[u8]| json!({"KeyId": key, "KeyAgreementAlgorithm": "ECDH", "PublicKey": STANDARD.encode(public)});
        let derived = world.ok("DeriveSharedSecret", request(own_der.as_ref())).await;
        assert_eq!((&derived["KeyAgreementAlgorithm"], &derived["KeyOrigin"]), (&json!("ECDH"), &json!("AWS_KMS")));
        let peer = agreement::UnparsedPublicKey::new(algorithm, &public);
        let expected = agreement::agree(&own, peer, (), |secret| Ok(secret.to_vec())).unwrap();
        assert_eq!(bytes(&derived, "SharedSecret"), expected);
        let (pair, recipient) = world.recipient();
        let enveloped = with(request(own_der.as_ref()), "Recipient", Some(recipient));
        let derived = world.ok("DeriveSharedSecret", enveloped).await;
        let opened = EnvelopedData::from_bytes(&bytes(&derived, "CiphertextForRecipient")).unwrap().open(&pair);
        assert_eq!(opened.unwrap().as_bytes(), expected);
        assert!(derived.get("SharedSecret").is_none());
        for wrong in [own_public.as_ref(), b"no key", &[0; 8193]] {
            assert_eq!(world.refused("DeriveSharedSecret", request(wrong)).await, "ValidationException");
        }
        for (_, other) in curves.iter().filter(|(other, _)| *other != spec) {
            let other = agreement::PrivateKey::generate(other).unwrap().compute_public_key().unwrap();
            let other: aws_lc_rs::encoding::PublicKeyX509Der<'_> = other.as_der().unwrap();
            assert_eq!(world.refused("DeriveSharedSecret", request(other.as_ref())).await, "ValidationException");
        }
        let by_dh = with(request(own_der.as_ref()), "KeyAgreementAlgorithm", Some(json!("DH")));
        assert_eq!(world.refused("DeriveSharedSecret", by_dh).await, "ValidationException");
        let encrypt = json!({"KeyId": key, "Plaintext": "eA=="});
        assert_eq!(world.refused("Encrypt", encrypt).await, "InvalidKeyUsageException");
    }
    let symmetric = world.symmetric_key().await;
    let request = json!({"KeyId": symmetric, "KeyAgreementAlgorithm": "ECDH", "PublicKey": "eA=="});
    assert_eq!(world.refused("DeriveSharedSecret", request).await, "InvalidKeyUsageException");
}

/// The public half that belongs to a private key in PKCS #8.
fn public_half(spec: &str, private: &[u8]) -> Vec<u8> {
    let curve = |algorithm| {
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, private).unwrap();
        pair.public_key().as_der().unwrap().as_ref().to_vec()
    };
    match spec {
        "ECC_NIST_P256" => curve(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        "ECC_NIST_P384" => curve(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        "ECC_NIST_P521" => curve(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        "ECC_SECG_P256K1" => curve(&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING),
        "ECC_NIST_EDWARDS25519" => {
            let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(private).unwrap();
            pair.public_key().as_der().unwrap().as_ref().to_vec()
        }
        _ => {
            let pair = rsa::PrivateDecryptingKey::from_pkcs8(private).unwrap();
            pair.public_key().as_der().unwrap().as_ref().to_vec()
        }
    }
}

#[tokio::test]
async fn data_key_pairs_are_der_and_their_private_halves_decrypt() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    let (pair, recipient) = world.recipient();
    let bound = json!({"purpose": "record-v1"});
    for spec in [
        "ECC_NIST_P256",
        "ECC_NIST_P384",
        "ECC_NIST_P521",
        "ECC_SECG_P256K1",
        "ECC_NIST_EDWARDS25519",
        "RSA_2048",
        "RSA_3072",
        "RSA_4096",
    ] {
        let request = json!({"KeyId": key, "KeyPairSpec": spec, "EncryptionContext": bound});
        let plain = world.ok("GenerateDataKeyPair", request.clone()).await;
        assert_eq!((&plain["KeyPairSpec"], &plain["KeyId"]), (&json!(spec), &json!(key)));
        let private = bytes(&plain, "PrivateKeyPlaintext");
        assert_eq!(public_half(spec, &private), bytes(&plain, "PublicKey"), "{spec}");
        let enveloped = world.ok("GenerateDataKeyPair", with(request, "Recipient", Some(recipient.clone()))).await;
        assert!(enveloped.get("PrivateKeyPlaintext").is_none());
        let sealed = bytes(&enveloped, "CiphertextForRecipient");
        let opened = EnvelopedData::from_bytes(&sealed).unwrap().open(&pair).unwrap();
        assert_eq!(public_half(spec, opened.as_bytes()), bytes(&enveloped, "PublicKey"), "{spec}");
        for (reply, private) in [(&plain, &*private), (&enveloped, opened.as_bytes())] {
            let blob = &reply["PrivateKeyCiphertextBlob"];
            let decrypt = json!({"CiphertextBlob": blob, "EncryptionContext": bound});
            assert_eq!(bytes(&world.ok("Decrypt", decrypt).await, "Plaintext"), private);
            let unbound = json!({"CiphertextBlob": blob});
            assert_eq!(world.refused("Decrypt", unbound).await, "InvalidCiphertextException");
        }
    }
    for (spec, expected) in [
        ("SM2", "UnsupportedOperationException"),
        ("ML_KEM_768", "UnsupportedOperationException"),
        ("RSA_1024", "ValidationException"),
    ] {
        let request = json!({"KeyId": key, "KeyPairSpec": spec});
        assert_eq!(world.refused("GenerateDataKeyPair", request).await, expected);
    }
}

/// One good request of every action that is about a key or gives a secret.
async fn requests(world: &World) -> Vec<(&'static str, Value)> {
    let key = world.symmetric_key().await;
    let curve = world.key("ECC_NIST_P256", "KEY_AGREEMENT").await;
    let peer = world.ok("GetPublicKey", json!({"KeyId": curve})).await["PublicKey"].clone();
    let blob = world.ok("Encrypt", json!({"KeyId": key, "Plaintext": "eA=="})).await["CiphertextBlob"].clone();
    vec![
        ("Decrypt", json!({"KeyId": key, "CiphertextBlob": blob})),
        ("DeriveSharedSecret", json!({"KeyId": curve, "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer})),
        ("GenerateDataKey", json!({"KeyId": key, "NumberOfBytes": 24})),
        ("GenerateDataKeyPair", json!({"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"})),
        ("GenerateRandom", json!({"NumberOfBytes": 24})),
        ("Encrypt", json!({"KeyId": key, "Plaintext": "eA=="})),
        ("DescribeKey", json!({"KeyId": key})),
        ("GetPublicKey", json!({"KeyId": curve})),
        ("GetKeyPolicy", json!({"KeyId": key})),
        ("ListAliases", json!({})),
        ("CreateKey", json!({})),
    ]
}

#[tokio::test]
async fn five_actions_take_a_recipient_and_the_others_refuse_it() {
    let world = World::new().await;
    let (pair, recipient) = world.recipient();
    let five = ["Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"];
    for (action, body) in requests(&world).await {
        assert_eq!(world.send(ADMINISTRATOR_KEY, action, &body).await.status, 200, "{action}");
        let body = with(body, "Recipient", Some(recipient.clone()));
        if five.contains(&action) {
            let sealed = bytes(&world.ok(action, body).await, "CiphertextForRecipient");
            assert!(EnvelopedData::from_bytes(&sealed).unwrap().open(&pair).is_ok(), "{action}");
        } else {
            assert_eq!(world.refused(action, body).await, "SerializationException", "{action}");
        }
    }
}

#[tokio::test]
async fn grant_tokens_are_read_and_none_is_good() {
    let world = World::new().await;
    for (action, body) in requests(&world).await {
        let with_tokens = |tokens: Value| with(body.clone(), "GrantTokens", Some(tokens));
        if ["GenerateRandom", "GetKeyPolicy", "ListAliases", "CreateKey"].contains(&action) {
            assert_eq!(world.refused(action, with_tokens(json!(["x"]))).await, "SerializationException", "{action}");
            continue;
        }
        assert_eq!(world.refused(action, with_tokens(json!(["x"]))).await, "InvalidGrantTokenException", "{action}");
        assert_eq!(world.refused(action, with_tokens(json!(vec!["x"; 11]))).await, "ValidationException", "{action}");
        assert_eq!(world.refused(action, with_tokens(json!([""]))).await, "ValidationException", "{action}");
        world.ok(action, with_tokens(json!([]))).await;
    }
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html>
#[tokio::test]
async fn a_dry_run_checks_everything_and_gives_nothing() {
    let world = World::new().await;
    for (action, body) in requests(&world).await {
        let dry = with(body.clone(), "DryRun", Some(json!(true)));
        if ["GenerateRandom", "GetKeyPolicy", "ListAliases", "CreateKey", "DescribeKey", "GetPublicKey"]
            .contains(&action)
        {
            assert_eq!(world.refused(action, dry).await, "SerializationException", "{action}");
            continue;
        }
        assert_eq!(world.refused(action, dry.clone()).await, "DryRunOperationException", "{action}");
        assert!(world.other(action, &dry).await.is_err(), "{action}: not allowed is not allowed");
        world.ok(action, with(body, "DryRun", Some(json!(false)))).await;
    }
    let key = world.symmetric_key().await;
    let invalid = json!({"KeyId": key, "CiphertextBlob": "eA==", "DryRun": true});
    assert_eq!(world.refused("Decrypt", invalid).await, "InvalidCiphertextException");
}

/// Members in the order of their names, as in recorded replies of KMS; `KeyMaterialId` where the API reference has it.
#[tokio::test]
async fn replies_have_the_members_of_kms_in_its_order() {
    let world = World::new().await;
    let (_, recipient) = world.recipient();
    let plain = [
        ("Decrypt", "EncryptionAlgorithm KeyId KeyMaterialId Plaintext"),
        ("DeriveSharedSecret", "KeyAgreementAlgorithm KeyId KeyOrigin SharedSecret"),
        ("GenerateDataKey", "CiphertextBlob KeyId KeyMaterialId Plaintext"),
        (
            "GenerateDataKeyPair",
            "KeyId KeyMaterialId KeyPairSpec PrivateKeyCiphertextBlob PrivateKeyPlaintext PublicKey",
        ),
        ("GenerateRandom", "Plaintext"),
        ("Encrypt", "CiphertextBlob EncryptionAlgorithm KeyId"),
        ("DescribeKey", "KeyMetadata"),
        ("GetPublicKey", "CustomerMasterKeySpec KeyAgreementAlgorithms KeyId KeySpec KeyUsage PublicKey"),
        ("GetKeyPolicy", "Policy PolicyName"),
        ("ListAliases", "Aliases Truncated"),
        ("CreateKey", "KeyMetadata"),
    ];
    let enveloped = [
        ("Decrypt", "CiphertextForRecipient EncryptionAlgorithm KeyId"),
        ("DeriveSharedSecret", "CiphertextForRecipient KeyAgreementAlgorithm KeyId KeyOrigin"),
        ("GenerateDataKey", "CiphertextBlob CiphertextForRecipient KeyId"),
        (
            "GenerateDataKeyPair",
            "CiphertextForRecipient KeyId KeyMaterialId KeyPairSpec PrivateKeyCiphertextBlob PublicKey",
        ),
        ("GenerateRandom", "CiphertextForRecipient"),
    ];
    for (action, body) in requests(&world).await {
        let members_in = |table: &[(&str, &'static str)]| {
            let entry = table.iter().find(|(name, _)| *name == action);
            entry.map(|(_, members)| members.split(' ').collect::<Vec<_>>())
        };
        let reply = world.send(ADMINISTRATOR_KEY, action, &body).await;
        assert_eq!(reply.members(), members_in(&plain).unwrap(), "{action}");
        assert!(!reply.text.contains(": "), "compact: {}", reply.text);
        if let Some(expected) = members_in(&enveloped) {
            let body = with(body, "Recipient", Some(recipient.clone()));
            assert_eq!(world.send(ADMINISTRATOR_KEY, action, &body).await.members(), expected, "{action}");
        }
    }
    let key = world.symmetric_key().await;
    let described = world.send(ADMINISTRATOR_KEY, "DescribeKey", &json!({"KeyId": key})).await;
    let id = described.json()["KeyMetadata"]["CurrentKeyMaterialId"].as_str().unwrap().to_owned();
    assert!(id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    let expected = format!(
        r#"{{"KeyMetadata":{{"AWSAccountId":"{ACCOUNT}","Arn":"{key}","CreationDate":1.78E9,"CurrentKeyMaterialId":"{id}","CustomerMasterKeySpec":"SYMMETRIC_DEFAULT","Description":"","Enabled":true,"EncryptionAlgorithms":["SYMMETRIC_DEFAULT"],"KeyId":"{}","KeyManager":"CUSTOMER","KeySpec":"SYMMETRIC_DEFAULT","KeyState":"Enabled","KeyUsage":"ENCRYPT_DECRYPT","MultiRegion":false,"Origin":"AWS_KMS"}}}}"#,
        key_id(&key)
    );
    assert_eq!(described.text, expected);
    let data_key = world.ok("GenerateDataKey", json!({"KeyId": key, "KeySpec": "AES_256"})).await;
    assert_eq!(data_key["KeyMaterialId"], id);
    let nothing = json!({"AliasName": "alias/x", "TargetKeyId": key});
    assert_eq!(world.send(ADMINISTRATOR_KEY, "CreateAlias", &nothing).await.text, "");
}

#[tokio::test]
async fn requests_are_counted_by_action_whatever_comes_of_them() {
    let world = World::new().await;
    let key = world.symmetric_key().await;
    world.ok("DescribeKey", json!({"KeyId": key})).await;
    world.refused("DescribeKey", json!({"KeyId": "x"})).await;
    assert!(world.other("DescribeKey", &json!({"KeyId": key})).await.is_err());
    world.refused("ListKeys", json!({})).await;
    let forged = Signed::by(ADMINISTRATOR_KEY, "DescribeKey", &json!({})).body(b"{}x");
    assert_eq!(exchange(&world.kms, &forged.bytes()).await.status, 400);
    let seen = |action| world.kms.requests_seen(action);
    assert_eq!((seen("CreateKey"), seen("DescribeKey"), seen("Decrypt"), seen("ListKeys")), (1, 4, 0, 0));
    assert_eq!(world.kms.requests_seen_in_all(), 6);
    assert_eq!(HOST, format!("kms.{REGION}.amazonaws.com"));
}

#[tokio::test]
async fn identity_policies_that_iam_would_refuse_start_no_simulator() {
    let anchor = Authority::generate(start_of_time()).unwrap().trust_anchor();
    let builder = || KmsSimulator::builder(REGION, ACCOUNT).attestation_anchor(anchor);
    let other = || Credentials::new(OTHER_KEY, SECRET, None, None).unwrap();
    let bad = builder().principal_with_policy(other(), OTHER, document(&allow("kms:Decypt", "*")));
    assert!(matches!(bad.start().await, Err(StartError::BadPolicy { arn, .. }) if arn == OTHER));
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let of_root = builder().principal_with_policy(other(), &root, document(&allow("kms:Decrypt", "*")));
    assert!(matches!(of_root.start().await, Err(StartError::PolicyOfRoot { .. })));
    // Two sessions of one role have the role's policies, both.
    let session = |name: &str| format!("arn:aws:sts::{ACCOUNT}:assumed-role/other/{name}");
    let two = |second: &str| {
        builder()
            .principal_with_policy(other(), session("one"), document(&allow("kms:Decrypt", "*")))
            .principal_with_policy(administrator_credentials(), session("two"), document(&allow(second, "*")))
            .start()
    };
    assert!(two("kms:Decrypt").await.is_ok());
    assert!(matches!(two("kms:Encrypt").await, Err(StartError::ConflictingPolicies { .. })));
}
