//! GenerateDataKeyPair.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fields::{Secret, check_context, check_dry_run, check_grant_tokens, to_base64};
use super::generate_data_key::check_symmetric;
use super::{Action, Call, reply};
use crate::action::EncryptionContext;
use crate::json_object::Object;
use crate::sim::fault::Fault;
use crate::sim::policy::RequestContext;
use crate::sim::recipient::RecipientField;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GenerateDataKeyPair {
    dry_run: Option<bool>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    grant_tokens: Option<Vec<String>>,
    key_id: String,
    key_pair_spec: String,
    recipient: Option<Object<RecipientField>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<String>,
    key_id: &'a str,
    /// Here the API reference does not say that a Recipient omits it:
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyPair.html>.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<&'a str>,
    key_pair_spec: &'a str,
    private_key_ciphertext_blob: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_plaintext: Option<Secret>,
    public_key: String,
}

impl Action for GenerateDataKeyPair {
    const NAME: &'static str = "GenerateDataKeyPair";

    fn recipient(&self) -> Option<&RecipientField> {
        self.recipient.as_ref().map(|Object(field)| field)
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_context(&self.encryption_context)?;
        check_grant_tokens(self.grant_tokens.as_deref())?;
        let kind = PairKind::parse(&self.key_pair_spec)?;
        let found = call.find(&self.key_id)?;
        let attempt = RequestContext {
            encryption_context: &self.encryption_context,
            encryption_algorithm: Some("SYMMETRIC_DEFAULT"),
            data_key_pair_spec: Some(&self.key_pair_spec),
            ..call.attempt("kms:GenerateDataKeyPair", &found)
        };
        call.authorize(Some(&found.policy), &attempt)?;
        check_symmetric(&found)?;
        let pair = kind.generate().map_err(|_| Fault::internal())?;
        let sealed = found.key.encrypt(&pair.private_pkcs8, &self.encryption_context).map_err(|_| Fault::internal())?;
        check_dry_run(self.dry_run)?;
        let delivery = call.deliver(&pair.private_pkcs8)?;
        reply(&Members {
            ciphertext_for_recipient: delivery.envelope,
            key_id: call.key_id(&found),
            key_material_id: found.key.material_id(),
            key_pair_spec: &self.key_pair_spec,
            private_key_ciphertext_blob: to_base64(&sealed),
            private_key_plaintext: delivery.plaintext,
            public_key: to_base64(&pair.public_spki),
        })
    }
}

/// The kinds of pairs that AWS-LC makes.
#[derive(Clone, Copy)]
enum PairKind {
    Curve(&'static EcdsaSigningAlgorithm),
    Ed25519,
    Rsa(KeySize),
}

/// A fresh pair in DER: PKCS #8 and SubjectPublicKeyInfo.
struct DataKeyPair {
    private_pkcs8: Zeroizing<Vec<u8>>,
    public_spki: Vec<u8>,
}

impl PairKind {
    fn parse(spec: &str) -> Result<Self, Fault> {
        Ok(match spec {
            "ECC_NIST_P256" => Self::Curve(&ECDSA_P256_SHA256_ASN1_SIGNING),
            "ECC_NIST_P384" => Self::Curve(&ECDSA_P384_SHA384_ASN1_SIGNING),
            "ECC_NIST_P521" => Self::Curve(&ECDSA_P521_SHA512_ASN1_SIGNING),
            "ECC_SECG_P256K1" => Self::Curve(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
            "ECC_NIST_EDWARDS25519" => Self::Ed25519,
            "RSA_2048" => Self::Rsa(KeySize::Rsa2048),
            "RSA_3072" => Self::Rsa(KeySize::Rsa3072),
            "RSA_4096" => Self::Rsa(KeySize::Rsa4096),
            "SM2" | "ML_KEM_512" | "ML_KEM_768" | "ML_KEM_1024" => {
                return Err(Fault::unsupported(format!("the simulator makes no {spec} pairs")));
            }
            _ => return Err(Fault::validation(format!("{spec:?} is not a KeyPairSpec"))),
        })
    }

    fn generate(self) -> Result<DataKeyPair, Unspecified> {
        let (private_pkcs8, public_spki) = match self {
            Self::Curve(algorithm) => {
                let pair = EcdsaKeyPair::generate(algorithm)?;
                let private = Zeroizing::new(pair.to_pkcs8v1()?.as_ref().to_vec());
                (private, pair.public_key().as_der()?.as_ref().to_vec())
            }
            Self::Ed25519 => {
                let pair = Ed25519KeyPair::generate()?;
                let private: Pkcs8V1Der<'_> = pair.as_der()?;
                (Zeroizing::new(private.as_ref().to_vec()), pair.public_key().as_der()?.as_ref().to_vec())
            }
            Self::Rsa(size) => {
                let pair = PrivateDecryptingKey::generate(size)?;
                let private = pair.as_der()?;
                (Zeroizing::new(private.as_ref().to_vec()), pair.public_key().as_der()?.as_ref().to_vec())
            }
        };
        Ok(DataKeyPair { private_pkcs8, public_spki })
    }
}
