//! Snapshot of the pool's state, in QueuePool's terms.

use super::counters::CloseReason;
use crate::error::ConnectError;
use std::time::Duration;

/// Snapshot of the pool's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Number of connections that stay open.
    pub size: u32,
    /// Number of additional connections under load.
    pub max_overflow: u32,
    /// Number of connections that are open or being opened.
    pub open: u32,
    /// Number of connections in use.
    pub checked_out: u32,
    /// Number of callers waiting for a connection.
    pub waiting: u64,
    /// Number of callers that timed out while waiting, since the start.
    pub timed_out: u64,
    /// Number of connections opened since the start.
    pub opened: u64,
    /// Numbers of connections closed since the start, by reason.
    pub closed: [(CloseReason, u64); CloseReason::ALL.len()],
    /// Duration and cause of the current outage, during which callers fail.
    pub outage: Option<(Duration, ConnectError)>,
    /// Duration and cause of the current impairment, during which callers share the open connections because no further
    /// one can be opened.
    pub impairment: Option<(Duration, ConnectError)>,
}

impl PoolState {
    /// Returns the number of open connections beyond `size`.
    pub fn overflow(&self) -> u32 {
        self.open.saturating_sub(self.size)
    }

    /// Returns the share of connections in use, from 0 to 1.
    pub fn utilisation(&self) -> f64 {
        f64::from(self.checked_out) / f64::from((self.size + self.max_overflow).max(1))
    }

    /// Returns the number of connections closed for `reason`.
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }
}
