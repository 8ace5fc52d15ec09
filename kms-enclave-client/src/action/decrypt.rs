//! Decrypt.

use serde::Serialize;

use super::{EncryptionContext, Recipient, RecipientReply, check_ciphertext_blob, check_encryption_context, to_base64};
use crate::client::KmsClient;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::key_arn::KeyArn;
use crate::plaintext::Plaintext;

/// What to decrypt, and under which key.
#[derive(Clone, Debug)]
pub struct DecryptRequest<'a> {
    key: &'a KeyArn,
    ciphertext_blob: &'a [u8],
    encryption_context: EncryptionContext,
}

impl<'a> DecryptRequest<'a> {
    /// A `CiphertextBlob` that KMS made under `key`, without encryption context.
    #[must_use]
    pub fn new(key: &'a KeyArn, ciphertext_blob: &'a [u8]) -> Self {
        Self { key, ciphertext_blob, encryption_context: EncryptionContext::new() }
    }

    /// The encryption context that the ciphertext was made with. KMS compares it exactly.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.encryption_context = context;
        self
    }
}

/// What KMS decrypted.
#[non_exhaustive]
#[derive(Debug)]
pub struct Decrypted {
    /// The key that KMS used: the one that was asked for.
    pub key_arn: KeyArn,
    /// The secret.
    pub plaintext: Plaintext,
}

impl KmsClient {
    /// Decrypts a `CiphertextBlob`. The answer is encrypted to a key of this enclave and opened here.
    ///
    /// # Errors
    /// [`Error::KeyNotPermitted`] and [`Error::Request`] before anything is sent; [`Error::Service`] as KMS answers;
    /// the other variants say which check of the answer failed.
    pub async fn decrypt(&self, request: DecryptRequest<'_>) -> Result<Decrypted, Error> {
        self.check_permitted(request.key)?;
        check_ciphertext_blob(request.ciphertext_blob)?;
        check_encryption_context(&request.encryption_context)?;
        self.within_deadline(|deadline| self.attested_decrypt(&request, deadline)).await
    }

    async fn attested_decrypt(&self, request: &DecryptRequest<'_>, deadline: Deadline) -> Result<Decrypted, Error> {
        let (pair, document) = self.recipient().await?;
        let body = Body {
            key_id: request.key.as_str(),
            ciphertext_blob: to_base64(request.ciphertext_blob),
            encryption_context: &request.encryption_context,
            recipient: Some(Recipient::new(&document)),
        };
        let mut reply: RecipientReply = self.channel().call("Decrypt", &body, deadline).await?;
        let plaintext = reply.open(request.key, &pair, None)?;
        Ok(Decrypted { key_arn: request.key.clone(), plaintext })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Body<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) ciphertext_blob: String,
    #[serde(skip_serializing_if = "EncryptionContext::is_empty")]
    pub(crate) encryption_context: &'a EncryptionContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<Recipient>,
}
