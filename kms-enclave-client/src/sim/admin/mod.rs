//! [`AdminClient`]: the key administrator's side, outside any enclave.

mod aliases;

use std::sync::Arc;
use std::time::Duration;

use nsm_attest::Clock;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::action::{
    DataKey, EncryptionContext, MAX_CIPHERTEXT_BLOB_LEN, MAX_PLAINTEXT_LEN, bytes, check_ciphertext_blob,
    check_encryption_context, from_base64, to_base64,
};
use crate::channel::{Channel, ChannelParts, DEFAULT_MAX_CONNECTIONS};
use crate::client::BuildError;
use crate::credentials::Credentials;
use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::error::{Error, RequestLimit};
use crate::key_arn::KeyArn;
use crate::plaintext::Plaintext;
use crate::retry::RetryPolicy;
use crate::sim::key_spec::{KeySpec, KeyUsage};
use crate::sim::policy::MAX_POLICY_LEN;
use crate::tls::TlsRoots;
use crate::transport::Transport;

pub use self::aliases::AliasDescription;

/// Creates keys and writes their policies, over the same signed transport that the enclave's client uses.
///
/// It also calls Decrypt and GenerateDataKey *without* attestation, to show that a key policy refuses them.
#[derive(Clone, Debug)]
pub struct AdminClient {
    channel: Channel,
}

impl AdminClient {
    /// An administrator with `credentials`.
    ///
    /// # Errors
    /// [`BuildError`] if the region is not one, or TLS cannot be set up.
    pub fn new(
        region: &str,
        transport: Arc<dyn Transport>,
        tls_roots: &TlsRoots,
        clock: Clock,
        credentials: Credentials,
    ) -> Result<Self, BuildError> {
        let channel = Channel::new(ChannelParts {
            endpoint: Endpoint::regional(region).map_err(|_| BuildError::BadRegion)?,
            region: region.to_owned(),
            transport,
            roots: tls_roots.clone(),
            clock,
            credentials: Some(credentials),
            provider: None,
            retry: RetryPolicy::default(),
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_reply_len: MAX_REPLY_LEN,
        })
        .map_err(|error| BuildError::Tls(Box::new(error)))?;
        Ok(Self { channel })
    }

    /// Creates a symmetric key under the default policy: the account decides.
    ///
    /// # Errors
    /// As KMS answers, or as the exchange fails.
    pub async fn create_key(&self) -> Result<KeyArn, Error> {
        self.create_key_with(KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt).await
    }

