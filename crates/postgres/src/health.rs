//! How the database is doing, read from counters alone.

use crate::pool::PoolState;
use steadfast_resilience::Snapshot;

/// How well the database can be worked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Less than three quarters of the connections are in use.
    Healthy,
    /// Three quarters to nine tenths are in use.
    Degraded,
    /// More than nine tenths are in use, or nobody can be served.
    Unhealthy,
}

/// State of pool and breaker at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The pool.
    pub pool: PoolState,
    /// The breaker in front of it.
    pub breaker: Snapshot,
}

impl Health {
    /// Returns true if a connection was ever opened. A program that reports its readiness should call
    /// [`Db::ping`](crate::Db::ping) when it starts, since nothing is connected before the first unit of work.
    pub fn was_reached(&self) -> bool {
        self.pool.opened > 0
    }

    /// Returns true if the server was reached and there is no outage. The breaker has no say in it: an open one waits for
    /// a call, and a load balancer that believes it sends none.
    pub fn is_connected(&self) -> bool {
        self.was_reached() && self.pool.outage.is_none()
    }

    /// The level.
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
