//! Key policies: one that is read says of each request what another evaluator says, and means the same re-written;
//! without one of its Allows, or with one more Deny, it permits nothing more. Policies that are right by construction
//! are read.
//!
//! The first byte says whether the rest is a policy's text or chooses the parts of one.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fuzz::{Facts, Verdict, Words, hash, policy_from, verdict};
use kms_enclave_client::KeyArn;
use kms_enclave_client::sim::{KeyPolicy, KeySpec, PolicyRequest, PolicyVerdict};
use libfuzzer_sys::{Corpus, fuzz_target};
use nsm_attest::{PcrIndex, PcrValue};
use serde_json::Value;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, rest)) = data.split_first() else { return Corpus::Reject };
    if kind & 1 == 0 {
        let text = policy_from(rest, &WORDS).to_string();
        assert!(check(&text), "refused, though nothing is wrong with it: {text}");
        return Corpus::Keep;
    }
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    check(text);
    Corpus::Keep
});

/// Whether it is read, and then means what it says.
fn check(text: &str) -> bool {
    let Some(policy) = read(text) else { return false };
    let value: Value = serde_json::from_str(text).expect("a policy is JSON");
    let rewritten = value.to_string();
    // An escape may stand for a character that a policy may not have unescaped.
    let rewritten = rewritten.chars().all(|c| c <= '\u{ff}').then(|| read(&rewritten).expect("the same JSON is read"));
    for (request, facts) in REQUESTS.iter() {
        let found = judged(&policy, request);
        assert_eq!(found, verdict(&value, ACCOUNT, facts), "{facts:?} by {value}");
        if let Some(rewritten) = &rewritten {
            assert_eq!(found, judged(rewritten, request), "{facts:?} re-written");
        }
    }
    check_neighbours(&policy, &value);
    true
}

/// Without one of its statements, if that is an Allow, and with a Deny in its words; the text chooses which.
fn check_neighbours(policy: &KeyPolicy, value: &Value) {
    let statements = value["Statement"].as_array().cloned().unwrap_or_else(|| vec![value["Statement"].clone()]);
    let chosen = usize::try_from(hash(value.to_string().as_bytes()) % statements.len() as u64).expect("an index");
    let mut deny = statements[chosen].clone();
    deny["Effect"] = "Deny".into();
    deny.as_object_mut().expect("a statement").remove("Sid");
    let mut neighbours = vec![[&statements[..], &[deny]].concat()];
    if statements[chosen]["Effect"] == "Allow" && statements.len() > 1 {
        neighbours.push([&statements[..chosen], &statements[chosen + 1..]].concat());
    }
    for statements in neighbours {
        let mut other = value.clone();
        other["Statement"] = statements.into();
        // It may have become too long, or have other characters unescaped.
        let Some(other) = read(&other.to_string()) else { continue };
        for (request, facts) in REQUESTS.iter() {
            let (before, after) = (judged(policy, request), judged(&other, request));
            assert!(after.rank() <= before.rank(), "{facts:?}: {before:?} became {after:?} by {other:?}");
        }
    }
}

fn read(text: &str) -> Option<KeyPolicy> {
    KeyPolicy::parse(text, &KEY).ok()
}

fn judged(policy: &KeyPolicy, request: &PolicyRequest) -> Verdict {
    match policy.evaluate(request) {
        PolicyVerdict::Allowed => Verdict::Allowed,
        PolicyVerdict::Denied { sid } => Verdict::Denied(sid),
        PolicyVerdict::LeftToIdentityPolicies => Verdict::LeftToIdentityPolicies,
        PolicyVerdict::NotAllowed => Verdict::NotAllowed,
        other => panic!("an unknown verdict: {other:?}"),
    }
}

static KEY: LazyLock<KeyArn> = LazyLock::new(|| {
    format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab").parse().expect("an ARN")
});

/// Requests, said twice: to the simulator's policies and to the evaluator.
static REQUESTS: LazyLock<Vec<(PolicyRequest, Facts)>> = LazyLock::new(|| {
    let record = [("Purpose", "record-v1"), ("revision", "0")];
    vec![
        asked(SESSION, "kms:Decrypt").attested(0x5c).context(&record).encrypts(),
        asked(SESSION, "kms:Decrypt").context(&record).encrypts(),
        asked(SESSION, "kms:Decrypt").attested(0).encrypts(),
        asked(SESSION, "kms:GenerateDataKey").attested(0x5c).encrypts(),
        asked(SESSION, "kms:GenerateDataKeyPair").attested(0x5d).pair("ECC_NIST_P256").encrypts(),
        asked(SESSION, "kms:DeriveSharedSecret").attested(0x5c).agrees(),
        // It has no Recipient: whatever document the caller has does not count.
        asked(SESSION, "kms:DescribeKey"),
        asked(USER, "kms:Encrypt").alias("alias/wallet").context(&[("purpose", "RECORD-V1")]).encrypts(),
        asked(ROOT, "kms:PutKeyPolicy").bypass(true),
        asked(ROOT, "kms:PutKeyPolicy"),
        asked(STRANGER, "kms:Decrypt").attested(0x5c).encrypts(),
        asked(STRANGERS_ROOT, "kms:Decrypt").encrypts(),
    ]
    .into_iter()
    .map(|asked| (asked.request, asked.facts))
    .collect()
});

struct Asked {
    request: PolicyRequest,
    facts: Facts,
}

