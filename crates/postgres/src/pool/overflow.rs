//! Closing what lingers: connections beyond `pool_size` that nobody needed for a while.

use super::counters::CloseReason;
use super::slot::Places;
use super::{Inner, Pool};
use futures_util::future::join_all;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::time::Instant;

type Place = bb8::PooledConnection<'static, Places>;

impl Inner {
    /// Whether more connections rest than the pool keeps.
    pub(super) fn has_surplus(&self) -> bool {
        // A pool without overflow cannot have more than it keeps, and need not count.
        (self.settings.max_overflow > 0 || self.settings.pool_size == 0)
            && self.slots.state().idle_connections >= self.settings.pool_size
    }

    fn has_surplus_beyond_size(&self) -> bool {
        self.slots.state().connections > self.settings.pool_size
    }

    /// Notes how many are in use, so that the sweep knows how many were needed at once.
    pub(super) fn note_use(&self) {
        let in_use = (self.settings.ceiling() as usize - self.turns.available_permits()) as u32;
        // Shared by all borrowers: written only by those who set a new peak.
        if in_use > self.peak.load(Relaxed) {
            self.peak.fetch_max(in_use, Relaxed);
        }
    }

    /// Has the surplus closed after it lingered. One sweep at a time for the whole pool.
    pub(super) fn let_linger(self: &Arc<Self>) {
        if !self.sweeping.swap(true, AcqRel) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }
}

/// Closes, after each linger, what was not needed during it; ends when nothing is left to close.
async fn sweep(pool: Weak<Inner>) {
    while let Some(inner) = pool.upgrade() {
        let linger = inner.settings.linger;
        inner.peak.store(0, Relaxed);
        inner.note_use();
        drop(inner);
        tokio::time::sleep(linger).await;
        let Some(inner) = pool.upgrade() else { return };
        let needed = inner.peak.load(Acquire).max(inner.settings.pool_size);
        let surplus = inner.slots.state().connections.saturating_sub(needed);
        inner.close_resting(surplus as usize, CloseReason::Overflow).await;
        if inner.slots.state().connections <= inner.settings.pool_size {
            inner.sweeping.store(false, Release);
            // Somebody may have returned one more just before, and relied on this sweep.
            if !inner.has_surplus_beyond_size() || inner.sweeping.swap(true, AcqRel) {
                return;
            }
        }
    }
}

impl Inner {
    /// Closes up to `count` of the resting connections, those that rested longest.
    pub(super) async fn close_resting(&self, count: usize, reason: CloseReason) {
        let mut resting = self.take_resting().await;
        resting.sort_by_key(|(place, _)| place.last_used());
        let kept = resting.split_off(count.min(resting.len()));
        // In this order each is handed out next as before.
        kept.into_iter().for_each(drop);
        let closing = resting.into_iter().map(|(mut place, turn)| async move {
            if let Some(conn) = place.take() {
                self.counters.closed(reason);
                conn.end().await;
            }
            drop(place);
            drop(turn);
        });
        join_all(closing).await;
    }

    /// Takes out all resting connections, each with a turn, without which it might be promised to somebody. A closed
    /// pool has no turns, and promises nothing.
    async fn take_resting(&self) -> Vec<(Place, Option<OwnedSemaphorePermit>)> {
        let mut resting = Vec::new();
        while self.slots.state().idle_connections > 0 {
            let turn = match self.turns.clone().try_acquire_owned() {
                Ok(turn) => Some(turn),
                Err(TryAcquireError::Closed) => None,
                Err(TryAcquireError::NoPermits) => break,
            };
            match self.slots.get_owned().await {
                Ok(place) if place.conn().is_some() => resting.push((place, turn)),
                _ => break,
            }
        }
        resting
    }
}

impl Pool {
    /// Closes the connections that rest now, whatever their age. Those in use are closed on return.
    pub async fn dispose(&self) {
        self.0.trust.outdate(Instant::now());
        self.0.close_resting(usize::MAX, CloseReason::Disposed).await;
    }
}
