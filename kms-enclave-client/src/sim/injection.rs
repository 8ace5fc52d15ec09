//! [`Injection`]: what is to go wrong with the next requests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::key_arn::KeyArn;
use crate::sim::action::{is_simulated, takes_recipient, tells_key_id};

/// A [`Failure`] and the requests that it befalls: the next one, of any action that it can befall, unless said otherwise.
///
/// A request is counted once it has been authenticated and read; failures that need a reply with an envelope befall
/// requests with a Recipient only. Requests of other actions pass, and so do those that are refused before.
///
/// ```no_run
/// # use kms_enclave_client::sim::{Failure, Injection, InjectionError, KmsSimulator};
/// # fn example(kms: &KmsSimulator) -> Result<(), InjectionError> {
/// // The next two Decrypts are throttled, and the third waits for a reply that never comes whole.
/// kms.inject(Injection::new(Failure::exception("ThrottlingException")).action("Decrypt").requests(2))?;
/// kms.inject(Injection::new(Failure::ClosedWithinReply).action("Decrypt"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    failure: Failure,
    action: Option<String>,
    requests: u32,
}

impl Injection {
    /// `failure` for the next request that it can befall.
    #[must_use]
    pub fn new(failure: Failure) -> Self {
        Self { failure, action: None, requests: 1 }
    }

    /// Of this action only, say `Decrypt`.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// For so many requests; none at zero.
    #[must_use]
    pub fn requests(mut self, requests: u32) -> Self {
        self.requests = requests;
        self
    }

    fn check(&self) -> Result<(), InjectionError> {
        if let Some(action) = &self.action {
            if !is_simulated(action) {
                return Err(InjectionError::UnknownAction { action: action.clone() });
            }
            if !self.failure.can_befall(action) {
                return Err(InjectionError::Inapplicable { action: action.clone() });
            }
        }
        match &self.failure {
            Failure::Exception { status, .. } | Failure::Bare { status } if !(400..=599).contains(status) => {
                Err(InjectionError::BadStatus { status: *status })
            }
            Failure::Delay(delay) if *delay > MAX_DELAY => Err(InjectionError::DelayTooLong { max: MAX_DELAY }),
            _ => Ok(()),
        }
    }

    fn befalls(&self, request: Befallen<'_>) -> bool {
        self.action.as_deref().is_none_or(|action| action == request.action)
            && self.failure.can_befall(request.action)
            && (request.has_recipient || !self.failure.needs_recipient())
            && (request.has_earlier_reply || self.failure != Failure::ReplyReplayed)
    }
}

/// What goes wrong with a request.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A status of 400 to 599 with an empty body: KMS answers some attestation documents with a bare 400.
    Bare {
        /// The HTTP status.
        status: u16,
    },
    /// The connection is closed once the request was performed, before a byte of the reply.
    ClosedAfterRequest,
    /// The connection is closed once the request's head has arrived: nothing is performed. As seen by a client that keeps
    /// connections, the server closed an idle one.
    ClosedBeforeRequest,
    /// The connection is closed in the middle of the reply's body, whose announced length is the whole one.
    ClosedWithinReply,
    /// The reply takes so much longer, at most a minute.
    Delay(Duration),
    /// `CiphertextForRecipient` is an envelope for another key than the attestation document's.
    EnvelopeForAnotherRecipient,
    /// The reply has neither `CiphertextForRecipient` nor plaintext.
    EnvelopeMissing,
    /// `CiphertextForRecipient` ends after so many bytes of the envelope.
    EnvelopeTruncated {
        /// How many bytes are left.
        len: usize,
    },
    /// An error reply: any name, so that what AWS might say tomorrow can be tried today. Nothing is performed.
    Exception {
        /// The exception's name, for example `ThrottlingException`.
        name: String,
        /// Its message.
        message: String,
        /// The HTTP status, 400 to 599.
        status: u16,
    },
    /// The reply's `KeyId` names this key instead.
    KeyIdOf(KeyArn),
    /// The reply has the plaintext in `Plaintext` (`PrivateKeyPlaintext`, `SharedSecret`), beside its envelope.
    PlaintextBesideEnvelope,
    /// The reply is, byte for byte, the last one that the action gave to the same recipient key. Nothing is performed.
    ReplyReplayed,
}

