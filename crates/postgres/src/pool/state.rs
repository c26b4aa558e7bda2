//! What the pool looks like at one moment, in QueuePool's terms.

use super::counters::CloseReason;
use crate::error::ConnectError;
use std::time::Duration;

/// What the pool looks like at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that are kept.
    pub size: u32,
    /// Connections more on demand.
    pub max_overflow: u32,
    /// Connections that are open now, or are being opened.
    pub open: u32,
    /// Of those, in use.
    pub checked_out: u32,
    /// Callers that wait for one.
    pub waiting: u64,
    /// Callers that waited in vain, since the start.
    pub timed_out: u64,
    /// Connections opened, since the start.
    pub opened: u64,
    /// Connections closed, since the start, by reason.
    pub closed: [(CloseReason, u64); CloseReason::ALL.len()],
    /// How long and why nobody can be served.
    pub outage: Option<(Duration, ConnectError)>,
    /// How long and why no further connection can be opened, although nobody has to fail: callers share the open ones.
    pub impairment: Option<(Duration, ConnectError)>,
}

impl PoolState {
    /// Connections beyond the size of the pool.
    pub fn overflow(&self) -> u32 {
        self.open.saturating_sub(self.size)
    }

    /// Connections in use as a share of the most that there may be, from 0 to 1.
    pub fn utilisation(&self) -> f64 {
        f64::from(self.checked_out) / f64::from((self.size + self.max_overflow).max(1))
    }

    /// How often a connection was closed for `reason`.
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }
}
