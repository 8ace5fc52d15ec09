//! Layers between callers and connections.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use tower_layer::Layer;
use tower_service::Service;

use super::{BoxError, oneshot};
use crate::cbor::EncodedRequest;
use crate::client::{CallError, ClientBuilder};

/// A call on its way to a connection. A clone is the same call again, as retries need it.
#[derive(Clone)]
pub struct OutgoingCall {
    method: &'static str,
    request: EncodedRequest,
    deadline: Instant,
    may_have_run: Arc<AtomicBool>,
}

impl OutgoingCall {
    /// The name of the method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// When the caller stops waiting, for layers, connecting and the handler together.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How many bytes the request has on the wire, beside its frame's header.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.request.payload().len()
    }

    pub(crate) fn new(method: &'static str, request: EncodedRequest, deadline: Instant) -> Self {
        Self { method, request, deadline, may_have_run: Arc::default() }
    }
}

impl fmt::Debug for OutgoingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingCall")
            .field("method", &self.method)
            .field("deadline", &self.deadline)
            .field("payload_len", &self.payload_len())
            .finish_non_exhaustive()
    }
}

/// The connections of a client, and the layers that are around them already. Clones are cheap.
#[derive(Clone)]
pub struct ClientService {
    call: Arc<dyn Fn(OutgoingCall) -> Exchanging + Send + Sync>,
}

type Exchanging = Pin<Box<dyn Future<Output = Result<Bytes, CallError>> + Send>>;

impl ClientService {
    /// The innermost service, which makes a call of its own for each that comes.
    pub(crate) fn new<F>(exchange: impl Fn(EncodedRequest, Instant) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<u8>, CallError>> + Send + 'static,
    {
        let call = move |call: OutgoingCall| -> Exchanging {
            let mark = MarkOnDrop(Some(call.may_have_run));
            let exchanging = exchange(call.request, call.deadline);
            Box::pin(async move {
                let mut mark = mark;
                let result = exchanging.await;
                if result.as_ref().is_err_and(|error| !error.may_have_run()) {
                    mark.0 = None;
                }
                result.map(Bytes::from)
            })
        };
        Self { call: Arc::new(call) }
    }

    pub(crate) async fn serve(self, call: OutgoingCall) -> Result<Bytes, CallError> {
        let (deadline, may_have_run) = (call.deadline, Arc::clone(&call.may_have_run));
        let result = timeout_at(deadline, (self.call)(call)).await;
        // By now everything that the layers had going is dropped, and has left its mark.
        result.unwrap_or_else(|_elapsed| {
            Err(CallError::DeadlineExceeded { may_have_run: may_have_run.load(Ordering::Acquire) })
        })
    }

    fn layered<L>(self, layer: &L) -> Self
    where
        L: Layer<Self>,
        L::Service: Service<OutgoingCall, Response = Bytes> + Clone + Send + Sync + 'static,
        <L::Service as Service<OutgoingCall>>::Error: Into<BoxError> + Send,
        <L::Service as Service<OutgoingCall>>::Future: Send + 'static,
    {
        let service = layer.layer(self);
        let call = move |call: OutgoingCall| -> Exchanging {
            let may_have_run = Arc::clone(&call.may_have_run);
            let answer = oneshot(service.clone(), call);
            Box::pin(async move {
                let result = answer.await;
                // What the layer had going is dropped, and has left its mark. It may have repeated the call: then the
                // last attempt's error alone says nothing of the earlier ones.
                result.map_err(|error| into_call_error(error, may_have_run.load(Ordering::Acquire)))
            })
        };
        Self { call: Arc::new(call) }
    }
}

impl Service<OutgoingCall> for ClientService {
    type Response = Bytes;
    type Error = CallError;
    type Future = Exchanging;

    /// Always ready: a call waits for its turn, and for a connection, within its own deadline.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: OutgoingCall) -> Exchanging {
        (self.call)(call)
    }
}

impl fmt::Debug for ClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Puts `layer` around the calls; a later layer is outside of an earlier one.
    ///
    /// A layer that answers with a [`CallError`], also a boxed one, answers the caller with it; any other error becomes
    /// [`CallError::Layer`], and so does one that says that the call did not run, if the layer repeated the call and
    /// another attempt may have. The timeout of a call holds for its layers too. Clients without layers pay nothing.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<ClientService> + Send + Sync + 'static,
        L::Service: Service<OutgoingCall, Response = Bytes> + Clone + Send + Sync + 'static,
        <L::Service as Service<OutgoingCall>>::Error: Into<BoxError> + Send,
        <L::Service as Service<OutgoingCall>>::Future: Send + 'static,
    {
        self.layers.0.push(Arc::new(move |service| service.layered(&layer)));
        self
    }
}

/// The layers that a client is built with, the innermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<Arc<WrapService>>);

type WrapService = dyn Fn(ClientService) -> ClientService + Send + Sync;

impl Layers {
    /// `service` with the layers around it; `None` if there are none.
    pub(crate) fn around(&self, service: impl FnOnce() -> ClientService) -> Option<ClientService> {
        (!self.0.is_empty()).then(|| self.0.iter().fold(service(), |service, layer| layer(service)))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layers").field(&self.0.len()).finish()
    }
}

fn into_call_error(error: BoxError, may_have_run: bool) -> CallError {
    let error = match error.downcast::<CallError>() {
        Ok(error) => *error,
        Err(error) => return CallError::Layer { may_have_run, error: error.into() },
    };
    match error {
        CallError::Layer { error, .. } => CallError::Layer { may_have_run, error },
        error if may_have_run && !error.may_have_run() => CallError::Layer { may_have_run, error: Arc::new(error) },
        error => error,
    }
}

/// Marks that a call may have run, unless it is known by then that it did not.
struct MarkOnDrop(Option<Arc<AtomicBool>>);

impl Drop for MarkOnDrop {
    fn drop(&mut self) {
        if let Some(may_have_run) = self.0.take() {
            may_have_run.store(true, Ordering::Release);
        }
    }
}
