//! Freshness of connections: which ones need a ping or are invalid, and whether the server is suspect.

use super::slot::Slot;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// Idle time below which a connection is assumed to be alive.
const FRESH: Duration = Duration::from_millis(500);

/// Minimum time between two errors that invalidate all older sessions.
const EVIDENCE_PAUSE: Duration = Duration::from_secs(5);

/// Value of a time that is not set.
const NEVER: u64 = 0;

/// Times are stored as nanoseconds since `origin` in atomics, so that borrowers take no lock.
#[derive(Debug)]
pub(super) struct Freshness {
    origin: Instant,
    invalid_before: AtomicU64,
    suspect_since: AtomicU64,
    is_suspect: AtomicBool,
}

impl Freshness {
    /// Creates the state of a server that is suspect because no connection was opened yet.
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            invalid_before: AtomicU64::new(NEVER),
            suspect_since: AtomicU64::new(NEVER),
            is_suspect: AtomicBool::new(true),
        }
    }

    /// Invalidates connections that were opened before `moment`, because one of them is dead or all are unwanted.
    pub(super) fn invalidate_opened_before(&self, moment: Instant) {
        self.invalid_before.fetch_max(self.nanos(moment), Relaxed);
    }

    /// Calls [`Freshness::invalidate_opened_before`], at most once per [`EVIDENCE_PAUSE`]: an error that also occurs on
    /// new sessions proves nothing about old ones.
    pub(super) fn invalidate_opened_before_throttled(&self, moment: Instant) {
        let (last, now) = (self.invalid_before.load(Relaxed), self.nanos(moment));
        if last == NEVER || now.saturating_sub(last) >= EVIDENCE_PAUSE.as_nanos() as u64 {
            self.invalidate_opened_before(moment);
        }
    }

    pub(super) fn is_invalidated(&self, slot: &Slot) -> bool {
        let invalid_before = self.invalid_before.load(Relaxed);
        invalid_before != NEVER && self.nanos(slot.opened_at()) < invalid_before
    }

    /// Records that the server ended a session and possibly others. Each connection is pinged before its next use, and
    /// one caller connects before the others.
    pub(super) fn suspect_all(&self) {
        self.suspect_since.fetch_max(self.nanos(Instant::now()), Relaxed);
        self.suspect_server();
    }

    /// Records that a connection could not be opened. One caller connects before the others.
    pub(super) fn suspect_server(&self) {
        self.is_suspect.store(true, Relaxed);
    }

    /// Returns true if the connection must be pinged before use.
    pub(super) fn needs_ping(&self, slot: &Slot, now: Instant) -> bool {
        let suspect_since = self.suspect_since.load(Relaxed);
        now.saturating_duration_since(slot.last_used()) >= FRESH
            || suspect_since != NEVER && self.nanos(slot.last_used()) <= suspect_since
    }

    /// Returns true if no connection was opened since the server became suspect.
    pub(super) fn is_server_suspect(&self) -> bool {
        self.is_suspect.load(Relaxed)
    }

    /// Records that a connection was opened.
    pub(super) fn note_connected(&self) {
        self.is_suspect.store(false, Relaxed);
    }

    fn nanos(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}
