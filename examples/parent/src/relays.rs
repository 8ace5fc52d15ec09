//! The relays out of the enclave and into it, from their start to their end.

use std::io;
use std::time::Duration;

use futures_util::future;
use vsock_rpc::relay::{Allowlist, Counters, Relay, RelayHandle};
use vsock_rpc::{Addr, Listener};

use crate::config::{Limits, RelayConfig};
use crate::start::{RunError, StartError};

/// Running relays, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Relays(Vec<Running>);

#[derive(Debug)]
struct Running {
    /// Where it listens, with the actual port.
    listen: Addr,
    handle: RelayHandle,
}

impl Relays {
    /// Binds all, and only then starts the first: an address that is taken leaves nothing running.
    pub(crate) async fn start(configs: Vec<RelayConfig>, limits: &Limits) -> Result<Self, StartError> {
        let mut bound = Vec::with_capacity(configs.len());
        for RelayConfig { listen, target } in configs {
            match Listener::bind(&listen).await {
                Ok(listener) => bound.push((listener.local_addr().cloned().unwrap_or(listen), target, listener)),
                Err(source) => return Err(StartError::Listen { addr: listen, source }),
            }
        }
        Self::serve(bound, limits).await
    }

    async fn serve(bound: Vec<(Addr, Addr, Listener)>, limits: &Limits) -> Result<Self, StartError> {
        let allowlist: Allowlist = bound.iter().map(|(_, target, _)| target.clone()).collect();
        let mut relays = Self(Vec::with_capacity(bound.len()));
        for (listen, target, listener) in bound {
            let relay = Relay::new(target, allowlist.clone())
                .max_connections(limits.max_relay_connections)
                .drain_timeout(NO_TIME)
                .serve(listener);
            match relay {
                Ok(handle) => relays.0.push(Running { listen, handle }),
                Err(refused) => {
                    relays.shutdown().await;
                    return Err(StartError::Listen { addr: listen, source: refused.into() });
                }
            }
        }
        Ok(relays)
    }

    pub(crate) fn addrs(&self) -> impl ExactSizeIterator<Item = &Addr> {
        self.0.iter().map(|relay| &relay.listen)
    }

    pub(crate) fn counters(&self) -> impl ExactSizeIterator<Item = Counters> {
        self.0.iter().map(|relay| relay.handle.counters())
    }

    /// Waits until one of them ends by itself. Cancel safe.
    pub(crate) async fn failed(&mut self) -> RunError {
        if self.0.is_empty() {
            return future::pending().await;
        }
        let ends = self.0.iter_mut().map(|Running { listen, handle }| {
            Box::pin(async {
                let source = handle.wait().await.err().unwrap_or_else(|| io::Error::other("it had ended before"));
                RunError::Relay { listen: listen.clone(), source }
            })
        });
        future::select_all(ends).await.0
    }

    /// Closes all connections: those that the enclave keeps for its next calls, and those that callers keep for theirs.
    /// Neither would end by themselves. A call in progress over a session fails, and its client connects again.
    pub(crate) async fn shutdown(self) {
        for relay in self.0 {
            relay.handle.shutdown().await;
        }
    }
}

const NO_TIME: Duration = Duration::ZERO;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test]
    async fn relay_whose_listener_fails_for_good_is_told_with_its_address() {
        let target: Addr = "tcp:127.0.0.1:1".parse().unwrap();
        let (lasting, _connector) = Listener::memory(1);
        let (failing, connector) = Listener::memory(1);
        let addr = |name: &str| Addr::unix(format!("/not-bound/{name}")).unwrap();
        let bound = vec![(addr("lasting"), target.clone(), lasting), (addr("failing"), target, failing)];
        let mut relays = Relays::serve(bound, &Limits::default()).await.unwrap();
        drop(connector);
        let RunError::Relay { listen, source } = relays.failed().await;
        assert_eq!((listen, source.kind()), (addr("failing"), io::ErrorKind::BrokenPipe));
        relays.shutdown().await;
    }

    #[tokio::test]
    async fn connections_that_the_enclave_keeps_do_not_hold_up_the_end() {
        let kms = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Addr::from(kms.local_addr().unwrap());
        let (listener, connector) = Listener::memory(64);
        let bound = vec![(Addr::unix("/not-bound").unwrap(), target, listener)];
        let relays = Relays::serve(bound, &Limits::default()).await.unwrap();
        let mut kept = connector.connect().await.unwrap();
        kept.write_all(b"request").await.unwrap();
        let (mut answering, _) = kms.accept().await.unwrap();
        answering.read_exact(&mut [0; 7]).await.unwrap();

        let began = Instant::now();
        relays.shutdown().await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        // Either end of it is gone.
        let closed = timeout(Duration::from_secs(10), answering.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    }

    #[tokio::test]
    async fn no_relay_fails_where_there_is_none() {
        let mut relays = Relays::serve(Vec::new(), &Limits::default()).await.unwrap();
        assert!(futures_util::FutureExt::now_or_never(relays.failed()).is_none());
    }
}
