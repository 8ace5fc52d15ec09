//! Decrypt.

use serde::Serialize;

use super::{
    EncryptionAlgorithm, EncryptionContext, MAX_PLAINTEXT_LEN, Recipient, RecipientAction, Reply, Sealed,
    check_ciphertext_blob, check_grant_tokens, check_repeated, to_base64,
};
use crate::client::KmsClient;
use crate::error::{Error, RequestLimit};
use crate::key_arn::KeyArn;
use crate::key_id::{KeyId, PermittedKeys};
use crate::plaintext::Plaintext;

/// What to decrypt, and under which key.
#[derive(Clone, Debug)]
pub struct DecryptRequest<'a> {
    key: Option<KeyId>,
    ciphertext_blob: &'a [u8],
    encryption_algorithm: EncryptionAlgorithm,
    encryption_context: EncryptionContext,
    grant_tokens: Vec<String>,
}

impl<'a> DecryptRequest<'a> {
    /// A `CiphertextBlob` that KMS made under `key`, without encryption context.
    #[must_use]
    pub fn new(key: impl Into<KeyId>, ciphertext_blob: &'a [u8]) -> Self {
        Self { key: Some(key.into()), ..Self::for_any_permitted_key(ciphertext_blob) }
    }

    /// A `CiphertextBlob` that says itself under which key KMS made it, as those of symmetric keys do. Every key that
    /// the client was built to use is as good as another then: where one of them is meant, name it.
    #[must_use]
    pub fn for_any_permitted_key(ciphertext_blob: &'a [u8]) -> Self {
        Self {
            key: None,
            ciphertext_blob,
            encryption_algorithm: EncryptionAlgorithm::default(),
            encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
        }
    }

    /// The algorithm that the ciphertext was made by: that of symmetric keys, unless this says otherwise.
    #[must_use]
    pub fn encryption_algorithm(mut self, algorithm: EncryptionAlgorithm) -> Self {
        self.encryption_algorithm = algorithm;
        self
    }

    /// The encryption context that the ciphertext was made with. KMS compares it exactly.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.encryption_context = context;
        self
    }

    /// Tokens of grants that KMS may not know everywhere yet: at most 10. They are not secret.
    #[must_use]
    pub fn grant_tokens(mut self, tokens: impl IntoIterator<Item = String>) -> Self {
        self.grant_tokens = tokens.into_iter().collect();
        self
    }
}

/// What KMS decrypted.
#[non_exhaustive]
#[derive(Debug)]
pub struct Decrypted {
    /// The key that KMS used: the one that was asked for, or a permitted one that the request can mean.
    pub key_arn: KeyArn,
    /// The secret.
    pub plaintext: Plaintext,
}

impl KmsClient {
    /// Decrypts a `CiphertextBlob`. The answer is encrypted to a key of this enclave and opened here.
    ///
    /// ```no_run
    /// # use kms_enclave_client::{DecryptRequest, EncryptionContext, Error, KeyArn, KmsClient};
    /// # async fn example(client: &KmsClient, key: &KeyArn, blob: &[u8]) -> Result<(), Error> {
    /// let context = EncryptionContext::from([("purpose".to_owned(), "wallet".to_owned())]);
    /// let decrypted = client.decrypt(DecryptRequest::new(key, blob).encryption_context(context)).await?;
    /// assert_eq!(&decrypted.key_arn, key);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::KeyNotPermitted`] and [`Error::Request`] before anything is sent; [`Error::Service`] as KMS answers;
    /// the other variants say which check of the answer failed.
    pub async fn decrypt(&self, request: DecryptRequest<'_>) -> Result<Decrypted, Error> {
        self.perform(&request).await
    }
}

impl RecipientAction for DecryptRequest<'_> {
    const NAME: &'static str = "Decrypt";
    type Answer = Decrypted;

    fn check(&self, permitted: &PermittedKeys) -> Result<(), Error> {
        match &self.key {
            Some(key) => permitted.check_request(key)?,
            None if self.encryption_algorithm == EncryptionAlgorithm::SymmetricDefault => {}
            None => return Err(Error::Request(RequestLimit::KeyIdForAsymmetricKey)),
        }
        check_ciphertext_blob(self.ciphertext_blob)?;
        self.encryption_algorithm.check_context(&self.encryption_context)?;
        check_grant_tokens(&self.grant_tokens)
    }

    fn body<'a>(&'a self, recipient: Recipient<'a>) -> impl Serialize + 'a {
        Body {
            key_id: self.key.as_ref().map(KeyId::as_str),
            ciphertext_blob: to_base64(self.ciphertext_blob),
            encryption_algorithm: self.encryption_algorithm.to_field(),
            encryption_context: &self.encryption_context,
            grant_tokens: &self.grant_tokens,
            recipient,
        }
    }

    fn read(&self, reply: Reply, permitted: &PermittedKeys) -> Result<Sealed<Decrypted>, Error> {
        let key_arn = permitted.check_reply(self.key.as_ref(), reply.key_id()?)?;
        let envelope = reply.envelope()?;
        let algorithm = reply.encryption_algorithm.as_deref();
        check_repeated("EncryptionAlgorithm", algorithm, self.encryption_algorithm.as_str())?;
        Ok(Sealed::new(envelope, 1..=MAX_PLAINTEXT_LEN, |plaintext| Ok(Decrypted { key_arn, plaintext })))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    ciphertext_blob: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "EncryptionContext::is_empty")]
    encryption_context: &'a EncryptionContext,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    grant_tokens: &'a [String],
    recipient: Recipient<'a>,
}
