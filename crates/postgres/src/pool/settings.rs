//! How large the pool is and how long its connections live: one plain struct, each field with unit and reason.

use crate::SessionSettings;
use std::time::Duration;

/// Longest duration that a setting has; longer ones mean the same, never. Far enough, and clocks can add it.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Returns `duration`, or what stands for "never" if it is longer.
pub(super) fn bounded(duration: Duration) -> Duration {
    duration.min(NEVER)
}

/// Which of the resting connections is handed out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The one that was used last: few stay busy, the others may be closed.
    Lifo,
    /// The one that rested longest: all stay warm.
    Fifo,
}

/// Settings of a [`Pool`](crate::Pool). The names and meanings are those of SQLAlchemy's QueuePool.
///
/// Durations may have any value; [`Duration::MAX`] means "never".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections that are kept open. Zero is a null pool: each borrower gets a connection of its own, closed on
    /// return; `max_overflow` bounds their number. PostgreSQL allows 100 in all by default.
    pub pool_size: u32,
    /// Connections more while they are needed.
    pub max_overflow: u32,
    /// How long a connection beyond `pool_size` may rest before it is closed. Zero closes it on return, which is
    /// QueuePool's own rule: steady load just above `pool_size` then opens 100 connections a second and more.
    /// [`Duration::MAX`] keeps it.
    pub linger: Duration,
    /// Maximum wait for a connection. Zero hands out what rests and waits for nothing; [`Duration::MAX`] waits until
    /// the caller's own deadline.
    pub timeout: Duration,
    /// The age at which a connection is replaced, give or take a tenth, so that those born together do not die
    /// together. Zero uses each connection once; [`Duration::MAX`] replaces none.
    pub recycle: Duration,
    /// Whether a connection that rested for more than half a second is asked for a sign of life before it is handed out.
    pub pre_ping: bool,
    /// Which connection is handed out next.
    pub order: Order,
    /// A connection that is away for longer is reported, with its borrower: it may have been forgotten.
    /// [`Duration::MAX`] reports none.
    pub leak_after: Duration,
    /// How each session begins.
    pub session: SessionSettings,
}

impl Default for PoolSettings {
    /// [`PoolSettings::production`].
    fn default() -> Self {
        Self::production()
    }
}

impl PoolSettings {
    /// 5 connections and 5 more: for one developer.
    pub fn development() -> Self {
        Self::sized(5, 5)
    }

    /// 20 connections and 10 more: the default. Leaves room for two more such servers below PostgreSQL's 100.
    pub fn production() -> Self {
        Self::sized(20, 10)
    }

    /// 20 connections and 30 more: for bursts of short statements.
    pub fn bursts() -> Self {
        Self::sized(20, 30)
    }

    /// 10 connections and 20 more, replaced after 300 s: behind proxies that drop what is older.
    pub fn short_lived() -> Self {
        Self { recycle: Duration::from_secs(300), ..Self::sized(10, 20) }
    }

    /// A pool of `pool_size` and `max_overflow`; waits 30 s, replaces after an hour, pings after a rest, lets overflow
    /// linger for a second, reports what is away for a minute.
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

    /// Returns these settings with durations that clocks can add.
    pub(super) fn bounded(self) -> Self {
        Self {
            linger: bounded(self.linger),
            timeout: bounded(self.timeout),
            recycle: bounded(self.recycle),
            leak_after: bounded(self.leak_after),
            ..self
        }
    }

    /// The most connections at any moment; at least one.
    pub fn ceiling(&self) -> u32 {
        self.pool_size.saturating_add(self.max_overflow).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_profiles_have_their_sizes() {
        let sizes =
            |settings: PoolSettings| (settings.pool_size, settings.max_overflow, settings.recycle.as_secs());
        assert_eq!(sizes(PoolSettings::development()), (5, 5, 3600));
        assert_eq!(sizes(PoolSettings::default()), (20, 10, 3600));
        assert_eq!(sizes(PoolSettings::bursts()), (20, 30, 3600));
        assert_eq!(sizes(PoolSettings::short_lived()), (10, 20, 300));
    }
}
