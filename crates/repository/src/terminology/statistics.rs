//! The log of searches: entries, upkeep and statistics.

use crate::prelude::*;
use chrono::NaiveDate;
use futures_util::future::try_join;
use std::time::Duration;
use steadfast_domain::terminology::{PopularQuery, SearchLog, SearchStatistics, SearchTotals};
use steadfast_postgres::diesel::sql_types::{
    Array, BigInt, Bool, Date, Double, Integer, Nullable, Text, Timestamptz,
};
use steadfast_postgres::diesel::{define_sql_function, dsl::select};
use steadfast_schema::views::mv_popular_searches;

/// Logs searches. The deadline is short because only the shutdown of the service waits for it.
pub const LOG_SEARCHES: Operation<Write> = Operation::write("terminology.log_searches")
    .deadline(Duration::from_secs(5))
    .served_by(&["search_stats_daily_pkey"]);

/// Creates partitions of the log for future months and drops old ones. Blocks logging while it runs, which is short,
/// and waits at most a second for readers of the log.
pub const UPKEEP: Operation<Write> = Operation::write("terminology.search_logs_upkeep")
    .deadline(Duration::from_secs(60))
    .slow_after(Duration::from_secs(5));

/// Refreshes the popular queries in the background. Reads 30 days of the log.
pub const REFRESH: Operation<Write> = Operation::write("terminology.popular_searches_refresh")
    .deadline(Duration::from_secs(300))
    .slow_after(Duration::from_secs(60))
    .reads(Reads::All, "adds up the searches of 30 days, once an hour");

/// Reads the totals of several days and the popular queries.
pub const STATISTICS: Operation<Read> = Operation::read("terminology.search_statistics")
    .statements(2)
    .served_by(&["search_stats_daily_pkey", "idx_popular_searches_count"]);

/// Maximum number of searches in a call of [`log_searches`].
pub const LOG_BATCH_MAX: usize = 500;

/// Maximum number of popular queries in the statistics.
const POPULAR_SHOWN: i64 = 20;

/// Inserts searches and adds them to the totals of their days. Written by hand: the DSL has no data-modifying CTEs.
/// Locks the days in order, so that two nodes wait for each other instead of deadlocking.
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

/// Sums the totals of several days. Written by hand: the sum of `bigint` is `numeric`, which the DSL cannot cast back.
const TOTALS: &str = "SELECT coalesce(sum(searches), 0)::bigint AS searches, \
    coalesce(sum(without_results), 0)::bigint AS without_results, \
    coalesce(sum(cache_hits), 0)::bigint AS cache_hits, \
    coalesce(sum(response_time_ms), 0) AS response_time_ms FROM search_stats_daily WHERE day >= $1";

/// Logs `searches`, at most [`LOG_BATCH_MAX`], and adds them to the totals of their days, in one statement.
///
/// # Errors
/// Returns [`Error`] if nothing was stored, or [`Error::OutcomeUnknown`] if it is unknown whether the searches were
/// stored.
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

/// Maintains the partitions of the log and refreshes the popular queries, in two units of work. Returns false if
/// another process is running the upkeep.
///
/// # Errors
/// Returns [`Error`] if one of the two failed; the other may have succeeded. Repeating the call is safe.
pub async fn search_logs_upkeep(store: &Store) -> Result<bool, Error> {
    let maintained = maintain_partitions(store).await;
    if !matches!(maintained, Ok(false)) {
        refresh_popular_searches(store).await?;
    }
    maintained
}

/// Creates partitions of the log for the next six months, and drops those before the last three. Returns false if
/// another process is doing this.
///
/// # Errors
/// Returns [`Error`] if the partitions could not be changed, for example because a reader blocked them for too long.
pub(super) async fn maintain_partitions(store: &Store) -> Result<bool, Error> {
    store.write(&UPKEEP, async |conn| select(upkeep_function()).get_result(conn).await).await
}

/// Refreshes the popular queries, without blocking logging or reading. Returns false if another process is doing this.
///
/// # Errors
/// Returns [`Error`] if the refresh failed. The popular queries are then unchanged.
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
/// statements in one round trip. Reads one row per day by `search_stats_daily_pkey` and twenty rows by
/// `idx_popular_searches_count`.
///
/// # Errors
/// Returns [`Error`] if the database fails.
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

/// Totals of several days.
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
