//! [`Router`]: which handler serves which method.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::cbor;
use crate::method::{CallContext, MAX_METHOD_NAME_LEN, Method};
use crate::remote_error::{RemoteError, code};
use crate::request_place::RequestPlace;

/// The methods of one listener, with the state that their handlers share.
///
/// A handler is an `async fn(Arc<S>, CallContext, M::Request) -> Result<M::Response, RemoteError>`. It is dropped,
/// at its next `await`, when the caller cancels, when the deadline passes, and when the connection ends; a handler
/// that must finish what it began spawns that part. If it panics, the caller gets [`code::INTERNAL`] and the
/// connection lives on.
///
/// ```
/// use std::sync::Arc;
/// use vsock_rpc::{CallContext, Method, RemoteError, Router};
///
/// struct Add;
/// impl Method for Add {
///     const NAME: &'static str = "add";
///     type Request = u64;
///     type Response = u64;
/// }
///
/// async fn add(offset: Arc<u64>, _: CallContext, value: u64) -> Result<u64, RemoteError> {
///     value.checked_add(*offset).ok_or_else(|| RemoteError::new("overflow", "the sum has more than 64 bits"))
/// }
///
/// let router = Router::new(40).method::<Add, _, _>(add);
/// ```
pub struct Router<S> {
    state: Arc<S>,
    routes: Routes,
}

impl<S: Send + Sync + 'static> Router<S> {
    /// No methods yet; `state` is handed to each handler.
    #[must_use]
    pub fn new(state: S) -> Self {
        Self::from_shared(Arc::new(state))
    }

    /// The same for state that is shared already, for instance with the router of another listener.
    #[must_use]
    pub fn from_shared(state: Arc<S>) -> Self {
        Self { state, routes: Routes::default() }
    }

    /// Serves `M` with `handler`, on the connection's own task.
    ///
    /// This is the cheapest, and right for handlers that are quick between their `await`s. While one computes, the
    /// other calls of the same connection wait; see [`parallel_method`](Self::parallel_method).
    ///
    /// # Panics
    /// If `M::NAME` has a handler already: two handlers for one name are a mistake in the program.
    #[must_use]
    pub fn method<M, H, F>(self, handler: H) -> Self
    where
        M: Method,
        H: Fn(Arc<S>, CallContext, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Response, RemoteError>> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        self.route::<M>(move |call, body, _| match cbor::decode::<M::Request>(body) {
            Ok(request) => {
                let Call { context, max_response_len } = call;
                let answer = handler(Arc::clone(&state), context, request);
                Box::pin(async move { encode_answer::<M>(&answer.await?, max_response_len) })
            }
            Err(error) => refuse(&error),
        })
    }

    /// Serves `M` with `handler`, each call on its own task: calls of one connection then use all processors.
    ///
    /// # Panics
    /// If `M::NAME` has a handler already.
    #[must_use]
    pub fn parallel_method<M, H, F>(self, handler: H) -> Self
    where
        M: Method,
        H: Fn(Arc<S>, CallContext, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Response, RemoteError>> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        let handler = Arc::new(handler);
        self.route::<M>(move |call, body, place| match cbor::decode::<M::Request>(body) {
            Ok(request) => {
                let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
                let (Call { context, max_response_len }, place) = (call, place.share());
                let alive = context.connection.tasks().alive();
                Box::pin(on_own_task(async move {
                    // The task may outlive its cancellation, and the connection.
                    let (_alive, _place) = (alive, place);
                    encode_answer::<M>(&handler(state, context, request).await?, max_response_len)
                }))
            }
            Err(error) => refuse(&error),
        })
    }

    pub(crate) fn into_routes(self) -> Arc<Routes> {
        Arc::new(self.routes)
    }

    fn route<M: Method>(
        mut self,
        serve: impl Fn(Call, &[u8], &mut RequestPlace) -> Answer + Send + Sync + 'static,
    ) -> Self {
        const { assert!(!M::NAME.is_empty() && M::NAME.len() <= MAX_METHOD_NAME_LEN) };
        let previous = self.routes.by_name.insert(M::NAME, Box::new(serve));
        assert!(previous.is_none(), "the method {} has two handlers", M::NAME);
        self
    }
}

#[cfg(feature = "tower")]
impl<S> Router<S> {
    pub(crate) fn map_routes(self, map: impl FnOnce(Routes) -> Routes) -> Self {
        Self { routes: map(self.routes), ..self }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("methods", &self.routes.by_name.keys()).finish_non_exhaustive()
    }
}

/// The handlers by name, without the type of their state.
#[derive(Default)]
pub(crate) struct Routes {
    by_name: BTreeMap<&'static str, Box<Handler>>,
}

/// Takes a request's body; whatever of it the answer needs, it keeps decoded.
///
/// The request's share of the server's bound the connection holds until the answer is written; whatever else may outlive the
/// connection's interest shares it.
pub(crate) type Handler = dyn Fn(Call, &[u8], &mut RequestPlace) -> Answer + Send + Sync;

impl Routes {
    /// The name as this program spells it, and its handler.
    pub(crate) fn find(&self, name: &str) -> Option<(&'static str, &Handler)> {
        self.by_name.get_key_value(name).map(|(name, serve)| (*name, &**serve))
    }

    /// The same names with other handlers.
    #[cfg(feature = "tower")]
    pub(crate) fn map(&self, mut handler: impl FnMut(&'static str) -> Box<Handler>) -> Self {
        Self { by_name: self.by_name.keys().map(|name| (*name, handler(name))).collect() }
    }
}

/// What the server tells a handler beside the request's body.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) context: CallContext,
    pub(crate) max_response_len: usize,
}

/// A handler at work; it yields the encoded response.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, RemoteError>> + Send>>;

fn refuse(error: &cbor::CborError) -> Answer {
    let error = RemoteError::new(code::MALFORMED_REQUEST, error.to_string());
    Box::pin(std::future::ready(Err(error)))
}

fn encode_answer<M: Method>(response: &M::Response, max_len: usize) -> Result<Vec<u8>, RemoteError> {
    cbor::encode(response, max_len).map_err(|error| match error {
        cbor::CborError::TooLong { max } => {
            RemoteError::new(code::RESPONSE_TOO_LONG, format!("the response has more than {max} bytes"))
        }
        _ => RemoteError::internal(),
    })
}

/// Runs `answer` on a task that ends with the future returned here.
async fn on_own_task(
    answer: impl Future<Output = Result<Vec<u8>, RemoteError>> + Send + 'static,
) -> Result<Vec<u8>, RemoteError> {
    let mut task = AbortOnDrop(tokio::spawn(answer));
    // A panic of the handler arrives as a JoinError here.
    (&mut task.0).await.unwrap_or_else(|_| Err(RemoteError::internal()))
}

struct AbortOnDrop(tokio::task::JoinHandle<Result<Vec<u8>, RemoteError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
