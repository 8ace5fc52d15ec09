//! One KMS action a file, and what the actions share: the Recipient, the reply, the limits.
//!
//! An action with a Recipient is a [`RecipientAction`]; [`KmsClient`](crate::KmsClient) performs all of them in the
//! same way. What a reply says is believed in this order, and nothing is opened before the rest of the reply is in
//! order: which key it is about; that nothing secret travels outside the envelope; the envelope's shape; the action's
//! own fields.

pub(crate) mod decrypt;
pub(crate) mod derive_shared_secret;
pub(crate) mod encrypt;
pub(crate) mod generate_data_key;
pub(crate) mod generate_data_key_pair;
pub(crate) mod generate_random;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroize;

pub use self::decrypt::{DecryptRequest, Decrypted};
pub use self::derive_shared_secret::{DeriveSharedSecretRequest, SharedSecret};
pub use self::encrypt::{EncryptRequest, Encrypted};
pub use self::generate_data_key::{DataKey, DataKeySpec, GenerateDataKeyRequest};
pub use self::generate_data_key_pair::{DataKeyPair, DataKeyPairSpec, GenerateDataKeyPairRequest};
pub use self::generate_random::GenerateRandomRequest;
use crate::cms::EnvelopedData;
use crate::error::{Error, MalformedReply, RequestLimit};
#[cfg(feature = "sim")]
use crate::json_object::Object;
use crate::key_id::{KeyId, PermittedKeys};
use crate::plaintext::Plaintext;
use crate::planted;

/// Names and values that KMS binds to a ciphertext as additional authenticated data. Not secret: KMS logs it.
pub type EncryptionContext = BTreeMap<String, String>;

/// The algorithm by which a key encrypts: that of symmetric keys, or one of those of RSA keys.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EncryptionAlgorithm {
    /// RSAES-OAEP with SHA-1.
    RsaesOaepSha1,
    /// RSAES-OAEP with SHA-256.
    RsaesOaepSha256,
    /// AES-256-GCM, for symmetric keys.
    #[default]
    SymmetricDefault,
}

impl EncryptionAlgorithm {
    /// The name as KMS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RsaesOaepSha1 => "RSAES_OAEP_SHA_1",
            Self::RsaesOaepSha256 => "RSAES_OAEP_SHA_256",
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
        }
    }

    /// Refuses an encryption context beside an asymmetric algorithm, as KMS does.
    fn check_context(self, context: &EncryptionContext) -> Result<(), Error> {
        if self != Self::SymmetricDefault && !context.is_empty() {
            return Err(Error::Request(RequestLimit::EncryptionContextForAsymmetricKey));
        }
        check_encryption_context(context)
    }

    /// What goes into a request: nothing for the default, so that the usual request is the shortest.
    fn to_field(self) -> Option<&'static str> {
        (self != Self::SymmetricDefault).then(|| self.as_str())
    }
}

impl fmt::Display for EncryptionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An action whose answer KMS encrypts to the key in the request's attestation document.
pub(crate) trait RecipientAction {
    /// The action as KMS spells it.
    const NAME: &'static str;
    /// What the caller gets.
    type Answer: Send + 'static;

    /// Refuses keys that are not permitted and what KMS would refuse, before anything is sent.
    fn check(&self, permitted: &PermittedKeys) -> Result<(), Error>;

    /// The request's body.
    fn body<'a>(&'a self, recipient: Recipient<'a>) -> impl Serialize + 'a;

    /// Checks all of the reply but what is in the envelope.
    fn read(&self, reply: Reply, permitted: &PermittedKeys) -> Result<Sealed<Self::Answer>, Error>;
}

/// The `Recipient` of a request: who may read the answer.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Recipient<'a> {
    attestation_document: &'a str,
    key_encryption_algorithm: &'static str,
}

impl<'a> Recipient<'a> {
    /// Takes the document in base64: it goes into many requests and is encoded once.
    pub(crate) fn new(attestation_document: &'a str) -> Self {
        Self { attestation_document, key_encryption_algorithm: "RSAES_OAEP_SHA_256" }
    }
}

/// An answer whose secret is still in its envelope.
pub(crate) struct Sealed<T> {
    envelope: EnvelopedData,
    plaintext_len: RangeInclusive<usize>,
    answer: Box<dyn FnOnce(Plaintext) -> Result<T, Error> + Send>,
}

impl<T> Sealed<T> {
    /// `answer` makes the answer of what is in `envelope`, if its length lies within `plaintext_len`.
    fn new(
        envelope: EnvelopedData,
        plaintext_len: RangeInclusive<usize>,
        answer: impl FnOnce(Plaintext) -> Result<T, Error> + Send + 'static,
    ) -> Self {
        Self { envelope, plaintext_len, answer: Box::new(answer) }
    }

    /// Opens the envelope by `open`.
    pub(crate) fn open(
        self,
        open: impl FnOnce(&EnvelopedData, &RangeInclusive<usize>) -> Result<Plaintext, Error>,
    ) -> Result<T, Error> {
        (self.answer)(open(&self.envelope, &self.plaintext_len)?)
    }
}

