//! GenerateDataKey.

use serde::Serialize;

use super::{
    EncryptionContext, MAX_CIPHERTEXT_BLOB_LEN, Recipient, RecipientReply, check_encryption_context, from_base64,
};
use crate::client::KmsClient;
use crate::deadline::Deadline;
use crate::error::{Error, MalformedReply};
use crate::key_arn::KeyArn;
use crate::plaintext::Plaintext;

/// Under which key to make a data key.
#[derive(Clone, Debug)]
pub struct GenerateDataKeyRequest<'a> {
    key: &'a KeyArn,
    encryption_context: EncryptionContext,
}

impl<'a> GenerateDataKeyRequest<'a> {
    /// A 256-bit data key under `key`, without encryption context.
    #[must_use]
    pub fn new(key: &'a KeyArn) -> Self {
        Self { key, encryption_context: EncryptionContext::new() }
    }

    /// The encryption context to bind to the data key's ciphertext. Decrypting it will need exactly this.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.encryption_context = context;
        self
    }
}

/// A data key, for use now and, as ciphertext, for storage.
#[non_exhaustive]
#[derive(Debug)]
pub struct DataKey {
    /// The key it was made under: the one that was asked for.
    pub key_arn: KeyArn,
    /// The data key: 32 bytes.
    pub plaintext: Plaintext,
    /// The data key as [`decrypt`](KmsClient::decrypt) takes it.
    pub ciphertext_blob: Vec<u8>,
}

impl KmsClient {
    /// Makes a 256-bit data key. Its plaintext is encrypted to a key of this enclave and opened here.
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub async fn generate_data_key(&self, request: GenerateDataKeyRequest<'_>) -> Result<DataKey, Error> {
        self.check_permitted(request.key)?;
        check_encryption_context(&request.encryption_context)?;
        self.within_deadline(|deadline| self.attested_generate_data_key(&request, deadline)).await
    }

    async fn attested_generate_data_key(
        &self,
        request: &GenerateDataKeyRequest<'_>,
        deadline: Deadline,
    ) -> Result<DataKey, Error> {
        let (pair, document) = self.recipient().await?;
        let body = Body {
            key_id: request.key.as_str(),
            key_spec: "AES_256",
            encryption_context: &request.encryption_context,
            recipient: Some(Recipient::new(&document)),
        };
        let mut reply: RecipientReply = self.channel().call("GenerateDataKey", &body, deadline).await?;
        let ciphertext_blob = ciphertext_blob(reply.ciphertext_blob.as_deref())?;
        let plaintext = reply.open(request.key, &pair, Some(DATA_KEY_LEN))?;
        Ok(DataKey { key_arn: request.key.clone(), plaintext, ciphertext_blob })
    }
}

pub(crate) fn ciphertext_blob(field: Option<&str>) -> Result<Vec<u8>, Error> {
    let blob = from_base64("CiphertextBlob", field.unwrap_or_default())?;
    match blob.len() {
        1..=MAX_CIPHERTEXT_BLOB_LEN => Ok(blob),
        _ => Err(Error::MalformedReply(MalformedReply::Length { field: "CiphertextBlob" })),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Body<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) key_spec: &'static str,
    #[serde(skip_serializing_if = "EncryptionContext::is_empty")]
    pub(crate) encryption_context: &'a EncryptionContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<Recipient>,
}

const DATA_KEY_LEN: usize = 32;
