//! GenerateRandom: about no key, so that identity policies alone decide.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fields::Secret;
use super::{Action, Call, reply};
use crate::json_object::Object;
use crate::sim::fault::Fault;
use crate::sim::policy::{RequestContext, Resource};
use crate::sim::recipient::RecipientField;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GenerateRandom {
    number_of_bytes: Option<u64>,
    recipient: Option<Object<RecipientField>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Secret>,
}

impl Action for GenerateRandom {
    const NAME: &'static str = "GenerateRandom";

    fn recipient(&self) -> Option<&RecipientField> {
        self.recipient.as_ref().map(|Object(field)| field)
    }

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        let len = match self.number_of_bytes {
            Some(len) if (1..=1024).contains(&len) => usize::try_from(len).map_err(|_| Fault::internal())?,
            _ => return Err(Fault::validation("NumberOfBytes must be 1 to 1024")),
        };
        let attempt = RequestContext {
            pcrs: call.recipient.as_ref().map(|recipient| &recipient.pcrs),
            ..call.attempt_on("kms:GenerateRandom", Resource::None)
        };
        call.authorize(None, &attempt)?;
        let mut random = Zeroizing::new(vec![0; len]);
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Fault::internal())?;
        let delivery = call.deliver(&random)?;
        reply(&Members { ciphertext_for_recipient: delivery.envelope, plaintext: delivery.plaintext })
    }
}
