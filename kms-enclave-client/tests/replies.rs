//! Replies of every action with a Recipient, one defect at a time, read as the client reads them.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::cms::MalformedCms;
use kms_enclave_client::sim::{ReplyReader, envelop};
use kms_enclave_client::{
    DataKeyPairSpec, DataKeySpec, DecryptRequest, DeriveSharedSecretRequest, EncryptionAlgorithm, Error,
    GenerateDataKeyPairRequest, GenerateDataKeyRequest, GenerateRandomRequest, KeyArn, KeyId, MalformedReply,
    RecipientKeyPair,
};
use rcgen::PublicKeyData as _;
use serde_json::{Value, json};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
/// Permitted, too, and not the one that is asked for.
const SECOND: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const FOREIGN: &str = "arn:aws:kms:eu-west-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab";
/// The same multi-Region key, elsewhere.
const REPLICA: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const ALIAS: &str = "alias/wallet";
const ALIAS_ARN: &str = "arn:aws:kms:eu-west-1:111122223333:alias/wallet";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Decrypt,
    DeriveSharedSecret,
    GenerateDataKey,
    GenerateDataKeyPair,
    GenerateRandom,
}

use Action::{Decrypt, DeriveSharedSecret, GenerateDataKey, GenerateDataKeyPair, GenerateRandom};

const ALL: [Action; 5] = [Decrypt, DeriveSharedSecret, GenerateDataKey, GenerateDataKeyPair, GenerateRandom];
/// Those whose reply is about a key.
const KEYED: [Action; 4] = [Decrypt, DeriveSharedSecret, GenerateDataKey, GenerateDataKeyPair];

/// One for all tests: it takes longer to make than everything else in them.
static READER: LazyLock<(ReplyReader, Vec<u8>)> = LazyLock::new(|| {
    let pair = RecipientKeyPair::generate().unwrap();
    let public_key = pair.public_key_der().to_vec();
    let permitted = [KEY, SECOND].map(|key| key.parse::<KeyArn>().unwrap());
    (ReplyReader::new(permitted, pair), public_key)
});

static PAIR: LazyLock<rcgen::KeyPair> = LazyLock::new(|| rcgen::KeyPair::generate().unwrap());

fn sealed(plaintext: &[u8]) -> String {
    STANDARD.encode(envelop(plaintext, &READER.1).unwrap())
}

impl Action {
    /// What is in the envelope of an honest reply.
    fn plaintext(self) -> Vec<u8> {
        match self {
            Decrypt => b"secret".to_vec(),
            DeriveSharedSecret => vec![5; 32],
            GenerateDataKey => vec![6; 32],
            GenerateDataKeyPair => PAIR.serialize_der(),
            GenerateRandom => vec![7; 24],
        }
    }

