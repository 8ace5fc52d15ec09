//! [`Relay`]: carries byte streams from a listener to one allowed target, reading nothing in them.
//!
//! A relay gives an enclave, which has no network, exactly one way out (vsock to TCP: the parent listens on vsock and
//! forwards to KMS), or the world one way in (TCP to vsock). There is no relay to an address that its user names, and
//! no network device: either would make the allowlist meaningless.
//!
//! ```
//! use vsock_rpc::relay::{Allowlist, Relay};
//! use vsock_rpc::{Addr, Listener};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let listen = Addr::unix(dir.path().join("kms.sock"))?;
//! let allowlist: Allowlist = ["tcp:kms.eu-west-1.amazonaws.com:443".parse::<Addr>()?].into_iter().collect();
//! let target = "tcp:kms.eu-west-1.amazonaws.com:443".parse()?;
//! // On a parent instance, `listen` would be `vsock:any:8000`.
//! let relay = Relay::new(target, allowlist.clone()).max_connections(256).serve(Listener::bind(&listen).await?)?;
//! assert_eq!(relay.counters().accepted, 0);
//! relay.shutdown().await;
//!
//! // What the allowlist does not name is refused before anything is accepted.
//! let elsewhere = Relay::new("tcp:169.254.169.254:80".parse()?, allowlist);
//! assert!(elsewhere.serve(Listener::bind(&listen).await?).is_err());
//! # Ok(())
//! # }
//! ```

mod carry;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::carry::{Carried, carry};
use crate::accepting::{Accepting, accept_each};
use crate::gauge::Gauge;
use crate::limits::cut_to_max_timeout;
use crate::transport::{Addr, Listener, Resolver, Stream};

/// The targets that relays may be set up for. An empty list allows none.
///
/// Entries are exact: there are no patterns and no wildcards, and a name does not stand for its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist {
    targets: Vec<Addr>,
}

impl Allowlist {
    /// Whether exactly this address is listed: the same name or IP address, and the same port.
    ///
    /// Names are compared without regard to case, as DNS does, and never resolved for the comparison.
    #[must_use]
    pub fn allows(&self, target: &Addr) -> bool {
        self.targets.iter().any(|listed| match (listed, target) {
            (Addr::Tcp(listed), Addr::Tcp(target)) => {
                listed.port() == target.port() && listed.host().eq_ignore_ascii_case(target.host())
            }
            _ => listed == target,
        })
    }
}

impl FromIterator<Addr> for Allowlist {
    fn from_iter<I: IntoIterator<Item = Addr>>(targets: I) -> Self {
        Self { targets: targets.into_iter().collect() }
    }
}

/// Sets up a relay.
///
/// Every timeout is cut to 30 days.
#[derive(Clone, Debug)]
#[must_use]
pub struct Relay {
    allowlist: Allowlist,
    limits: Limits,
    resolver: Resolver,
    target: Addr,
}

#[derive(Clone, Debug)]
struct Limits {
    connect_timeout: Duration,
    drain_timeout: Duration,
    idle_timeout: Duration,
    max_connections: usize,
}

impl Relay {
    /// A relay to `target`, which `allowlist` must name.
    pub fn new(target: Addr, allowlist: Allowlist) -> Self {
        let limits = Limits {
            connect_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_connections: 1024,
        };
        Self { allowlist, limits, resolver: Resolver::system(), target }
    }

    /// How long connecting to the target may take, name resolution included. Default 10 s, of which each address of the
    /// target has its share, as [`Addr::connect_within`] says.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How long a graceful shutdown waits for connections to end by themselves; the rest is [`cut`](Counters::cut).
    /// Default 10 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.limits.drain_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How long a connection may carry nothing in either direction. Default 5 min.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = cut_to_max_timeout(timeout);
        self
    }

    /// How many connections are carried at a time; further ones are closed at once. Default 1024.
    ///
    /// Each takes two file descriptors, so that the process needs a limit on open files (`RLIMIT_NOFILE`) of more than
    /// twice this; 1024 is a common one. Without descriptors, connections wait to be accepted, and those that were
    /// accepted find their target unreachable.
    pub fn max_connections(mut self, max: usize) -> Self {
        self.limits.max_connections = max.max(1);
        self
    }

    /// How the target's name is resolved, which is done for each connection; those that come while it is being done share
    /// what it finds. Default: as the operating system does.
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Carries every connection of `listener` to the target.
    ///
    /// # Errors
    /// [`RefusedTarget`]; nothing was accepted then.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(self, listener: Listener) -> Result<RelayHandle, RefusedTarget> {
        if !self.allowlist.allows(&self.target) {
            return Err(RefusedTarget::NotAllowed { target: self.target });
        }
        if is_wildcard(&self.target) {
            return Err(RefusedTarget::Wildcard { target: self.target });
        }
        let local_addr = listener.local_addr().cloned();
        let Self { limits, resolver, target, .. } = self;
        let resolver = resolver.one_at_a_time(limits.connect_timeout);
        let shared = Arc::new(Shared { limits, resolver, target, totals: Totals::default() });
        let accepting = Accepting::spawn(|shutdown| accept_loop(Arc::clone(&shared), listener, shutdown));
        Ok(RelayHandle { local_addr, shared, accepting })
    }
}

