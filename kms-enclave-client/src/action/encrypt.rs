//! Encrypt.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    EncryptionAlgorithm, EncryptionContext, MAX_PLAINTEXT_LEN, Reply, check_grant_tokens, check_repeated, key_as_str,
    to_base64,
};
use crate::client::KmsClient;
use crate::error::{Error, RequestLimit};
use crate::key_arn::KeyArn;
use crate::key_id::{KeyId, PermittedKeys};

/// What to encrypt, and under which key.
#[derive(Clone)]
pub struct EncryptRequest<'a> {
    key: KeyId,
    plaintext: &'a [u8],
    encryption_algorithm: EncryptionAlgorithm,
    encryption_context: EncryptionContext,
    grant_tokens: Vec<String>,
}

impl<'a> EncryptRequest<'a> {
    /// 1 to 4096 bytes of `plaintext`, under `key`, without encryption context.
    #[must_use]
    pub fn new(key: impl Into<KeyId>, plaintext: &'a [u8]) -> Self {
        Self {
            key: key.into(),
            plaintext,
            encryption_algorithm: EncryptionAlgorithm::default(),
            encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
        }
    }

    /// The algorithm: that of symmetric keys, unless this says otherwise. RSA keys take less plaintext than 4096 bytes.
    #[must_use]
    pub fn encryption_algorithm(mut self, algorithm: EncryptionAlgorithm) -> Self {
        self.encryption_algorithm = algorithm;
        self
    }

    /// The encryption context to bind to the ciphertext. Decrypting it will need exactly this.
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

    fn check(&self, permitted: &PermittedKeys) -> Result<(), Error> {
        permitted.check_request(&self.key)?;
        if !(1..=MAX_PLAINTEXT_LEN).contains(&self.plaintext.len()) {
            return Err(Error::Request(RequestLimit::Plaintext { len: self.plaintext.len() }));
        }
        self.encryption_algorithm.check_context(&self.encryption_context)?;
        check_grant_tokens(&self.grant_tokens)
    }

    fn body<'b>(&'b self, plaintext: &'b str) -> Body<'b> {
        Body {
            key_id: &self.key,
            plaintext,
            encryption_algorithm: self.encryption_algorithm.to_field(),
            encryption_context: &self.encryption_context,
            grant_tokens: &self.grant_tokens,
        }
    }

    fn read(&self, reply: &Reply, permitted: &PermittedKeys) -> Result<Encrypted, Error> {
        let key_arn = permitted.check_reply(Some(&self.key), reply.key_id()?)?;
        let algorithm = reply.encryption_algorithm.as_deref();
        check_repeated("EncryptionAlgorithm", algorithm, self.encryption_algorithm.as_str())?;
        Ok(Encrypted { key_arn, ciphertext_blob: reply.ciphertext_blob()? })
    }
}

impl std::fmt::Debug for EncryptRequest<'_> {
    /// Leaves the plaintext out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptRequest")
            .field("key", &self.key)
            .field("encryption_algorithm", &self.encryption_algorithm)
            .field("encryption_context", &self.encryption_context)
            .finish_non_exhaustive()
    }
}

/// What KMS encrypted.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// The key that KMS used: the one that was asked for, or a permitted one that the request can mean.
    pub key_arn: KeyArn,
    /// The ciphertext as [`decrypt`](KmsClient::decrypt) takes it.
    pub ciphertext_blob: Vec<u8>,
}

impl KmsClient {
    /// Encrypts up to 4096 bytes. There is no attestation in it: whoever has the plaintext may ask, if the key's policy
    /// lets the credentials' principal.
    ///
    /// ```no_run
    /// # use kms_enclave_client::{DecryptRequest, EncryptRequest, Error, KeyArn, KmsClient};
    /// # async fn example(client: &KmsClient, key: &KeyArn) -> Result<(), Error> {
    /// let encrypted = client.encrypt(EncryptRequest::new(key, b"secret")).await?;
    /// let again = client.decrypt(DecryptRequest::new(key, &encrypted.ciphertext_blob)).await?;
    /// assert_eq!(again.plaintext.as_bytes(), b"secret");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub async fn encrypt(&self, request: EncryptRequest<'_>) -> Result<Encrypted, Error> {
        request.check(self.permitted_keys())?;
        let plaintext = Zeroizing::new(to_base64(request.plaintext));
        let reply: Reply = self.call("Encrypt", &request.body(&plaintext)).await?;
        request.read(&reply, self.permitted_keys())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(serialize_with = "key_as_str")]
    key_id: &'a KeyId,
    plaintext: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "EncryptionContext::is_empty")]
    encryption_context: &'a EncryptionContext,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    grant_tokens: &'a [String],
}
