//! What is no fault of the server is not laid at its door: no outage, no open breaker, no session thrown away.

use anyhow::{Result, bail};
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{BreakerState, Class, Classify};
use steadfast_postgres::{Db, DbSettings, Error, Operation, PoolSettings, Read, cached};
use steadfast_testkit::TestDatabase;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const READ: Operation<Read> = Operation::read("trees.read");
const READ_IN_HASTE: Operation<Read> =
    Operation::read("trees.read_in_haste").deadline(Duration::from_millis(100));

/// What a connect takes on the way: four of them are made at once.
const DELAY: Duration = Duration::from_millis(300);

/// A way to the server of `url` on which each connect takes `DELAY`.
async fn slow_way(url: &str) -> Result<String> {
    let (login, place) = url.split_once('@').unwrap_or(("postgres://postgres", url));
    let Some((address, database)) = place.split_once('/') else { bail!("no database in {url}") };
    let server: SocketAddr = address.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let way = format!("{login}@{}/{database}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                sleep(DELAY).await;
                if let Ok(mut server) = TcpStream::connect(server).await {
                    // Ends with either of them.
                    _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    Ok(way)
}

fn pool_of(url: &str, size: u32) -> Result<Db> {
    Ok(Db::new(url, DbSettings { pool: PoolSettings::sized(size, 0), ..DbSettings::default() })?)
}

#[tokio::test]
async fn who_waits_for_the_connects_of_others_does_not_take_the_server_for_silent() -> Result<()> {
    let database = TestDatabase::empty().await?;
    // Ten rounds of connects, three seconds: longer than one connect may take.
    let db = pool_of(&slow_way(&database.url()).await?, 40)?;
    let read = || db.read(&READ, async |conn| conn.batch_execute("SELECT pg_sleep(4)").await);
    for outcome in join_all((0..40).map(|_| read())).await {
        outcome?;
    }
    let health = db.health();
    assert_eq!((health.pool.opened, health.pool.outage), (40, None));
    Ok(())
}

#[tokio::test]
async fn callers_whose_time_is_shorter_than_a_connect_do_not_open_the_breaker() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = pool_of(&slow_way(&database.url()).await?, 2)?;
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
async fn a_statement_that_is_too_large_to_be_sent_is_a_fault_of_the_statement() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = pool_of(&database.url(), 1)?;
    // The protocol counts values by sixteen bits.
    let places: Vec<String> = (1..=70_000).map(|place| format!("${place}")).collect();
    let (sql, runs) = (format!("SELECT 1 WHERE 1 IN ({})", places.join(", ")), AtomicU32::new(0));
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
