//! Counters, metrics and health of the cache.

use std::sync::atomic::{AtomicU64, Ordering};
use steadfast_resilience::Snapshot;

/// Snapshot of the cache's state. Counters start with the cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheHealth {
    /// State of the Redis tier; `None` without Redis.
    pub redis: Option<RedisHealth>,
    /// Approximate number of values in the process.
    pub entries: u64,
    /// Number of running loads.
    pub loading: usize,
    /// Number of requests answered from the process.
    pub process_hits: u64,
    /// Number of requests answered from Redis, including requests that waited for the same response.
    pub redis_hits: u64,
    /// Number of requests that loaded the value, or waited for the load of another request.
    pub misses: u64,
    /// Number of requests answered with a stale value because the load failed.
    pub stale: u64,
    /// Number of requests that failed because the load failed and there was no stale value.
    pub failures: u64,
    /// Number of requests to Redis without a usable response.
    pub redis_faults: u64,
    /// Number of values that were not written to Redis because it was too slow or unavailable.
    pub dropped_writes: u64,
}

/// State of the Redis tier.
#[derive(Clone, Copy, Debug)]
pub struct RedisHealth {
    /// True if there is a connection.
    pub connected: bool,
    /// State of the circuit breaker.
    pub breaker: Snapshot,
}

/// Outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    ProcessHit,
    RedisHit,
    Miss,
    Shared,
    Stale,
    Failed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ProcessHit => "hit",
            Self::RedisHit => "redis_hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
}

/// Counters of the cache.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    process_hits: AtomicU64,
    redis_hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    failures: AtomicU64,
    redis_faults: AtomicU64,
    dropped_writes: AtomicU64,
}

impl Counters {
    pub(crate) fn request(&self, area: &'static str, outcome: Outcome) {
        let counter = match outcome {
            Outcome::ProcessHit => &self.process_hits,
            Outcome::RedisHit => &self.redis_hits,
            Outcome::Miss | Outcome::Shared => &self.misses,
            Outcome::Stale => &self.stale,
            Outcome::Failed => &self.failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("cache_requests_total", "area" => area, "outcome" => outcome.as_str()).increment(1);
    }

    pub(crate) fn fault(&self, why: &'static str) {
        self.redis_faults.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("cache_redis_faults_total", "why" => why).increment(1);
    }

    pub(crate) fn dropped(&self, writes: usize) {
        let writes = writes as u64;
        self.dropped_writes.fetch_add(writes, Ordering::Relaxed);
        metrics::counter!("cache_dropped_writes_total").increment(writes);
    }

    pub(crate) fn health(&self, redis: Option<RedisHealth>, entries: u64, loading: usize) -> CacheHealth {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheHealth {
            redis,
            entries,
            loading,
            process_hits: count(&self.process_hits),
            redis_hits: count(&self.redis_hits),
            misses: count(&self.misses),
            stale: count(&self.stale),
            failures: count(&self.failures),
            redis_faults: count(&self.redis_faults),
            dropped_writes: count(&self.dropped_writes),
        }
    }
}
