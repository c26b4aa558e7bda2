//! How a contention gate opens again, and what it tells of itself.

use std::time::Duration;

/// How a [`ContentionGate`](crate::ContentionGate) opens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentionRules {
    /// One more is let in after each such time without contention. Default 1 s.
    pub raise_every: Duration,
    /// It is open again after this time without contention. Default 30 s.
    pub open_after: Duration,
    /// How many may wait. Default 1,000.
    pub queue: usize,
}

impl Default for ContentionRules {
    fn default() -> Self {
        Self { raise_every: Duration::from_secs(1), open_after: Duration::from_secs(30), queue: 1_000 }
    }
}

/// What a gate looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentionSnapshot {
    /// How many are inside.
    pub inside: u64,
    /// How many wait.
    pub waiting: usize,
    /// How many may be inside; nothing while it is open.
    pub limit: Option<u64>,
    /// Contentions reported since the start.
    pub contentions: u64,
}
