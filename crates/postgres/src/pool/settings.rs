//! How large the pool is and how long its connections live: one plain struct, each field with unit and reason.

use crate::SessionSettings;
use std::time::Duration;

/// Settings of a [`Pool`](crate::Pool). The names and meanings are those of SQLAlchemy's QueuePool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections that are kept open. At least 1; PostgreSQL allows 100 in all by default.
    pub pool_size: u32,
    /// Connections more while they are needed.
    pub max_overflow: u32,
    /// The longest wait for a connection.
    pub timeout: Duration,
    /// The age at which a connection is replaced, give or take a tenth, so that those born together do not die
    /// together.
    pub recycle: Duration,
    /// Whether a connection that rested is asked for a sign of life before it is handed out.
    pub pre_ping: bool,
    /// How each session begins.
    pub session: SessionSettings,
}

impl Default for PoolSettings {
    /// The production profile: 20 kept and 10 more, 30 s wait, an hour of life, pinged after a rest.
    fn default() -> Self {
        Self {
            pool_size: 20,
            max_overflow: 10,
            timeout: Duration::from_secs(30),
            recycle: Duration::from_secs(3600),
            pre_ping: true,
            session: SessionSettings::default(),
        }
    }
}

impl PoolSettings {
    /// The most connections at any moment.
    pub(crate) fn ceiling(&self) -> u32 {
        self.pool_size.max(1).saturating_add(self.max_overflow)
    }
}
