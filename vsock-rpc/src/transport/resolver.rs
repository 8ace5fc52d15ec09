//! [`Resolver`]: how the name of a host becomes addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

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

    pub(super) async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        (self.resolve)(host).await
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
