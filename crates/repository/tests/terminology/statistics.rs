//! Tests of the log of searches: entries, statistics and upkeep.

use crate::support::Fixture;
use anyhow::Result;
use chrono::{DateTime, Days, Months, Utc};
use std::time::Duration;
use steadfast_domain::terminology::{SearchLog, SearchTotals};
use steadfast_postgres::tokio_postgres::Client;
use steadfast_repository::terminology::{LOG_BATCH_MAX, log_searches, search_logs_upkeep, search_statistics};
use tokio::time::{sleep, timeout};

fn search(query: &str, results: usize, cache_hit: bool) -> SearchLog {
    SearchLog::of(Some(7), query, results, Duration::from_millis(10), cache_hit)
}

fn at(search: SearchLog, at: DateTime<Utc>) -> SearchLog {
    SearchLog { at, ..search }
}

async fn count(fixture: &Fixture, sql: &str) -> Result<i64> {
    Ok(fixture.client().await?.query_one(sql, &[]).await?.get(0))
}

#[tokio::test]
async fn batch_is_logged_and_totalled_in_one_statement() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (now, today) = (Utc::now(), Utc::now().date_naive());
    let last_month = now - Days::new(40);
    let mut batch = vec![search("asthma", 0, false), at(search("asthma", 3, false), last_month)];
    batch.resize(LOG_BATCH_MAX, search("asthma", 3, true));
    let (stored, reading) = fixture.meter().await?.read(log_searches(&fixture.store, &batch)).await?;
    stored?;
    assert_eq!(reading.statements, 1);
    log_searches(&fixture.store, &[search("fever", 1, false)]).await?;
    let recent = search_statistics(&fixture.store, today - Days::new(29)).await?;
    let expected = SearchTotals { searches: 500, without_results: 1, cache_hits: 498, took_ms: 5_000.0 };
    assert_eq!((recent.totals.searches, recent.totals.without_results), (500, 1));
    assert_eq!(recent.totals.cache_hits, expected.cache_hits);
    assert!((recent.totals.took_ms - expected.took_ms).abs() < 0.01, "{:?}", recent.totals);
    assert_eq!(search_statistics(&fixture.store, today - Days::new(60)).await?.totals.searches, 501);
    Ok(())
}

#[tokio::test]
async fn statistics_cost_is_independent_of_log_size() -> Result<()> {
    let fixture = Fixture::new().await?;
    let since = Utc::now().date_naive() - Days::new(29);
    let batch = vec![search("asthma", 3, true); LOG_BATCH_MAX];
    log_searches(&fixture.store, &batch).await?;
    search_logs_upkeep(&fixture.store).await?;
    search_statistics(&fixture.store, since).await?;
    let meter = fixture.meter().await?;
    let (_, few) = meter.read(search_statistics(&fixture.store, since)).await?;
    for _ in 0..20 {
        log_searches(&fixture.store, &batch).await?;
    }
    let (_, many) = meter.read(search_statistics(&fixture.store, since)).await?;
    assert_eq!((few.statements, many.statements), (2, 2));
    // The row of the day was updated twenty times, and dead versions of it may remain.
    assert!(many.buffers <= few.buffers + 10, "{few:?} {many:?}");
    Ok(())
}

#[tokio::test]
async fn popular_queries_have_five_searches_in_thirty_days() -> Result<()> {
    let fixture = Fixture::new().await?;
    let long_ago = Utc::now() - Days::new(31);
    let mut batch = vec![search("Asthma", 4, false); 5];
    batch.extend(vec![search("fever", 2, false); 6]);
    batch.extend(vec![search("gout", 2, false); 4]);
    batch.extend(vec![search("nothing", 0, false); 9]);
    batch.extend(vec![at(search("gout", 2, false), long_ago); 5]);
    log_searches(&fixture.store, &batch).await?;
    let since = Utc::now().date_naive();
    assert_eq!(search_statistics(&fixture.store, since).await?.popular, [], "before the upkeep");
    assert!(search_logs_upkeep(&fixture.store).await?);
    let popular = search_statistics(&fixture.store, since).await?.popular;
    let named: Vec<(&str, i64, f64)> =
        popular.iter().map(|popular| (&*popular.query, popular.searches, popular.average_results)).collect();
    assert_eq!(named, [("fever", 6, 2.0), ("asthma", 5, 4.0)]);
    Ok(())
}

