//! Closing the pool.

use super::{CloseReason, Inner, Pool, Unreturned};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::sleep;

/// Interval for checking the connections in use. Polling costs callers nothing, unlike a notification on each return.
const PAUSE: Duration = Duration::from_millis(10);

/// Result of [`Pool::close`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Closed {
    /// Number of closed connections.
    pub closed: u64,
    /// Connections that were not returned within the limit. Each is closed on return.
    pub unreturned: Vec<Unreturned>,
    /// Number of connections that were still being opened, pinged or closed. Each is closed afterwards.
    pub unfinished: usize,
}

impl Closed {
    /// Returns true if all connections are closed.
    pub fn is_complete(&self) -> bool {
        self.unreturned.is_empty() && self.unfinished == 0
    }
}

impl Pool {
    /// Closes the pool: stops handing out connections, closes the idle ones, and waits up to `limit` for the others,
    /// which are closed on return. Waiting callers get [`Error::PoolClosed`](crate::Error::PoolClosed).
    ///
    /// Takes at most `limit` plus one second for the server to end the last sessions. If the future is dropped early,
    /// the pool is closed nevertheless, and idle connections are aborted.
    pub async fn close(&self, limit: Duration) -> Closed {
        let inner = &self.0;
        let before = inner.counters.closed_in_all();
        let deadline = Deadline::after(super::settings::bounded(limit));
        inner.stop();
        inner.close_idle(usize::MAX, CloseReason::Disposed).await;
        while inner.in_use() > 0 && !deadline.has_passed() {
            sleep(PAUSE.min(deadline.remaining())).await;
            inner.close_idle(usize::MAX, CloseReason::Disposed).await;
        }
        let unreturned = inner.borrowers.unreturned();
        let unfinished = inner.in_use().saturating_sub(unreturned.len());
        Closed { closed: inner.counters.closed_in_all() - before, unreturned, unfinished }
    }
}

impl Inner {
    /// Returns true if the pool is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    /// Fails all callers that wait for a permit or to connect, now and later.
    fn stop(&self) {
        self.permits.close();
        self.connecting.close();
        self.connect_lock.close();
        self.impaired.forget();
    }

    /// Returns the number of permits in use: connections that are borrowed, or being opened, pinged or closed.
    pub(super) fn in_use(&self) -> usize {
        (self.settings.ceiling() as usize).saturating_sub(self.permits.available_permits())
    }
}
