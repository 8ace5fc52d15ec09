//! GenerateDataKeyPair.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use serde::Serialize;

use super::{
    EncryptionContext, MAX_CIPHERTEXT_BLOB_LEN, MAX_PLAINTEXT_LEN, MAX_PUBLIC_KEY_LEN, Recipient, RecipientAction,
    Reply, Sealed, bytes, check_encryption_context, check_grant_tokens, check_repeated, key_as_str,
};
use crate::client::KmsClient;
use crate::cms::DecryptError;
use crate::error::Error;
use crate::key_arn::KeyArn;
use crate::key_id::{KeyId, PermittedKeys};
use crate::plaintext::Plaintext;

/// Under which key to make a data key pair, and of which kind.
#[derive(Clone, Debug)]
pub struct GenerateDataKeyPairRequest {
    key: KeyId,
    key_pair_spec: DataKeyPairSpec,
    encryption_context: EncryptionContext,
    grant_tokens: Vec<String>,
}

impl GenerateDataKeyPairRequest {
    /// A pair of this kind whose private key is encrypted under `key`, a symmetric one, without encryption context.
    #[must_use]
    pub fn new(key: impl Into<KeyId>, key_pair_spec: DataKeyPairSpec) -> Self {
        let (encryption_context, grant_tokens) = (EncryptionContext::new(), Vec::new());
        Self { key: key.into(), key_pair_spec, encryption_context, grant_tokens }
    }

    /// The encryption context to bind to the private key's ciphertext. Decrypting it will need exactly this.
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

/// The kind of a data key pair. (SM2, which exists in China only, is not among them.)
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKeyPairSpec {
    /// ed25519.
    EccNistEdwards25519,
    /// NIST P-256.
    EccNistP256,
    /// NIST P-384.
    EccNistP384,
    /// NIST P-521.
    EccNistP521,
    /// secp256k1.
    EccSecgP256K1,
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits.
    Rsa4096,
}

impl DataKeyPairSpec {
    /// The name as KMS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EccNistEdwards25519 => "ECC_NIST_EDWARDS25519",
            Self::EccNistP256 => "ECC_NIST_P256",
            Self::EccNistP384 => "ECC_NIST_P384",
            Self::EccNistP521 => "ECC_NIST_P521",
            Self::EccSecgP256K1 => "ECC_SECG_P256K1",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
        }
    }

    /// The public half of `private_key`, if that is a key of this kind.
    fn public_key(self, private_key: &[u8]) -> Option<PublicKeyX509Der<'static>> {
        match self {
            Self::EccNistEdwards25519 => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(private_key).ok()?.public_key().as_der()
            }
            Self::EccNistP256 => ec_public_key(&ECDSA_P256_SHA256_ASN1_SIGNING, private_key),
            Self::EccNistP384 => ec_public_key(&ECDSA_P384_SHA384_ASN1_SIGNING, private_key),
            Self::EccNistP521 => ec_public_key(&ECDSA_P521_SHA512_ASN1_SIGNING, private_key),
            Self::EccSecgP256K1 => ec_public_key(&ECDSA_P256K1_SHA256_ASN1_SIGNING, private_key),
            Self::Rsa2048 => rsa_public_key(2048, private_key),
            Self::Rsa3072 => rsa_public_key(3072, private_key),
            Self::Rsa4096 => rsa_public_key(4096, private_key),
        }
        .ok()
    }
}

fn ec_public_key(
    algorithm: &'static EcdsaSigningAlgorithm,
    private_key: &[u8],
) -> Result<PublicKeyX509Der<'static>, Unspecified> {
    EcdsaKeyPair::from_pkcs8(algorithm, private_key)?.public_key().as_der()
}

fn rsa_public_key(bits: usize, private_key: &[u8]) -> Result<PublicKeyX509Der<'static>, Unspecified> {
    let key = PrivateDecryptingKey::from_pkcs8(private_key)?;
    if key.key_size_bits() == bits { key.public_key().as_der() } else { Err(Unspecified) }
}

