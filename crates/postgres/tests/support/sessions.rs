//! Counts the sessions of a test's database on the server.

use crate::address::url;
use crate::stolen::StolenTime;
use crate::support::Forest;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};

/// Maximum wait for a condition.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sessions of the forest's pool.
const OF_THE_POOL: &str = "application_name = 'steadfast'";

/// Condition for sessions that run a statement or have an open transaction.
const BUSY: &str = "state <> 'idle'";

async fn count(looker: &Client, condition: &str) -> Result<i64> {
    let sql =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}");
    Ok(looker.query_one(&sql, &[]).await?.get(0))
}

/// Returns the number of sessions of the pool that satisfy `condition`.
pub(crate) async fn sessions(looker: &Client, condition: &str) -> Result<i64> {
    count(looker, &format!("{OF_THE_POOL} AND ({condition})")).await
}

async fn come_to(
    looker: &Client,
    condition: &str,
    expected: impl Fn() -> u32,
    limit: Duration,
) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let (seen, expected) = (count(looker, condition).await?, expected());
        if seen == i64::from(expected) {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < limit, "{seen} sessions, not {expected}, after {limit:?}: {condition}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until `expected` sessions of the pool satisfy `condition`.
pub(crate) async fn sessions_become(looker: &Client, condition: &str, expected: u32) -> Result<()> {
    come_to(looker, &format!("{OF_THE_POOL} AND ({condition})"), || expected, PATIENCE).await.map(drop)
}

/// Waits until the number of sessions other than `looker` and those of the pool equals the current value of `expected`.
pub(crate) async fn others_become(looker: &Client, expected: impl Fn() -> u32) -> Result<()> {
    let others = "application_name <> 'steadfast' AND pid <> pg_backend_pid()";
    come_to(looker, others, expected, PATIENCE).await.map(drop)
}

/// Waits until no session of the pool runs a statement or has an open transaction. Returns the time that took, at most
/// `limit`.
pub(crate) async fn quiet(forest: &Forest, limit: Duration, stolen: &StolenTime) -> Result<Duration> {
    let began = Instant::now();
    let took = come_to(&forest.looker, &format!("{OF_THE_POOL} AND {BUSY}"), || 0, PATIENCE).await?;
    let took = stolen.own(began, took);
    ensure!(took <= limit, "quiet after {took:?}");
    Ok(took)
}

/// Opens a session outside of the pool.
pub(crate) async fn client(forest: &Forest) -> Result<Client> {
    let (client, connection) = connect(&url(forest).await?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
