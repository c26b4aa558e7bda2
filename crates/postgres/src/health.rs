//! Health of the database, computed from counters only.

use crate::pool::PoolState;
use steadfast_resilience::Snapshot;

/// Health level of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Less than three quarters of the connections are in use.
    Healthy,
    /// Three quarters to nine tenths are in use.
    Degraded,
    /// More than nine tenths are in use, or the database cannot be reached.
    Unhealthy,
}

/// Snapshot of the pool and the breaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// State of the pool.
    pub pool: PoolState,
    /// State of the breaker.
    pub breaker: Snapshot,
}

impl Health {
    /// Returns true if a connection was ever opened. Call [`Db::ping`](crate::Db::ping) at startup before reporting
    /// readiness, since connections are opened on demand.
    pub fn was_reached(&self) -> bool {
        self.pool.opened > 0
    }

    /// Returns true if the server was reached and there is no outage. The breaker is ignored: an open one closes only
    /// after a call, and a load balancer would send none.
    pub fn is_connected(&self) -> bool {
        self.was_reached() && self.pool.outage.is_none()
    }

    /// Returns the health level.
    pub fn level(&self) -> Level {
        let used = self.pool.utilisation();
        if !self.is_connected() || used > 0.9 {
            Level::Unhealthy
        } else if used >= 0.75 {
            Level::Degraded
        } else {
            Level::Healthy
        }
    }
}
