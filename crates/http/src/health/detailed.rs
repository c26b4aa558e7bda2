//! Health in detail, with the breaker of each dependency, for dashboards and operators.

use super::{DatabaseCheck, level};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use steadfast_repository::{Level, Store};
use steadfast_resilience::{BreakerState, Snapshot};
use steadfast_services::cache::{CacheHealth, RedisHealth};
use steadfast_services::keys::Checker;
use steadfast_services::terminology::Catalogue;
use utoipa::ToSchema;

/// Number of codes that every complete release of ICD-10-CM exceeds.
const COMPLETE_RELEASE: usize = 60_000;

/// State of the service and of all dependencies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetailedHealth {
    /// `unhealthy` if the database is, else `degraded` if one of the checks is, else `healthy`.
    status: &'static str,
    checks: Checks,
    /// Counters of the cache since the start; null if it is disabled.
    cache: Option<CacheCounts>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthChecks)]
struct Checks {
    database: DatabaseCheck,
    redis: RedisCheck,
    data: DataCheck,
    pidkey: UpstreamCheck,
}

/// State of Redis, the cache that servers share.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedisCheck {
    /// `degraded` while Redis cannot be used and answers come from the process and the database; never `unhealthy`.
    status: &'static str,
    /// True if Redis is configured. Otherwise each server caches answers only in its own process.
    configured: bool,
    /// True if there is a connection.
    connected: bool,
    /// State of the circuit breaker: `closed`, `open` or `half_open`; null without Redis.
    breaker: Option<&'static str>,
}

/// State of imported tables.
#[derive(Debug, Serialize, ToSchema)]
struct DataCheck {
    /// `degraded` if ICD-10-CM has fewer codes than every complete release, or the number is unknown.
    status: &'static str,
    /// Number of codes of ICD-10-CM in use; null while the database does not answer.
    icd10_codes: Option<usize>,
}

/// State of PIDKey.com, as of the last checks of product keys.
#[derive(Debug, Serialize, ToSchema)]
struct UpstreamCheck {
    /// `degraded` while the circuit breaker is not closed, after several consecutive failures.
    status: &'static str,
    /// State of the circuit breaker: `closed`, `open` or `half_open`.
    breaker: &'static str,
}

/// Counters of the cache.
#[derive(Debug, Serialize, ToSchema)]
struct CacheCounts {
    /// Approximate number of answers cached in this process.
    entries: u64,
    /// Number of requests answered from this process.
    process_hits: u64,
    /// Number of requests answered from Redis.
    redis_hits: u64,
    /// Number of requests answered from the database.
    misses: u64,
    /// Number of requests answered with an expired answer because the database did not answer.
    stale: u64,
    /// Number of requests without an answer.
    failures: u64,
    /// Number of failed reads from Redis.
    redis_faults: u64,
    /// Number of answers that could not be written to Redis in time.
    dropped_writes: u64,
}

impl From<Option<RedisHealth>> for RedisCheck {
    fn from(redis: Option<RedisHealth>) -> Self {
        let is_usable = |redis: RedisHealth| redis.connected && is_closed(redis.breaker);
        Self {
            status: level(if redis.is_none_or(is_usable) { Level::Healthy } else { Level::Degraded }),
            configured: redis.is_some(),
            connected: redis.is_some_and(|redis| redis.connected),
            breaker: redis.map(|redis| redis.breaker.state.as_str()),
        }
    }
}

impl From<Option<usize>> for DataCheck {
    fn from(codes: Option<usize>) -> Self {
        let is_complete = codes.is_some_and(|codes| codes > COMPLETE_RELEASE);
        Self { status: level(if is_complete { Level::Healthy } else { Level::Degraded }), icd10_codes: codes }
    }
}

impl From<Snapshot> for UpstreamCheck {
    fn from(breaker: Snapshot) -> Self {
        let status = level(if is_closed(breaker) { Level::Healthy } else { Level::Degraded });
        Self { status, breaker: breaker.state.as_str() }
    }
}

fn is_closed(breaker: Snapshot) -> bool {
    breaker.state == BreakerState::Closed
}

impl From<CacheHealth> for CacheCounts {
    fn from(health: CacheHealth) -> Self {
        Self {
            entries: health.entries,
            process_hits: health.process_hits,
            redis_hits: health.redis_hits,
            misses: health.misses,
            stale: health.stale,
            failures: health.failures,
            redis_faults: health.redis_faults,
            dropped_writes: health.dropped_writes,
        }
    }
}

impl Checks {
    /// Returns the status of the service, which is unhealthy only if the database is.
    fn status(&self) -> &'static str {
        let unhealthy = level(Level::Unhealthy);
        let all = [self.database.status, self.redis.status, self.data.status, self.pidkey.status];
        match self.database.status {
            status if status == unhealthy => unhealthy,
            _ if all.iter().all(|status| *status == level(Level::Healthy)) => level(Level::Healthy),
            _ => level(Level::Degraded),
        }
    }
}

/// Returns 503 if `status` is unhealthy.
fn code(status: &str) -> StatusCode {
    let is_unhealthy = status == level(Level::Unhealthy);
    if is_unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

pub(super) async fn detailed(
    State(store): State<Store>,
    State(catalogue): State<Catalogue>,
    State(checker): State<Arc<Checker>>,
) -> (StatusCode, Json<DetailedHealth>) {
    let health = catalogue.health();
    let checks = Checks {
        database: store.health().into(),
        redis: health.cache.and_then(|cache| cache.redis).into(),
        data: health.codes.into(),
        pidkey: checker.breaker().into(),
    };
    let status = checks.status();
    (code(status), Json(DetailedHealth { status, checks, cache: health.cache.map(CacheCounts::from) }))
}

pub(super) async fn database(State(store): State<Store>) -> (StatusCode, Json<DatabaseCheck>) {
    let check = DatabaseCheck::from(store.health());
    (code(check.status), Json(check))
}

pub(super) async fn redis(State(catalogue): State<Catalogue>) -> Json<RedisCheck> {
    Json(catalogue.health().cache.and_then(|cache| cache.redis).into())
}
