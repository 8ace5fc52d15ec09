//! One KMS action a file, and what the actions with a Recipient share.

pub(crate) mod decrypt;
pub(crate) mod generate_data_key;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

pub use self::decrypt::{DecryptRequest, Decrypted};
pub use self::generate_data_key::{DataKey, GenerateDataKeyRequest};
use crate::cms::EnvelopedData;
use crate::error::{Error, MalformedReply, RequestLimit, printable};
use crate::key_arn::KeyArn;
use crate::plaintext::Plaintext;
use crate::recipient::RecipientKeyPair;

/// Names and values that KMS binds to a ciphertext as additional authenticated data. Not secret: KMS logs it.
pub type EncryptionContext = BTreeMap<String, String>;

/// The `Recipient` of a request: who may read the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Recipient {
    attestation_document: String,
    key_encryption_algorithm: &'static str,
}

impl Recipient {
    pub(crate) fn new(attestation_document: &[u8]) -> Self {
        Self {
            attestation_document: STANDARD.encode(attestation_document),
            key_encryption_algorithm: "RSAES_OAEP_SHA_256",
        }
    }
}

/// The fields of a reply that every action with a Recipient and a key answers with.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RecipientReply {
    key_id: String,
    plaintext: Option<String>,
    ciphertext_for_recipient: Option<String>,
    ciphertext_blob: Option<String>,
}

impl RecipientReply {
    /// Refuses a reply that is about another key, carries a plaintext, or lacks the envelope; then opens the envelope.
    fn open(
        &mut self,
        key: &KeyArn,
        recipient: &RecipientKeyPair,
        expected_len: Option<usize>,
    ) -> Result<Plaintext, Error> {
        if self.key_id != key.as_str() {
            return Err(Error::KeyIdMismatch { expected: key.clone(), actual: printable(&self.key_id, 256) });
        }
        if self.plaintext.as_ref().is_some_and(|plaintext| !plaintext.is_empty()) {
            self.plaintext.zeroize();
            return Err(Error::PlaintextInReply);
        }
        let sealed = match self.ciphertext_for_recipient.take() {
            Some(sealed) if !sealed.is_empty() => from_base64("CiphertextForRecipient", &sealed)?,
            _ => return Err(Error::MissingCiphertextForRecipient),
        };
        let enveloped = EnvelopedData::from_bytes(&sealed)?;
        Ok(match expected_len {
            Some(len) => enveloped.open_exactly(recipient, len)?,
            None => enveloped.open(recipient)?,
        })
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

/// The most bytes of a ciphertext blob that KMS takes or makes.
pub(crate) const MAX_CIPHERTEXT_BLOB_LEN: usize = 6144;
/// The most bytes of all keys and values of an encryption context.
pub(crate) const MAX_ENCRYPTION_CONTEXT_LEN: usize = 8192;
