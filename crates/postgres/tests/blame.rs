//! Problems that are not the server's fault cause no outage, open no breaker and close no session.

#[path = "support/proxy.rs"]
mod proxy;

use anyhow::{Result, ensure};
use futures_util::future::{join_all, try_join_all};
use proxy::proxy;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{BreakerState, Class, Classify};
use steadfast_postgres::{Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, cached};
use steadfast_testkit::TestDatabase;
use tokio::sync::watch;
use tokio::time::sleep;

const READ: Operation<Read> = Operation::read("trees.read");
const READ_IN_HASTE: Operation<Read> =
    Operation::read("trees.read_in_haste").deadline(Duration::from_millis(100));

const READ_IN_A_SECOND: Operation<Read> = Operation::read("trees.read_soon").deadline(Duration::from_secs(1));

/// Delay of each connect, four of which run concurrently.
const DELAY: Duration = Duration::from_millis(300);

/// Returns the URL of a proxy that delays each connect by `DELAY`.
async fn slow_proxy(url: &str) -> Result<String> {
    proxy(url, || sleep(DELAY)).await
}

/// A proxy whose new connections get no answer while it is held. Open ones continue.
struct Held {
    url: String,
    is_held: watch::Sender<bool>,
}

impl Held {
    async fn in_front_of(url: &str) -> Result<Self> {
        let is_held = watch::Sender::new(false);
        let held = is_held.clone();
        let opening = move || {
            let mut held = held.subscribe();
            async move { _ = held.wait_for(|held| !held).await }
        };
        Ok(Self { url: proxy(url, opening).await?, is_held })
    }
}

async fn blink(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(0.01)").await
}

async fn nap(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(0.3)").await
}

async fn slumber(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(9)").await
}

/// Opens `count` sessions.
async fn warm(db: &Db, count: u64) -> Result<()> {
    while db.health().pool.opened < count {
        let naps = (0..count).map(|_| db.read(&READ, nap));
        try_join_all(naps).await?;
    }
    Ok(())
}

/// Reads with this number of callers for `time`. Each read succeeds, and the server always counts as connected.
async fn read_undisturbed(db: &Db, callers: usize, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    let readers = (0..callers).map(|_| async {
        while Instant::now() < until {
            db.read(&READ, blink).await?;
            ensure!(db.health().is_connected(), "{:?}", db.health());
        }
        Ok(())
    });
    try_join_all(readers).await.map(drop)
}

fn pool_of(url: &str, size: u32) -> Result<Db> {
    Ok(Db::new(url, DbSettings { pool: PoolSettings::sized(size, 0), ..DbSettings::default() })?)
}

#[tokio::test]
async fn waiting_for_slow_connects_is_no_outage() -> Result<()> {
    let database = TestDatabase::empty().await?;
    // Ten rounds of connects take three seconds, longer than the limit of one connect.
    let db = pool_of(&slow_proxy(&database.url()).await?, 40)?;
    let read = || db.read(&READ, async |conn| conn.batch_execute("SELECT pg_sleep(4)").await);
    for outcome in join_all((0..40).map(|_| read())).await {
        outcome?;
    }
    let health = db.health();
    assert_eq!((health.pool.opened, health.pool.outage), (40, None));
    Ok(())
}

#[tokio::test]
async fn short_deadlines_do_not_open_breaker() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = pool_of(&slow_proxy(&database.url()).await?, 2)?;
    for _ in 0..5 {
        let hasty = db.read(&READ_IN_HASTE, async |conn| conn.batch_execute("SELECT 1").await).await;
        let error = hasty.expect_err("no connect is as quick");
        assert_eq!(error.class(), Class::Timeout, "{error}");
    }
    assert_eq!(db.health().breaker.state, BreakerState::Closed);
    db.read(&READ, async |conn| conn.batch_execute("SELECT 1").await).await?;
    Ok(())
}

#[tokio::test]
async fn silent_connect_is_no_outage() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let held = Held::in_front_of(&database.url()).await?;
    let db = pool_of(&held.url, 5)?;
    warm(&db, 4).await?;
    let opened = db.health().pool.opened;
    ensure!(opened == 4, "{opened} sessions are open");
    held.is_held.send_replace(true);
    // Twice as long as a connect may be silent.
    read_undisturbed(&db, 5, Duration::from_secs(5)).await?;
    assert_eq!(db.health().pool.opened, opened);
    held.is_held.send_replace(false);
    read_undisturbed(&db, 5, Duration::from_secs(1)).await
}

#[tokio::test]
async fn silent_connect_with_short_deadline_is_no_outage() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let held = Held::in_front_of(&database.url()).await?;
    let db = pool_of(&held.url, 2)?;
    warm(&db, 1).await?;
    held.is_held.send_replace(true);
    let hurried = async {
        while db.health().pool.checked_out == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        db.read(&READ_IN_A_SECOND, slumber).await
    };
    let (reading, hurried) = tokio::join!(read_undisturbed(&db, 1, Duration::from_secs(4)), hurried);
    hurried.expect_err("it has less time than it needs");
    reading
}

#[tokio::test]
async fn silent_cancel_is_no_outage() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let held = Held::in_front_of(&database.url()).await?;
    let db = pool_of(&held.url, 2)?;
    warm(&db, 2).await?;
    held.is_held.send_replace(true);
    let left = db.read(&READ_IN_HASTE, slumber).await;
    assert_eq!(left.expect_err("it has less time than it needs").class(), Class::Timeout);
    read_undisturbed(&db, 1, Duration::from_secs(5)).await
}

#[tokio::test]
async fn oversized_statement_is_fault() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = pool_of(&database.url(), 1)?;
    // The protocol counts parameters with sixteen bits.
    let parameters: Vec<String> = (1..=70_000).map(|number| format!("${number}")).collect();
    let (sql, runs) = (format!("SELECT 1 WHERE 1 IN ({})", parameters.join(", ")), AtomicU32::new(0));
    let outcome = db.read(&READ, async |conn| {
        runs.fetch_add(1, Relaxed);
        let mut query = sql_query(&sql).into_boxed();
        for value in 0..70_000 {
            query = query.bind::<steadfast_postgres::diesel::sql_types::Integer, _>(value);
        }
        cached(query).execute(conn).await
    });
    let error = outcome.await.expect_err("it is too large");
    assert!(matches!(error, Error::Query(_)) && error.class() == Class::Fault, "{error:?}");
    assert_eq!(runs.into_inner(), 1, "it was repeated");
    db.read(&READ, async |conn| conn.batch_execute("SELECT 1").await).await?;
    Ok(())
}