fn asked(arn: &'static str, action: &'static str) -> Asked {
    let account = arn.split(':').nth(4).expect("an ARN");
    let arns = if arn == SESSION { vec![SESSION, ROLE] } else { vec![arn] };
    let values = [
        ("aws:principalaccount", account),
        ("aws:principalarn", arns[arns.len() - 1]),
        ("aws:securetransport", "true"),
        ("kms:calleraccount", account),
        ("kms:keyorigin", "AWS_KMS"),
        ("kms:keyspec", "SYMMETRIC_DEFAULT"),
        ("kms:keyusage", "ENCRYPT_DECRYPT"),
        ("kms:multiregion", "false"),
    ];
    let values = values.map(|(key, value)| (key, vec![value.to_owned()])).into();
    let facts = Facts { arns, account, action, values, encryption_context: BTreeMap::new() };
    Asked { request: PolicyRequest::new(arn, action).expect("a request"), facts }
}

impl Asked {
    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.facts.values.insert(key, vec![value.into()]);
        self
    }

    fn attested(mut self, image: u8) -> Self {
        let pcr0 = PcrValue::from_bytes(&[image; 48]).expect("a register");
        let pcr8 = PcrValue::from_bytes(&[0x88; 48]).expect("a register");
        self.request = self.request.pcr(PcrIndex::IMAGE, pcr0).pcr(PcrIndex::new(8).expect("an index"), pcr8);
        self.with("kms:recipientattestation:pcr0", hex::encode([image; 48]))
            .with("kms:recipientattestation:pcr8", hex::encode([0x88; 48]))
    }

    fn context(mut self, members: &[(&str, &str)]) -> Self {
        self.facts.encryption_context = members.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.request = self.request.encryption_context(self.facts.encryption_context.clone());
        self
    }

    fn encrypts(self) -> Self {
        self.with("kms:encryptionalgorithm", "SYMMETRIC_DEFAULT")
    }

    fn pair(mut self, spec: &'static str) -> Self {
        self.request = self.request.data_key_pair_spec(spec);
        self.with("kms:datakeypairspec", spec)
    }

    fn agrees(mut self) -> Self {
        self.request = self.request.key_spec(KeySpec::EccNistP256);
        self.with("kms:keyspec", "ECC_NIST_P256")
            .with("kms:keyusage", "KEY_AGREEMENT")
            .with("kms:keyagreementalgorithm", "ECDH")
    }

    fn alias(mut self, alias: &'static str) -> Self {
        self.request = self.request.request_alias(alias);
        self.with("kms:requestalias", alias)
    }

    fn bypass(mut self, bypass: bool) -> Self {
        self.request = self.request.bypass_policy_lockout_safety_check(bypass);
        self.with("kms:bypasspolicylockoutsafetycheck", bypass.to_string())
    }
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let image = hex::encode([0x5c; 48]);
    let images = vec![image.clone(), image.to_uppercase(), hex::encode([0; 48]), "5c*".to_owned(), "*".to_owned()];
    Words {
        principals: owned(&["*", ROLE, SESSION, USER, ROOT, ACCOUNT, STRANGER, STRANGERS_ROOT, "444455556666"]),
        actions: vec![
            "kms:*",
            "kms:Decrypt",
            "KMS:decrypt",
            "kms:GenerateDataKey*",
            "kms:*crypt",
            "kms:De??????Key",
            "kms:PutKeyPolicy",
            "kms:DeriveSharedSecret",
            "*",
        ],
        texts: vec![
            ("kms:RecipientAttestation:ImageSha384", images.clone()),
            ("kms:RecipientAttestation:PCR0", images),
            ("kms:RecipientAttestation:PCR8", vec![hex::encode([0x88; 48]), "*8".to_owned()]),
            ("KMS:recipientattestation:pcr3", owned(&["*", "00"])),
            ("kms:EncryptionContext:purpose", owned(&["record-v1", "RECORD-V1", "record-v?", "*"])),
            ("kms:EncryptionContext:Revision", owned(&["0", "1"])),
            ("kms:CallerAccount", owned(&[ACCOUNT, "444455556666", "1111*"])),
            ("aws:PrincipalAccount", owned(&[ACCOUNT, "444455556666"])),
            ("kms:KeySpec", owned(&["SYMMETRIC_DEFAULT", "ECC_*"])),
            ("kms:CustomerMasterKeyUsage", owned(&["ENCRYPT_DECRYPT", "KEY_AGREEMENT"])),
            ("kms:EncryptionAlgorithm", owned(&["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256"])),
            ("kms:DataKeyPairSpec", owned(&["ECC_NIST_P256", "RSA_*"])),
            ("kms:KeyAgreementAlgorithm", owned(&["ECDH"])),
            ("kms:RequestAlias", owned(&["alias/wallet", "alias/*"])),
            ("kms:ViaService", owned(&["*"])),
            ("kms:KeyOrigin", owned(&["AWS_KMS", "EXTERNAL"])),
        ],
        arns: ("aws:PrincipalArn", owned(&[ROLE, USER, "arn:aws:iam::*:role/*", "arn:*:iam::111122223333:root"])),
        booleans: vec!["aws:SecureTransport", "kms:MultiRegion", "kms:BypassPolicyLockoutSafetyCheck"],
        sets: ("kms:EncryptionContextKeys", owned(&["Purpose", "purpose", "revision", "r*"])),
    }
});

const ACCOUNT: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/enclave";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/enclave/i-0123456789abcdef0";
const USER: &str = "arn:aws:iam::111122223333:user/alice";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const STRANGER: &str = "arn:aws:iam::444455556666:role/enclave";
const STRANGERS_ROOT: &str = "arn:aws:iam::444455556666:root";
