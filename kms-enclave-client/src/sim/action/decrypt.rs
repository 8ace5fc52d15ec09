//! Decrypt.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::encrypt::EncryptionAlgorithm;
use super::fields::{Secret, blob, check_context, check_dry_run, check_grant_tokens};
use super::{Action, Call, reply};
use crate::action::{EncryptionContext, MAX_CIPHERTEXT_BLOB_LEN};
use crate::json_object::Object;
use crate::sim::fault::Fault;
use crate::sim::key::key_id_of_blob;
use crate::sim::policy::RequestContext;
use crate::sim::recipient::RecipientField;
use crate::sim::vault::Found;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Decrypt {
    ciphertext_blob: String,
    dry_run: Option<bool>,
    encryption_algorithm: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    grant_tokens: Option<Vec<String>>,
    key_id: Option<String>,
    recipient: Option<Object<RecipientField>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<String>,
    encryption_algorithm: &'a str,
    key_id: &'a str,
    /// "Present only when the operation uses a symmetric encryption KMS key […] omitted if the request includes the
    /// Recipient parameter": <https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html>.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Secret>,
}

impl Action for Decrypt {
    const NAME: &'static str = "Decrypt";

    fn recipient(&self) -> Option<&RecipientField> {
        self.recipient.as_ref().map(|Object(field)| field)
    }

    fn is_slow(&self) -> bool {
        // RSA.
        self.encryption_algorithm.as_deref().is_some_and(|algorithm| algorithm.starts_with("RSA"))
    }

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        let algorithm = EncryptionAlgorithm::parse(self.encryption_algorithm.as_deref())?;
        check_context(&self.encryption_context)?;
        check_grant_tokens(self.grant_tokens.as_deref())?;
        let blob = blob("CiphertextBlob", &self.ciphertext_blob, MAX_CIPHERTEXT_BLOB_LEN)?;
        let found = self.find(call, algorithm, &blob)?;
        let attempt = RequestContext {
            encryption_context: &self.encryption_context,
            encryption_algorithm: Some(algorithm.as_str()),
            ..call.attempt("kms:Decrypt", &found)
        };
        match &self.key_id {
            Some(_) => call.authorize(Some(&found.policy), &attempt)?,
            None => call.authorize_showing(
                Some(&found.policy),
                &attempt,
                " on the resource associated with this ciphertext",
            )?,
        }
        algorithm.check_fits(&found.key, &self.encryption_context)?;
        let plaintext = self.open(algorithm, &found, &blob)?;
        check_dry_run(self.dry_run)?;
        let delivery = call.deliver(&plaintext)?;
        reply(&Members {
            ciphertext_for_recipient: delivery.envelope,
            encryption_algorithm: algorithm.as_str(),
            key_id: call.key_id(&found),
            key_material_id: found.key.material_id().filter(|_| call.recipient.is_none()),
            plaintext: delivery.plaintext,
        })
    }
}

impl Decrypt {
    /// The key that the request names, or else the one that the ciphertext names.
    fn find(&self, call: &Call<'_>, algorithm: EncryptionAlgorithm, blob: &[u8]) -> Result<Found, Fault> {
        match (&self.key_id, algorithm) {
            (Some(key_id), _) => call.find(key_id),
            (None, EncryptionAlgorithm::SymmetricDefault) => {
                call.service.vault().find_by_blob(blob).ok_or_else(Fault::invalid_ciphertext)
            }
            (None, EncryptionAlgorithm::Oaep(_)) => {
                Err(Fault::validation("KeyId is required with asymmetric encryption algorithms."))
            }
        }
    }

    fn open(&self, algorithm: EncryptionAlgorithm, found: &Found, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let opened = match algorithm {
            EncryptionAlgorithm::Oaep(oaep) => found.key.decrypt_oaep(blob, oaep),
            EncryptionAlgorithm::SymmetricDefault => {
                if key_id_of_blob(blob).is_some_and(|made_under| made_under != found.key.arn.key_id()) {
                    return Err(Fault::new(
                        "IncorrectKeyException",
                        "The key ID in the request does not identify a CMK that can perform this operation.",
                    ));
                }
                found.key.decrypt(blob, &self.encryption_context)
            }
        };
        opened.map_err(|_| Fault::invalid_ciphertext())
    }
}
