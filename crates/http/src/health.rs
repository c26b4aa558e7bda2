//! Liveness and readiness. The answers come from counters, so they cost no connection and work without the database.

mod detailed;

use crate::authentication::READS_SERVED;
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

/// Deadline of these routes.
const LIMIT: Duration = Duration::from_secs(2);

/// Returns the routes of health and of the OpenAPI document.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    vec![
        Route::get("/health/live", Access::Open, live)
            .summary("Check that the process responds")
            .within(LIMIT)
            .answers_bare::<Alive>(),
        Route::get("/health/ready", Access::Open, ready)
            .summary(
                "Check that requests can be sent to this server; 503 while it drains or can answer nothing",
            )
            .within(LIMIT)
            .answers_bare::<Readiness>()
            .or_unavailable(),
        Route::get("/health/detailed", Access::Open, detailed::detailed)
            .summary("Get the state of all dependencies and their breakers; 503 if the database is unhealthy")
            .within(LIMIT)
            .answers_bare::<DetailedHealth>()
            .or_unavailable(),
        Route::get("/health/database", Access::Open, detailed::database)
            .summary("Get the state of the database, its pool and its breaker; 503 if it is unhealthy")
            .within(LIMIT)
            .answers_bare::<DatabaseCheck>()
            .or_unavailable(),
        Route::get("/health/redis", Access::Open, detailed::redis)
            .summary("Get the state of Redis and its breaker; requests are answered without Redis too")
            .within(LIMIT)
            .answers_bare::<RedisCheck>(),
        Route::get("/openapi.json", Access::Open, description)
            .summary("Get this OpenAPI document")
            .within(LIMIT)
            .answers_bare::<Document>(),
    ]
}

/// Answer of a process that responds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
struct Alive {
    /// Always `alive`.
    status: &'static str,
}

async fn live() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Readiness for requests.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// Status of the database, `degraded` while only cached answers can be served, or `draining`.
    status: &'static str,
    /// States of dependencies.
    checks: Dependencies,
}

/// States of dependencies.
#[derive(Debug, Serialize, ToSchema)]
struct Dependencies {
    database: DatabaseCheck,
}

/// State of the database, as of the last attempt to use it.
#[derive(Debug, Serialize, ToSchema)]
struct DatabaseCheck {
    /// `healthy` below 75 % of the connections in use, `degraded` up to 90 %, `unhealthy` beyond or when not connected.
    status: &'static str,
    /// True if the database was reached and can serve requests.
    connected: bool,
    /// Seconds since the database was last reachable; null while it is, and before the first attempt has failed.
    unreachable_for_seconds: Option<f64>,
    /// State of the circuit breaker: `closed`, `open` or `half_open`.
    breaker: &'static str,
    pool: PoolCounts,
}

/// Numbers of connections.
#[derive(Debug, Serialize, ToSchema)]
struct PoolCounts {
    /// Number of connections that remain open.
    size: u32,
    /// Maximum number of additional connections under load.
    max_overflow: u32,
    /// Number of open connections.
    open: u32,
    /// Number of connections in use.
    checked_out: u32,
    /// Number of open connections beyond the size.
    overflow: u32,
    /// Number of requests that wait for a connection.
    waiting: u64,
    /// Connections in use as a share of the maximum, from 0 to 1.
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
    let may_serve_cached = may_authenticate(&health) && catalogue.can_serve_cached();
    let database = DatabaseCheck::from(health);
    // A busy server is still ready: sending its requests to others would only make them busier.
    let (code, status) = match database.connected {
        _ if draining.has_begun() => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        true => (StatusCode::OK, database.status),
        false if may_serve_cached => (StatusCode::OK, level(Level::Degraded)),
        false => (StatusCode::SERVICE_UNAVAILABLE, database.status),
    };
    (code, Json(Readiness { status, checks: Dependencies { database } }))
}

/// Returns true if API keys that were confirmed before an outage are still accepted.
fn may_authenticate(health: &Health) -> bool {
    health.was_reached() && health.pool.outage.as_ref().is_none_or(|(lasted, _)| *lasted < READS_SERVED)
}

/// Returns the OpenAPI document. It does not change while the process runs, so caches may store it.
async fn description(State(document): State<Document>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "public, max-age=300")], document)
}
