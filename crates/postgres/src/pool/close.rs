//! The end of a pool: no more turns, then no more sessions.

use super::{CloseReason, Inner, Pool, Unreturned};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::sleep;

/// Pause between two looks at what is still in use. Looking costs callers nothing, which being told would.
const PAUSE: Duration = Duration::from_millis(10);

/// What closing a pool has done, and what it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Closed {
    /// Connections that were closed.
    pub closed: u64,
    /// Connections that were not returned within the limit. Each is closed when it is returned.
    pub unreturned: Vec<Unreturned>,
    /// Connections that were still being opened, checked or ended. Each is closed as soon as that is done.
    pub unfinished: usize,
}

impl Closed {
    /// Returns true if no connection is left.
    pub fn is_complete(&self) -> bool {
        self.unreturned.is_empty() && self.unfinished == 0
    }
}

impl Pool {
    /// Closes the pool: hands out no more connections, closes those that rest, and waits up to `limit` for the others,
    /// which are closed on return. Callers that wait for a connection get
    /// [`Error::PoolClosed`](crate::Error::PoolClosed).
    ///
    /// Takes at most `limit` and a second, the longest that the end of a session is waited for. Dropped earlier, it has
    /// closed the pool all the same; connections that rest then are cut.
    pub async fn close(&self, limit: Duration) -> Closed {
        let inner = &self.0;
        let before = inner.counters.closed_in_all();
        let deadline = Deadline::after(super::settings::bounded(limit));
        inner.stop();
        inner.close_resting(usize::MAX, CloseReason::Disposed).await;
        while inner.in_use() > 0 && !deadline.has_passed() {
            sleep(PAUSE.min(deadline.remaining())).await;
            inner.close_resting(usize::MAX, CloseReason::Disposed).await;
        }
        let unreturned = inner.borrowers.unreturned();
        let unfinished = inner.in_use().saturating_sub(unreturned.len());
        Closed { closed: inner.counters.closed_in_all() - before, unreturned, unfinished }
    }
}

impl Inner {
    /// Returns true if no more connections are handed out.
    pub(super) fn is_closed(&self) -> bool {
        self.turns.is_closed()
    }

    /// Fails those who wait for a turn or for their chance to connect, now and later.
    fn stop(&self) {
        self.turns.close();
        self.connecting.close();
        self.connect_lock.close();
        self.impaired.forget();
    }

    /// Returns the number of turns that are taken: connections that are in use, or being opened, checked or ended.
    pub(super) fn in_use(&self) -> usize {
        (self.settings.ceiling() as usize).saturating_sub(self.turns.available_permits())
    }
}
