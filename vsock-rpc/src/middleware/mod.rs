//! Middleware: other people's layers around the calls that a client makes and a server serves.
//!
//! The joint is [`tower_service::Service`], so that tracing, metrics, limits, retries and whatever else exists for
//! `tower` is not written again here. [`Router::layer`](crate::Router::layer) puts a layer around the methods of a
//! router, which is a [`HandlerService`] of [`IncomingCall`]s; [`ClientBuilder::layer`](crate::client::ClientBuilder::layer)
//! around the calls of a client, a [`ClientService`] of [`OutgoingCall`]s. Both sides' responses are encoded
//! ([`Bytes`]): a layer sees which method is called, by whom, until when and with what result, but needs to know no
//! method's types. Each call is served by a clone of the layered service, so that what calls share (a
//! semaphore, a counter) must be behind an `Arc`, as it is in `tower`'s own layers.
//!
//! A layer sees, delays, refuses and counts calls; it cannot change them, nor hand anything to the handler. A call that its
//! caller gave up keeps what it holds, such as a place in `concurrency_limit`, until the server has dropped its handler: the
//! next call may come before that.
//!
//! The example needs `tower` with its features `limit`, `load-shed` and `util`, and `tokio` with `macros` and `rt`.
//!
//! ```
//! use std::time::Duration;
//!
//! use tower::{BoxError, ServiceBuilder, load_shed};
//! use vsock_rpc::{Client, Listener, Method, RemoteError, Router, Server, code};
//!
//! struct Add;
//! impl Method for Add {
//!     const NAME: &'static str = "add";
//!     type Request = (u32, u32);
//!     type Response = u32;
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // At most eight additions at a time, whoever asks for them; the next one is refused, not queued.
//! let at_most_eight = ServiceBuilder::new()
//!     .map_err(|error: BoxError| match error.is::<load_shed::error::Overloaded>() {
//!         true => RemoteError::new(code::OVERLOADED, "eight additions are in progress").into(),
//!         false => error,
//!     })
//!     .load_shed()
//!     .concurrency_limit(8);
//! let router = Router::new(()).method::<Add, _, _>(async |_, _, (a, b)| Ok(a + b)).layer(at_most_eight);
//! let (listener, connector) = Listener::memory(64 * 1024);
//! let server = Server::builder(router).serve(listener);
//!
//! // `map_request`, `map_result`, `tower_http`-like tracing, `retry`: anything that takes a service.
//! let client = Client::builder(connector)
//!     .layer(ServiceBuilder::new().map_request(|call: vsock_rpc::middleware::OutgoingCall| {
//!         println!("calling {}", call.method());
//!         call
//!     }))
//!     .build();
//! assert_eq!(client.call::<Add>(&(1, 2), Duration::from_secs(1)).await?, 3);
//! # server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod client;
mod server;

use std::future::poll_fn;

use bytes::Bytes;
use tower_service::Service;

pub(crate) use self::client::Layers;
pub use self::client::{ClientService, OutgoingCall};
pub use self::server::{HandlerService, IncomingCall};

/// What `tower`'s layers make of errors.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Waits until `service` is ready, and calls it.
async fn oneshot<S, Q>(mut service: S, request: Q) -> Result<Bytes, BoxError>
where
    S: Service<Q, Response = Bytes>,
    S::Error: Into<BoxError>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    service.call(request).await.map_err(Into::into)
}
