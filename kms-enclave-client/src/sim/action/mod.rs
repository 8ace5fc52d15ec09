//! The actions of the simulator, one a file: request, authorisation, reply.
//!
//! Names, types and limits are those of <https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html>. The members
//! of a reply stand in the order of their names, as in the replies of the real KMS.

mod create_alias;
mod create_key;
mod decrypt;
mod delete_alias;
mod derive_shared_secret;
mod describe_key;
mod encrypt;
mod fields;
mod generate_data_key;
mod generate_data_key_pair;
mod generate_random;
mod get_key_policy;
mod get_public_key;
mod list_aliases;
mod put_key_policy;
mod update_alias;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use nsm_attest::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::fields::Delivery;
use crate::sim::fault::Fault;
use crate::sim::injection::Failure;
use crate::sim::policy::{Decision, KeyProperties, Origin, RequestContext, Resource, decide};
use crate::sim::principal::Caller;
use crate::sim::recipient::{RecipientField, VerifiedRecipient};
use crate::sim::service::{Reply, Service};
use crate::sim::vault::{Found, StoredPolicy};

/// A request of one action.
pub(crate) trait Action: DeserializeOwned + Send + 'static {
    /// Its name in `X-Amz-Target`.
    const NAME: &'static str;

    /// The `Recipient`, if the action has one and the request says it.
    fn recipient(&self) -> Option<&RecipientField> {
        None
    }

    /// Whether performing it takes more than some microseconds.
    fn is_slow(&self) -> bool {
        false
    }

    /// Performs it and gives the reply's body.
    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault>;
}

macro_rules! actions {
    ($($request:path,)+) => {
        /// Performs the action that `target` names.
        pub(crate) async fn perform(
            service: Arc<Service>,
            target: &str,
            caller: Caller,
            body: &[u8],
        ) -> Result<Reply, Fault> {
            match name_in(target) {
                $(Some(<$request>::NAME) => service.perform::<$request>(caller, body).await,)+
                _ => Err(Fault::new("UnknownOperationException", "")),
            }
        }

        /// The actions that are simulated.
        const SIMULATED: [&str; 15] = [$(<$request>::NAME,)+];
    };
}

actions! {
    create_alias::CreateAlias,
    create_key::CreateKey,
    decrypt::Decrypt,
    delete_alias::DeleteAlias,
    derive_shared_secret::DeriveSharedSecret,
    describe_key::DescribeKey,
    encrypt::Encrypt,
    generate_data_key::GenerateDataKey,
    generate_data_key_pair::GenerateDataKeyPair,
    generate_random::GenerateRandom,
    get_key_policy::GetKeyPolicy,
    get_public_key::GetPublicKey,
    list_aliases::ListAliases,
    put_key_policy::PutKeyPolicy,
    update_alias::UpdateAlias,
}

/// The action in an `X-Amz-Target`.
pub(crate) fn name_in(target: &str) -> Option<&str> {
    target.strip_prefix("TrentService.")
}

pub(crate) fn is_simulated(action: &str) -> bool {
    SIMULATED.contains(&action)
}

/// Whether requests of the action may have a `Recipient`.
pub(crate) fn takes_recipient(action: &str) -> bool {
    matches!(action, "Decrypt" | "DeriveSharedSecret" | "GenerateDataKey" | "GenerateDataKeyPair" | "GenerateRandom")
}

/// Whether replies of the action have a `KeyId`.
pub(crate) fn tells_key_id(action: &str) -> bool {
    matches!(
        action,
        "Decrypt" | "DeriveSharedSecret" | "Encrypt" | "GenerateDataKey" | "GenerateDataKeyPair" | "GetPublicKey"
    )
}

/// How many requests of each action have arrived.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    each: [AtomicU64; SIMULATED.len()],
    other: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, action: &str) {
        let index = SIMULATED.iter().position(|name| *name == action);
        index.map_or(&self.other, |index| &self.each[index]).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, action: &str) -> u64 {
        let index = SIMULATED.iter().position(|name| *name == action);
        index.map_or(0, |index| self.each[index].load(Ordering::Relaxed))
    }

    pub(crate) fn total(&self) -> u64 {
        let each: u64 = self.each.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        each + self.other.load(Ordering::Relaxed)
    }
}

