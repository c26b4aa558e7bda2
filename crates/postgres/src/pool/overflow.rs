//! Closing what lingers: connections beyond `pool_size` that nobody needed for a while.

use super::counters::CloseReason;
use super::{Inner, Pool};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Weak};
use tokio::time::Instant;

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
        for _ in 0..surplus {
            close_one(&inner).await;
        }
        if inner.slots.state().connections <= inner.settings.pool_size {
            inner.sweeping.store(false, Release);
            // Somebody may have returned one more just before, and relied on this sweep.
            if !inner.has_surplus_beyond_size() || inner.sweeping.swap(true, AcqRel) {
                return;
            }
        }
    }
}

/// Closes one resting connection, unless all are in use.
async fn close_one(inner: &Arc<Inner>) {
    // Without a turn the place might be promised to somebody.
    let Ok(turn) = inner.turns.clone().try_acquire_owned() else { return };
    if inner.slots.state().idle_connections == 0 {
        return;
    }
    let Ok(mut place) = inner.slots.get_owned().await else { return };
    if let Some(conn) = place.take() {
        inner.counters.closed(CloseReason::Overflow);
        conn.end().await;
    }
    drop(place);
    drop(turn);
}

impl Pool {
    /// Closes what rests now, whatever its age. What is in use is closed on return.
    pub async fn dispose(&self) {
        self.0.trust.outdate(Instant::now());
        let resting = self.0.slots.state().idle_connections;
        for _ in 0..resting {
            close_one(&self.0).await;
        }
    }
}
