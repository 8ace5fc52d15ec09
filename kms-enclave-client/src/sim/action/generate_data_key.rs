//! GenerateDataKey.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fields::{Secret, check_context, check_dry_run, check_grant_tokens, to_base64};
use super::{Action, Call, reply};
use crate::action::EncryptionContext;
use crate::json_object::Object;
use crate::sim::fault::Fault;
use crate::sim::key_spec::KeySpec;
use crate::sim::policy::RequestContext;
use crate::sim::recipient::RecipientField;
use crate::sim::vault::Found;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GenerateDataKey {
    dry_run: Option<bool>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    grant_tokens: Option<Vec<String>>,
    key_id: String,
    key_spec: Option<String>,
    number_of_bytes: Option<u64>,
    recipient: Option<Object<RecipientField>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    ciphertext_blob: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<String>,
    key_id: &'a str,
    /// "Omitted if the request includes the Recipient parameter":
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html>.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_material_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Secret>,
}

impl Action for GenerateDataKey {
    const NAME: &'static str = "GenerateDataKey";

    fn recipient(&self) -> Option<&RecipientField> {
        self.recipient.as_ref().map(|Object(field)| field)
    }

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_context(&self.encryption_context)?;
        check_grant_tokens(self.grant_tokens.as_deref())?;
        let len = self.checked_len()?;
        let found = call.find(&self.key_id)?;
        let attempt = RequestContext {
            encryption_context: &self.encryption_context,
            encryption_algorithm: Some("SYMMETRIC_DEFAULT"),
            ..call.attempt("kms:GenerateDataKey", &found)
        };
        call.authorize(Some(&found.policy), &attempt)?;
        check_symmetric(&found)?;
        let mut plaintext = Zeroizing::new(vec![0; len]);
        aws_lc_rs::rand::fill(&mut plaintext).map_err(|_| Fault::internal())?;
        let sealed = found.key.encrypt(&plaintext, &self.encryption_context).map_err(|_| Fault::internal())?;
        check_dry_run(self.dry_run)?;
        let delivery = call.deliver(&plaintext)?;
        reply(&Members {
            ciphertext_blob: to_base64(&sealed),
            ciphertext_for_recipient: delivery.envelope,
            key_id: call.key_id(&found),
            key_material_id: found.key.material_id().filter(|_| call.recipient.is_none()),
            plaintext: delivery.plaintext,
        })
    }
}

impl GenerateDataKey {
    fn checked_len(&self) -> Result<usize, Fault> {
        match (self.key_spec.as_deref(), self.number_of_bytes) {
            (Some("AES_256"), None) => Ok(32),
            (Some("AES_128"), None) => Ok(16),
            (None, Some(len)) if (1..=1024).contains(&len) => usize::try_from(len).map_err(|_| Fault::internal()),
            _ => Err(Fault::validation("exactly one of KeySpec (AES_256, AES_128) and NumberOfBytes (1 to 1024)")),
        }
    }
}

/// Data keys are made under symmetric keys only.
pub(super) fn check_symmetric(found: &Found) -> Result<(), Fault> {
    if found.key.spec == KeySpec::SymmetricDefault {
        Ok(())
    } else {
        Err(Fault::invalid_key_usage("You cannot generate a data key with an asymmetric CMK"))
    }
}
