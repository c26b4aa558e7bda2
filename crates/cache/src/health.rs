//! What the cache tells of itself: counters, metrics, a snapshot for health answers.

use std::sync::atomic::{AtomicU64, Ordering};
use steadfast_resilience::Snapshot;

/// What the cache looks like now. Counters begin at the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct CacheHealth {
    /// The shared tier; nothing when the tier in the process serves alone.
    pub redis: Option<RedisHealth>,
    /// Values in the process, approximately.
    pub entries: u64,
    /// Loads under way.
    pub loading: usize,
    /// Requests answered from the process.
    pub process_hits: u64,
    /// Requests answered from Redis, each once for all that waited for it.
    pub redis_hits: u64,
    /// Requests whose value had to be loaded, or that waited for another's load.
    pub misses: u64,
    /// Requests answered by a stale value since loading failed.
    pub stale: u64,
    /// Requests whose load failed with nothing to fall back to.
    pub failures: u64,
    /// Questions to Redis that brought no answer, for whatever reason.
    pub redis_faults: u64,
    /// Values that Redis did not get, since it could not take them in time.
    pub dropped_writes: u64,
}

/// The tier that nodes share.
#[derive(Clone, Copy, Debug)]
pub struct RedisHealth {
    /// Whether there is a connection.
    pub connected: bool,
    /// Its breaker.
    pub breaker: Snapshot,
}

/// How one request ended.
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

/// Everything that is counted.
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
