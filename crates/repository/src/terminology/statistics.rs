//! What was searched for: the log of searches, its upkeep, and what it adds up to.

use crate::row::row;
use crate::{Error, Store};
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::try_join;
use std::time::Duration;
use steadfast_domain::terminology::{PopularQuery, SearchLog, SearchStatistics, SearchTotals};
use steadfast_postgres::diesel::sql_types::{
    Array, BigInt, Bool, Date, Double, Integer, Nullable, Text, Timestamptz,
};
use steadfast_postgres::diesel::{self, define_sql_function, dsl::select, prelude::*, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, Reads, Write, cached};
use steadfast_schema::views::mv_popular_searches;

/// Stores what was searched for. Nobody waits for it but the end of the service, so it is not waited for long.
pub const LOG_SEARCHES: Operation<Write> = Operation::write("terminology.log_searches")
    .deadline(Duration::from_secs(5))
    .served_by(&["search_stats_daily_pkey"]);

/// Makes the log's coming months and drops its old ones. Searches cannot be logged meanwhile, so it takes moments, and waits
/// no longer than a second for those that read the log.
pub const UPKEEP: Operation<Write> = Operation::write("terminology.search_logs_upkeep")
    .deadline(Duration::from_secs(60))
    .slow_after(Duration::from_secs(5));

/// Adds up the popular queries. Reads the log of 30 days: it is for the background, and takes what that takes.
pub const REFRESH: Operation<Write> = Operation::write("terminology.popular_searches_refresh")
    .deadline(Duration::from_secs(300))
    .slow_after(Duration::from_secs(60))
    .reads(Reads::All, "adds up the searches of 30 days, once an hour");

/// What the searches of some days add up to.
pub const STATISTICS: Operation<Read> = Operation::read("terminology.search_statistics")
    .statements(2)
    .served_by(&["search_stats_daily_pkey", "idx_popular_searches_count"]);

/// Searches that one call of [`log_searches`] may have.
pub const LOG_BATCH_MAX: usize = 500;

/// Popular queries in the statistics.
const POPULAR_SHOWN: i64 = 20;

/// Inserts searches and adds them to the totals of their days. Written by hand: the DSL cannot insert from a statement that
/// inserts. Locks days in their order, so that two nodes wait for each other instead of deadlocking.
const LOG: &str = "WITH logged AS ( \
    INSERT INTO search_logs (user_id, query, results_count, response_time_ms, cache_hit, created_at) \
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6) \
    RETURNING (created_at AT TIME ZONE 'UTC')::date AS day, results_count, response_time_ms, cache_hit) \
    INSERT INTO search_stats_daily AS stored (day, searches, without_results, cache_hits, response_time_ms) \
    SELECT day, count(*), count(*) FILTER (WHERE results_count = 0), count(*) FILTER (WHERE cache_hit), \
    sum(response_time_ms) FROM logged GROUP BY day ORDER BY day \
    ON CONFLICT (day) DO UPDATE SET searches = stored.searches + excluded.searches, \
    without_results = stored.without_results + excluded.without_results, \
    cache_hits = stored.cache_hits + excluded.cache_hits, \
    response_time_ms = stored.response_time_ms + excluded.response_time_ms";

/// Written by hand: the sum of `bigint` is `numeric`, which the DSL cannot cast back.
const TOTALS: &str = "SELECT coalesce(sum(searches), 0)::bigint AS searches, \
    coalesce(sum(without_results), 0)::bigint AS without_results, \
    coalesce(sum(cache_hits), 0)::bigint AS cache_hits, \
    coalesce(sum(response_time_ms), 0) AS response_time_ms FROM search_stats_daily WHERE day >= $1";