    /// Creates a key of a kind and for a use, under the default policy.
    ///
    /// # Errors
    /// As KMS answers (`ValidationException` if the kind has no such use), or as the exchange fails.
    pub async fn create_key_with(&self, spec: KeySpec, usage: KeyUsage) -> Result<KeyArn, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            key_spec: &'static str,
            key_usage: &'static str,
        }
        let body = Body { key_spec: spec.as_str(), key_usage: usage.as_str() };
        let reply: MetadataReply = self.channel.call("CreateKey", &body, Deadline::after(DEADLINE)).await?;
        Ok(reply.key_metadata.arn)
    }

    /// Reads the public half of an asymmetric key: `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// As KMS answers (`UnsupportedOperationException` if there is none), or as the exchange fails.
    pub async fn get_public_key(&self, key: &KeyArn) -> Result<Vec<u8>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Reply {
            public_key: String,
        }
        let body = KeyBody { key_id: key.as_str() };
        let reply: Reply = self.channel.call("GetPublicKey", &body, Deadline::after(DEADLINE)).await?;
        from_base64("PublicKey", &reply.public_key)
    }

    /// Describes a key.
    ///
    /// # Errors
    /// As KMS answers, or as the exchange fails.
    pub async fn describe_key(&self, key: &KeyArn) -> Result<KeyDescription, Error> {
        let body = KeyBody { key_id: key.as_str() };
        let reply: MetadataReply = self.channel.call("DescribeKey", &body, Deadline::after(DEADLINE)).await?;
        let Metadata { arn, enabled, key_state } = reply.key_metadata;
        Ok(KeyDescription { key_arn: arn, enabled, key_state })
    }

    /// Replaces a key's policy.
    ///
    /// # Errors
    /// `MalformedPolicyDocumentException` if the policy is not one, or would lock its author out; otherwise as KMS
    /// answers, or as the exchange fails.
    pub async fn put_key_policy(&self, key: &KeyArn, policy: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
            policy: &'a str,
            policy_name: &'static str,
        }
        if !(1..=MAX_POLICY_LEN).contains(&policy.len()) {
            return Err(Error::Request(RequestLimit::Policy { len: policy.len() }));
        }
        let body = Body { key_id: key.as_str(), policy, policy_name: "default" };
        self.channel.call_for_nothing("PutKeyPolicy", &body, Deadline::after(DEADLINE)).await
    }

    /// Reads a key's policy.
    ///
    /// # Errors
    /// As KMS answers, or as the exchange fails.
    pub async fn get_key_policy(&self, key: &KeyArn) -> Result<String, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Reply {
            policy: String,
        }
        let body = KeyBody { key_id: key.as_str() };
        let reply: Reply = self.channel.call("GetKeyPolicy", &body, Deadline::after(DEADLINE)).await?;
        Ok(reply.policy)
    }

    /// Encrypts up to 4096 bytes. KMS has no attestation for it: the plaintext is the caller's already.
    ///
    /// # Errors
    /// [`Error::Request`] before anything is sent; otherwise as KMS answers, or as the exchange fails.
    pub async fn encrypt(&self, key: &KeyArn, plaintext: &[u8], context: &EncryptionContext) -> Result<Vec<u8>, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
            plaintext: &'a str,
            encryption_context: &'a EncryptionContext,
        }
        check_encryption_context(context)?;
        if !(1..=MAX_PLAINTEXT_LEN).contains(&plaintext.len()) {
            return Err(Error::Request(RequestLimit::Plaintext { len: plaintext.len() }));
        }
        let plaintext = Zeroizing::new(to_base64(plaintext));
        let body = Body { key_id: key.as_str(), plaintext: &plaintext, encryption_context: context };
        let reply: PlainReply = self.channel.call("Encrypt", &body, Deadline::after(DEADLINE)).await?;
        reply.ciphertext_blob()
    }

    /// Calls Decrypt without a Recipient: the plaintext comes back readable by anyone who has these credentials.
    ///
    /// # Errors
    /// As KMS answers (for a key that only enclaves may use: AccessDenied), or as the exchange fails.
    pub async fn decrypt_without_recipient(
        &self,
        key: &KeyArn,
        ciphertext_blob: &[u8],
        context: &EncryptionContext,
    ) -> Result<Plaintext, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
            ciphertext_blob: String,
            encryption_context: &'a EncryptionContext,
        }
        check_ciphertext_blob(ciphertext_blob)?;
        check_encryption_context(context)?;
        let ciphertext_blob = to_base64(ciphertext_blob);
        let body = Body { key_id: key.as_str(), ciphertext_blob, encryption_context: context };
        let reply: PlainReply = self.channel.call("Decrypt", &body, Deadline::after(DEADLINE)).await?;
        reply.plaintext()
    }

    /// Calls GenerateDataKey without a Recipient.
    ///
    /// # Errors
    /// As [`decrypt_without_recipient`](Self::decrypt_without_recipient).
    pub async fn generate_data_key_without_recipient(
        &self,
        key: &KeyArn,
        context: &EncryptionContext,
    ) -> Result<DataKey, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
            key_spec: &'static str,
            encryption_context: &'a EncryptionContext,
        }
        check_encryption_context(context)?;
        let body = Body { key_id: key.as_str(), key_spec: "AES_256", encryption_context: context };
        let reply: PlainReply = self.channel.call("GenerateDataKey", &body, Deadline::after(DEADLINE)).await?;
        let ciphertext_blob = reply.ciphertext_blob()?;
        Ok(DataKey { key_arn: key.clone(), plaintext: reply.plaintext()?, ciphertext_blob })
    }
}

/// What [`AdminClient::describe_key`] tells.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDescription {
    /// The key.
    pub key_arn: KeyArn,
    /// Whether it can be used.
    pub enabled: bool,
    /// Its state, as KMS spells it: `Enabled`, `PendingDeletion` and so on.
    pub key_state: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyBody<'a> {
    key_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetadataReply {
    key_metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    arn: KeyArn,
    enabled: bool,
    key_state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PlainReply {
    plaintext: Option<String>,
    ciphertext_blob: Option<String>,
}

impl PlainReply {
    fn plaintext(self) -> Result<Plaintext, Error> {
        let text = self.plaintext.map(Zeroizing::new);
        let text = text.as_ref().map(|text| text.as_str());
        Ok(Plaintext::from(bytes("Plaintext", text, MAX_PLAINTEXT_LEN)?))
    }

    fn ciphertext_blob(&self) -> Result<Vec<u8>, Error> {
        bytes("CiphertextBlob", self.ciphertext_blob.as_deref(), MAX_CIPHERTEXT_BLOB_LEN)
    }
}

const DEADLINE: Duration = Duration::from_secs(10);
const MAX_REPLY_LEN: usize = 64 * 1024;