    /// What KMS would answer, all of it.
    fn honest(self) -> Value {
        let sealed = sealed(&self.plaintext());
        match self {
            Decrypt => {
                json!({"KeyId": KEY, "CiphertextForRecipient": sealed, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
            }
            DeriveSharedSecret => json!({
                "KeyId": KEY, "CiphertextForRecipient": sealed, "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS",
            }),
            GenerateDataKey => {
                json!({"KeyId": KEY, "CiphertextForRecipient": sealed, "CiphertextBlob": STANDARD.encode(b"blob")})
            }
            GenerateDataKeyPair => json!({
                "KeyId": KEY, "CiphertextForRecipient": sealed, "KeyPairSpec": "ECC_NIST_P256",
                "PublicKey": STANDARD.encode(PAIR.subject_public_key_info()),
                "PrivateKeyCiphertextBlob": STANDARD.encode(b"blob"),
            }),
            GenerateRandom => json!({"CiphertextForRecipient": sealed}),
        }
    }

    /// An honest reply with some members replaced.
    fn with(self, changes: &Value) -> Value {
        let mut reply = self.honest();
        for (name, value) in changes.as_object().unwrap() {
            reply[name] = value.clone();
        }
        reply
    }

    /// Reads a reply to a request that names the key so. Gives the secret and the key that the answer names.
    fn read_as(self, key: &KeyId, reply: &Value) -> Result<(Vec<u8>, Option<KeyArn>), Error> {
        let (reader, body) = (&READER.0, reply.to_string());
        let body = body.as_bytes();
        let bytes = |plaintext: kms_enclave_client::Plaintext| plaintext.into_bytes().to_vec();
        match self {
            Decrypt => reader
                .decrypt(&DecryptRequest::new(key, b"blob"), body)
                .map(|answer| (bytes(answer.plaintext), Some(answer.key_arn))),
            DeriveSharedSecret => reader
                .derive_shared_secret(&DeriveSharedSecretRequest::new(key, &peer()), body)
                .map(|answer| (bytes(answer.shared_secret), Some(answer.key_arn))),
            GenerateDataKey => {
                let answer = reader.generate_data_key(&GenerateDataKeyRequest::new(key), body)?;
                assert_eq!(answer.ciphertext_blob, b"blob");
                Ok((bytes(answer.plaintext), Some(answer.key_arn)))
            }
            GenerateDataKeyPair => {
                let request = GenerateDataKeyPairRequest::new(key, DataKeyPairSpec::EccNistP256);
                let answer = reader.generate_data_key_pair(&request, body)?;
                assert_eq!(answer.public_key, PAIR.subject_public_key_info());
                assert_eq!(answer.private_key_ciphertext_blob, b"blob");
                assert_eq!(answer.key_pair_spec, DataKeyPairSpec::EccNistP256);
                Ok((bytes(answer.private_key), Some(answer.key_arn)))
            }
            GenerateRandom => {
                reader.generate_random(&GenerateRandomRequest::new(24), body).map(|random| (bytes(random), None))
            }
        }
    }

    fn read(self, reply: &Value) -> Result<(Vec<u8>, Option<KeyArn>), Error> {
        self.read_as(&id(KEY), reply)
    }
}

/// A public key on P-256.
fn peer() -> Vec<u8> {
    PAIR.subject_public_key_info()
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

#[test]
fn an_honest_reply_is_accepted_so_the_others_are_refused_for_their_defect() {
    for action in ALL {
        let key = (action != GenerateRandom).then(|| KEY.parse().unwrap());
        assert_eq!(action.read(&action.honest()).unwrap(), (action.plaintext(), key), "{action:?}");
        // Null and empty plaintexts are how KMS says that there is none; fields to come are not for this client.
        for none in [
            json!({"Plaintext": null, "PrivateKeyPlaintext": null, "SharedSecret": null}),
            json!({"Plaintext": "", "PrivateKeyPlaintext": "", "SharedSecret": ""}),
            json!({"KeyMaterialId": "0123", "Unheard": {"of": [1, 2]}}),
        ] {
            assert!(action.read(&action.with(&none)).is_ok(), "{action:?} {none}");
        }
    }
}

#[test]
fn a_reply_about_another_key_than_the_one_named_by_its_arn_is_refused() {
    for action in KEYED {
        for other in
            [SECOND, FOREIGN, REPLICA, ALIAS, ALIAS_ARN, &KEY[39..], "", &KEY.to_uppercase(), &format!("{KEY} ")]
        {
            let refused = action.read(&action.with(&json!({"KeyId": other}))).unwrap_err();
            let Error::KeyIdMismatch { expected, actual } = &refused else { panic!("{action:?} {other}: {refused:?}") };
            assert_eq!((expected.as_str(), actual.as_str()), (KEY, other));
        }
        for none in [json!({"KeyId": null}), json!({"KeyId": 7})] {
            let refused = action.read(&action.with(&none));
            assert!(matches!(refused, Err(Error::MalformedReply(MalformedReply::Json))), "{action:?}: {refused:?}");
        }
    }
    let long = Decrypt.read(&Decrypt.with(&json!({"KeyId": "\u{1b}".repeat(5000)}))).unwrap_err();
    assert!(long.to_string().len() < 2000 && !long.to_string().contains('\u{1b}'), "{long}");
}

#[test]
fn whatever_else_the_key_was_named_by_the_reply_must_name_a_permitted_one_that_it_means() {
    for action in KEYED {
        for (name, meant) in [(ALIAS, &[KEY, SECOND][..]), (ALIAS_ARN, &[KEY, SECOND]), (&KEY[39..], &[KEY])] {
            for reply in [KEY, SECOND, FOREIGN, REPLICA, ALIAS, ALIAS_ARN, &KEY[39..], ""] {
                let read = action.read_as(&id(name), &action.with(&json!({"KeyId": reply})));
                if meant.contains(&reply) {
                    assert_eq!(read.unwrap().1.unwrap().as_str(), reply, "{action:?} {name}");
                    continue;
                }
                let refused = read.unwrap_err();
                let Error::ReplyKeyNotPermitted { requested, actual } = &refused else {
                    panic!("{action:?} {name} {reply}: {refused:?}");
                };
                assert_eq!((requested, actual.as_str()), (&Some(id(name)), reply));
            }
        }
    }
}

#[test]
fn a_ciphertext_that_says_its_key_itself_is_only_accepted_from_a_permitted_one() {
    let request = DecryptRequest::for_any_permitted_key(b"blob");
    let read = |key: &str| READER.0.decrypt(&request, Decrypt.with(&json!({"KeyId": key})).to_string().as_bytes());
    for key in [KEY, SECOND] {
        assert_eq!(read(key).unwrap().key_arn.as_str(), key);
    }
    for key in [FOREIGN, REPLICA, ALIAS_ARN, ""] {
        let refused = read(key).unwrap_err();
        assert!(
            matches!(&refused, Error::ReplyKeyNotPermitted { requested: None, actual } if actual == key),
            "{refused:?}"
        );
    }
}

#[test]
fn a_plaintext_in_any_field_is_refused_with_and_without_envelope() {
    for action in ALL {
        for field in ["Plaintext", "PrivateKeyPlaintext", "SharedSecret"] {
            for envelope in [json!(sealed(&action.plaintext())), Value::Null, json!("")] {
                let changes = json!({field: STANDARD.encode(b"in the open"), "CiphertextForRecipient": envelope});
                let refused = action.read(&action.with(&changes));
                assert!(matches!(refused, Err(Error::PlaintextInReply)), "{action:?} {field}: {refused:?}");
            }
            let not_text = action.read(&action.with(&json!({field: [1, 2, 3]})));
            assert!(matches!(not_text, Err(Error::MalformedReply(MalformedReply::Json))), "{not_text:?}");
        }
    }
}

#[test]
fn a_reply_without_envelope_is_refused() {
    for action in ALL {
        for none in [Value::Null, json!("")] {
            let refused = action.read(&action.with(&json!({"CiphertextForRecipient": none})));
            assert!(matches!(refused, Err(Error::MissingCiphertextForRecipient)), "{action:?}: {refused:?}");
        }
    }
}

#[test]
fn an_envelope_for_another_recipient_does_not_open() {
    let other = RecipientKeyPair::generate().unwrap();
    for action in ALL {
        let elsewhere = STANDARD.encode(envelop(&action.plaintext(), other.public_key_der()).unwrap());
        let refused = action.read(&action.with(&json!({"CiphertextForRecipient": elsewhere})));
        assert!(matches!(refused, Err(Error::Decrypt(_))), "{action:?}: {refused:?}");
    }
}

#[test]
fn what_is_no_envelope_is_malformed() {
    for action in ALL {
        let envelope = envelop(&action.plaintext(), &READER.1).unwrap();
        let padded = [&*envelope, &[0]].concat();
        for (bytes, expected) in [
            (&envelope[..envelope.len() - 1], MalformedCms::Ber),
            (&padded, MalformedCms::Ber),
            // The ciphertext of KMS's own key in place of the one for the recipient.
            (&b"blob"[..], MalformedCms::Ber),
            (&[0x30; 9000], MalformedCms::TooLong { len: 9000, max: 8192 }),
        ] {
            let refused = action.read(&action.with(&json!({"CiphertextForRecipient": STANDARD.encode(bytes)})));
            assert!(matches!(refused, Err(Error::MalformedCiphertext(found)) if found == expected), "{refused:?}");
        }
        let refused = action.read(&action.with(&json!({"CiphertextForRecipient": "%"})));
        let expected = MalformedReply::Base64 { field: "CiphertextForRecipient" };
        assert!(matches!(refused, Err(Error::MalformedReply(found)) if found == expected), "{refused:?}");
    }
}

#[test]
fn the_envelope_of_another_action_or_length_does_not_open() {
    for action in ALL {
        for other in ALL {
            let swapped = action.read(&action.with(&json!({"CiphertextForRecipient": sealed(&other.plaintext())})));
            // A Decrypt cannot know what is in its ciphertext, and one 32 bytes are like another.
            let is_alike = action == Decrypt || action.plaintext().len() == other.plaintext().len();
            assert_eq!(swapped.is_ok(), is_alike, "{action:?} {other:?}: {swapped:?}");
            assert!(is_alike || matches!(swapped, Err(Error::Decrypt(_))), "{swapped:?}");
        }
    }
    for (action, len, opens) in [
        (Decrypt, 0, false),
        (Decrypt, 1, true),
        (Decrypt, 4096, true),
        (DeriveSharedSecret, 31, false),
        (DeriveSharedSecret, 33, false),
        (GenerateDataKey, 0, false),
        (GenerateDataKey, 31, false),
        (GenerateDataKey, 33, false),
        (GenerateRandom, 23, false),
        (GenerateRandom, 25, false),
    ] {
        let read = action.read(&action.with(&json!({"CiphertextForRecipient": sealed(&vec![9; len])})));
        assert_eq!(read.is_ok(), opens, "{action:?} {len}: {read:?}");
        assert!(opens || matches!(read, Err(Error::Decrypt(_))), "{read:?}");
    }
}

#[test]
fn data_keys_and_shared_secrets_have_the_length_that_was_asked_for() {
    let reader = &READER.0;
    let reply = |len| GenerateDataKey.with(&json!({"CiphertextForRecipient": sealed(&vec![9; len])})).to_string();
    let aes128 = GenerateDataKeyRequest::new(id(KEY)).key_spec(DataKeySpec::Aes128);
    let bytes = |len| GenerateDataKeyRequest::new(id(KEY)).number_of_bytes(len);
    for (request, len) in [(aes128, 16), (bytes(1), 1), (bytes(17), 17), (bytes(1024), 1024)] {
        assert_eq!(reader.generate_data_key(&request, reply(len).as_bytes()).unwrap().plaintext.as_bytes().len(), len);
        for other in [len - 1, len + 1, 32] {
            assert!(reader.generate_data_key(&request, reply(other).as_bytes()).is_err(), "{request:?} {other}");
        }
    }
    // By the curve of the peer's key. What is no key is for KMS to judge, and so is its secret's length.
    let peers = [(&rcgen::PKCS_ECDSA_P256_SHA256, 32), (&rcgen::PKCS_ECDSA_P384_SHA384, 48)];
    let reply = |len| DeriveSharedSecret.with(&json!({"CiphertextForRecipient": sealed(&vec![9; len])})).to_string();
    for (algorithm, len) in peers {
        let peer = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let peer = peer.subject_public_key_info();
        let request = DeriveSharedSecretRequest::new(id(KEY), &peer);
        for other in [0, 32, 48, 66] {
            let read = reader.derive_shared_secret(&request, reply(other).as_bytes());
            assert_eq!(read.is_ok(), other == len, "{other} {read:?}");
        }
    }
    let unheard_of = DeriveSharedSecretRequest::new(id(KEY), b"no key");
    assert!(reader.derive_shared_secret(&unheard_of, reply(66).as_bytes()).is_ok());
    assert!(reader.derive_shared_secret(&unheard_of, reply(0).as_bytes()).is_err());
}

#[test]
fn a_private_key_that_the_public_one_does_not_belong_to_does_not_open() {
    let other = rcgen::KeyPair::generate().unwrap();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let public = |pair: &rcgen::KeyPair| STANDARD.encode(pair.subject_public_key_info());
    for (why, changes) in [
        ("another public key", json!({"PublicKey": public(&other)})),
        ("another private key", json!({"CiphertextForRecipient": sealed(&other.serialize_der())})),
        ("a public key that is none", json!({"PublicKey": STANDARD.encode(b"key")})),
        ("a private key that is none", json!({"CiphertextForRecipient": sealed(b"key")})),
        (
            "a pair of another kind",
            json!({"PublicKey": public(&p384), "CiphertextForRecipient": sealed(&p384.serialize_der())}),
        ),
    ] {
        let refused = GenerateDataKeyPair.read(&GenerateDataKeyPair.with(&changes));
        assert!(matches!(refused, Err(Error::Decrypt(_))), "{why}: {refused:?}");
    }
}

#[test]
fn pairs_of_every_kind_are_recognised_as_openssl_writes_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/data_key_pairs");
    for spec in [
        DataKeyPairSpec::EccNistEdwards25519,
        DataKeyPairSpec::EccNistP256,
        DataKeyPairSpec::EccNistP384,
        DataKeyPairSpec::EccNistP521,
        DataKeyPairSpec::EccSecgP256K1,
        DataKeyPairSpec::Rsa2048,
        DataKeyPairSpec::Rsa3072,
        DataKeyPairSpec::Rsa4096,
    ] {
        let vector = std::fs::read(format!("{folder}/{spec}.json")).unwrap();
        let vector: Value = serde_json::from_slice(&vector).unwrap();
        for private_key in vector["private_keys"].as_array().unwrap() {
            let private_key = STANDARD.decode(private_key.as_str().unwrap()).unwrap();
            check_pair(spec, &vector["public_key"], &private_key);
        }
    }
}

fn check_pair(spec: DataKeyPairSpec, public_key: &Value, private_key: &[u8]) {
    let read_as = |spec: DataKeyPairSpec| {
        let sealed = sealed(private_key);
        let changes = json!({"KeyPairSpec": spec.as_str(), "PublicKey": public_key, "CiphertextForRecipient": sealed});
        let request = GenerateDataKeyPairRequest::new(id(KEY), spec);
        READER.0.generate_data_key_pair(&request, GenerateDataKeyPair.with(&changes).to_string().as_bytes())
    };
    assert_eq!(read_as(spec).unwrap().private_key.as_bytes(), private_key, "{spec}");
    for other in [DataKeyPairSpec::Rsa2048, DataKeyPairSpec::Rsa4096, DataKeyPairSpec::EccSecgP256K1] {
        let read = read_as(other);
        assert!(other == spec || matches!(read, Err(Error::Decrypt(_))), "{spec} is not {other}: {read:?}");
    }
}

#[test]
fn ciphertexts_and_public_keys_are_within_the_limits_of_kms() {
    for (action, field, max) in [
        (GenerateDataKey, "CiphertextBlob", 6144),
        (GenerateDataKeyPair, "PrivateKeyCiphertextBlob", 6144),
        (GenerateDataKeyPair, "PublicKey", 8192),
    ] {
        for (value, expected) in [
            (json!(null), MalformedReply::Length { field }),
            (json!(""), MalformedReply::Length { field }),
            (json!(STANDARD.encode(vec![1; max + 1])), MalformedReply::Length { field }),
            (json!("%"), MalformedReply::Base64 { field }),
            (json!(7), MalformedReply::Json),
        ] {
            let refused = action.read(&action.with(&json!({field: value})));
            assert!(matches!(refused, Err(Error::MalformedReply(found)) if found == expected), "{refused:?}");
        }
    }
}

#[test]
fn what_a_reply_repeats_of_the_request_must_be_the_same() {
    for (action, field, other) in [
        (Decrypt, "EncryptionAlgorithm", "RSAES_OAEP_SHA_256"),
        (DeriveSharedSecret, "KeyAgreementAlgorithm", "DH"),
        (GenerateDataKeyPair, "KeyPairSpec", "RSA_2048"),
    ] {
        let refused = action.read(&action.with(&json!({field: other})));
        let expected = MalformedReply::Mismatch { field };
        assert!(matches!(refused, Err(Error::MalformedReply(found)) if found == expected), "{refused:?}");
        assert!(action.read(&action.with(&json!({field: null}))).is_ok(), "KMS's emulators do not repeat it");
    }
    let request = DecryptRequest::new(id(KEY), b"blob").encryption_algorithm(EncryptionAlgorithm::RsaesOaepSha1);
    let reply = Decrypt.with(&json!({"EncryptionAlgorithm": "RSAES_OAEP_SHA_1"})).to_string();
    assert!(READER.0.decrypt(&request, reply.as_bytes()).is_ok());
}

#[test]
fn a_replayed_reply_is_refused_also_in_answer_to_another_action() {
    for action in ALL {
        let reply = action.honest();
        assert!(action.read(&reply).is_ok());
        assert!(matches!(action.read(&reply), Err(Error::ReplayedReply)), "{action:?}");
        let moved = Decrypt.with(&json!({"CiphertextForRecipient": reply["CiphertextForRecipient"]}));
        assert!(matches!(Decrypt.read(&moved), Err(Error::ReplayedReply)), "{action:?}");
        // What was refused before it was opened may still be opened.
        let reply = action.honest();
        let mut refused = reply.clone();
        refused["Plaintext"] = json!("AAAA");
        assert!(matches!(action.read(&refused), Err(Error::PlaintextInReply)));
        assert!(action.read(&reply).is_ok(), "{action:?}");
    }
}

#[test]
fn what_the_client_would_not_send_is_not_read() {
    let foreign = READER.0.decrypt(&DecryptRequest::new(id(FOREIGN), b"blob"), Decrypt.honest().to_string().as_bytes());
    assert!(matches!(foreign, Err(Error::KeyNotPermitted { key }) if key == id(FOREIGN)));
    let long = READER.0.generate_random(&GenerateRandomRequest::new(1025), b"{}");
    assert!(matches!(long, Err(Error::Request(_))));
    // An honest reply, but for its names.
    let (honest, nothing) = (Decrypt.honest(), Value::Null);
    let mut items = vec![honest["KeyId"].clone(), honest["CiphertextForRecipient"].clone()];
    items.resize(11, nothing);
    let array = Value::Array(items).to_string();
    for body in [array.as_bytes(), b"", b"null", b"[]", b"<html>", b"\xff", br#"{"KeyId":"a","KeyId":"b"}"#] {
        let malformed = READER.0.decrypt(&DecryptRequest::new(id(KEY), b"blob"), body);
        assert!(matches!(malformed, Err(Error::MalformedReply(MalformedReply::Json))), "{malformed:?}");
    }
}