/// One request under way.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    pub(crate) caller: &'a Caller,
    pub(crate) now: UnixTime,
    pub(crate) recipient: Option<Arc<VerifiedRecipient>>,
    pub(crate) failure: Option<Failure>,
}

impl Call<'_> {
    /// The key that a `KeyId` names.
    pub(crate) fn find(&self, key_id: &str) -> Result<Found, Fault> {
        self.service.vault().find(key_id, &self.service.place)
    }

    /// A request for `permission` on a key, as policies see it.
    pub(crate) fn attempt<'b>(&'b self, permission: &'b str, found: &'b Found) -> RequestContext<'b> {
        let spec = found.key.spec;
        RequestContext {
            key_properties: Some(KeyProperties { spec, usage: spec.usage(), is_multi_region: false }),
            pcrs: self.recipient.as_ref().map(|recipient| &recipient.pcrs),
            request_alias: found.request_alias.as_deref(),
            ..self.attempt_on(permission, Resource::Key { arn: &found.key.arn, aliases: &found.aliases })
        }
    }

    /// A request for `permission` on something else.
    pub(crate) fn attempt_on<'b>(&'b self, permission: &'b str, resource: Resource<'b>) -> RequestContext<'b> {
        RequestContext::new(&self.caller.principal, permission, resource)
    }

    /// Asks the key policy, if there is a key, and the caller's own.
    pub(crate) fn authorize(&self, policy: Option<&StoredPolicy>, request: &RequestContext<'_>) -> Result<(), Fault> {
        let resource = match request.resource {
            Resource::None => String::new(),
            other => format!(" on resource: {}", other.as_str()),
        };
        self.authorize_showing(policy, request, &resource)
    }

    /// [`authorize`](Self::authorize), where a refusal names the resource in other words.
    pub(crate) fn authorize_showing(
        &self,
        policy: Option<&StoredPolicy>,
        request: &RequestContext<'_>,
        resource: &str,
    ) -> Result<(), Fault> {
        let reason = match decide(policy.map(|stored| &stored.policy), &self.caller.identity, request) {
            Decision::Allowed => return Ok(()),
            Decision::DeniedBy(origin) => {
                let article = if origin == Origin::Identity { "an" } else { "a" };
                format!("with an explicit deny in {article} {} policy", origin.as_str())
            }
            Decision::NotAllowedBy(origin) => {
                format!("because no {} policy allows the {} action", origin.as_str(), request.action)
            }
        };
        let (who, what) = (&request.caller.arn, request.action);
        Err(Fault::access_denied(format!("User: {who} is not authorized to perform: {what}{resource} {reason}")))
    }

    /// With a Recipient a secret travels in its envelope only, unless something is to go wrong.
    pub(crate) fn deliver(&self, secret: &[u8]) -> Result<Delivery, Fault> {
        let Some(recipient) = &self.recipient else { return Ok(Delivery::in_plaintext(secret)) };
        let delivery = Delivery::enveloped(&recipient.seal(secret)?);
        Ok(match &self.failure {
            Some(Failure::EnvelopeForAnotherRecipient) => Delivery::enveloped(&fields::seal_for_a_stranger(secret)?),
            Some(Failure::EnvelopeMissing) => Delivery::default(),
            Some(Failure::EnvelopeTruncated { len }) => {
                let sealed = recipient.seal(secret)?;
                Delivery::enveloped(&sealed[..sealed.len().min(*len)])
            }
            Some(Failure::PlaintextBesideEnvelope) => delivery.beside(secret),
            _ => delivery,
        })
    }

    /// The reply's `KeyId`: the key's ARN, unless something is to go wrong.
    pub(crate) fn key_id<'b>(&'b self, found: &'b Found) -> &'b str {
        match &self.failure {
            Some(Failure::KeyIdOf(other)) => other.as_str(),
            _ => found.key.arn.as_str(),
        }
    }
}

/// A reply's body.
fn reply(members: &impl Serialize) -> Result<Bytes, Fault> {
    serde_json::to_vec(members).map(Bytes::from).map_err(|_| Fault::internal())
}

/// The body of a reply without content.
const NOTHING: Bytes = Bytes::new();
