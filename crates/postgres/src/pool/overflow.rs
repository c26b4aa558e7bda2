//! Closes idle connections beyond `pool_size` that were not needed for a while.

use super::counters::CloseReason;
use super::slot::PooledSlot;
use super::{Inner, Pool};
use futures_util::future::join_all;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::time::Instant;

impl Inner {
    /// Returns true if the number of idle connections has reached `pool_size`, so that another one is surplus.
    pub(super) fn has_surplus(&self) -> bool {
        // A pool without overflow has no surplus and need not count.
        (self.settings.max_overflow > 0 || self.settings.pool_size == 0)
            && self.slots.state().idle_connections >= self.settings.pool_size
    }

    fn has_surplus_beyond_size(&self) -> bool {
        self.slots.state().connections > self.settings.pool_size
    }

    /// Records the number of connections in use for the next sweep.
    pub(super) fn note_use(&self) {
        let in_use = (self.settings.ceiling() as usize - self.permits.available_permits()) as u32;
        // All borrowers share this counter; only a new peak writes to it.
        if in_use > self.peak.load(Relaxed) {
            self.peak.fetch_max(in_use, Relaxed);
        }
    }

    /// Starts the sweep that closes surplus connections, unless one is running.
    pub(super) fn start_sweep(self: &Arc<Self>) {
        if !self.sweeping.swap(true, AcqRel) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }
}

/// Closes the connections that were not needed in a linger period, after each period. Ends if there is no surplus left.
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
        inner.close_idle(surplus as usize, CloseReason::Overflow).await;
        if inner.slots.state().connections <= inner.settings.pool_size {
            inner.sweeping.store(false, Release);
            // Another connection may have been returned just before and rely on this sweep.
            if !inner.has_surplus_beyond_size() || inner.sweeping.swap(true, AcqRel) {
                return;
            }
        }
    }
}

impl Inner {
    /// Closes up to `count` idle connections, the least recently used first.
    pub(super) async fn close_idle(&self, count: usize, reason: CloseReason) {
        let mut idle = self.take_idle().await;
        idle.sort_by_key(|(slot, _)| slot.last_used());
        let remaining = idle.split_off(count.min(idle.len()));
        // Returning them in this order preserves the order of the pool.
        remaining.into_iter().for_each(drop);
        let closing = idle.into_iter().map(|(mut slot, permit)| async move {
            if let Some(conn) = slot.take() {
                self.counters.closed(reason);
                conn.end().await;
            }
            drop(slot);
            drop(permit);
        });
        join_all(closing).await;
    }

    /// Takes out all idle connections, each with a permit so that it is not promised to a caller. A closed pool has no
    /// permits and promises nothing.
    async fn take_idle(&self) -> Vec<(PooledSlot, Option<OwnedSemaphorePermit>)> {
        let mut idle = Vec::new();
        while self.slots.state().idle_connections > 0 {
            let permit = match self.permits.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(TryAcquireError::Closed) => None,
                Err(TryAcquireError::NoPermits) => break,
            };
            match self.slots.get_owned().await {
                Ok(slot) if slot.conn().is_some() => idle.push((slot, permit)),
                _ => break,
            }
        }
        idle
    }
}

impl Pool {
    /// Closes all idle connections, regardless of age. Borrowed connections are closed on return.
    pub async fn dispose(&self) {
        self.0.freshness.invalidate_opened_before(Instant::now());
        self.0.close_idle(usize::MAX, CloseReason::Disposed).await;
    }
}
