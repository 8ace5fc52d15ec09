//! [`Openings`]: the sessions that are being opened, bounded, so that those that never finish keep nobody out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Places for sessions that are being opened.
///
/// When all are taken, a newcomer gets the place of the one that has kept the server waiting longest, if that is
/// longer than the grace. Half-open handshakes then hold others up for no longer than that, however many there are.
#[derive(Debug)]
pub(super) struct Openings {
    max: usize,
    grace: Duration,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The oldest first; ids rise.
    places: VecDeque<Entry>,
    last_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    began: Instant,
    /// Whether this side, not the peer, is what the opening waits for.
    is_ours: bool,
    displaced: CancellationToken,
}

impl Openings {
    pub(super) fn new(max: usize, grace: Duration) -> Arc<Self> {
        Arc::new(Self { max, grace, table: Mutex::default() })
    }

    /// A place, unless all are taken by peers that still have time.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Opening> {
        let now = Instant::now();
        let mut table = self.lock();
        if table.places.len() >= self.max {
            let oldest = table.places.iter().position(|entry| !entry.is_ours)?;
            if now.duration_since(table.places[oldest].began) < self.grace {
                return None;
            }
            let displaced = table.places.remove(oldest)?;
            displaced.displaced.cancel();
        }
        table.last_id += 1;
        let (id, displaced) = (table.last_id, CancellationToken::new());
        table.places.push_back(Entry { id, began: now, is_ours: false, displaced: displaced.clone() });
        Some(Opening { openings: Arc::clone(self), id, displaced })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.lock().places.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&self, id: u64) -> Option<usize> {
        self.places.binary_search_by_key(&id, |entry| entry.id).ok()
    }
}

/// One place taken; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Opening {
    openings: Arc<Openings>,
    id: u64,
    displaced: CancellationToken,
}

impl Opening {
    /// Waits until the place is another's.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    /// Notes whose turn it is: while it is this side's, the place cannot be taken away.
    pub(super) fn set_ours(&self, is_ours: bool) {
        let mut table = self.openings.lock();
        if let Some(at) = table.find(self.id) {
            table.places[at].is_ours = is_ours;
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut table = self.openings.lock();
        if let Some(at) = table.find(self.id) {
            table.places.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_waits_for_its_peer_makes_room_after_the_grace() {
        let openings = Openings::new(3, SECOND);
        let [first, second, third] = std::array::from_fn(|_| openings.admit().unwrap());
        first.set_ours(true);
        assert!(openings.admit().is_none());
        tokio::time::advance(SECOND).await;
        let fourth = openings.admit().unwrap();
        assert_eq!(openings.taken(), 3);
        assert!(second.displaced.is_cancelled());
        assert!(![&first, &third, &fourth].iter().any(|opening| opening.displaced.is_cancelled()));
        // What is displaced gives no second place back.
        drop(second);
        assert_eq!(openings.taken(), 3);
        drop((first, third, fourth));
        assert_eq!(openings.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_makes_room_while_all_wait_for_this_side() {
        let openings = Openings::new(2, SECOND);
        let places = [openings.admit().unwrap(), openings.admit().unwrap()];
        places.iter().for_each(|place| place.set_ours(true));
        tokio::time::advance(60 * SECOND).await;
        assert!(openings.admit().is_none());
        places[1].set_ours(false);
        let newcomer = openings.admit().unwrap();
        assert!(places[1].displaced.is_cancelled() && !places[0].displaced.is_cancelled());
        drop((places, newcomer));
    }
}
