//! Replies of the actions with a Recipient: one is accepted exactly if another reading finds it right, and gives what it
//! says and what its envelope contains; accepted once, it is refused the next time.
//!
//! The first byte chooses the action and how the request names the key, the second how many bytes it asks for. The rest is
//! the reply's body, in which `@n@` stands for an envelope that contains n bytes, and other names (see `named`) for keys
//! and blobs.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fuzz::{Members, base64, expand};
use kms_enclave_client::sim::{ReplyReader, envelop};
use kms_enclave_client::{
    DataKeyPairSpec, DecryptRequest, DeriveSharedSecretRequest, Error, GenerateDataKeyPairRequest,
    GenerateDataKeyRequest, GenerateRandomRequest, KeyArn, KeyId, Plaintext, RecipientKeyPair,
};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(([choice, len], template)) = data.split_first_chunk() else { return Corpus::Reject };
    let mut envelopes = BTreeMap::new();
    let body = expand(template, |name| named(name, &mut envelopes));
    // Bytes that are no text may stand where nobody reads them, or not: both are right.
    if std::str::from_utf8(&body).is_err() {
        return Corpus::Reject;
    }
    let asked =
        Asked { action: ACTIONS[usize::from(choice % 5)], key: usize::from(choice / 5 % 5), len: (*len).into() };
    let right = reading(&asked, &body, &envelopes);
    match (asked.read(&body), right) {
        (Ok(found), Ok(right)) => {
            assert_eq!(found, right);
            // The reader remembers the envelope.
            let again = asked.read(&body);
            assert!(matches!(again, Err(Error::ReplayedReply)), "a replayed reply is accepted: {again:?}");
        }
        (Ok(found), Err(objection)) => panic!("accepted, though {objection}: {found:?}"),
        (Err(error), Ok(_)) => panic!("refused, though nothing is wrong with it: {error}"),
        (Err(_), Err(_)) => {}
    }
    Corpus::Keep
});

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Decrypt,
    DeriveSharedSecret,
    GenerateDataKey,
    GenerateDataKeyPair,
    GenerateRandom,
}

const ACTIONS: [Action; 5] = [
    Action::Decrypt,
    Action::DeriveSharedSecret,
    Action::GenerateDataKey,
    Action::GenerateDataKeyPair,
    Action::GenerateRandom,
];

/// A request.
struct Asked {
    action: Action,
    /// Which of `NAMES`; beyond them, for Decrypt, none.
    key: usize,
    len: usize,
}

/// What a reply says, in one form for all actions: the key's ARN, the secret, and the other bytes.
type Answer = (Option<String>, Vec<u8>, Vec<Vec<u8>>);

impl Asked {
    fn name(&self) -> Option<&'static str> {
        NAMES.get(self.key).copied()
    }

    /// Decrypt alone may leave it to the blob.
    fn key_id(&self) -> KeyId {
        self.name().unwrap_or(NAMES[0]).parse().expect("a name of a key")
    }

    /// Random bytes must be some.
    fn len(&self) -> usize {
        self.len.max(1)
    }

    fn read(&self, body: &[u8]) -> Result<Answer, Error> {
        let reader = &WORLD.reader;
        let text = |arn: KeyArn| Some(arn.to_string());
        let secret = |plaintext: Plaintext| plaintext.as_bytes().to_vec();
        Ok(match self.action {
            Action::Decrypt => {
                let request = match self.name() {
                    Some(_) => DecryptRequest::new(self.key_id(), b"a blob"),
                    None => DecryptRequest::for_any_permitted_key(b"a blob"),
                };
                let answer = reader.decrypt(&request, body)?;
                (text(answer.key_arn), secret(answer.plaintext), vec![])
            }
            Action::DeriveSharedSecret => {
                let request = DeriveSharedSecretRequest::new(self.key_id(), &WORLD.pairs[0].public);
                let answer = reader.derive_shared_secret(&request, body)?;
                (text(answer.key_arn), secret(answer.shared_secret), vec![])
            }
            Action::GenerateDataKey => {
                let request = GenerateDataKeyRequest::new(self.key_id()).number_of_bytes(self.len());
                let answer = reader.generate_data_key(&request, body)?;
                (text(answer.key_arn), secret(answer.plaintext), vec![answer.ciphertext_blob])
            }
            Action::GenerateDataKeyPair => {
                let request = GenerateDataKeyPairRequest::new(self.key_id(), DataKeyPairSpec::EccNistP256);
                let answer = reader.generate_data_key_pair(&request, body)?;
                let others = vec![answer.public_key, answer.private_key_ciphertext_blob];
                (text(answer.key_arn), secret(answer.private_key), others)
            }
            Action::GenerateRandom => {
                let answer = reader.generate_random(&GenerateRandomRequest::new(self.len()), body)?;
                (None, secret(answer), vec![])
            }
        })
    }
}

