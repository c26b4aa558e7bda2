//! The peers: a handler, a pool and a statement, without key check, log, guard, deadline or metrics.

use crate::servers::POOL;
use anyhow::{Result, bail};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Serialize, Serializer};
use std::time::Instant;

/// The statement of `terminology.place`, word for word.
const SQL: &str = "WITH RECURSIVE line AS ( \
    SELECT 0::bigint AS step, code, term, chapter, parent_code, active, billable FROM icd10_codes WHERE code = $1 \
    UNION ALL \
    SELECT line.step + 1, c.code, c.term, c.chapter, c.parent_code, c.active, c.billable \
    FROM line JOIN icd10_codes c ON c.code = line.parent_code WHERE line.step < $2) \
    SELECT 'line' AS kind, step, 0::bigint AS total, code, term, chapter, parent_code, active, billable FROM line \
    UNION ALL \
    (SELECT 'child', 0, count(*) OVER (), code, term, chapter, parent_code, active, billable FROM icd10_codes \
    WHERE parent_code = $1 AND active ORDER BY code LIMIT $3) \
    UNION ALL \
    (SELECT 'sibling', 0, count(*) OVER (), code, term, chapter, parent_code, active, billable FROM icd10_codes \
    WHERE parent_code = (SELECT own.parent_code FROM line own WHERE own.step = 0) AND code <> $1 AND active \
    ORDER BY code LIMIT $4)";

/// Parameters of the statement after the code: levels, children and siblings.
const LIMITS: [i64; 3] = [9, 20, 10];

type Bb8 = bb8::Pool<AsyncDieselConnectionManager<AsyncPgConnection>>;

/// Returns the router of the contestant `name`.
pub(crate) async fn router(name: &str, url: &str) -> Result<Router> {
    let path = "/api/v1/code/{code}";
    Ok(match name {
        "bare-handler" => {
            let fixed = || async { Json(answer(vec![Row::fixed()], Instant::now())) };
            Router::new().route("/health/live", get(live)).route(path, get(fixed))
        }
        "bare-bb8" | "bare-bb8-ping" => {
            let manager = AsyncDieselConnectionManager::new(url);
            let pool = Bb8::builder().max_size(POOL).test_on_check_out(name == "bare-bb8-ping");
            Router::new().route(path, get(by_diesel)).with_state(pool.build(manager).await?)
        }
        "bare-sqlx" => Router::new().route(path, get(by_sqlx)).with_state(sqlx::PgPool::connect(url).await?),
        _ => bail!("no contestant has the name {name}"),
    })
}

async fn live() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

async fn by_diesel(State(pool): State<Bb8>, Path(code): Path<String>) -> Result<Json<Body>, StatusCode> {
    let began = Instant::now();
    let mut conn = pool.get().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let query = diesel::sql_query(SQL)
        .bind::<Text, _>(&code)
        .bind::<BigInt, _>(LIMITS[0])
        .bind::<BigInt, _>(LIMITS[1])
        .bind::<BigInt, _>(LIMITS[2]);
    // Prepared once per connection, which plain diesel-async does not do for hand-written SQL.
    let rows = steadfast_postgres::cached(query).load(&mut conn).await;
    Ok(Json(answer(rows.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?, began)))
}

async fn by_sqlx(
    State(pool): State<sqlx::PgPool>,
    Path(code): Path<String>,
) -> Result<Json<Body>, StatusCode> {
    let began = Instant::now();
    let query = sqlx::query_as(SQL).bind(&code).bind(LIMITS[0]).bind(LIMITS[1]).bind(LIMITS[2]);
    let rows = query.fetch_all(&pool).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(answer(rows, began)))
}

#[derive(diesel::QueryableByName, sqlx::FromRow)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    step: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    term: String,
    #[diesel(sql_type = Text)]
    chapter: String,
    #[diesel(sql_type = Nullable<Text>)]
    parent_code: Option<String>,
    #[diesel(sql_type = Bool)]
    active: bool,
    #[diesel(sql_type = Bool)]
    billable: bool,
}

impl Row {
    fn fixed() -> Self {
        let [kind, code, term, chapter] = ["line", "E11", "Type 2 diabetes", "4 Endocrine"].map(String::from);
        Self { kind, step: 0, total: 0, code, term, chapter, parent_code: None, active: true, billable: true }
    }
}

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Body {
    success: bool,
    data: Data,
    message: String,
    correlation_id: String,
    #[serde(serialize_with = "milliseconds")]
    timestamp: DateTime<Utc>,
}

#[derive(Serialize)]
struct Data {
    code: String,
    term: String,
    chapter: String,
    parent_code: Option<String>,
    active: bool,
    billable: bool,
    parents: Vec<Related>,
    children: Vec<Related>,
    siblings: Vec<Related>,
    hierarchy_depth: usize,
    total_children: i64,
    total_siblings: i64,
    query_time_ms: f64,
    cache_status: &'static str,
}

#[derive(Serialize)]
struct Related {
    code: String,
    term: String,
}

fn milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Makes the answer of the rows; a code that is not there is no question here.
fn answer(mut rows: Vec<Row>, began: Instant) -> Body {
    rows.sort_unstable_by(|one, other| (one.step, &one.code).cmp(&(other.step, &other.code)));
    let (line, relatives): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.kind == "line");
    let (children, siblings): (Vec<_>, Vec<_>) = relatives.into_iter().partition(|row| row.kind == "child");
    let mut line = line.into_iter();
    let own = line.next().expect("a code that is there");
    let mut parents = related(line);
    parents.reverse();
    let total = |rows: &[Row]| rows.first().map_or(0, |row| row.total);
    let (total_children, total_siblings) = (total(&children), total(&siblings));
    Body {
        success: true,
        message: format!("Code {}", own.code),
        data: Data {
            code: own.code,
            term: own.term,
            chapter: own.chapter,
            parent_code: own.parent_code,
            active: own.active,
            billable: own.billable,
            hierarchy_depth: parents.len(),
            parents,
            children: related(children.into_iter()),
            siblings: related(siblings.into_iter()),
            total_children,
            total_siblings,
            query_time_ms: (began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            cache_status: "miss",
        },
        correlation_id: uuid::Uuid::now_v7().to_string(),
        timestamp: Utc::now(),
    }
}

fn related(rows: impl Iterator<Item = Row>) -> Vec<Related> {
    rows.map(|row| Related { code: row.code, term: row.term }).collect()
}
