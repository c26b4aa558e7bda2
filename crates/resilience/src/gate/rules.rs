//! Settings and state of a contention gate.

use std::time::Duration;

/// Rules by which a [`ContentionGate`](crate::ContentionGate) opens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentionRules {
    /// Time without contention after which the gate admits one more caller. Defaults to 1 s; at least 1 ms.
    pub raise_every: Duration,
    /// Time without contention after which the gate opens again. Defaults to 30 s; `Duration::MAX` means never.
    pub open_after: Duration,
    /// Maximum number of waiting callers. Defaults to 1,000.
    pub queue: usize,
}

impl Default for ContentionRules {
    fn default() -> Self {
        Self { raise_every: Duration::from_secs(1), open_after: Duration::from_secs(30), queue: 1_000 }
    }
}

/// Snapshot of a gate's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentionSnapshot {
    /// Number of callers inside.
    pub inside: u64,
    /// Number of waiting callers.
    pub waiting: usize,
    /// Maximum number of callers inside; `None` while the gate is open.
    pub limit: Option<u64>,
    /// Number of contentions reported since the start.
    pub contentions: u64,
}
