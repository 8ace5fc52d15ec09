//! [`Resolver`]: how the name of a host becomes addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Finds the addresses of a name, anew for each connection: as the operating system does, or by a function.
///
/// IP addresses are never asked for.
#[derive(Clone)]
pub struct Resolver {
    resolve: Arc<dyn Fn(&str) -> Resolving + Send + Sync>,
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

impl Resolver {
    /// A resolver from a function of the host's name. Its addresses are tried in the order in which it tells them.
    pub fn new<F, Fut>(resolve: F) -> Self
    where
        F: Fn(&str) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self { resolve: Arc::new(move |host| Box::pin(resolve(host))) }
    }

    /// The operating system's resolver.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|host| {
            let host = host.to_owned();
            async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) }
        })
    }

    /// The same with one lookup of a name under way at a time, which is given up after `limit`: whoever asks meanwhile
    /// shares what it finds, also when those that asked before have left.
    ///
    /// The operating system's lookups cannot be broken off, and take a thread of the runtime each: peers that come and go
    /// must not begin one each.
    pub(crate) fn one_at_a_time(self, limit: Duration) -> Self {
        let under_way: Mutex<Option<Lookup>> = Mutex::default();
        Self::new(move |host| {
            // Nothing that holds the lock panics half-way through a change.
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let found = match under_way.as_ref().filter(|lookup| lookup.host == host && !lookup.task.is_finished()) {
                Some(lookup) => lookup.found.clone(),
                None => under_way.insert(Lookup::begin(host, (self.resolve)(host), limit)).found.clone(),
            };
            async move { found.await.map_err(|error| io::Error::new(error.kind(), error)) }
        })
    }

    pub(super) async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        (self.resolve)(host).await
    }
}

/// A lookup on a task of its own.
struct Lookup {
    host: String,
    task: AbortHandle,
    found: Shared<BoxFuture<'static, Result<Vec<IpAddr>, Arc<io::Error>>>>,
}

impl Lookup {
    fn begin(host: &str, resolving: Resolving, limit: Duration) -> Self {
        let task = tokio::spawn(timeout(limit, resolving));
        let abort_handle = task.abort_handle();
        let found = async move {
            match task.await {
                Ok(Ok(found)) => found.map_err(Arc::new),
                Ok(Err(_elapsed)) => Err(Arc::new(io::ErrorKind::TimedOut.into())),
                Err(panicked) => Err(Arc::new(io::Error::other(panicked))),
            }
        };
        Self { host: host.to_owned(), task: abort_handle, found: found.boxed().shared() }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