impl fmt::Display for DataKeyPairSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A data key pair, for use now and, its private key as ciphertext, for storage.
#[non_exhaustive]
#[derive(Debug)]
pub struct DataKeyPair {
    /// The key it was made under: the one that was asked for, or a permitted one that the request can mean.
    pub key_arn: KeyArn,
    /// The kind that was asked for.
    pub key_pair_spec: DataKeyPairSpec,
    /// The public key: DER of a `SubjectPublicKeyInfo`. It is the private key's, and was derived from it to know.
    pub public_key: Vec<u8>,
    /// The private key: DER of a PKCS#8 `PrivateKeyInfo`.
    pub private_key: Plaintext,
    /// The private key as [`decrypt`](KmsClient::decrypt) takes it.
    pub private_key_ciphertext_blob: Vec<u8>,
}

impl KmsClient {
    /// Makes a key pair for use outside of KMS. Its private key is encrypted to a key of this enclave and opened here.
    ///
    /// ```no_run
    /// # use kms_enclave_client::{DataKeyPairSpec, DecryptRequest, Error, GenerateDataKeyPairRequest, KeyArn, KmsClient};
    /// # async fn example(client: &KmsClient, key: &KeyArn) -> Result<(), Error> {
    /// let request = GenerateDataKeyPairRequest::new(key, DataKeyPairSpec::EccSecgP256K1);
    /// let pair = client.generate_data_key_pair(request).await?;
    /// // `pair.private_key_ciphertext_blob` is for storage: `decrypt` gives the private key again.
    /// let again = client.decrypt(DecryptRequest::new(key, &pair.private_key_ciphertext_blob)).await?;
    /// assert_eq!(again.plaintext, pair.private_key);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt). A private key that the public one does not belong to is one that does not open.
    pub async fn generate_data_key_pair(&self, request: GenerateDataKeyPairRequest) -> Result<DataKeyPair, Error> {
        self.perform(&request).await
    }
}

impl RecipientAction for GenerateDataKeyPairRequest {
    const NAME: &'static str = "GenerateDataKeyPair";
    type Answer = DataKeyPair;

    fn check(&self, permitted: &PermittedKeys) -> Result<(), Error> {
        permitted.check_request(&self.key)?;
        check_encryption_context(&self.encryption_context)?;
        check_grant_tokens(&self.grant_tokens)
    }

    fn body<'a>(&'a self, recipient: Recipient<'a>) -> impl Serialize + 'a {
        Body {
            key_id: &self.key,
            key_pair_spec: self.key_pair_spec.as_str(),
            encryption_context: &self.encryption_context,
            grant_tokens: &self.grant_tokens,
            recipient,
        }
    }

    fn read(&self, reply: Reply, permitted: &PermittedKeys) -> Result<Sealed<DataKeyPair>, Error> {
        let key_arn = permitted.check_reply(Some(&self.key), reply.key_id()?)?;
        let envelope = reply.envelope()?;
        let key_pair_spec = self.key_pair_spec;
        check_repeated("KeyPairSpec", reply.key_pair_spec.as_deref(), key_pair_spec.as_str())?;
        let public_key = bytes("PublicKey", reply.public_key.as_deref(), MAX_PUBLIC_KEY_LEN)?;
        let blob = reply.private_key_ciphertext_blob.as_deref();
        let private_key_ciphertext_blob = bytes("PrivateKeyCiphertextBlob", blob, MAX_CIPHERTEXT_BLOB_LEN)?;
        Ok(Sealed::new(envelope, 1..=MAX_PLAINTEXT_LEN, move |private_key| {
            // Whoever is paid to this public key must be able to spend by the private one.
            match key_pair_spec.public_key(private_key.as_bytes()) {
                Some(derived) if derived.as_ref() == public_key => {
                    Ok(DataKeyPair { key_arn, key_pair_spec, public_key, private_key, private_key_ciphertext_blob })
                }
                _ => Err(DecryptError.into()),
            }
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(serialize_with = "key_as_str")]
    key_id: &'a KeyId,
    key_pair_spec: &'static str,
    #[serde(skip_serializing_if = "EncryptionContext::is_empty")]
    encryption_context: &'a EncryptionContext,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    grant_tokens: &'a [String],
    recipient: Recipient<'a>,
}