/// The fields that replies consist of. Each action has some of them; those in which a secret would travel in the open
/// are looked for in every reply, and wiped.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Reply {
    key_id: Option<String>,
    ciphertext_for_recipient: Option<String>,
    plaintext: Option<String>,
    private_key_plaintext: Option<String>,
    shared_secret: Option<String>,
    ciphertext_blob: Option<String>,
    private_key_ciphertext_blob: Option<String>,
    public_key: Option<String>,
    encryption_algorithm: Option<String>,
    key_agreement_algorithm: Option<String>,
    key_pair_spec: Option<String>,
}

impl Reply {
    /// Reads the body of a reply.
    #[cfg(feature = "sim")]
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, Error> {
        let Object(reply) = serde_json::from_slice(body).map_err(|_| Error::MalformedReply(MalformedReply::Json))?;
        Ok(reply)
    }

    /// The `KeyId`, which every action with a key answers with.
    fn key_id(&self) -> Result<&str, Error> {
        self.key_id.as_deref().ok_or(Error::MalformedReply(MalformedReply::Json))
    }

    /// The envelope, if there is one and it is all that there is of the secret.
    fn envelope(&self) -> Result<EnvelopedData, Error> {
        let secrets = [&self.plaintext, &self.private_key_plaintext, &self.shared_secret];
        if secrets.into_iter().flatten().any(|secret| !secret.is_empty()) && !planted::PLAINTEXT_IN_REPLY {
            return Err(Error::PlaintextInReply);
        }
        match &self.ciphertext_for_recipient {
            Some(sealed) if !sealed.is_empty() => {
                Ok(EnvelopedData::from_bytes(&from_base64("CiphertextForRecipient", sealed)?)?)
            }
            _ => Err(Error::MissingCiphertextForRecipient),
        }
    }

    fn ciphertext_blob(&self) -> Result<Vec<u8>, Error> {
        bytes("CiphertextBlob", self.ciphertext_blob.as_deref(), MAX_CIPHERTEXT_BLOB_LEN)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.plaintext.zeroize();
        self.private_key_plaintext.zeroize();
        self.shared_secret.zeroize();
    }
}

/// Reads a field of 1 to `max` bytes. One that lacks counts as empty.
pub(crate) fn bytes(field: &'static str, text: Option<&str>, max: usize) -> Result<Vec<u8>, Error> {
    let bytes = from_base64(field, text.unwrap_or_default())?;
    if (1..=max).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(Error::MalformedReply(MalformedReply::Length { field }))
    }
}

/// Compares a field that repeats what was asked for. KMS does repeat it; those that stand in for it do not always.
fn check_repeated(field: &'static str, found: Option<&str>, expected: &str) -> Result<(), Error> {
    match found {
        Some(found) if found != expected => Err(Error::MalformedReply(MalformedReply::Mismatch { field })),
        _ => Ok(()),
    }
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn from_base64(field: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|_| Error::MalformedReply(MalformedReply::Base64 { field }))
}

pub(crate) fn check_ciphertext_blob(blob: &[u8]) -> Result<(), Error> {
    match blob.len() {
        1..=MAX_CIPHERTEXT_BLOB_LEN => Ok(()),
        len => Err(Error::Request(RequestLimit::CiphertextBlob { len })),
    }
}

pub(crate) fn check_encryption_context(context: &EncryptionContext) -> Result<(), Error> {
    let len = context.iter().map(|(key, value)| key.len() + value.len()).sum();
    if len > MAX_ENCRYPTION_CONTEXT_LEN || context.contains_key("") {
        return Err(Error::Request(RequestLimit::EncryptionContext { len }));
    }
    Ok(())
}

fn check_grant_tokens(tokens: &[String]) -> Result<(), Error> {
    if tokens.len() > MAX_GRANT_TOKENS {
        return Err(Error::Request(RequestLimit::GrantTokens { count: tokens.len() }));
    }
    match tokens.iter().map(String::len).find(|len| !(1..=MAX_GRANT_TOKEN_LEN).contains(len)) {
        Some(len) => Err(Error::Request(RequestLimit::GrantToken { len })),
        None => Ok(()),
    }
}

fn check_number_of_bytes(len: usize) -> Result<(), Error> {
    match len {
        1..=MAX_NUMBER_OF_BYTES => Ok(()),
        len => Err(Error::Request(RequestLimit::NumberOfBytes { len })),
    }
}

/// A key is a string in a request.
fn key_as_str<S: Serializer>(key: &KeyId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.as_str())
}

/// The most bytes of a ciphertext blob that KMS takes or makes.
pub(crate) const MAX_CIPHERTEXT_BLOB_LEN: usize = 6144;
/// The most bytes of all keys and values of an encryption context.
pub(crate) const MAX_ENCRYPTION_CONTEXT_LEN: usize = 8192;
const MAX_GRANT_TOKENS: usize = 10;
const MAX_GRANT_TOKEN_LEN: usize = 8192;
/// The most that KMS draws at random in one call.
const MAX_NUMBER_OF_BYTES: usize = 1024;
/// The most bytes that KMS encrypts, hence decrypts, in one call.
pub(crate) const MAX_PLAINTEXT_LEN: usize = 4096;
/// The most bytes of a public key that KMS takes or makes.
const MAX_PUBLIC_KEY_LEN: usize = 8192;
