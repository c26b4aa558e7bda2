//! Values that callers load and receive.

use std::sync::Arc;
use std::time::Duration;

/// Result of a load, which decides how long it is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded<T> {
    /// A complete result, cached for the TTL.
    Found(T),
    /// The result that nothing was found, cached for the shorter negative TTL.
    Nothing(T),
    /// An incomplete result, because a part of the load failed. Returned to the waiting callers, but not cached.
    Partial(T),
}

impl<T> Loaded<T> {
    /// Returns the value, for callers without a cache.
    pub fn into_value(self) -> T {
        match self {
            Self::Found(value) | Self::Nothing(value) | Self::Partial(value) => value,
        }
    }
}

/// A value with its origin.
#[derive(Debug, PartialEq, Eq)]
pub struct Cached<T> {
    /// The value, shared with other callers.
    pub value: Arc<T>,
    /// Origin of the value.
    pub status: Status,
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), status: self.status }
    }
}

/// Origin of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A cached value within its TTL.
    Hit(Tier),
    /// A value loaded for this caller or for a concurrent one.
    Miss,
    /// A cached value past its TTL, served because the load failed.
    Stale {
        /// Time since the TTL expired.
        since: Duration,
    },
}

impl Status {
    /// Returns the status for log fields and responses: `hit`, `miss` or `stale`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit(_) => "hit",
            Self::Miss => "miss",
            Self::Stale { .. } => "stale",
        }
    }

    /// Returns true if the value was cached, fresh or stale.
    pub const fn is_hit(self) -> bool {
        !matches!(self, Self::Miss)
    }
}

/// Tier of a cached value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Memory of this process.
    Process,
    /// Redis.
    Redis,
}
