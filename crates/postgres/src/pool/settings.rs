//! Settings of the pool.

use crate::SessionSettings;
use std::time::Duration;

/// Longest duration of a setting. Longer ones mean "never"; this one can still be added to the clock.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Returns `duration`, at most [`NEVER`].
pub(super) fn bounded(duration: Duration) -> Duration {
    duration.min(NEVER)
}

/// Order in which idle connections are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Most recently used first: few connections stay busy, and the others can be closed.
    Lifo,
    /// Least recently used first: all connections stay in use.
    Fifo,
}

/// Settings of a [`Pool`](crate::Pool). The names and meanings are those of SQLAlchemy's QueuePool.
///
/// Durations may have any value; [`Duration::MAX`] means "never".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Number of connections that stay open. With zero, each borrower gets a new connection that is closed on return,
    /// and `max_overflow` limits their number. PostgreSQL allows 100 connections in total by default.
    pub pool_size: u32,
    /// Number of additional connections under load.
    pub max_overflow: u32,
    /// Idle time after which a connection beyond `pool_size` is closed. Zero closes it on return, as QueuePool does:
    /// steady load just above `pool_size` then opens 100 connections per second or more. [`Duration::MAX`] never closes
    /// it.
    pub linger: Duration,
    /// Maximum wait for a connection. With zero, callers never wait; with [`Duration::MAX`], they wait until their own
    /// deadline.
    pub timeout: Duration,
    /// Maximum age of a connection, plus or minus a tenth so that connections opened together are not replaced
    /// together. Zero replaces each connection after one use; [`Duration::MAX`] never replaces it.
    pub recycle: Duration,
    /// True if connections that were idle for more than half a second are pinged before use.
    pub pre_ping: bool,
    /// Order in which idle connections are reused.
    pub order: Order,
    /// Time after which a borrowed connection is reported as a possible leak, with the name of its borrower.
    /// [`Duration::MAX`] disables the report.
    pub leak_after: Duration,
    /// Settings of each session.
    pub session: SessionSettings,
}

impl Default for PoolSettings {
    /// Returns [`PoolSettings::production`].
    fn default() -> Self {
        Self::production()
    }
}

impl PoolSettings {
    /// Returns 5 connections plus 5 overflow, for development.
    pub fn development() -> Self {
        Self::sized(5, 5)
    }

    /// Returns 20 connections plus 10 overflow, the default. Three such instances fit PostgreSQL's default of 100
    /// connections.
    pub fn production() -> Self {
        Self::sized(20, 10)
    }

    /// Returns 20 connections plus 30 overflow, for bursts of short statements.
    pub fn bursts() -> Self {
        Self::sized(20, 30)
    }

    /// Returns 10 connections plus 20 overflow, replaced after 300 s, for use behind proxies that drop older
    /// connections.
    pub fn short_lived() -> Self {
        Self { recycle: Duration::from_secs(300), ..Self::sized(10, 20) }
    }

    /// Returns settings for `pool_size` and `max_overflow`. Callers wait up to 30 s, connections are replaced after an
    /// hour and pinged after idle time, overflow lingers for a second, and leaks are reported after a minute.
    pub fn sized(pool_size: u32, max_overflow: u32) -> Self {
        Self {
            pool_size,
            max_overflow,
            linger: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            recycle: Duration::from_secs(3600),
            pre_ping: true,
            order: Order::Lifo,
            leak_after: Duration::from_secs(60),
            session: SessionSettings::default(),
        }
    }

    /// Returns these settings with durations that can be added to the clock.
    pub(super) fn bounded(self) -> Self {
        Self {
            linger: bounded(self.linger),
            timeout: bounded(self.timeout),
            recycle: bounded(self.recycle),
            leak_after: bounded(self.leak_after),
            ..self
        }
    }

    /// Returns the maximum number of open connections, at least one.
    pub fn ceiling(&self) -> u32 {
        self.pool_size.saturating_add(self.max_overflow).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_documented_sizes() {
        let sizes =
            |settings: PoolSettings| (settings.pool_size, settings.max_overflow, settings.recycle.as_secs());
        assert_eq!(sizes(PoolSettings::development()), (5, 5, 3600));
        assert_eq!(sizes(PoolSettings::default()), (20, 10, 3600));
        assert_eq!(sizes(PoolSettings::bursts()), (20, 30, 3600));
        assert_eq!(sizes(PoolSettings::short_lived()), (10, 20, 300));
    }
}
