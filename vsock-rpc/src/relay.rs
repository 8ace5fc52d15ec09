//! [`Relay`]: carries byte streams from a listener to one allowed target.

use std::io;
use std::time::Duration;

use crate::transport::{Addr, Listener};

/// The targets that relays may be set up for. An empty list allows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist {
    targets: Vec<Addr>,
}

impl Allowlist {
    /// Whether exactly this address is listed: the same name or IP address, and the same port.
    #[must_use]
    pub fn allows(&self, target: &Addr) -> bool {
        self.targets.contains(target)
    }
}

impl FromIterator<Addr> for Allowlist {
    fn from_iter<I: IntoIterator<Item = Addr>>(targets: I) -> Self {
        Self { targets: targets.into_iter().collect() }
    }
}

/// Sets up a relay.
#[derive(Clone, Debug)]
#[must_use]
pub struct Relay {
    target: Addr,
    allowlist: Allowlist,
}

impl Relay {
    /// A relay to `target`, which `allowlist` must name.
    pub fn new(target: Addr, allowlist: Allowlist) -> Self {
        Self { target, allowlist }
    }

    /// How many connections are carried at a time; further ones are closed at once. Default 1024.
    pub fn max_connections(self, _max: usize) -> Self {
        self
    }

    /// How long connecting to the target may take. Default 10 s.
    pub fn connect_timeout(self, _timeout: Duration) -> Self {
        self
    }

    /// How long a connection may carry nothing in either direction. Default 5 min.
    pub fn idle_timeout(self, _timeout: Duration) -> Self {
        self
    }

    /// How long a graceful shutdown waits for connections to end by themselves. Default 10 s.
    pub fn drain_timeout(self, _timeout: Duration) -> Self {
        self
    }

    /// Carries every connection of `listener` to the target.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] if the target is not on the allowlist.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(self, _listener: Listener) -> io::Result<RelayHandle> {
        todo!()
    }
}

/// What a relay has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections being carried now.
    pub active: u64,
    /// Connections closed at once because of the bound.
    pub refused: u64,
    /// Connections for which the target could not be reached.
    pub unreachable: u64,
    /// Connections closed because nothing moved.
    pub timed_out: u64,
    /// Bytes carried to the target.
    pub bytes_to_target: u64,
    /// Bytes carried from the target.
    pub bytes_from_target: u64,
}

/// A running relay. Dropping the handle begins a shutdown without waiting for it.
#[derive(Debug)]
#[must_use = "dropping the handle shuts the relay down"]
pub struct RelayHandle {
    local_addr: Option<Addr>,
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
        todo!()
    }

    /// Stops accepting, waits for connections within the drain timeout, and closes the rest.
    pub async fn shutdown(self) {
        todo!()
    }
}
