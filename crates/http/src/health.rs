//! Whether this process lives, and whether it should be sent requests. Read from counters: asking costs no connection
//! and works when the database does not.

mod detailed;

use crate::identity::READS_SERVED;
use crate::openapi::Document;
use crate::route::{Access, Route};
use crate::serve::Draining;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use detailed::{DetailedHealth, RedisCheck};
use serde::Serialize;
use std::time::Duration;
use steadfast_repository::{Health, Level, Store};
use steadfast_services::terminology::Catalogue;
use utoipa::ToSchema;

/// How long these answers may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The routes about the service itself.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    vec![
        Route::get("/health/live", Access::Open, live)
            .summary("Whether the process answers at all")
            .within(LIMIT)
            .answers_bare::<Alive>(),
        Route::get("/health/ready", Access::Open, ready)
            .summary("Whether requests should be sent here; 503 while it drains or can answer nothing")
            .within(LIMIT)
            .answers_bare::<Readiness>()
            .or_unavailable(),
        Route::get("/health/detailed", Access::Open, detailed::detailed)
            .summary("Everything that it depends on, with breakers; 503 when the database is unhealthy")
            .within(LIMIT)
            .answers_bare::<DetailedHealth>()
            .or_unavailable(),
        Route::get("/health/database", Access::Open, detailed::database)
            .summary("The database, its pool and its breaker; 503 when it is unhealthy")
            .within(LIMIT)
            .answers_bare::<DatabaseCheck>()
            .or_unavailable(),
        Route::get("/health/redis", Access::Open, detailed::redis)
            .summary("Redis and its breaker; without it, requests are answered all the same")
            .within(LIMIT)
            .answers_bare::<RedisCheck>(),
        Route::get("/openapi.json", Access::Open, description)
            .summary("Get this OpenAPI document")
            .within(LIMIT)
            .answers_bare::<Document>(),
    ]
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
struct Alive {
    /// Always `alive`.
    status: &'static str,
}

async fn live() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether requests should be sent here.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// Status of the database, `degraded` while only cached answers can be served, or `draining`.
    status: &'static str,
    /// What it depends on.
    checks: Dependencies,
}

/// What the service depends on.
#[derive(Debug, Serialize, ToSchema)]
struct Dependencies {
    database: DatabaseCheck,
}

/// State of the database, as far as anybody tried.
#[derive(Debug, Serialize, ToSchema)]
struct DatabaseCheck {
    /// `healthy` below 75 % of the connections in use, `degraded` up to 90 %, `unhealthy` beyond or when not connected.
    status: &'static str,
    /// Whether the server was reached and can serve somebody.
    connected: bool,
    /// Seconds since it could be reached last; null while it can, and before the first attempt has failed.
    unreachable_for_seconds: Option<f64>,
    /// State of the circuit breaker: `closed`, `open` or `half_open`.
    breaker: &'static str,
    pool: PoolCounts,
}

/// Connections, counted.
#[derive(Debug, Serialize, ToSchema)]
struct PoolCounts {
    /// Connections that are kept.
    size: u32,
    /// Connections more on demand.
    max_overflow: u32,
    /// Connections that are open.
    open: u32,
    /// Connections in use.
    checked_out: u32,
    /// Connections open beyond the size.
    overflow: u32,
    /// Requests that wait for a connection.
    waiting: u64,
    /// Share of all possible connections that is in use, from 0 to 1.
    utilisation: f64,
}

impl From<Health> for DatabaseCheck {
    fn from(health: Health) -> Self {
        let pool = &health.pool;
        Self {
            status: level(health.level()),
            connected: health.is_connected(),
            unreachable_for_seconds: pool.outage.as_ref().map(|(since, _)| since.as_secs_f64()),
            breaker: health.breaker.state.as_str(),
            pool: PoolCounts {
                size: pool.size,
                max_overflow: pool.max_overflow,
                open: pool.open,
                checked_out: pool.checked_out,
                overflow: pool.overflow(),
                waiting: pool.waiting,
                utilisation: pool.utilisation(),
            },
        }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Healthy => "healthy",
        Level::Degraded => "degraded",
        Level::Unhealthy => "unhealthy",
    }
}

async fn ready(
    State(store): State<Store>,
    State(catalogue): State<Catalogue>,
    State(draining): State<Draining>,
) -> (StatusCode, Json<Readiness>) {
    let health = store.health();
    let may_serve_kept = may_authenticate(&health) && catalogue.can_serve_cached();
    let database = DatabaseCheck::from(health);
    // Busy is still ready: to send the requests elsewhere would only make the others busier.
    let (code, status) = match database.connected {
        _ if draining.has_begun() => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        true => (StatusCode::OK, database.status),
        false if may_serve_kept => (StatusCode::OK, level(Level::Degraded)),
        false => (StatusCode::SERVICE_UNAVAILABLE, database.status),
    };
    (code, Json(Readiness { status, checks: Dependencies { database } }))
}

/// Returns true if callers that were known before an outage are still let through.
fn may_authenticate(health: &Health) -> bool {
    health.was_reached() && health.pool.outage.as_ref().is_none_or(|(lasted, _)| *lasted < READS_SERVED)
}

/// The same for everybody until the next release, so caches may store it.
async fn description(State(document): State<Document>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "public, max-age=300")], document)
}
