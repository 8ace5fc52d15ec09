//! [`Connections`]: the connections of a client, and which of them takes the next call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::{Connection, Load};

/// Connections that took calls when they were last looked at.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<Arc<Connection>>>);

impl Connections {
    /// The only connection there is, though it may take no more calls.
    pub(super) fn sole(&self) -> Option<Arc<Connection>> {
        match &**self.lock() {
            [sole] => Some(Arc::clone(sole)),
            _ => None,
        }
    }

    /// The connection with the fewest calls in flight, and what is on it.
    pub(super) fn least_loaded(&self) -> Option<(Arc<Connection>, Load)> {
        let mut least: Option<(usize, Load)> = None;
        let mut connections = self.lock();
        let mut index = 0;
        connections.retain(|connection| {
            // Those that take no more calls live on in their drivers and tickets.
            let Some(load) = connection.load() else { return false };
            if least.as_ref().is_none_or(|(_, lowest)| load.calls < lowest.calls) {
                least = Some((index, load));
            }
            index += 1;
            true
        });
        least.map(|(index, load)| (Arc::clone(&connections[index]), load))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().clone()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn add(&self, connection: Arc<Connection>) {
        self.lock().push(connection);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for connection in self.lock().drain(..) {
            connection.leave();
        }
    }
}