/// Reads a reply, or says what is wrong with it. `envelopes` are those that this recipient can open.
fn reading(asked: &Asked, body: &[u8], envelopes: &BTreeMap<String, Vec<u8>>) -> Result<Answer, &'static str> {
    let members = Members::parse(body).ok_or("it is no JSON object")?;
    if !members.are_texts(&FIELDS) {
        return Err("a field is there twice, or no text");
    }
    let key = match asked.action {
        Action::GenerateRandom => None,
        _ => Some(members.text("KeyId").filter(|arn| is_right_key(asked, arn)).ok_or("it is about another key")?),
    };
    for secret in ["Plaintext", "PrivateKeyPlaintext", "SharedSecret"] {
        if members.text(secret).is_some_and(|text| !text.is_empty()) {
            return Err("a secret is outside the envelope");
        }
    }
    let envelope = members.text("CiphertextForRecipient").ok_or("it has no envelope")?;
    let secret = envelopes.get(&envelope).cloned().ok_or("the envelope does not open")?;
    let says = |name: &str, expected: &str| members.text(name).is_none_or(|text| text == expected);
    let bytes = |name: &str, max: usize| {
        let bytes = members.text(name).and_then(|text| base64(&text));
        bytes.filter(|bytes| (1..=max).contains(&bytes.len())).ok_or("bytes lack, or are too many")
    };
    let (is_right, others) = match asked.action {
        Action::Decrypt => {
            ((1..=4096).contains(&secret.len()) && says("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"), vec![])
        }
        Action::DeriveSharedSecret => (secret.len() == 32 && says("KeyAgreementAlgorithm", "ECDH"), vec![]),
        Action::GenerateDataKey => (secret.len() == asked.len(), vec![bytes("CiphertextBlob", 6144)?]),
        Action::GenerateDataKeyPair => {
            let public = bytes("PublicKey", 8192)?;
            let is_pair = WORLD.pairs.iter().any(|pair| pair.private == secret && pair.public == public);
            let others = vec![public, bytes("PrivateKeyCiphertextBlob", 6144)?];
            (is_pair && says("KeyPairSpec", "ECC_NIST_P256"), others)
        }
        Action::GenerateRandom => (secret.len() == asked.len(), vec![]),
    };
    if is_right { Ok((key, secret, others)) } else { Err("it is not what was asked for") }
}

/// The ARN that was asked for; or a permitted one, that the other name can mean.
fn is_right_key(asked: &Asked, arn: &str) -> bool {
    let can_mean = match asked.name() {
        None if asked.action == Action::Decrypt => true,
        None => arn == KEY,
        Some(name) if name.starts_with("arn:") && !name.contains(":alias/") => arn == name,
        Some(name) if name.contains("alias/") => true,
        Some(id) => arn.ends_with(id),
    };
    can_mean && (arn == KEY || arn == OTHER)
}

/// What names stand for, up to a few envelopes; those that open are noted with what is in them.
fn named(name: &str, envelopes: &mut BTreeMap<String, Vec<u8>>) -> Option<String> {
    let mut seal = |secret: Vec<u8>, recipient: &[u8], opens: bool| {
        let sealed = STANDARD.encode(envelop(&secret, recipient).expect("an RSA key"));
        if opens {
            envelopes.insert(sealed.clone(), secret);
        }
        sealed
    };
    Some(match name {
        "key" => KEY.to_owned(),
        "other" => OTHER.to_owned(),
        "foreign" => FOREIGN.to_owned(),
        "blob" => STANDARD.encode([0xb0; 100]),
        "long" => STANDARD.encode([0xb0; 6145]),
        "public" => STANDARD.encode(&WORLD.pairs[0].public),
        "public2" => STANDARD.encode(&WORLD.pairs[1].public),
        "private" => seal(WORLD.pairs[0].private.clone(), &WORLD.recipient, true),
        "stranger" => seal(vec![7; 32], &WORLD.stranger, false),
        digits => {
            let len = digits.parse().ok().filter(|len| *len <= 4096)?;
            seal(vec![0x5e; len], &WORLD.recipient, true)
        }
    })
}

struct World {
    reader: ReplyReader,
    /// The public key of the reader's recipient, and of another one.
    recipient: Vec<u8>,
    stranger: Vec<u8>,
    pairs: [EllipticPair; 2],
}

struct EllipticPair {
    private: Vec<u8>,
    public: Vec<u8>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let [recipient, stranger] = [(); 2].map(|()| RecipientKeyPair::generate().expect("an RSA pair"));
    let keys = [KEY, OTHER].map(|arn| arn.parse().expect("an ARN"));
    let pairs = [(); 2].map(|()| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a P-256 pair");
        let private = pair.to_pkcs8v1().expect("DER").as_ref().to_vec();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
        EllipticPair { private, public: public.as_ref().to_vec() }
    });
    World {
        recipient: recipient.public_key_der().to_vec(),
        stranger: stranger.public_key_der().to_vec(),
        reader: ReplyReader::new(keys, recipient),
        pairs,
    }
});

/// How a request names the key.
const NAMES: [&str; 4] = [KEY, OTHER, "alias/wallet", "1234abcd-12ab-34cd-56ef-1234567890ab"];
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "arn:aws:kms:eu-west-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab";
const FOREIGN: &str = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// All that any of these replies has.
const FIELDS: [&str; 11] = [
    "KeyId",
    "CiphertextForRecipient",
    "Plaintext",
    "PrivateKeyPlaintext",
    "SharedSecret",
    "CiphertextBlob",
    "PrivateKeyCiphertextBlob",
    "PublicKey",
    "EncryptionAlgorithm",
    "KeyAgreementAlgorithm",
    "KeyPairSpec",
];
