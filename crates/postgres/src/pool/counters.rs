//! What the pool did since the start: connections opened, and closed for which reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It was beyond `pool_size` and not needed any more.
    Overflow,
    /// It had reached its age.
    Recycled,
    /// Nobody may use it again: it broke, or its session ended, or a transaction was left open on it.
    Broken,
    /// Its borrower left while the server worked for it; the server was asked to stop.
    Abandoned,
    /// It gave no sign of life, or was as old as one that gave none.
    Dead,
    /// Its borrower changed the session: a setting, the role, a session lock, a temporary object.
    Altered,
    /// The pool was closed or disposed of.
    Disposed,
}

impl CloseReason {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Overflow,
        Self::Recycled,
        Self::Broken,
        Self::Abandoned,
        Self::Dead,
        Self::Altered,
        Self::Disposed,
    ];

    /// The reason as a metric label: lower case, never changes.
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

/// Counts since the start.
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

    /// Returns how many connections were closed, for any reason.
    pub(super) fn closed_in_all(&self) -> u64 {
        self.closed.iter().map(|closed| closed.load(Relaxed)).sum()
    }

    pub(super) fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].load(Relaxed)
    }
}

/// Counts a caller as waiting for as long as it does, also when it leaves early.
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
