//! What callers give to the cache and get from it.

use std::sync::Arc;
use std::time::Duration;

/// What a load found, and with it how long it may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded<T> {
    /// An answer: kept for the TTL.
    Found(T),
    /// The answer that there is nothing: kept for the shorter, negative TTL.
    Nothing(T),
    /// An answer that lacks something, since a part of the load failed: given to those who wait for it, never kept.
    Partial(T),
}

impl<T> Loaded<T> {
    /// The value, for a caller without a cache.
    pub fn into_value(self) -> T {
        match self {
            Self::Found(value) | Self::Nothing(value) | Self::Partial(value) => value,
        }
    }
}

/// A value, and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub struct Cached<T> {
    /// The value, shared with all that asked for it.
    pub value: Arc<T>,
    /// Where it comes from.
    pub status: Status,
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), status: self.status }
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was kept, and is within its TTL.
    Hit(Tier),
    /// It was loaded for this caller, or for another that asked for the same at the same time.
    Miss,
    /// It was kept, is past its TTL by this much, and cannot be loaded now.
    Stale {
        /// How long ago it ceased to be fresh.
        since: Duration,
    },
}

impl Status {
    /// The status as a log field and in answers: `hit`, `miss` or `stale`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit(_) => "hit",
            Self::Miss => "miss",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether it was kept before, fresh or stale.
    pub const fn is_hit(self) -> bool {
        !matches!(self, Self::Miss)
    }
}

/// Where a value was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In this process.
    Process,
    /// In Redis.
    Redis,
}