impl Failure {
    /// The error reply of this name, with the status that AWS gives it and without message.
    ///
    /// ```
    /// use kms_enclave_client::sim::Failure;
    ///
    /// assert!(matches!(Failure::exception("ThrottlingException"), Failure::Exception { status: 400, .. }));
    /// assert!(matches!(Failure::exception("KMSInternalException"), Failure::Exception { status: 500, .. }));
    /// ```
    #[must_use]
    pub fn exception(name: impl Into<String>) -> Self {
        let name = name.into();
        let status = match name.as_str() {
            "DependencyTimeoutException" | "KMSInternalException" | "KeyUnavailableException" | "InternalFailure" => {
                500
            }
            "ServiceUnavailable" | "ServiceUnavailableException" => 503,
            _ => 400,
        };
        Self::Exception { name, message: String::new(), status }
    }

    fn needs_recipient(&self) -> bool {
        matches!(
            self,
            Self::EnvelopeForAnotherRecipient
                | Self::EnvelopeMissing
                | Self::EnvelopeTruncated { .. }
                | Self::PlaintextBesideEnvelope
                | Self::ReplyReplayed
        )
    }

    fn can_befall(&self, action: &str) -> bool {
        match self {
            Self::KeyIdOf(_) => tells_key_id(action),
            failure if failure.needs_recipient() => takes_recipient(action),
            _ => true,
        }
    }
}

/// Why an [`Injection`] was not taken.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectionError {
    /// An error reply has a status of 400 to 599.
    #[error("{status} is not the status of an error")]
    BadStatus {
        /// The status that was given.
        status: u16,
    },
    /// A longer delay than the simulator waits.
    #[error("a reply is delayed by at most {max:?}")]
    DelayTooLong {
        /// The longest delay.
        max: Duration,
    },
    /// The failure cannot befall the action: its replies have no envelope, or no `KeyId`.
    #[error("this failure cannot befall {action}")]
    Inapplicable {
        /// The action.
        action: String,
    },
    /// Too many injections are waiting.
    #[error("{max} injections are waiting already")]
    TooMany {
        /// The most that wait.
        max: usize,
    },
    /// The simulator has no such action.
    #[error("the simulator has no action {action:?}")]
    UnknownAction {
        /// The action.
        action: String,
    },
}

/// A request that something may befall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Befallen<'a> {
    pub(crate) action: &'a str,
    pub(crate) has_recipient: bool,
    /// Whether an earlier reply to the same recipient is at hand.
    pub(crate) has_earlier_reply: bool,
}

/// The injections that wait, first in, first out.
#[derive(Debug, Default)]
pub(crate) struct Injections(Mutex<VecDeque<Injection>>);

impl Injections {
    pub(crate) fn push(&self, injection: Injection) -> Result<(), InjectionError> {
        injection.check()?;
        if injection.requests == 0 {
            return Ok(());
        }
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING {
            return Err(InjectionError::TooMany { max: MAX_WAITING });
        }
        waiting.push_back(injection);
        Ok(())
    }

    /// How many requests are still to be befallen.
    pub(crate) fn requests_left(&self) -> u64 {
        self.waiting().iter().map(|injection| u64::from(injection.requests)).sum()
    }

    pub(crate) fn clear(&self) {
        self.waiting().clear();
    }

    /// Whether the connection is to be closed on the head of a request of `action`.
    pub(crate) fn closes_before(&self, action: &str) -> bool {
        // Nobody knows yet who asks and what for: other failures keep their place.
        let befallen = Befallen { action, has_recipient: true, has_earlier_reply: true };
        self.take_if(befallen, |failure| *failure == Failure::ClosedBeforeRequest).is_some()
    }

    /// What befalls a request that was authenticated and read.
    pub(crate) fn take(&self, request: Befallen<'_>) -> Option<Failure> {
        self.take_if(request, |failure| *failure != Failure::ClosedBeforeRequest)
    }

    /// The first failure that befalls `request`, if `is_wanted`.
    fn take_if(&self, request: Befallen<'_>, is_wanted: impl Fn(&Failure) -> bool) -> Option<Failure> {
        let mut waiting = self.waiting();
        let index = waiting.iter().position(|injection| injection.befalls(request))?;
        let injection = waiting.get_mut(index).filter(|injection| is_wanted(&injection.failure))?;
        injection.requests -= 1;
        let failure = injection.failure.clone();
        waiting.retain(|injection| injection.requests > 0);
        Some(failure)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Injection>> {
        // No code panics while it holds the lock half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    pub(crate) fn status(status: u16) -> StatusCode {
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

const MAX_WAITING: usize = 256;
const MAX_DELAY: Duration = Duration::from_secs(60);
