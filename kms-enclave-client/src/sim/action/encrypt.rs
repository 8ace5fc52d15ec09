//! Encrypt.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fields::{MAX_PLAINTEXT_LEN, blob, check_context, check_dry_run, check_grant_tokens, to_base64};
use super::{Action, Call, reply};
use crate::action::EncryptionContext;
use crate::sim::fault::Fault;
use crate::sim::key::{Key, Oaep, OaepFailure};
use crate::sim::key_spec::{KeySpec, KeyUsage};
use crate::sim::policy::RequestContext;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Encrypt {
    dry_run: Option<bool>,
    encryption_algorithm: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    grant_tokens: Option<Vec<String>>,
    key_id: String,
    plaintext: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    ciphertext_blob: String,
    encryption_algorithm: &'a str,
    key_id: &'a str,
}

impl Action for Encrypt {
    const NAME: &'static str = "Encrypt";

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        let algorithm = EncryptionAlgorithm::parse(self.encryption_algorithm.as_deref())?;
        check_context(&self.encryption_context)?;
        check_grant_tokens(self.grant_tokens.as_deref())?;
        let plaintext = blob("Plaintext", &self.plaintext, MAX_PLAINTEXT_LEN)?;
        let found = call.find(&self.key_id)?;
        let attempt = RequestContext {
            encryption_context: &self.encryption_context,
            encryption_algorithm: Some(algorithm.as_str()),
            ..call.attempt("kms:Encrypt", &found)
        };
        call.authorize(Some(&found.policy), &attempt)?;
        algorithm.check_fits(&found.key, &self.encryption_context)?;
        let sealed = algorithm.encrypt(&found.key, &plaintext, &self.encryption_context)?;
        check_dry_run(self.dry_run)?;
        reply(&Members {
            ciphertext_blob: to_base64(&sealed),
            encryption_algorithm: algorithm.as_str(),
            key_id: call.key_id(&found),
        })
    }
}

/// `EncryptionAlgorithm` of Encrypt and Decrypt.
#[derive(Clone, Copy)]
pub(super) enum EncryptionAlgorithm {
    SymmetricDefault,
    Oaep(Oaep),
}

impl EncryptionAlgorithm {
    pub(super) fn parse(name: Option<&str>) -> Result<Self, Fault> {
        match name {
            None | Some("SYMMETRIC_DEFAULT") => Ok(Self::SymmetricDefault),
            Some("SM2PKE") => Err(Fault::unsupported("the simulator does not encrypt by SM2PKE")),
            Some(name) => Oaep::from_name(name)
                .map(Self::Oaep)
                .ok_or_else(|| Fault::validation(format!("{name:?} is not an EncryptionAlgorithm"))),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
            Self::Oaep(Oaep::Sha1) => "RSAES_OAEP_SHA_1",
            Self::Oaep(Oaep::Sha256) => "RSAES_OAEP_SHA_256",
        }
    }

    /// Whether a key can be used with this algorithm, and with this context.
    pub(super) fn check_fits(self, key: &Key, context: &EncryptionContext) -> Result<(), Fault> {
        if key.spec.usage() != KeyUsage::EncryptDecrypt {
            let (arn, usage) = (&key.arn, key.spec.usage());
            let message = format!("{arn} key usage is {usage} which is not valid for encryption and decryption.");
            return Err(Fault::invalid_key_usage(message));
        }
        if !key.spec.encryption_algorithms().contains(&self.as_str()) {
            let (algorithm, spec) = (self.as_str(), key.spec);
            let message = format!("You cannot use the algorithm {algorithm} with a key of the KeySpec {spec}.");
            return Err(Fault::invalid_key_usage(message));
        }
        if key.spec != KeySpec::SymmetricDefault && !context.is_empty() {
            return Err(Fault::validation("EncryptionContext is supported with symmetric encryption keys only."));
        }
        Ok(())
    }

    fn encrypt(self, key: &Key, plaintext: &[u8], context: &EncryptionContext) -> Result<Vec<u8>, Fault> {
        match self {
            Self::SymmetricDefault => key.encrypt(plaintext, context).map_err(|_| Fault::internal()),
            Self::Oaep(oaep) => key.encrypt_oaep(plaintext, oaep).map_err(|failure| match failure {
                OaepFailure::Failed => Fault::internal(),
                OaepFailure::TooLong { max } => Fault::validation(format!(
                    "Algorithm {} and key spec {} cannot encrypt data larger than {max} bytes.",
                    self.as_str(),
                    key.spec
                )),
            }),
        }
    }
}