/// Stores `searches`, at most [`LOG_BATCH_MAX`], and adds them to the sums of their days: one statement.
///
/// # Errors
/// [`Error`]; then none was stored, except that after [`Error::OutcomeUnknown`] nobody knows.
pub async fn log_searches(store: &Store, searches: &[SearchLog]) -> Result<(), Error> {
    let callers: Vec<Option<i64>> = searches.iter().map(|search| search.caller).collect();
    let queries: Vec<Option<&str>> = searches.iter().map(|search| search.query.as_deref()).collect();
    let results: Vec<i32> = searches.iter().map(|search| search.results).collect();
    let times: Vec<f64> = searches.iter().map(|search| search.took.as_secs_f64() * 1e3).collect();
    let hits: Vec<bool> = searches.iter().map(|search| search.cache_hit).collect();
    let moments: Vec<DateTime<Utc>> = searches.iter().map(|search| search.at).collect();
    store
        .write(&LOG_SEARCHES, async |conn| {
            let insert = sql_query(LOG)
                .bind::<Array<Nullable<BigInt>>, _>(&callers)
                .bind::<Array<Nullable<Text>>, _>(&queries)
                .bind::<Array<Integer>, _>(&results)
                .bind::<Array<Double>, _>(&times)
                .bind::<Array<Bool>, _>(&hits)
                .bind::<Array<Timestamptz>, _>(&moments);
            cached(insert).execute(conn).await
        })
        .await?;
    Ok(())
}

/// Keeps the log in order and adds up the popular queries, one unit of work after the other. Returns false if somebody else
/// is at it already.
///
/// # Errors
/// Returns [`Error`] if one of the two failed; the other may have been done. Repeating is safe.
pub async fn search_logs_upkeep(store: &Store) -> Result<bool, Error> {
    let kept = keep_months(store).await;
    if !matches!(kept, Ok(false)) {
        refresh_popular_searches(store).await?;
    }
    kept
}

/// Makes the months of the log up to six ahead, and drops those before the last three. Returns false if somebody else is at
/// it already.
///
/// # Errors
/// Returns [`Error`] if the months could not be changed, also if somebody read the log for too long.
pub(super) async fn keep_months(store: &Store) -> Result<bool, Error> {
    store.write(&UPKEEP, async |conn| select(upkeep_function()).get_result(conn).await).await
}

/// Adds up the popular queries anew, while searches are logged and statistics are read. Returns false if somebody else is at
/// it already.
///
/// # Errors
/// Returns [`Error`] if they could not be added up; then the former ones stay.
pub(super) async fn refresh_popular_searches(store: &Store) -> Result<bool, Error> {
    store.write(&REFRESH, async |conn| select(refresh_function()).get_result(conn).await).await
}

define_sql_function! {
    #[sql_name = "search_logs_upkeep"]
    fn upkeep_function() -> Bool;
}

define_sql_function! {
    #[sql_name = "popular_searches_refresh"]
    fn refresh_function() -> Bool;
}

/// Returns the totals of searches since the day `since` (UTC), and the popular queries as of the last refresh: two
/// statements in one round trip. Reads one row for each day by `search_stats_daily_pkey` and twenty rows of
/// `idx_popular_searches_count`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn search_statistics(store: &Store, since: NaiveDate) -> Result<SearchStatistics, Error> {
    let (totals, popular): (TotalsRow, Vec<PopularRow>) = store
        .read(&STATISTICS, async |conn| {
            let totals = cached(sql_query(TOTALS).bind::<Date, _>(since));
            let popular = mv_popular_searches::table
                .select(PopularRow::as_select())
                .order((mv_popular_searches::search_count.desc(), mv_popular_searches::query))
                .limit(POPULAR_SHOWN);
            try_join(totals.get_result(&mut &*conn), popular.load(&mut &*conn)).await
        })
        .await?;
    let popular = popular.into_iter().map(PopularRow::parse).collect::<Result<_, _>>()?;
    Ok(SearchStatistics { since, totals: totals.parse(), popular })
}

/// Sums over some days.
#[derive(Debug, QueryableByName)]
struct TotalsRow {
    #[diesel(sql_type = BigInt)]
    searches: i64,
    #[diesel(sql_type = BigInt)]
    without_results: i64,
    #[diesel(sql_type = BigInt)]
    cache_hits: i64,
    #[diesel(sql_type = Double)]
    response_time_ms: f64,
}

impl TotalsRow {
    fn parse(self) -> SearchTotals {
        SearchTotals {
            searches: self.searches,
            without_results: self.without_results,
            cache_hits: self.cache_hits,
            took_ms: self.response_time_ms,
        }
    }
}

row! {
    /// A popular query.
    PopularRow of mv_popular_searches for PopularQuery {
        query: String,
        #[diesel(column_name = search_count)]
        searches: i64,
        #[diesel(column_name = avg_response_time)]
        average_response_time_ms: f64,
        #[diesel(column_name = avg_results)]
        average_results: f64,
        last_searched: DateTime<Utc>,
    }
}