fn is_wildcard(target: &Addr) -> bool {
    match target {
        Addr::Tcp(target) => {
            target.port() == 0
                || target.host().parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_unspecified())
        }
        Addr::Unix(_) => false,
        Addr::Vsock { cid, .. } => *cid == Addr::CID_ANY,
    }
}

/// Why no relay was set up for a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedTarget {
    /// The allowlist does not name it.
    #[error("{target} is not on the allowlist")]
    NotAllowed {
        /// The target.
        target: Addr,
    },
    /// The context id `any`, the unspecified IP addresses (`0.0.0.0`, `[::]`) and port 0 are ones to listen on: nobody is
    /// reached at them, or whoever of this machine the system picks.
    #[error("{target} is an address to listen on, and nobody's to connect to")]
    Wildcard {
        /// The target.
        target: Addr,
    },
}

impl From<RefusedTarget> for io::Error {
    /// Of kind [`PermissionDenied`](io::ErrorKind::PermissionDenied) or [`InvalidInput`](io::ErrorKind::InvalidInput).
    fn from(refused: RefusedTarget) -> Self {
        let kind = match &refused {
            RefusedTarget::NotAllowed { .. } => io::ErrorKind::PermissionDenied,
            RefusedTarget::Wildcard { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, refused)
    }
}

/// What a relay has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted, refused ones included.
    pub accepted: u64,
    /// Connections being carried now.
    pub active: u64,
    /// Bytes carried from the target.
    pub bytes_from_target: u64,
    /// Bytes carried to the target.
    pub bytes_to_target: u64,
    /// Connections that were closed because they outlasted the drain timeout, before or after the target was reached.
    pub cut: u64,
    /// Connections that ended in a failure of either side, after the target was reached.
    pub failed: u64,
    /// Connections closed at once because of the bound.
    pub refused: u64,
    /// Connections closed because nothing moved.
    pub timed_out: u64,
    /// Connections for which the target could not be reached.
    pub unreachable: u64,
}

/// A running relay. Dropping the handle begins a shutdown without waiting for it.
#[derive(Debug)]
#[must_use = "dropping the handle shuts the relay down"]
pub struct RelayHandle {
    local_addr: Option<Addr>,
    shared: Arc<Shared>,
    accepting: Accepting,
}

impl RelayHandle {
    /// Where the relay listens, with the actual port; `None` in memory.
    #[must_use]
    pub fn local_addr(&self) -> Option<&Addr> {
        self.local_addr.as_ref()
    }

    /// What has been carried so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.totals.read()
    }

    /// Stops accepting, waits for connections within the drain timeout, and closes the rest. Returns what was
    /// carried in all.
    pub async fn shutdown(self) -> Counters {
        self.accepting.shutdown().await;
        self.shared.totals.read()
    }

    /// Waits until the relay ends by itself, which it does only when its listener fails for good.
    ///
    /// # Errors
    /// Why the listener failed.
    pub async fn wait(&mut self) -> io::Result<()> {
        self.accepting.wait().await
    }
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    resolver: Resolver,
    target: Addr,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    accepted: AtomicU64,
    active: Gauge,
    carried: Carried,
    cut: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    unreachable: AtomicU64,
}

impl Totals {
    fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            accepted: read(&self.accepted),
            active: self.active.taken() as u64,
            bytes_from_target: read(&self.carried.from_target),
            bytes_to_target: read(&self.carried.to_target),
            cut: read(&self.cut),
            failed: read(&self.failed),
            refused: read(&self.refused),
            timed_out: read(&self.timed_out),
            unreachable: read(&self.unreachable),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

async fn accept_loop(shared: Arc<Shared>, listener: Listener, shutdown: CancellationToken) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let admit_one = |stream, connections: &mut JoinSet<()>| admit(&shared, stream, connections);
    let ended = accept_each(listener, &shutdown, &mut connections, admit_one).await;
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(shared.limits.drain_timeout, all_ended).await.is_err() {
        connections.abort_all();
        while let Some(connection) = connections.join_next().await {
            // One that ended just before is counted as what it was.
            if connection.is_err_and(|error| error.is_cancelled()) {
                count(&shared.totals.cut);
            }
        }
    }
    ended
}

fn admit(shared: &Arc<Shared>, stream: Stream, connections: &mut JoinSet<()>) {
    count(&shared.totals.accepted);
    let Some(place) = shared.totals.active.admit(shared.limits.max_connections) else {
        return count(&shared.totals.refused);
    };
    let shared = Arc::clone(shared);
    connections.spawn(async move {
        let _place = place;
        relay_one(&shared, stream).await;
    });
}

async fn relay_one(shared: &Shared, client: Stream) {
    let limits = &shared.limits;
    let Ok(target) = shared.target.connect_within(limits.connect_timeout, &shared.resolver).await else {
        return count(&shared.totals.unreachable);
    };
    match carry(client, target, limits.idle_timeout, &shared.totals.carried).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::TimedOut => count(&shared.totals.timed_out),
        Err(_) => count(&shared.totals.failed),
    }
}
