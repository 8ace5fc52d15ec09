//! DeriveSharedSecret.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fields::{Secret, blob, check_dry_run, check_grant_tokens};
use super::{Action, Call, reply};
use crate::json_object::Object;
use crate::sim::fault::Fault;
use crate::sim::key_spec::KeyUsage;
use crate::sim::policy::RequestContext;
use crate::sim::recipient::RecipientField;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct DeriveSharedSecret {
    dry_run: Option<bool>,
    grant_tokens: Option<Vec<String>>,
    key_agreement_algorithm: String,
    key_id: String,
    public_key: String,
    recipient: Option<Object<RecipientField>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<String>,
    key_agreement_algorithm: &'static str,
    key_id: &'a str,
    key_origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<Secret>,
}

impl Action for DeriveSharedSecret {
    const NAME: &'static str = "DeriveSharedSecret";

    fn recipient(&self) -> Option<&RecipientField> {
        self.recipient.as_ref().map(|Object(field)| field)
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        check_grant_tokens(self.grant_tokens.as_deref())?;
        if self.key_agreement_algorithm != "ECDH" {
            return Err(Fault::validation("KeyAgreementAlgorithm must be ECDH"));
        }
        let peer = blob("PublicKey", &self.public_key, MAX_PUBLIC_KEY_LEN)?;
        let found = call.find(&self.key_id)?;
        let attempt =
            RequestContext { key_agreement_algorithm: Some("ECDH"), ..call.attempt("kms:DeriveSharedSecret", &found) };
        call.authorize(Some(&found.policy), &attempt)?;
        if found.key.spec.usage() != KeyUsage::KeyAgreement {
            let (arn, usage) = (&found.key.arn, found.key.spec.usage());
            let message = format!("{arn} key usage is {usage} which is not valid for DeriveSharedSecret.");
            return Err(Fault::invalid_key_usage(message));
        }
        let secret = found.key.agree(&peer);
        let secret =
            secret.map_err(|_| Fault::validation("PublicKey is not a SubjectPublicKeyInfo on the key's own curve"))?;
        check_dry_run(self.dry_run)?;
        let delivery = call.deliver(&secret)?;
        reply(&Members {
            ciphertext_for_recipient: delivery.envelope,
            key_agreement_algorithm: "ECDH",
            key_id: call.key_id(&found),
            key_origin: "AWS_KMS",
            shared_secret: delivery.plaintext,
        })
    }
}

const MAX_PUBLIC_KEY_LEN: usize = 8192;
