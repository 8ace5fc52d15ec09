//! GenerateDataKey.

use serde::Serialize;

use super::{
    EncryptionContext, Recipient, RecipientAction, Reply, Sealed, check_encryption_context, check_grant_tokens,
    check_number_of_bytes, key_as_str,
};
use crate::client::KmsClient;
use crate::error::Error;
use crate::key_arn::KeyArn;
use crate::key_id::{KeyId, PermittedKeys};
use crate::plaintext::Plaintext;

/// Under which key to make a data key, and how long it is to be.
#[derive(Clone, Debug)]
pub struct GenerateDataKeyRequest {
    key: KeyId,
    size: Size,
    encryption_context: EncryptionContext,
    grant_tokens: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Spec(DataKeySpec),
    Bytes(usize),
}

impl GenerateDataKeyRequest {
    /// A 256-bit data key under `key`, without encryption context.
    #[must_use]
    pub fn new(key: impl Into<KeyId>) -> Self {
        Self {
            key: key.into(),
            size: Size::Spec(DataKeySpec::Aes256),
            encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
        }
    }

    /// What the data key is for, in place of AES-256.
    #[must_use]
    pub fn key_spec(mut self, spec: DataKeySpec) -> Self {
        self.size = Size::Spec(spec);
        self
    }

    /// How many bytes the data key has, in place of a spec: 1 to 1024.
    #[must_use]
    pub fn number_of_bytes(mut self, len: usize) -> Self {
        self.size = Size::Bytes(len);
        self
    }

    /// The encryption context to bind to the data key's ciphertext. Decrypting it will need exactly this.
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

/// What a data key is for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKeySpec {
    /// AES-128: 16 bytes.
    Aes128,
    /// AES-256: 32 bytes.
    Aes256,
}

impl DataKeySpec {
    /// The name as KMS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128 => "AES_128",
            Self::Aes256 => "AES_256",
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

/// A data key, for use now and, as ciphertext, for storage.
#[non_exhaustive]
#[derive(Debug)]
pub struct DataKey {
    /// The key it was made under: the one that was asked for, or a permitted one that the request can mean.
    pub key_arn: KeyArn,
    /// The data key: as many bytes as were asked for.
    pub plaintext: Plaintext,
    /// The data key as [`decrypt`](KmsClient::decrypt) takes it.
    pub ciphertext_blob: Vec<u8>,
}

impl KmsClient {
    /// Makes a data key. Its plaintext is encrypted to a key of this enclave and opened here.
    ///
    /// ```no_run
    /// # use kms_enclave_client::{DataKeySpec, Error, GenerateDataKeyRequest, KeyArn, KmsClient};
    /// # async fn example(client: &KmsClient, key: &KeyArn) -> Result<(), Error> {
    /// let made = client.generate_data_key(GenerateDataKeyRequest::new(key).key_spec(DataKeySpec::Aes128)).await?;
    /// assert_eq!(made.plaintext.as_bytes().len(), 16);
    /// // `made.ciphertext_blob` is for storage: `decrypt` gives the data key again.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub async fn generate_data_key(&self, request: GenerateDataKeyRequest) -> Result<DataKey, Error> {
        self.perform(&request).await
    }
}

impl RecipientAction for GenerateDataKeyRequest {
    const NAME: &'static str = "GenerateDataKey";
    type Answer = DataKey;

    fn check(&self, permitted: &PermittedKeys) -> Result<(), Error> {
        permitted.check_request(&self.key)?;
        if let Size::Bytes(len) = self.size {
            check_number_of_bytes(len)?;
        }
        check_encryption_context(&self.encryption_context)?;
        check_grant_tokens(&self.grant_tokens)
    }

    fn body<'a>(&'a self, recipient: Recipient<'a>) -> impl Serialize + 'a {
        let (key_spec, number_of_bytes) = match self.size {
            Size::Spec(spec) => (Some(spec.as_str()), None),
            Size::Bytes(len) => (None, Some(len)),
        };
        Body {
            key_id: &self.key,
            key_spec,
            number_of_bytes,
            encryption_context: &self.encryption_context,
            grant_tokens: &self.grant_tokens,
            recipient,
        }
    }

    fn read(&self, reply: Reply, permitted: &PermittedKeys) -> Result<Sealed<DataKey>, Error> {
        let key_arn = permitted.check_reply(Some(&self.key), reply.key_id()?)?;
        let envelope = reply.envelope()?;
        let ciphertext_blob = reply.ciphertext_blob()?;
        let len = match self.size {
            Size::Spec(spec) => spec.len(),
            Size::Bytes(len) => len,
        };
        Ok(Sealed::new(envelope, len..=len, |plaintext| Ok(DataKey { key_arn, plaintext, ciphertext_blob })))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(serialize_with = "key_as_str")]
    key_id: &'a KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_spec: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_of_bytes: Option<usize>,
    #[serde(skip_serializing_if = "EncryptionContext::is_empty")]
    encryption_context: &'a EncryptionContext,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    grant_tokens: &'a [String],
    recipient: Recipient<'a>,
}
