//! [`Service`]: everything that the simulator knows, and the way of a request through it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use nsm_attest::Clock;
use serde::de::DeserializeOwned;

use crate::json_object::Object;
use crate::key_arn::KeyArn;
use crate::sim::action::{Action, Call, Counters};
use crate::sim::authenticate::Registered;
use crate::sim::fault::Fault;
use crate::sim::injection::{Befallen, Failure, Injections};
use crate::sim::policy::{Decision, Policy, PolicyKind, RequestContext, decide};
use crate::sim::principal::{Caller, KnownPrincipals, Principal};
use crate::sim::recipient::{PresentedDocument, Recipients, VerifiedRecipient};
use crate::sim::slow_work::SlowWork;
use crate::sim::vault::{Place, StoredPolicy, Vault};

/// Everything that the simulator knows.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) place: Place,
    /// The names under which requests may address it.
    pub(crate) hosts: Vec<String>,
    pub(crate) clock: Clock,
    pub(crate) registered: Arc<[Registered]>,
    pub(crate) principals: Vec<Principal>,
    pub(crate) recipients: Recipients,
    pub(crate) injections: Injections,
    pub(crate) counters: Counters,
    slow_work: SlowWork,
    vault: RwLock<Vault>,
    /// The last reply of each action with an envelope, and the key that it was enveloped for.
    earlier_replies: Mutex<HashMap<&'static str, ([u8; 32], Bytes)>>,
}

/// What a request comes to.
#[derive(Debug)]
pub(crate) struct Reply {
    /// JSON, or nothing.
    pub(crate) body: Bytes,
    pub(crate) ending: Ending,
}

/// How much of a reply is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Nothing,
    Half,
    Whole,
}

impl Service {
    pub(crate) fn new(
        place: Place,
        hosts: Vec<String>,
        clock: Clock,
        registered: Arc<[Registered]>,
        recipients: Recipients,
    ) -> Self {
        Self {
            place,
            hosts,
            clock,
            principals: registered.iter().map(|entry| entry.caller.principal.clone()).collect(),
            registered,
            recipients,
            injections: Injections::default(),
            counters: Counters::default(),
            slow_work: SlowWork::default(),
            vault: RwLock::default(),
            earlier_replies: Mutex::default(),
        }
    }

    /// Performs one action for an authenticated caller.
    pub(crate) async fn perform<A: Action>(self: Arc<Self>, caller: Caller, body: &[u8]) -> Result<Reply, Fault> {
        let request: A = parse(body)?;
        let recipient = self.recipient(request.recipient().map(|field| field.document()).transpose()?).await?;
        let earlier_reply = self.earlier_reply::<A>(recipient.as_deref());
        let failure = self.injections.take(Befallen {
            action: A::NAME,
            has_recipient: recipient.is_some(),
            has_earlier_reply: earlier_reply.is_some(),
        });
        match &failure {
            Some(Failure::Exception { name, message, status }) => {
                return Err(Fault { status: Failure::status(*status), ..Fault::new(name, message) });
            }
            Some(Failure::Bare { status }) => return Err(Fault::bare(Failure::status(*status))),
            Some(Failure::ReplyReplayed) => {
                let body = earlier_reply.ok_or_else(Fault::internal)?;
                return Ok(Reply { body, ending: Ending::Whole });
            }
            Some(Failure::Delay(delay)) => tokio::time::sleep(*delay).await,
            _ => {}
        }
        self.compute(request, caller, recipient, failure).await
    }

    /// Work of microseconds is done at once; longer work must not keep other connections waiting.
    async fn compute<A: Action>(
        self: Arc<Self>,
        request: A,
        caller: Caller,
        recipient: Option<Arc<VerifiedRecipient>>,
        failure: Option<Failure>,
    ) -> Result<Reply, Fault> {
        let ending = match &failure {
            Some(Failure::ClosedAfterRequest) => Ending::Nothing,
            Some(Failure::ClosedWithinReply) => Ending::Half,
            _ => Ending::Whole,
        };
        let is_as_it_should_be = failure.is_none();
        let is_slow = request.is_slow() || failure == Some(Failure::EnvelopeForAnotherRecipient);
        let service = Arc::clone(&self);
        let addressee = recipient.as_ref().map(|recipient| recipient.identifier);
        let work = move || {
            let call = Call { now: service.clock.now(), service: &service, caller: &caller, recipient, failure };
            request.perform(&call)
        };
        let body = if is_slow { self.slow_work.perform(work).await? } else { work()? };
        if let Some(addressee) = addressee.filter(|_| is_as_it_should_be) {
            let mut earlier = self.earlier_replies.lock().unwrap_or_else(PoisonError::into_inner);
            earlier.insert(A::NAME, (addressee, body.clone()));
        }
        Ok(Reply { body, ending })
    }

    async fn recipient(
        self: &Arc<Self>,
        document: Option<PresentedDocument>,
    ) -> Result<Option<Arc<VerifiedRecipient>>, Fault> {
        let Some(document) = document else { return Ok(None) };
        let now = self.clock.now();
        if let Some(known) = self.recipients.known(&document, now) {
            return Ok(Some(known));
        }
        let service = Arc::clone(self);
        self.slow_work.perform(move || service.recipients.verify(&document, now)).await.map(Some)
    }

    fn earlier_reply<A: Action>(&self, recipient: Option<&VerifiedRecipient>) -> Option<Bytes> {
        let recipient = recipient?;
        let earlier = self.earlier_replies.lock().unwrap_or_else(PoisonError::into_inner);
        let (addressee, body) = earlier.get(A::NAME)?;
        (*addressee == recipient.identifier).then(|| body.clone())
    }

    /// To look something up. Every change to the vault is one assignment or insertion of values already made.
    pub(crate) fn vault(&self) -> RwLockReadGuard<'_, Vault> {
        self.vault.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn vault_mut(&self) -> RwLockWriteGuard<'_, Vault> {
        self.vault.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the key policy that `caller` wrote and, unless told not to, makes sure that it lets its author's next
    /// PutKeyPolicy pass, which is `attempt`.
    pub(crate) fn checked_policy(
        &self,
        text: String,
        key: &KeyArn,
        caller: &Caller,
        attempt: Option<&RequestContext<'_>>,
    ) -> Result<StoredPolicy, Fault> {
        let principals = KnownPrincipals::Only(&self.principals);
        let policy = Policy::parse(&text, PolicyKind::Key { key, principals })?;
        if attempt.is_some_and(|attempt| decide(Some(&policy), &caller.identity, attempt) != Decision::Allowed) {
            return Err(Fault::malformed_policy(
                "The new key policy will not allow you to update the key policy in the future.",
            ));
        }
        Ok(StoredPolicy { text, policy })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let read = serde_json::from_slice(body).map(|Object(request)| request);
    read.map_err(|error| Fault::new("SerializationException", error.to_string()))
}
