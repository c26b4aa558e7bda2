//! Which connections may be handed out without a question, and whether the server is there at all, as far as anybody knows.

use super::slot::Slot;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that was used this short a time ago is taken to be alive.
const FRESH: Duration = Duration::from_millis(500);

/// Minimum time between two errors that discredit all older sessions.
const EVIDENCE_PAUSE: Duration = Duration::from_secs(5);

/// The moment before all others: none was noted yet.
const NEVER: u64 = 0;

/// Moments are kept as nanoseconds since `origin`, so that a borrower takes no lock.
#[derive(Debug)]
pub(super) struct Trust {
    origin: Instant,
    born_after: AtomicU64,
    used_after: AtomicU64,
    doubtful: AtomicBool,
}

impl Trust {
    /// Nobody has connected yet, so that the server is in doubt.
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            born_after: AtomicU64::new(NEVER),
            used_after: AtomicU64::new(NEVER),
            doubtful: AtomicBool::new(true),
        }
    }

    /// Connections born before `moment` are handed out no more: one of them was found dead, or all are unwanted.
    pub(super) fn outdate(&self, moment: Instant) {
        self.born_after.fetch_max(self.nanos(moment), Relaxed);
    }

    /// As [`Trust::outdate`], at most once in [`EVIDENCE_PAUSE`]: an error that keeps coming on new sessions says nothing
    /// about old ones.
    pub(super) fn outdate_once(&self, moment: Instant) {
        let (last, now) = (self.born_after.load(Relaxed), self.nanos(moment));
        if last == NEVER || now.saturating_sub(last) >= EVIDENCE_PAUSE.as_nanos() as u64 {
            self.outdate(moment);
        }
    }

    pub(super) fn is_outdated(&self, slot: &Slot) -> bool {
        let born_after = self.born_after.load(Relaxed);
        born_after != NEVER && self.nanos(slot.born()) < born_after
    }

    /// The server ended a session, and perhaps others with it: each connection is asked before it is handed out again, and
    /// one caller connects before the others do.
    pub(super) fn doubt(&self) {
        self.used_after.fetch_max(self.nanos(Instant::now()), Relaxed);
        self.doubt_server();
    }

    /// A connection could not be opened: one caller connects before the others do.
    pub(super) fn doubt_server(&self) {
        self.doubtful.store(true, Relaxed);
    }

    /// Whether a connection has to be asked for a sign of life.
    pub(super) fn has_to_ask(&self, slot: &Slot, now: Instant) -> bool {
        let used_after = self.used_after.load(Relaxed);
        now.saturating_duration_since(slot.last_used()) >= FRESH
            || used_after != NEVER && self.nanos(slot.last_used()) <= used_after
    }

    /// Whether nobody has connected since the server was doubted.
    pub(super) fn is_server_doubted(&self) -> bool {
        self.doubtful.load(Relaxed)
    }

    /// Somebody has connected.
    pub(super) fn reached(&self) {
        self.doubtful.store(false, Relaxed);
    }

    fn nanos(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}
