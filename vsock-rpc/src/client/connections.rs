//! [`Connections`]: the connections of a client, and which of them takes the next call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Connection;

/// Connections that took calls when they were last looked at.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<Arc<Connection>>>);

impl Connections {
    /// The connection with the fewest calls in flight, and how many those are.
    pub(super) fn least_loaded(&self) -> Option<(Arc<Connection>, usize)> {
        let mut least: Option<(usize, usize)> = None;
        let mut connections = self.lock();
        let mut index = 0;
        connections.retain(|connection| {
            // Those that take no more calls live on in their drivers and tickets.
            let Some(load) = connection.load() else { return false };
            if least.is_none_or(|(_, lowest)| load < lowest) {
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
