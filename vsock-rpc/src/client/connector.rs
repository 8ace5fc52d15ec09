//! [`Connector`]: how a client gets a new connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::{Addr, ByteStream, MemoryConnector, Resolver};

/// Makes the connections of a [`Client`](super::Client): an [`Addr`], or a function that may put a
/// layer of its own, such as TLS, around the stream.
#[derive(Clone)]
pub struct Connector {
    connect: Arc<dyn Fn(Duration) -> Connecting + Send + Sync>,
    target: Arc<str>,
}

pub(crate) type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

impl Connector {
    /// A connector from a function; `target` is its name in errors.
    pub fn new<F, Fut, T>(target: impl Into<Arc<str>>, connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::within(target, move |_| connect())
    }

    /// A connector from a function of the time that its caller will wait.
    pub(crate) fn within<F, Fut, T>(target: impl Into<Arc<str>>, connect: F) -> Self
    where
        F: Fn(Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connect = move |timeout| -> Connecting {
            let connecting = connect(timeout);
            Box::pin(async move { Ok(Box::new(connecting.await?) as Box<dyn ByteStream>) })
        };
        Self { connect: Arc::new(connect), target: target.into() }
    }

    /// A new connection, for which the caller waits no longer than `timeout`.
    pub(crate) fn connect(&self, timeout: Duration) -> Connecting {
        (self.connect)(timeout)
    }

    pub(crate) fn target(&self) -> &Arc<str> {
        &self.target
    }
}

impl From<Addr> for Connector {
    fn from(addr: Addr) -> Self {
        let target = addr.to_string();
        Self::within(target, move |timeout| {
            let addr = addr.clone();
            async move { addr.connect_within(timeout, &Resolver::system()).await }
        })
    }
}

impl From<MemoryConnector> for Connector {
    fn from(memory: MemoryConnector) -> Self {
        Self::new("memory", move || {
            let memory = memory.clone();
            async move { memory.connect().await }
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("target", &self.target).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::DuplexStream;

    use super::*;
    use crate::{Client, Method};

    const SECOND: Duration = Duration::from_secs(1);

    struct Nothing;

    impl Method for Nothing {
        const NAME: &'static str = "nothing";
        type Request = ();
        type Response = ();
    }

    /// Reaches nobody, and keeps how long it was told that its caller will wait.
    fn listening() -> (Connector, Arc<Mutex<Vec<Duration>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let connector = Connector::within("nobody", move |timeout| {
            heard.lock().unwrap().push(timeout);
            async { Err::<DuplexStream, _>(io::ErrorKind::ConnectionRefused.into()) }
        });
        (connector, told)
    }

    #[tokio::test]
    async fn a_client_tells_its_connect_timeout() {
        let (connector, told) = listening();
        let client = Client::builder(connector).connect_timeout(3 * SECOND).build();
        client.call::<Nothing>(&(), SECOND).await.unwrap_err();
        assert_eq!(*told.lock().unwrap(), [3 * SECOND]);
    }

    #[cfg(feature = "session")]
    #[tokio::test]
    async fn through_a_session_the_shorter_timeout_is_told() {
        use crate::session::{ClientKey, EvidenceError, ExpectedEvidence, SessionConnector, VerifyEvidence};

        struct Unreached;
        impl VerifyEvidence for Unreached {
            fn verify(&self, _: &[u8], _: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
                unreachable!("nobody shows evidence")
            }
        }

        for (opening, connecting) in [(2, 3), (3, 2)] {
            let (connector, told) = listening();
            let key = ClientKey::generate_p256().unwrap();
            let sessions = SessionConnector::builder(connector, &key, Unreached).opening_timeout(opening * SECOND);
            let client = Client::builder(sessions.build()).connect_timeout(connecting * SECOND).build();
            client.call::<Nothing>(&(), SECOND).await.unwrap_err();
            assert_eq!(*told.lock().unwrap(), [2 * SECOND]);
        }
    }
}
