//! [`ReplyReader`]: the client's reading of replies, without a client.

use std::collections::BTreeSet;

use crate::action::{
    DataKey, DataKeyPair, DecryptRequest, Decrypted, DeriveSharedSecretRequest, GenerateDataKeyPairRequest,
    GenerateDataKeyRequest, GenerateRandomRequest, RecipientAction, Reply, SharedSecret,
};
use crate::error::Error;
use crate::key_arn::KeyArn;
use crate::key_id::PermittedKeys;
use crate::plaintext::Plaintext;
use crate::recipient::{OpensOnce, RecipientKeyPair};

/// Reads the replies of actions with a Recipient as [`KmsClient`](crate::KmsClient) does, for whoever makes such
/// replies: another KMS, or a fuzzer.
///
/// It remembers the envelopes that it was given, as a recipient of the client's does: one given twice is a replay.
///
/// ```
/// use kms_enclave_client::sim::{ReplyReader, envelop};
/// use kms_enclave_client::{Error, GenerateRandomRequest, RecipientKeyPair};
///
/// use base64::Engine as _;
///
/// let pair = RecipientKeyPair::generate()?;
/// let envelope = base64::engine::general_purpose::STANDARD.encode(envelop(b"four", pair.public_key_der())?);
/// let body = format!(r#"{{"CiphertextForRecipient":"{envelope}"}}"#);
///
/// let reader = ReplyReader::new([], pair);
/// let request = GenerateRandomRequest::new(4);
/// assert_eq!(reader.generate_random(&request, body.as_bytes())?.as_bytes(), b"four");
/// assert!(matches!(reader.generate_random(&request, body.as_bytes()), Err(Error::ReplayedReply)));
/// reader.forget();
/// assert!(reader.generate_random(&request, body.as_bytes()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ReplyReader {
    permitted_keys: PermittedKeys,
    recipient: OpensOnce,
}

impl ReplyReader {
    /// A reader of replies to `recipient`, that may be about `permitted_keys`.
    #[must_use]
    pub fn new(permitted_keys: impl IntoIterator<Item = KeyArn>, recipient: RecipientKeyPair) -> Self {
        let permitted_keys = permitted_keys.into_iter().collect::<BTreeSet<_>>();
        Self { permitted_keys: PermittedKeys::new(permitted_keys), recipient: OpensOnce::new(recipient) }
    }

    /// Forgets the envelopes that it was given: for a fuzzer, whose inputs must not depend on each other.
    pub fn forget(&self) {
        self.recipient.forget();
    }

    /// Reads the body of a reply to `request`. What the client would refuse to send is refused here, too.
    ///
    /// # Errors
    /// As [`KmsClient::decrypt`](crate::KmsClient::decrypt).
    pub fn decrypt(&self, request: &DecryptRequest<'_>, body: &[u8]) -> Result<Decrypted, Error> {
        self.read(request, body)
    }

    /// As [`decrypt`](Self::decrypt), for DeriveSharedSecret.
    ///
    /// # Errors
    /// As [`KmsClient::derive_shared_secret`](crate::KmsClient::derive_shared_secret).
    pub fn derive_shared_secret(
        &self,
        request: &DeriveSharedSecretRequest<'_>,
        body: &[u8],
    ) -> Result<SharedSecret, Error> {
        self.read(request, body)
    }

    /// As [`decrypt`](Self::decrypt), for GenerateDataKey.
    ///
    /// # Errors
    /// As [`KmsClient::generate_data_key`](crate::KmsClient::generate_data_key).
    pub fn generate_data_key(&self, request: &GenerateDataKeyRequest, body: &[u8]) -> Result<DataKey, Error> {
        self.read(request, body)
    }

    /// As [`decrypt`](Self::decrypt), for GenerateDataKeyPair.
    ///
    /// # Errors
    /// As [`KmsClient::generate_data_key_pair`](crate::KmsClient::generate_data_key_pair).
    pub fn generate_data_key_pair(
        &self,
        request: &GenerateDataKeyPairRequest,
        body: &[u8],
    ) -> Result<DataKeyPair, Error> {
        self.read(request, body)
    }

    /// As [`decrypt`](Self::decrypt), for GenerateRandom.
    ///
    /// # Errors
    /// As [`KmsClient::generate_random`](crate::KmsClient::generate_random).
    pub fn generate_random(&self, request: &GenerateRandomRequest, body: &[u8]) -> Result<Plaintext, Error> {
        self.read(request, body)
    }

    fn read<A: RecipientAction>(&self, request: &A, body: &[u8]) -> Result<A::Answer, Error> {
        request.check(&self.permitted_keys)?;
        let sealed = request.read(Reply::from_json(body)?, &self.permitted_keys)?;
        sealed.open(|envelope, len| self.recipient.open(envelope, len))
    }
}
