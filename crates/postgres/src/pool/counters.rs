//! Counters of the pool: opened and closed connections, waiting callers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Reason why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The connection was beyond `pool_size` and no longer needed.
    Overflow,
    /// The connection reached its maximum age.
    Recycled,
    /// The connection broke, its session ended, or a transaction was left open.
    Broken,
    /// The borrower left while the server was working. The server was asked to cancel.
    Abandoned,
    /// The connection did not respond, or it is as old as one that did not.
    Dead,
    /// The borrower changed the session: a setting, the role, a session lock, a temporary object.
    Altered,
    /// The pool was closed or disposed of.
    Disposed,
}

impl CloseReason {
    /// All reasons, in order of declaration.
    pub const ALL: [Self; 7] = [
        Self::Overflow,
        Self::Recycled,
        Self::Broken,
        Self::Abandoned,
        Self::Dead,
        Self::Altered,
        Self::Disposed,
    ];

    /// Returns the stable lower-case name for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Recycled => "recycled",
            Self::Broken => "broken",
            Self::Abandoned => "abandoned",
            Self::Dead => "dead",
            Self::Altered => "altered",
            Self::Disposed => "disposed",
        }
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) timed_out: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl Counters {
    pub(super) fn closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Relaxed);
        metrics::counter!("db_pool_closed_total", "reason" => reason.as_str()).increment(1);
    }

    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
        metrics::counter!("db_pool_opened_total").increment(1);
    }

    /// Returns the number of connections closed for any reason.
    pub(super) fn closed_in_all(&self) -> u64 {
        self.closed.iter().map(|closed| closed.load(Relaxed)).sum()
    }

    pub(super) fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].load(Relaxed)
    }
}

/// Counts a caller as waiting until it is dropped.
pub(super) struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    pub(super) fn new(counters: &'a Counters) -> Self {
        counters.waiting.fetch_add(1, Relaxed);
        Self(&counters.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
