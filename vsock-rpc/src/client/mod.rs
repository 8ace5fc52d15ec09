//! [`Client`]: calls methods of a server, many at a time over one connection, or a few.

mod aftermath;
mod builder;
mod connection;
mod connections;
mod connector;
mod dialer;
mod disconnect_reason;
mod driver;
mod driving;
mod error;
#[cfg(test)]
mod races;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use self::builder::ClientBuilder;
use self::connection::{Connection, Ticket};
pub use self::connector::Connector;
use self::dialer::Dialer;
pub use self::disconnect_reason::DisconnectReason;
pub use self::error::CallError;
use crate::cbor::{self, EncodedRequest};
use crate::limits::cut_to_max_timeout;
use crate::method::{MAX_METHOD_NAME_LEN, Method};
#[cfg(feature = "tower")]
use crate::middleware::{ClientService, OutgoingCall};
use crate::spare;

/// Calls the methods of one server.
///
/// Clones are cheap and share one connection, made at the first call and again when it was lost. When the last
/// clone and its last call are gone, the connection is closed. [`ClientBuilder::max_connections`] permits more.
///
/// An attempt to connect is made for all calls that wait for it, and fails them all; a call waits for another one only if
/// the connection ended before the call was on it. After failures, further attempts pause for a growing while, inside the
/// timeouts of the calls that wait for them; only a connection that answered a request, be it with a refusal, ends that.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    #[cfg(feature = "tower")]
    layered: Option<ClientService>,
}

struct Inner {
    dialer: Arc<Dialer>,
    in_flight: Arc<Semaphore>,
    /// The task that makes a further connection.
    growth: Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// A client of the server at an [`Addr`](crate::Addr), or behind any other [`Connector`].
    pub fn builder(connector: impl Into<Connector>) -> ClientBuilder {
        ClientBuilder::new(connector.into())
    }

    /// Calls `M` and waits for the answer, for at most `timeout` in all, from when the future is first polled: connecting,
    /// queueing and the handler.
    ///
    /// The request is encoded before this returns. Dropping the future cancels the call, and the server drops the
    /// handler.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::may_have_run`] tells whether the call may be repeated blindly.
    pub fn call<M: Method>(
        &self,
        request: &M::Request,
        timeout: Duration,
    ) -> impl Future<Output = Result<M::Response, CallError>> + Send + use<M> {
        const { assert!(!M::NAME.is_empty() && M::NAME.len() <= MAX_METHOD_NAME_LEN) };
        let max_len = self.inner.dialer.limits().max_payload_len;
        let encoded = cbor::encode_request(M::NAME, request, max_len);
        let inner = Arc::clone(&self.inner);
        #[cfg(feature = "tower")]
        let layered = self.layered.clone();
        async move {
            let request = encoded.map_err(CallError::UnsendableRequest)?;
            let timeout = cut_to_max_timeout(timeout);
            let deadline = Instant::now() + timeout;
            #[cfg(feature = "tower")]
            let payload = match layered {
                Some(layered) => Vec::from(layered.serve(OutgoingCall::new(M::NAME, request, deadline)).await?),
                None => inner.exchange(request, deadline, timeout).await?,
            };
            #[cfg(not(feature = "tower"))]
            let payload = inner.exchange(request, deadline, timeout).await?;
            let response = cbor::decode(&payload).map_err(CallError::MalformedResponse);
            spare::give_back(payload);
            response
        }
    }