#[tokio::test]
async fn upkeep_creates_future_partitions_and_drops_expired_ones() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let months = "SELECT count(*) FROM pg_partition_tree('search_logs') WHERE isleaf";
    assert_eq!(count(&fixture, months).await?, 8, "this month, the next six, and the default partition");
    let (old, recent) = (Utc::now() - Months::new(5), Utc::now() - Months::new(2));
    let old_month = old.format("search_logs_%Y_%m").to_string();
    let first = old.format("%Y-%m-01 00:00:00+00").to_string();
    let next = (old + Months::new(1)).format("%Y-%m-01 00:00:00+00").to_string();
    let create = format!(
        "CREATE TABLE {old_month} PARTITION OF search_logs FOR VALUES FROM ('{first}') TO ('{next}')"
    );
    client.batch_execute(&create).await?;
    let long_ago = Utc::now() - Months::new(20);
    let batch = [old, recent, long_ago].map(|moment| at(search("asthma", 1, false), moment));
    log_searches(&fixture.store, &batch).await?;
    assert_eq!(count(&fixture, "SELECT count(*) FROM search_logs").await?, 3, "every month is accepted");
    assert!(search_logs_upkeep(&fixture.store).await?);
    assert_eq!(count(&fixture, months).await?, 8);
    assert_eq!(count(&fixture, "SELECT count(*) FROM search_logs").await?, 1);
    assert!(search_logs_upkeep(&fixture.store).await?, "repeating is harmless");
    Ok(())
}

/// Waits until a session waits for a lock on `relation`.
async fn until_queued(client: &Client, relation: &str) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database \
        WHERE datname = current_database() AND relation = $1::text::regclass AND NOT granted)";
    let queued = async {
        while !client.query_one(sql, &[&relation]).await?.get::<_, bool>(0) {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    timeout(Duration::from_secs(60), queued).await?
}

/// Drops the partition of the next month, so that the upkeep has to lock the log and create it.
async fn without_next_month(fixture: &Fixture) -> Result<String> {
    let next_month = (Utc::now() + Months::new(1)).format("search_logs_%Y_%m").to_string();
    fixture.client().await?.batch_execute(&format!("DROP TABLE {next_month}")).await?;
    Ok(next_month)
}

#[tokio::test]
async fn refresh_does_not_block_logging() -> Result<()> {
    let fixture = Fixture::new().await?;
    let next_month = without_next_month(&fixture).await?;
    let blocker = fixture.client().await?;
    // Makes the refresh wait in its transaction, like a large log.
    blocker.batch_execute("BEGIN; CREATE INDEX ON mv_popular_searches (avg_results)").await?;
    let store = fixture.store.clone();
    let upkeep = tokio::spawn(async move { search_logs_upkeep(&store).await });
    until_queued(&blocker, "mv_popular_searches").await?;
    log_searches(&fixture.store, &[search("asthma", 3, false)]).await?;
    let months = format!("SELECT count(*) FROM pg_tables WHERE tablename = '{next_month}'");
    assert_eq!(count(&fixture, &months).await?, 1, "the partition was created");
    blocker.batch_execute("ROLLBACK").await?;
    assert!(upkeep.await??);
    Ok(())
}

#[tokio::test]
async fn upkeep_behind_long_reader_does_not_block_logging() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (reader, observer) = (fixture.client().await?, fixture.client().await?);
    without_next_month(&fixture).await?;
    reader.batch_execute("BEGIN; SELECT FROM search_logs").await?;
    let store = fixture.store.clone();
    let upkeep = tokio::spawn(async move { search_logs_upkeep(&store).await });
    until_queued(&observer, "search_logs").await?;
    log_searches(&fixture.store, &[search("asthma", 3, false)]).await?;
    assert!(upkeep.await?.is_err(), "the service retries it in an hour");
    reader.batch_execute("COMMIT").await?;
    assert!(search_logs_upkeep(&fixture.store).await?);
    Ok(())
}

#[tokio::test]
async fn upkeep_works_without_create_privilege() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let next_month = (Utc::now() + Months::new(1)).format("search_logs_%Y_%m");
    client.batch_execute(&format!("DROP TABLE {next_month}; SET ROLE pg_monitor")).await?;
    assert!(client.batch_execute("CREATE TABLE mine ()").await.is_err(), "the role lacks the privilege");
    assert!(client.query_one("SELECT search_logs_upkeep()", &[]).await?.get::<_, bool>(0));
    let is_back = format!("SELECT count(*) FROM pg_tables WHERE tablename = '{next_month}'");
    assert_eq!(count(&fixture, &is_back).await?, 1);
    Ok(())
}

#[tokio::test]
async fn upkeep_runs_in_one_process_at_a_time() -> Result<()> {
    let fixture = Fixture::new().await?;
    let other = fixture.client().await?;
    other.batch_execute("SELECT pg_advisory_lock(hashtextextended('search_logs_upkeep', 0))").await?;
    assert!(!search_logs_upkeep(&fixture.store).await?);
    other.batch_execute("SELECT pg_advisory_unlock_all()").await?;
    assert!(search_logs_upkeep(&fixture.store).await?);
    Ok(())
}
