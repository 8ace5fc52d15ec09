//! DeriveSharedSecret.

use std::ops::RangeInclusive;

use der::asn1::ObjectIdentifier;
use serde::Serialize;
use spki::SubjectPublicKeyInfoRef;

use super::{
    MAX_PLAINTEXT_LEN, MAX_PUBLIC_KEY_LEN, Recipient, RecipientAction, Reply, Sealed, check_grant_tokens,
    check_repeated, key_as_str, to_base64,
};
use crate::client::KmsClient;
use crate::error::{Error, RequestLimit};
use crate::key_arn::KeyArn;
use crate::key_id::{KeyId, PermittedKeys};
use crate::plaintext::Plaintext;

/// With whose public key to agree on a secret, and by which key of KMS.
#[derive(Clone, Debug)]
pub struct DeriveSharedSecretRequest<'a> {
    key: KeyId,
    peer_public_key: &'a [u8],
    grant_tokens: Vec<String>,
}

impl<'a> DeriveSharedSecretRequest<'a> {
    /// ECDH between `key`, whose usage is KEY_AGREEMENT, and the peer's public key: the DER of a `SubjectPublicKeyInfo`
    /// on the same curve.
    ///
    /// KMS makes sure that the public key lies on the curve; that it is the peer's is for the caller to know.
    #[must_use]
    pub fn new(key: impl Into<KeyId>, peer_public_key: &'a [u8]) -> Self {
        Self { key: key.into(), peer_public_key, grant_tokens: Vec::new() }
    }

    /// Tokens of grants that KMS may not know everywhere yet: at most 10. They are not secret.
    #[must_use]
    pub fn grant_tokens(mut self, tokens: impl IntoIterator<Item = String>) -> Self {
        self.grant_tokens = tokens.into_iter().collect();
        self
    }

    /// The shared secret is a coordinate: its length is known if the curve is.
    fn secret_len(&self) -> RangeInclusive<usize> {
        let curve =
            SubjectPublicKeyInfoRef::try_from(self.peer_public_key).and_then(|key| key.algorithm.parameters_oid()).ok();
        match CURVES.iter().find(|(oid, _)| Some(*oid) == curve) {
            Some((_, len)) => *len..=*len,
            None => 1..=MAX_PLAINTEXT_LEN,
        }
    }
}

/// What two keys agree on.
#[non_exhaustive]
#[derive(Debug)]
pub struct SharedSecret {
    /// The key that KMS used: the one that was asked for, or a permitted one that the request can mean.
    pub key_arn: KeyArn,
    /// The raw shared secret, a coordinate of a point: derive keys from it, do not use it as one.
    pub shared_secret: Plaintext,
}

impl KmsClient {
    /// Agrees on a secret by ECDH. It is encrypted to a key of this enclave and opened here.
    ///
    /// ```no_run
    /// # use kms_enclave_client::{DeriveSharedSecretRequest, Error, KeyArn, KmsClient};
    /// # async fn example(client: &KmsClient, key: &KeyArn, peer_spki_der: &[u8]) -> Result<(), Error> {
    /// // `key` lies on P-256, and so does the peer's.
    /// let agreed = client.derive_shared_secret(DeriveSharedSecretRequest::new(key, peer_spki_der)).await?;
    /// assert_eq!(agreed.shared_secret.as_bytes().len(), 32);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub async fn derive_shared_secret(&self, request: DeriveSharedSecretRequest<'_>) -> Result<SharedSecret, Error> {
        self.perform(&request).await
    }
}

impl RecipientAction for DeriveSharedSecretRequest<'_> {
    const NAME: &'static str = "DeriveSharedSecret";
    type Answer = SharedSecret;

    fn check(&self, permitted: &PermittedKeys) -> Result<(), Error> {
        permitted.check_request(&self.key)?;
        if !(1..=MAX_PUBLIC_KEY_LEN).contains(&self.peer_public_key.len()) {
            return Err(Error::Request(RequestLimit::PublicKey { len: self.peer_public_key.len() }));
        }
        check_grant_tokens(&self.grant_tokens)
    }

    fn body<'a>(&'a self, recipient: Recipient<'a>) -> impl Serialize + 'a {
        Body {
            key_id: &self.key,
            key_agreement_algorithm: ECDH,
            public_key: to_base64(self.peer_public_key),
            grant_tokens: &self.grant_tokens,
            recipient,
        }
    }

    fn read(&self, reply: Reply, permitted: &PermittedKeys) -> Result<Sealed<SharedSecret>, Error> {
        let key_arn = permitted.check_reply(Some(&self.key), reply.key_id()?)?;
        let envelope = reply.envelope()?;
        check_repeated("KeyAgreementAlgorithm", reply.key_agreement_algorithm.as_deref(), ECDH)?;
        let answer = |shared_secret| Ok(SharedSecret { key_arn, shared_secret });
        Ok(Sealed::new(envelope, self.secret_len(), answer))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(serialize_with = "key_as_str")]
    key_id: &'a KeyId,
    key_agreement_algorithm: &'static str,
    public_key: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    grant_tokens: &'a [String],
    recipient: Recipient<'a>,
}

const ECDH: &str = "ECDH";
/// Curves of KMS's key agreement keys, and the length of a coordinate.
const CURVES: [(ObjectIdentifier, usize); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), 32), // P-256
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), 48),        // P-384
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), 66),        // P-521
];
