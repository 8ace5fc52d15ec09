//! Layers between a connection and its handlers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;

use super::{BoxError, oneshot};
use crate::method::CallContext;
use crate::remote_error::{RemoteError, code};
use crate::request_place::{RequestPlace, SharedPlace};
use crate::router::{Answer, Call, Router, Routes};

/// A call on its way to its handler. Each clone holds the call's place among the requests in flight, also after the answer.
#[derive(Clone)]
pub struct IncomingCall {
    call: Call,
    body: Bytes,
    place: SharedPlace,
}

impl IncomingCall {
    /// What the handler will know of the call: method, peer, deadline.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.call.context
    }

    /// The request, still encoded, and not known to be what the method takes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for IncomingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingCall")
            .field("context", &self.call.context)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An [`Answer`] as layers see it: bytes that are cheap to clone.
type LayeredAnswer = Pin<Box<dyn Future<Output = Result<Bytes, RemoteError>> + Send>>;

/// The methods of a router, and the layers that are around them already. Clones are cheap.
#[derive(Clone)]
pub struct HandlerService {
    routes: Arc<Routes>,
}

impl Service<IncomingCall> for HandlerService {
    type Response = Bytes;
    type Error = RemoteError;
    type Future = LayeredAnswer;

    /// Always ready: the server has admitted the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RemoteError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, IncomingCall { call, body, place }: IncomingCall) -> LayeredAnswer {
        match self.routes.find(call.context.method) {
            Some((_, serve)) => {
                let answer = serve(call, &body, &mut RequestPlace::Shared(place));
                Box::pin(async move { answer.await.map(Bytes::from) })
            }
            // A layer is around the methods that were there when it came, and the server asks for no other.
            None => Box::pin(std::future::ready(Err(RemoteError::internal()))),
        }
    }
}

impl fmt::Debug for HandlerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

impl<S> Router<S> {
    /// Puts `layer` around the methods added so far, as one service; a later layer is outside of an earlier one.
    ///
    /// Layers see the calls of these methods that the server has admitted, and run within the handler's deadline and
    /// panic isolation. A layer that answers with a [`RemoteError`], also a boxed one, answers the caller with it; any
    /// other error is [`code::INTERNAL`] to the caller, without its text. Routers without layers pay nothing.
    #[must_use]
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<HandlerService>,
        L::Service: Service<IncomingCall, Response = Bytes> + Clone + Send + Sync + 'static,
        <L::Service as Service<IncomingCall>>::Error: Into<BoxError> + Send,
        <L::Service as Service<IncomingCall>>::Future: Send + 'static,
    {
        self.map_routes(|routes| {
            let routes = Arc::new(routes);
            let service = layer.layer(HandlerService { routes: Arc::clone(&routes) });
            routes.map(|_| {
                let service = service.clone();
                Box::new(move |call: Call, body: &[u8], place: &mut RequestPlace| -> Answer {
                    let call = IncomingCall { call, body: Bytes::copy_from_slice(body), place: place.share() };
                    let answer = oneshot(service.clone(), call);
                    Box::pin(async move { answer.await.map(Vec::from).map_err(into_remote) })
                })
            })
        })
    }
}

fn into_remote(error: BoxError) -> RemoteError {
    match error.downcast::<RemoteError>() {
        Ok(error) => *error,
        // What it says may be no business of the peer's.
        Err(_) => RemoteError::new(code::INTERNAL, "a layer before the handler failed"),
    }
}
