//! The same health in detail, each dependency with its breaker: for dashboards, and for whoever is woken by them.

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

/// Codes that every whole release of ICD-10-CM has more of.
const WHOLE_RELEASE: usize = 60_000;

/// How everything is that the service depends on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetailedHealth {
    /// `unhealthy` when the database is, else `degraded` when one of the checks is, else `healthy`.
    status: &'static str,
    checks: Checks,
    /// What the cache has done since the start; null when it is switched off.
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

/// The cache that servers share.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedisCheck {
    /// `degraded` while it cannot be used, for answers then come from the process and the database; never `unhealthy`.
    status: &'static str,
    /// Whether there is one at all. Without, each server keeps answers by itself.
    configured: bool,
    /// Whether there is a connection.
    connected: bool,
    /// State of the circuit breaker: `closed`, `open` or `half_open`; null without Redis.
    breaker: Option<&'static str>,
}

/// The tables that come from outside.
#[derive(Debug, Serialize, ToSchema)]
struct DataCheck {
    /// `degraded` when ICD-10-CM has fewer codes than every whole release, or the database does not say.
    status: &'static str,
    /// Codes of ICD-10-CM in use; null while the database does not say.
    icd10_codes: Option<usize>,
}

/// PIDKey.com, as the checks of product keys found it.
#[derive(Debug, Serialize, ToSchema)]
struct UpstreamCheck {
    /// `degraded` while it is not asked, for it failed several times in a row.
    status: &'static str,
    /// State of the circuit breaker: `closed`, `open` or `half_open`.
    breaker: &'static str,
}

/// What the cache did.
#[derive(Debug, Serialize, ToSchema)]
struct CacheCounts {
    /// Answers that this process keeps, approximately.
    entries: u64,
    /// Requests answered by what this process keeps.
    process_hits: u64,
    /// Requests answered by what Redis keeps.
    redis_hits: u64,
    /// Requests that the database was asked for.
    misses: u64,
    /// Requests answered by what was past its time, since the database did not answer.
    stale: u64,
    /// Requests without an answer.
    failures: u64,
    /// Questions to Redis that brought nothing.
    redis_faults: u64,
    /// Answers that Redis did not take in time.
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
        let is_whole = codes.is_some_and(|codes| codes > WHOLE_RELEASE);
        Self { status: level(if is_whole { Level::Healthy } else { Level::Degraded }), icd10_codes: codes }
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
    /// Only without its database there is nothing to serve.
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

/// 503 for what is unhealthy.
fn code(status: &str) -> StatusCode {
    let is_unhealthy = status == level(Level::Unhealthy);
    if is_unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// Everything.
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

/// The database alone.
pub(super) async fn database(State(store): State<Store>) -> (StatusCode, Json<DatabaseCheck>) {
    let check = DatabaseCheck::from(store.health());
    (code(check.status), Json(check))
}

/// Redis alone.
pub(super) async fn redis(State(catalogue): State<Catalogue>) -> Json<RedisCheck> {
    Json(catalogue.health().cache.and_then(|cache| cache.redis).into())
}