    fn new(builder: ClientBuilder) -> Self {
        let in_flight = Arc::new(Semaphore::new(builder.limits.max_in_flight));
        let dialer = Arc::new(Dialer::new(builder.connector, builder.limits));
        let inner = Arc::new(Inner { dialer, in_flight, growth: Mutex::default() });
        Self {
            #[cfg(feature = "tower")]
            layered: builder.layers.around(|| {
                let inner = Arc::clone(&inner);
                ClientService::new(move |request, deadline| {
                    let inner = Arc::clone(&inner);
                    async move { inner.exchange(request, deadline, until(deadline)).await }
                })
            }),
            inner,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("target", self.inner.dialer.target()).finish_non_exhaustive()
    }
}

impl Inner {
    /// `left` is how long it is until the deadline, for whoever has just looked at the clock.
    async fn exchange(
        &self,
        mut request: EncodedRequest,
        deadline: Instant,
        left: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let mut ticket = match self.begin_now(&mut request, left) {
            Ok(begun) => {
                // It is copied; while its caller waits, its memory serves others.
                spare::give_back(request.into_payload());
                begun?
            }
            Err(permit) => {
                // Boxed: a call's future is moved by its caller, and this part is seldom needed.
                let begun = Box::pin(timeout_at(deadline, self.begin(permit, request, deadline))).await;
                begun.map_err(|_elapsed| CallError::DeadlineExceeded { may_have_run: false })??
            }
        };
        // On timeout the ticket is dropped, which cancels the call.
        if let Some(reply) = ticket.reply_by_alarm(deadline).await {
            return reply;
        }
        timeout_at(deadline, ticket).await.map_err(|_elapsed| CallError::DeadlineExceeded { may_have_run: true })?
    }

    /// Begins a call that has nothing to wait for; else gives back the permit, if it got that far.
    fn begin_now(
        &self,
        request: &mut EncodedRequest,
        left: Duration,
    ) -> Result<Result<Ticket, CallError>, Option<OwnedSemaphorePermit>> {
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else { return Err(None) };
        let Some(connection) = self.dialer.likely() else { return Err(Some(permit)) };
        self.begin_on(connection, permit, request, left).map_err(Some)
    }

    async fn begin(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        mut request: EncodedRequest,
        deadline: Instant,
    ) -> Result<Ticket, CallError> {
        let mut permit = match permit {
            Some(permit) => permit,
            None => self.permit().await,
        };
        loop {
            let connection = self.dialer.connection(deadline).await?;
            match self.begin_on(connection, permit, &mut request, until(deadline)) {
                Ok(begun) => return begun,
                // It ended since it was looked up, and the dialer pauses; or its leader was woken and has not come, and the
                // dialer deposes it.
                Err(returned) => permit = returned,
            }
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        let mut permit = pin!(Arc::clone(&self.in_flight).acquire_owned());
        let permit = poll_fn(|cx| {
            let polled = permit.as_mut().poll(cx);
            if polled.is_pending() {
                // A caller that drives and does not come may be what keeps a permit from being given back. Only now, in the
                // queue, is it sure that no other one begins to drive: none is left until this one has its permit.
                self.dialer.depose_leaders();
            }
            polled
        });
        permit.await.expect("the semaphore is never closed")
    }

    fn begin_on(
        &self,
        connection: Arc<Connection>,
        permit: OwnedSemaphorePermit,
        request: &mut EncodedRequest,
        left: Duration,
    ) -> Result<Result<Ticket, CallError>, OwnedSemaphorePermit> {
        if self.dialer.wants_another() {
            self.grow();
        }
        if left.is_zero() {
            return Ok(Err(CallError::DeadlineExceeded { may_have_run: false }));
        }
        request.set_deadline_ms(milliseconds(left));
        connection.begin(request, permit).map(Ok)
    }

    /// Makes a further connection in the background, unless that is going on.
    fn grow(&self) {
        let mut growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        if growth.as_ref().is_none_or(JoinHandle::is_finished) {
            let dialer = Arc::clone(&self.dialer);
            *growth = Some(tokio::spawn(async move { dialer.add_another().await }));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // It holds the dialer, and with it the connections.
        if let Some(growth) = self.growth.get_mut().unwrap_or_else(PoisonError::into_inner) {
            growth.abort();
        }
    }
}

fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Rounded up: a call with less than a millisecond left still has a deadline that is not over.
fn milliseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_nanos().div_ceil(1_000_000).into())
}
