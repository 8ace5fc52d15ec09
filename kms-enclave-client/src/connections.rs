//! [`Connections`]: a bounded number of connections to one endpoint, kept alive between calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, LocalFailure};
use crate::transport::{Connection, Connector};

/// The connections of one client and its clones.
///
/// HTTP/1.1 carries one exchange at a time, so whoever holds a [`Slot`] has a connection to himself. Idle ones are only
/// kept by those who gave their slot back, and a new one is only opened when none is idle: there are never more
/// connections than slots.
#[derive(Debug)]
pub(crate) struct Connections {
    connector: Connector,
    slots: Arc<Semaphore>,
    idle: Arc<IdleConnections>,
}

/// The right to use a connection.
#[derive(Debug)]
pub(crate) struct Slot(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

impl Connections {
    pub(crate) fn new(connector: Connector, max: usize) -> Self {
        let slots = Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { connector, slots, idle: Arc::default() }
    }

    /// Waits in line for a connection.
    pub(crate) async fn slot(&self) -> Result<Slot, Error> {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        permit.map(Slot).map_err(|_| Error::Local(LocalFailure::Worker))
    }

    /// Sends the request that `request` makes, and reads its reply.
    ///
    /// A connection that was kept alive may have been closed by the other side in the meantime, which shows only when
    /// it is used. If that happens before a reply begins, a fresh one takes its place, once.
    pub(crate) async fn exchange(
        &self,
        slot: Slot,
        mut request: impl FnMut() -> Result<Request<Full<Bytes>>, Error>,
    ) -> Result<Response<Bytes>, Error> {
        let (mut connection, reply) = match self.idle.pop().await {
            None => self.begin(&mut request).await?,
            Some(mut connection) => match connection.send(request()?).await {
                Err(error) if error.is_transient() => self.begin(&mut request).await?,
                reply => (connection, reply?),
            },
        };
        let reply = connection.read(reply).await?;
        self.idle.push(connection);
        drop(slot);
        Ok(reply)
    }

    /// Closes the connections that are kept, in case whatever silenced one silenced all.
    pub(crate) fn close_idle(&self) {
        self.idle.lock().connections.clear();
    }

    async fn begin(
        &self,
        request: &mut impl FnMut() -> Result<Request<Full<Bytes>>, Error>,
    ) -> Result<(Connection, Response<Incoming>), Error> {
        let mut connection = self.connector.connect().await?;
        // Only now: the date in the signature must not be older than the connection.
        let reply = connection.send(request()?).await?;
        Ok((connection, reply))
    }
}

/// Connections that wait for a next call, the one used last on top.
#[derive(Debug, Default)]
struct IdleConnections {
    stack: Mutex<Stack>,
}

#[derive(Debug, Default)]
struct Stack {
    connections: VecDeque<(Instant, Connection)>,
    /// The task that closes those that have waited too long.
    reaper: Option<JoinHandle<()>>,
}

impl IdleConnections {
    /// The one used last, if the other side has not closed it.
    async fn pop(&self) -> Option<Connection> {
        loop {
            let mut connection = self.fresh()?;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    fn fresh(&self) -> Option<Connection> {
        let (since, connection) = self.lock().connections.pop_back()?;
        (since.elapsed() < IDLE_TIMEOUT).then_some(connection)
    }

    fn push(self: &Arc<Self>, connection: Connection) {
        let mut stack = self.lock();
        stack.connections.push_back((Instant::now(), connection));
        // The reaper of a runtime that is gone is finished, too.
        if stack.reaper.as_ref().is_none_or(JoinHandle::is_finished) {
            stack.reaper = Some(tokio::spawn(reap(Arc::downgrade(self))));
        }
    }

    /// Closes what has waited too long, and tells when to look again; `None` if nothing is left.
    fn expire(&self) -> Option<Instant> {
        let mut stack = self.lock();
        while stack.connections.front().is_some_and(|(since, _)| since.elapsed() >= IDLE_TIMEOUT) {
            stack.connections.pop_front();
        }
        let next = stack.connections.front().map(|(since, _)| *since + IDLE_TIMEOUT);
        if next.is_none() {
            stack.reaper = None;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Stack> {
        // Nothing that holds the lock can panic half-way through a change.
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when no connection is idle; the next one that is put away begins another.
async fn reap(idle: Weak<IdleConnections>) {
    while let Some(next) = idle.upgrade().and_then(|idle| idle.expire()) {
        sleep_until(next).await;
    }
}

/// KMS closes idle connections after a little longer: it is better to be the first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
